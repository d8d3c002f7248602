//! Many Tasks created at once, each with one inline context: how many a second get to `Running`, and what
//! one costs in processor time, memory and requests. Every pass has a control plane of its own, without a
//! node, so that none meets what another left behind.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use joch_tests::cluster::Cluster;
use joch_tests::host::{Host, HostOptions};
use joch_tests::objects::{agent, create, phase, task};
use joch_tests::paths;
use joch_tests::stage::Stage;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};

use crate::figures::{median, millis, percentile};
use crate::report::Part;
use crate::running::Running;

/// How many creations are under way at once.
const HANDS: usize = 32;
/// As in the plugin's manifest.
const CONCURRENCY: u16 = 8;
/// How long a pass may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How many Tasks.
    pub(crate) tasks: usize,
    /// How many Tasks pass through a proxy that counts requests, in a pass of its own.
    pub(crate) counted: usize,
    /// How many passes of each; the medians are shown.
    pub(crate) rounds: usize,
}

/// Who runs the Tasks.
#[derive(Debug, Clone, Copy)]
enum Contender {
    /// The host with `kubetask.wasm`.
    Plugin,
    /// The same decisions in a controller of kube-rs.
    Native,
}

const CONTENDERS: [Contender; 2] = [Contender::Plugin, Contender::Native];

/// The figures of one pass.
#[derive(Debug, Default)]
struct Figures {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    rss_before: f64,
    rss_after: f64,
}

/// Measures.
///
/// # Errors
/// If a part is not built, does not start, or a Task does not get to `Running`.
pub(crate) async fn run(sizes: Sizes) -> Result<Part> {
    let Sizes { tasks, counted, rounds } = sizes;
    let mut passes: Vec<Vec<Figures>> = vec![Vec::new(), Vec::new()];
    // In turns, so that a machine that gets slower is slower for both.
    for _ in 0..rounds {
        for (contender, figures) in CONTENDERS.into_iter().zip(&mut passes) {
            figures.push(pass(contender, tasks).await?);
        }
    }
    let of = |of: fn(&Figures) -> f64| -> Vec<f64> {
        passes.iter().map(|passes| median(&passes.iter().map(of).collect::<Vec<_>>())).collect()
    };
    let mut part = Part::ours_and(&["plugin", "kube-rs"]);
    part.higher("per-second", "Tasks per second to Running", 0, of(|it| it.per_second));
    part.lower("latency-p50-ms", "created → Running, p50, ms", 0, of(|it| it.p50_ms));
    part.lower("latency-p99-ms", "created → Running, p99, ms", 0, of(|it| it.p99_ms));
    part.lower("cpu-ms", "processor time per Task, ms", 2, of(|it| it.cpu_ms));
    part.lower("rss-before-mb", "resident memory before, MB", 1, of(|it| it.rss_before));
    part.lower("rss-after-mb", "resident memory after, MB", 1, of(|it| it.rss_after));
    let mut counts: Vec<BTreeMap<&'static str, usize>> = Vec::new();
    for contender in CONTENDERS {
        counts.push(requests(contender, counted).await?);
    }
    for (verb, what) in VERBS {
        let figures = counts.iter().map(|counts| counts.get(verb).copied().unwrap_or_default());
        let per_task = figures.map(|count| count as f64 / counted as f64).collect();
        part.lower(verb, what, 2, per_task);
    }
    Ok(part)
}

/// The requests that are told apart.
const VERBS: [(&str, &str); 5] = [
    ("read", "get and list per Task"),
    ("create", "create per Task"),
    ("patch", "patch per Task"),
    ("other", "update and delete per Task"),
    ("total", "requests per Task, without watches"),
];

/// One pass: all Tasks at once.
async fn pass(contender: Contender, count: usize) -> Result<Figures> {
    let (cluster, stage) = stage(contender).await?;
    let mut running = contender.start(&stage, &cluster.kubeconfig()).await?;
    let before = running.usage()?;
    let took = until_all_run(&stage, count).await?;
    let after = running.usage()?;
    let each = millis(&took.latencies);
    Ok(Figures {
        per_second: count as f64 / took.all.as_secs_f64(),
        p50_ms: percentile(&each, 0.5),
        p99_ms: percentile(&each, 0.99),
        cpu_ms: (after.cpu_seconds - before.cpu_seconds) * 1000.0 / count as f64,
        rss_before: before.rss_mb,
        rss_after: after.rss_mb,
    })
}

