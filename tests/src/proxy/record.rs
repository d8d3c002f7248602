//! What passed through the proxy, kept in memory, and the questions that tests ask about it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use super::request::ApiRequest;

/// One request that was sent to the API server (a watch too, without its events), or that the proxy
/// answered itself.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the order of arrival.
    pub number: usize,
    /// When it had arrived whole.
    pub at: SystemTime,
    /// What it does.
    pub request: ApiRequest,
    /// The body of a write, if it is JSON.
    pub body: Value,
    /// The answer's status code; none while it is awaited.
    pub code: Option<u16>,
    /// The `reason` of a `Status` that was answered, such as `AlreadyExists`.
    pub reason: Option<String>,
    /// When it was answered; none while that is awaited.
    pub answered: Option<SystemTime>,
}

impl Entry {
    /// Whether it was answered, and well.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }

    /// The `uid` of the body's controller owner.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let owners = self.body.pointer("/metadata/ownerReferences")?.as_array()?;
        let controls =
            |owner: &&Value| owner.get("controller").and_then(Value::as_bool) == Some(true);
        owners.iter().find(controls)?.get("uid")?.as_str()
    }
}

/// Everything that passed.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Entry>>);

impl Record {
    /// All entries, in the order of their arrival.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// How many requests have arrived; as a mark for [`Self::since`].
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().len()
    }

    /// The entries after a mark that `keep` chooses.
    #[must_use]
    pub fn since(&self, mark: usize, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock().iter().skip(mark).filter(|entry| keep(entry)).cloned().collect()
    }

    /// How many objects of `resource` were asked to be made in `namespace`, whatever the answer.
    #[must_use]
    pub fn posts(&self, resource: &str, namespace: &str) -> usize {
        self.count(|entry| {
            entry.request.creates(resource) && entry.request.namespace.as_deref() == Some(namespace)
        })
    }

    /// How often the API server answered `AlreadyExists` in `namespace`.
    #[must_use]
    pub fn already_exists(&self, namespace: &str) -> usize {
        self.count(|entry| {
            entry.reason.as_deref() == Some("AlreadyExists")
                && entry.request.namespace.as_deref() == Some(namespace)
        })
    }

    /// The writes to one object, its subresources included, after a mark.
    #[must_use]
    pub fn writes_to(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        mark: usize,
    ) -> Vec<Entry> {
        self.since(mark, |Entry { request, .. }| {
            request.is_write()
                && request.resource == resource
                && request.namespace.as_deref() == Some(namespace)
                && request.name.as_deref() == Some(name)
        })
    }

    fn count(&self, keep: impl Fn(&Entry) -> bool) -> usize {
        self.lock().iter().filter(|entry| keep(entry)).count()
    }

    pub(super) fn arrived(&self, request: &ApiRequest, body: &[u8]) -> usize {
        let body = if request.is_write() { serde_json::from_slice(body).ok() } else { None };
        let mut entries = self.lock();
        let number = entries.len();
        entries.push(Entry {
            number,
            at: SystemTime::now(),
            request: request.clone(),
            body: body.unwrap_or_default(),
            code: None,
            answered: None,
            reason: None,
        });
        number
    }

    pub(super) fn answered(&self, number: usize, code: u16, body: &[u8]) {
        let status: Value = if (200..300).contains(&code) {
            Value::Null
        } else {
            serde_json::from_slice(body).unwrap_or_default()
        };
        if let Some(entry) = self.lock().get_mut(number) {
            entry.code = Some(code);
            entry.answered = Some(SystemTime::now());
            entry.reason = status.get("reason").and_then(Value::as_str).map(str::to_owned);
        }
    }

    /// A panic elsewhere spoils no list that is only ever appended to.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
