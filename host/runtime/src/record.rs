//! What is known of one plugin, and the status of its Plugin object made from it. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use joch_controller::{ControllerView, ShadowLog};
use joch_core::authority::Authority;
use joch_core::finalizer::Kept;
use joch_core::probation::Verdict;
use joch_core::told::{self, Told};
use joch_crds::joch::{
    HistoryEntry, HistoryEvent, KeptFinalizer, PluginMode, PluginPhase, PluginStatus,
};
use serde_json::{Value, json};

/// How many entries the history keeps.
const HISTORY: usize = 10;
/// How many finalizers the status names; no plugin that is meant to be used has as many.
const FINALIZERS: usize = 256;
/// How many of a shadow's writes the status shows.
const SHADOW: usize = 10;

/// A version that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) digest: String,
    pub(crate) version: String,
    pub(crate) verdict: Verdict,
    /// From the first look at its bytes until every turn was given it, in milliseconds.
    pub(crate) load_millis: u64,
}

/// A version that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) digest: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) about_grants: bool,
}

/// What a plugin asks for and what it got, as texts for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Grants {
    pub(crate) requested: Vec<String>,
    pub(crate) granted: Vec<String>,
    pub(crate) missing: Vec<String>,
}

impl Grants {
    /// The lines of an authority.
    pub(crate) fn of(authority: &Authority) -> Self {
        let lines = |told: Vec<Told>| told.iter().map(ToString::to_string).collect();
        Self {
            requested: lines(told::requested(authority)),
            granted: lines(told::granted(authority)),
            missing: authority.missing_optional.clone(),
        }
    }
}

/// A plugin that is another replica's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standby {
    pub(crate) holder: Option<String>,
}

/// What is known of one plugin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) mode: PluginMode,
    /// What is being done to make a version live.
    pub(crate) loading: Option<String>,
    pub(crate) live: Option<Live>,
    pub(crate) last_good: Option<String>,
    /// Why the newest version is not live, if it is not.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) grants: Grants,
    pub(crate) shadow: Option<Arc<ShadowLog>>,
    pub(crate) terminating: bool,
    /// Another replica runs it, or is about to; which one, if that is known.
    pub(crate) standby: Option<Standby>,
    /// The finalizers that its versions have kept on their objects.
    pub(crate) finalizers: BTreeSet<Kept>,
    history: VecDeque<HistoryEntry>,
}

/// What the status of a Plugin object says of finalizers.
pub(crate) fn finalizers(status: &PluginStatus) -> BTreeSet<Kept> {
    let kept = |KeptFinalizer { kind, name }: &KeptFinalizer| {
        Some(Kept { kind: kind.parse().ok()?, name: name.clone() })
    };
    status.finalizers.iter().filter_map(kept).collect()
}

impl Record {
    /// The plugin is another replica's: nothing else is known of it but the finalizers that were set here, of
    /// which the other one may not have heard.
    pub(crate) fn stand_by(&mut self, standby: Standby) {
        let finalizers = std::mem::take(&mut self.finalizers);
        *self = Self { standby: Some(standby), finalizers, ..Self::default() };
    }

    /// Takes over what an earlier host knew.
    pub(crate) fn recall(&mut self, status: &PluginStatus) {
        self.history = status.history.iter().take(HISTORY).cloned().collect();
        self.last_good.clone_from(&status.last_good_digest);
        self.finalizers.extend(finalizers(status));
    }

    /// Adds an entry, the newest first.
    pub(crate) fn note(&mut self, entry: HistoryEntry) {
        self.history.push_front(entry);
        self.history.truncate(HISTORY);
    }

    /// The last thing that happened to a version was that it was rolled back: why.
    pub(crate) fn rolled_back(&self, digest: &str) -> Option<&str> {
        let of_it = |entry: &&HistoryEntry| {
            entry.digest.as_deref() == Some(digest) && entry.event != HistoryEvent::Refused
        };
        let last = self.history.iter().find(of_it)?;
        (last.event == HistoryEvent::RolledBack).then_some(&last.message)
    }

