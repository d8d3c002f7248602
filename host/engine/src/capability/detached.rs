//! The session of a trial instance: there is no cluster.

use async_trait::async_trait;
use joch_core::object::ObjectRef;
use joch_core::port::{
    Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Query, Reach, SecretRef,
    SecretUse, SecretValue, Session, StartError, Started, Verdict,
};

/// Answers everything with `unavailable`.
pub(crate) struct Detached;

const NOBODY: KubeError = KubeError::Unavailable(None);

#[async_trait]
impl Session for Detached {
    async fn get(&self, _: &ObjectRef, _: Freshness) -> Result<Json, KubeError> {
        Err(NOBODY)
    }

    async fn list(&self, _: &Query, _: Freshness) -> Result<Vec<Json>, KubeError> {
        Err(NOBODY)
    }

    async fn count(&self, _: &Query) -> Result<u64, KubeError> {
        Err(NOBODY)
    }

    async fn write(&self, _: Change) -> Result<Json, KubeError> {
        Err(NOBODY)
    }

    async fn report_status(&self, _: String, _: Option<i64>) -> Result<Verdict, KubeError> {
        Err(NOBODY)
    }

    async fn start_job(&self, _: String) -> Result<Started, StartError> {
        Err(StartError::Refused(NOBODY))
    }

    async fn publish(&self, _: Note) -> Result<(), KubeError> {
        Err(NOBODY)
    }

    async fn secret(&self, _: &SecretRef, _: SecretUse) -> Result<SecretValue, KubeError> {
        Err(NOBODY)
    }

    async fn authorize(&self, _: &HttpCall) -> Result<Reach, KubeError> {
        Err(NOBODY)
    }

    async fn measure(&self, _: Measurement) -> Result<(), KubeError> {
        Err(NOBODY)
    }
}
