//! The controllers in other languages: each does what the hello controller does, within its manifest's
//! limits, and what goes wrong is told in Kubernetes by its reason.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use joch_artifact::{manifest_text, with_manifest};
use joch_tests::cluster::Cluster;
use joch_tests::guests::component;
use joch_tests::host::{Host, Line, Log};
use joch_tests::objects::{agent, condition, create, greetings, until_phase};
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::hello::{greeting, install_kind, until_text};

/// The component, with a request that may stay ungranted and with a further kind whose objects are none
/// that its code reckons with: their `spec` has no `name`.
fn lenient(plugin: &str) -> Result<Vec<u8>> {
    let bytes = component(plugin)?;
    let mut manifest = manifest_text(&bytes)?;
    for (from, to) in [
        ("required = true", "required = false"),
        (
            "watch = ",
            "also = [{ group = \"kubetask.io\", version = \"v1alpha1\", kind = \"Agent\" }]\nwatch = ",
        ),
    ] {
        ensure!(manifest.matches(from).count() == 1, "{from:?} in the manifest of {plugin}");
        manifest = manifest.replace(from, to);
    }
    Ok(with_manifest(&bytes, &manifest)?)
}

/// A namespace with `plugin`, where the first write of the ConfigMap `late-greeting` meets an API server
/// that cannot answer, and each of `wrong-greeting` one that refuses its content.
async fn stage(cluster: &Cluster, plugin: &str) -> Result<Stage> {
    install_kind(cluster).await?;
    let tried = AtomicBool::new(false);
    let inject = move |request: &ApiRequest| match request.name.as_deref() {
        Some("late-greeting") if request.is_write() && !tried.swap(true, Ordering::Relaxed) => {
            Action::Status(503)
        }
        Some("wrong-greeting") if request.is_write() => Action::Status(422),
        _ => Action::Pass,
    };
    let test = format!("languages::{plugin}");
    let stage = Stage::with_faults(cluster, &test, &[], inject).await?;
    stage.plugins.install(&format!("{plugin}.wasm"), &lenient(plugin)?)?;
    Ok(stage)
}

async fn set_spec(api: &Api<DynamicObject>, name: &str, spec: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    api.patch(name, &PatchParams::default(), &patch).await.map(drop).map_err(Into::into)
}

/// Waits for a warning about an object, by its reason; its message.
async fn until_warning(stage: &Stage, about: &str, reason: &str) -> Result<String> {
    let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
    eventually(&format!("there is a warning {reason} about {about}"), LONG, async || {
        let all = events.list(&ListParams::default()).await?.items;
        let wanted = |event: &&Event| {
            event.involved_object.name.as_deref() == Some(about)
                && event.type_.as_deref() == Some("Warning")
                && event.reason.as_deref() == Some(reason)
        };
        let found = all.iter().find(wanted).and_then(|event| event.message.clone());
        found.with_context(|| {
            let told: Vec<_> =
                all.iter().map(|event| (&event.involved_object.name, &event.reason)).collect();
            format!("there are {told:?}")
        })
    })
    .await
}

