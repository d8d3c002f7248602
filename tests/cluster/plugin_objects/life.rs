//! Beginning and end: a host without the definition of Plugin, and what a plugin leaves behind.

use anyhow::{Result, ensure};
use joch_artifact::{manifest_text, with_manifest};
use joch_tests::guests::component;
use joch_tests::objects::{create, greetings};
use joch_tests::paths;
use joch_tests::plugin_objects::{plugin, plugins, put_in_map, stage, until};
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, DynamicObject};
use serde_json::json;

use crate::hello::{greeting, install_kind, until_text};

#[test]
fn a_host_without_the_definition_serves_its_folder_and_shows_it_later() -> Result<()> {
    on_bare_cluster("plugin_objects::without", async |cluster| {
        install_kind(cluster).await?;
        let mut stage =
            Stage::new(cluster, "plugin_objects::without", &["hello-controller"]).await?;
        stage.options.plugin_objects = true;
        let host = stage.host().await?;
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;
        let overview = host.plugins().await?;
        ensure!(overview.controllers.len() == 1, "{overview:?}");

        cluster.apply(&paths::root().join("crds/joch.dev_plugins.yaml"), None).await?;
        let all = plugins(stage.client.clone());
        until(&all, "hello-controller", "Active", &["Ready=True/Running"]).await.map(drop)
    })
}

/// The example with a finalizer.
fn finalizing(name: &str) -> Result<Vec<u8>> {
    let bytes = component("hello-controller")?;
    let text = manifest_text(&bytes)?;
    let line = "status = { phase = \"phase\" }";
    ensure!(text.contains(line), "the manifest no longer has the line");
    let text = text.replace(line, &format!("{line}\nfinalizer = \"{name}\""));
    Ok(with_manifest(&bytes, &text)?)
}

async fn until_gone(all: &Api<DynamicObject>) -> Result<()> {
    eventually("the Plugin is gone", LONG, async || {
        ensure!(all.get_opt("hello").await?.is_none(), "it is there");
        Ok(())
    })
    .await
}

#[test]
fn an_uninstall_releases_finalizers_and_a_plain_removal_keeps_them() -> Result<()> {
    on_bare_cluster("plugin_objects::uninstall", async |cluster| {
        let stage = stage(cluster, "plugin_objects::uninstall", &[]).await?;
        let mut host = stage.host().await?;
        put_in_map(&stage, "code", "hello.wasm", &finalizing("hello.joch.dev/cleanup")?).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let all = plugins(stage.client.clone());
        create(&all, &plugin("hello", &source)).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        for name in ["ada", "grace"] {
            create(&greetings, &greeting(name)).await?;
            until_text(&stage, name, &format!("Hello, {name}!")).await?;
        }
        let held = async |name: &str| -> Result<bool> {
            let finalizers = greetings.get(name).await?.metadata.finalizers.unwrap_or_default();
            Ok(finalizers.iter().any(|name| name == "hello.joch.dev/cleanup"))
        };
        ensure!(held("ada").await? && held("grace").await?, "the finalizer is not set");

        all.delete("hello", &DeleteParams::default()).await?;
        host.shows("the plugin is out", |overview| overview.controllers.is_empty()).await?;
        ensure!(held("ada").await? && held("grace").await?, "a plain removal released them");

        let mut again = plugin("hello", &source);
        again["spec"]["deletionPolicy"] = "releaseFinalizers".into();
        create(&all, &again).await?;
        until(&all, "hello", "Active", &["Ready=True/Running"]).await?;
        greetings.delete("ada", &DeleteParams::default()).await?;
        eventually("a deleted object is finalized", LONG, async || {
            ensure!(greetings.get_opt("ada").await?.is_none(), "it is there");
            Ok(())
        })
        .await?;
        all.delete("hello", &DeleteParams::default()).await?;
        until_gone(&all).await?;
        ensure!(!held("grace").await?, "the uninstall left the finalizer");

        // One that a host finds when it starts: the source is gone, and the first version had another name.
        create(&all, &again).await?;
        eventually("the finalizer is set again", LONG, async || {
            ensure!(held("grace").await?, "not yet");
            Ok(())
        })
        .await?;
        let named = async |names: &[&str]| {
            let kind = "hello.joch.dev/v1alpha1/Greeting";
            let name =
                |name: &&str| json!({"kind": kind, "name": format!("hello.joch.dev/{name}")});
            let expected: Vec<_> = names.iter().map(name).collect();
            eventually("the status names the finalizers", LONG, async || {
                let named = all.get("hello").await?.data["status"]["finalizers"].clone();
                ensure!(named == json!(expected), "{named}");
                Ok(())
            })
            .await
        };
        put_in_map(&stage, "code", "hello.wasm", &finalizing("hello.joch.dev/other")?).await?;
        named(&["cleanup", "other"]).await?;
        host.terminate().await?;
        put_in_map(&stage, "code", "hello.wasm", &finalizing("hello.joch.dev/third")?).await?;
        let mut host = stage.host().await?;
        named(&["cleanup", "other", "third"]).await?;
        host.terminate().await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        maps.delete("code", &DeleteParams::default()).await?;
        all.delete("hello", &DeleteParams::default()).await?;
        let mut host = stage.host().await?;
        until_gone(&all).await?;
        let left = greetings.get("grace").await?.metadata.finalizers.unwrap_or_default();
        ensure!(left.is_empty(), "the uninstall left {left:?}");
        host.terminate().await
    })
}

#[test]
fn a_plugin_that_is_uninstalled_and_installed_again_at_once_is_as_new_each_time() -> Result<()> {
    on_bare_cluster("plugin_objects::again", async |cluster| {
        let stage = stage(cluster, "plugin_objects::again", &[]).await?;
        let mut host = stage.host().await?;
        put_in_map(&stage, "code", "hello.wasm", &finalizing("hello.joch.dev/cleanup")?).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let mut hello = plugin("hello", &source);
        hello["spec"]["deletionPolicy"] = "releaseFinalizers".into();
        let all = plugins(stage.client.clone());
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("grace")).await?;
        for _ in 0..8 {
            create(&all, &hello).await?;
            let live = until(&all, "hello", "Active", &["Ready=True/Running"]).await?;
            ensure!(live.data["status"]["finalizers"].as_array().is_some_and(|it| it.len() == 1));
            eventually("the finalizer is set", LONG, async || {
                let finalizers = greetings.get("grace").await?.metadata.finalizers;
                ensure!(finalizers.unwrap_or_default().len() == 1, "not yet");
                Ok(())
            })
            .await?;
            all.delete("hello", &DeleteParams::default()).await?;
            until_gone(&all).await?;
            let left = greetings.get("grace").await?.metadata.finalizers.unwrap_or_default();
            ensure!(left.is_empty(), "the uninstall left {left:?}");
        }
        host.terminate().await
    })
}
