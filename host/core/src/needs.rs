//! What the host itself has to be allowed by the cluster, for itself and for each plugin: the source both
//! of the question whether it may, and of the roles that let it.
//!
//! # Guarantees
//! Everything that the host does for a plugin within its authority is listed; nothing that lies outside
//! what was requested and granted is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::authority::Authority;
use crate::grant::{self, Part, Place, Verb};
use crate::manifest::Manifest;
use crate::object::Gvk;

/// Something that the host has to be allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// The kind.
    pub kind: Gvk,
    /// The subresource, if it is one.
    pub subresource: Option<String>,
    /// Only the object of this name.
    pub name: Option<String>,
    /// Where.
    pub place: Where,
    /// The verb.
    pub verb: Verb,
}

/// Where the host has to be allowed something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Where {
    /// In the cluster scope.
    Cluster,
    /// In every namespace that the host looks at.
    Watched,
    /// In this namespace.
    Namespace(String),
}

/// What is needed, each with what for, in one word.
pub type Needs = BTreeMap<Need, BTreeSet<&'static str>>;

/// The kind of Jobs.
fn job() -> Gvk {
    Gvk::new("batch", "v1", "Job")
}

/// The kind of the Events that the host publishes.
fn event() -> Gvk {
    Gvk::new("events.k8s.io", "v1", "Event")
}

/// The namespace of Events about cluster-scoped objects.
const DEFAULT: &str = "default";

/// What the host does whatever the plugins: it keeps the Plugin objects, tells what becomes of them, and
/// asks what it may do itself.
#[must_use]
pub fn of_host() -> Needs {
    let plugin = Gvk::new("joch.dev", "v1alpha1", "Plugin");
    let review = Gvk::new("authorization.k8s.io", "v1", "SelfSubjectAccessReview");
    let everything =
        [Verb::Get, Verb::List, Verb::Watch, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];
    let mut needs = Collector::default();
    for verb in everything {
        needs.add(verb, &plugin, None, Where::Cluster, "plugins");
    }
    for verb in [Verb::Update, Verb::Patch] {
        needs.add(verb, &plugin, Some("status"), Where::Cluster, "plugins");
    }
    for verb in [Verb::Create, Verb::Patch] {
        needs.add(verb, &event(), None, Where::Namespace(DEFAULT.to_owned()), "events");
    }
    needs.add(Verb::Create, &review, None, Where::Cluster, "access");
    needs.0
}

/// What the host does to share plugins with other replicas by Leases in a namespace.
#[must_use]
pub fn of_leases(namespace: &str) -> Needs {
    let lease = Gvk::new("coordination.k8s.io", "v1", "Lease");
    let mut needs = Collector::default();
    for verb in [Verb::List, Verb::Create, Verb::Patch, Verb::Delete] {
        needs.add(verb, &lease, None, Where::Namespace(namespace.to_owned()), "leases");
    }
    needs.0
}

/// What the host does to follow the ConfigMap that a Plugin object names as its source.
#[must_use]
pub fn of_source(namespace: &str, name: &str) -> Needs {
    let mut needs = Needs::new();
    for verb in [Verb::List, Verb::Watch] {
        let need = Need {
            kind: Gvk::new("", "v1", "ConfigMap"),
            subresource: None,
            name: Some(name.to_owned()),
            place: Where::Namespace(namespace.to_owned()),
            verb,
        };
        needs.insert(need, BTreeSet::from(["source"]));
    }
    needs
}

/// What the host does for a plugin. `namespaced` tells whether a kind's objects are in namespaces; where
/// that is not known, they are taken to be unless only the cluster scope is spoken of.
#[must_use]
pub fn of_plugin(
    manifest: &Manifest,
    authority: &Authority,
    namespaced: impl Fn(&Gvk) -> Option<bool>,
) -> Needs {
    let mut needs = Collector::default();
    let effective: Vec<Part<'_>> =
        grant::effective(&authority.requested, &authority.granted).collect();
    for part in &effective {
        let elsewhere = || {
            let same = |other: &&Part<'_>| {
                (other.verb, other.kind, other.subresource)
                    == (part.verb, part.kind, part.subresource)
                    && other.place != Place::Cluster
            };
            effective.iter().any(|other| same(&other))
        };
        let namespaced =
            namespaced(part.kind).unwrap_or_else(|| part.place != Place::Cluster || elsewhere());
        if let Some(place) = place(part.place, namespaced) {
            // An apply without the grant to create looks for its object first.
            let create = Part { verb: Verb::Create, ..*part };
            let applies = part.verb == Verb::Patch && part.subresource.is_none();
            if applies && !effective.contains(&create) {
                needs.add(Verb::Get, part.kind, None, place.clone(), "grants");
            }
            needs.add(part.verb, part.kind, part.subresource, place, "grants");
        }
    }
    for controller in &manifest.controllers {
        let scope = |kind: &Gvk| match namespaced(kind) {
            Some(false) => Where::Cluster,
            Some(true) | None => Where::Watched,
        };
        let watched = controller.watch.iter().map(|watch| &watch.kind);
        for kind in controller.reconciles().chain(watched) {
            for verb in [Verb::List, Verb::Watch] {
                needs.add(verb, kind, None, scope(kind), "watches");
            }
        }
        for kind in controller.reconciles() {
            needs.add(Verb::Patch, kind, Some("status"), scope(kind), "status");
            if controller.finalizer.is_some() {
                needs.add(Verb::Patch, kind, None, scope(kind), "finalizer");
            }
            let place = match scope(kind) {
                Where::Cluster => Where::Namespace(DEFAULT.to_owned()),
                place => place,
            };
            for verb in [Verb::Create, Verb::Patch] {
                needs.add(verb, &event(), None, place.clone(), "events");
            }
        }
    }
    if authority.jobs.is_some() {
        // Read, when the name is taken: by whom?
        for verb in [Verb::Get, Verb::Create] {
            needs.add(verb, &job(), None, Where::Watched, "jobs");
        }
    }
    let secrets = &authority.secrets;
    for (name, at) in grant::effective_secrets(&secrets.requested, &secrets.granted) {
        if let Some(place) = place(at, true) {
            let name = (!name.ends_with('*')).then(|| name.to_owned());
            let kind = Gvk::new("", "v1", "Secret");
            let need = Need { kind, subresource: None, name, place, verb: Verb::Get };
            needs.0.entry(need).or_default().insert("secrets");
        }
    }
    needs.0
}

/// Where a rule's place is, for a kind that is in namespaces or not; none if nothing of it is there.
fn place(place: Place<'_>, namespaced: bool) -> Option<Where> {
    match (place, namespaced) {
        (Place::Same | Place::All, true) => Some(Where::Watched),
        (Place::Named(name), true) => Some(Where::Namespace(name.to_owned())),
        (Place::Cluster, true) | (Place::Named(_), false) => None,
        (Place::Same | Place::All | Place::Cluster, false) => Some(Where::Cluster),
    }
}

#[derive(Default)]
struct Collector(Needs);

impl Collector {
    fn add(
        &mut self,
        verb: Verb,
        kind: &Gvk,
        subresource: Option<&str>,
        place: Where,
        why: &'static str,
    ) {
        let subresource = subresource.map(str::to_owned);
        let need = Need { kind: kind.clone(), subresource, name: None, place, verb };
        self.0.entry(need).or_default().insert(why);
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb.as_str(), self.kind)?;
        if let Some(subresource) = &self.subresource {
            write!(f, "/{subresource}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
