//! A session whose writes are recorded instead of sent: shadow mode.
//!
//! Reads, grants and bounds are the real ones. The answer to a write is what the API server would have
//! answered as far as that can be known: the document merged into the object that is there.

use std::sync::Arc;

use async_trait::async_trait;
use joch_core::grant::{KubeCall, Verb};
use joch_core::object::{ObjectKey, ObjectRef};
use joch_core::port::{
    self, Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Operation, Query, Reach,
    SecretRef, SecretUse, SecretValue, StartError, Started, Verdict,
};
use joch_core::status::{self, Circumstances, Plan};
use joch_core::time::rfc3339;
use serde_json::Value;

use super::write::parse_object;
use super::{Session, unix_ms};
use crate::kinds::lock;
use crate::metrics::PluginLabels;
use crate::shadow::ShadowLog;

/// The uid of a Job that exists in the shadow's eyes only.
const NOWHERE: &str = "shadow";

/// What a guest in shadow mode holds.
pub(crate) struct Shadowed {
    pub(crate) session: Arc<Session>,
    pub(crate) log: Arc<ShadowLog>,
}

impl Shadowed {
    fn record(&self, what: &str, target: &ObjectKey, body: &str) {
        if self.log.record(what, target, body) {
            let plugin = self.session.version.plugin().to_owned();
            let metrics = &self.session.around.metrics;
            metrics.shadow_writes.get_or_create(&PluginLabels { plugin }).inc();
            tracing::info!(what, %target, "a write was recorded instead of sent");
        }
    }

    /// The object that a write would find; none if there is none.
    async fn there(&self, key: &ObjectKey) -> Result<Option<Value>, KubeError> {
        let held = self.session.around.views.get(&key.kind).and_then(|view| view.get(key));
        let held = match held {
            Some(held) => held,
            None => match self.session.get_live(key).await {
                Ok(held) => held.kept,
                Err(KubeError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let unreadable = |error: serde_json::Error| KubeError::Other(error.to_string());
        serde_json::from_str(&held.json).map(Some).map_err(unreadable)
    }
}

#[async_trait]
impl port::Session for Shadowed {
    async fn get(&self, what: &ObjectRef, freshness: Freshness) -> Result<Json, KubeError> {
        self.session.get(what, freshness).await
    }

    async fn list(&self, query: &Query, freshness: Freshness) -> Result<Vec<Json>, KubeError> {
        self.session.list(query, freshness).await
    }

    async fn count(&self, query: &Query) -> Result<u64, KubeError> {
        self.session.count(query)
    }

    async fn write(&self, change: Change) -> Result<Json, KubeError> {
        let session = &self.session;
        let key = &change.target.key;
        session.allow_write(&change)?;
        let there = self.there(key).await?;
        let missing = || KubeError::NotFound;
        let (what, body, answer) = match &change.operation {
            Operation::Create(_) if there.is_some() => {
                return Err(KubeError::AlreadyExists(change.target.clone()));
            }
            Operation::Create(text) => {
                let document = session.document(key, text, change.owned)?;
                ("create", document.to_string(), document)
            }
            Operation::Apply(text) => {
                if there.is_none() && change.may_make() {
                    session.allow(&KubeCall::on(Verb::Create, key), key)?;
                }
                let document = session.document(key, text, change.owned)?;
                let mut object = there.unwrap_or_default();
                json_patch::merge(&mut object, &document);
                ("apply", document.to_string(), object)
            }
            Operation::Merge(text) => {
                let mut object = there.ok_or_else(missing)?;
                json_patch::merge(&mut object, &parse_object(text)?);
                ("merge", text.clone(), object)
            }
            Operation::JsonPatch(text) => {
                let mut object = there.ok_or_else(missing)?;
                let invalid = |error: String| KubeError::Invalid(error);
                let patch: json_patch::Patch =
                    serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
                json_patch::patch(&mut object, &patch)
                    .map_err(|error| invalid(error.to_string()))?;
                ("json-patch", text.clone(), object)
            }
            Operation::Delete(propagation) => {
                there.ok_or_else(missing)?;
                self.record("delete", key, propagation);
                return Ok(Json::from(""));
            }
        };
        let subresource = change.subresource.as_deref();
        let what = subresource.map_or(what.to_owned(), |name| format!("{what} /{name} of"));
        self.record(&what, key, &body);
        Ok(answer.to_string().into())
    }

    async fn report_status(
        &self,
        report: String,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError> {
        let session = &self.session;
        let call =
            KubeCall { subresource: Some("status"), ..KubeCall::on(Verb::Patch, &session.key) };
        session.allow(&call, &session.key)?;
        let report = parse_object(&report)?;
        let invalid = |error: String| KubeError::Invalid(error);
        let object: Value = serde_json::from_str(&session.primary.json)
            .map_err(|error| invalid(error.to_string()))?;
        let kinds = lock(&session.around.dropped).clone();
        let dropped = kinds.get(&session.key.kind).cloned().unwrap_or_default();
        let circumstances = Circumstances {
            fields: &session.fields,
            generation: session.primary.generation,
            now: &rfc3339(unix_ms()),
            dropped: &dropped,
        };
        let decision = status::decide(&object, &report, generation, circumstances)
            .map_err(|error| invalid(error.to_string()))?;
        match decision.plan {
            Plan::Unchanged => Ok(Verdict::Unchanged),
            Plan::Superseded => Ok(Verdict::Superseded(session.primary.json.clone())),
            Plan::Write { .. } => {
                self.record("status of", &session.key, &report.to_string());
                Ok(Verdict::Written)
            }
        }
    }

    async fn start_job(&self, text: String) -> Result<Started, StartError> {
        let (key, document, _) = self.session.job(&text)?;
        if let Some(held) = self.session.job_held(&key) {
            return held;
        }
        self.record("start", &key, &document.to_string());
        Ok(Started::Created(ObjectRef { key, uid: Some(NOWHERE.to_owned()) }))
    }

    async fn publish(&self, note: Note) -> Result<(), KubeError> {
        let Note { reason, message, .. } = note;
        self.record("event about", &self.session.key, &format!("{reason}: {message}"));
        Ok(())
    }

    async fn secret(
        &self,
        secret: &SecretRef,
        wanted: SecretUse,
    ) -> Result<SecretValue, KubeError> {
        port::Session::secret(&super::Handle(self.session.clone()), secret, wanted).await
    }

    async fn authorize(&self, call: &HttpCall) -> Result<Reach, KubeError> {
        let HttpCall { method, origin } = call;
        if ["GET", "HEAD", "OPTIONS"].contains(&method.as_str()) {
            return port::Session::authorize(&super::Handle(self.session.clone()), call).await;
        }
        self.record("request for", &self.session.key, &format!("{method} {origin}"));
        Err(KubeError::Other(format!("shadow mode: {method} {origin} is recorded, not sent")))
    }

    async fn measure(&self, measurement: Measurement) -> Result<(), KubeError> {
        port::Session::measure(&super::Handle(self.session.clone()), measurement).await
    }
}
