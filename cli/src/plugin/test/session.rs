//! A guest's hands on the cluster in memory: the host's rules, without the host's cache and network.
//!
//! What is decided is decided by `joch-core`: authority, Job rules, the status contract. The plugin has
//! all that its manifest asks for, and nothing else.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use joch_core::grant::{KubeCall, Verb};
use joch_core::manifest::WatchData;
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{
    Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Query, Reach, SecretRef,
    SecretUse, SecretValue, Session, StartError, Started, Verdict,
};
use joch_core::projection::{keep, project};
use joch_fake::{Filter, Selector};
use serde_json::Value;

use super::world::{Setting, World, refusal, target};

mod jobs;
mod secrets;
mod status;
mod write;

/// One call's hands.
pub(super) struct Hands {
    setting: Setting,
    world: Mutex<World>,
}

impl Hands {
    pub(super) fn new(setting: Setting, world: World) -> Self {
        Self { setting, world: Mutex::new(world) }
    }

    /// The world as it is.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, what: &ObjectRef, freshness: Freshness) -> Result<Value, KubeError> {
        let mut world = self.world();
        world.allow(&self.setting, &KubeCall::on(Verb::Get, &what.key), &what.key)?;
        let data = if freshness == Freshness::Live {
            world.spend(&self.setting)?;
            WatchData::Full
        } else {
            self.setting.cached(&what.key.kind)?
        };
        let found = world.cluster.get(&target(&what.key, what.uid.as_deref())).cloned();
        if found.is_err() && freshness == Freshness::Confirmed {
            // The host asks the API server before it says that there is nothing.
            world.spend(&self.setting)?;
        }
        let object = found.map_err(|error| refusal(error, &what.key))?;
        Ok(keep(object, &data))
    }

    fn select(&self, query: &Query, freshness: Freshness) -> Result<Vec<Value>, KubeError> {
        let mut world = self.world();
        let namespace = query.namespace.as_deref();
        let call = KubeCall {
            verb: Verb::List,
            kind: &query.kind,
            subresource: None,
            namespace,
            // Of a kind that has no namespaces, a query means the cluster scope.
            all_namespaces: namespace.is_none() && !world.is_cluster_scoped(&query.kind),
        };
        let all = ObjectKey {
            kind: query.kind.clone(),
            namespace: query.namespace.clone(),
            name: String::new(),
        };
        world.allow(&self.setting, &call, &all)?;
        let data = if freshness == Freshness::Live {
            world.spend(&self.setting)?;
            WatchData::Full
        } else {
            self.setting.cached(&query.kind)?
        };
        let labels = Selector::parse(query.labels.as_deref().unwrap_or_default());
        let filter = Filter {
            namespace: query.namespace.clone(),
            labels: labels.map_err(|error| refusal(error, &all))?,
            owned_by: query.owned_by.clone(),
        };
        let found = world.cluster.list(&query.kind.group, &query.kind.kind, &filter);
        let part = |object: &Value| project(&keep(object.clone(), &data), query);
        found.map(|object| part(object).map_err(KubeError::Invalid)).collect()
    }
}

#[async_trait]
impl Session for Hands {
    async fn get(&self, what: &ObjectRef, freshness: Freshness) -> Result<Json, KubeError> {
        Ok(self.read(what, freshness)?.to_string().into())
    }

    async fn list(&self, query: &Query, freshness: Freshness) -> Result<Vec<Json>, KubeError> {
        let found = self.select(query, freshness)?;
        Ok(found.iter().map(|object| object.to_string().into()).collect())
    }

    async fn count(&self, query: &Query) -> Result<u64, KubeError> {
        Ok(self.select(query, Freshness::Cached)?.len() as u64)
    }

    async fn write(&self, change: Change) -> Result<Json, KubeError> {
        write::write(&self.setting, &mut self.world(), change)
    }

    async fn report_status(
        &self,
        report: String,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError> {
        status::report(&self.setting, &mut self.world(), &report, generation)
    }

    async fn start_job(&self, job: String) -> Result<Started, StartError> {
        jobs::start(&self.setting, &mut self.world(), &job)
    }

    async fn publish(&self, note: Note) -> Result<(), KubeError> {
        self.world().publish(&self.setting, note)
    }

    async fn secret(
        &self,
        secret: &SecretRef,
        wanted: SecretUse,
    ) -> Result<SecretValue, KubeError> {
        secrets::read(&self.setting, &mut self.world(), secret, &wanted)
    }

    async fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError> {
        secrets::authorize(&self.setting, &mut self.world(), call)
    }

    async fn measure(&self, measurement: Measurement) -> Result<(), KubeError> {
        let measured = self.setting.manifest.measured(&measurement);
        measured.map(drop).map_err(KubeError::Invalid)
    }
}

/// A guest's document, which has to be a JSON object.
fn parse(text: &str) -> Result<Value, KubeError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| KubeError::Invalid(error.to_string()))?;
    if value.is_object() {
        return Ok(value);
    }
    let start: String = text.chars().take(40).collect();
    Err(KubeError::Invalid(format!("a JSON object is expected, not {start:?}")))
}

#[cfg(test)]
mod tests;
