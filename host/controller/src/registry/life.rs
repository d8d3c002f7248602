//! One controller from its start to its end: wait for its kinds, fill its caches, run, drain.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use joch_core::manifest::{ControllerSpec, WatchData};
use joch_core::object::Gvk;
use kube::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{ControllerView, Shared, Version};
use crate::controller::Controller;
use crate::hub::{Listener, View};
use crate::kinds::{Served, lock};
use crate::rates::Rates;
use crate::session::{Applied, JobLedger, Surroundings};

/// How long to wait before asking again for a kind that is not served.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// A controller's life.
pub(crate) struct Life {
    spec: ControllerSpec,
    stop: CancellationToken,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

enum State {
    /// The caches are being filled.
    Syncing,
    /// The API server does not serve this kind, or cannot be asked.
    WaitingFor(Gvk),
    Running(Arc<Controller>),
}

impl Life {
    /// Starts it; `client` sends its requests.
    pub(super) fn start(
        shared: Arc<Shared>,
        client: Client,
        spec: ControllerSpec,
        version: Arc<ArcSwap<Version>>,
        rates: Arc<Rates>,
        stop: CancellationToken,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::Syncing));
        let life = live(shared, client, spec.clone(), version, rates, stop.clone(), state.clone());
        let task = tokio::spawn(life);
        Self { spec, stop, state, task }
    }

    pub(super) fn spec(&self) -> &ControllerSpec {
        &self.spec
    }

    /// Ends it: turns under way are finished first.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            error!(controller = %self.spec.name, %error, "a controller's task ended badly");
        }
    }

    pub(super) fn sweep(&self) {
        if let State::Running(controller) = &*lock(&self.state) {
            controller.sweep();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        !matches!(*lock(&self.state), State::Syncing)
    }

    pub(super) fn view(&self, version: &Version) -> ControllerView {
        let (state, load) = match &*lock(&self.state) {
            State::Syncing => ("Syncing".to_owned(), None),
            State::WaitingFor(kind) => (format!("WaitingFor {kind}"), None),
            State::Running(controller) => {
                let load = controller.load();
                let state = if load.resting { "Resting" } else { "Running" };
                (state.to_owned(), Some(load))
            }
        };
        let load = load.as_ref();
        ControllerView {
            plugin: version.plugin().to_owned(),
            controller: self.spec.name.to_string(),
            primary: self.spec.primary.to_string(),
            digest: version.digest.to_string(),
            version: version.manifest.plugin.version.clone(),
            state,
            waiting: load.map_or(0, |load| load.waiting),
            running: load.map_or(0, |load| load.running),
            objects: load.map_or(0, |load| load.objects),
            turns: load.map_or(0, |load| load.turns),
            parked: load.map_or(0, |load| load.parked),
            parked_objects: load
                .map(|load| load.parked_objects.iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        }
    }
}

async fn live(
    shared: Arc<Shared>,
    client: Client,
    spec: ControllerSpec,
    version: Arc<ArcSwap<Version>>,
    rates: Arc<Rates>,
    stop: CancellationToken,
    state: Arc<Mutex<State>>,
) {
    let prepared = stop.run_until_cancelled(prepare(&shared, &spec, &state)).await;
    let Some(views) = prepared else { return };
    let around = Surroundings {
        client,
        kinds: shared.kinds.clone(),
        metrics: shared.metrics.clone(),
        notes: shared.notes.clone(),
        rates,
        controller: spec.name.to_string(),
        views,
        applied: Mutex::new(Applied::default()),
        jobs: Mutex::new(JobLedger::default()),
        dropped: Mutex::default(),
        overruled: Mutex::default(),
    };
    let views: Vec<View> = around.views.values().cloned().collect();
    let controller = Controller::new(spec.clone(), version, around);
    let listener: Arc<dyn Listener> = controller.clone();
    views.iter().for_each(|view| view.subscribe(&listener));
    *lock(&state) = State::Running(controller.clone());
    info!(controller = %spec.name, primary = %spec.primary, objects = controller.load().objects, "controller runs");
    controller.run(stop).await;
    info!(controller = %spec.name, "controller drained");
}

/// Opens the watches of every kind that the controller reconciles or watches, and waits for them.
async fn prepare(
    shared: &Shared,
    spec: &ControllerSpec,
    state: &Mutex<State>,
) -> HashMap<Gvk, View> {
    let mut kinds: BTreeMap<&Gvk, WatchData> = BTreeMap::new();
    for watch in &spec.watch {
        let data = kinds.entry(&watch.kind).or_insert(watch.data);
        *data = watch.data.max(*data);
    }
    for kind in spec.reconciles() {
        kinds.insert(kind, WatchData::Full);
    }
    let mut views = HashMap::new();
    for (kind, data) in kinds {
        let served = served(shared, kind, state).await;
        views.insert(kind.clone(), shared.hub.open(kind, &served, data));
    }
    *lock(state) = State::Syncing;
    for view in views.values() {
        view.synced().await;
    }
    views
}

/// Waits until the API server serves `kind`.
async fn served(shared: &Shared, kind: &Gvk, state: &Mutex<State>) -> Served {
    let mut told = false;
    loop {
        let reason = match shared.kinds.find(kind).await {
            Ok(Some(served)) => return served,
            Ok(None) => "the API server does not serve it; is its CRD installed?".to_owned(),
            Err(error) => format!("the API server cannot be asked: {error}"),
        };
        if !told {
            warn!(%kind, reason, "waiting for a kind");
            told = true;
        }
        *lock(state) = State::WaitingFor(kind.clone());
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
