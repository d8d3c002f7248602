//! A host in memory: a controller is tested like any other function, with plain `cargo test`.
//!
//! ```
//! use joch_plugin::{ConfigMap, Context, Controller, Failure, Kind, Outcome, fake::FakeHost};
//! use serde_json::{Value, json};
//!
//! struct Greeter;
//!
//! impl Controller for Greeter {
//!     type Object = Value;
//!
//!     fn reconcile(&self, cx: &Context, greeting: Value) -> Result<Outcome, Failure> {
//!         let data = json!({ "data": { "text": greeting["spec"]["text"] } });
//!         cx.change(ConfigMap::KIND, cx.name()).owned().apply(&data)?;
//!         cx.report_status(&json!({ "phase": "Ready" }))?;
//!         Ok(Outcome::Done)
//!     }
//! }
//!
//! const GREETING: Kind<Value> = Kind::new("hello.joch.dev/v1alpha1", "Greeting");
//!
//! let host = FakeHost::new();
//! host.put(GREETING, "team/ada", &json!({ "spec": { "text": "Hello" } }));
//!
//! assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
//! assert_eq!(host.find(ConfigMap::KIND, "team/ada").unwrap().data["text"], "Hello");
//! assert_eq!(host.status(GREETING, "team/ada")["phase"], "Ready");
//!
//! // A settled object causes no write.
//! host.forget();
//! assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
//! assert_eq!(host.wrote(), [""; 0]);
//! ```
//!
//! # What it does
//! Reads, queries, writes, Jobs, status reports, events, log lines, metrics and placeholders of Secrets
//! work and are recorded. The cluster is that of the crate `joch-fake`, which says how far it goes: no
//! schemas, a simplified server-side apply, and nothing runs, so that a started Job makes no pod.
//!
//! # What only the real host does
//! - In a status: `observedGeneration`, `updatedAt`, start and finish times, conditions' times and
//!   generation; refusing to leave a terminal phase. Reported fields are merged, conditions by type.
//! - The manifest: grants (see [`deny`](FakeHost::deny)), declared watches and metrics, limits, the fields
//!   that a Job may have. Freshness makes no difference: the cache is always up to date.
//! - Taking the finalizer off after [`FakeHost::finalize`]; retries, back-off and queues.
//!
//! # Panics
//! Every method that is given something that makes no sense, such as an object that is none, panics at
//! the caller: it is a mistake in the test. The controller never sees a panic.

#![expect(clippy::panic, reason = "a mistake in a test ends the test")]

use std::{cell::RefMut, fmt::Display};

use joch_fake::{Change, Operation, Propagation};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Context, Controller, Error, Failure, Kind, ObjectRef, Outcome, Timestamp,
    export::{self, Step},
    json,
};

mod calls;
mod records;
mod world;

pub use joch_fake::{Target, Write};

pub(crate) use calls::Cursor;
pub use records::{Event, Line, Measurement, SecretUse};
pub(crate) use world::Host;
use world::{MANAGER, VERBS, World};

/// Who writes on behalf of the test.
const SOMEBODY: &str = "somebody";

/// A host in memory; see the [module](self).
///
/// The setters may be called at any time, between two calls of the controller too.
#[derive(Debug, Default)]
pub struct FakeHost {
    host: Host,
}

/// What there is.
impl FakeHost {
    /// An empty cluster, on 2026-01-01 at midnight, without settings, denials and limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an object there (`namespace/name`, or `name` for a cluster-scoped kind), status included.
    /// What it leaves out of `apiVersion`, `kind`, name, namespace, uid and the like is filled in.
    #[track_caller]
    pub fn put<T>(&self, kind: Kind<T>, name: &str, object: &impl Serialize) -> &Self {
        let target = reference(kind, name);
        let object = or_panic(json::encode_object(&target, object));
        self.put_json(&or_panic(serde_json::from_str(&object)))
    }

    /// Puts an object there that names itself, as a manifest in YAML does.
    #[track_caller]
    pub fn put_json(&self, object: &Value) -> &Self {
        or_panic(self.world().cluster.insert(object.clone()));
        self
    }

    /// Changes an object by a merge patch, as somebody else than the controller; in `status` too.
    ///
    /// ```
    /// # use joch_plugin::{Job, fake::FakeHost};
    /// # use serde_json::json;
    /// # let host = FakeHost::new();
    /// # host.put(Job::KIND, "team/build", &json!({}));
    /// let complete = json!([{ "type": "Complete", "status": "True" }]);
    /// host.patch(Job::KIND, "team/build", &json!({ "status": { "conditions": complete } }));
    /// # assert!(host.find(Job::KIND, "team/build").unwrap().outcome().is_some());
    /// ```
    #[track_caller]
    pub fn patch<T>(&self, kind: Kind<T>, name: &str, patch: &impl Serialize) -> &Self {
        let patch = or_panic(serde_json::to_value(patch));
        for subresource in [None, Some("status".to_owned())] {
            let operation = Operation::Merge(patch.clone());
            self.as_somebody(&reference(kind, name), subresource, operation);
        }
        self
    }