/// The ConfigMap's content, its owner and the status; all follow the Greeting's spec.
async fn follows(stage: &Stage) -> Result<()> {
    let greetings = greetings(stage.client.clone(), &stage.namespace);
    let ada = create(&greetings, &greeting("ada")).await?;
    until_text(stage, "ada", "Hello, ada!").await?;
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let map = maps.get("ada-greeting").await?;
    let [owner] = map.owner_references() else { bail!("one owner expected: {map:?}") };
    ensure!(Some(&owner.uid) == ada.uid().as_ref() && owner.controller == Some(true), "{owner:?}");
    let ready = until_phase(&greetings, "ada", "Ready").await?;
    let status = ready.data.get("status").context("no status")?;
    ensure!(status.get("configMapName") == Some(&json!("ada-greeting")), "{status}");
    ensure!(status.get("observedGeneration") == Some(&json!(1)), "{status}");

    // With characters that have to be escaped in JSON.
    let name = "\"Ada\" \\ Zoë \u{1f600}";
    set_spec(&greetings, "ada", json!({ "name": name, "language": "fr" })).await?;
    until_text(stage, "ada", &format!("Bonjour, {name}!")).await?;
    maps.delete("ada-greeting", &DeleteParams::default()).await?;
    until_text(stage, "ada", &format!("Bonjour, {name}!")).await?;

    // As large as Kubernetes lets metadata become: just below 256 KiB.
    let annotations: BTreeMap<String, String> =
        (0..4_000).map(|number| (format!("a{number:05}"), "large ".repeat(9))).collect();
    let patch = json!({ "metadata": { "annotations": annotations }, "spec": { "name": "Big" } });
    greetings.patch("ada", &PatchParams::default(), &Patch::Merge(patch)).await?;
    until_text(stage, "ada", "Bonjour, Big!").await?;
    let patch = json!({ "metadata": { "annotations": null } });
    greetings.patch("ada", &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// A spec that the controller refuses, an API server that does not answer, and one that refuses.
async fn fails_by_name(stage: &Stage, host: &Host) -> Result<()> {
    let greetings = greetings(stage.client.clone(), &stage.namespace);
    set_spec(&greetings, "ada", json!({ "name": "  " })).await?;
    let message = until_warning(stage, "ada", "BlankName").await?;
    ensure!(message.contains("spec.name is blank"), "{message}");
    let invalid = until_phase(&greetings, "ada", "Invalid").await?;
    let ready = condition(&invalid, "Ready").context("no condition")?;
    ensure!(ready.get("reason") == Some(&json!("BlankName")), "{ready}");
    set_spec(&greetings, "ada", json!({ "name": "Ada", "language": "de" })).await?;
    until_text(stage, "ada", "Hallo, Ada!").await?;
    until_phase(&greetings, "ada", "Ready").await?;

    create(&greetings, &greeting("late")).await?;
    until_text(stage, "late", "Hello, late!").await?;
    let unavailable = "Unavailable: ConfigMap late-greeting: ";
    ensure!(host.log()?.lines().any(|line| line.mentions(unavailable)), "{}", host.last_words());
    create(&greetings, &greeting("wrong")).await?;
    let message = until_warning(stage, "wrong", "Invalid").await?;
    ensure!(message.contains("ConfigMap wrong-greeting: "), "{message}");
    Ok(())
}

/// A host that grants no write but that of the status.
async fn is_denied(stage: &Stage) -> Result<()> {
    let mut options = stage.options.clone();
    r#"
        grants = 1
        [[plugins."*".kube]]
        verbs = ["patch"]
        kinds = ["hello.joch.dev/v1alpha1/Greeting", "kubetask.io/v1alpha1/Agent"]
        subresources = ["status"]
        namespaces = "all"
    "#
    .clone_into(&mut options.grants);
    let mut host = Host::start(options).await?;
    create(&greetings(stage.client.clone(), &stage.namespace), &greeting("nobody")).await?;
    let message = until_warning(stage, "nobody", "Denied").await?;
    ensure!(message.contains("ConfigMap nobody-greeting: "), "{message}");
    ensure!(message.contains("patch on v1/ConfigMap"), "{message}");
    host.terminate().await
}

/// How often each outcome came out.
fn outcomes(log: &Log) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for reconcile in log.reconciles().concat() {
        *counts.entry(reconcile.outcome).or_default() += 1;
    }
    counts
}

/// An object that nobody reckoned with: the exception is told with its line, in the log with its way.
async fn is_surprised(stage: &Stage, host: &Host, line: &str, way: &str) -> Result<()> {
    create(&stage.kubetask("Agent"), &agent("stranger")).await?;
    let message = until_warning(stage, "stranger", "Exception").await?;
    ensure!(message.contains(line), "{message}");
    let log = host.log()?;
    let told = |line: &Line| line.level() == "WARN" && line.message().contains(way);
    ensure!(log.lines().any(told), "no {way:?}; {}", host.last_words());
    Ok(())
}

/// The whole story of one language; `exception` is what an exception is told by, where there are some.
async fn greets(cluster: &Cluster, plugin: &str, exception: Option<[&str; 2]>) -> Result<()> {
    let stage = stage(cluster, plugin).await?;
    let mut host = stage.host().await?;
    follows(&stage).await?;
    fails_by_name(&stage, &host).await?;
    if let Some([line, way]) = exception {
        is_surprised(&stage, &host, line, way).await?;
    }
    host.terminate().await?;
    // No trap, and no limit that was run into.
    let outcomes = outcomes(&host.log()?);
    let known = ["", "Done", "Permanent", "Transient"];
    ensure!(outcomes.keys().all(|outcome| known.contains(&outcome.as_str())), "{outcomes:?}");
    is_denied(&stage).await
}

#[test]
fn a_controller_in_python_greets_and_tells_what_goes_wrong() -> Result<()> {
    on_cluster("languages::python", async |cluster| {
        let exception =
            ["KeyError: 'name' (reconcile, line ", "KeyError: 'name', by way of answered, line "];
        greets(cluster, "python-controller", Some(exception)).await
    })
}

#[test]
fn a_controller_in_javascript_greets_and_tells_what_goes_wrong() -> Result<()> {
    on_cluster("languages::javascript", async |cluster| {
        let exception = [
            "spec.name is undefined (reconcile@controller.js:",
            "spec.name is undefined, by way of reconcile@controller.js:",
        ];
        greets(cluster, "javascript-controller", Some(exception)).await
    })
}

#[test]
fn a_controller_in_c_greets_and_tells_what_goes_wrong() -> Result<()> {
    on_cluster("languages::c", async |cluster| greets(cluster, "c-controller", None).await)
}
