//! One controller at work: changes wake keys, keys get turns, a turn calls the guest.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use joch_core::backoff;
use joch_core::blame::Blame;
use joch_core::breaker::{Breaker, Gate};
use joch_core::dependency::Dependencies;
use joch_core::finalizer::{self, Release};
use joch_core::job;
use joch_core::manifest::{ControllerSpec, WakeBy};
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{self, Call, Note, Purpose, Report};
use joch_core::queue::{Lane, Next, Queue};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::cached::Cached;
use crate::hub::Listener;
use crate::kinds::lock;
use crate::metrics::{FailureLabels, NameLabels, PluginLabels, ResultLabels};
use crate::registry::Version;
use crate::session::{Handle, Session, Shadowed, Surroundings, unix_ms};
use crate::store::Change;

mod conduct;
mod task;

use task::{Finalizer, Retry, Task};

/// A controller whose watches are in sync.
pub(crate) struct Controller {
    spec: ControllerSpec,
    version: Arc<ArcSwap<Version>>,
    around: Arc<Surroundings>,
    inner: Mutex<Inner>,
    wake: Notify,
    /// Counted over all lives of the controller, as they are in the log.
    turns: Arc<AtomicU64>,
    label: NameLabels,
}

#[derive(Default)]
struct Inner {
    queue: Queue<ObjectKey>,
    attempts: HashMap<ObjectKey, u32>,
    breaker: Breaker,
    dependencies: Dependencies,
}

/// How much a controller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) objects: usize,
    pub(crate) turns: u64,
    /// Whether it gets no turns, or one at a time, because it broke on several objects.
    pub(crate) resting: bool,
    /// How many objects break it again and again.
    pub(crate) parked: usize,
    /// Some of them.
    pub(crate) parked_objects: Vec<ObjectKey>,
}

/// How many parked objects are named to people.
const NAMED: usize = 10;

impl Controller {
    pub(crate) fn new(
        spec: ControllerSpec,
        version: Arc<ArcSwap<Version>>,
        around: Surroundings,
        turns: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let name = format!("{}/{}", version.load().plugin(), spec.name);
        Arc::new(Self {
            spec,
            version,
            around: Arc::new(around),
            inner: Mutex::default(),
            wake: Notify::new(),
            turns,
            label: NameLabels { name },
        })
    }

