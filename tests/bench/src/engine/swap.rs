//! A plugin's file is replaced: how soon the new code is called, and whether memory grows.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use joch_core::name::Digest;
use joch_tests::cluster::Cluster;
use joch_tests::guests::new_version;
use joch_tests::host::Host;
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;

use super::{first_calls, options};
use crate::figures::millis;
use crate::process;
use crate::progress::tell;
use crate::report::Part;

/// How many versions are compiled.
const COMPILED: u32 = 10;
/// How many times a version comes from the compile cache.
const CACHED: u32 = 40;
/// After how many swaps memory is looked at first: what is taken once is taken by then.
const WARM: usize = 50;
/// How often it is asked whether a version runs.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a swap may take.
const PATIENCE: Duration = Duration::from_secs(60);

const FILE: &str = "puppet.wasm";

/// How long it took from a file's replacement to the first line of the new code, in milliseconds.
pub(crate) struct Times {
    /// With compilation.
    pub(crate) compiled: Vec<f64>,
    /// From the compile cache.
    pub(crate) cached: Vec<f64>,
}

/// Measures times, and memory over so many swaps.
///
/// # Errors
/// If a part is not built, or a version does not get live.
pub(crate) async fn run(swaps: usize) -> Result<(Times, Part)> {
    let cluster = Cluster::start().await?;
    cluster.apply(&puppet::definitions(), None).await?;
    let stage = Stage::new(&cluster, "bench::swap", &[]).await?;
    let bytes = puppet::with(&[])?;
    stage.plugins.install(FILE, &bytes)?;
    let host = Host::start(options(&stage, cluster.kubeconfig())).await?;
    Puppet::new(&stage, "it").await?;
    host.runs("puppet", &bytes).await?;

    tell("swaps: compiled");
    let mut compiled = Vec::new();
    for number in 1..=COMPILED {
        compiled.push(swap(&host, &stage, &new_version(&bytes, number)).await?);
    }
    tell("swaps: from the cache");
    let mut cached = Vec::new();
    for number in 1..=CACHED {
        cached.push(swap(&host, &stage, &new_version(&bytes, 1 + number % 2)).await?);
    }
    let times = Times { compiled: millis(&compiled), cached: millis(&cached) };
    Ok((times, drift(&host, &stage, &bytes, swaps).await?))
}

/// Replaces the file; answers when the new code was first called.
async fn swap(host: &Host, stage: &Stage, bytes: &[u8]) -> Result<Duration> {
    let digest = Digest::of(bytes);
    let replaced = SystemTime::now();
    stage.plugins.install(FILE, bytes)?;
    let called = async {
        loop {
            let calls = first_calls(host, replaced, Some(&digest.short()))?;
            if let Some(first) = calls.into_iter().min() {
                return anyhow::Ok(first);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, called).await.with_context(|| host.last_words())?
}

/// Swaps two versions to and fro.
async fn drift(host: &Host, stage: &Stage, bytes: &[u8], swaps: usize) -> Result<Part> {
    let versions = [1, 2].map(|number| new_version(bytes, number));
    let mut warm = None;
    for (number, version) in versions.iter().cycle().take(swaps.max(WARM + 1)).enumerate() {
        if number % 100 == 0 {
            tell(&format!("swaps: {number}"));
        }
        if number == WARM {
            warm = Some(process::usage(host.pid())?.rss_mb);
        }
        stage.plugins.install(FILE, version)?;
        let digest = Digest::of(version);
        let runs = async {
            while !host.plugins().await?.runs("puppet", &digest) {
                tokio::time::sleep(PAUSE).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, runs).await.with_context(|| host.last_words())??;
    }
    let (_, metrics) = host.page("/metrics").await?;
    ensure!(metrics.contains("joch_plugin_swaps"), "no swap was counted: {metrics}");
    let before = warm.context("too few swaps")?;
    let after = process::usage(host.pid())?.rss_mb;
    let counted = swaps.max(WARM + 1) - WARM;
    let mut part = Part { columns: vec!["host".to_owned()], ..Part::default() };
    part.lower("rss-warm-mb", &format!("resident memory after {WARM} swaps, MB"), 1, vec![before]);
    let what = format!("resident memory after {counted} more, MB");
    part.lower("rss-after-mb", &what, 1, vec![after]);
    let growth = (after - before) * 1024.0 / counted as f64;
    part.lower("growth-kb", "growth per swap, KB", 2, vec![growth]);
    Ok(part)
}
