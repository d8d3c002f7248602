//! Keeps one plugin as it is wanted: loads its versions, watches them prove themselves, returns to the
//! last good one, takes it out.
//!
//! # Guarantees
//! - A version that cannot be used never replaces one that is live (G4).
//! - A version that fails its probation is replaced by the last good one, and not tried again before
//!   something about the plugin changes.
//! - What is wanted is looked at as a whole, so that orders which follow each other fast cost nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use joch_controller::{Leases, PluginObject, PluginWriter, Trial, Version};
use joch_core::finalizer::{self, Kept};
use joch_core::lease::Tenure;
use joch_core::name::{Digest, PluginName};
use joch_core::port::KubeError;
use joch_core::probation::Verdict;
use joch_crds::joch::{HistoryEvent, PluginMode};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::board::Board;
use crate::load::{Loader, Refused};
use crate::record::{Grants, Live, Refusal};
use crate::wanted::{Artifact, Attempt, Wanted};

/// After what time something that may pass is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What a keeper is told to do.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Keep the plugin like this.
    Run(Arc<Wanted>),
    /// It is another replica's: drain it, and be ready for what is wanted of it.
    StandBy {
        /// The replica that has it, if that is known.
        holder: Option<String>,
        /// What is wanted.
        wanted: Option<Arc<Wanted>>,
    },
    /// Take it out.
    End(Ending),
}

/// How a plugin is taken out.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// Its finalizers are taken off its objects.
    pub(crate) release: bool,
    /// What becomes of its Plugin object.
    pub(crate) object: Option<Farewell>,
    /// Those that are known of a plugin that this host has not run.
    pub(crate) finalizers: BTreeSet<Kept>,
}

/// What becomes of the Plugin object when the plugin is out.
#[derive(Debug, Clone)]
pub(crate) enum Farewell {
    /// The host's finalizer is taken off.
    LetGo(Box<PluginObject>),
    /// It showed a plugin of the folder, and is deleted.
    Delete(Box<PluginObject>),
}

/// What all keepers share.
pub(crate) struct Shared {
    pub(crate) loader: Loader,
    pub(crate) board: Arc<Board>,
    pub(crate) writer: PluginWriter,
    pub(crate) leases: Arc<Leases>,
    /// Counts plugins that were taken out: what they held may be claimed by others now.
    pub(crate) taken_out: watch::Sender<u64>,
}

/// The keeper of one plugin.
pub(crate) struct Keeper {
    name: PluginName,
    shared: Arc<Shared>,
    tried: Option<Attempt>,
    live: Option<Arc<Version>>,
    /// The attempt that led to what is live; none after a roll-back.
    lived: Option<Attempt>,
    judged: bool,
    good: Option<Arc<Version>>,
    recalled: bool,
    again: Option<Instant>,
    /// This replica's time with what is live.
    tenure: Option<Tenure>,
    /// The version that was compiled while another replica has the plugin.
    warmed: Option<Digest>,
}

impl Keeper {
    pub(crate) fn new(name: PluginName, shared: Arc<Shared>) -> Self {
        Self {
            name,
            shared,
            tried: None,
            live: None,
            lived: None,
            judged: true,
            good: None,
            recalled: false,
            again: None,
            tenure: None,
            warmed: None,
        }
    }

