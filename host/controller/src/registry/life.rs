//! One controller from its start to its end: wait for its kinds, fill its caches, run, drain.
//!
//! # Guarantees
//! - A kind that the API server stops to serve takes the controller back to waiting for it; an optional one
//!   that goes or appears has it go on without, or with it. It is drained first (G1), and everything is
//!   reconciled afterwards (G2). Watches of its other kinds go on meanwhile.
//! - It asks for a kind that is not served at most every ten seconds in the long run.
//! - Once it was settled, it stays so: what happens to the kinds of one plugin does not make the host unready.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use joch_core::backoff;
use joch_core::manifest::ControllerSpec;
use joch_core::object::Gvk;
use kube::Client;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{ControllerView, Shared, Version};
use crate::controller::Controller;
use crate::hub::{Listener, View};
use crate::kinds::{Served, lock};
use crate::metrics::NameLabels;
use crate::rates::Rates;
use crate::session::{Applied, JobLedger, Surroundings};

/// The longest time to wait before asking again for a kind that is not served.
const LONGEST: Duration = Duration::from_secs(10);
/// Kinds that went away more often than this are asked for after growing delays.
const CALM: Duration = Duration::from_secs(60);

/// The objects of each kind that a controller reconciles or watches.
type Views = HashMap<Gvk, View>;

/// A controller's life.
pub(crate) struct Life {
    spec: ControllerSpec,
    stop: CancellationToken,
    place: Arc<Place>,
    task: JoinHandle<()>,
}

enum State {
    /// The caches are being filled; these watches were opened so far.
    Syncing(Views),
    /// The API server does not serve this kind, or cannot be asked.
    WaitingFor(Gvk),
    Running(Arc<Controller>),
}

/// Where a controller is in its life, as others see it.
struct Place {
    state: Mutex<State>,
    /// Whether it ran or waited for a kind before.
    settled: AtomicBool,
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
        let place = Arc::new(Place {
            state: Mutex::new(State::Syncing(Views::new())),
            settled: AtomicBool::new(false),
        });
        let (own, turns) = (spec.clone(), Arc::default());
        let course = Course {
            shared,
            client,
            spec: own,
            version,
            rates,
            place: place.clone(),
            turns,
            told: None,
        };
        let task = tokio::spawn(course.run(stop.clone()));
        Self { spec, stop, place, task }
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
        if let State::Running(controller) = &*lock(&self.place.state) {
            controller.sweep();
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        // A watch that is refused may be so for long.
        let denied = match &*lock(&self.place.state) {
            State::Syncing(views) => views.values().any(|view| view.denied().is_some()),
            _ => false,
        };
        denied || self.place.settled.load(Ordering::Acquire)
    }

