//! A good plugin beside a hostile one in the same host: how long its changes take with and without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::host::{Host, HostOptions};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::figures::{millis, percentile};
use crate::greetings::{self, Written};
use crate::progress::tell;
use crate::report::Part;

/// The circumstances, and what each object of the hostile plugin makes its guest do.
fn hostile() -> [(&'static str, Option<Value>); 4] {
    [
        ("alone", None),
        ("loops", Some(json!([{"spin": {}}]))),
        ("allocates", Some(json!([{"allocate": 1_u32 << 30}]))),
        ("traps", Some(json!([{"panic": "no"}]))),
    ]
}

/// How many hostile objects there are: as many as a plugin may have calls at once.
const OBJECTS: usize = 8;
/// How often each is edited, so that it is tried again whatever the host thinks of it.
const AGAIN: Duration = Duration::from_millis(200);
/// How long is waited until the hostile plugin is at work.
const CALM: Duration = Duration::from_secs(1);
/// How many objects of the good plugin are edited in turn.
const EDITED: usize = 10;
/// As many reconciles at once as a plugin may have by default.
const CONCURRENCY: u16 = 8;

/// Measures so many changes under each of the circumstances, in so many rounds.
///
/// # Errors
/// If a part is not built, if the good plugin is not served in time, or if the hostile one was not stopped
/// once, so that the figures say nothing.
pub(crate) async fn run(changes: usize, rounds: usize) -> Result<Part> {
    let cluster = Cluster::start().await?;
    greetings::install_kind(&cluster).await?;
    cluster.apply(&puppet::definitions(), None).await?;
    let stage = Stage::new(&cluster, "bench::neighbour", &[]).await?;
    stage.plugins.install("hello-controller.wasm", &greetings::component(CONCURRENCY)?)?;
    stage.plugins.install("puppet.wasm", &puppet::with(&[])?)?;
    let mut host = Host::start(HostOptions {
        kubeconfig: cluster.kubeconfig(),
        log_level: "error".to_owned(),
        ..stage.options.clone()
    })
    .await?;
    let mut written = Written::follow(&stage);
    written.prepare(&stage, EDITED).await?;

    let hostile = hostile();
    let mut latencies = vec![Vec::new(); hostile.len()];
    let mut stopped = vec![0.0; hostile.len()];
    for round in 0..rounds {
        for (place, (name, script)) in hostile.iter().enumerate() {
            tell(&format!("neighbour: round {}, {name}", round + 1));
            // What the host has learnt of the hostile plugin before would protect the good one.
            host.kill()?;
            host.restart().await?;
            let driver = match script {
                Some(script) => Some(Driver::start(&stage, script).await?),
                None => None,
            };
            tokio::time::sleep(CALM).await;
            let took = written.changes(&stage, EDITED, changes).await?;
            if let Some(driver) = driver {
                driver.stop(&stage).await?;
            }
            if let (Some(latencies), Some(sum)) = (latencies.get_mut(place), stopped.get_mut(place))
            {
                latencies.extend(millis(&took));
                *sum += stops(&host).await?;
            }
        }
    }
    for ((name, script), stops) in hostile.iter().zip(&stopped) {
        ensure!(script.is_none() || *stops > 0.0, "the guest that {name} was never stopped");
    }
    let columns = hostile.each_ref().map(|(name, _)| *name);
    let mut part = Part::first_and(&columns);
    let at = |share| latencies.iter().map(|each| percentile(each, share)).collect();
    part.lower("latency-p50-ms", "change → write of the good plugin, p50, ms", 2, at(0.5));
    part.lower("latency-p99-ms", "change → write of the good plugin, p99, ms", 2, at(0.99));
    part.lower("stopped", "hostile calls that were stopped meanwhile", 0, stopped);
    Ok(part)
}

/// How many calls of the hostile plugin have failed so far.
async fn stops(host: &Host) -> Result<f64> {
    let (_, metrics) = host.page("/metrics").await?;
    let failures = |plugin: &str| -> f64 {
        let start = format!("joch_plugin_failures_total{{plugin=\"{plugin}\"");
        let lines = metrics.lines().filter(|line| line.starts_with(&start));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    ensure!(failures("hello-controller") == 0.0, "the good plugin failed: {metrics}");
    Ok(failures("puppet"))
}

/// Makes the hostile objects, and edits them again and again.
struct Driver {
    puppets: Vec<Puppet>,
    goes_on: Arc<AtomicBool>,
    edits: JoinHandle<Result<()>>,
}

impl Driver {
    async fn start(stage: &Stage, script: &Value) -> Result<Self> {
        let mut puppets = Vec::new();
        for number in 0..OBJECTS {
            let name = format!("hostile-{number}");
            puppets.push(Puppet::create(stage, "Puppet", &name, script.clone()).await?);
        }
        let goes_on = Arc::new(AtomicBool::new(true));
        let (edited, wanted, script) = (puppets.clone(), goes_on.clone(), script.clone());
        let edits = tokio::spawn(async move {
            while wanted.load(Ordering::Relaxed) {
                for puppet in &edited {
                    puppet.edit(script.clone()).await?;
                    tokio::time::sleep(AGAIN / u32::try_from(OBJECTS)?).await;
                }
            }
            Ok(())
        });
        Ok(Self { puppets, goes_on, edits })
    }

    /// Ends the edits and removes the objects.
    async fn stop(self, stage: &Stage) -> Result<()> {
        let Self { puppets, goes_on, edits } = self;
        goes_on.store(false, Ordering::Relaxed);
        edits.await.context("the edits ended early")??;
        let api = puppet::api(stage.client.clone(), "Puppet", &stage.namespace);
        for puppet in puppets {
            api.delete(&puppet.name, &DeleteParams::default()).await?;
        }
        Ok(())
    }
}