    /// The status of its Plugin object, as a report: what is not there is taken off.
    pub(crate) fn report(&self, controllers: &[ControllerView]) -> Value {
        let live = self.live.as_ref();
        let shadow = self.shadow.as_ref().filter(|_| live.is_some());
        let states = controllers.iter().map(|view| {
            json!({"name": view.controller, "kind": view.primary, "state": state(view),
                          "parked": view.parked})
        });
        let finalizers = self.finalizers.iter().take(FINALIZERS);
        let finalizers =
            finalizers.map(|kept| json!({"kind": kept.kind.to_string(), "name": kept.name}));
        json!({
            "phase": self.phase(),
            "digest": live.map(|live| &live.digest),
            "version": live.map(|live| &live.version),
            "lastGoodDigest": self.last_good,
            "requested": self.grants.requested,
            "granted": self.grants.granted,
            "missing": self.grants.missing,
            "controllers": states.collect::<Vec<_>>(),
            "finalizers": finalizers.collect::<Vec<_>>(),
            "shadow": shadow.map(|log| json!({"writes": log.total(), "recent": log.recent(SHADOW)})),
            "history": self.history,
            "conditions": [
                self.ready(controllers), self.grants_satisfied(), self.compatible(),
                self.healthy(controllers),
            ],
        })
    }

    fn phase(&self) -> PluginPhase {
        match (self.terminating, self.mode, &self.live, &self.refusal) {
            (true, ..) => PluginPhase::Terminating,
            (_, PluginMode::Suspended, ..) => PluginPhase::Suspended,
            // What is live, not what is wanted.
            (_, _, Some(_), _) if self.shadow.is_some() => PluginPhase::Shadow,
            (_, _, Some(_), _) => PluginPhase::Active,
            (_, _, None, Some(_)) => PluginPhase::Refused,
            (_, _, None, None) => PluginPhase::Loading,
        }
    }

    fn ready(&self, controllers: &[ControllerView]) -> Value {
        let no = |reason: &str, message: &str| condition("Ready", "False", reason, message);
        if self.terminating {
            return no("Terminating", "the plugin is being taken out");
        }
        if self.mode == PluginMode::Suspended {
            return no("Suspended", "spec.mode says so");
        }
        if let Some(refusal) = &self.refusal {
            return no(refusal.reason, &refusal.message);
        }
        if self.live.is_none() {
            return no("Loading", self.loading.as_deref().unwrap_or("its source is being read"));
        }
        match controllers.iter().find(|view| view.state != "Running") {
            Some(view) => no("NotRunning", &format!("{}: {}", view.controller, view.state)),
            None => {
                let next =
                    self.loading.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
                let without: String = { controllers.iter() }
                    .filter(|view| !view.without.is_empty())
                    .map(|view| format!("; {}: {}", view.controller, state(view)))
                    .collect();
                let text = format!("every controller runs{without}{next}");
                condition("Ready", "True", "Running", &text)
            }
        }
    }

    fn grants_satisfied(&self) -> Value {
        let kind = "GrantsSatisfied";
        match &self.refusal {
            Some(refusal) if refusal.about_grants => {
                condition(kind, "False", refusal.reason, &refusal.message)
            }
            _ if self.live.is_none() => condition(kind, "Unknown", "NotLoaded", ""),
            _ if self.grants.missing.is_empty() => condition(kind, "True", "Granted", ""),
            _ => {
                let missing = self.grants.missing.join(", ");
                condition(kind, "True", "OptionalMissing", &format!("not granted: {missing}"))
            }
        }
    }

    fn compatible(&self) -> Value {
        match &self.refusal {
            Some(refusal) if !refusal.about_grants && refusal.reason != "RolledBack" => {
                condition("Compatible", "False", refusal.reason, &refusal.message)
            }
            _ if self.live.is_some() => condition("Compatible", "True", "Loaded", ""),
            _ => condition("Compatible", "Unknown", "NotLoaded", ""),
        }
    }

