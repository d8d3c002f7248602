//! Writing one object.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Context, Error, Kind, ObjectRef,
    bindings::joch::kube::types,
    host::{Calls as _, Draft, Host, Verb},
    json,
};

impl Context {
    /// A write to the object of that name, in the namespace of the object being reconciled.
    ///
    /// ```
    /// # use joch_plugin::{ConfigMap, fake::FakeHost};
    /// # let host = FakeHost::new();
    /// # host.put(ConfigMap::KIND, "team/x", &serde_json::json!({}));
    /// # let cx = host.context(ConfigMap::KIND, "team/x");
    /// # use serde_json::json;
    /// let data = json!({ "data": { "prompt": "Say hello." } });
    /// let stored = cx.change(ConfigMap::KIND, "prompt").owned().apply(&data)?.object()?;
    /// assert!(stored.metadata.is_controlled_by(cx.uid()));
    ///
    /// let version = stored.metadata.resource_version;
    /// let patch = json!({ "data": { "prompt": "Say good-bye." } });
    /// cx.change(ConfigMap::KIND, "prompt").if_version(version).merge(&patch)?;
    /// # Ok::<(), joch_plugin::Error>(())
    /// ```
    pub fn change<T>(&self, kind: Kind<T>, name: &str) -> Change<T> {
        Change {
            host: self.host().clone(),
            draft: Draft {
                target: kind.beside(self, name),
                subresource: None,
                if_version: None,
                force: false,
                owned: false,
            },
            object: PhantomData,
        }
    }
}

/// One write to one object, made by [`Context::change`].
///
/// # Errors
///
/// Of every write: [`Error::Denied`], `Stale`, `Invalid`, `OverLimit`, `Unavailable`, `Fenced`, and
/// `Malformed` if the body cannot be serialised.
#[derive(Debug)]
#[must_use = "nothing is written before `create`, `apply`, `merge`, `json_patch` or `delete`"]
pub struct Change<T> {
    host: Host,
    draft: Draft,
    object: PhantomData<fn() -> T>,
}

impl<T> Change<T> {
    /// Writes in this namespace instead of the one of the object being reconciled.
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.draft.target.namespace = Some(namespace.into());
        self
    }

    /// Refuses with [`Error::Stale`] if the object is another one of the same name by now.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.draft.target.uid = Some(uid.into());
        self
    }

    /// Writes to this subresource (`status`, `scale`) instead of the object.
    pub fn subresource(mut self, name: impl Into<String>) -> Self {
        self.draft.subresource = Some(name.into());
        self
    }

    /// Refuses with [`Error::Stale`] unless the object still has this resource version.
    pub fn if_version(mut self, resource_version: impl Into<String>) -> Self {
        self.draft.if_version = Some(resource_version.into());
        self
    }

    /// [`apply`](Self::apply) only: takes over fields that other managers own.
    pub fn force(mut self) -> Self {
        self.draft.force = true;
        self
    }

    /// Adds an owner reference to the object being reconciled, so that the garbage collector removes
    /// this one with it.
    pub fn owned(mut self) -> Self {
        self.draft.owned = true;
        self
    }

    /// Creates the object. What the body leaves out of `apiVersion`, `kind`, name and namespace is
    /// filled in.
    ///
    /// # Errors
    ///
    /// Those of every write, and [`Error::AlreadyExists`].
    pub fn create(self, object: &impl Serialize) -> Result<Stored<T>, Error> {
        let body = json::encode_object(&self.draft.target, object)?;
        self.send(Verb::Create, &body)
    }

    /// Server-side apply: creates, which takes the grant to `create` as well as `patch`, or changes; fields
    /// that this controller applied before and omits now are removed. What the body leaves out of `apiVersion`, `kind`, name and namespace is filled in.
    ///
    /// # Errors
    ///
    /// Those of every write, and [`Error::OwnedByOther`].
    pub fn apply(self, object: &impl Serialize) -> Result<Stored<T>, Error> {
        let body = json::encode_object(&self.draft.target, object)?;
        self.send(Verb::Apply, &body)
    }

    /// JSON merge patch (RFC 7386).
    ///
    /// # Errors
    ///
    /// Those of every write, and [`Error::NotFound`].
    pub fn merge(self, patch: &impl Serialize) -> Result<Stored<T>, Error> {
        let body = json::encode(&self.draft.target, patch)?;
        self.send(Verb::Merge, &body)
    }

    /// JSON patch (RFC 6902): an array of operations.
    ///
    /// # Errors
    ///
    /// Those of every write, and [`Error::NotFound`].
    pub fn json_patch(self, operations: &impl Serialize) -> Result<Stored<T>, Error> {
        let body = json::encode(&self.draft.target, operations)?;
        self.send(Verb::JsonPatch, &body)
    }

    /// Deletes the object; `false` if there was none.
    ///
    /// # Errors
    ///
    /// Those of every write.
    pub fn delete(self, propagation: Propagation) -> Result<bool, Error> {
        match self.host.delete(&self.draft, propagation.as_str()) {
            Ok(()) => Ok(true),
            Err(types::Error::NotFound) => Ok(false),
            Err(error) => Err(Error::about(&self.draft.target)(error)),
        }
    }

    fn send(self, verb: Verb, body: &str) -> Result<Stored<T>, Error> {
        let Self { host, draft, .. } = self;
        let json = host.write(&draft, verb, body).map_err(Error::about(&draft.target))?;
        Ok(Stored { target: draft.target, json, object: PhantomData })
    }
}

/// The object as the server stored it; parsed only when asked for.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    target: ObjectRef,
    json: String,
    object: PhantomData<fn() -> T>,
}

impl<T> Stored<T> {
    /// The object.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it does not fit the kind's type.
    pub fn object(&self) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        json::decode(&self.target, &self.json)
    }

    /// The object as JSON.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}
