//! Watched kinds that are missing, appear later, and go again: optional ones and required ones.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::checks::overlaps;
use joch_tests::host::{Host, Overview};
use joch_tests::objects::condition;
use joch_tests::paths;
use joch_tests::plugin_objects::{plugins, until};
use joch_tests::proxy::{Action, ApiRequest, Faults};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{DOLL, define, definition, told, undefine, until_state};

const KIND: &str = "test.joch.dev/v1alpha1/Doll";
const REQUIRED: &str = "{ kind = \"test.joch.dev/v1alpha1/Doll\", by = \"read\" }";
const OPTIONAL: &str = "{ kind = \"test.joch.dev/v1alpha1/Doll\", by = \"read\", optional = true }";

/// How long a call is under way that the next life of the controller has to wait for: longer than it takes to
/// notice that a kind is there.
const SLOW: Duration = Duration::from_secs(15);

/// Everything that a guest may ask of a kind.
fn asks() -> Value {
    let get = |fresh: &str| json!({"get": {"kind": KIND, "name": "d", "fresh": fresh}});
    json!([
        get("cached"), get("confirmed"), get("live"),
        {"list": {"kind": KIND}}, {"count": {"kind": KIND}},
        {"list": {"kind": KIND, "fresh": "live"}},
    ])
}

/// Waits until a reconcile read this text of the Doll, from the cache.
async fn until_read(host: &Host, puppet: &Puppet, wanted: &str) -> Result<()> {
    eventually(&format!("{} has read {wanted:?}", puppet.name), LONG, async || {
        let runs = puppet::runs(&host.log()?, &puppet.name);
        let last = runs.last().context("no run")?;
        let found = last.answer(0)?.pointer("/spec/text");
        ensure!(found == Some(&json!(wanted)), "{found:?}");
        Ok(())
    })
    .await
}

async fn until_without(host: &Host, kinds: &[&str]) -> Result<Overview> {
    let runs = |overview: &Overview| {
        let view = overview.controller("puppet");
        view.is_some_and(|view| view.state == "Running" && view.without == kinds)
    };
    host.shows(&format!("the controller runs without {kinds:?}"), runs).await
}

/// Asks for everything, and finds nothing.
async fn finds_nothing(host: &Host, puppet: &Puppet) -> Result<()> {
    let run = puppet.plays(host, asks()).await?;
    for step in 0..3 {
        ensure!(run.refusal(step)?.0 == "notFound", "step {step}: {run:?}");
    }
    ensure!(run.answer(3)?["count"] == 0 && run.answer(4)? == 0, "{run:?}");
    ensure!(run.answer(5)?["count"] == 0, "{run:?}");
    Ok(())
}

#[test]
fn a_controller_goes_on_without_an_optional_kind_and_waits_for_a_required_one() -> Result<()> {
    on_bare_cluster("kinds::optional", async |cluster| {
        let test = "kinds::optional";
        for kind in ["Puppet", "Marionette"] {
            define(cluster, test, &definition(kind, &[])?).await?;
        }
        let slow = Faults::default();
        let left = slow.clone();
        let inject = move |request: &ApiRequest| {
            let concerned = request.name.as_deref() == Some("slow");
            if concerned && left.take() { Action::Delay(SLOW) } else { Action::Pass }
        };
        cluster.apply(&paths::root().join("crds"), None).await?;
        let mut stage = Stage::with_faults(cluster, test, &[], inject).await?;
        stage.options.plugin_objects = true;
        let optional = puppet::with(&[(DOLL, ""), (REQUIRED, OPTIONAL)])?;
        stage.plugins.install("puppet.wasm", &optional)?;
        let host = Host::start(stage.options.clone()).await?;
        until_without(&host, &[KIND]).await?;
        let all = plugins(stage.client.clone());
        let shown = until(&all, "puppet", "Active", &["Ready=True/Running"]).await?;
        let state = shown.data.pointer("/status/controllers/0/state");
        ensure!(state == Some(&json!(format!("Running without {KIND}"))), "{state:?}");
        let puppet = Puppet::new(&stage, "p").await?;
        finds_nothing(&host, &puppet).await?;

        // It appears: everything is reconciled with it, and its changes wake those that read it. A turn that
        // is under way is waited for.
        slow.set(1);
        let get = json!({"get": {"kind": "v1/ConfigMap", "name": "slow", "fresh": "live"}});
        let busy = Puppet::create(&stage, "Puppet", "busy", json!([get])).await?;
        eventually("a call is under way", LONG, async || {
            ensure!(slow.are_over(), "not yet");
            Ok(())
        })
        .await?;
        let doll = definition("Doll", &[])?;
        define(cluster, test, &doll).await?;
        let api = puppet::api(stage.client.clone(), "Doll", &stage.namespace);
        let object = json!({"apiVersion": "test.joch.dev/v1alpha1", "kind": "Doll",
            "metadata": {"name": "d"}, "spec": {"text": "one"}});
        joch_tests::objects::create(&api, &object).await?;
        until_read(&host, &puppet, "one").await?;
        until_without(&host, &[]).await?;
        eventually("it is called again", LONG, async || {
            ensure!(puppet::runs(&host.log()?, &busy.name).len() >= 2, "not yet");
            Ok(())
        })
        .await?;
        let violations = overlaps(&host.log()?.reconciles());
        ensure!(violations.is_empty(), "{violations:?}");
        let patch = Patch::Merge(json!({"spec": {"text": "two"}}));
        api.patch("d", &PatchParams::default(), &patch).await?;
        until_read(&host, &puppet, "two").await?;

        // It goes: the controller does not wait, and its guests find nothing.
        undefine(cluster, "dolls.test.joch.dev").await?;
        until_without(&host, &[KIND]).await?;
        finds_nothing(&host, &puppet).await?;
        let waits = told(&host, "waiting for a kind")?;
        ensure!(waits == 0, "{waits} lines say that it waits");

        // The next version requires it: missing from the start, there later, gone, and there again.
        let required = puppet::with(&[(DOLL, "")])?;
        stage.plugins.install("puppet.wasm", &required)?;
        for round in 1..=2 {
            until_state(&host, "puppet", &format!("WaitingFor {KIND}")).await?;
            let shown = until(&all, "puppet", "Active", &["Ready=False/NotRunning"]).await?;
            let ready = condition(&shown, "Ready").context("no condition")?;
            ensure!(ready["message"] == format!("puppet: WaitingFor {KIND}"), "{ready}");
            define(cluster, test, &doll).await?;
            host.runs("puppet", &required).await?;
            puppet.plays(&host, json!([{"count": {"kind": KIND}}])).await?.answer(0)?;
            let waits = told(&host, "waiting for a kind")?;
            ensure!(waits == round, "{waits} lines say that it waits");
            if round == 1 {
                undefine(cluster, "dolls.test.joch.dev").await?;
            }
        }
        let violations = overlaps(&host.log()?.reconciles());
        ensure!(violations.is_empty(), "{violations:?}");
        Ok(())
    })
}
