//! Which plugins this replica runs (G9): the decisions are [`joch_core::lease`]'s; here they are carried
//! out, on a thread and with a client of their own, so that no guest and no busy runtime delays them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use joch_core::lease::{Held, Seat, Snapshot, Taken, Tenure, Times, Wishes};
use joch_core::name::PluginName;
use joch_core::object::Gvk;
use kube::Client;
use tokio::sync::{Notify, watch};

use crate::fence::fenced;
use crate::kinds::lock;
use crate::metrics::Metrics;

mod drive;
mod wire;

pub use drive::LeaseKeeper;

/// How long a kind is waited for that is neither taken nor given.
const PATIENCE: Duration = Duration::from_secs(20);

/// How Leases are kept.
#[derive(Debug, Clone)]
pub struct LeaseOptions {
    /// The kubeconfig file; none is as kubectl or a pod has it.
    pub kubeconfig: Option<PathBuf>,
    /// Where the Leases are; none is the namespace of the pod, or of the kubeconfig.
    pub namespace: Option<String>,
    /// What the replica is called: the pod's name.
    pub name: String,
    /// How long things take.
    pub times: Times,
}

/// What is known of the Leases.
#[derive(Debug, Clone, Default)]
struct State {
    /// The own member's name.
    member: String,
    held: BTreeMap<PluginName, Held>,
    kinds: BTreeSet<Seat>,
    /// All Leases, once they were listed; kept when the next list fails.
    known: Option<Arc<Snapshot>>,
    left: bool,
}

/// A kind is reconciled by a plugin of another replica, or cannot be claimed for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotClaimed {
    /// The kind.
    pub kind: Gvk,
    /// The plugin that has it, if that is why.
    pub by: Option<PluginName>,
}

/// The seats of this replica. Without Leases it has all of them.
pub struct Leases {
    inner: Option<Inner>,
    client: Client,
    /// The tenure of who is alone.
    alone: Tenure,
}

struct Inner {
    wishes: watch::Sender<Wishes>,
    state: watch::Receiver<State>,
    clients: Mutex<HashMap<PluginName, (Tenure, Client)>>,
}

impl Leases {
    /// One replica that has no others beside it.
    #[must_use]
    pub fn none(client: Client) -> Self {
        Self { inner: None, client, alone: Tenure::unbounded() }
    }

    /// A replica among others, and what has to be run for it. `poke` is notified when something changed.
    #[must_use]
    pub fn new(
        client: Client,
        options: LeaseOptions,
        poke: Arc<Notify>,
        metrics: Metrics,
    ) -> (Self, LeaseKeeper) {
        let (state, receiver) = watch::channel(State::default());
        let wishes = watch::Sender::new(Wishes::default());
        let keeper = LeaseKeeper::new(options, wishes.subscribe(), state, poke, metrics);
        let inner = Inner { wishes, state: receiver, clients: Mutex::default() };
        (Self { inner: Some(inner), client, alone: Tenure::closed() }, keeper)
    }

    /// Waits, at most so long, until it is known which replicas there are.
    pub async fn known(&self, patience: Duration) {
        let Some(inner) = &self.inner else { return };
        let mut state = inner.state.clone();
        let known = state.wait_for(|state| state.known.is_some());
        drop(tokio::time::timeout(patience, known).await);
    }

