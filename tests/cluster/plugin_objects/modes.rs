//! Modes: what a shadow records instead of writing, what a suspended plugin leaves alone.

use anyhow::{Context as _, Result, ensure};
use joch_tests::guests::component;
use joch_tests::objects::{agent, create, greetings, task};
use joch_tests::plugin_objects::{merge, plugin, plugins, put_in_map, stage, until};
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::DeleteParams;
use serde_json::json;

use crate::hello::{greeting, until_text};

#[test]
fn a_shadow_reads_and_records_and_writes_nothing_until_it_is_active() -> Result<()> {
    on_bare_cluster("plugin_objects::shadow", async |cluster| {
        let stage = stage(cluster, "plugin_objects::shadow", &[]).await?;
        let host = stage.host().await?;
        let all = plugins(stage.client.clone());
        put_in_map(&stage, "code", "kubetask.wasm", &component("kubetask")?).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "kubetask.wasm"}});
        let mut object = plugin("kubetask", &source);
        object["spec"]["mode"] = "shadow".into();
        create(&all, &object).await?;
        until(&all, "kubetask", "Shadow", &["Ready=True/Running"]).await?;

        let mark = stage.proxy.record().mark();
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("one")).await?;
        let recorded =
            eventually("the shadow has recorded what a Task leads to", LONG, async || {
                let object = all.get("kubetask").await?;
                let shadow = object.data.pointer("/status/shadow").cloned().context("no shadow")?;
                let recent = shadow["recent"].to_string();
                for part in [
                    "apply ConfigMap plugin-objects-0/one-context",
                    "start Job plugin-objects-0/one-job",
                    "status of Task plugin-objects-0/one",
                ] {
                    ensure!(recent.contains(part), "{part:?} is not in {recent}");
                }
                shadow["writes"].as_u64().context("no number")
            });
        let recorded = recorded.await?;
        let ours = ["configmaps", "jobs", "tasks", "events"];
        let sent = stage.proxy.record().since(mark, |entry| {
            entry.request.is_write() && ours.contains(&entry.request.resource.as_str())
        });
        ensure!(sent.is_empty(), "a shadow wrote: {sent:?}");
        let (_, metrics) = host.page("/metrics").await?;
        let line = format!("joch_plugin_shadow_writes_total{{plugin=\"kubetask\"}} {recorded}");
        ensure!(metrics.contains(&line), "{line:?} is not in {metrics}");

        merge(&all, "kubetask", json!({"spec": {"mode": "active"}})).await?;
        joch_tests::objects::until_phase(&stage.kubetask("Task"), "one", "Running").await?;
        let active = until(&all, "kubetask", "Active", &["Ready=True/Running"]).await?;
        ensure!(active.data.pointer("/status/shadow").is_none(), "{:?}", active.data);
        Ok(())
    })
}

#[test]
fn a_shadow_claims_no_kind_and_an_active_plugin_waits_for_the_claim() -> Result<()> {
    on_bare_cluster("plugin_objects::claims", async |cluster| {
        let stage = stage(cluster, "plugin_objects::claims", &[]).await?;
        let _host = stage.host().await?;
        let all = plugins(stage.client.clone());
        put_in_map(&stage, "code", "hello.wasm", &component("hello-controller")?).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        create(&all, &plugin("hello", &source)).await?;
        until(&all, "hello", "Active", &["Ready=True/Running"]).await?;
        let mut next = plugin("hello-next", &source);
        next["spec"]["mode"] = "shadow".into();
        create(&all, &next).await?;
        until(&all, "hello-next", "Shadow", &["Ready=True/Running"]).await?;

        merge(&all, "hello-next", json!({"spec": {"mode": "active"}})).await?;
        // What is live stays live, and that is the shadow.
        let claimed = until(&all, "hello-next", "Shadow", &["Ready=False/KindClaimed"]).await?;
        let message = claimed.data["status"]["conditions"].to_string();
        ensure!(message.contains("already reconciled by plugin \\\"hello\\\""), "{message}");
        all.delete("hello", &DeleteParams::default()).await?;
        until(&all, "hello-next", "Active", &["Ready=True/Running"]).await?;
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await
    })
}

#[test]
fn a_suspended_plugin_of_the_folder_leaves_everything_alone_until_it_is_active_again() -> Result<()>
{
    on_bare_cluster("plugin_objects::suspend", async |cluster| {
        let stage = stage(cluster, "plugin_objects::suspend", &["hello-controller"]).await?;
        let host = stage.host().await?;
        let all = plugins(stage.client.clone());
        let name = "hello-controller";
        until(&all, name, "Active", &["Ready=True/Running"]).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;

        merge(&all, name, json!({"spec": {"mode": "suspended"}})).await?;
        until(&all, name, "Suspended", &["Ready=False/Suspended"]).await?;
        host.shows("nothing runs", |overview| overview.controllers.is_empty()).await?;
        merge(&greetings, "ada", json!({"spec": {"language": "de"}})).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;

        merge(&all, name, json!({"spec": {"mode": "active"}})).await?;
        until_text(&stage, "ada", "Hallo, ada!").await?;
        until(&all, name, "Active", &["Ready=True/Running"]).await.map(drop)
    })
}