    /// Deletes an object as `kubectl delete` does: with finalizers, it is only marked.
    #[track_caller]
    pub fn delete<T>(&self, kind: Kind<T>, name: &str) -> &Self {
        let operation = Operation::Delete(Propagation::Background);
        self.as_somebody(&reference(kind, name), None, operation);
        self
    }

    /// Sets the time of the calls from now on.
    pub fn at(&self, now: Timestamp) -> &Self {
        self.world().set_now(now);
        self
    }

    /// Sets the plugin's settings.
    #[track_caller]
    pub fn config(&self, config: &impl Serialize) -> &Self {
        self.world().config = or_panic(serde_json::to_string(config));
        self
    }

    /// Sets how often the object failed in a row before the calls from now on.
    pub fn attempt(&self, attempt: u32) -> &Self {
        self.world().attempt = attempt;
        self
    }

    /// Puts one value into a Secret (`namespace/name`). Secrets are no objects here.
    #[track_caller]
    pub fn secret(&self, name: &str, key: &str, value: &str) -> &Self {
        let Some((namespace, name)) = name.split_once('/') else {
            panic!("{name:?} has to be `namespace/name`");
        };
        let secret = [namespace, name, key].map(str::to_owned);
        self.world().secrets.insert(secret, value.to_owned());
        self
    }

    /// Denies calls of a verb (`get`, `list`, `create`, `patch`, `delete`, or `reveal` of `v1/Secret`) on a
    /// kind as a manifest writes it, or on its subresource: `kubetask.io/v1alpha1/Task/status`.
    ///
    /// An apply needs `patch`, and `create` where there is no object yet; a Job `create`.
    #[track_caller]
    pub fn deny(&self, verb: &str, kind: &str) -> &Self {
        self.world().denied.push(call(verb, kind));
        self
    }

    /// Lets the next call of a verb on a kind (as for [`deny`](Self::deny)) fail, before it does anything.
    ///
    /// ```
    /// # use joch_plugin::{ConfigMap, Context, Controller, Error, Failure, Kind, Outcome, fake::FakeHost};
    /// # use serde_json::{Value, json};
    /// # struct Greeter;
    /// # impl Controller for Greeter {
    /// #     type Object = Value;
    /// #     fn reconcile(&self, cx: &Context, _: Value) -> Result<Outcome, Failure> {
    /// #         cx.find(ConfigMap::KIND, "settings")?;
    /// #         Ok(Outcome::Done)
    /// #     }
    /// # }
    /// # const GREETING: Kind<Value> = Kind::new("hello.joch.dev/v1alpha1", "Greeting");
    /// # let host = FakeHost::new();
    /// # host.put(GREETING, "team/ada", &json!({}));
    /// host.fail("get", "v1/ConfigMap", Error::Unavailable(None));
    /// let failure = host.reconcile(&Greeter, GREETING, "team/ada").unwrap_err();
    /// assert_eq!(failure.reason(), "Unavailable");
    /// assert_eq!(host.reconcile(&Greeter, GREETING, "team/ada"), Ok(Outcome::Done));
    /// ```
    #[track_caller]
    pub fn fail(&self, verb: &str, kind: &str, error: Error) -> &Self {
        let Some(error) = calls::answer(error) else {
            panic!("a host never answers with Malformed");
        };
        self.world().faults.push((call(verb, kind), error));
        self
    }

    /// Limits how many unfinished Jobs there may be in the cluster, by default not at all.
    pub fn max_jobs(&self, limit: u32) -> &Self {
        self.world().max_jobs = Some(limit);
        self
    }
}

/// The controller's turn.
impl FakeHost {
    /// Calls [`Controller::reconcile`] for an object that is there.
    ///
    /// # Errors
    ///
    /// The controller's, and `InvalidObject` if the object does not fit its type.
    #[track_caller]
    pub fn reconcile<C: Controller, T>(
        &self,
        controller: &C,
        kind: Kind<T>,
        name: &str,
    ) -> Result<Outcome, Failure> {
        self.call(controller, &reference(kind, name), Step::Reconcile)
    }

    /// Calls [`Controller::finalize`] for an object that is there.
    ///
    /// # Errors
    ///
    /// As [`reconcile`](Self::reconcile).
    #[track_caller]
    pub fn finalize<C: Controller, T>(
        &self,
        controller: &C,
        kind: Kind<T>,
        name: &str,
    ) -> Result<Outcome, Failure> {
        self.call(controller, &reference(kind, name), Step::Finalize)
    }

