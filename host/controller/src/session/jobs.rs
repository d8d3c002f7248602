//! Starting Jobs: checked, owned, deterministic by name, never adopted from somebody else.

use std::collections::HashMap;

use joch_core::grant::Verb;
use joch_core::job::{self, Starter};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{KubeError, StartError, Started};
use kube::api::DynamicObject;
use serde_json::Value;

use super::Session;
use crate::cached::Cached;
use crate::client::{Write, api, send};
use crate::kinds::lock;

/// The unfinished Jobs of one controller: what its `max-active` counts.
#[derive(Debug, Default)]
pub(crate) struct JobLedger(HashMap<ObjectKey, String>);

impl JobLedger {
    /// A Job that the controller's primaries own changed.
    pub(crate) fn changed(&mut self, key: &ObjectKey, job: Option<&Cached>) {
        let unfinished = job.filter(|job| {
            serde_json::from_str::<Value>(&job.json).is_ok_and(|job| !job::is_finished(&job))
        });
        match unfinished {
            Some(job) => {
                self.0.insert(key.clone(), job.uid.clone());
            }
            None => {
                self.0.remove(key);
            }
        }
    }

    /// Books a place for a Job that is about to be created; false if there is none.
    fn book(&mut self, key: &ObjectKey, limit: u32) -> bool {
        if self.0.contains_key(key) {
            return true;
        }
        let free = self.0.len() < limit as usize;
        if free {
            self.0.insert(key.clone(), String::new());
        }
        free
    }

    /// Gives back the place of a Job that was not created.
    fn release(&mut self, key: &ObjectKey) {
        if self.0.get(key).is_some_and(String::is_empty) {
            self.0.remove(key);
        }
    }
}

impl Session {
    pub(super) async fn start_job(&self, text: &str) -> Result<Started, StartError> {
        let (key, document, limit) = self.job(text)?;
        if let Some(held) = self.job_held(&key) {
            return held;
        }
        if !lock(&self.around.jobs).book(&key, limit) {
            return Err(StartError::OverBudget(limit));
        }
        let started = self.create_job(&key, document).await;
        if !matches!(started, Ok(Started::Created(_) | Started::AlreadyRunning(_))) {
            lock(&self.around.jobs).release(&key);
        }
        started
    }

    /// A guest's Job as it would be sent, if rules and grants allow it, and how many may be unfinished.
    pub(super) fn job(&self, text: &str) -> Result<(ObjectKey, Value, u32), StartError> {
        let document = super::write::parse_object(text).map_err(StartError::Refused)?;
        let starter = Starter {
            plugin: self.version.plugin(),
            controller: &self.around.controller,
            primary: &self.key,
            uid: &self.primary.uid,
        };
        let key = starter.key(&document).map_err(StartError::Refused)?;
        let denied = |missing| self.denied(Verb::Create.as_str(), &key, missing);
        let limit = job::admit(&document, self.version.authority.jobs.as_ref(), denied)?;
        let document = starter.adorn(document, &key);
        Ok((key, document, limit))
    }

    /// What the Job of that name means for a start, if the cache holds one.
    pub(super) fn job_held(&self, key: &ObjectKey) -> Option<Result<Started, StartError>> {
        let held = self.around.views.get(&key.kind)?.get(key)?;
        Some(self.classify(key, &held))
    }

    async fn create_job(&self, key: &ObjectKey, document: Value) -> Result<Started, StartError> {
        let invalid = |error: serde_json::Error| KubeError::Invalid(error.to_string());
        let create = async {
            let object: DynamicObject = serde_json::from_value(document).map_err(invalid)?;
            let served = self.served(&key.kind).await?;
            self.spend()?;
            let api = api(&self.around.client, &served.resource, key.namespace.as_deref());
            self.request(
                "create",
                key,
                send(&api, key, &self.manager(), Write::Create(Box::new(object))),
            )
            .await
        };
        match create.await {
            Ok(Some(object)) => {
                let stored = self.learn(key, object).map_err(StartError::Refused)?.kept;
                let uid = Some(stored.uid.clone());
                Ok(Started::Created(ObjectRef { key: key.clone(), uid }))
            }
            Ok(None) => {
                Err(StartError::Refused(KubeError::Other("the answer held no Job".to_owned())))
            }
            Err(KubeError::AlreadyExists(_)) => match self.get_live(key).await {
                Ok(held) => self.classify(key, &held.kept),
                Err(error) => Err(StartError::Refused(error)),
            },
            Err(error) => Err(StartError::Refused(error)),
        }
    }

    fn classify(&self, key: &ObjectKey, held: &Cached) -> Result<Started, StartError> {
        let found = ObjectRef { key: key.clone(), uid: Some(held.uid.clone()) };
        let own = held.controller().is_some_and(|owner| owner.uid == self.primary.uid);
        job::held(found, own, held.deleting)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use joch_core::manifest::WatchData;

    use serde_json::json;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: job::kind(), namespace: Some("a".into()), name: name.into() }
    }

    fn job(finished: bool) -> Arc<Cached> {
        let condition = json!([{"type": "Complete", "status": "True"}]);
        let conditions = if finished { condition } else { json!([]) };
        let object = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "uid": "u"},
            "status": {"conditions": conditions}
        });
        let object = serde_json::from_value(object).unwrap();
        Cached::new(&job::kind(), object, &WatchData::Full).unwrap()
    }

    #[test]
    fn the_budget_counts_booked_and_unfinished_jobs() {
        let mut ledger = JobLedger::default();
        assert!(ledger.book(&key("one"), 2) && ledger.book(&key("two"), 2));
        assert!(!ledger.book(&key("three"), 2), "the budget is used up");
        assert!(ledger.book(&key("one"), 2), "a repeated start takes no second place");
        ledger.changed(&key("one"), Some(&job(false)));
        assert!(!ledger.book(&key("three"), 2));
        ledger.changed(&key("one"), Some(&job(true)));
        assert!(ledger.book(&key("three"), 2), "a finished Job frees its place");
        ledger.changed(&key("two"), None);
        assert!(ledger.book(&key("four"), 2), "a deleted Job frees its place");
    }

    #[test]
    fn a_start_that_failed_gives_its_place_back_but_a_running_job_keeps_its_own() {
        let mut ledger = JobLedger::default();
        ledger.book(&key("one"), 1);
        ledger.release(&key("one"));
        assert!(ledger.book(&key("two"), 1));
        ledger.changed(&key("two"), Some(&job(false)));
        ledger.release(&key("two"));
        assert!(!ledger.book(&key("three"), 1));
    }
}
