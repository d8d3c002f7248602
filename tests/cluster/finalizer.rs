//! SC-16: a finalizer is set before the first reconcile, clean-up is bounded, and it is taken off.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::touch;
use joch_tests::proxy::{Action, ApiRequest, Entry, Faults};
use joch_tests::puppet::{self, Puppet, Run, runs};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

const OURS: &str = "test.joch.dev/clean-up";
const OTHERS: &str = "test.joch.dev/somebody-else";

/// The place in the manifest, and what takes it.
fn with_finalizer(timeout: &str) -> (&'static str, String) {
    let finalizer = format!("finalizer = \"{OURS}\"\nfinalizer-timeout = \"{timeout}\"");
    (
        "watch = [\n    { kind = \"batch/v1/Job\"",
        format!("{finalizer}\nwatch = [\n    {{ kind = \"batch/v1/Job\""),
    )
}

async fn stage(stage: Stage, timeout: &str) -> Result<Stage> {
    let (from, to) = with_finalizer(timeout);
    stage.plugins.install("puppet.wasm", &puppet::with(&[(from, &to)])?)?;
    Ok(stage)
}

/// A Puppet with a script for its end.
async fn create(stage: &Stage, name: &str, finalize: Value) -> Result<Puppet> {
    let puppet = Puppet::new(stage, name).await?;
    let patch = Patch::Merge(json!({"spec": {"finalize": finalize, "edited": "finalize"}}));
    puppet.api.patch(name, &PatchParams::default(), &patch).await?;
    Ok(puppet)
}

fn clean_ups(host: &Host, name: &str) -> Result<Vec<Run>> {
    Ok(runs(&host.log()?, name).into_iter().filter(|run| run.finalize).collect())
}

async fn until_gone(puppet: &Puppet) -> Result<()> {
    eventually(&format!("{} is gone", puppet.name), LONG, async || {
        let object = puppet.api.get_opt(&puppet.name).await?;
        ensure!(object.is_none(), "it has {:?}", object.map(|o| o.finalizers().to_vec()));
        Ok(())
    })
    .await
}

/// The writes of finalizers, each with the ones that it names.
fn finalizer_writes(stage: &Stage, name: &str) -> Vec<(Entry, Vec<Value>)> {
    let writes = stage.proxy.record().writes_to("puppets", &stage.namespace, name, 0);
    let named = |entry: Entry| {
        let list = entry.body.pointer("/metadata/finalizers")?.as_array()?.clone();
        Some((entry, list))
    };
    writes.into_iter().filter_map(named).collect()
}

#[test]
fn sc_16_a_finalizer_is_set_once_before_anything_else_and_taken_off_after_the_clean_up()
-> Result<()> {
    on_cluster("finalizer::life", async |cluster| {
        let conflicts = Faults::default();
        conflicts.set(1);
        // The first try to set it meets a conflict.
        let inject = move |request: &ApiRequest| {
            let own = request.verb == "patch" && request.name.as_deref() == Some("p");
            if own && conflicts.take() { Action::Status(409) } else { Action::Pass }
        };
        let bare = Stage::with_faults(cluster, "finalizer::life", &[], inject).await?;
        let stage = stage(bare, "10m").await?;
        let host = Host::start(stage.options.clone()).await?;
        let clean_up = json!([{"apply": {"kind": "v1/ConfigMap", "name": "cleaned", "body": {}}}]);
        let puppet = create(&stage, "p", clean_up).await?;
        puppet.plays(&host, json!([{"report": {"status": {"phase": "Running"}}}])).await?;
        let object = puppet.object().await?;
        ensure!(object.finalizers() == [OURS], "{:?}", object.finalizers());
        let first = stage.proxy.record().writes_to("puppets", &stage.namespace, "p", 0).remove(0);
        ensure!(first.body.pointer("/metadata/finalizers").is_some(), "the first write: {first:?}");
        ensure!(first.code == Some(409), "nothing was refused, so nothing was shown");

        puppet.api.delete("p", &DeleteParams::default()).await?;
        until_gone(&puppet).await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        maps.get("cleaned").await?;
        let writes = finalizer_writes(&stage, "p");
        let lists: Vec<_> = writes.iter().filter(|(e, _)| e.succeeded()).map(|(_, l)| l).collect();
        ensure!(matches!(*lists, [set, off] if *set == [OURS] && off.is_empty()), "{writes:?}");
        let versions =
            writes.iter().all(|(e, _)| e.body["metadata"]["resourceVersion"].is_string());
        ensure!(versions, "a write without the version that it was decided on: {writes:?}");
        Ok(())
    })
}

