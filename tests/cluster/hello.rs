//! The example of the SDK, hello-controller: its ConfigMap is kept in step, repaired, and removed.

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::objects::{create, greetings};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

async fn merge(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result<()> {
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Installs the kind, for one test at a time: two that create it at once get in each other's way.
pub(crate) async fn install_kind(cluster: &Cluster) -> Result<()> {
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let file = paths::root().join("examples/hello-controller/crd.yaml");
    cluster.apply(&file, None).await.map(drop)
}

pub(crate) fn greeting(name: &str) -> Value {
    json!({
        "apiVersion": "hello.joch.dev/v1alpha1", "kind": "Greeting", "metadata": {"name": name},
        "spec": {"name": name},
    })
}

/// Waits until the greeting's ConfigMap has this text.
pub(crate) async fn until_text(stage: &Stage, name: &str, wanted: &str) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
    eventually(&format!("the ConfigMap says {wanted:?}"), LONG, async || {
        let data = maps.get(&format!("{name}-greeting")).await?.data.context("no data")?;
        ensure!(data.get("text").map(String::as_str) == Some(wanted), "{data:?}");
        Ok(())
    })
    .await
}

#[test]
fn the_config_map_follows_its_greeting_is_repaired_and_goes_with_it() -> Result<()> {
    on_cluster("hello::config_map", async |cluster| {
        install_kind(cluster).await?;
        let stage = Stage::new(cluster, "hello::config_map", &["hello-controller"]).await?;
        let _host = stage.host().await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;

        merge(&greetings, "ada", json!({"spec": {"language": "de"}})).await?;
        until_text(&stage, "ada", "Hallo, ada!").await?;

        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let vandal = Patch::Merge(json!({"data": {"text": "Go away!"}}));
        maps.patch("ada-greeting", &PatchParams::default(), &vandal).await?;
        until_text(&stage, "ada", "Hallo, ada!").await?;
        maps.delete("ada-greeting", &DeleteParams::default()).await?;
        until_text(&stage, "ada", "Hallo, ada!").await?;

        greetings.delete("ada", &DeleteParams::default()).await?;
        eventually("the ConfigMap is garbage-collected", LONG, async || {
            ensure!(maps.get_opt("ada-greeting").await?.is_none(), "it is there");
            Ok(())
        })
        .await
    })
}