/// What a contender asks of the API server, by verb; watches and what it does at its start do not count.
async fn requests(contender: Contender, count: usize) -> Result<BTreeMap<&'static str, usize>> {
    let (_cluster, stage) = stage(contender).await?;
    let proxied = stage.options.kubeconfig.clone();
    let _running = contender.start(&stage, &proxied).await?;
    let mark = stage.proxy.record().mark();
    until_all_run(&stage, count).await?;
    let mut counts = BTreeMap::new();
    for entry in stage.proxy.record().since(mark, |entry| !entry.request.is_watch()) {
        let verb = match entry.request.verb.as_str() {
            "get" | "list" => "read",
            "create" => "create",
            "patch" => "patch",
            _ => "other",
        };
        *counts.entry(verb).or_default() += 1;
        *counts.entry("total").or_default() += 1;
    }
    Ok(counts)
}

async fn stage(contender: Contender) -> Result<(Cluster, Stage)> {
    let cluster = Cluster::start().await?;
    cluster.apply(&paths::root().join("crds"), None).await?;
    let stage = Stage::new(&cluster, &format!("bench::{contender:?}"), &["kubetask"]).await?;
    create(&stage.kubetask("Agent"), &agent("default")).await?;
    Ok((cluster, stage))
}

/// How long it took: for all, and for each from its creation.
struct Took {
    all: Duration,
    latencies: Vec<Duration>,
}

async fn until_all_run(stage: &Stage, count: usize) -> Result<Took> {
    let tasks = stage.kubetask("Task");
    let began = Instant::now();
    let created = async {
        futures::stream::iter((0..count).map(|number| format!("t-{number:05}")))
            .map(|name| {
                let tasks = &tasks;
                async move {
                    let at = Instant::now();
                    create(tasks, &task(&name)).await?;
                    anyhow::Ok((name, at))
                }
            })
            .buffer_unordered(HANDS)
            .try_collect::<HashMap<String, Instant>>()
            .await
    };
    let ran = seen_running(&tasks, count);
    let both = async { tokio::try_join!(created, ran) };
    let (created, ran) = tokio::time::timeout(PATIENCE, both)
        .await
        .with_context(|| format!("not all Tasks run after {PATIENCE:?}"))??;
    let last = ran.values().max().context("no Task")?;
    let latencies =
        ran.iter().filter_map(|(name, at)| Some(at.saturating_duration_since(*created.get(name)?)));
    Ok(Took { all: last.saturating_duration_since(began), latencies: latencies.collect() })
}

/// When each Task was first seen to run.
async fn seen_running(
    tasks: &Api<DynamicObject>,
    count: usize,
) -> Result<HashMap<String, Instant>> {
    let mut seen = HashMap::new();
    let events = watcher(tasks.clone(), watcher::Config::default()).default_backoff();
    let mut objects = std::pin::pin!(events.applied_objects());
    while seen.len() < count {
        let object = objects.next().await.context("the watch ended")??;
        ensure!(phase(&object) != "Failed", "{} failed: {}", object.name_any(), object.data);
        if phase(&object) == "Running" {
            seen.entry(object.name_any()).or_insert_with(Instant::now);
        }
    }
    Ok(seen)
}

impl Contender {
    async fn start(self, stage: &Stage, kubeconfig: &Path) -> Result<Running> {
        match self {
            Self::Plugin => {
                let options = HostOptions {
                    kubeconfig: kubeconfig.to_owned(),
                    log_level: "info".to_owned(),
                    ..stage.options.clone()
                };
                let host = Host::start(options).await?;
                host.shows("the plugin runs", |overview| {
                    overview.controllers.iter().any(|it| it.state == "Running")
                })
                .await?;
                Ok(Running::Host(Box::new(host)))
            }
            Self::Native => {
                let running = Running::kube_rs("tasks", &stage.namespace, kubeconfig, CONCURRENCY)?;
                // It has no page that tells when it is ready; its caches take far less.
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(running)
            }
        }
    }
}