    /// Gives turns until `stop`, then waits for the ones under way (a drain).
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        self.show(&lock(&self.inner));
        while !stop.is_cancelled() {
            let (key, due) = self.next();
            if let Some(key) = key {
                tasks.spawn(self.clone().turn(key));
                continue;
            }
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = due => {}
                () = stop.cancelled() => {}
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Reconciles everything once more, behind fresh changes: a new version went live. What failed under
    /// the old one is not held against the new one.
    pub(crate) fn sweep(&self) {
        let keys: Vec<_> = self.primaries().collect();
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        inner.attempts.clear();
        if inner.breaker.renew() {
            info!(controller = %self.spec.name, "the rest is over: another version is tried");
        }
        for key in keys {
            inner.queue.free(key, Lane::Backlog, now);
        }
        self.show(&inner);
        drop(inner);
        self.wake.notify_one();
    }

    /// What the host may not watch at present of what the controller needs, for people.
    pub(crate) fn denied(&self) -> Option<String> {
        self.around.views.values().find_map(crate::hub::View::denied)
    }

    /// The optional kinds that it does without.
    pub(crate) fn without(&self) -> Vec<String> {
        self.around.absent.iter().map(ToString::to_string).collect()
    }

    /// How many objects it reconciles.
    fn objects(&self) -> usize {
        let views = self.spec.reconciles().filter_map(|kind| self.around.views.get(kind));
        views.map(crate::hub::View::len).sum()
    }

    /// How much there is to do.
    pub(crate) fn load(&self) -> Load {
        let objects = self.objects();
        let inner = lock(&self.inner);
        let (waiting, running) = (inner.queue.depth(), inner.queue.running());
        let parked_objects = inner.breaker.parked().take(NAMED).cloned().collect();
        Load {
            waiting,
            running,
            objects,
            turns: self.turns.load(Ordering::Relaxed),
            resting: inner.breaker.has_tripped(),
            parked: inner.breaker.parked().count(),
            parked_objects,
        }
    }

    fn primaries(&self) -> impl Iterator<Item = ObjectKey> {
        self.spec
            .reconciles()
            .filter_map(|kind| self.around.views.get(kind))
            .flat_map(crate::hub::View::keys)
    }

    /// The next key if one is due and the plugin's concurrency allows it; else when to look again.
    fn next(&self) -> (Option<ObjectKey>, Option<Instant>) {
        let now = Instant::now();
        let concurrency = usize::from(self.version.load().manifest.limits.concurrency);
        let mut inner = lock(&self.inner);
        let gate = inner.breaker.gate(now);
        let limit = match gate {
            Gate::Open => concurrency,
            Gate::OneByOne => 1,
            Gate::Shut(_) => 0,
        };
        let free = inner.queue.running() < limit;
        let key = if free { inner.queue.take(now) } else { None };
        let depth = i64::try_from(inner.queue.depth()).unwrap_or(i64::MAX);
        self.around.metrics.queue_depth.get_or_create(&self.label).set(depth);
        let due = match gate {
            Gate::Shut(until) => Some(until),
            _ if free => inner.queue.next_due(),
            _ => None,
        };
        (key, due)
    }

    async fn turn(self: Arc<Self>, key: ObjectKey) {
        let next = self.take_turn(&key).await;
        lock(&self.inner).queue.finish(key, next, Instant::now());
        self.wake.notify_one();
    }

    async fn take_turn(self: &Arc<Self>, key: &ObjectKey) -> Next {
        let Some(primary) = self.around.views.get(&key.kind).and_then(|view| view.get(key)) else {
            self.forget(key);
            return Next::OnChange;
        };
        let version = self.version.load_full();
        // A shadow writes nothing, so it can neither set nor take off a finalizer.
        let spec = version.controller(self.spec.name.as_str()).filter(|_| version.shadow.is_none());
        let finalizer = spec.and_then(Finalizer::of);
        let name = finalizer.as_ref().map(|finalizer| finalizer.name.as_str());
        let task = match finalizer::turn(name, &primary.finalizers, primary.deleting) {
            finalizer::Turn::Nobody => return Next::OnChange,
            finalizer::Turn::Reconcile { mark: true } => Task::Reconcile { mark: finalizer },
            finalizer::Turn::Reconcile { mark: false } => Task::Reconcile { mark: None },
            finalizer::Turn::Finalize => match finalizer {
                Some(finalizer) => Task::Finalize(finalizer),
                None => return Next::OnChange,
            },
        };
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let span = info_span!(
            "reconcile", plugin = version.plugin(), controller = %self.spec.name, key = %key,
            reconcile_id = turn, digest = version.digest.short(),
        );
        self.perform(version, key, primary, task).instrument(span).await
    }

    /// Gives the guest its call, and what belongs before and after it.
    async fn perform(
        self: &Arc<Self>,
        version: Arc<Version>,
        key: &ObjectKey,
        mut primary: Arc<Cached>,
        task: Task,
    ) -> Next {
        let attempt = lock(&self.inner).attempts.get(key).copied().unwrap_or(0);
        if let Task::Reconcile { mark: Some(finalizer) } = &task {
            let session = self.session(&version, key, &primary);
            match session.mark(&finalizer.name).await {
                Ok(Some(marked)) => primary = marked,
                Ok(None) => return Next::OnChange,
                Err(error) => {
                    let text = format!("the finalizer cannot be set: {error}");
                    return self.failed(&session, &Failure::Host(text), attempt).into();
                }
            }
        }
        let session = self.session(&version, key, &primary);
        let purpose = match &task {
            Task::Reconcile { .. } => Purpose::Reconcile,
            Task::Finalize(_) => Purpose::Finalize,
        };
        let call = Call {
            purpose,
            controller: self.spec.name.to_string(),
            target: ObjectRef { key: key.clone(), uid: Some(primary.uid.clone()) },
            object: primary.json.clone(),
            now_unix_ms: unix_ms(),
            attempt,
            session: hands(&version, &session),
        };
        debug!(?purpose, "reconcile started");
        let began = Instant::now();
        // A bug of the host's own may cost a turn, never an object: the key has to come back.
        let report = AssertUnwindSafe(version.code.call(call)).catch_unwind().await;
        let report = report.unwrap_or_else(|_| Report::of_host_failure("a panic in the call"));
        session.settle().await;
        lock(&self.inner).dependencies.replace(key, session.reads());
        let failure = report.result.as_ref().err();
        let blame = failure.map(|failure| Blame::of(failure, session.trouble()));
        self.account(&version, &report, blame, began.elapsed());
        let outcome = match &report.result {
            Ok(outcome) => format!("{outcome:?}"),
            Err(failure) => failure.category().to_owned(),
        };
        debug!(outcome, "reconcile finished");
        let next = match task {
            Task::Reconcile { .. } => self.judge(&session, &report.result, attempt),
            Task::Finalize(finalizer) => {
                self.conclude(&session, &finalizer, &primary, &report.result, attempt).await
            }
        };
        // Last: what the host itself writes then is not blamed on anybody.
        self.record(&version, &session, &report.result, blame).await;
        next
    }

    fn session(
        self: &Arc<Self>,
        version: &Arc<Version>,
        key: &ObjectKey,
        primary: &Arc<Cached>,
    ) -> Arc<Session> {
        let (controller, reader) = (self.clone(), key.clone());
        let record = move |read| lock(&controller.inner).dependencies.add(&reader, read);
        let (around, version) = (self.around.clone(), version.clone());
        Arc::new(Session::new(around, version, key.clone(), primary.clone(), Box::new(record)))
    }

    /// Decides about the next turn after a reconcile.
    fn judge(&self, session: &Session, result: &Result<Outcome, Failure>, attempt: u32) -> Next {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(failure) => return self.failed(session, failure, attempt).into(),
        };
        lock(&self.inner).attempts.remove(session.key());
        match outcome {
            Outcome::Done => Next::OnChange,
            Outcome::RequeueAfter(after) => {
                Next::At(Instant::now() + (*after).min(backoff::LONGEST_REQUEUE))
            }
        }
    }

