//! The storm: many Tasks while the plugin is replaced and the host is killed, and what has to hold after
//! it: one Job POST per Task, no `AlreadyExists`, right statuses, no overlap of two versions on a key, no
//! write to a settled Task.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use futures::StreamExt as _;
use joch_core::name::Digest;
use joch_tests::checks::Violation;
use joch_tests::cluster::Cluster;
use joch_tests::guests::{component, new_version};
use joch_tests::host::{Host, Step};
use joch_tests::objects::{agent, create, end_pod, phase, task, touch, until_job};
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::stage::Stage;
use joch_tests::suite::alone_on_cluster;
use joch_tests::wait::eventually;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;

mod verdict;

/// How long the storm may take to settle; used up by a failure only.
const SETTLING: Duration = Duration::from_secs(180);
/// How long a write of the host takes; shorter than the host's restart, or the answer to "is there a Job?"
/// could be older than the Job.
const UNDER_WAY: Duration = Duration::from_millis(30);
/// How many Tasks are made right before a kill, so that it meets them; and how long the first write of each
/// takes. That one may be late: it says the same whoever sends it.
const MET: usize = 5;
const MET_FOR: Duration = Duration::from_millis(500);
/// How many requests of the test itself are under way at once.
const HANDS: usize = 8;

/// A fault that the storm has to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Injection {
    /// None: all has to be well. Writes take a while, so that kills and swaps meet them under way.
    Nothing,
    /// Each POST of a Job is sent twice.
    DoubleJobPost,
}

impl Injection {
    fn action(self, request: &ApiRequest, size: Size) -> Action {
        match self {
            Self::DoubleJobPost if request.creates("jobs") => Action::Double,
            Self::Nothing if size.is_met(request, size.early()..size.tasks) => {
                Action::Delay(MET_FOR)
            }
            Self::Nothing if request.is_write() => Action::Delay(UNDER_WAY),
            _ => Action::Pass,
        }
    }
}

/// How big the storm is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) tasks: usize,
    pub(crate) swaps: usize,
    pub(crate) kills: usize,
}

impl Size {
    /// How many Tasks are made whatever the kills.
    fn early(self) -> usize {
        self.tasks - self.kills * MET
    }

    /// Whether this is the first write of one of these Tasks.
    fn is_met(self, request: &ApiRequest, mut tasks: Range<usize>) -> bool {
        let of = |number| request.name.as_deref() == Some(&format!("{}-context", name(number)));
        request.resource == "configmaps" && request.is_write() && tasks.any(of)
    }
}

/// The figures of a storm in which nothing was violated.
#[derive(Debug)]
pub(crate) struct Report {
    size: Size,
    job_posts: usize,
    task_writes: usize,
    reconciles: usize,
    /// Reconciles that a kill cut off.
    cut: usize,
    /// Versions by which at least one reconcile ran.
    versions: usize,
    resident_kb: u64,
    peak_kb: u64,
    took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size: Size { tasks, swaps, kills }, job_posts, task_writes, .. } = self;
        let Self { reconciles, cut, versions, resident_kb, peak_kb, took, .. } = self;
        write!(
            f,
            "{tasks} Tasks, {swaps} swaps, {kills} kills: {job_posts} Job POSTs, {task_writes} writes to \
             Tasks, {reconciles} reconciles by {versions} versions, {cut} of them cut off by a kill; host \
             {resident_kb} KB resident, {peak_kb} KB at most; {took:.1?}"
        )
    }
}

/// What a storm came to: its figures, or every violation.
pub(crate) type Verdict = Result<Report, Vec<Violation>>;

