//! Group `kubetask.io`: tasks for AI agents, run as Jobs.

mod agent;
mod context;
mod crontask;
mod kubetaskconfig;
mod task;

pub use agent::{
    Agent, AgentSpec, Credential, HumanInTheLoop, PodScheduling, SecretKeyReference, Toleration,
};
pub use context::{
    ConfigMapKeyReference, ConfigMapReference, Context, ContextType, FileContext, FileSource,
};
pub use crontask::{
    ConcurrencyPolicy, CronTask, CronTaskSpec, CronTaskStatus, TaskTemplate, TemplateMeta,
};
pub use kubetaskconfig::{KubeTaskConfig, KubeTaskConfigSpec, TaskLifecycle};
pub use task::{Task, TaskPhase, TaskSpec, TaskStatus};

/// The API group.
pub const GROUP: &str = "kubetask.io";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// The Agent that a Task uses when it names none.
pub const DEFAULT_AGENT: &str = "default";
/// The image of an Agent that names none.
pub const DEFAULT_AGENT_IMAGE: &str = "quay.io/zhaoxue/kubetask-agent-gemini:latest";

/// Declares a kind of this group: its type and its names.
macro_rules! kind {
    ($(#[$doc:meta])* $name:ident, $spec:ty, $status:ty) => {
        $(#[$doc])*
        pub type $name = $crate::meta::Object<$spec, $status>;

        impl $crate::meta::Resource for $name {
            const GROUP: &'static str = $crate::kubetask::GROUP;
            const VERSION: &'static str = $crate::kubetask::VERSION;
            const KIND: &'static str = stringify!($name);
        }
    };
}
use kind;