    /// Decides about the finalizer after a call of `finalize`, and takes it off if it is time.
    async fn conclude(
        &self,
        session: &Session,
        finalizer: &Finalizer,
        primary: &Cached,
        result: &Result<Outcome, Failure>,
        attempt: u32,
    ) -> Next {
        let retry = result.as_ref().err().map(|failure| self.failed(session, failure, attempt));
        let since = Duration::from_millis(unix_ms().saturating_sub(primary.deleted_unix_ms));
        let delay = retry.as_ref().and_then(|retry| retry.delay);
        match finalizer::release(result, since, finalizer.timeout, delay) {
            Release::Later(after) => {
                let delay = after.min(backoff::LONGEST_REQUEUE);
                return match retry {
                    Some(Retry { hold, .. }) => {
                        Retry { delay: Some(delay), hold: hold.min(delay) }.into()
                    }
                    None => Next::At(Instant::now() + delay),
                };
            }
            Release::Done => {}
            Release::GaveUp => {
                let message = format!(
                    "clean-up was not done within {:?} after the deletion; finalizer {} is taken off all the same",
                    finalizer.timeout, finalizer.name,
                );
                warn!("{message}");
                let note = Note { warning: true, reason: "FinalizerGaveUp".to_owned(), message };
                publish(session, note);
            }
        }
        match session.unmark(&finalizer.name).await {
            Ok(()) => {
                lock(&self.inner).attempts.remove(session.key());
                Next::OnChange
            }
            Err(error) => {
                let text = format!("the finalizer cannot be taken off: {error}");
                self.failed(session, &Failure::Host(text), attempt).into()
            }
        }
    }

    /// Counts and tells a failure; says when to try again.
    fn failed(&self, session: &Session, failure: &Failure, attempt: u32) -> Retry {
        let attempt = attempt.saturating_add(1);
        lock(&self.inner).attempts.insert(session.key().clone(), attempt);
        let blame = Blame::of(failure, session.trouble());
        let delay = backoff::delay(failure, blame, attempt, rand::random());
        warn!(error = %failure, attempt, retry_in = ?delay, blame = blame.as_str(), "reconcile failed");
        if let Some(note) = note(failure).filter(|_| !blame.is_the_clusters()) {
            publish(session, note);
        }
        Retry { delay, hold: backoff::hold(blame, delay) }
    }

