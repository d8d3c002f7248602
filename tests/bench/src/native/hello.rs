//! The example hello-controller as a kube-rs controller: two watches, one apply, one status. Built from the
//! parts of kube's `Controller`, so that a status of its own does not wake it and managed fields are not kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, Object, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::controller::{
    Action, Config as ControllerConfig, applier, trigger_owners, trigger_self,
};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, predicates, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Failed;

const MANAGER: &str = "native-kube-rs";
const API_VERSION: &str = "hello.joch.dev/v1alpha1";
/// After what time a failed turn is tried again; controller-runtime begins with the same.
const AGAIN: Duration = Duration::from_millis(5);

type Greeting = Object<Spec, Status>;

#[derive(Debug, Clone, Deserialize, Serialize)]
struct Spec {
    name: String,
    #[serde(default)]
    language: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    updated_at: String,
    phase: String,
    config_map_name: String,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    observed_generation: i64,
    last_transition_time: String,
}

struct Around {
    greetings: Api<Greeting>,
    config_maps: Api<ConfigMap>,
    held: Store<ConfigMap>,
    /// By Greeting, the version that its status was last computed from and written: while the cache shows
    /// that version, it lags behind the write, which must not be tried again.
    reported: Mutex<HashMap<String, String>>,
}

/// Runs until it is killed.
pub(super) async fn run(client: Client, namespace: &str, concurrency: u16) {
    let kind = GroupVersionKind::gvk("hello.joch.dev", "v1alpha1", "Greeting");
    let resource = ApiResource::from_gvk(&kind);
    let greetings: Api<Greeting> = Api::namespaced_with(client.clone(), namespace, &resource);
    let config_maps: Api<ConfigMap> = Api::namespaced(client, namespace);

    let writer = reflector::store::Writer::new(resource.clone());
    let primaries = writer.as_reader();
    let changed = reflector::reflector(writer, lean(&greetings))
        .default_backoff()
        .applied_objects()
        .predicate_filter(predicates::generation, Default::default());
    let writer = reflector::store::Writer::default();
    let held = writer.as_reader();
    let touched =
        reflector::reflector(writer, lean(&config_maps)).default_backoff().touched_objects();
    let wake = futures::stream::select(
        trigger_self(changed, resource.clone()),
        trigger_owners(touched, resource, ()),
    );

    let around = Arc::new(Around { greetings, config_maps, held, reported: Mutex::default() });
    let turn = |greeting: Arc<Greeting>, around: Arc<Around>| {
        // As kube's Controller does: reconciles run beside each other on all threads.
        let turn = tokio::spawn(async move { reconcile(&greeting, &around).await });
        Box::pin(async move {
            turn.await.map_err(anyhow::Error::from).flatten().map_err(Failed)?;
            Ok(Action::await_change())
        })
    };
    let again = |_: Arc<Greeting>, _: &Failed, _: Arc<Around>| Action::requeue(AGAIN);
    let config = ControllerConfig::default().concurrency(concurrency);
    applier(turn, again, around, primaries, wake, config).for_each(async |_| ()).await;
}

/// The events of a kind, without what a controller has no use for.
fn lean<K>(
    api: &Api<K>,
) -> impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static
where
    K: Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    watcher(api.clone(), watcher::Config::default())
        .modify(|object: &mut K| object.managed_fields_mut().clear())
}

async fn reconcile(greeting: &Greeting, around: &Around) -> Result<()> {
    if greeting.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    apply(greeting, around).await?;
    report(greeting, around).await
}

/// Writes the ConfigMap, unless it says what it has to.
async fn apply(greeting: &Greeting, around: &Around) -> Result<()> {
    let name = format!("{}-greeting", greeting.name_any());
    let namespace = greeting.namespace().context("a Greeting without namespace")?;
    let uid = greeting.uid().context("a Greeting without uid")?;
    let text = greet(&greeting.spec);
    let held = around.held.get(&ObjectRef::new(&name).within(&namespace));
    let in_force = held.is_some_and(|held| {
        let says = held.data.as_ref().and_then(|data| data.get("text"));
        let owned = held.owner_references().iter().any(|owner| owner.uid == uid);
        says == Some(&text) && owned
    });
    if in_force {
        return Ok(());
    }
    let owner = json!({"apiVersion": API_VERSION, "kind": "Greeting", "name": greeting.name_any(),
        "uid": uid, "controller": true});
    let document = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": text},
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner]}});
    let force = PatchParams::apply(MANAGER).force();
    around.config_maps.patch(&name, &force, &Patch::Apply(document)).await?;
    Ok(())
}

/// Writes the status with its times, unless only they would differ. The write carries the version that it
/// was computed from, so that a late one is refused.
async fn report(greeting: &Greeting, around: &Around) -> Result<()> {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let generation = greeting.metadata.generation.unwrap_or_default();
    let mut status = Status {
        observed_generation: generation,
        updated_at: now.clone(),
        phase: "Ready".to_owned(),
        config_map_name: format!("{}-greeting", greeting.name_any()),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Greeted".to_owned(),
            message: "the ConfigMap has the greeting".to_owned(),
            observed_generation: generation,
            last_transition_time: now,
        }],
    };
    if let Some(held) = &greeting.status {
        for (new, old) in status.conditions.iter_mut().zip(&held.conditions) {
            if new.status == old.status {
                new.last_transition_time.clone_from(&old.last_transition_time);
            }
        }
        if *held == (Status { updated_at: held.updated_at.clone(), ..status.clone() }) {
            return Ok(());
        }
    }
    let (version, uid) = (greeting.resource_version().unwrap_or_default(), greeting.uid());
    let uid = uid.context("a Greeting without uid")?;
    let reported = || around.reported.lock().unwrap_or_else(PoisonError::into_inner);
    if reported().get(&uid) == Some(&version) {
        return Ok(());
    }
    let metadata = json!({"resourceVersion": version, "uid": uid});
    let patch: Value = json!({"metadata": metadata, "status": status});
    let params = PatchParams::default();
    around.greetings.patch_status(&greeting.name_any(), &params, &Patch::Merge(patch)).await?;
    reported().insert(uid, version);
    Ok(())
}

fn greet(Spec { name, language }: &Spec) -> String {
    let hello = match &**language {
        "de" => "Hallo",
        "fr" => "Bonjour",
        _ => "Hello",
    };
    format!("{hello}, {name}!")
}
