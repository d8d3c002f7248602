//! The engine: what a call, an object, a load and a swap cost; many plugins at once.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::{Host, HostOptions};
use joch_tests::paths;
use joch_tests::stage::Stage;

use crate::figures::percentile;
use crate::report::Part;

pub(crate) mod crowd;
pub(crate) mod swap;

/// Named percentiles.
const SHARES: [f64; 2] = [0.5, 0.99];

/// A table of percentiles.
pub(crate) fn percentiles() -> Part {
    Part { columns: vec!["p50".to_owned(), "p99".to_owned()], ..Part::default() }
}

/// Adds the percentiles of one thing.
pub(crate) fn add(part: &mut Part, key: &str, what: &str, digits: usize, values: &[f64]) {
    let figures = SHARES.map(|share| percentile(values, share)).to_vec();
    part.lower(key, what, digits, figures);
}

/// What the engine's own program measures, and how it is told.
const ALONE: [(&str, &str); 8] = [
    ("call-empty", "instantiate, call, drop: a guest that answers at once, µs"),
    ("call-hello", "the same: hello-controller, its writes answered at once, µs"),
    ("object-1kb", "the same: a Rust guest that reads its object of 1 KB, µs"),
    ("object-10kb", "… of 10 KB, µs"),
    ("object-100kb", "… of 100 KB, µs"),
    ("object-1000kb", "… of 1 MB, µs"),
    ("load-cached", "load hello-controller from the compile cache, µs"),
    ("load-compiled", "load hello-controller with compilation, µs"),
];

/// Measures the engine without a host and a cluster.
///
/// # Errors
/// If a part is not built.
pub(crate) async fn run(seconds: f64) -> Result<Part> {
    let program = std::env::current_exe()?.with_file_name("joch-bench-engine");
    let component = |place: &str, name: &str| {
        let built = format!("target/wasm32-wasip2/guest/{}.wasm", name.replace('-', "_"));
        paths::find(&[&format!("{place}/{name}.wasm")], &built, "run `make plugins`")
    };
    let output = tokio::process::Command::new(&program)
        .arg(component("examples", "hello-controller")?)
        .arg(component("fixtures", "puppet")?)
        .arg(paths::root().join("wit"))
        .args(["--seconds", &seconds.to_string()])
        .output()
        .await
        .with_context(|| format!("cannot run {program:?}: run `make bench`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program:?} failed: {said}");
    let times: BTreeMap<String, Vec<f64>> = serde_json::from_slice(&output.stdout)?;
    let mut part = percentiles();
    for (key, what) in ALONE {
        let times = times.get(key).with_context(|| format!("no times of {key}"))?;
        add(&mut part, key, what, 0, times);
    }
    Ok(part)
}

/// A host that reads its stage's folder and talks to the API server itself.
fn options(stage: &Stage, kubeconfig: std::path::PathBuf) -> HostOptions {
    HostOptions { kubeconfig, log_level: "info".to_owned(), ..stage.options.clone() }
}

/// When, after `since`, the log tells of the first reconcile of each `plugin` by a version, if one is
/// named. A puppet's first line counts: it is written by the guest itself.
fn first_calls(host: &Host, since: SystemTime, digest: Option<&str>) -> Result<Vec<Duration>> {
    let mut first: BTreeMap<String, Duration> = BTreeMap::new();
    for line in host.log()?.lines() {
        let begins = line.message().contains("\"begin\":");
        let right = digest.is_none_or(|digest| line.text("digest").as_deref() == Some(digest));
        let (Some(plugin), Some(at)) = (line.text("plugin"), line.text("timestamp")) else {
            continue;
        };
        let at: SystemTime = at.parse::<jiff::Timestamp>()?.into();
        if let Ok(after) = at.duration_since(since)
            && begins
            && right
        {
            first.entry(plugin).or_insert(after);
        }
    }
    Ok(first.into_values().collect())
}
