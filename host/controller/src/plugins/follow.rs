//! Follows all Plugin objects, if the API server serves them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use joch_core::manifest::WatchData;
use joch_core::object::Gvk;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::{PluginObject, plugin_kind};
use crate::hub::{Listener, View};
use crate::kinds::{Served, lock};
use crate::registry::Shared;
use crate::store::Change;

/// How long to wait before asking again whether the kind is served.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// All Plugin objects, as they are now. Dropping it ends the watch.
pub struct PluginObjects {
    view: Arc<Mutex<Option<View>>>,
    listener: Arc<Poke>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asking,
    NotServed,
    Synced,
}

/// Pokes whoever looks at the objects.
struct Poke(Arc<Notify>);

impl Listener for Poke {
    fn changed(&self, _: &Change) {
        self.0.notify_one();
    }
}

impl PluginObjects {
    /// Begins to follow; `poke` is notified of every change.
    pub(crate) fn follow(shared: Arc<Shared>, poke: Arc<Notify>) -> Self {
        let (state, receiver) = watch::channel(State::Asking);
        let view = Arc::new(Mutex::new(None));
        let listener = Arc::new(Poke(poke));
        let task = tokio::spawn(open(shared, view.clone(), listener.clone(), state));
        Self { view, listener, state: receiver, task }
    }

    /// Waits, at most so long, until it is known which objects there are, or that the API server does
    /// not serve the kind.
    pub async fn known(&self, patience: Duration) {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| *state != State::Asking);
        drop(tokio::time::timeout(patience, known).await);
    }

    /// Whether the API server serves the kind, so that objects can be written.
    #[must_use]
    pub fn served(&self) -> bool {
        *self.state.borrow() == State::Synced
    }

    /// The objects, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<PluginObject> {
        let view = lock(&self.view).clone();
        let Some(view) = view else { return Vec::new() };
        let keys = view.keys();
        keys.iter().filter_map(|key| Some(PluginObject::of(key, &*view.get(key)?))).collect()
    }

    /// Pokes by hand: something else changed.
    pub fn poke(&self) {
        self.listener.0.notify_one();
    }
}

impl Drop for PluginObjects {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows for ever: a definition that is deleted is waited for again.
async fn open(
    shared: Arc<Shared>,
    slot: Arc<Mutex<Option<View>>>,
    listener: Arc<Poke>,
    state: watch::Sender<State>,
) {
    let kind = plugin_kind();
    let told: Arc<dyn Listener> = listener.clone();
    loop {
        let served = served(&shared, &kind, &state).await;
        let view = shared.hub.open(&kind, &served, &WatchData::Full);
        if view.synced().await {
            view.subscribe(&told);
            *lock(&slot) = Some(view.clone());
            state.send_replace(State::Synced);
            listener.0.notify_one();
            view.gone().await;
            *lock(&slot) = None;
            state.send_replace(State::NotServed);
            warn!("the API server does not serve {kind} any more: there are no Plugin objects");
            listener.0.notify_one();
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Waits until the API server serves Plugin objects.
async fn served(shared: &Shared, kind: &Gvk, state: &watch::Sender<State>) -> Served {
    loop {
        match shared.kinds.find(kind).await {
            Ok(Some(served)) => return served,
            Ok(None) => {
                if state.send_replace(State::NotServed) == State::Asking {
                    info!(
                        "the API server does not serve {kind}: plugins come from the folder only"
                    );
                }
            }
            Err(error) => debug!(%error, "the API server cannot be asked for {kind}"),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