/// Runs a storm. The outer error is the harness's own, or that of a storm that never settled.
async fn storm(cluster: &Cluster, test: &str, size: Size, injection: Injection) -> Result<Verdict> {
    let began = Instant::now();
    let inject = move |request: &ApiRequest| injection.action(request, size);
    let stage = Stage::with_faults(cluster, test, &["kubetask"], inject).await?;
    let mut host = stage.host().await?;
    create(&stage.kubetask("Agent"), &agent("default")).await?;

    let ((), (), versions) = tokio::try_join!(
        create_tasks(&stage, size),
        end_every_second_job(&stage, size.tasks),
        disturb(&stage, &mut host, size),
    )?;

    settle(&stage, size.tasks).await.with_context(|| host.last_words())?;
    let settled = stage.proxy.record().mark();
    wake_everything(&stage, &host, size.tasks).await?;
    let (resident_kb, peak_kb) = host.memory()?;
    host.terminate().await?;

    let tasks = stage.kubetask("Task").list(&ListParams::default()).await?.items;
    let log = host.log()?.reconciles();
    let entries = stage.proxy.record().entries();
    let violations = verdict::violations(&verdict::Evidence {
        tasks: &tasks,
        log: &log,
        entries: &entries,
        versions: &versions,
        settled,
        ends_well: &ends_well,
    });
    if !violations.is_empty() {
        return Ok(Err(violations));
    }
    let count = |step| log.iter().flatten().filter(|line| line.step == step).count();
    let (reconciles, finished) = (count(Step::Started), count(Step::Finished));
    let writes = |entry: &&_| verdict::writes_to_tasks(entry);
    Ok(Ok(Report {
        size,
        job_posts: stage.proxy.record().posts("jobs", &stage.namespace),
        task_writes: entries.iter().filter(writes).count(),
        reconciles,
        cut: reconciles - finished,
        versions: verdict::versions_seen(&log),
        resident_kb,
        peak_kb,
        took: began.elapsed(),
    }))
}

fn name(number: usize) -> String {
    format!("t-{number:03}")
}

/// Whether the Job of a Task is brought to its end, by the Task's name.
fn ends_well(name: &str) -> bool {
    name.ends_with(['0', '2', '4', '6', '8'])
}

async fn create_tasks(stage: &Stage, size: Size) -> Result<()> {
    let tasks = stage.kubetask("Task");
    let disturbances = size.swaps + size.kills;
    let made = futures::stream::iter(0..size.early()).map(async |number| {
        // Spread over the disturbances: the next Task is made when its share of Jobs is there.
        let early = number.saturating_sub(size.early() / (disturbances + 1) + HANDS);
        eventually(&format!("{early} Jobs are posted"), SETTLING, async || {
            let posts = stage.proxy.record().posts("jobs", &stage.namespace);
            ensure!(posts >= early, "{posts} Jobs");
            Ok(())
        })
        .await?;
        create(&tasks, &task(&name(number))).await.map(drop)
    });
    let results: Vec<Result<()>> = made.buffer_unordered(HANDS).collect().await;
    results.into_iter().collect()
}

async fn end_every_second_job(stage: &Stage, tasks: usize) -> Result<()> {
    let names = (0..tasks).map(name).filter(|name| ends_well(name));
    let ended = futures::stream::iter(names).map(async |name| {
        let job = format!("{name}-job");
        eventually(&format!("{job} is there"), SETTLING, async || {
            until_job(&stage.client, &stage.namespace, &job).await.map(drop)
        })
        .await?;
        end_pod(&stage.client, &stage.namespace, &job, "Succeeded").await
    });
    let results: Vec<Result<()>> = ended.buffer_unordered(HANDS).collect().await;
    results.into_iter().collect()
}

/// Replaces the plugin and kills the host, spread over the Tasks; the digests of all versions, in order.
async fn disturb(stage: &Stage, host: &mut Host, size: Size) -> Result<Vec<Digest>> {
    let first = component("kubetask")?;
    let mut versions = vec![Digest::of(&first)];
    let total = size.swaps + size.kills;
    let mut kills = 0;
    for step in 0..total {
        let due = size.early() * step / total;
        eventually(&format!("{due} Jobs are posted"), SETTLING, async || {
            let posts = stage.proxy.record().posts("jobs", &stage.namespace);
            ensure!(posts >= due, "{posts} Jobs");
            Ok(())
        })
        .await
        .with_context(|| host.last_words())?;
        // Kills lie evenly between the swaps.
        if (step + 1) * size.kills / total > kills {
            until_some_are_under_way(stage, size, kills).await?;
            kills += 1;
            host.kill()?;
            host.restart().await?;
        } else {
            let number = u32::try_from(versions.len())?;
            let bytes = new_version(&first, number);
            stage.plugins.install("kubetask.wasm", &bytes)?;
            versions.push(Digest::of(&bytes));
            host.runs("kubetask", &bytes).await?;
        }
    }
    ensure!(kills == size.kills && versions.len() == size.swaps + 1, "{kills} kills, {versions:?}");
    Ok(versions)
}

