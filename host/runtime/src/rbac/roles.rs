//! Needs become the rules of roles: merged, sorted, each with the plugins that it is for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use joch_controller::Resource;
use joch_core::grant::Verb;
use joch_core::needs::Where;
use joch_core::object::Gvk;

use super::Wanted;

/// The rules of the cluster's role, and of one role in each of some namespaces.
pub(super) struct Roles {
    pub(super) cluster: Vec<Rule>,
    pub(super) local: BTreeMap<String, Vec<Rule>>,
}

/// Some verbs on some resources of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) group: String,
    pub(super) resources: BTreeSet<String>,
    /// Only the objects of these names; all if empty.
    pub(super) names: BTreeSet<String>,
    pub(super) verbs: BTreeSet<Verb>,
    pub(super) reasons: Reasons,
}

/// Who needs something, and what for.
type Reasons = BTreeMap<String, BTreeSet<&'static str>>;

/// Which resource, and which object of it; none is all.
type Target = (String, String, Option<String>);

/// What is needed within one role.
type Scope = BTreeMap<Target, BTreeMap<Verb, Reasons>>;

impl Roles {
    /// `namespaces` are those that the host looks at; empty is all.
    pub(super) fn of(
        wanted: &Wanted,
        resources: &BTreeMap<Gvk, Resource>,
        namespaces: &[String],
    ) -> Self {
        let (mut cluster, mut local) = (Scope::new(), BTreeMap::<String, Scope>::new());
        for (need, reasons) in wanted {
            let Some(resource) = resources.get(&need.kind) else { continue };
            let name = match &need.subresource {
                Some(subresource) => format!("{}/{subresource}", resource.plural),
                None => resource.plural.clone(),
            };
            let target = (need.kind.group.to_string(), name, need.name.clone());
            let add = |scope: &mut Scope| {
                let verbs = scope.entry(target.clone()).or_default();
                let all = verbs.entry(need.verb).or_default();
                merge(all, reasons.clone());
            };
            match &need.place {
                Where::Namespace(name) => add(local.entry(name.clone()).or_default()),
                Where::Watched if !namespaces.is_empty() => {
                    namespaces.iter().for_each(|name| add(local.entry(name.clone()).or_default()))
                }
                Where::Watched | Where::Cluster => add(&mut cluster),
            }
        }
        fold(&mut cluster, None);
        for scope in local.values_mut() {
            fold(scope, Some(&mut cluster));
        }
        let mut local: BTreeMap<String, Vec<Rule>> =
            local.into_iter().map(|(name, scope)| (name, rules(scope))).collect();
        local.retain(|_, rules| !rules.is_empty());
        Self { cluster: rules(cluster), local }
    }
}

/// Takes out what is allowed by something wider: all objects of the resource, or the cluster's role; the
/// reasons go there.
fn fold(scope: &mut Scope, mut wider: Option<&mut Scope>) {
    let targets: Vec<Target> = scope.keys().cloned().collect();
    for target in targets {
        let Some(verbs) = scope.remove(&target) else { continue };
        let whole = (target.0.clone(), target.1.clone(), None);
        for (verb, reasons) in verbs {
            let covers = |scope: &Scope| scope.get(&whole).is_some_and(|v| v.contains_key(&verb));
            let wider = wider.as_deref_mut().filter(|wider| covers(wider));
            let (scope, target) = match wider {
                Some(wider) => (wider, &whole),
                None if covers(scope) => (&mut *scope, &whole),
                None => (&mut *scope, &target),
            };
            let all = scope.entry(target.clone()).or_default().entry(verb).or_default();
            merge(all, reasons);
        }
    }
}

/// Objects with the same verbs, then resources with the same verbs and objects, share a rule.
fn rules(scope: Scope) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for ((group, resource, name), verbs) in scope {
        let mut reasons = Reasons::new();
        verbs.values().for_each(|all| merge(&mut reasons, all.clone()));
        let verbs: BTreeSet<Verb> = verbs.into_keys().collect();
        let names: BTreeSet<String> = name.into_iter().collect();
        let same_objects = |rule: &&mut Rule| {
            !names.is_empty()
                && !rule.names.is_empty()
                && rule.group == group
                && rule.verbs == verbs
                && rule.resources.iter().eq([&resource])
        };
        if let Some(rule) = rules.iter_mut().find(same_objects) {
            rule.names.extend(names);
            merge(&mut rule.reasons, reasons);
            continue;
        }
        let resources = BTreeSet::from([resource]);
        rules.push(Rule { group, resources, names, verbs, reasons });
    }
    let mut merged: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = |other: &&mut Rule| {
            (&other.group, &other.names, &other.verbs) == (&rule.group, &rule.names, &rule.verbs)
        };
        match merged.iter_mut().find(same) {
            Some(other) => {
                other.resources.extend(rule.resources);
                merge(&mut other.reasons, rule.reasons);
            }
            None => merged.push(rule),
        }
    }
    merged
}

fn merge(all: &mut Reasons, more: Reasons) {
    for (who, why) in more {
        all.entry(who).or_default().extend(why);
    }
}
