//! What a controller is, and what it is given: the object, the time, and the way to the cluster.

use serde::de::DeserializeOwned;

use crate::{
    Error, Failure, ObjectRef, Outcome, OwnerReference, Timestamp,
    host::{Calls as _, Host},
    json,
};

/// One controller: brings the world one step closer to what an object asks for.
///
/// # Guarantees
///
/// Two calls for one object never overlap. The call is repeated whenever the object, or anything that
/// was read, watched or owned, changes: a controller returns instead of waiting.
pub trait Controller {
    /// The primary object, as far as the controller reads it. An object that does not fit is
    /// answered with a permanent failure `InvalidObject`, without a call.
    type Object: DeserializeOwned;

    /// Reconciles one object.
    ///
    /// # Errors
    ///
    /// A [`Failure`] says whether trying again is of use; `?` on a call to the host gives a sensible
    /// one.
    fn reconcile(&self, cx: &Context, object: Self::Object) -> Result<Outcome, Failure>;

    /// Cleans up before an object goes: called instead of [`reconcile`](Self::reconcile) once it is
    /// being deleted, if the manifest names a `finalizer`. [`Outcome::Done`], the default, lets the host
    /// take the finalizer off; [`Outcome::RequeueAfter`] means: not yet.
    ///
    /// # Errors
    ///
    /// A failure is tried again, but not for ever: after a time the host takes the finalizer off all the
    /// same, and says so.
    fn finalize(&self, _: &Context, _: Self::Object) -> Result<Outcome, Failure> {
        Ok(Outcome::Done)
    }
}

/// One call: which object, when, and what may be done about it.
///
/// Reads are in [`get`](Self::get), [`find`](Self::find), [`read`](Self::read) and
/// [`query`](Self::query); writes in [`change`](Self::change); the status in
/// [`report_status`](Self::report_status); Jobs in [`start_job`](Self::start_job).
#[derive(Debug)]
pub struct Context {
    pub(crate) host: Host,
    pub(crate) controller: String,
    pub(crate) target: ObjectRef,
    pub(crate) object: String,
    pub(crate) now: Timestamp,
    pub(crate) attempt: u32,
}

impl Context {
    /// Which of the component's controllers is meant, by its name in the manifest.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// The object being reconciled, with its uid.
    pub fn target(&self) -> &ObjectRef {
        &self.target
    }

    /// The name of the object being reconciled.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// The namespace of the object being reconciled; none for a cluster-scoped kind.
    pub fn namespace(&self) -> Option<&str> {
        self.target.namespace.as_deref()
    }

    /// The uid of the object being reconciled.
    pub fn uid(&self) -> &str {
        self.target.uid.as_deref().unwrap_or_default()
    }

    /// The time of this call. The same throughout the call, so that two decisions never disagree.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How often this object failed in a row before this call; 0 after a success.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The object being reconciled as JSON, with everything that the typed one leaves out.
    pub fn object_json(&self) -> &str {
        &self.object
    }

    /// An owner reference to the object being reconciled, as its manager. [`Change::owned`] adds it by
    /// itself; this is for bodies that nest it elsewhere, and for comparing.
    ///
    /// [`Change::owned`]: crate::Change::owned
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.target.kind.api_version(),
            kind: self.target.kind.kind.clone(),
            name: self.target.name.clone(),
            uid: self.uid().to_owned(),
            controller: true,
        }
    }

    /// The plugin's own settings. With `#[serde(default)]` on the type, no settings are fine too.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when the operator's settings do not fit the type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json::decode("the plugin's config", &self.host.config())
    }
}

impl Context {
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }
}

#[cfg(test)]
impl Context {
    pub(crate) fn example(controller: &str, object: &str) -> Self {
        let target = ObjectRef {
            kind: crate::Gvk::new("example.joch.dev/v1", "Example"),
            namespace: Some("team".to_owned()),
            name: "x".to_owned(),
            uid: Some("1".to_owned()),
        };
        let now = Timestamp::from_unix_ms(0);
        let (controller, object) = (controller.to_owned(), object.to_owned());
        Self { host: Host::default(), controller, target, object, now, attempt: 0 }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ConfigMap, Context, Kind};

    #[test]
    fn a_namespaced_kind_is_meant_beside_the_object() {
        let cx = Context::example("c", "{}");
        assert_eq!(ConfigMap::KIND.beside(&cx, "a").to_string(), "ConfigMap team/a");
    }

    #[test]
    fn a_cluster_scoped_kind_is_meant_without_namespace() {
        let cx = Context::example("c", "{}");
        let node = Kind::<()>::new("v1", "Node").cluster_scoped();
        assert_eq!(node.beside(&cx, "a").to_string(), "Node a");
    }
}
