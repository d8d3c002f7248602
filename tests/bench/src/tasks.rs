//! Many Tasks created at once, each with one inline context: how many a second get to `Running`, and what
//! one costs in processor time, memory and requests. Every pass has a control plane of its own, without a
//! node, so that none meets what another left behind.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

use crate::process::{self, Usage};
use crate::report::{self, Row};

/// How many creations are under way at once.
const HANDS: usize = 32;
/// How long a pass may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many Tasks
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// How many Tasks pass through a proxy that counts requests, in a pass of its own
    #[arg(long, default_value_t = 100)]
    counted: usize,
    /// How many passes of each; the medians are shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
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

/// A contender that runs; it ends with this value.
enum Running {
    Plugin(Box<Host>),
    Native(Child),
}

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

/// Measures and shows.
///
/// # Errors
/// If a part is not built, does not start, or a Task does not get to `Running`.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    let mut passes: Vec<Vec<Figures>> = vec![Vec::new(), Vec::new()];
    // In turns, so that a machine that gets slower is slower for both.
    for _ in 0..args.rounds {
        for (contender, figures) in CONTENDERS.into_iter().zip(&mut passes) {
            figures.push(pass(contender, args.count).await?);
        }
    }
    let mut add = |what, key, digits, of: fn(&Figures) -> f64| {
        let figures = passes.iter().map(|passes| median(passes.iter().map(of).collect())).collect();
        rows.push(Row { what, key, digits, figures });
    };
    add("Tasks per second to Running", "tasks-per-second", 0, |it| it.per_second);
    add("created → Running, p50, ms", "latency-p50-ms", 0, |it| it.p50_ms);
    add("created → Running, p99, ms", "latency-p99-ms", 0, |it| it.p99_ms);
    add("processor time per Task, ms", "cpu-ms-per-task", 2, |it| it.cpu_ms);
    add("resident memory before, MB", "rss-before-mb", 1, |it| it.rss_before);
    add("resident memory after, MB", "rss-after-mb", 1, |it| it.rss_after);
    let mut counts: Vec<BTreeMap<&'static str, usize>> = Vec::new();
    for contender in CONTENDERS {
        counts.push(requests(contender, args.counted).await?);
    }
    for (verb, what) in VERBS {
        let figures = counts.iter().map(|counts| counts.get(verb).copied().unwrap_or_default());
        let per_task = figures.map(|count| count as f64 / args.counted as f64).collect();
        rows.push(Row { what, key: verb, digits: 2, figures: per_task });
    }
    report::show("tasks", &["plugin", "native"], &rows)
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
    let running = contender.start(&stage, &cluster.kubeconfig()).await?;
    let before = running.usage()?;
    let took = until_all_run(&stage, count).await?;
    let after = running.usage()?;
    let mut each: Vec<f64> =
        took.latencies.iter().map(|latency| latency.as_secs_f64() * 1000.0).collect();
    each.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (each.len() as f64 * share) as usize;
        each.get(index.min(each.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    Ok(Figures {
        per_second: count as f64 / took.all.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
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
                Ok(Running::Plugin(Box::new(host)))
            }
            Self::Native => {
                let child = Command::new(std::env::current_exe()?)
                    .args(["native", "--namespace", &stage.namespace, "--kubeconfig"])
                    .arg(kubeconfig)
                    .stdin(Stdio::null())
                    .spawn()?;
                let running = Running::Native(child);
                // It has no page that tells when it is ready; its caches take far less.
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok(running)
            }
        }
    }
}

impl Running {
    fn usage(&self) -> Result<Usage> {
        process::usage(match self {
            Self::Plugin(host) => host.pid(),
            Self::Native(child) => child.id(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Native(child) = self {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
