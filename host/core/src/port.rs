//! The two seams of the host: what a guest may ask of the cluster, and how a guest is called.
//!
//! `joch-controller` implements [`Session`] and calls [`Invoke`]; `joch-engine` the other way round; so
//! neither knows the other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::grant::Verb;
use crate::object::{Gvk, ObjectRef};
use crate::outcome::{Failure, Outcome};

/// A JSON document. Shared, because the cache, the session and the guest's copy all hold it.
pub type Json = Arc<str>;

/// Why a call to the cluster failed; the guest sees each of these as a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeError {
    /// Outside the effective grant; nothing was sent.
    #[error("denied: {missing_grant}")]
    Denied {
        /// The verb as in RBAC.
        verb: String,
        /// The object concerned.
        target: ObjectRef,
        /// What would have to be granted.
        missing_grant: String,
    },
    /// There is no such object.
    #[error("not found")]
    NotFound,
    /// An object of that name exists.
    #[error("{} exists already", .0.key)]
    AlreadyExists(ObjectRef),
    /// The resource version is not the newest.
    #[error("the object has changed meanwhile")]
    Stale,
    /// Other managers own these fields.
    #[error("fields are owned by others: {}", .0.join(", "))]
    OwnedByOther(Vec<String>),
    /// The API server, or the host before it, refused the content.
    #[error("{0}")]
    Invalid(String),
    /// The manifest declares no watch on the kind.
    #[error("the manifest declares no watch on {0}")]
    NotWatched(String),
    /// A limit is used up.
    #[error("over limit: {0}")]
    OverLimit(String),
    /// The API server cannot answer now.
    #[error("the API server is unavailable")]
    Unavailable(Option<Duration>),
    /// The lease is lost; nothing was sent.
    #[error("this replica has lost its lease")]
    Fenced,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// How fresh an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The watch cache's answer.
    Cached,
    /// The watch cache's answer; a miss is confirmed by the API server.
    Confirmed,
    /// The API server's answer.
    Live,
}

/// A question about the objects of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The kind asked for.
    pub kind: Gvk,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only objects that match this label selector.
    pub labels: Option<String>,
    /// Only objects that name this uid as an owner.
    pub owned_by: Option<String>,
    /// Only these parts of each object, as JSON pointers; empty is all.
    pub fields: Vec<String>,
    /// Only `apiVersion`, `kind` and `metadata`.
    pub metadata_only: bool,
}

impl Query {
    /// Everything of a kind.
    #[must_use]
    pub fn new(kind: Gvk) -> Self {
        Self {
            kind,
            namespace: None,
            labels: None,
            owned_by: None,
            fields: Vec::new(),
            metadata_only: false,
        }
    }
}

/// A write to one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object written to.
    pub target: ObjectRef,
    /// Its subresource, if that is written.
    pub subresource: Option<String>,
    /// Refuse unless the object still has this resource version.
    pub if_version: Option<String>,
    /// Apply only: take over others' fields.
    pub force: bool,
    /// Add an owner reference to the primary.
    pub owned: bool,
    /// What is done.
    pub operation: Operation,
}

/// What a write does; the text is the JSON document that the guest gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make the object.
    Create(String),
    /// Server-side apply.
    Apply(String),
    /// JSON merge patch.
    Merge(String),
    /// JSON patch.
    JsonPatch(String),
    /// Remove the object, with this propagation policy.
    Delete(String),
}

impl Operation {
    /// The verb that it takes.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Create(_) => Verb::Create,
            Self::Apply(_) | Self::Merge(_) | Self::JsonPatch(_) => Verb::Patch,
            Self::Delete(_) => Verb::Delete,
        }
    }
}

impl Change {
    /// Whether it patches an object, or makes it where there is none, which takes the verb to create too.
    #[must_use]
    pub fn may_make(&self) -> bool {
        matches!(self.operation, Operation::Apply(_)) && self.subresource.is_none()
    }
}

/// What became of a status report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Written.
    Written,
    /// Nothing but the time would have changed.
    Unchanged,
    /// The object moved on; this is its newest state.
    Superseded(Json),
}

/// What became of starting a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// Created now.
    Created(ObjectRef),
    /// It exists already and is the primary's own.
    AlreadyRunning(ObjectRef),
}

/// Why a Job was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// The name belongs to a Job of somebody else.
    NameTaken(ObjectRef),
    /// The Job of that name is being deleted.
    NameTerminating(ObjectRef),
    /// The limit of active Jobs is reached.
    OverBudget(u32),
    /// Refused by grant, field list or server.
    Refused(KubeError),
}

/// An Event to publish about the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// One CamelCase word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// One value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// None: the primary's namespace.
    pub namespace: Option<String>,
    /// The Secret's name.
    pub name: String,
    /// The key within it.
    pub key: String,
}

