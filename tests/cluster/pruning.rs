//! What never crosses the boundary: managed fields, and of kinds of which the manifest keeps metadata or
//! some fields only, the rest of the object.

use std::time::Duration;

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::proxy::{Action, ApiRequest, Disturbance};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// Whoever may look at Secrets at all has to be given the word.
const GRANT: &str = "[plugins.puppet]\nallow = \"requested\"\ndangerous = true\n";

/// Waits until the cache holds an object.
async fn until_cached(host: &Host, puppet: &Puppet, get: &Value) -> Result<()> {
    eventually("the cache holds the object", LONG, async || {
        puppet.plays(host, json!([get])).await?.answer(0).map(drop)
    })
    .await
}

#[test]
fn masked_parts_of_objects_never_reach_the_guest() -> Result<()> {
    on_cluster("pruning::masked", async |cluster| {
        let full = "{ kind = \"v1/ConfigMap\", by = \"read\" }";
        let metadata = "{ kind = \"v1/ConfigMap\", by = \"read\", data = \"metadata\" }";
        let stage = puppet::stage(cluster, "pruning::masked", &[(full, metadata)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let map = json!({"metadata": {"name": "a"}, "data": {"secret": "payload-of-m"}});
        maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let here = json!([{"get": {"kind": "v1/ConfigMap", "name": "a", "fresh": "cached"}}]);
        until_cached(&host, &puppet, &here[0]).await?;
        let own = json!({"kind": "test.joch.dev/v1alpha1/Puppet", "name": "p", "fresh": "cached"});
        let listed = json!({"list": {"kind": "v1/ConfigMap"}});
        let run = puppet.plays(&host, json!([here[0], listed, {"get": own}])).await?;
        for step in 0..2 {
            let answer = run.answer(step)?.to_string();
            ensure!(!answer.contains("payload-of-m"), "step {step}: {answer}");
        }
        ensure!(run.answer(0)?["metadata"]["name"] == "a", "{run:?}");
        // The API server has managed fields of both, so that there was something to prune.
        let managed = maps.get("a").await?.metadata.managed_fields.is_some();
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

#[test]
fn of_a_secret_that_is_watched_by_its_metadata_no_payload_reaches_the_host() -> Result<()> {
    on_cluster("pruning::secret", async |cluster| {
        // As the fixture, but it looks at Secrets instead of ConfigMaps.
        let maps = "{ kind = \"v1/ConfigMap\", by = \"read\" }";
        let secrets = "{ kind = \"v1/Secret\", by = \"read\", data = \"metadata\" }";
        let changes = [(maps, secrets), ("kinds = [\"v1/ConfigMap\"]", "kinds = [\"v1/Secret\"]")];
        let mut stage = puppet::stage(cluster, "pruning::secret", &changes).await?;
        stage.options.grants.push_str(GRANT);
        let host = Host::start(stage.options.clone()).await?;
        let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let secret = json!({"metadata": {"name": "s", "annotations": {"mark": "one"}},
            "stringData": {"password": "payload-of-s"}});
        secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let get = json!({"get": {"kind": "v1/Secret", "name": "s", "fresh": "cached"}});
        until_cached(&host, &puppet, &get).await?;
        let listed = json!({"list": {"kind": "v1/Secret"}});
        let run = puppet.plays(&host, json!([get, listed])).await?;
        for step in 0..2 {
            let answer = run.answer(step)?.to_string();
            ensure!(answer.contains("\"mark\""), "step {step}: {answer}");
            // As it is, and as the API writes it.
            for payload in ["payload-of-s", "cGF5bG9hZC1vZi1z", "\"data\"", "managedFields"] {
                ensure!(!answer.contains(payload), "step {step}: {payload} in {answer}");
            }
        }
        // Its changes wake those that read it, all the same.
        let before = puppet::runs(&host.log()?, "p").len();
        let patch = Patch::Merge(json!({"stringData": {"password": "payload-of-s-2"}}));
        secrets.patch("s", &PatchParams::default(), &patch).await?;
        eventually("it is reconciled again", LONG, async || {
            ensure!(puppet::runs(&host.log()?, "p").len() > before, "not yet");
            Ok(())
        })
        .await?;
        let asked = stage.proxy.record().since(0, |entry| entry.request.resource == "secrets");
        ensure!(asked.len() >= 2, "{asked:?}");
        let whole: Vec<_> = asked.iter().filter(|entry| !entry.request.metadata_only).collect();
        ensure!(whole.is_empty(), "asked for whole objects: {whole:?}");
        Ok(())
    })
}

#[test]
fn of_a_kind_with_a_field_mask_the_guest_gets_these_fields_and_is_called_for_no_others()
-> Result<()> {
    on_cluster("pruning::fields", async |cluster| {
        // The watch is late, so that a new object is first found by asking for it.
        let inject = |request: &ApiRequest| match (request.verb.as_str(), &*request.resource) {
            ("watch", "configmaps") => Action::Watch(Disturbance::Hold(Duration::from_secs(3))),
            _ => Action::Pass,
        };
        let stage = Stage::with_faults(cluster, "pruning::fields", &[], inject).await?;
        let masked = "{ kind = \"v1/ConfigMap\", by = \"read\", data = [\"/data/shown\"] }";
        let changes = [
            ("{ kind = \"v1/ConfigMap\", by = \"read\" }", masked),
            ("watch = [", "data = [\"/spec/script\"]\nwatch = ["),
        ];
        stage.plugins.install("puppet.wasm", &puppet::with(&changes)?)?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let data = |shown: &str, hidden: &str| json!({"data": {"shown": shown, "hidden": hidden}});
        let mut map = data("one", "payload-1");
        // The first of the namespace, by which a list is told.
        map["metadata"]["name"] = "a".into();
        maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;

        let get =
            |fresh: &str| json!({"get": {"kind": "v1/ConfigMap", "name": "a", "fresh": fresh}});
        let own = json!({"kind": "test.joch.dev/v1alpha1/Puppet", "name": "p", "fresh": "cached"});
        let body = data("one", "payload-2");
        let steps = json!([
            get("confirmed"),
            get("cached"),
            {"list": {"kind": "v1/ConfigMap"}},
            {"merge": {"kind": "v1/ConfigMap", "name": "a", "body": body}},
            {"get": own},
            get("live"),
        ]);
        let run = puppet.plays(&host, steps).await?;
        for step in 0..4 {
            let answer = run.answer(step)?.to_string();
            let fits = answer.contains("\"shown\":\"one\"") && !answer.contains("payload");
            ensure!(fits, "step {step}: {answer}");
        }
        let spec = &run.answer(4)?["spec"];
        ensure!(spec.get("script").is_some() && spec.get("edited").is_none(), "{spec}");
        ensure!(
            puppet.object().await?.data["spec"].get("edited").is_some(),
            "nothing to leave out"
        );
        // Who asks for the object as it is gets it as it is.
        ensure!(run.answer(5)?["data"]["hidden"] == "payload-2", "{run:?}");

        let read = puppet.plays(&host, json!([get("cached")])).await?;
        // What was found and edited may have woken it once more.
        let mut before = 0;
        eventually("it rests", LONG, async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = puppet::runs(&host.log()?, "p").len();
            ensure!(std::mem::replace(&mut before, now) == now, "{now} calls");
            Ok(())
        })
        .await?;
        let write = async |shown: &str, hidden: &str| {
            let patch = Patch::Merge(data(shown, hidden));
            maps.patch("a", &PatchParams::default(), &patch).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            anyhow::Ok(())
        };
        for hidden in ["payload-3", "payload-4", "payload-5"] {
            write("one", hidden).await?;
        }
        write("two", "payload-5").await?;
        let shown = eventually("the change is seen", LONG, async || {
            let runs = puppet::runs(&host.log()?, "p");
            let seen = |run: &puppet::Run| {
                let answer = run.answer(0).ok().filter(|_| run.generation == read.generation);
                answer.is_some_and(|answer| answer["data"]["shown"] == "two")
            };
            ensure!(runs.iter().any(seen), "not yet: {runs:?}");
            Ok(runs.len())
        })
        .await?;
        ensure!(shown == before + 1, "{} calls for one change that is shown", shown - before);
        Ok(())
    })
}
