//! Calls to the API: which verb on which kind, where.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::{Missing, Namespaces, Place, danger, dns_label};
use crate::object::{Gvk, ObjectKey};

/// What is done to an object, as in RBAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many objects.
    List,
    /// Follow changes.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object: apply, merge patch, JSON patch.
    Patch,
    /// Remove an object.
    Delete,
}

impl Verb {
    /// Whether the verb changes nothing.
    #[must_use]
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// The verb as RBAC spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Some verbs on some kinds in some namespaces: `[[grant.kube]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeRule {
    /// The verbs allowed.
    pub verbs: Vec<Verb>,
    /// The kinds allowed.
    #[serde(deserialize_with = "kinds")]
    pub kinds: Vec<Gvk>,
    /// If not empty, the rule is about these subresources, and not about the objects themselves.
    #[serde(default)]
    pub subresources: Vec<String>,
    /// Where.
    pub namespaces: Namespaces,
    /// Whether the plugin is refused without it; otherwise it runs with what it got.
    #[serde(default = "super::yes")]
    pub required: bool,
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Gvk>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

/// A call to the API that a plugin wants to make.
#[derive(Debug, Clone, Copy)]
pub struct KubeCall<'a> {
    /// What is to be done.
    pub verb: Verb,
    /// The kind it is done to.
    pub kind: &'a Gvk,
    /// The subresource, if it is one.
    pub subresource: Option<&'a str>,
    /// The target's namespace; none for cluster-scoped kinds.
    pub namespace: Option<&'a str>,
    /// Whether the target is of every namespace at once (a query without one).
    pub all_namespaces: bool,
}

impl<'a> KubeCall<'a> {
    /// A call on one object.
    #[must_use]
    pub fn on(verb: Verb, target: &'a ObjectKey) -> Self {
        Self {
            verb,
            kind: &target.kind,
            subresource: None,
            namespace: target.namespace.as_deref(),
            all_namespaces: false,
        }
    }
}

impl fmt::Display for KubeCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb.as_str(), self.kind)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        match self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None if self.all_namespaces => f.write_str(" in all namespaces"),
            None => f.write_str(" in the cluster scope"),
        }
    }
}

impl KubeRule {
    /// Whether the rule says what it allows.
    ///
    /// # Errors
    /// One sentence that names what is empty, misspelt or contradictory.
    pub fn check(&self) -> Result<(), String> {
        let kinds: Vec<String> = self.kinds.iter().map(Gvk::to_string).collect();
        let about = kinds.join(", ");
        if self.verbs.is_empty() {
            return Err(format!("a kube rule on {about:?} lists no verbs, so it allows nothing"));
        }
        if self.kinds.is_empty() {
            return Err("a kube rule lists no kinds, so it allows nothing".to_owned());
        }
        self.namespaces.check().map_err(|problem| format!("a kube rule on {about}: {problem}"))?;
        if let Some(name) = self.subresources.iter().find(|name| dns_label(name).is_err()) {
            return Err(format!(
                "a kube rule on {about}: {name:?} is no subresource (write \"status\" or \"scale\")"
            ));
        }
        let many = self.verbs.iter().find(|verb| matches!(verb, Verb::List | Verb::Watch));
        match many {
            Some(verb) if !self.subresources.is_empty() => Err(format!(
                "a kube rule on {about}: {} is no verb of a subresource ({})",
                verb.as_str(),
                self.subresources.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// Whether the rule allows a call by a plugin that reconciles an object of `primary_namespace`.
    #[must_use]
    pub fn allows(&self, call: &KubeCall<'_>, primary_namespace: Option<&str>) -> bool {
        let place = if call.all_namespaces {
            self.namespaces == Namespaces::All
        } else {
            self.namespaces.holds(call.namespace, primary_namespace)
        };
        place
            && self.verbs.contains(&call.verb)
            && self.kinds.contains(call.kind)
            && self.is_about(call.subresource)
    }

    fn is_about(&self, subresource: Option<&str>) -> bool {
        match subresource {
            None => self.subresources.is_empty(),
            Some(name) => self.subresources.iter().any(|own| own == name),
        }
    }

    /// The rule in its smallest parts: one verb on one kind or subresource in one kind of place.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let subresources = self.subresource_parts();
        self.kinds.iter().flat_map(move |kind| {
            let subresources = subresources.clone();
            self.verbs.iter().flat_map(move |verb| {
                subresources.clone().into_iter().flat_map(move |subresource| {
                    let place = move |place| Part { verb: *verb, kind, subresource, place };
                    self.namespaces.places().into_iter().map(place)
                })
            })
        })
    }

    /// Its subresources, or none for the objects themselves.
    pub(super) fn subresource_parts(&self) -> Vec<Option<&str>> {
        if self.subresources.is_empty() {
            return vec![None];
        }
        self.subresources.iter().map(|name| Some(name.as_str())).collect()
    }

    fn covers(&self, part: &Part<'_>) -> bool {
        self.namespaces.covers(part.place)
            && self.verbs.contains(&part.verb)
            && self.kinds.contains(part.kind)
            && self.is_about(part.subresource)
    }
}

/// One verb on one kind or subresource in one kind of place: what is granted or missing as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The verb.
    pub verb: Verb,
    /// The kind.
    pub kind: &'a Gvk,
    /// The subresource; none for the objects themselves.
    pub subresource: Option<&'a str>,
    /// Where.
    pub place: Place<'a>,
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb.as_str(), self.kind)?;
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        write!(f, " in {}", self.place)
    }
}

/// Decides a call: allowed only if one of `requested` and one of `granted` allow it.
///
/// # Errors
/// A text that says what would have to be requested or granted.
pub fn decide(
    requested: &[KubeRule],
    granted: &[KubeRule],
    call: &KubeCall<'_>,
    primary_namespace: Option<&str>,
) -> Result<(), String> {
    let within = |rules: &[KubeRule]| rules.iter().any(|rule| rule.allows(call, primary_namespace));
    super::both(within(requested), within(granted), call)
}

/// Notes each part of a request that no granted rule covers.
pub(crate) fn missing(requested: &[KubeRule], granted: &[KubeRule], missing: &mut Missing) {
    for rule in requested {
        for part in rule.parts() {
            if !granted.iter().any(|grant| grant.covers(&part)) {
                let reason = danger::of_part(part.kind, part.subresource, part.verb);
                missing.note(rule.required, &part, reason);
            }
        }
    }
}