/// A value of a Secret. It shows nothing of itself when it is formatted, and is wiped from memory when it
/// is dropped; the copies that a client or a socket makes on the way are not.
pub type SecretValue = secrecy::SecretSlice<u8>;

/// What a Secret's value is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretUse {
    /// A placeholder is to be made: the authority and the Secret's existence are checked.
    Placeholder,
    /// It goes into a request to this host (as in `[[grant.http]]`).
    Send {
        /// Scheme, host and port.
        origin: String,
    },
    /// The guest wants to see it.
    Reveal,
}

/// An outgoing HTTP request, as far as the authority is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// In capital letters.
    pub method: String,
    /// `scheme://host` or `scheme://host:port`.
    pub origin: String,
}

/// How far an allowed request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only to addresses that lead away from this machine, its link and its cloud's metadata.
    Ordinary,
    /// The grant names this very host, and not a pattern that it falls under.
    Named,
}

/// A number for one of the plugin's own metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The metric's name in the manifest.
    pub metric: String,
    /// What to do with the number.
    pub kind: crate::manifest::MetricKind,
    /// The number.
    pub value: f64,
    /// Each label with its value.
    pub labels: Vec<(String, String)>,
}

/// What one reconcile may ask of the cluster. Every method checks the plugin's authority and bounds
/// before anything is sent, and records what was read.
#[async_trait]
pub trait Session: Send + Sync {
    /// Reads one object.
    async fn get(&self, what: &ObjectRef, freshness: Freshness) -> Result<Json, KubeError>;
    /// Reads the objects that match, ordered by namespace and name.
    async fn list(&self, query: &Query, freshness: Freshness) -> Result<Vec<Json>, KubeError>;
    /// Counts the objects that match, in the cache.
    async fn count(&self, query: &Query) -> Result<u64, KubeError>;
    /// Writes; the answer is the object as stored (empty for a deletion).
    async fn write(&self, change: Change) -> Result<Json, KubeError>;
    /// Reports the primary's status.
    async fn report_status(
        &self,
        status: String,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError>;
    /// Starts a Job.
    async fn start_job(&self, job: String) -> Result<Started, StartError>;
    /// Publishes an Event about the primary.
    async fn publish(&self, note: Note) -> Result<(), KubeError>;
    /// Reads a value of a Secret for a use that the authority allows. The bytes are handed to the guest
    /// for [`SecretUse::Reveal`] only.
    async fn secret(&self, secret: &SecretRef, wanted: SecretUse)
    -> Result<SecretValue, KubeError>;
    /// Whether an outgoing request may be made, and how far it may reach; counts it.
    async fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError>;
    /// Writes a metric of the plugin's own.
    async fn measure(&self, measurement: Measurement) -> Result<(), KubeError>;
}

/// What a guest is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bring the world closer to what the object asks for.
    Reconcile,
    /// Clean up: the object is being deleted.
    Finalize,
}

/// One call of a guest.
pub struct Call {
    /// What for.
    pub purpose: Purpose,
    /// The controller meant, by its name in the manifest.
    pub controller: String,
    /// The object being reconciled, with its uid.
    pub target: ObjectRef,
    /// That object.
    pub object: Json,
    /// The time of the call, in milliseconds since 1970.
    pub now_unix_ms: u64,
    /// How often the object failed in a row before.
    pub attempt: u32,
    /// What the guest may ask of the cluster.
    pub session: Arc<dyn Session>,
}

/// What a call came to, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The guest's answer, or why there is none.
    pub result: Result<Outcome, Failure>,
    /// Time that the guest computed.
    pub cpu: Duration,
    /// The most linear memory that the guest had, in bytes.
    pub memory: u64,
    /// Ticks of the engine at which the guest was seen computing after its deadline, CPU or wall.
    pub late_ticks: u32,
}

impl Report {
    /// A call that the host could not make, or not finish; nothing is charged to the guest.
    #[must_use]
    pub fn of_host_failure(reason: &str) -> Self {
        let result = Err(Failure::Host(reason.to_owned()));
        Self { result, cpu: Duration::ZERO, memory: 0, late_ticks: 0 }
    }
}

/// A version of a plugin that can be called.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Calls the guest with a fresh instance, within its limits.
    ///
    /// Returns at the latest when its wall time is over; writes that are under way then belong to the
    /// session and go on.
    async fn call(&self, call: Call) -> Report;
}

/// Where an object's writes go: which plugin and controller writes.
#[must_use]
pub fn field_manager(plugin: &str, controller: &str) -> String {
    format!("joch/{plugin}/{controller}")
}
