//! One reconcile's hands on the cluster: every call is checked, counted and recorded here.
//!
//! # Guarantees
//! - Nothing is sent that the plugin's authority does not cover, or beyond its bounds.
//! - A read is recorded before it is answered, so that no change falls between (G2).
//! - A write is a task of the host's: it goes on when the guest is stopped, and [`Session::settle`]
//!   waits for it before the object gets its next turn (G1, design decision 14).

mod finalizer;
mod jobs;
mod measure;
mod notes;
mod outgoing;
mod parked;
mod read;
mod secrets;
mod shadowed;
mod status;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use joch_core::blame::Trouble;
use joch_core::dependency::Read;
use joch_core::grant::{self, KubeCall};
use joch_core::manifest::WatchData;
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::port::{
    self, Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Query, Reach, SecretRef,
    SecretUse, SecretValue, StartError, Started, Verdict, field_manager,
};
use joch_core::status::Dropped;
use kube::Client;
use kube::api::DynamicObject;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::cached::{self, Cached};
use crate::client::REQUEST_TIMEOUT;
use crate::error::{is_nobodys, is_unserved, translate};
use crate::hub::View;
use crate::kinds::{Kinds, Served, lock};
use crate::metrics::{ApiLabels, Metrics, PluginLabels, WaitLabels};
use crate::rates::{Admission, Rates};
use crate::registry::Version;

pub(crate) use jobs::JobLedger;
pub(crate) use notes::Notes;
pub(crate) use shadowed::Shadowed;
pub(crate) use status::unix_ms;
pub(crate) use write::Applied;

/// What all sessions of one controller share.
pub(crate) struct Surroundings {
    pub(crate) client: Client,
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) metrics: Metrics,
    pub(crate) notes: Arc<Notes>,
    /// The plugin's, shared by all of its controllers.
    pub(crate) rates: Arc<Rates>,
    pub(crate) controller: String,
    /// The kinds that the controller reconciles or watches.
    pub(crate) views: HashMap<Gvk, View>,
    /// Those that it watches, may do without, and has to: to its guests there are no objects of them.
    pub(crate) absent: BTreeSet<Gvk>,
    /// What this controller applied last, by object.
    pub(crate) applied: Mutex<Applied>,
    /// The unfinished Jobs of this controller.
    pub(crate) jobs: Mutex<JobLedger>,
    /// Status fields that the installed CRDs drop.
    pub(crate) dropped: Mutex<HashMap<Gvk, Dropped>>,
    /// Status fields of which it was said already that plugins do not own them.
    pub(crate) overruled: Mutex<BTreeSet<(Gvk, String)>>,
}

/// Whom to tell at once of a read.
pub(crate) type Recorder = Box<dyn Fn(Read) + Send + Sync>;

/// One reconcile.
pub(crate) struct Session {
    around: Arc<Surroundings>,
    version: Arc<Version>,
    /// The primary as the reconcile was given it.
    primary: Arc<Cached>,
    key: ObjectKey,
    fields: joch_core::manifest::StatusFields,
    record: Recorder,
    reads: Mutex<BTreeSet<Read>>,
    calls: AtomicU32,
    events: AtomicU32,
    requests: AtomicU32,
    trouble: Mutex<Trouble>,
    writes: TaskTracker,
}

impl Session {
    pub(crate) fn new(
        around: Arc<Surroundings>,
        version: Arc<Version>,
        key: ObjectKey,
        primary: Arc<Cached>,
        record: Recorder,
    ) -> Self {
        let fields = version.controller(&around.controller).map(|spec| spec.status.clone());
        Self {
            around,
            version,
            primary,
            key,
            fields: fields.unwrap_or_default(),
            record,
            reads: Mutex::default(),
            calls: AtomicU32::new(0),
            events: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            trouble: Mutex::default(),
            writes: TaskTracker::new(),
        }
    }

    /// Waits for the writes that are under way.
    pub(crate) async fn settle(&self) {
        self.writes.close();
        self.writes.wait().await;
    }

    /// Publishes an event of the host's own about the primary; it does not count as the guest's.
    pub(crate) fn tell(&self, note: Note) -> Result<(), KubeError> {
        let Self { around, version, primary, key, .. } = self;
        around.notes.publish(version.plugin(), &around.controller, key, &primary.uid, note)
    }

    /// The primary's key.
    pub(crate) fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Whether nothing that it writes is sent.
    pub(crate) fn is_shadow(&self) -> bool {
        self.version.shadow.is_some()
    }

