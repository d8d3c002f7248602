//! A cluster that answers from memory, and what the tests need to make a call.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use joch_core::manifest::Limits;
use joch_core::name::Digest;
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::port::{
    Call, Change, Freshness, HttpCall, Json, KubeError, Measurement, Note, Purpose, Query, Reach,
    SecretRef, SecretUse, SecretValue, Session, StartError, Started, Verdict,
};
use joch_core::quantity::{Bytes, Time};
use joch_engine::{Engine, EngineConfig, Plugin, PluginSpec};

use crate::guest::Guest;

/// What is in the cluster, how it answers, and what was asked of it.
#[derive(Default)]
pub(crate) struct Fake {
    /// Found by every query.
    pub(crate) objects: Vec<Json>,
    /// How long a `get` takes; for ever if none.
    pub(crate) get_takes: Option<Duration>,
    /// What was written.
    pub(crate) changes: Mutex<Vec<Change>>,
    /// The value of every Secret; none is granted if there is none.
    pub(crate) secret: Option<&'static str>,
    /// What Secrets were wanted for.
    pub(crate) secret_uses: Mutex<Vec<SecretUse>>,
    /// What was measured.
    pub(crate) measured: Mutex<Vec<Measurement>>,
}

#[async_trait]
impl Session for Fake {
    async fn get(&self, _: &ObjectRef, _: Freshness) -> Result<Json, KubeError> {
        match self.get_takes {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        Err(KubeError::NotFound)
    }

    async fn list(&self, _: &Query, _: Freshness) -> Result<Vec<Json>, KubeError> {
        Ok(self.objects.clone())
    }

    async fn count(&self, _: &Query) -> Result<u64, KubeError> {
        Ok(self.objects.len() as u64)
    }

    async fn write(&self, change: Change) -> Result<Json, KubeError> {
        self.changes.lock().unwrap().push(change);
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

    async fn secret(&self, of: &SecretRef, wanted: SecretUse) -> Result<SecretValue, KubeError> {
        self.secret_uses.lock().unwrap().push(wanted);
        assert_eq!((of.name.as_str(), of.key.as_str()), ("a", "b"));
        let Some(value) = self.secret else {
            let (kind, name) = (Gvk::new("", "v1", "Secret"), of.name.clone());
            let key = ObjectKey { kind, namespace: of.namespace.clone(), name };
            return Err(KubeError::Denied {
                verb: "get".to_owned(),
                target: ObjectRef { key, uid: None },
                missing_grant: "the Secret".to_owned(),
            });
        };
        Ok(value.as_bytes().to_vec().into())
    }

    async fn authorize(&self, _: &HttpCall) -> Result<Reach, KubeError> {
        Ok(Reach::Ordinary)
    }

    async fn measure(&self, measurement: Measurement) -> Result<(), KubeError> {
        self.measured.lock().unwrap().push(measurement);
        Ok(())
    }
}

/// Limits that fit a test: 4 MiB, 100 ms of computing, 20 s in all.
pub(crate) fn limits() -> Limits {
    Limits {
        memory: Bytes(4 << 20),
        cpu: Time(Duration::from_millis(100)),
        wall: Time(Duration::from_secs(20)),
        ..Limits::default()
    }
}

/// An engine with few places, as every test has one of its own.
pub(crate) fn engine() -> Engine {
    Engine::new(&EngineConfig { max_instances: 4 }).unwrap()
}

/// The guest as a component.
pub(crate) fn component(guest: Guest) -> Vec<u8> {
    guest.component(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")))
}

/// The guest, loaded.
pub(crate) fn plugin(engine: &Engine, guest: Guest, limits: Limits) -> Plugin {
    let bytes = component(guest);
    Plugin::new(engine, &engine.load(&bytes).unwrap(), spec(&bytes, limits)).unwrap()
}

/// What distinguishes the plugins of most tests: nothing.
pub(crate) fn spec(bytes: &[u8], limits: Limits) -> PluginSpec {
    PluginSpec {
        name: "sample".parse().unwrap(),
        digest: Digest::of(bytes),
        limits,
        http: false,
        finalizer: false,
        config: "{}".to_owned(),
    }
}

/// A call for `ConfigMap default/sample`.
pub(crate) fn call(session: Fake) -> Call {
    call_in(Arc::new(session))
}

/// The same, in a session that the test looks at afterwards.
pub(crate) fn call_in(session: Arc<Fake>) -> Call {
    let kind = Gvk::new("", "v1", "ConfigMap");
    let key = ObjectKey { kind, namespace: Some("default".to_owned()), name: "sample".to_owned() };
    Call {
        purpose: Purpose::Reconcile,
        controller: "sample".to_owned(),
        target: ObjectRef { key, uid: Some("uid-1".to_owned()) },
        object: Json::from(r#"{"kind":"ConfigMap"}"#),
        now_unix_ms: 1_700_000_000_000,
        attempt: 0,
        session,
    }
}