    /// Whether it is known which replicas there are.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.state.borrow().known.is_some())
    }

    /// The plugins that this replica could run.
    pub fn want(&self, plugins: BTreeSet<PluginName>) {
        self.wish(|wishes| {
            let news = wishes.plugins != plugins;
            wishes.plugins = plugins;
            news
        });
    }

    /// The plugin's seat, if it is this replica's; it may have been asked back.
    #[must_use]
    pub fn held(&self, plugin: &PluginName) -> Option<Held> {
        match &self.inner {
            None => Some(Held { tenure: self.alone.clone(), asked_back: false }),
            Some(inner) => inner.state.borrow().held.get(plugin).cloned(),
        }
    }

    /// The other member that has the plugin's seat.
    #[must_use]
    pub fn holder(&self, plugin: &PluginName) -> Option<String> {
        let state = self.inner.as_ref()?.state.borrow();
        state.elsewhere(&Seat::Plugin(plugin.clone())).map(|taken| taken.holder.clone())
    }

    /// Whether another member could run the plugin.
    #[must_use]
    pub fn is_wanted_elsewhere(&self, plugin: &PluginName) -> bool {
        let Some(inner) = &self.inner else { return false };
        let state = inner.state.borrow();
        let Some(known) = &state.known else { return true };
        let mut others = known.members.iter().filter(|(member, _)| **member != state.member);
        others.any(|(_, seen)| seen.plugins.contains(plugin))
    }

    /// From now on the plugin's seat is not given up before [`Leases::rest`].
    pub fn run(&self, plugin: &PluginName) {
        self.wish(|wishes| wishes.running.insert(plugin.clone()));
    }

    /// The plugin is drained: its seat and its kinds may be given up.
    pub fn rest(&self, plugin: &PluginName) {
        self.wish(|wishes| {
            let kinds = wishes.kinds.len();
            wishes.kinds.retain(|_, by| by != plugin);
            wishes.running.remove(plugin) || wishes.kinds.len() != kinds
        });
    }

    /// Claims kinds for a plugin, so that no plugin of another replica reconciles them too. Kinds that it
    /// had and that are not among them are given up.
    ///
    /// # Errors
    /// [`NotClaimed`]; what the plugin had before it still has.
    pub async fn claim(
        &self,
        plugin: &PluginName,
        kinds: &BTreeSet<Gvk>,
    ) -> Result<(), NotClaimed> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let before: Vec<Seat> = {
            let wishes = inner.wishes.borrow();
            wishes
                .kinds
                .iter()
                .filter(|(_, by)| *by == plugin)
                .map(|(seat, _)| seat.clone())
                .collect()
        };
        self.wish(|wishes| {
            let wanted = kinds.iter().map(|kind| (Seat::of_kind(kind), plugin.clone()));
            // Of two plugins of this replica the first has it; the registry says so to the second.
            for (seat, by) in wanted {
                wishes.kinds.entry(seat).or_insert(by);
            }
            true
        });
        let claimed = self.all_claimed(inner, plugin, kinds).await;
        let kept: BTreeSet<Seat> = match &claimed {
            Ok(()) => kinds.iter().map(Seat::of_kind).collect(),
            Err(_) => before.into_iter().collect(),
        };
        self.wish(|wishes| {
            wishes.kinds.retain(|seat, by| by != plugin || kept.contains(seat));
            true
        });
        claimed
    }

    async fn all_claimed(
        &self,
        inner: &Inner,
        plugin: &PluginName,
        kinds: &BTreeSet<Gvk>,
    ) -> Result<(), NotClaimed> {
        let mut state = inner.state.clone();
        let began = tokio::time::Instant::now();
        for kind in kinds {
            let seat = Seat::of_kind(kind);
            let no = |by| NotClaimed { kind: kind.clone(), by };
            let by = inner.wishes.borrow().kinds.get(&seat).cloned();
            if let Some(by) = by.filter(|by| by != plugin) {
                return Err(no(Some(by)));
            }
            let settled = state
                .wait_for(|state| state.kinds.contains(&seat) || state.elsewhere(&seat).is_some());
            let patience = PATIENCE.saturating_sub(began.elapsed());
            match tokio::time::timeout(patience, settled).await {
                Ok(Ok(state)) => match state.elsewhere(&seat) {
                    Some(taken) if !state.kinds.contains(&seat) => {
                        return Err(no(Some(taken.plugin.clone())));
                    }
                    _ => {}
                },
                Ok(Err(_)) | Err(_) => return Err(no(None)),
            }
        }
        Ok(())
    }

    /// A client for a plugin's requests: they are sent only while the seat that this replica has now is its
    /// own.
    #[must_use]
    pub fn client(&self, plugin: &PluginName) -> Client {
        let Some(inner) = &self.inner else { return self.client.clone() };
        let held = self.held(plugin);
        let tenure = held.map_or_else(Tenure::closed, |held| held.tenure);
        let mut clients = lock(&inner.clients);
        clients.retain(|_, (tenure, _)| !tenure.is_over());
        match clients.get(plugin) {
            Some((known, client)) if known.is(&tenure) => client.clone(),
            _ => {
                let client = fenced(&self.client, tenure.clone());
                clients.insert(plugin.clone(), (tenure, client.clone()));
                client
            }
        }
    }

    /// Gives everything up, once everything is drained; returns when that is done.
    pub async fn leave(&self) {
        let Some(inner) = &self.inner else { return };
        self.wish(|wishes| {
            wishes.leave = true;
            true
        });
        let mut state = inner.state.clone();
        state.wait_for(|state| state.left).await.ok();
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes) -> bool) {
        if let Some(inner) = &self.inner {
            inner.wishes.send_if_modified(change);
        }
    }
}

impl State {
    /// A seat that is another member's.
    fn elsewhere(&self, seat: &Seat) -> Option<&Taken> {
        self.known.as_ref()?.holder(seat).filter(|taken| taken.holder != self.member)
    }
}