#[test]
fn sc_16_clean_up_is_repeated_until_it_is_done() -> Result<()> {
    on_cluster("finalizer::repeated", async |cluster| {
        let bare = Stage::new(cluster, "finalizer::repeated", &[]).await?;
        let stage = stage(bare, "10m").await?;
        let host = Host::start(stage.options.clone()).await?;
        for (name, not_yet) in [
            ("requeues", json!([{"requeue": 50}])),
            ("fails", json!([{"fail": {"reason": "Busy", "message": "m"}}])),
            ("panics", json!([{"panic": "in the clean-up"}])),
        ] {
            let puppet = create(&stage, name, not_yet).await?;
            puppet.plays(&host, json!([])).await?;
            puppet.api.delete(name, &DeleteParams::default()).await?;
            eventually(&format!("{name} was called again"), LONG, async || {
                ensure!(clean_ups(&host, name)?.len() >= 3, "not yet");
                Ok(())
            })
            .await?;
            ensure!(puppet.object().await?.finalizers() == [OURS], "{name}: it was taken off");
            let done = Patch::Merge(json!({"spec": {"finalize": []}}));
            puppet.api.patch(name, &PatchParams::default(), &done).await?;
            until_gone(&puppet).await?;
        }
        Ok(())
    })
}

#[test]
fn sc_16_clean_up_that_never_ends_is_given_up_with_a_warning() -> Result<()> {
    on_cluster("finalizer::gives_up", async |cluster| {
        let bare = Stage::new(cluster, "finalizer::gives_up", &[]).await?;
        let stage = stage(bare, "2s").await?;
        let host = Host::start(stage.options.clone()).await?;
        for (name, never) in [
            ("fails", json!([{"fail": {"reason": "Busy", "message": "m"}}])),
            ("refuses", json!([{"fail": {"permanent": true, "reason": "No", "message": "m"}}])),
            ("waits", json!([{"requeue": 3_600_000}])),
        ] {
            let puppet = create(&stage, name, never).await?;
            puppet.plays(&host, json!([])).await?;
            puppet.api.delete(name, &DeleteParams::default()).await?;
            until_gone(&puppet).await?;
            ensure!(!clean_ups(&host, name)?.is_empty(), "{name} was never called");
        }
        let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
        eventually("each is told", LONG, async || {
            let all = events.list(&ListParams::default()).await?.items;
            let told = all.iter().filter(|e| e.reason.as_deref() == Some("FinalizerGaveUp"));
            let warnings = told.filter(|event| event.type_.as_deref() == Some("Warning"));
            let about: Vec<_> = warnings.filter_map(|e| e.involved_object.name.clone()).collect();
            ensure!(about.len() == 3, "{about:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn sc_16_an_object_that_is_being_deleted_never_gets_the_finalizer() -> Result<()> {
    on_cluster("finalizer::never_again", async |cluster| {
        let bare = Stage::new(cluster, "finalizer::never_again", &[]).await?;
        let stage = stage(bare, "10m").await?;
        let hold = |names: Value| Patch::Merge(json!({"metadata": {"finalizers": names}}));
        // One that was deleted before there was a host, held by somebody else.
        let early = Puppet::new(&stage, "early").await?;
        early.api.patch("early", &PatchParams::default(), &hold(json!([OTHERS]))).await?;
        early.api.delete("early", &DeleteParams::default()).await?;
        let host = Host::start(stage.options.clone()).await?;
        // One that is held by both when it is deleted.
        let late = create(&stage, "late", json!([])).await?;
        late.plays(&host, json!([])).await?;
        late.api.patch("late", &PatchParams::default(), &hold(json!([OURS, OTHERS]))).await?;
        late.api.delete("late", &DeleteParams::default()).await?;
        eventually("the clean-up is done", LONG, async || {
            let object = late.object().await?;
            ensure!(object.finalizers() == [OTHERS], "{:?}", object.finalizers());
            Ok(())
        })
        .await?;
        let calls = clean_ups(&host, "late")?.len();

        touch(&early.api, "early", "x").await?;
        touch(&late.api, "late", "x").await?;
        // Both changes have passed once a later one has been acted on.
        Puppet::new(&stage, "after").await?.played(&host, 1).await?;
        ensure!(early.object().await?.finalizers() == [OTHERS], "early was marked");
        ensure!(late.object().await?.finalizers() == [OTHERS], "late was marked again");
        ensure!(runs(&host.log()?, "early").is_empty(), "early was reconciled");
        ensure!(clean_ups(&host, "late")?.len() == calls, "late was called after its clean-up");
        Ok(())
    })
}