    /// Obeys until the sender of orders is gone; `done` is the number of the order that was obeyed last.
    pub(crate) async fn run(
        mut self,
        mut orders: watch::Receiver<(u64, Order)>,
        done: watch::Sender<u64>,
    ) {
        let mut taken_out = self.shared.taken_out.subscribe();
        loop {
            let (number, order) = orders.borrow_and_update().clone();
            match &order {
                Order::Run(wanted) => self.keep(wanted).await,
                Order::StandBy { holder, wanted } => self.stand_by(holder, wanted.as_deref()).await,
                Order::End(ending) => self.end(ending).await,
            }
            done.send_replace(number);
            let probation = self.live.clone().filter(|_| !self.judged);
            let verdict = async {
                match &probation {
                    Some(version) => version.trial.verdict().await,
                    None => std::future::pending().await,
                }
            };
            let again = async {
                match self.again {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                verdict = verdict => self.judge(verdict).await,
                () = again => (self.tried, self.again) = (None, None),
                _ = taken_out.changed(), if self.again.is_some() => {
                    (self.tried, self.again) = (None, None);
                }
            }
        }
    }

    async fn keep(&mut self, wanted: &Wanted) {
        if self.tenure.as_ref().is_none_or(|tenure| !tenure.is(&wanted.tenure)) {
            // Another replica may have had it since: what is known of it is in its object.
            self.stop().await;
            self.tenure = Some(wanted.tenure.clone());
        }
        self.shared.board.with(&self.name, |record| {
            record.mode = wanted.mode;
            record.standby = None;
            record.terminating = false;
            if let Some(known) = wanted.known.as_ref().filter(|_| !self.recalled) {
                record.recall(known);
            }
        });
        self.recalled = true;
        if wanted.mode == PluginMode::Suspended {
            return self.suspend().await;
        }
        let attempt = wanted.attempt();
        if attempt.is_some() && attempt == self.tried {
            if attempt == self.lived {
                // A source that was broken for a while holds again what is live.
                self.shared.board.with(&self.name, |record| record.refusal = None);
            }
            return;
        }
        self.again = None;
        match self.try_version(wanted, attempt.as_ref()).await {
            Ok(()) => self.tried = attempt,
            Err(refused) => {
                self.tried = attempt.or_else(|| self.tried.take());
                self.again = refused.may_pass().then(|| Instant::now() + AGAIN);
                self.refuse(wanted, &refused);
                self.fall_back(wanted).await;
            }
        }
    }

    async fn try_version(
        &mut self,
        wanted: &Wanted,
        attempt: Option<&Attempt>,
    ) -> Result<(), Refused> {
        let artifact = wanted.artifact.as_ref().map_err(|text| Refused::Source(text.clone()))?;
        wanted.grants.as_ref().map_err(|text| Refused::Spec(text.clone()))?;
        let attempt = attempt.ok_or_else(|| Refused::Source("it has no version".to_owned()))?;
        let found = artifact.digest;
        if let Some(pin) = wanted.pin.as_ref().filter(|pin| **pin != found.to_string()) {
            return Err(Refused::Digest { found, wanted: pin.clone() });
        }
        let digest = found.to_string();
        let before = self.shared.board.with(&self.name, |record| {
            record.loading = Some(format!("version {} is being loaded", found.short()));
            record.rolled_back(&digest).map(str::to_owned)
        });
        // Tried before, with the same result: only a change of the plugin gives it another chance.
        if let Some(why) = before.filter(|_| self.tried.is_none()) {
            return Err(Refused::RolledBack(why));
        }
        let began = Instant::now();
        self.make_live(wanted, artifact, attempt, began, "Loaded").await
    }

    async fn make_live(
        &mut self,
        wanted: &Wanted,
        artifact: &Artifact,
        attempt: &Attempt,
        began: Instant,
        reason: &'static str,
    ) -> Result<(), Refused> {
        let digest = artifact.digest.to_string();
        let proven =
            self.shared.board.with(&self.name, |record| record.last_good.as_ref() == Some(&digest));
        let loader = &self.shared.loader;
        let version =
            loader.load(&self.name, artifact, attempt, proven, self.live.as_deref()).await?;
        self.install(Arc::new(version), began).await?;
        self.lived = Some(attempt.clone());
        let Some(live) = &self.live else { return Ok(()) };
        let number = live.manifest.plugin.version.clone();
        let message = format!("version {number} from {} is live", wanted.origin);
        self.note(HistoryEvent::Activated, Some((live.digest, number)), reason, message, false);
        self.shared.board.with(&self.name, |record| record.refusal = None);
        Ok(())
    }

    async fn install(&mut self, version: Arc<Version>, began: Instant) -> Result<(), Refused> {
        self.go_live(&version).await?;
        let took = began.elapsed();
        let number = version.manifest.plugin.version.clone();
        let digest = version.digest;
        info!(plugin = %self.name, version = number, digest = digest.short(), took = ?took, "plugin is live");
        let grants = Grants::of(&version.authority);
        if !grants.missing.is_empty() {
            warn!(plugin = %self.name, missing = grants.missing.join(", "), "optional grants are missing");
        }
        self.shared.board.with(&self.name, |record| {
            record.loading = None;
            record.grants = grants;
            record.shadow.clone_from(&version.shadow);
            if version.shadow.is_none() {
                record.finalizers.extend(finalizer::kept(&version.manifest));
            }
            record.live = Some(Live {
                digest: digest.to_string(),
                version: number,
                verdict: version.trial.so_far(),
                load_millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
        });
        self.judged = false;
        self.live = Some(version);
        Ok(())
    }

    /// Gives every turn to the version. If that cannot be, nothing has changed.
    async fn go_live(&self, version: &Arc<Version>) -> Result<(), Refused> {
        let leases = &self.shared.leases;
        let kinds = match version.shadow {
            Some(_) => BTreeSet::new(),
            None => version.manifest.reconciles().cloned().collect(),
        };
        leases.run(&self.name);
        let live = async {
            leases.claim(&self.name, &kinds).await?;
            Ok(self.shared.loader.registry.install(version.clone()).await?)
        };
        let live = live.await;
        if live.is_err() && self.live.is_none() {
            leases.rest(&self.name);
        }
        live
    }

    /// Notes a refusal, and says so once per reason.
    fn refuse(&self, wanted: &Wanted, refused: &Refused) {
        if let Refused::Superseded(why) = refused {
            // What took its place is the next order.
            debug!(plugin = %self.name, why, "a version was not loaded");
            return self.shared.board.with(&self.name, |record| record.loading = None);
        }
        let artifact = wanted.artifact.as_ref().ok();
        let refusal = Refusal {
            digest: artifact.map(|artifact| artifact.digest.to_string()),
            version: artifact.map(|artifact| artifact.manifest.plugin.version.clone()),
            reason: refused.reason(),
            message: refused.to_string(),
            about_grants: refused.is_about_grants(),
        };
        let message = refusal.message.clone();
        let (known, kept) = self.shared.board.with(&self.name, |record| {
            record.loading = None;
            let known = record.refusal.replace(refusal.clone()).is_some_and(|old| old == refusal);
            (known, record.live.as_ref().map(|live| live.digest.clone()))
        });
        if known {
            return;
        }
        error!(
            plugin = %self.name, source = %wanted.origin, digest = refusal.digest,
            kept = kept.as_deref().unwrap_or("none"), reason = message, "plugin is refused"
        );
        let version = artifact.map(|it| (it.digest, it.manifest.plugin.version.clone()));
        self.note(HistoryEvent::Refused, version, refused.reason(), message, true);
    }

    /// With nothing live, the version that proved itself last is better than none.
    async fn fall_back(&mut self, wanted: &Wanted) {
        let known = self.shared.board.with(&self.name, |record| record.last_good.clone());
        let (None, Some(digest), Ok(grants)) = (&self.live, known, &wanted.grants) else { return };
        let began = Instant::now();
        let Some(artifact) = self.shared.loader.remembered(digest.clone()).await else {
            warn!(plugin = %self.name, digest, "the last good version is not known any more");
            return;
        };
        let attempt = Attempt {
            digest: artifact.digest,
            pin: None,
            grants: grants.clone(),
            limits: wanted.limits.clone(),
            config: wanted.config.clone(),
            mode: wanted.mode,
        };
        let refusal = self.shared.board.with(&self.name, |record| record.refusal.clone());
        if let Err(error) = self.make_live(wanted, &artifact, &attempt, began, "FellBack").await {
            warn!(plugin = %self.name, digest, %error, "the last good version cannot be used either");
        }
        self.shared.board.with(&self.name, |record| record.refusal = refusal);
    }

    async fn judge(&mut self, verdict: Verdict) {
        self.judged = true;
        let Some(live) = self.live.clone() else { return };
        let (digest, number) = (live.digest, live.manifest.plugin.version.clone());
        match verdict {
            Verdict::OnProbation => self.judged = false,
            Verdict::Good => {
                self.good = Some(live);
                let news = self.shared.board.with(&self.name, |record| {
                    if let Some(live) = &mut record.live {
                        live.verdict = verdict;
                    }
                    record.last_good.replace(digest.to_string()) != Some(digest.to_string())
                });
                if news {
                    let message = format!("version {number} has proved itself");
                    info!(plugin = %self.name, version = number, digest = digest.short(), "{message}");
                    self.note(
                        HistoryEvent::Proven,
                        Some((digest, number)),
                        "Proven",
                        message,
                        false,
                    );
                }
            }
            Verdict::Bad => match self.good.clone().filter(|good| good.digest != digest) {
                Some(good) => self.roll_back(&live, &good).await,
                None => self.bear(digest, number),
            },
        }
    }

    async fn roll_back(&mut self, bad: &Version, good: &Version) {
        let (from, to) = (&bad.manifest.plugin.version, &good.manifest.plugin.version);
        let message = format!(
            "version {from} ({}) broke down on several objects; version {to} ({}) took its place again",
            bad.digest.short(),
            good.digest.short(),
        );
        let version = Version {
            digest: good.digest,
            manifest: good.manifest.clone(),
            authority: good.authority.clone(),
            code: good.code.clone(),
            trial: Trial::new(true),
            shadow: good.shadow.clone(),
        };
        if let Err(error) = self.install(Arc::new(version), Instant::now()).await {
            error!(plugin = %self.name, %error, "the last good version cannot take its place again");
            return self.bear(bad.digest, from.clone());
        }
        self.lived = None;
        error!(plugin = %self.name, "{message}");
        self.shared.loader.registry.count_rollback(&self.name);
        let refusal = Refusal {
            digest: Some(bad.digest.to_string()),
            version: Some(from.clone()),
            reason: "RolledBack",
            message: message.clone(),
            about_grants: false,
        };
        self.shared.board.with(&self.name, |record| record.refusal = Some(refusal));
        let version = Some((bad.digest, from.clone()));
        self.note(HistoryEvent::RolledBack, version, "RolledBack", message, true);
    }

    /// A version that breaks down, but there is none to return to.
    fn bear(&self, digest: Digest, number: String) {
        let message = format!("version {number} breaks down, and there is no version to return to");
        error!(plugin = %self.name, digest = digest.short(), "{message}");
        self.shared.board.with(&self.name, |record| {
            if let Some(live) = &mut record.live {
                live.verdict = Verdict::Bad;
            }
        });
        self.shared.writer.event(self.name.as_str(), true, "BreaksDown", message);
    }

    async fn suspend(&mut self) {
        (self.tried, self.again) = (None, None);
        let Some(version) = self.take_out().await else { return };
        let number = version.manifest.plugin.version.clone();
        let message = "suspended: its objects stay as they are".to_owned();
        self.note(
            HistoryEvent::Unloaded,
            Some((version.digest, number)),
            "Suspended",
            message,
            false,
        );
        self.shared.board.with(&self.name, |record| {
            record.live = None;
            record.refusal = None;
        });
    }

    /// Drains the plugin; the version that was live.
    async fn take_out(&mut self) -> Option<Arc<Version>> {
        let version = self.live.take()?;
        self.lived = None;
        info!(plugin = %self.name, "plugin is unloaded; its objects stay");
        self.shared.loader.registry.remove(&self.name).await;
        self.shared.leases.rest(&self.name);
        self.judged = true;
        self.shared.taken_out.send_modify(|count| *count += 1);
        Some(version)
    }

    /// Drains the plugin, and forgets what is known of it.
    async fn stop(&mut self) {
        self.take_out().await;
        let warmed = self.warmed;
        self.forget();
        self.warmed = warmed;
    }

    fn forget(&mut self) {
        *self = Self::new(self.name.clone(), self.shared.clone());
    }

    async fn stand_by(&mut self, holder: &Option<String>, wanted: Option<&Wanted>) {
        self.stop().await;
        self.shared.board.stand_by(&self.name, holder.clone());
        let runs = |wanted: &&Wanted| wanted.mode != PluginMode::Suspended;
        let artifact = wanted.filter(runs).and_then(|wanted| wanted.artifact.as_ref().ok());
        let Some(artifact) = artifact.filter(|it| self.warmed != Some(it.digest)) else { return };
        self.warmed = Some(artifact.digest);
        if let Err(error) = self.shared.loader.warm(artifact).await {
            // Whoever runs it says so in its object.
            debug!(plugin = %self.name, %error, "its version cannot be made ready");
        }
    }

    async fn end(&mut self, ending: &Ending) {
        self.again = None;
        let mut finalizers = ending.finalizers.clone();
        self.shared.board.with_known(&self.name, |record| {
            record.terminating = true;
            finalizers.extend(record.finalizers.iter().cloned());
        });
        self.take_out().await;
        match self.say_farewell(ending, &finalizers).await {
            Ok(()) => {
                self.shared.board.remove(&self.name);
                self.shared.writer.forget(self.name.as_str());
                self.forget();
            }
            Err(error) => {
                warn!(plugin = %self.name, %error, "the plugin's end is tried again");
                self.again = Some(Instant::now() + AGAIN);
            }
        }
    }

    async fn say_farewell(
        &self,
        ending: &Ending,
        finalizers: &BTreeSet<Kept>,
    ) -> Result<(), KubeError> {
        let writer = &self.shared.writer;
        if ending.release && !finalizers.is_empty() {
            let released = writer.release_finalizers(&self.name, finalizers).await?;
            let message = format!("its finalizers were taken off {released} objects");
            info!(plugin = %self.name, "{message}");
            writer.event(self.name.as_str(), false, "Uninstalled", message);
        }
        match &ending.object {
            None => Ok(()),
            Some(Farewell::LetGo(object)) => writer.hold(object, false).await,
            Some(Farewell::Delete(object)) => {
                if object.held {
                    writer.hold(object, false).await?;
                }
                writer.delete(object).await
            }
        }
    }

    /// Adds to the history, and publishes the same as an event.
    fn note(
        &self,
        event: HistoryEvent,
        version: Option<(Digest, String)>,
        reason: &str,
        message: String,
        warning: bool,
    ) {
        self.shared.writer.event(self.name.as_str(), warning, reason, message.clone());
        let (digest, version) = version.unzip();
        self.shared.board.note(&self.name, event, digest, version, reason, message);
    }
}