    fn account(&self, version: &Version, report: &Report, blame: Option<Blame>, took: Duration) {
        let metrics = &self.around.metrics;
        let result = match &report.result {
            Ok(Outcome::Done) => "success",
            Ok(Outcome::RequeueAfter(_)) => "requeue_after",
            Err(_) => "error",
        };
        let labels = ResultLabels { controller: self.label.name.clone(), result };
        metrics.reconciles.get_or_create(&labels).inc();
        metrics.reconcile_seconds.get_or_create(&self.label).observe(took.as_secs_f64());
        if let (Err(failure), Some(blame)) = (&report.result, blame) {
            let plugin = version.plugin().to_owned();
            let (category, blame) = (failure.category(), blame.as_str());
            let labels = FailureLabels { plugin, category, blame };
            metrics.failures.get_or_create(&labels).inc();
        }
        let plugin = PluginLabels { plugin: version.plugin().to_owned() };
        metrics.cpu_seconds.get_or_create(&plugin).inc_by(report.cpu.as_secs_f64());
        let late = metrics.late_ticks.get_or_create(&plugin);
        late.inner().fetch_max(i64::from(report.late_ticks), Ordering::Relaxed);
    }

    fn forget(&self, key: &ObjectKey) {
        let mut inner = lock(&self.inner);
        inner.attempts.remove(key);
        inner.breaker.forget(key);
        inner.dependencies.forget(key);
        self.show(&inner);
    }

    /// The primary that controls an object, if it is one of ours.
    fn owner_of(
        &self,
        kind: &Gvk,
        object: &Cached,
        namespace: Option<&String>,
    ) -> Option<ObjectKey> {
        let watched = |watch: &&joch_core::manifest::WatchSpec| {
            watch.kind == *kind && watch.by == WakeBy::Owner
        };
        self.spec.watch.iter().find(watched)?;
        let owner = object.controller()?;
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let primary =
            self.spec.reconciles().find(|p| *p.kind == *owner.kind && *p.group == *group)?;
        let namespaced = self.around.views.get(primary)?.served.namespaced;
        let namespace = namespace.filter(|_| namespaced).cloned();
        Some(ObjectKey { kind: primary.clone(), namespace, name: owner.name.clone() })
    }
}

impl Listener for Controller {
    fn changed(&self, change: &Change) {
        let Change { key, old, new, initial } = change;
        let states = || [old, new].into_iter().flatten();
        let mut owners: Vec<ObjectKey> = states()
            .filter_map(|state| self.owner_of(&key.kind, state, key.namespace.as_ref()))
            .collect();
        owners.dedup();
        if key.kind == job::kind() && !owners.is_empty() {
            lock(&self.around.jobs).changed(key, new.as_deref());
        }
        if new.is_none() {
            lock(&self.around.applied).forget(key);
        }
        let lane = if *initial { Lane::Backlog } else { Lane::Fresh };
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        if self.spec.reconciles().any(|kind| *kind == key.kind) {
            // What failed for another object, or another spec, is not held against this one.
            if is_another(old.as_deref(), new.as_deref()) {
                inner.queue.free(key.clone(), lane, now);
            } else {
                inner.queue.wake(key.clone(), lane, now);
            }
        }
        for concerned in owners.into_iter().chain(inner.dependencies.readers_of(key)) {
            inner.queue.wake(concerned, lane, now);
        }
        drop(inner);
        self.wake.notify_one();
    }
}

/// Whether an object, its spec, or what is wanted of it is another one than before.
fn is_another(old: Option<&Cached>, new: Option<&Cached>) -> bool {
    let essence = |object: &Cached| (object.uid.clone(), object.generation, object.deleting);
    old.map(essence) != new.map(essence)
}

/// What the guest may ask with: in shadow mode, nothing that it writes is sent.
fn hands(version: &Version, session: &Arc<Session>) -> Arc<dyn port::Session> {
    let session = session.clone();
    match &version.shadow {
        Some(log) => Arc::new(Shadowed { session, log: log.clone() }),
        None => Arc::new(Handle(session)),
    }
}

/// Publishes an event, best effort; a shadow tells nobody.
fn publish(session: &Session, note: Note) {
    if session.is_shadow() {
        return;
    }
    if let Err(error) = session.tell(note) {
        debug!(%error, "an event about the object was not published");
    }
}

/// The event that a failure is worth: what a retry alone does not mend.
fn note(failure: &Failure) -> Option<Note> {
    let reason = match failure {
        Failure::Transient(_) | Failure::Host(_) => return None,
        Failure::Permanent(problem) => problem.reason.clone(),
        other => other.category().to_owned(),
    };
    Some(Note { warning: true, reason, message: failure.to_string() })
}