    #[track_caller]
    fn call<C: Controller>(
        &self,
        controller: &C,
        what: &ObjectRef,
        step: Step,
    ) -> Result<Outcome, Failure> {
        let Some(target) = self.world().begin(what) else {
            panic!("{what} is not there: put it there first");
        };
        let cx = {
            let world = self.world();
            Context {
                host: self.host.clone(),
                controller: MANAGER.to_owned(),
                object: or_panic(world.object(&target)),
                target,
                now: world.now,
                attempt: world.attempt,
            }
        };
        export::run(controller, &cx, step)
    }
}

/// What came of it.
impl FakeHost {
    /// An object, if it is there.
    #[track_caller]
    pub fn find<T: DeserializeOwned>(&self, kind: Kind<T>, name: &str) -> Option<T> {
        let what = reference(kind, name);
        let object = self.world().object(&what).ok()?;
        Some(or_panic(json::decode(&what, &object)))
    }

    /// All objects of a kind, ordered by namespace and name.
    #[track_caller]
    pub fn list<T: DeserializeOwned>(&self, kind: Kind<T>) -> Vec<T> {
        let objects = self.world().all(&kind.gvk());
        objects.into_iter().map(|object| or_panic(serde_json::from_value(object))).collect()
    }

    /// The status of an object; `null` if it has none, or is not there.
    #[track_caller]
    pub fn status<T>(&self, kind: Kind<T>, name: &str) -> Value {
        let object = self.find(kind.of::<Value>(), name);
        object.and_then(|object| object.get("status").cloned()).unwrap_or_default()
    }

    /// The controllers' writes that changed something, in their order: status and Jobs too.
    pub fn writes(&self) -> Vec<Write> {
        let world = self.world();
        world.cluster.writes().iter().filter(|write| write.manager == MANAGER).cloned().collect()
    }

    /// The same, in brief: `apply ConfigMap team/text`, `merge Task team/x/status`.
    pub fn wrote(&self) -> Vec<String> {
        self.writes().iter().map(ToString::to_string).collect()
    }

    /// The Jobs that were started, as they were then.
    pub fn jobs(&self) -> Vec<Value> {
        self.world().records.jobs.clone()
    }

    /// The events that were recorded.
    pub fn events(&self) -> Vec<Event> {
        self.world().records.events.clone()
    }

    /// The lines that were logged, of every level.
    pub fn lines(&self) -> Vec<Line> {
        self.world().records.lines.clone()
    }

    /// What was measured.
    pub fn measurements(&self) -> Vec<Measurement> {
        self.world().records.measurements.clone()
    }

    /// The values of Secrets that were asked for and given.
    pub fn secrets(&self) -> Vec<SecretUse> {
        self.world().records.secrets.clone()
    }

    /// Forgets what was recorded: writes, Jobs, events, lines, measurements, uses of Secrets. The objects
    /// stay.
    pub fn forget(&self) -> &Self {
        let mut world = self.world();
        world.cluster.forget_writes();
        world.records = records::Records::default();
        drop(world);
        self
    }

    fn world(&self) -> RefMut<'_, World> {
        self.host.world()
    }

    #[track_caller]
    fn as_somebody(&self, what: &ObjectRef, subresource: Option<String>, operation: Operation) {
        let manager = SOMEBODY.to_owned();
        let change = Change::new(world::target(what), operation);
        let written = self.world().cluster.write(Change { manager, subresource, ..change });
        if let Err(error) = written {
            panic!("{what}: {error}");
        }
    }
}

/// An object by its name in a test.
#[track_caller]
fn reference<T>(kind: Kind<T>, name: &str) -> ObjectRef {
    let (namespace, short) = match name.split_once('/') {
        Some((namespace, short)) => (Some(namespace.to_owned()), short),
        None => (None, name),
    };
    if namespace.is_some() != kind.is_namespaced() {
        let form = if kind.is_namespaced() { "namespace/name" } else { "name" };
        panic!("{name:?} has to be `{form}` for {kind:?}");
    }
    ObjectRef { kind: kind.gvk(), namespace, name: short.to_owned(), uid: None }
}

#[track_caller]
fn call(verb: &str, kind: &str) -> (String, String) {
    if !VERBS.contains(&verb) || !kind.contains('/') {
        panic!("{verb:?} on {kind:?}: name one of {VERBS:?}, and a kind such as `batch/v1/Job`");
    }
    (verb.to_owned(), kind.to_owned())
}

#[track_caller]
fn or_panic<T, E: Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests;
