//! Namespaces that are being deleted: nothing can be made in them, which is nobody's fault, and what is in
//! them can go.

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::host::Host;
use joch_tests::objects::create;
use joch_tests::puppet::{self, Puppet, runs};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::until_metric;

/// A script that makes a ConfigMap.
fn makes(namespace: &str, name: &str) -> Value {
    json!({"create":
        {"kind": "v1/ConfigMap", "namespace": namespace, "name": name, "body": {}}})
}

async fn until_gone(cluster: &Cluster, namespace: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(cluster.client()?);
    eventually(&format!("{namespace} is gone"), LONG, async || {
        let found = namespaces.get_opt(namespace).await?;
        ensure!(found.is_none(), "{:?}", found.map(|it| it.status));
        Ok(())
    })
    .await
}

/// A namespace whose deletion was asked for, and is held up by a ConfigMap.
async fn terminating(cluster: &Cluster) -> Result<String> {
    let name = cluster.namespace("kinds-ending").await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client()?, &name);
    let anchor = json!({"metadata": {"name": "anchor", "finalizers": ["test.joch.dev/hold"]}});
    maps.create(&PostParams::default(), &serde_json::from_value(anchor)?).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client()?);
    namespaces.delete(&name, &DeleteParams::default()).await?;
    eventually("its objects are being deleted", LONG, async || {
        let anchor = maps.get("anchor").await?;
        anchor.metadata.deletion_timestamp.context("not yet")
    })
    .await?;
    Ok(name)
}

/// The delays after the failures of a puppet so far, in seconds.
fn delays(host: &Host, puppet: &str) -> Result<Vec<f64>> {
    let log = host.log()?;
    let failed = log.lines().filter(|line| line.message() == "reconcile failed");
    let own = failed.filter(|line| line.mentions(&format!("/{puppet}\"")));
    own.map(|line| {
        let text = line.text("retry_in").context("no delay")?;
        // As `Some(15.2s)`.
        let number: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        ensure!(text.ends_with("s)") && !text.contains("ms"), "{text}");
        Ok(number.parse()?)
    })
    .collect()
}

#[test]
fn what_cannot_be_made_in_a_namespace_that_goes_is_nobodys_fault_and_tried_seldom() -> Result<()> {
    on_cluster("kinds::terminating", async |cluster| {
        let stage = Stage::new(cluster, "kinds::terminating", &[]).await?;
        let (same, all) = (
            "kinds = [\"v1/ConfigMap\"]\nnamespaces = \"same\"",
            "kinds = [\"v1/ConfigMap\"]\nnamespaces = \"all\"",
        );
        stage.plugins.install("puppet.wasm", &puppet::with(&[(same, all)])?)?;
        let host = Host::start(stage.options.clone()).await?;
        let other = terminating(cluster).await?;
        let broken = ["p0", "p1", "p2", "p3", "p4"];
        for name in broken {
            let script = json!([makes(&other, name), {"panic": "no"}]);
            Puppet::create(&stage, "Puppet", name, script).await?;
        }
        let later = json!({"fail": {"reason": "Later", "message": "not yet"}});
        let script = json!([makes(&other, "healed"), later]);
        let healed = Puppet::create(&stage, "Puppet", "healed", script).await?;
        let line = "joch_plugin_failures_total{plugin=\"puppet\",category=\"Trapped\",blame=\"refusal\"} 5";
        until_metric(&host, line).await?;
        let run = healed.played(&host, 1).await?;
        ensure!(run.refusal(0)?.0 == "unavailable", "{run:?}");

        // Other namespaces are not concerned.
        let neighbour = Puppet::new(&stage, "neighbour").await?;
        let run = neighbour.plays(&host, json!([makes(&stage.namespace, "here")])).await?;
        ensure!(run.answer(0).is_ok() && run.outcome.as_deref() == Some("Done"), "{run:?}");

        let (_, metrics) = host.page("/metrics").await?;
        ensure!(!metrics.contains("blame=\"guest\""), "{metrics}");
        ensure!(!metrics.contains("joch_plugin_rests_total{"), "{metrics}");
        let line = "joch_plugin_parked_objects{name=\"puppet/puppet\"} 0";
        ensure!(metrics.contains(line), "{metrics}");
        for name in broken.into_iter().chain(["healed"]) {
            let delays = delays(&host, name)?;
            ensure!(
                !delays.is_empty() && delays.iter().all(|it| *it >= 12.0),
                "{name}: {delays:?}"
            );
        }

        // There is another namespace of that name.
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &other);
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        maps.patch("anchor", &PatchParams::default(), &free).await?;
        until_gone(cluster, &other).await?;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(other.clone());
        Api::all(stage.client.clone()).create(&PostParams::default(), &namespace).await?;
        eventually("it is made without a word", LONG, async || Ok(maps.get("healed").await?))
            .await
            .map(drop)
    })
}

#[test]
fn finalizers_are_released_in_a_namespace_that_goes() -> Result<()> {
    on_cluster("kinds::released", async |cluster| {
        let mut stage = Stage::new(cluster, "kinds::released", &[]).await?;
        let watch = "watch = [\n    { kind = \"batch/v1/Job\"";
        let finalizer = format!("finalizer = \"test.joch.dev/clean-up\"\n{watch}");
        stage.plugins.install("puppet.wasm", &puppet::with(&[(watch, &finalizer)])?)?;
        let other = cluster.namespace("kinds-released").await?;
        stage.options.namespaces.push(other.clone());
        let host = Host::start(stage.options.clone()).await?;
        let api = puppet::api(stage.client.clone(), "Puppet", &other);
        let object = json!({
            "apiVersion": "test.joch.dev/v1alpha1", "kind": "Puppet", "metadata": {"name": "p"},
            "spec": {"script": [], "finalize": [makes(&other, "note")]},
        });
        create(&api, &object).await?;
        let puppet = Puppet { api, name: "p".to_owned() };
        puppet.played(&host, 1).await?;
        let held = puppet.object().await?.metadata.finalizers.unwrap_or_default();
        ensure!(held == ["test.joch.dev/clean-up"], "{held:?}");

        let namespaces: Api<Namespace> = Api::all(stage.client.clone());
        namespaces.delete(&other, &DeleteParams::default()).await?;
        until_gone(cluster, &other).await?;
        let runs = runs(&host.log()?, "p");
        let last = runs.iter().rfind(|run| run.finalize).context("it was not called")?;
        ensure!(last.refusal(0)?.0 == "unavailable", "{last:?}");
        ensure!(last.outcome.as_deref() == Some("Done"), "{last:?}");
        Puppet::new(&stage, "neighbour").await?.plays(&host, json!([])).await.map(drop)
    })
}
