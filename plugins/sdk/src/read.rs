//! Reading one object.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::{
    Context, Error, Kind, ObjectRef,
    bindings::joch::kube::reader,
    host::{Calls as _, Host},
    json,
};

/// How fresh an answer has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// What the watch cache holds, own writes included. Never calls the API server.
    Cached,
    /// The cache's answer, but a miss is confirmed by the API server.
    #[default]
    Confirmed,
    /// The API server's answer.
    Live,
}

/// The host records what is read, also what was not found, and repeats the reconcile when it changes.
impl Context {
    /// Reads one object that has to be there, in the namespace of the object being reconciled.
    ///
    /// ```no_run
    /// # use joch_plugin::{ConfigMap, Context, Failure};
    /// # fn example(cx: &Context) -> Result<(), Failure> {
    /// let settings = cx.get(ConfigMap::KIND, "settings")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], `Denied`, `NotWatched`, `OverLimit`, `Unavailable`, and `Malformed` if
    /// the object does not fit the kind's type.
    pub fn get<T: DeserializeOwned>(&self, kind: Kind<T>, name: &str) -> Result<T, Error> {
        self.read(kind, name).get()
    }

    /// Reads one object that may be missing, in the namespace of the object being reconciled.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), but for `NotFound`.
    pub fn find<T: DeserializeOwned>(&self, kind: Kind<T>, name: &str) -> Result<Option<T>, Error> {
        self.read(kind, name).find()
    }

    /// A read with a namespace, a uid or a freshness of its own.
    ///
    /// ```no_run
    /// # use joch_plugin::{ConfigMap, Context, Failure, Freshness};
    /// # fn example(cx: &Context) -> Result<(), Failure> {
    /// let defaults = cx
    ///     .read(ConfigMap::KIND, "defaults")
    ///     .in_namespace("joch-system")
    ///     .fresh(Freshness::Cached)
    ///     .find()?;
    /// # Ok(()) }
    /// ```
    pub fn read<T>(&self, kind: Kind<T>, name: &str) -> Read<T> {
        Read {
            host: self.host().clone(),
            target: kind.beside(self, name),
            freshness: Freshness::default(),
            object: PhantomData,
        }
    }
}

/// A question about one object, made by [`Context::read`].
#[derive(Debug)]
#[must_use = "nothing is read before `get`, `find` or `json`"]
pub struct Read<T> {
    host: Host,
    target: ObjectRef,
    freshness: Freshness,
    object: PhantomData<fn() -> T>,
}

impl<T> Read<T> {
    /// Reads in this namespace instead of the one of the object being reconciled.
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.target.namespace = Some(namespace.into());
        self
    }

    /// Means that very object: one of the same name that was created later counts as not found.
    pub fn uid(mut self, uid: impl Into<String>) -> Self {
        self.target.uid = Some(uid.into());
        self
    }

    /// Asks for this freshness instead of [`Freshness::Confirmed`].
    pub fn fresh(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// The object, which has to be there.
    ///
    /// # Errors
    ///
    /// As [`Context::get`].
    pub fn get(self) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        json::decode(&self.target, &self.raw()?)
    }

    /// The object, or none if it is missing.
    ///
    /// # Errors
    ///
    /// As [`Context::find`].
    pub fn find(self) -> Result<Option<T>, Error>
    where
        T: DeserializeOwned,
    {
        match self.get() {
            Err(Error::NotFound(_)) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The object as the host hands it out.
    ///
    /// # Errors
    ///
    /// As [`Context::get`], but for `Malformed`.
    pub fn json(self) -> Result<String, Error> {
        self.raw()
    }

    fn raw(&self) -> Result<String, Error> {
        self.host.get(&self.target, self.freshness.into()).map_err(Error::about(&self.target))
    }
}

impl From<Freshness> for reader::Freshness {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Cached => Self::Cached,
            Freshness::Confirmed => Self::Confirmed,
            Freshness::Live => Self::Live,
        }
    }
}
