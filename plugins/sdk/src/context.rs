//! What a controller is, and what it is given: the object, the time, and the way to the cluster.

use serde::de::DeserializeOwned;

use crate::{
    Error, Failure, ObjectRef, Outcome, Timestamp,
    bindings::joch::{controller::context::Request, runtime::config},
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
}

/// One call: which object, when, and what may be done about it.
///
/// Reads are in [`get`](Self::get), [`find`](Self::find), [`read`](Self::read) and
/// [`query`](Self::query); writes in [`change`](Self::change); the status in
/// [`report_status`](Self::report_status); Jobs in [`start_job`](Self::start_job).
#[derive(Debug)]
pub struct Context {
    controller: String,
    target: ObjectRef,
    object: String,
    now: Timestamp,
    attempt: u32,
}

impl Context {
    /// Takes over what the host says about the call. The macro [`plugin!`](crate::plugin) calls it.
    #[doc(hidden)]
    pub fn of(request: &Request) -> Self {
        Self {
            controller: request.controller(),
            target: request.target(),
            object: request.object(),
            now: Timestamp::from_unix_ms(request.now_unix_ms()),
            attempt: request.attempt(),
        }
    }

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

    /// The plugin's own settings. With `#[serde(default)]` on the type, no settings are fine too.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when the operator's settings do not fit the type.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        json::decode("the plugin's config", &config::get())
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
        Self { controller, target, object, now, attempt: 0 }
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
