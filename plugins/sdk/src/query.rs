//! Reading many objects of one kind.

use std::{marker::PhantomData, vec};

use serde::de::DeserializeOwned;

use crate::{
    Context, Error, Freshness, Kind, ObjectHead, ObjectMeta, ObjectRef,
    host::{Calls as _, Cursor, Question},
    json,
};

/// How many objects are asked for at once; the host hands out fewer when they are large.
const BATCH: u32 = 100;

impl Context {
    /// A question about many objects of one kind, by default in the namespace of the object being
    /// reconciled. A change of the answer repeats the reconcile.
    ///
    /// ```no_run
    /// # use joch_plugin::{Context, Failure, Job};
    /// # fn example(cx: &Context) -> Result<(), Failure> {
    /// let jobs = cx.query(Job::KIND).owned().labels("kubetask.io/task=build").list()?;
    /// let failed = jobs.iter().filter(|job| job.status.failed > 0).count();
    /// # Ok(()) }
    /// ```
    pub fn query<T>(&self, kind: Kind<T>) -> Query<'_, T> {
        Query {
            cx: self,
            question: Question {
                kind: kind.gvk(),
                namespace: kind.namespace(self),
                labels: None,
                owned_by: None,
                fields: Vec::new(),
                metadata_only: false,
            },
            freshness: Freshness::default(),
            object: PhantomData,
        }
    }
}

/// A question about many objects, made by [`Context::query`]. All conditions must hold.
#[derive(Debug)]
#[must_use = "nothing is read before `run`, `list` or `count`"]
pub struct Query<'cx, T> {
    cx: &'cx Context,
    question: Question,
    freshness: Freshness,
    object: PhantomData<fn() -> T>,
}

impl<'cx, T> Query<'cx, T> {
    /// Asks in this namespace instead of the one of the object being reconciled.
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.question.namespace = Some(namespace.into());
        self
    }

    /// Asks in every namespace that the grant allows.
    pub fn all_namespaces(mut self) -> Self {
        self.question.namespace = None;
        self
    }

    /// Only objects that match this label selector: `a=b,c!=d,e in (f,g),h,!i`.
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.question.labels = Some(selector.into());
        self
    }

    /// Only objects whose owner references name this uid.
    pub fn owned_by(mut self, uid: impl Into<String>) -> Self {
        self.question.owned_by = Some(uid.into());
        self
    }

    /// Only objects that the object being reconciled owns.
    pub fn owned(self) -> Self {
        let uid = self.cx.uid();
        self.owned_by(uid)
    }

    /// Hands out only these parts (JSON pointers), besides `apiVersion`, `kind` and `metadata`. The
    /// kind's type has to do without the others: see [`Kind::of`].
    pub fn fields<P: Into<String>>(mut self, pointers: impl IntoIterator<Item = P>) -> Self {
        self.question.fields = pointers.into_iter().map(Into::into).collect();
        self
    }

    /// Hands out `apiVersion`, `kind` and `metadata` only.
    pub fn metadata_only(self) -> Query<'cx, ObjectHead> {
        let Self { cx, mut question, freshness, .. } = self;
        question.metadata_only = true;
        Query { cx, question, freshness, object: PhantomData }
    }

    /// Asks for this freshness. [`Freshness::Live`] is one consistent list of the API server, the
    /// other two are what the cache holds.
    pub fn fresh(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// How many objects match in the cache.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], `NotWatched`, `OverLimit`, `Unavailable`, or `Invalid` for a malformed
    /// selector.
    pub fn count(self) -> Result<u64, Error> {
        self.cx.host().count(&self.question).map_err(Error::about(&self.target()))
    }

    /// The matches, one by one, ordered by namespace and name: a snapshot that is handed out in parts,
    /// so that not all need to be in memory.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count).
    pub fn run(self) -> Result<Objects<T>, Error> {
        let target = self.target();
        let cursor = self
            .cx
            .host()
            .run(&self.question, self.freshness.into())
            .map_err(Error::about(&target))?;
        Ok(Objects {
            cursor: Some(cursor),
            batch: Vec::new().into_iter(),
            target,
            object: PhantomData,
        })
    }

    /// All matches at once. The first that does not fit the type fails the whole: use
    /// [`run`](Self::run) where other people's objects may be odd.
    ///
    /// # Errors
    ///
    /// As [`count`](Self::count), and `Malformed`.
    pub fn list(self) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned,
    {
        self.run()?.collect()
    }

    /// What is asked about, without a name.
    fn target(&self) -> ObjectRef {
        let Question { kind, namespace, .. } = &self.question;
        let (kind, namespace) = (kind.clone(), namespace.clone());
        ObjectRef { kind, namespace, name: String::new(), uid: None }
    }
}

/// The matches of a [`Query`], one by one. After an error of the host there is none left; after one
/// that is [`Error::Malformed`] the next object follows.
#[derive(Debug)]
pub struct Objects<T> {
    cursor: Option<Cursor>,
    batch: vec::IntoIter<String>,
    target: ObjectRef,
    object: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Objects<T> {
    fn decode(&self, json: &str) -> Result<T, Error> {
        json::decode(&self.target.kind, json).map_err(|error| {
            // Only now the name is of use.
            let Ok(head) = json::decode::<ObjectHead>("", json) else {
                return error;
            };
            let ObjectMeta { namespace, name, .. } = head.metadata;
            let target = ObjectRef { namespace, name, ..self.target.clone() };
            json::decode::<T>(target, json).err().unwrap_or(error)
        })
    }
}

impl<T: DeserializeOwned> Iterator for Objects<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.len() == 0 {
            match self.cursor.as_ref()?.next(BATCH) {
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => {
                    self.cursor = None;
                    return Some(Err(Error::about(&self.target)(error)));
                }
            }
        }
        match self.batch.next() {
            Some(json) => Some(self.decode(&json)),
            None => {
                self.cursor = None;
                None
            }
        }
    }
}