    /// What was seen of the API server, so far.
    pub(crate) fn trouble(&self) -> Trouble {
        *lock(&self.trouble)
    }

    /// What was read, so far.
    pub(crate) fn reads(&self) -> BTreeSet<Read> {
        lock(&self.reads).clone()
    }

    fn manager(&self) -> String {
        field_manager(self.version.plugin(), &self.around.controller)
    }

    fn namespace(&self) -> Option<&str> {
        self.key.namespace.as_deref()
    }

    /// Checks a call against the authority.
    fn allow(&self, call: &KubeCall<'_>, target: &ObjectKey) -> Result<(), KubeError> {
        if !target.is_plain() {
            return Err(KubeError::Invalid(format!("no object can be named {target}")));
        }
        let authority = &self.version.authority;
        grant::decide(&authority.requested, &authority.granted, call, self.namespace())
            .map_err(|missing| self.denied(call.verb.as_str(), target, missing))
    }

    /// A denial: counted, logged, and told to the guest.
    fn denied(&self, verb: &str, target: &ObjectKey, missing_grant: String) -> KubeError {
        let plugin = self.version.plugin().to_owned();
        self.around.metrics.denials.get_or_create(&PluginLabels { plugin }).inc();
        tracing::warn!(missing_grant, "a call was denied");
        self.around.notes.denied(self.version.plugin(), &self.around.controller, &missing_grant);
        let target = ObjectRef { key: target.clone(), uid: None };
        KubeError::Denied { verb: verb.to_owned(), target, missing_grant }
    }

    fn record(&self, read: Read) {
        if lock(&self.reads).insert(read.clone()) {
            (self.record)(read);
        }
    }

    /// Counts a call to the API server against the bound per reconcile.
    fn spend(&self) -> Result<(), KubeError> {
        let limit = self.version.manifest.limits.api_per_reconcile;
        if self.calls.fetch_add(1, Ordering::Relaxed) < limit {
            return Ok(());
        }
        Err(KubeError::OverLimit(format!(
            "{limit} calls to the API server per reconcile (api-per-reconcile)"
        )))
    }

    /// The resource that serves `kind`.
    async fn served(&self, kind: &Gvk) -> Result<Served, KubeError> {
        if let Some(view) = self.around.views.get(kind) {
            return Ok(view.served.clone());
        }
        let missing = || KubeError::Invalid(format!("the API server does not serve {kind}"));
        let key = ObjectKey { kind: kind.clone(), namespace: None, name: String::new() };
        let found =
            self.around.kinds.find(kind).await.map_err(|error| translate(error, "get", &key))?;
        found.ok_or_else(missing)
    }

    /// Waits until the plugin may make one more call to the API server: not longer than a few seconds, and
    /// counted.
    async fn pace(&self) -> Result<(), KubeError> {
        let (result, answer) = match self.around.rates.admit().await {
            Admission::AtOnce => return Ok(()),
            Admission::Waited => ("waited", Ok(())),
            Admission::Refused(limit) => {
                let text = format!("{limit} calls to the API server per second (api-per-second)");
                ("refused", Err(KubeError::OverLimit(text)))
            }
        };
        let plugin = self.version.plugin().to_owned();
        self.around.metrics.api_waits.get_or_create(&WaitLabels { plugin, result }).inc();
        answer
    }

    /// Runs one request: at the plugin's pace, bounded in time, counted by its result.
    async fn request<T>(
        &self,
        verb: &'static str,
        target: &ObjectKey,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, KubeError> {
        self.pace().await?;
        let _waiting = Waiting { since: Instant::now(), trouble: &self.trouble };
        let mut nobodys = false;
        let result = match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(answer) => answer.map_err(|error| {
                nobodys = is_nobodys(&error);
                if is_unserved(&error) {
                    self.around.kinds.forget(&target.kind);
                }
                translate(error, verb, target)
            }),
            Err(_) => Err(KubeError::Unavailable(None)),
        };
        match &result {
            Err(error) if nobodys => self.refused(verb, error),
            Err(KubeError::Unavailable(_) | KubeError::Fenced) => {
                lock(&self.trouble).unanswered += 1;
            }
            _ => {}
        }
        let outcome = match &result {
            Ok(_) => "success",
            Err(_) if nobodys => "refused",
            Err(KubeError::NotFound) => "not-found",
            Err(KubeError::AlreadyExists(_) | KubeError::Stale | KubeError::OwnedByOther(_)) => {
                "conflict"
            }
            Err(KubeError::Unavailable(_)) => "unavailable",
            Err(KubeError::Fenced) => "fenced",
            Err(_) => "refused",
        };
        let plugin = self.version.plugin().to_owned();
        self.around
            .metrics
            .api_calls
            .get_or_create(&ApiLabels { plugin, verb, result: outcome })
            .inc();
        result
    }

