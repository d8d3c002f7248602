//! What never crosses the boundary: managed fields, and of kinds that the manifest watches by metadata only,
//! the rest of the object.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;

#[test]
fn masked_parts_of_objects_never_reach_the_guest() -> Result<()> {
    on_cluster("pruning::masked", async |cluster| {
        let full = "{ kind = \"v1/ConfigMap\", by = \"read\" }";
        let metadata = "{ kind = \"v1/ConfigMap\", by = \"read\", data = \"metadata\" }";
        let stage = puppet::stage(cluster, "pruning::masked", &[(full, metadata)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let map = json!({"metadata": {"name": "m"}, "data": {"secret": "payload-of-m"}});
        maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let here = json!([{"get": {"kind": "v1/ConfigMap", "name": "m", "fresh": "cached"}}]);
        eventually("the cache holds the object", LONG, async || {
            puppet.plays(&host, here.clone()).await?.answer(0).map(drop)
        })
        .await?;
        let own = json!({"kind": "test.joch.dev/v1alpha1/Puppet", "name": "p", "fresh": "cached"});
        let listed = json!({"list": {"kind": "v1/ConfigMap"}});
        let run = puppet.plays(&host, json!([here[0], listed, {"get": own}])).await?;
        for step in 0..2 {
            let answer = run.answer(step)?.to_string();
            ensure!(!answer.contains("payload-of-m"), "step {step}: {answer}");
        }
        ensure!(run.answer(0)?["metadata"]["name"] == "m", "{run:?}");
        // The API server has managed fields of both, so that there was something to prune.
        let managed = maps.get("m").await?.metadata.managed_fields.is_some();
        ensure!(managed && puppet.object().await?.metadata.managed_fields.is_some(), "none there");
        for step in [0, 2] {
            let metadata = &run.answer(step)?["metadata"];
            ensure!(metadata.get("managedFields").is_none(), "step {step}: {metadata}");
        }
        // The host did not even ask for more.
        let asked = stage.proxy.record().since(0, |entry| {
            entry.request.resource == "configmaps"
                && ["list", "watch"].contains(&entry.request.verb.as_str())
        });
        ensure!(asked.len() >= 2, "{asked:?}");
        let whole: Vec<_> = asked.iter().filter(|entry| !entry.request.metadata_only).collect();
        ensure!(whole.is_empty(), "asked for whole objects: {whole:?}");
        Ok(())
    })
}