    pub(super) fn view(&self, version: &Version) -> ControllerView {
        let denied = |what: String| format!("Denied watch {what}");
        let (state, running) = match &*lock(&self.place.state) {
            State::Syncing(views) => {
                let refused = views.values().find_map(View::denied);
                (refused.map_or("Syncing".to_owned(), denied), None)
            }
            State::WaitingFor(kind) => (format!("WaitingFor {kind}"), None),
            State::Running(controller) => {
                let load = controller.load();
                let state = match controller.denied() {
                    Some(refused) => denied(refused),
                    None if load.resting => "Resting".to_owned(),
                    None => "Running".to_owned(),
                };
                (state, Some((load, controller.without())))
            }
        };
        let (load, without) = running.unzip();
        let load = load.as_ref();
        ControllerView {
            plugin: version.plugin().to_owned(),
            controller: self.spec.name.to_string(),
            primary: self.spec.primary.to_string(),
            digest: version.digest.to_string(),
            version: version.manifest.plugin.version.clone(),
            state,
            without: without.unwrap_or_default(),
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

/// What ends a run of a controller besides its end.
enum News {
    /// The API server does not serve this kind any more.
    Gone(Gvk),
    /// It serves this optional one by now.
    Appeared(Gvk),
}

/// A controller's way through its life.
struct Course {
    shared: Arc<Shared>,
    client: Client,
    spec: ControllerSpec,
    version: Arc<ArcSwap<Version>>,
    rates: Arc<Rates>,
    place: Arc<Place>,
    turns: Arc<AtomicU64>,
    /// The kind of which was said that it is waited for.
    told: Option<Gvk>,
}

impl Course {
    async fn run(mut self, stop: CancellationToken) {
        let mut views = Views::new();
        let mut losses = 0_u32;
        loop {
            let began = Instant::now();
            let stopped = stop.child_token();
            let Some(prepared) = stop.run_until_cancelled(self.prepare(&mut views)).await else {
                break;
            };
            let news = match prepared {
                Err(gone) => News::Gone(gone),
                Ok(absent) => match self.work(&views, absent, stopped).await {
                    Some(news) => news,
                    None => break,
                },
            };
            views.retain(|_, view| !view.is_gone());
            match news {
                News::Appeared(kind) => {
                    info!(controller = %self.spec.name, %kind, "an optional kind is served by now");
                    self.set(State::Syncing(views.clone()));
                }
                News::Gone(kind) => {
                    losses = if began.elapsed() < CALM { losses.saturating_add(1) } else { 1 };
                    // Discovery may still name a kind that is gone, for a moment.
                    let pause = backoff::ask_again(losses, LONGEST, rand::random());
                    if is_optional(&self.spec, &kind) {
                        self.set(State::Syncing(views.clone()));
                    } else {
                        self.wait_for(&kind, "it was deleted, or is being defined anew");
                    }
                    let pause = tokio::time::sleep(pause);
                    if stop.run_until_cancelled(pause).await.is_none() {
                        break;
                    }
                }
            }
        }
        self.show_waiting(false);
    }

    /// Runs the controller until something about its kinds changes; none if it was stopped instead.
    /// Whatever it was: turns under way are finished then.
    async fn work(
        &mut self,
        views: &Views,
        absent: BTreeSet<Gvk>,
        stop: CancellationToken,
    ) -> Option<News> {
        let Self { shared, spec, version, rates, .. } = &*self;
        let around = Surroundings {
            client: self.client.clone(),
            kinds: shared.kinds.clone(),
            metrics: shared.metrics.clone(),
            notes: shared.notes.clone(),
            rates: rates.clone(),
            controller: spec.name.to_string(),
            views: views.clone(),
            absent: absent.clone(),
            applied: Mutex::new(Applied::default()),
            jobs: Mutex::new(JobLedger::default()),
            dropped: Mutex::default(),
            overruled: Mutex::default(),
        };
        let controller = Controller::new(spec.clone(), version.clone(), around, self.turns.clone());
        let listener: Arc<dyn Listener> = controller.clone();
        views.values().for_each(|view| view.subscribe(&listener));
        self.set(State::Running(controller.clone()));
        self.told = None;
        let (name, objects) = (&self.spec.name, controller.load().objects);
        let without = controller.without().join(", ");
        info!(controller = %name, primary = %self.spec.primary, objects, without, "controller runs");
        let mut run = std::pin::pin!(controller.run(stop.clone()));
        let news = tokio::select! {
            () = &mut run => None,
            kind = gone(views) => Some(News::Gone(kind)),
            kind = self.appeared(&absent) => Some(News::Appeared(kind)),
        };
        if let Some(news) = &news {
            if let News::Gone(kind) = news
                && !is_optional(&self.spec, kind)
            {
                self.set(State::WaitingFor(kind.clone()));
            }
            stop.cancel();
            run.await;
        }
        info!(controller = %self.spec.name, "controller drained");
        news
    }

    /// Opens the watches of every kind that the controller reconciles or watches, unless they are open, and
    /// waits for them; the optional kinds that are not served.
    ///
    /// # Errors
    /// A kind that went away meanwhile.
    async fn prepare(&mut self, views: &mut Views) -> Result<BTreeSet<Gvk>, Gvk> {
        let watched = self.spec.watch.iter().map(|watch| &watch.kind);
        let kinds: BTreeSet<Gvk> = self.spec.reconciles().chain(watched).cloned().collect();
        let mut absent = BTreeSet::new();
        for kind in kinds {
            if views.contains_key(&kind) {
                continue;
            }
            let data = self.spec.kept(&kind).unwrap_or_default();
            match self.served(&kind).await {
                Some(served) => {
                    let view = self.shared.hub.open(&kind, &served, &data);
                    views.insert(kind, view);
                }
                None => drop(absent.insert(kind)),
            }
        }
        self.set(State::Syncing(views.clone()));
        for (kind, view) in &*views {
            if !view.synced().await {
                return Err(kind.clone());
            }
        }
        Ok(absent)
    }

    /// Waits until the API server serves `kind`; none if it does not, and the kind is optional.
    async fn served(&mut self, kind: &Gvk) -> Option<Served> {
        for attempt in 1_u32.. {
            let reason = match self.shared.kinds.find(kind).await {
                Ok(Some(served)) => return Some(served),
                Ok(None) if is_optional(&self.spec, kind) => return None,
                Ok(None) => "the API server does not serve it; is its CRD installed?".to_owned(),
                Err(error) => format!("the API server cannot be asked: {error}"),
            };
            self.wait_for(kind, &reason);
            tokio::time::sleep(backoff::ask_again(attempt, LONGEST, rand::random())).await;
        }
        None
    }

    /// Waits until one of these kinds is served.
    async fn appeared(&self, absent: &BTreeSet<Gvk>) -> Gvk {
        if absent.is_empty() {
            std::future::pending::<()>().await;
        }
        for attempt in 1_u32.. {
            tokio::time::sleep(backoff::ask_again(attempt, LONGEST, rand::random())).await;
            for kind in absent {
                if let Ok(Some(_)) = self.shared.kinds.find(kind).await {
                    return kind.clone();
                }
            }
        }
        std::future::pending().await
    }

    /// Shows that the controller waits for a kind; says so once.
    fn wait_for(&mut self, kind: &Gvk, reason: &str) {
        self.set(State::WaitingFor(kind.clone()));
        if self.told.as_ref() != Some(kind) {
            warn!(controller = %self.spec.name, %kind, reason, "waiting for a kind");
            self.told = Some(kind.clone());
        }
    }

    fn set(&self, state: State) {
        self.show_waiting(matches!(state, State::WaitingFor(_)));
        if !matches!(state, State::Syncing(_)) {
            self.place.settled.store(true, Ordering::Release);
        }
        *lock(&self.place.state) = state;
    }

    fn show_waiting(&self, waiting: bool) {
        let name = format!("{}/{}", self.version.load().plugin(), self.spec.name);
        self.shared.metrics.waiting.get_or_create(&NameLabels { name }).set(waiting.into());
    }
}

/// Whether the controller goes on while `kind` is not served.
fn is_optional(spec: &ControllerSpec, kind: &Gvk) -> bool {
    let mut entries = spec.watch.iter().filter(|watch| watch.kind == *kind).peekable();
    entries.peek().is_some() && entries.all(|watch| watch.optional)
}

/// Waits until the API server stops to serve one of the kinds.
async fn gone(views: &Views) -> Gvk {
    let gone = async |(kind, view): (&Gvk, &View)| {
        view.gone().await;
        kind.clone()
    };
    let mut any: FuturesUnordered<_> = views.iter().map(gone).collect();
    match any.next().await {
        Some(kind) => kind,
        None => std::future::pending().await,
    }
}
