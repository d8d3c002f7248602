//! Carries out what a replica asks, one request after the other.

use std::sync::Arc;
use std::time::Duration;

use joch_core::lease::{Answer, Ask, Replica, Step, Wishes};
use joch_core::name::PluginName;
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use super::wire::{Trouble, Wire};
use super::{LeaseOptions, State};
use crate::client::connect_quickly;
use crate::fence::clock;
use crate::metrics::{LeaseLabels, Metrics, NameLabels};

/// What a replica's Leases need to be run for.
pub struct LeaseKeeper {
    options: LeaseOptions,
    wishes: watch::Receiver<Wishes>,
    state: watch::Sender<State>,
    poke: Arc<Notify>,
    metrics: Metrics,
    /// What was said of the last trouble, so that it is said once.
    told: Option<String>,
}

impl LeaseKeeper {
    pub(super) fn new(
        options: LeaseOptions,
        wishes: watch::Receiver<Wishes>,
        state: watch::Sender<State>,
        poke: Arc<Notify>,
        metrics: Metrics,
    ) -> Self {
        Self { options, wishes, state, poke, metrics, told: None }
    }

    /// Keeps the Leases until the replica leaves. To be run on a thread that does nothing long.
    pub async fn run(mut self) {
        let LeaseOptions { kubeconfig, namespace, name, times } = self.options.clone();
        let client = loop {
            match connect_quickly(kubeconfig.as_deref(), times.retry).await {
                Ok(client) => break client,
                Err(error) => {
                    self.tell(&Trouble { text: error.to_string(), denied: false });
                    tokio::time::sleep(times.retry).await;
                }
            }
        };
        let wire = Wire::new(client, namespace, times);
        info!(
            namespace = wire.namespace(),
            name,
            ?times,
            "plugins are shared with other replicas by Leases"
        );
        let mut replica = Replica::new(name, times);
        loop {
            replica.wish(self.wishes.borrow_and_update().clone());
            match replica.next(clock()) {
                Step::Ask(ask) => self.ask(&wire, &mut replica, &ask).await,
                Step::Wait(until) => {
                    let pause = until.saturating_sub(clock()).max(Duration::from_millis(1));
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        changed = self.wishes.changed() => if changed.is_err() { return },
                    }
                }
                Step::Left => {
                    self.state.send_modify(|state| state.left = true);
                    return;
                }
            }
        }
    }

    async fn ask(&mut self, wire: &Wire, replica: &mut Replica, ask: &Ask) {
        let sent = clock();
        let (answer, trouble) = wire.perform(ask).await;
        let result = match &answer {
            Answer::Done(_) | Answer::Listed(_) => "done",
            Answer::Refused => "refused",
            Answer::Unknown => "unknown",
        };
        let request = match ask {
            Ask::Join { .. } => "join",
            Ask::Renew { .. } => "renew",
            Ask::List => "list",
            Ask::Take { .. } => "take",
            Ask::Vacate { .. } => "vacate",
            Ask::End { .. } => "end",
        };
        self.metrics.lease_requests.get_or_create(&LeaseLabels { request, result }).inc();
        match &trouble {
            Some(trouble) => self.tell(trouble),
            None if matches!(answer, Answer::Listed(_)) && self.told.take().is_some() => {
                info!("Leases can be used again");
            }
            None => {}
        }
        if let (Ask::End { member, .. }, Answer::Done(_)) = (ask, &answer)
            && member != replica.member()
        {
            warn!(member, "a replica has not renewed its Lease: its plugins are taken over");
        }
        let before = replica.member().to_owned();
        replica.answered(ask, answer, sent, clock());
        if replica.member() != before {
            self.metrics.lease_lost.inc();
            error!(
                member = before,
                now = replica.member(),
                "this replica's Lease was ended by another one, since it was not renewed in time; its plugins \
                 are taken out here"
            );
        }
        self.publish(replica);
    }

    /// Shows what changed.
    fn publish(&self, replica: &Replica) {
        let held = replica.held();
        let known = replica.snapshot();
        let kinds =
            self.wishes.borrow().kinds.keys().filter(|seat| replica.has(seat)).cloned().collect();
        let changed = self.state.send_if_modified(|state| {
            let same_held = state.held.len() == held.len()
                && state.held.iter().zip(&held).all(|((a, x), (b, y))| {
                    a == b && x.tenure.is(&y.tenure) && x.asked_back == y.asked_back
                });
            let same_known = known.is_none() || state.known.as_deref() == known;
            if same_held && same_known && state.kinds == kinds && state.member == replica.member() {
                return false;
            }
            for gone in state.held.keys().filter(|name| !held.contains_key(*name)) {
                info!(plugin = %gone, "its Lease is given up");
                self.leads(gone, false);
            }
            for name in held.keys().filter(|name| !state.held.contains_key(*name)) {
                info!(plugin = %name, "its Lease is this replica's");
                self.leads(name, true);
            }
            (state.held, state.kinds) = (held, kinds);
            state.member = replica.member().to_owned();
            if let Some(known) = known {
                state.known = Some(Arc::new(known.clone()));
                let members = i64::try_from(known.members.len()).unwrap_or(i64::MAX);
                self.metrics.lease_members.set(members);
            }
            true
        });
        if changed {
            self.poke.notify_one();
        }
    }

    fn leads(&self, plugin: &PluginName, leads: bool) {
        let label = NameLabels { name: plugin.to_string() };
        self.metrics.leads.get_or_create(&label).set(leads.into());
    }

    /// Says what is wrong, once.
    fn tell(&mut self, trouble: &Trouble) {
        if self.told.as_ref() == Some(&trouble.text) {
            return;
        }
        if trouble.denied {
            error!(
                reason = trouble.text,
                "Leases cannot be used, so no plugin runs; `joch-controller-manager rbac` prints the role that \
                 allows them, and with --leases false the host runs alone"
            );
        } else {
            warn!(reason = trouble.text, "a Lease could not be read or written; it is tried again");
        }
        self.told = Some(trouble.text.clone());
    }
}
