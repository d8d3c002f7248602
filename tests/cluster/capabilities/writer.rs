//! `writer`: every kind of write, subresources, and the versions that a write names.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{NEVER, config_map, config_maps, denials, denied, with};

fn map(name: &str, more: Value) -> Value {
    with(json!({"kind": "v1/ConfigMap", "name": name}), more)
}

#[test]
fn writes_are_allowed_denied_and_bounded() -> Result<()> {
    on_cluster("capabilities::writer", async |cluster| {
        // Nine megabytes take their time.
        let bound = ("[limits]", "[limits]\ncpu = \"10s\"\napi-per-reconcile = 6");
        let stage = puppet::stage(cluster, "capabilities::writer", &[bound]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let add = json!([{"op": "add", "path": "/data/d", "value": "4"}]);
        let run = puppet
            .plays(
                &host,
                json!([
                    {"create": map("m", json!({"owned": true, "body": {"data": {"a": "1"}}}))},
                    {"create": map("m", json!({"body": {}}))},
                    {"apply": map("m", json!({"body": {"data": {"b": "2"}}}))},
                    {"merge": map("m", json!({"body": {"data": {"c": "3"}}}))},
                    {"jsonPatch": map("m", json!({"body": add}))},
                    {"create": {"kind": "v1/Secret", "name": "s", "body": {}}},
                    {"merge": map("m", json!({"namespace": "default", "body": {}}))},
                    {"delete": {"kind": "v1/Pod", "name": "x"}},
                ]),
            )
            .await?;
        ensure!(run.refusal(1)?.0 == "alreadyExists", "{run:?}");
        let stored = run.answer(4)?;
        ensure!(stored["data"] == json!({"a": "1", "b": "2", "c": "3", "d": "4"}), "{stored}");
        let owner = &stored["metadata"]["ownerReferences"][0];
        ensure!(owner["name"] == "p" && owner["controller"] == true, "{stored}");
        denied(&run, 5, &["create", "v1/Secret", "not requested"])?;
        denied(&run, 6, &["patch", "v1/ConfigMap", "default"])?;
        denied(&run, 7, &["delete", "v1/Pod", "not requested"])?;
        ensure!(denials(&host).await? >= 3.0, "denials are not counted");

        let run = puppet
            .plays(
                &host,
                json!([
                    {"delete": map("m", json!({"propagation": "Sideways"}))},
                    {"delete": map("m", json!({}))},
                    {"delete": map("m", json!({}))},
                    {"merge": map("m", json!({"body": {"data": {}}}))},
                ]),
            )
            .await?;
        ensure!(run.refusal(0)?.0 == "invalid" && run.step(1)?.ok, "{run:?}");
        ensure!(run.refusal(2)?.0 == "notFound" && run.refusal(3)?.0 == "notFound", "{run:?}");

        // Calls, bytes that the API server takes, and bytes of one host call.
        let touch = json!({"merge": map("none", json!({"body": {}})), "times": 7});
        let run = puppet.plays(&host, json!([touch])).await?;
        let errors: Vec<&str> = run.steps.iter().map(|step| step.error.as_str()).collect();
        ensure!(
            errors[..6].iter().all(|e| *e == "notFound") && errors[6] == "overLimit",
            "{run:?}"
        );
        let large = |bytes: u32| json!([{"create": map("l", json!({"body": {}, "pad": bytes}))}]);
        let run = puppet.plays(&host, large(2 << 20)).await?;
        ensure!(run.refusal(0)?.0 == "invalid", "{run:?}");
        let run = puppet.plays(&host, large(9 << 20)).await?;
        ensure!(run.outcome.as_deref() == Some("Trapped") && run.steps.is_empty(), "{run:?}");
        ensure!(config_maps(&stage).get_opt("l").await?.is_none(), "it was made all the same");
        Ok(())
    })
}

#[test]
fn an_apply_makes_what_is_not_there_only_with_the_grant_to_create() -> Result<()> {
    on_cluster("capabilities::apply", async |cluster| {
        let rule =
            |verbs: &str| format!("{verbs}\"patch\", \"delete\"]\nkinds = [\"v1/ConfigMap\"]");
        let (with, without) = (rule("\"create\", "), rule(""));
        let stage = puppet::stage(cluster, "capabilities::apply", &[(&with, &without)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        config_map(&stage, json!({"metadata": {"name": "there"}, "data": {"a": "1"}})).await?;
        let body = json!({"body": {"data": {"b": "2"}}});
        let run = puppet
            .plays(
                &host,
                json!([
                    {"apply": map("none", body.clone())},
                    {"apply": map("there", body.clone())},
                    {"delete": map("there", json!({}))},
                    {"apply": map("there", body)},
                ]),
            )
            .await?;
        denied(&run, 0, &["create", "v1/ConfigMap", "not requested"])?;
        let stored = run.answer(1)?;
        ensure!(stored["data"] == json!({"a": "1", "b": "2"}), "{stored}");
        denied(&run, 3, &["create", "v1/ConfigMap", "not requested"])?;
        for name in ["none", "there"] {
            ensure!(config_maps(&stage).get_opt(name).await?.is_none(), "{name} was made");
        }
        Ok(())
    })
}

#[test]
fn a_write_that_names_a_version_or_a_uid_is_refused_when_the_object_is_another_by_now() -> Result<()>
{
    on_cluster("capabilities::versions", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::versions", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let made =
            config_map(&stage, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await?;
        let version = made.metadata.resource_version.clone().unwrap_or_default();
        let uid = made.metadata.uid.clone().unwrap_or_default();
        let change = |n: u32| json!({"data": {"a": n.to_string()}});
        let patch = json!([{"op": "replace", "path": "/data/a", "value": "9"}]);
        let test = json!([{"op": "test", "path": "/data/a", "value": "none"}]);
        let stale = "1";
        let other = "00000000-0000-0000-0000-000000000000";
        let run = puppet
            .plays(
                &host,
                json!([
                    {"merge": map("m", json!({"ifVersion": stale, "body": change(2)}))},
                    {"jsonPatch": map("m", json!({"ifVersion": stale, "body": patch}))},
                    {"apply": map("m", json!({"ifVersion": stale, "body": change(2), "force": true}))},
                    {"delete": map("m", json!({"ifVersion": stale}))},
                    {"merge": map("m", json!({"uid": other, "body": change(2)}))},
                    {"jsonPatch": map("m", json!({"uid": other, "body": patch}))},
                    {"apply": map("m", json!({"uid": other, "body": change(2), "force": true}))},
                    {"delete": map("m", json!({"uid": other}))},
                    {"apply": map("m", json!({"body": change(2)}))},
                    {"jsonPatch": map("m", json!({"body": test}))},
                    {"merge": map("m", json!({"ifVersion": version, "uid": uid, "body": change(3)}))},
                    {"apply": map("m", json!({"body": change(4), "force": true}))},
                ]),
            )
            .await?;
        for step in 0..8 {
            ensure!(run.refusal(step)?.0 == "stale", "step {step} of {run:?}");
        }
        ensure!(run.refusal(8)?.0 == "ownedByOther", "{run:?}");
        ensure!(run.refusal(9)?.0 == "invalid", "{run:?}");
        ensure!(run.answer(10)?["data"]["a"] == "3", "{run:?}");
        ensure!(run.answer(11)?["data"]["a"] == "4", "{run:?}");
        Ok(())
    })
}

#[test]
fn subresources_are_written_apart_and_granted_apart() -> Result<()> {
    on_cluster("capabilities::subresources", async |cluster| {
        // The cache of Dolls learns of nothing by its watch.
        let frozen = |request: &ApiRequest| {
            let watch = request.is_watch() && request.resource == "dolls";
            if watch { Action::Delay(NEVER) } else { Action::Pass }
        };
        let test = "capabilities::subresources";
        let stage = Stage::with_faults(cluster, test, &["puppet"], frozen).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let spec = json!({"replicas": 1, "keep": "me"});
        for kind in ["Doll", "Marionette"] {
            let api = puppet::api(stage.client.clone(), kind, &stage.namespace);
            let object = json!({"apiVersion": "test.joch.dev/v1alpha1", "kind": kind,
                "metadata": {"name": "x"}, "spec": spec});
            joch_tests::objects::create(&api, &object).await?;
        }
        let on = |kind: &str, subresource: &str, body: Value| {
            json!({"merge": {"kind": format!("test.joch.dev/v1alpha1/{kind}"), "name": "x",
                "subresource": subresource, "body": body}})
        };
        let doll = json!({"get": {"kind": "test.joch.dev/v1alpha1/Doll", "name": "x"}});
        let run = puppet
            .plays(
                &host,
                json!([
                    doll,
                    on("Doll", "status", json!({"status": {"phase": "Pulled"}, "spec": {"keep": "no"}})),
                    on("Doll", "scale", json!({"spec": {"replicas": 5}})),
                    doll,
                    on("Marionette", "status", json!({"status": {"phase": "Pulled"}})),
                    {"merge": {"kind": "test.joch.dev/v1alpha1/Puppet", "name": "p",
                        "subresource": "status", "body": {"status": {"phase": "x"}}}},
                ]),
            )
            .await?;
        ensure!(run.answer(0)?["spec"] == spec, "{run:?}");
        ensure!(run.answer(2)?["spec"]["replicas"] == 5, "{run:?}");
        let after = run.answer(3)?;
        ensure!(after["kind"] == "Doll" && after["status"]["phase"] == "Pulled", "{after}");
        let spec = json!({"replicas": 5, "keep": "me"});
        ensure!(after["spec"] == spec, "the cache holds something else: {after}");
        // An own kind's status is granted with the kind; another primary's is no report.
        ensure!(run.step(4)?.ok, "{run:?}");
        let (error, text) = run.refusal(5)?;
        ensure!(error == "invalid" && text.contains("status.report"), "{run:?}");
        let run = puppet
            .plays(&host, json!([{"merge": {"kind": "v1/ConfigMap", "name": "x", "subresource": "status", "body": {}}}]))
            .await?;
        denied(&run, 0, &["patch", "v1/ConfigMap", "status"])?;
        let none: Option<ConfigMap> = config_maps(&stage).get_opt("x").await?;
        ensure!(none.is_none(), "{none:?}");
        Ok(())
    })
}

#[test]
fn an_apply_of_what_is_in_force_is_not_sent() -> Result<()> {
    on_cluster("capabilities::in_force", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::in_force", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let apply = |text: &str| json!({"apply": map("m", json!({"body": {"data": {"a": text}}}))});
        let sent = || stage.proxy.record().writes_to("configmaps", &stage.namespace, "m", 0).len();
        puppet.plays(&host, json!([apply("1"), apply("1")])).await?.answer(1)?;
        let run = puppet.plays(&host, json!([apply("1")])).await?;
        ensure!(run.answer(0)?["data"]["a"] == "1", "{run:?}");
        ensure!(sent() == 1, "sent {} times", sent());
        puppet.plays(&host, json!([apply("2")])).await?.answer(0)?;
        ensure!(sent() == 2, "another document: sent {} times", sent());

        let other = Patch::Merge(json!({"metadata": {"labels": {"by": "somebody"}}}));
        config_maps(&stage).patch("m", &PatchParams::default(), &other).await?;
        eventually("it is sent again after somebody else's write", LONG, async || {
            puppet.plays(&host, json!([apply("2")])).await?.answer(0)?;
            ensure!(sent() == 3, "sent {} times", sent());
            Ok(())
        })
        .await
    })
}
