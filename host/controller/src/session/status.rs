//! The primary's status: planned by `core`, written as a merge patch that carries the version it was
//! computed from, so that a stale write is refused and computed anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use joch_core::grant::{KubeCall, Verb};
use joch_core::port::{KubeError, Note, Verdict};
use joch_core::status::{self, Circumstances, Decision, Dropped, Plan};
use joch_core::time::rfc3339;
use kube::api::Patch;
use serde_json::{Map, Value, json};

use super::Session;
use crate::cached::Cached;
use crate::client::{Write, api, send};
use crate::kinds::lock;
use crate::metrics::PluginLabels;

/// How often a write is computed anew after somebody else was faster.
const TRIES: u32 = 4;

impl Session {
    pub(super) async fn report_status(
        &self,
        report: &str,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError> {
        let call = KubeCall { subresource: Some("status"), ..KubeCall::on(Verb::Patch, &self.key) };
        self.allow(&call, &self.key)?;
        let report = super::write::parse_object(report)?;
        let mut newest = self.newest();
        for _ in 0..TRIES {
            if newest.uid != self.primary.uid {
                return Ok(Verdict::Superseded(newest.json.clone()));
            }
            match self.try_report(&newest, &report, generation).await {
                Err(KubeError::Stale) => newest = self.get_live(&self.key).await?.kept,
                Err(KubeError::NotFound) => return Ok(Verdict::Superseded(newest.json.clone())),
                // A rule about transitions may have been checked against a newer object than ours.
                Err(KubeError::Invalid(text)) => {
                    let fresh = self.fetch(&self.key).await?.kept;
                    if fresh.resource_version == newest.resource_version {
                        return Err(KubeError::Invalid(text));
                    }
                    newest = fresh;
                }
                answer => return answer,
            }
        }
        Err(KubeError::Stale)
    }

    /// The primary as the cache holds it by now, own writes included.
    pub(super) fn newest(&self) -> Arc<Cached> {
        let view = self.around.views.get(&self.key.kind);
        view.and_then(|view| view.get(&self.key)).unwrap_or_else(|| self.primary.clone())
    }

    async fn try_report(
        &self,
        newest: &Cached,
        report: &Value,
        generation: Option<i64>,
    ) -> Result<Verdict, KubeError> {
        let unreadable = |error: serde_json::Error| KubeError::Other(error.to_string());
        let object: Value = serde_json::from_str(&newest.json).map_err(unreadable)?;
        let decided = self.with_circumstances(|circumstances| {
            status::decide(&object, report, generation, circumstances)
        });
        let Decision { plan, overruled } =
            decided.map_err(|error| KubeError::Invalid(error.to_string()))?;
        self.note_overruled(&overruled);
        let (patch, expected) = match plan {
            Plan::Unchanged => return Ok(Verdict::Unchanged),
            Plan::Superseded => return Ok(Verdict::Superseded(newest.json.clone())),
            Plan::Write { patch, expected } => (patch, expected),
        };
        self.spend()?;
        self.write_status(newest, patch, &expected).await.map(|()| Verdict::Written)
    }

    /// Runs a decision about the primary's status with what it depends on.
    pub(super) fn with_circumstances<T>(&self, decide: impl FnOnce(Circumstances<'_>) -> T) -> T {
        let dropped = lock(&self.around.dropped).get(&self.key.kind).cloned().unwrap_or_default();
        let now = rfc3339(unix_ms());
        decide(Circumstances {
            fields: &self.fields,
            generation: self.primary.generation,
            now: &now,
            dropped: &dropped,
        })
    }

    /// Writes what differs from `newest`'s status, unless it is not the newest any more.
    pub(super) async fn write_status(
        &self,
        newest: &Cached,
        patch: Map<String, Value>,
        expected: &Map<String, Value>,
    ) -> Result<(), KubeError> {
        let metadata = json!({"resourceVersion": newest.resource_version, "uid": newest.uid});
        let patch = Patch::Merge(json!({"metadata": metadata, "status": patch}));
        let served = self.served(&self.key.kind).await?;
        let api = api(&self.around.client, &served.resource, self.namespace());
        let write = Write::Patch { patch, subresource: Some("status".to_owned()), force: false };
        let answer =
            self.request("patch", &self.key, send(&api, &self.key, &self.manager(), write)).await?;
        if let Some(stored) = answer {
            let lost = status::dropped(expected, &stored.data);
            self.learn(&self.key, stored)?;
            self.note_dropped(lost);
        }
        Ok(())
    }

    /// Counts fields that the contract kept from the guest, and says so once.
    fn note_overruled(&self, fields: &BTreeSet<String>) {
        if fields.is_empty() {
            return;
        }
        let plugin = self.version.plugin().to_owned();
        self.around.metrics.status_overruled.get_or_create(&PluginLabels { plugin }).inc();
        let mut told = lock(&self.around.overruled);
        let new = { fields.iter() }
            .filter(|field| told.insert((self.key.kind.clone(), (*field).clone())));
        let new: Vec<&str> = new.map(String::as_str).collect();
        drop(told);
        if new.is_empty() {
            return;
        }
        let message = format!(
            "the plugin reported {} otherwise than the status contract has it; the contract's value stands",
            new.join(", ")
        );
        tracing::warn!(kind = %self.key.kind, "{message}");
        let note = Note { warning: true, reason: "StatusOverruled".to_owned(), message };
        self.tell(note).unwrap_or_else(|error| tracing::debug!(%error, "no event"));
    }

    /// Remembers fields that the CRD does not declare, and says so once.
    fn note_dropped(&self, lost: Dropped) {
        let mut kinds = lock(&self.around.dropped);
        let dropped = kinds.entry(self.key.kind.clone()).or_default();
        let new: Vec<_> = lost.difference(dropped).map(|path| path.join(".")).collect();
        if !new.is_empty() {
            tracing::warn!(
                kind = %self.key.kind, fields = new.join(", "),
                "the installed CRD does not declare these status fields; they are left out"
            );
            dropped.extend(lost);
        }
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
