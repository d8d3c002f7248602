//! The one way to the host, with two implementations: the component's imports, and natively the fake.
//!
//! The rest of the crate builds descriptions of calls and reads answers; nothing else knows where it runs.

use crate::{
    Gvk, Level, ObjectRef,
    bindings::joch::{
        kube::{
            events::Severity,
            jobs::{StartError, Started},
            reader::Freshness,
            status::Verdict,
            types::Error,
        },
        runtime::secrets::SecretRef,
    },
};

#[cfg(target_arch = "wasm32")]
mod component;

#[cfg(target_arch = "wasm32")]
pub(crate) use component::{Cursor, Host};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::fake::{Cursor, Host};

/// What both implementations do; the words and the errors are those of the WIT interfaces.
pub(crate) trait Calls {
    fn get(&self, target: &ObjectRef, freshness: Freshness) -> Result<String, Error>;
    fn run(&self, question: &Question, freshness: Freshness) -> Result<Cursor, Error>;
    fn count(&self, question: &Question) -> Result<u64, Error>;
    fn write(&self, draft: &Draft, verb: Verb, body: &str) -> Result<String, Error>;
    fn delete(&self, draft: &Draft, propagation: &str) -> Result<(), Error>;
    fn report(&self, status: &str, generation: Option<i64>) -> Result<Verdict, Error>;
    fn start(&self, job: &str) -> Result<Started, StartError>;
    fn publish(&self, severity: Severity, reason: &str, message: &str) -> Result<(), Error>;
    fn logs(&self, level: Level) -> bool;
    fn log(&self, level: Level, message: &str, fields: &[(String, String)]);
    fn config(&self) -> String;
    fn placeholder(&self, secret: &SecretRef) -> Result<String, Error>;
    fn reveal(&self, secret: &SecretRef) -> Result<String, Error>;
    fn measure(&self, series: &Series, value: f64) -> Result<(), Error>;
}

/// A question about many objects of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) kind: Gvk,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: Option<String>,
    pub(crate) owned_by: Option<String>,
    pub(crate) fields: Vec<String>,
    pub(crate) metadata_only: bool,
}

/// A write, but for what is written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) target: ObjectRef,
    pub(crate) subresource: Option<String>,
    pub(crate) if_version: Option<String>,
    pub(crate) force: bool,
    pub(crate) owned: bool,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Apply,
    Merge,
    JsonPatch,
}

/// One series of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) measure: Measure,
    pub(crate) metric: String,
    pub(crate) labels: Vec<(String, String)>,
}

/// What is done with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Add,
    Set,
    Observe,
}