    fn healthy(&self, controllers: &[ControllerView]) -> Value {
        let kind = "Healthy";
        if let Some(refusal) = self.refusal.as_ref().filter(|it| it.reason == "RolledBack") {
            return condition(kind, "False", refusal.reason, &refusal.message);
        }
        let bad = self.live.as_ref().is_some_and(|live| live.verdict == Verdict::Bad);
        if let Some(view) = controllers.iter().find(|view| !bad && view.state == "Resting") {
            let message = format!("controller {} broke on several objects", view.controller);
            return condition(kind, "False", "Resting", &message);
        }
        match self.live.as_ref().map(|live| live.verdict) {
            None => condition(kind, "Unknown", "NotLoaded", ""),
            Some(Verdict::OnProbation) => {
                condition(kind, "Unknown", "OnProbation", "it has not proved itself yet")
            }
            Some(Verdict::Good) => condition(kind, "True", "Proven", ""),
            Some(Verdict::Bad) => {
                let message = "it breaks down, and there is no version to return to";
                condition(kind, "False", "BreaksDown", message)
            }
        }
    }
}

/// What a controller is doing, and the optional kinds that it does without.
fn state(view: &ControllerView) -> String {
    match view.without.as_slice() {
        [] => view.state.clone(),
        kinds => format!("{} without {}", view.state, kinds.join(", ")),
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(verdict: Verdict) -> Live {
        Live { digest: "sha256:1".into(), version: "1.0".into(), verdict, load_millis: 1 }
    }

    fn refusal(reason: &'static str, about_grants: bool) -> Refusal {
        let message = format!("because of {reason}");
        Refusal { digest: None, version: None, reason, message, about_grants }
    }

    fn controller(state: &str) -> ControllerView {
        ControllerView {
            plugin: "p".into(),
            controller: "c".into(),
            primary: "a.io/v1/A".into(),
            digest: "sha256:1".into(),
            version: "1.0".into(),
            state: state.into(),
            without: vec![],
            waiting: 0,
            running: 0,
            objects: 0,
            turns: 0,
            parked: 0,
            parked_objects: vec![],
        }
    }

    /// Phase, then each condition as `Type=Status/Reason`.
    fn told(record: &Record, controllers: &[ControllerView]) -> String {
        let report = record.report(controllers);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = report["conditions"].as_array().unwrap().iter().map(|condition| {
            let [kind, status, reason] =
                ["type", "status", "reason"].map(|name| text(&condition[name]));
            format!(" {kind}={status}/{reason}")
        });
        text(&report["phase"]) + &conditions.collect::<String>()
    }

    #[test]
    fn finalizers_that_a_status_names_are_known_to_the_next_host() {
        let kept = |kind: &str, name: &str| KeptFinalizer { kind: kind.into(), name: name.into() };
        let known = vec![kept("a.io/v1/A", "a.io/one"), kept("a.io/v1/A", "a.io/two")];
        let junk = kept("no kind", "a.io/three");
        let finalizers = [known.clone(), vec![junk]].concat();
        let version = Kept { kind: "b.io/v1/B".parse().unwrap(), name: "b.io/one".into() };
        let mut record = Record { finalizers: [version].into(), ..Record::default() };
        record.recall(&PluginStatus { finalizers, ..PluginStatus::default() });
        let told = record.report(&[])["finalizers"].clone();
        let told: Vec<KeptFinalizer> = serde_json::from_value(told).unwrap();
        assert_eq!(told, [known, vec![kept("b.io/v1/B", "b.io/one")]].concat());
    }

    #[test]
    fn phase_and_conditions_by_what_happened() {
        let running = [controller("Running")];
        let record = Record::default();
        assert_eq!(
            told(&record, &[]),
            "Loading Ready=False/Loading GrantsSatisfied=Unknown/NotLoaded \
             Compatible=Unknown/NotLoaded Healthy=Unknown/NotLoaded"
        );
        let record = Record { live: Some(live(Verdict::Good)), ..Record::default() };
        assert_eq!(
            told(&record, &running),
            "Active Ready=True/Running GrantsSatisfied=True/Granted Compatible=True/Loaded \
             Healthy=True/Proven"
        );
        assert!(told(&record, &[controller("Syncing")]).contains("Ready=False/NotRunning"));
        let resting = told(&record, &[controller("Running"), controller("Resting")]);
        assert!(resting.contains("Ready=False/NotRunning"), "{resting}");
        assert!(resting.ends_with("Healthy=False/Resting"), "{resting}");
        let loading =
            Record { loading: Some("version 2 is being loaded".into()), ..record.clone() };
        let ready = &loading.report(&running)["conditions"][0];
        assert_eq!(ready["message"], "every controller runs; version 2 is being loaded");
        let without = ControllerView { without: vec!["a.io/v1/B".into()], ..controller("Running") };
        let report = record.report(&[without]);
        assert_eq!(report["controllers"][0]["state"], "Running without a.io/v1/B");
        let ready = &report["conditions"][0];
        assert_eq!(ready["status"], "True");
        assert_eq!(ready["message"], "every controller runs; c: Running without a.io/v1/B");
        let record = Record { refusal: Some(refusal("DoesNotCompile", false)), ..record };
        assert_eq!(
            told(&record, &running),
            "Active Ready=False/DoesNotCompile GrantsSatisfied=True/Granted \
             Compatible=False/DoesNotCompile Healthy=True/Proven"
        );
        let record = Record { refusal: Some(refusal("RolledBack", false)), ..record };
        assert!(told(&record, &running).ends_with(
            "Ready=False/RolledBack GrantsSatisfied=True/Granted Compatible=True/Loaded \
             Healthy=False/RolledBack"
        ));
        let record = Record { refusal: Some(refusal("MissingGrants", true)), ..Record::default() };
        assert_eq!(
            told(&record, &[]),
            "Refused Ready=False/MissingGrants GrantsSatisfied=False/MissingGrants \
             Compatible=Unknown/NotLoaded Healthy=Unknown/NotLoaded"
        );
        let record = Record {
            live: Some(live(Verdict::Bad)),
            shadow: Some(Arc::default()),
            grants: Grants { missing: vec!["create on v1/ConfigMap".into()], ..Grants::default() },
            ..Record::default()
        };
        assert_eq!(
            told(&record, &running),
            "Shadow Ready=True/Running GrantsSatisfied=True/OptionalMissing \
             Compatible=True/Loaded Healthy=False/BreaksDown"
        );
        let record = Record { mode: PluginMode::Suspended, ..record };
        assert!(told(&record, &running).starts_with("Suspended Ready=False/Suspended"));
    }

    #[test]
    fn the_history_keeps_ten_and_knows_what_was_rolled_back_last() {
        let entry = |event, digest: &str| HistoryEntry {
            at: "2026-01-01T00:00:00Z".into(),
            event,
            digest: Some(digest.into()),
            version: None,
            reason: "R".into(),
            message: format!("{digest} {event:?}"),
        };
        let mut record = Record::default();
        record.note(entry(HistoryEvent::Activated, "a"));
        record.note(entry(HistoryEvent::RolledBack, "a"));
        record.note(entry(HistoryEvent::Refused, "a"));
        assert_eq!(record.rolled_back("a"), Some("a RolledBack"));
        assert_eq!(record.rolled_back("b"), None);
        record.note(entry(HistoryEvent::Activated, "a"));
        assert_eq!(record.rolled_back("a"), None);
        for _ in 0..HISTORY {
            record.note(entry(HistoryEvent::Refused, "c"));
        }
        assert_eq!(record.report(&[])["history"].as_array().unwrap().len(), HISTORY);
    }
}
