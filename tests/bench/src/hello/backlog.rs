//! Objects that wait when the controller starts: how fast they are served, and what that costs.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use joch_tests::cluster::Cluster;
use joch_tests::objects::{greetings, phase};
use kube::ResourceExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};

use super::{CALM, Contender};
use crate::greetings::create_many;
use crate::process::Usage;
use crate::running::Running;

/// How long a pass may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The figures of one pass.
pub(super) struct Backlog {
    /// Objects per second, from the first that was served to the last.
    pub(super) per_second: f64,
    /// Processor time per object in milliseconds, meanwhile.
    pub(super) cpu_ms: f64,
    /// Resident memory afterwards in megabytes.
    pub(super) rss_mb: f64,
}

/// Makes the objects, then starts the contender.
pub(super) async fn run(
    contender: Contender,
    cluster: &Cluster,
    concurrency: u16,
    count: usize,
) -> Result<Backlog> {
    let place = contender.place(cluster, concurrency).await?;
    let api = greetings(place.client.clone(), &place.namespace);
    create_many(&api, count).await?;

    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut objects = std::pin::pin!(events.applied_objects());
    let mut running = contender.start(&place, &cluster.kubeconfig(), concurrency).await?;
    let mut ready = HashSet::new();
    let mut first: Option<(Instant, Usage)> = None;
    let served = async {
        while ready.len() < count {
            let object = objects.next().await.context("the watch ended")??;
            if phase(&object) == "Ready" && ready.insert(object.name_any()) && first.is_none() {
                first = Some((Instant::now(), running.usage()?));
            }
        }
        anyhow::Ok(Instant::now())
    };
    let served = tokio::time::timeout(PATIENCE, served).await;
    let last = served.with_context(|| format!("not all are served after {PATIENCE:?}"))??;
    let (began, before) = first.context("no object")?;
    let after = running.usage()?;
    let others = count.saturating_sub(1) as f64;
    let figures = Backlog {
        per_second: others / last.saturating_duration_since(began).as_secs_f64(),
        cpu_ms: (after.cpu_seconds - before.cpu_seconds) * 1000.0 / others,
        rss_mb: calm(&mut running).await?,
    };
    Ok(figures)
}

async fn calm(running: &mut Running) -> Result<f64> {
    tokio::time::sleep(CALM).await;
    Ok(running.usage()?.rss_mb)
}
