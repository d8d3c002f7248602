//! `reader`: single objects in three freshnesses, and queries.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use joch_tests::host::Host;
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::puppet::{self, Puppet, Run};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{config_map, config_maps, denials, denied, frozen, with};

fn get(name: &str, fresh: &str) -> Value {
    json!({"get": {"kind": "v1/ConfigMap", "name": name, "fresh": fresh}})
}

#[test]
fn reads_are_allowed_denied_and_bounded() -> Result<()> {
    on_cluster("capabilities::reader", async |cluster| {
        let bound = ("[limits]", "[limits]\napi-per-reconcile = 5");
        let stage = puppet::stage(cluster, "capabilities::reader", &[bound]).await?;
        let host = Host::start(stage.options.clone()).await?;
        config_map(&stage, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet
            .plays(
                &host,
                json!([
                    get("m", "confirmed"),
                    {"get": {"kind": "v1/Pod", "name": "x"}},
                    {"list": {"kind": "v1/Secret"}},
                    {"count": {"kind": "v1/Secret"}},
                    {"get": {"kind": "v1/ConfigMap", "name": "m", "uid": "another"}},
                    {"list": {"kind": "v1/ConfigMap", "labels": "a b"}},
                    {"list": {"kind": "v1/ConfigMap", "fields": ["data"]}},
                ]),
            )
            .await?;
        ensure!(run.answer(0)?["data"]["a"] == "1", "{run:?}");
        denied(&run, 1, &["get", "v1/Pod", "not requested"])?;
        denied(&run, 2, &["list", "v1/Secret", "not requested"])?;
        denied(&run, 3, &["list", "v1/Secret", "not requested"])?;
        ensure!(denials(&host).await? >= 3.0, "denials are not counted");
        ensure!(run.refusal(4)?.0 == "notFound", "another object of that name was read: {run:?}");
        ensure!(run.refusal(5)?.0 == "invalid", "{run:?}");
        ensure!(run.refusal(6)?.0 == "invalid", "a pointer without slash: {run:?}");

        let mut live = get("m", "live");
        live["times"] = json!(6);
        let run = puppet.plays(&host, json!([live, get("m", "cached")])).await?;
        let refused: Vec<_> = run.steps.iter().filter(|step| !step.ok).collect();
        ensure!(
            matches!(*refused, [one] if one.error == "overLimit" && one.text.contains("api-per-reconcile")),
            "{run:?}"
        );
        ensure!(run.step(1)?.ok, "the cache answers beyond the bound: {run:?}");

        // Handles: a guest that keeps every query is stopped.
        let run = puppet.plays(&host, json!([{"hoard": 200}])).await?;
        ensure!(run.answer(0)? == 200, "{run:?}");
        let run = puppet.plays(&host, json!([{"hoard": 300}])).await?;
        ensure!(run.outcome.as_deref() == Some("Trapped") && run.steps.is_empty(), "{run:?}");
        Ok(())
    })
}

#[test]
fn the_three_freshnesses_differ_when_the_cache_lags() -> Result<()> {
    on_cluster("capabilities::freshness", async |cluster| {
        let test = "capabilities::freshness";
        let stage = Stage::with_faults(cluster, test, &["puppet"], frozen).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        puppet.played(&host, 1).await?;
        config_map(&stage, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await?;
        let script = json!([
            get("m", "cached"),
            get("m", "confirmed"),
            get("m", "cached"),
            get("m", "live")
        ]);
        let run = puppet.plays(&host, script.clone()).await?;
        ensure!(run.refusal(0)?.0 == "notFound", "the watch is not frozen: {run:?}");
        for step in 1..4 {
            ensure!(run.answer(step)?["data"]["a"] == "1", "step {step} of {run:?}");
        }
        // What a read brought into the cache wakes those that read it; that call must not see the next change.
        eventually("the object that was found has woken it", LONG, async || {
            let runs = puppet::runs(&host.log()?, "p");
            let again = runs.iter().filter(|it| it.generation == run.generation);
            ensure!(again.filter(|it| it.outcome.is_some()).count() == 2, "{runs:?}");
            Ok(())
        })
        .await?;

        let patch = Patch::Merge(json!({"data": {"a": "2"}}));
        config_maps(&stage).patch("m", &PatchParams::default(), &patch).await?;
        let run = puppet.plays(&host, script).await?;
        for step in 0..3 {
            ensure!(run.answer(step)?["data"]["a"] == "1", "step {step} of {run:?}");
        }
        ensure!(run.answer(3)?["data"]["a"] == "2", "{run:?}");
        Ok(())
    })
}

#[test]
fn a_change_while_the_reconcile_goes_on_that_read_the_object_leads_to_another_one() -> Result<()> {
    on_cluster("capabilities::meanwhile", async |cluster| {
        let inject = |request: &ApiRequest| {
            let slow = request.verb == "get" && request.name.as_deref() == Some("slow");
            if slow { Action::Delay(Duration::from_secs(2)) } else { Action::Pass }
        };
        let test = "capabilities::meanwhile";
        let stage = Stage::with_faults(cluster, test, &["puppet"], inject).await?;
        let host = Host::start(stage.options.clone()).await?;
        config_map(&stage, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        puppet.played(&host, 1).await?;
        let script = json!([get("m", "confirmed"), get("slow", "live")]);
        let generation = puppet.edit(script).await?;
        let runs = || -> Result<Vec<Run>> {
            let runs = puppet::runs(&host.log()?, "p").into_iter();
            Ok(runs.filter(|run| run.generation == generation).collect())
        };
        eventually("the object is read", LONG, async || {
            let runs = runs()?;
            let first = runs.first().context("not yet")?;
            ensure!(first.answer(0)?["data"]["a"] == "1", "{first:?}");
            Ok(())
        })
        .await?;
        let patch = Patch::Merge(json!({"data": {"a": "2"}}));
        config_maps(&stage).patch("m", &PatchParams::default(), &patch).await?;
        let first = runs()?.into_iter().next().context("it is gone")?;
        ensure!(first.outcome.is_none(), "the change came too late: {first:?}");
        eventually("it is read again", LONG, async || {
            let runs = runs()?;
            let second = runs.get(1).context("not yet")?;
            ensure!(second.answer(0)?["data"]["a"] == "2", "{second:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn an_object_that_appears_and_one_that_goes_wake_those_that_looked_for_it() -> Result<()> {
    on_cluster("capabilities::appears", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::appears", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet.plays(&host, json!([get("m", "confirmed")])).await?;
        ensure!(run.refusal(0)?.0 == "notFound", "{run:?}");
        // Nobody touches the Puppet from here on.
        let last = async |what: &str, found: bool| {
            eventually(what, LONG, async || {
                let runs = puppet::runs(&host.log()?, "p");
                let last = runs.last().context("no run")?.clone();
                ensure!(last.step(0)?.ok == found, "{last:?}");
                Ok(())
            })
            .await
        };
        config_map(&stage, json!({"metadata": {"name": "m"}, "data": {"a": "1"}})).await?;
        last("it is read", true).await?;
        config_maps(&stage).delete("m", &DeleteParams::default()).await?;
        last("it is missed", false).await
    })
}

#[test]
fn a_guest_reads_its_own_writes_before_the_watch_brings_them() -> Result<()> {
    on_cluster("capabilities::overlay", async |cluster| {
        let test = "capabilities::overlay";
        let stage = Stage::with_faults(cluster, test, &["puppet"], frozen).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let map = |body: Value| json!({"kind": "v1/ConfigMap", "name": "own", "owned": true, "body": body});
        let count = json!({"count": {"kind": "v1/ConfigMap", "owned": true}});
        let run = puppet
            .plays(
                &host,
                json!([
                    count,
                    {"create": map(json!({"data": {"a": "1"}}))}, get("own", "cached"), count,
                    {"merge": {"kind": "v1/ConfigMap", "name": "own", "body": {"data": {"a": "2"}}}},
                    get("own", "cached"),
                    {"delete": {"kind": "v1/ConfigMap", "name": "own"}}, get("own", "cached"), count,
                    {"create": map(json!({"data": {"a": "3"}}))}, get("own", "cached"),
                ]),
            )
            .await?;
        ensure!(run.answer(0)? == 0, "{run:?}");
        ensure!(run.answer(2)?["data"]["a"] == "1" && run.answer(3)? == 1, "created: {run:?}");
        ensure!(run.answer(5)?["data"]["a"] == "2", "changed: {run:?}");
        ensure!(run.refusal(7)?.0 == "notFound" && run.answer(8)? == 0, "deleted: {run:?}");
        ensure!(run.answer(10)?["data"]["a"] == "3", "made again: {run:?}");
        Ok(())
    })
}

#[test]
fn queries_narrow_project_and_hand_out_a_snapshot_in_parts() -> Result<()> {
    on_cluster("capabilities::queries", async |cluster| {
        let stage = puppet::stage(cluster, "capabilities::queries", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        for (name, set) in [("c", "x"), ("a", "x"), ("b", "y"), ("d", "x")] {
            let metadata = json!({"name": name, "labels": {"set": set}});
            config_map(&stage, json!({"metadata": metadata, "data": {"k": "v", "l": "w"}})).await?;
        }
        let list = |more: Value| json!({"list": with(json!({"kind": "v1/ConfigMap"}), more)});
        let set = |more: Value| {
            let mut more = more;
            more["labels"] = json!("set");
            list(more)
        };
        let all_there = async || {
            let run = puppet
                .plays(&host, json!([{"count": {"kind": "v1/ConfigMap", "labels": "set"}}]))
                .await?;
            ensure!(run.answer(0)? == 4, "{run:?}");
            Ok(())
        };
        eventually("the cache holds all four", LONG, all_there).await?;

        let delete = json!({"delete": {"kind": "v1/ConfigMap", "name": "d"}});
        let create = json!({"create": {"kind": "v1/ConfigMap", "name": "e", "owned": true,
            "body": {"metadata": {"labels": {"set": "x"}}}}});
        let run = puppet
            .plays(
                &host,
                json!([
                    list(json!({"labels": "set in (x)"})),
                    list(json!({"labels": "set=x", "fresh": "live"})),
                    set(json!({"fields": ["/data/k"]})),
                    set(json!({"metadataOnly": true})),
                    set(json!({"metadataOnly": true, "fresh": "live"})),
                    // The snapshot stays as it was while objects come and go.
                    set(json!({"batch": 2, "during": [delete, create]})),
                    set(json!({})),
                    list(json!({"owned": true})),
                    list(json!({"ownedBy": "nobody", "fresh": "live"})),
                    {"count": {"kind": "v1/ConfigMap", "labels": "set=y"}},
                    {"list": {"kind": "test.joch.dev/v1alpha1/Marionette", "fresh": "cached"}},
                ]),
            )
            .await?;
        let names = |step: usize| anyhow::Ok(run.answer(step)?["names"].clone());
        ensure!(names(0)? == json!(["a", "c", "d"]), "ordered by name: {run:?}");
        ensure!(names(1)? == json!(["a", "c", "d"]), "live: {run:?}");
        let first = run.answer(2)?["first"].clone();
        ensure!(first["data"] == json!({"k": "v"}) && first["metadata"]["name"] == "a", "{first}");
        for step in [3, 4] {
            let first = run.answer(step)?["first"].as_object().context("no object")?.clone();
            let fields: Vec<&str> = first.keys().map(String::as_str).collect();
            ensure!(fields == ["apiVersion", "kind", "metadata"], "step {step}: {fields:?}");
        }
        ensure!(names(5)? == json!(["a", "b", "c", "d"]), "no snapshot: {run:?}");
        ensure!(run.answer(5)?["batches"] == json!([2, 2]), "{run:?}");
        ensure!(names(6)? == json!(["a", "b", "c", "e"]), "own writes: {run:?}");
        ensure!(names(7)? == json!(["e"]) && run.answer(8)?["count"] == 0, "owners: {run:?}");
        ensure!(run.answer(9)? == 1, "{run:?}");
        ensure!(run.answer(10)?["count"] == 0, "its own `also` kind: {run:?}");
        Ok(())
    })
}

#[test]
fn a_live_list_is_bounded_by_its_pages() -> Result<()> {
    on_cluster("capabilities::pages", async |cluster| {
        let bound = ("[limits]", "[limits]\napi-per-reconcile = 1");
        let stage = puppet::stage(cluster, "capabilities::pages", &[bound]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        // One more than a page holds.
        let maps = (0..501).map(|n| {
            let object = json!({"metadata": {"name": format!("m-{n}")}});
            config_map(&stage, object)
        });
        let mut made = futures::stream::iter(maps).buffer_unordered(16);
        while let Some(made) = made.next().await {
            made?;
        }
        let run = puppet
            .plays(&host, json!([{"list": {"kind": "v1/ConfigMap", "fresh": "live"}}]))
            .await?;
        let (error, text) = run.refusal(0)?;
        ensure!(error == "overLimit" && text.contains("api-per-reconcile"), "{run:?}");
        Ok(())
    })
}
