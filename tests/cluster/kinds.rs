//! When the cluster changes under the host: definitions that go and come, namespaces that are being deleted,
//! rights that are taken away. Each is shown, tried again, healed without a restart, and concerns nobody else.

mod definitions;
mod namespaces;
mod optional;
mod rights;

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::host::{Host, Overview};
use joch_tests::paths;
use joch_tests::puppet;
use joch_tests::stage::Stage;
use joch_tests::wait::{LONG, eventually};

/// The puppet's second controller.
const DOLL: &str = "[[controller]]\nname = \"doll\"\nprimary = { group = \"test.joch.dev\", version = \"v1alpha1\", kind = \"Doll\" }\n";

/// The definition of one of the puppet's kinds, with each of these texts replaced by another.
fn definition(kind: &str, changes: &[(&str, &str)]) -> Result<String> {
    let all = std::fs::read_to_string(puppet::definitions())?;
    let wanted = format!("kind: {kind}\n");
    let found = all.split("---").find(|text| text.contains(&wanted));
    let mut text = found.with_context(|| format!("no definition of {kind}"))?.to_owned();
    for (from, to) in changes {
        ensure!(text.contains(from), "the definition of {kind} does not say {from:?}");
        text = text.replace(from, to);
    }
    Ok(text)
}

/// Installs a definition and waits until it is established.
async fn define(cluster: &Cluster, test: &str, text: &str) -> Result<()> {
    let file = paths::logs(&format!("{test}-definition"))?.join("crd.yaml");
    std::fs::write(&file, text)?;
    cluster.apply(&file, None).await.map(drop)
}

async fn undefine(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.kubectl(&["delete", "crd", name, "--timeout=60s"]).await.map(drop)
}

/// Waits until a controller is in a state.
async fn until_state(host: &Host, controller: &str, wanted: &str) -> Result<Overview> {
    let is_in = |overview: &Overview| {
        overview.controller(controller).is_some_and(|view| view.state == wanted)
    };
    host.shows(&format!("{controller} is {wanted}"), is_in).await
}

async fn until_metric(host: &Host, line: &str) -> Result<()> {
    eventually(line, LONG, async || {
        let (_, metrics) = host.page("/metrics").await?;
        let name = line.split(' ').next().unwrap_or(line);
        let found: Vec<&str> = metrics.lines().filter(|found| found.contains(name)).collect();
        ensure!(found.contains(&line), "{found:?}");
        Ok(())
    })
    .await
}

/// How many lines of the host's log have this message.
fn told(host: &Host, message: &str) -> Result<usize> {
    Ok(host.log()?.lines().filter(|line| line.message() == message).count())
}

/// Waits until so many requests that `which` chooses were answered with `code` since a mark.
async fn until_answered(
    stage: &Stage,
    mark: usize,
    code: u16,
    times: usize,
    which: impl Fn(&joch_tests::proxy::ApiRequest) -> bool,
) -> Result<()> {
    eventually(&format!("{times} answers {code}"), LONG, async || {
        let record = stage.proxy.record();
        let found = record.since(mark, |entry| entry.code == Some(code) && which(&entry.request));
        ensure!(found.len() >= times, "{} so far", found.len());
        Ok(())
    })
    .await
}