    /// A refusal that neither the plugin nor the object can mend: remembered, and told about the plugin if
    /// it is the host's rights that are missing.
    fn refused(&self, verb: &str, error: &KubeError) {
        lock(&self.trouble).refused += 1;
        match error {
            KubeError::Denied { missing_grant, .. } => {
                tracing::warn!(missing_grant, "the host itself was refused a call");
                // Without the object's name: the same right is missing for all of them.
                let right = missing_grant.split_once(" is forbidden: ");
                let right = right.map_or(missing_grant.as_str(), |(_, right)| right);
                let text = format!("the host's own service account: {right}");
                let Surroundings { notes, controller, .. } = &*self.around;
                notes.denied(self.version.plugin(), controller, &text);
            }
            _ => tracing::info!(verb, "the namespace is being deleted; nothing is made in it"),
        }
    }

    /// Runs a write as a task of the host's, which the guest cannot cut off.
    async fn outliving<T: Send + 'static>(
        self: Arc<Self>,
        write: impl Future<Output = Result<T, KubeError>> + Send + 'static,
    ) -> Result<T, KubeError> {
        let task = self.writes.spawn(write.in_current_span());
        task.await
            .unwrap_or_else(|error| Err(KubeError::Other(format!("the write was lost: {error}"))))
    }

    /// Takes an object that the API server answered with into the cache; the object, pruned for the guest.
    fn learn(&self, key: &ObjectKey, object: DynamicObject) -> Result<Learnt, KubeError> {
        let learnt = || {
            let whole = Cached::new(&key.kind, object, &WatchData::Full)?;
            let kept = match self.around.views.get(&key.kind) {
                Some(view) => view.learn(key, &whole)?,
                None => whole.clone(),
            };
            Ok(Learnt { whole, kept })
        };
        learnt().map_err(|error: serde_json::Error| {
            KubeError::Other(format!("unreadable answer: {error}"))
        })
    }
}

/// An object that the API server answered with.
struct Learnt {
    /// All of it, for who asked for just that.
    whole: Arc<Cached>,
    /// What the manifest has the host keep of its kind; all of it, if the kind is not watched.
    kept: Arc<Cached>,
}

/// Counts the time of a request, also of one that is given up.
struct Waiting<'a> {
    since: Instant,
    trouble: &'a Mutex<Trouble>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.trouble).waited += self.since.elapsed();
    }
}

/// What the guest holds: the session, shared with the writes that outlive it.
pub(crate) struct Handle(pub(crate) Arc<Session>);

#[async_trait]
impl port::Session for Handle {
    async fn get(&self, what: &ObjectRef, freshness: Freshness) -> Result<Json, KubeError> {
        self.0.get(what, freshness).await
    }

    async fn list(&self, query: &Query, freshness: Freshness) -> Result<Vec<Json>, KubeError> {
        self.0.list(query, freshness).await
    }

    async fn count(&self, query: &Query) -> Result<u64, KubeError> {
        self.0.count(query)
    }

    async fn write(&self, change: Change) -> Result<Json, KubeError> {
        let session = self.0.clone();
        self.0.clone().outliving(async move { session.write(change).await }).await
    }

    async fn report_status(
        &self,
        status: String,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError> {
        let session = self.0.clone();
        self.0
            .clone()
            .outliving(async move { session.report_status(&status, generation).await })
            .await
    }

    async fn start_job(&self, job: String) -> Result<Started, StartError> {
        let session = self.0.clone();
        let start = async move { Ok(session.start_job(&job).await) };
        match self.0.clone().outliving(start).await {
            Ok(started) => started,
            Err(error) => Err(StartError::Refused(error)),
        }
    }

    async fn publish(&self, note: Note) -> Result<(), KubeError> {
        self.0.publish(note)
    }

    async fn secret(
        &self,
        secret: &SecretRef,
        wanted: SecretUse,
    ) -> Result<SecretValue, KubeError> {
        self.0.secret(secret, &wanted).await
    }

    async fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError> {
        self.0.authorize(call)
    }

    async fn measure(&self, measurement: Measurement) -> Result<(), KubeError> {
        self.0.measure(&measurement)
    }
}

/// The key that an object names itself by.
fn key_of(kind: &Gvk, object: &DynamicObject) -> ObjectKey {
    cached::key(kind, &object.metadata)
}
