//! Builds the parts, joins them, and takes them down again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use joch_artifact::{CacheBounds, CompileCache};
use joch_controller::{Accesses, LeaseOptions, Leases, Metrics, Registry};
use joch_core::grants_file::GrantsFile;
use joch_engine::{Engine, EngineConfig};
use prometheus_client::registry::Registry as MetricRegistry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::args::Args;
use crate::aside;
use crate::board::Board;
use crate::fleet::Fleet;
use crate::keeper::Shared;
use crate::load::Loader;
use crate::publish;
use crate::selection::Selection;

/// Runs the host until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// Whatever keeps the host from starting, named with the way out; or calls that did not finish within
/// the drain time.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.plugin_dir.is_some() || args.plugin_objects,
        "there is nothing to run: give --plugin-dir DIR, or leave --plugin-objects on"
    );
    let times = args.lease.times()?;
    let grants = grants(&args)?;
    let cache = CompileCache::open(&args.cache_dir()?, CacheBounds::default())?;
    let engine = Engine::new(&EngineConfig { max_instances: args.max_instances })?;
    let kubeconfig = args.kubeconfig.as_deref();
    let client = joch_controller::connect(kubeconfig).await?;
    let watching = joch_controller::connect_watching(kubeconfig, args.watch_stall).await?;
    let aside = aside::start()?;
    let listener = aside.spawn(admin::bind(args.admin)).await??;
    let poke = Arc::new(Notify::new());

    let mut metrics = MetricRegistry::default();
    let controller_metrics = Metrics::register(&mut metrics);
    let accesses = Accesses::new(client.clone(), args.namespaces.clone());
    let leases = if args.lease.are_on() {
        let options = LeaseOptions {
            kubeconfig: args.kubeconfig.clone(),
            namespace: args.lease.lease_namespace.clone(),
            name: replica_name(),
            times,
        };
        let metrics = controller_metrics.clone();
        let (leases, keeper) = Leases::new(client.clone(), options, poke.clone(), metrics);
        aside.spawn(keeper.run());
        Arc::new(leases)
    } else {
        Arc::new(Leases::none(client.clone()))
    };
    let namespaces = args.namespaces.clone();
    let registry = Registry::new(client, watching, leases.clone(), namespaces, controller_metrics);
    let registry = Arc::new(registry);
    let board = Arc::new(Board::default());
    let admin = Arc::new(Admin {
        registry: registry.clone(),
        board: board.clone(),
        leases: leases.clone(),
        metrics,
        scanned: AtomicBool::new(false),
    });
    let server = aside.spawn(admin::serve(listener, admin.clone()));
    let loader = Loader {
        engine,
        cache: Arc::new(cache),
        registry: registry.clone(),
        accesses,
        compiling: Semaphore::new(1),
    };
    let (writer, taken_out) = (registry.plugin_writer(), watch::Sender::new(0));
    let shared = Arc::new(Shared { loader, board, writer, leases: leases.clone(), taken_out });
    let plugins = args.plugin_dir.as_deref().unwrap_or(std::path::Path::new("none"));
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
    let objects = args.plugin_objects.then(|| Arc::new(registry.plugin_objects(poke.clone())));
    let publisher = objects
        .clone()
        .map(|objects| tokio::spawn(publish::publish(shared.clone(), move || objects.all())));
    let selection = Selection {
        plugins: args.plugins.iter().cloned().collect(),
        groups: args.groups.iter().cloned().collect(),
    };
    let fleet = Fleet::new(shared, selection, grants, objects, poke.clone());
    fleet.run(args.plugin_dir.clone(), poke, scanned, &stop).await?;
    signalled.abort();
    info!(drain = ?args.drain, "stopping: calls under way are finished");
    let drained = tokio::select! {
        drained = tokio::time::timeout(args.drain, registry.shut_down()) => drained.is_ok(),
        // A second signal: at once.
        () = told_to_stop() => false,
    };
    // Whatever is under way still: nothing is sent any more, and others may begin.
    if tokio::time::timeout(times.deadline, leases.leave()).await.is_err() {
        warn!("the Lease cannot be deleted; other replicas wait until it expires");
    }
    server.abort();
    if let Some(publisher) = publisher {
        publisher.abort();
    }
    anyhow::ensure!(drained, "stopped before every call under way was finished");
    info!("stopped");
    Ok(())
}

/// The name of this start of this replica: the pod's, or the machine's, with something random, so that it
/// is never used again.
fn replica_name() -> String {
    let named = std::env::var("HOSTNAME").ok().or_else(|| {
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned())
    });
    let legal = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = named.unwrap_or_default().chars().map(legal).take(100).collect();
    let name = match name.trim_matches('-') {
        "" => "joch",
        name => name,
    };
    format!("{name}-{:08x}", rand::random::<u32>())
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
