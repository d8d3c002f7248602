//! How a test of the control-plane suite runs: when asked for, on one runtime, on one shared control
//! plane, a few at a time.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, RwLock};

use crate::cluster::Cluster;
use crate::{paths, puppet};

/// The variable that asks for the suite.
pub const VARIABLE: &str = "JOCH_SUITE";
/// The variable that asks for the stories on a node.
pub const NODE: &str = "JOCH_NODE";

/// One control plane for all tests of the process. Its clients belong to one runtime, so the tests do.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static RUNTIME: std::sync::OnceLock<std::io::Result<Runtime>> = std::sync::OnceLock::new();
/// Held shared by ordinary tests, alone by those that need the machine for themselves.
static MACHINE: RwLock<()> = RwLock::const_new(());

fn wanted(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Runs `test` on the shared control plane, which has our CRDs; or says loudly that it was skipped.
///
/// # Errors
/// The test's, or that of starting the control plane.
pub fn on_cluster(name: &str, test: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    run(name, async || {
        let _shared = MACHINE.read().await;
        test(shared_cluster().await?).await
    })
}

/// Like [`on_cluster`], while no other test runs.
///
/// # Errors
/// The test's, or that of starting the control plane.
pub fn alone_on_cluster(name: &str, test: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    run(name, async || {
        let _alone = MACHINE.write().await;
        test(shared_cluster().await?).await
    })
}

/// Runs `test` on a bare control plane of its own, without our CRDs.
///
/// # Errors
/// The test's, or that of starting the control plane.
pub fn on_bare_cluster(name: &str, test: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    run(name, async || {
        let _shared = MACHINE.read().await;
        let cluster = Cluster::start().await?;
        test(&cluster).await
    })
}

/// Runs a story on a cluster of its own with a real node and our CRDs, one story at a time.
///
/// # Errors
/// The story's, or that of starting the cluster.
pub fn on_node(name: &str, story: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    run_if(NODE, name, async || {
        let _alone = MACHINE.write().await;
        let cluster = Cluster::start_with_node().await?;
        cluster.apply(&paths::root().join("crds"), None).await?;
        story(&cluster).await
    })
}

async fn shared_cluster() -> Result<&'static Cluster> {
    let start = async || {
        let cluster = Cluster::start().await?;
        cluster.apply(&paths::root().join("crds"), None).await?;
        cluster.apply(&puppet::definitions(), None).await?;
        Ok(cluster)
    };
    CLUSTER.get_or_try_init(start).await
}

/// Writes a line that the test runner does not swallow, as it does with `println!` of a test that passes.
///
/// # Errors
/// If stderr is closed.
pub fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

fn run(name: &str, test: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    run_if(VARIABLE, name, test)
}

fn run_if(variable: &str, name: &str, test: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    if !wanted(variable) {
        return say(&format!("SKIPPED {name}: set {variable}=1 (or `make test`)"));
    }
    let runtime = RUNTIME.get_or_init(Runtime::new).as_ref().ok().context("no runtime")?;
    runtime.block_on(test())
}
