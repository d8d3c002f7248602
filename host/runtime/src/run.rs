//! Builds the parts, joins them, and takes them down again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use joch_artifact::{CacheBounds, CompileCache};
use joch_controller::{Accesses, Metrics, Registry};
use joch_core::grants_file::GrantsFile;
use joch_engine::{Engine, EngineConfig};
use prometheus_client::registry::Registry as MetricRegistry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::args::Args;
use crate::board::Board;
use crate::fleet::Fleet;
use crate::keeper::Shared;
use crate::load::Loader;
use crate::publish;

/// Runs the host until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Whatever keeps the host from starting, named with the way out; or calls that did not finish within
/// the drain time.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.plugins.is_some() || args.plugin_objects,
        "there is nothing to run: give --plugins DIR, or leave --plugin-objects on"
    );
    let grants = grants(&args)?;
    let cache = CompileCache::open(&args.cache_dir()?, CacheBounds::default())?;
    let engine = Engine::new(&EngineConfig { max_instances: args.max_instances })?;
    let kubeconfig = args.kubeconfig.as_deref();
    let client = joch_controller::connect(kubeconfig).await?;
    let watching = joch_controller::connect_watching(kubeconfig, args.watch_stall).await?;
    let listener = admin::bind(args.admin).await?;

    let mut metrics = MetricRegistry::default();
    let controller_metrics = Metrics::register(&mut metrics);
    let accesses = Accesses::new(client.clone(), args.namespaces.clone());
    let registry = Registry::new(client, watching, args.namespaces.clone(), controller_metrics);
    let registry = Arc::new(registry);
    let board = Arc::new(Board::default());
    let admin = Arc::new(Admin {
        registry: registry.clone(),
        board: board.clone(),
        metrics,
        scanned: AtomicBool::new(false),
    });
    let server = tokio::spawn(admin::serve(listener, admin.clone()));
    let loader = Loader {
        engine,
        cache: Arc::new(cache),
        registry: registry.clone(),
        accesses,
        compiling: Semaphore::new(1),
    };
    let (writer, taken_out) = (registry.plugin_writer(), watch::Sender::new(0));
    let shared = Arc::new(Shared { loader, board, writer, taken_out });
    let plugins = args.plugins.as_deref().unwrap_or(std::path::Path::new("none"));
    info!(plugins = %plugins.display(), admin = %args.admin, "joch-controller-manager starts");

    let scanned = move || admin.scanned.store(true, Ordering::Release);
    let stop = CancellationToken::new();
    let signalled = tokio::spawn({
        let stop = stop.clone();
        async move {
            told_to_stop().await;
            stop.cancel();
        }
    });
    let poke = Arc::new(Notify::new());
    let objects = args.plugin_objects.then(|| Arc::new(registry.plugin_objects(poke.clone())));
    let publisher = objects
        .clone()
        .map(|objects| tokio::spawn(publish::publish(shared.clone(), move || objects.all())));
    let fleet = Fleet::new(shared, grants, objects, poke.clone());
    fleet.run(args.plugins.clone(), poke, scanned, &stop).await?;
    signalled.abort();
    info!(drain = ?args.drain, "stopping: calls under way are finished");
    let drained = tokio::select! {
        drained = tokio::time::timeout(args.drain, registry.shut_down()) => drained.is_ok(),
        // A second signal: at once.
        () = told_to_stop() => false,
    };
    server.abort();
    if let Some(publisher) = publisher {
        publisher.abort();
    }
    anyhow::ensure!(drained, "stopped before every call under way was finished");
    info!("stopped");
    Ok(())
}

fn grants(args: &Args) -> anyhow::Result<GrantsFile> {
    let Some(path) = &args.grants else {
        warn!("no grants file is given (--grants): plugins may only read");
        return Ok(GrantsFile::default());
    };
    let named = || format!("grants file {path:?}");
    let text = std::fs::read_to_string(path).with_context(named)?;
    GrantsFile::parse(&text).map_err(anyhow::Error::msg).with_context(named)
}

/// Returns at SIGTERM or SIGINT.
async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("signals cannot be received; the host runs until it is killed");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
