//! Many plugins in one host: memory, and how soon all of those that depend on one object are called.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::host::Host;
use joch_tests::objects::create;
use joch_tests::stage::Stage;
use joch_tests::wait::{LONG, eventually};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::{first_calls, options};
use crate::figures::millis;
use crate::process::{self, Usage};
use crate::progress::tell;
use crate::report::Part;

/// At how many plugins memory is looked at.
const LOOKS: [usize; 3] = [1, 10, 100];
/// How many plugins depend on one object.
const FAN: usize = 50;
/// How often that object is changed.
const CHANGED: usize = 20;
/// How long a process is left alone before its memory is looked at.
const CALM: Duration = Duration::from_secs(2);

/// Measures with at most so many plugins: a table of memory, and how long a change took to reach the last of
/// those that depend on it, in milliseconds.
///
/// # Errors
/// If a part is not built, or a plugin does not get live.
pub(crate) async fn run(most: usize) -> Result<(Part, Vec<f64>)> {
    let cluster = Cluster::start().await?;
    let stage = Stage::new(&cluster, "bench::crowd", &[]).await?;
    let definitions = stage.folder.join("kinds.json");
    std::fs::write(&definitions, kinds(most).to_string())?;
    cluster.apply(&definitions, None).await?;
    let options = options(&stage, cluster.kubeconfig());

    let host = Host::start(options.clone()).await?;
    let columns = ["compiled by this process", "from the compile cache"].map(str::to_owned);
    let mut part = Part { columns: columns.to_vec(), ..Part::default() };
    let looks: Vec<usize> = LOOKS.into_iter().filter(|look| *look <= most).collect();
    let mut compiled = Vec::new();
    let mut there = 0;
    for &look in &looks {
        tell(&format!("plugins: {look}"));
        install(&stage, there..look)?;
        there = look;
        compiled.push(memory(&host, look).await?);
    }
    let fanned = there.min(FAN);
    tell(&format!("plugins: one object that {fanned} depend on"));
    let fan = fan_out(&host, &stage, fanned).await?;
    drop(host);

    // The same again, now that each is compiled.
    let mut cached = Vec::new();
    for &look in &looks {
        for number in look..there {
            stage.plugins.remove(&file(number))?;
        }
        let host = Host::start(options.clone()).await?;
        cached.push(memory(&host, look).await?);
        drop(host);
        install(&stage, look..there)?;
    }
    for ((look, compiled), cached) in looks.iter().zip(compiled).zip(cached) {
        let mut row = |key: &str, what: &str, of: fn(&Usage) -> f64| {
            let (key, what) = (format!("{key}-{look}-mb"), format!("{look} plugins: {what}, MB"));
            part.lower(&key, &what, 1, vec![of(&compiled), of(&cached)]);
        };
        row("rss", "resident memory", |usage| usage.rss_mb);
        row("anonymous", "of that, no file's", |usage| usage.anonymous_mb);
    }
    Ok((part, millis(&fan)))
}

fn file(number: usize) -> String {
    format!("probe-{number:03}.wasm")
}

fn kind(number: usize) -> String {
    format!("Probe{number:03}")
}

/// Puts plugins into the folder: the same fixture, each with a name and a kind of its own, so that each is
/// another component.
fn install(stage: &Stage, numbers: std::ops::Range<usize>) -> Result<()> {
    let bytes = joch_tests::guests::component("puppet")?;
    for number in numbers {
        let packed = joch_artifact::with_manifest(&bytes, &manifest(number))?;
        stage.plugins.install(&file(number), &packed)?;
    }
    Ok(())
}

fn manifest(number: usize) -> String {
    let kind = kind(number);
    let mut text = String::new();
    // Writing to a text cannot fail.
    write!(
        text,
        r#"manifest = 1

[plugin]
name = "probe-{number:03}"
version = "0.1.0"
kind = "controller"
track = "0.1"

[[controller]]
name = "puppet"
primary = {{ group = "bench.joch.dev", version = "v1", kind = "{kind}" }}
watch = [{{ kind = "v1/ConfigMap", by = "read" }}]

[[grant.kube]]
verbs = ["get", "list", "watch"]
kinds = ["v1/ConfigMap"]
namespaces = "same"
"#
    )
    .ok();
    text
}

/// The definitions of the kinds.
fn kinds(count: usize) -> Value {
    let one = |number: usize| {
        let kind = kind(number);
        let singular = kind.to_lowercase();
        let plural = format!("{singular}s");
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let schema = json!({"type": "object", "properties": {"spec": open, "status": open}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.bench.joch.dev")},
            "spec": {
                "group": "bench.joch.dev", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": singular},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}],
            },
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(one).collect::<Vec<_>>()})
}

/// What the host uses once so many plugins run.
async fn memory(host: &Host, plugins: usize) -> Result<Usage> {
    let what = format!("{plugins} plugins run");
    host.shows(&what, |overview| {
        let runs = overview.controllers.iter().filter(|it| it.state == "Running").count();
        runs == plugins
    })
    .await?;
    tokio::time::sleep(CALM).await;
    process::usage(host.pid())
}

/// Changes one object on which an object of each plugin depends, again and again; answers how long it took
/// until the last plugin was called.
async fn fan_out(host: &Host, stage: &Stage, plugins: usize) -> Result<Vec<Duration>> {
    let api = |group: &str, version: &str, kind: &str| -> Api<DynamicObject> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(stage.client.clone(), &stage.namespace, &kind)
    };
    let shared = api("", "v1", "ConfigMap");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}});
    create(&shared, &map).await?;
    let began = SystemTime::now();
    for number in 0..plugins {
        let kind = kind(number);
        let script = json!([{"get": {"kind": "v1/ConfigMap", "name": "shared"}}]);
        let object = json!({"apiVersion": "bench.joch.dev/v1", "kind": kind,
            "metadata": {"name": "it"}, "spec": {"script": script}});
        create(&api("bench.joch.dev", "v1", &kind), &object).await?;
    }
    all_called(host, began, plugins).await?;
    let mut times = Vec::new();
    for number in 0..CHANGED {
        // Nothing is under way any more that an earlier change has caused.
        tokio::time::sleep(CALM / 10).await;
        let sent = SystemTime::now();
        let patch = Patch::Merge(json!({"data": {"number": number.to_string()}}));
        shared.patch("shared", &PatchParams::default(), &patch).await?;
        times.push(all_called(host, sent, plugins).await?);
    }
    Ok(times)
}

async fn all_called(host: &Host, since: SystemTime, count: usize) -> Result<Duration> {
    eventually(&format!("{count} plugins were called"), LONG, async || {
        let calls = first_calls(host, since, None)?;
        ensure!(calls.len() == count, "{} of {count} were", calls.len());
        calls.into_iter().max().context("none")
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plugin_has_a_manifest_of_its_own_that_is_one() {
        for number in [0, 99] {
            let manifest = joch_core::manifest::Manifest::parse(&manifest(number)).unwrap();
            assert_eq!(format!("{}.wasm", manifest.plugin.name), file(number));
        }
        assert_eq!(kinds(3).pointer("/items/2/spec/names/kind").unwrap(), &json!(kind(2)));
    }
}