/// Makes the Tasks that a kill is to meet, and waits until the host is about one of them.
async fn until_some_are_under_way(stage: &Stage, size: Size, kill: usize) -> Result<()> {
    let first = size.early() + kill * MET;
    let met = first..first + MET;
    let tasks = stage.kubetask("Task");
    let objects: Vec<Value> = met.clone().map(|number| task(&name(number))).collect();
    futures::future::try_join_all(objects.iter().map(|object| create(&tasks, object))).await?;
    eventually(&format!("a turn of one of the Tasks {met:?} is under way"), SETTLING, async || {
        let waiting = stage
            .proxy
            .record()
            .since(0, |entry| entry.code.is_none() && size.is_met(&entry.request, met.clone()));
        ensure!(!waiting.is_empty(), "no write of theirs is awaited");
        Ok(())
    })
    .await
}

/// Waits until every Task has the phase that it has to have in the end.
async fn settle(stage: &Stage, count: usize) -> Result<()> {
    let tasks = stage.kubetask("Task");
    eventually("every Task has its phase", SETTLING, async || {
        let list = tasks.list(&ListParams::default()).await?.items;
        let mut wrong = BTreeMap::new();
        for object in &list {
            let name = object.name_any();
            if phase(object) != verdict::expected_phase(ends_well(&name)) {
                wrong.insert(name, phase(object).to_owned());
            }
        }
        ensure!(
            list.len() == count && wrong.is_empty(),
            "{} Tasks, not yet: {wrong:?}",
            list.len()
        );
        Ok(())
    })
    .await
}

/// Has every Task reconciled once more, which the log has to show.
async fn wake_everything(stage: &Stage, host: &Host, count: usize) -> Result<()> {
    let tasks = stage.kubetask("Task");
    let key = |name: &str| format!("Task {}/{name}", stage.namespace);
    let before = host.log()?.finished_by_key();
    let touched = futures::stream::iter(0..count)
        .map(async |number| touch(&tasks, &name(number), "after the storm").await.map(drop));
    let results: Vec<Result<()>> = touched.buffer_unordered(HANDS).collect().await;
    results.into_iter().collect::<Result<()>>()?;
    eventually("every Task is reconciled once more", SETTLING, async || {
        let after = host.log()?.finished_by_key();
        let again = |number: &usize| {
            let of = |counts: &BTreeMap<String, usize>| counts.get(&key(&name(*number))).copied();
            of(&after) > of(&before)
        };
        let done = (0..count).filter(again).count();
        ensure!(done == count, "{done} of {count}");
        Ok(())
    })
    .await
}

#[test]
fn nothing_is_lost_or_doubled_in_a_storm_of_swaps_and_kills() -> Result<()> {
    alone_on_cluster("storm::all_is_well", async |cluster| {
        let size = Size { tasks: 200, swaps: 10, kills: 3 };
        let verdict = storm(cluster, "storm::all_is_well", size, Injection::Nothing).await?;
        let report = verdict.map_err(|violations| anyhow!("{}", verdict::listed(&violations)))?;
        joch_tests::suite::say(&format!("storm: {report}"))?;
        ensure!(report.job_posts == size.tasks, "{report}");
        ensure!(report.cut > 0, "no kill met a reconcile under way: {report}");
        ensure!(report.versions > size.swaps / 2, "too few versions reconciled: {report}");
        Ok(())
    })
}

#[test]
fn a_doubled_job_post_is_noticed() -> Result<()> {
    alone_on_cluster("storm::double_post", async |cluster| {
        let size = Size { tasks: 20, swaps: 2, kills: 0 };
        let verdict = storm(cluster, "storm::double_post", size, Injection::DoubleJobPost).await?;
        let violations = verdict.err().context("a doubled POST was not noticed")?;
        let doubled =
            |violation: &&Violation| matches!(violation, Violation::Posts { posts: 2, .. });
        ensure!(violations.iter().filter(doubled).count() == size.tasks, "{violations:?}");
        let exists = |violation: &&Violation| matches!(violation, Violation::AlreadyExists(_));
        ensure!(violations.iter().filter(exists).count() == size.tasks, "{violations:?}");
        Ok(())
    })
}
