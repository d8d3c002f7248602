//! One controller three times: the example hello-controller in the host, in kube-rs, and in Go on
//! controller-runtime. Same API server, same objects, same writes: that they are the same is looked at first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use joch_tests::cluster::Cluster;
use joch_tests::host::{Host, HostOptions};
use joch_tests::stage::Stage;

use crate::figures::{median, millis, percentile};
use crate::greetings::{self, Written};
use crate::progress::tell;
use crate::report::Part;
use crate::running::Running;

mod backlog;
mod deeds;

use backlog::Backlog;
use deeds::Deeds;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// How many objects wait when a controller starts.
    pub(crate) objects: usize,
    /// How many objects there are for a last look at memory; none if zero.
    pub(crate) large: usize,
    /// How many single changes are timed.
    pub(crate) changes: usize,
    /// For how many objects the API server's requests are counted.
    pub(crate) counted: usize,
    /// How many passes of each; the medians are shown.
    pub(crate) rounds: usize,
}

/// Who greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Plugin,
    KubeRs,
    Go,
}

const CONTENDERS: [Contender; 3] = [Contender::Plugin, Contender::KubeRs, Contender::Go];

/// How many objects are edited in turn while single changes are timed.
const EDITED: usize = 10;
/// As many reconciles at once as a plugin may have by default.
const WIDE: u16 = 8;
/// How long a process is left alone before its memory is looked at.
const CALM: Duration = Duration::from_secs(2);

/// The figures of one pass: single changes, then what waits, many at once and one by one.
struct Pass {
    rss_empty: f64,
    latencies: Vec<f64>,
    wide: Backlog,
    narrow: Backlog,
}

/// Measures.
///
/// # Errors
/// If a part is not built or does not start, if an object is not served, or if the three do not do the same.
pub(crate) async fn run(sizes: Sizes) -> Result<Part> {
    let cluster = Cluster::start().await?;
    greetings::install_kind(&cluster).await?;

    let mut deeds: Vec<Deeds> = Vec::new();
    for contender in CONTENDERS {
        tell(&format!("hello: what {} writes", contender.name()));
        deeds.push(deeds::look(contender, &cluster, sizes.counted).await?);
    }
    deeds::are_the_same(&deeds)?;

    let mut passes = [const { Vec::new() }; 3];
    // In turns, so that a machine that gets slower is slower for all.
    for round in 1..=sizes.rounds {
        for (contender, passes) in CONTENDERS.into_iter().zip(&mut passes) {
            tell(&format!("hello: round {round} of {}", contender.name()));
            passes.push(pass(contender, &cluster, sizes).await?);
        }
    }
    let mut part = Part::ours_and(&CONTENDERS.map(Contender::name));
    let of = |of: fn(&Pass) -> f64| -> Vec<f64> {
        passes.iter().map(|passes| median(&passes.iter().map(of).collect::<Vec<_>>())).collect()
    };
    let latency = |share: f64| -> Vec<f64> {
        let all = |passes: &Vec<Pass>| -> Vec<f64> {
            passes.iter().flat_map(|pass| pass.latencies.iter().copied()).collect()
        };
        passes.iter().map(|passes| percentile(&all(passes), share)).collect()
    };
    part.lower("latency-p50-ms", "change → write, p50, ms", 2, latency(0.5));
    part.lower("latency-p99-ms", "change → write, p99, ms", 2, latency(0.99));
    part.higher(
        "per-second-8",
        "objects per second, concurrency 8",
        0,
        of(|it| it.wide.per_second),
    );
    part.higher(
        "per-second-1",
        "objects per second, concurrency 1",
        0,
        of(|it| it.narrow.per_second),
    );
    part.lower("cpu-ms", "processor time per object, ms", 2, of(|it| it.wide.cpu_ms));
    let calls = deeds.iter().map(Deeds::calls_per_change).collect();
    part.lower("api-calls", "writes per change, refused ones included", 2, calls);
    part.lower("rss-empty-mb", "resident memory, no object, MB", 1, of(|it| it.rss_empty));
    let what = format!("resident memory, {} objects, MB", sizes.objects);
    part.lower("rss-objects-mb", &what, 1, of(|it| it.wide.rss_mb));
    if sizes.large > 0 {
        let mut figures = Vec::new();
        for contender in CONTENDERS {
            tell(&format!("hello: {} objects and {}", sizes.large, contender.name()));
            figures.push(backlog::run(contender, &cluster, WIDE, sizes.large).await?.rss_mb);
        }
        let what = format!("resident memory, {} objects, MB", sizes.large);
        part.lower("rss-large-mb", &what, 1, figures);
    }
    Ok(part)
}

async fn pass(contender: Contender, cluster: &Cluster, sizes: Sizes) -> Result<Pass> {
    let place = contender.place(cluster, WIDE).await?;
    let mut running = contender.start(&place, &cluster.kubeconfig(), WIDE).await?;
    tokio::time::sleep(CALM).await;
    let rss_empty = running.usage()?.rss_mb;
    let mut written = Written::follow(&place);
    written.prepare(&place, EDITED).await?;
    let latencies = millis(&written.changes(&place, EDITED, sizes.changes).await?);
    drop((written, running));
    let wide = backlog::run(contender, cluster, WIDE, sizes.objects).await?;
    let narrow = backlog::run(contender, cluster, 1, sizes.objects).await?;
    Ok(Pass { rss_empty, latencies, wide, narrow })
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::KubeRs => "kube-rs",
            Self::Go => "go",
        }
    }

    /// A namespace with everything that the contender needs; the host has compiled its plugin already.
    async fn place(self, cluster: &Cluster, concurrency: u16) -> Result<Stage> {
        let stage = Stage::new(cluster, &format!("bench::hello-{}", self.name()), &[]).await?;
        if self == Self::Plugin {
            let component = greetings::component(concurrency)?;
            stage.plugins.install("hello-controller.wasm", &component)?;
            Host::start(host_options(&stage, &cluster.kubeconfig())).await?.terminate().await?;
        }
        Ok(stage)
    }

    async fn start(self, stage: &Stage, kubeconfig: &Path, concurrency: u16) -> Result<Running> {
        match self {
            Self::Plugin => {
                let host = Host::start(host_options(stage, kubeconfig)).await?;
                Ok(Running::Host(Box::new(host)))
            }
            Self::KubeRs => Running::kube_rs("hello", &stage.namespace, kubeconfig, concurrency),
            Self::Go => Running::go(&stage.namespace, kubeconfig, concurrency),
        }
        .with_context(|| format!("cannot start {}", self.name()))
    }
}

/// The host as it is run by default, at the API server itself or whatever stands before it.
fn host_options(stage: &Stage, kubeconfig: &Path) -> HostOptions {
    let kubeconfig: PathBuf = kubeconfig.to_owned();
    HostOptions { kubeconfig, log_level: "info".to_owned(), ..stage.options.clone() }
}
