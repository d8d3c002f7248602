//! A cluster that takes everything and has nothing, at once: what is measured is the engine alone.

use async_trait::async_trait;
use joch_core::object::ObjectRef;
use joch_core::port::{
    Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Query, Reach, SecretRef,
    SecretUse, SecretValue, Session, StartError, Started, Verdict,
};

/// Answers at once.
pub(crate) struct Nothing;

fn refused<T>() -> Result<T, KubeError> {
    Err(KubeError::Other("there is no cluster".to_owned()))
}

#[async_trait]
impl Session for Nothing {
    async fn get(&self, _: &ObjectRef, _: Freshness) -> Result<Json, KubeError> {
        Err(KubeError::NotFound)
    }

    async fn list(&self, _: &Query, _: Freshness) -> Result<Vec<Json>, KubeError> {
        Ok(Vec::new())
    }

    async fn count(&self, _: &Query) -> Result<u64, KubeError> {
        Ok(0)
    }

    async fn write(&self, _: Change) -> Result<Json, KubeError> {
        Ok(Json::from("{}"))
    }

    async fn report_status(&self, _: String, _: Option<i64>) -> Result<Verdict, KubeError> {
        Ok(Verdict::Unchanged)
    }

    async fn start_job(&self, _: String) -> Result<Started, StartError> {
        Err(StartError::OverBudget(0))
    }

    async fn publish(&self, _: Note) -> Result<(), KubeError> {
        Ok(())
    }

    async fn secret(&self, _: &SecretRef, _: SecretUse) -> Result<SecretValue, KubeError> {
        refused()
    }

    async fn authorize(&self, _: &HttpCall) -> Result<Reach, KubeError> {
        refused()
    }

    async fn measure(&self, _: Measurement) -> Result<(), KubeError> {
        Ok(())
    }
}
