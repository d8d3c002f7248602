//! Authority: what a plugin asks for, what it was granted, and whether a call lies within both.
//!
//! Invariant: deny by default. A call is allowed only if a requested rule *and* a granted rule cover it.

use std::fmt;

use serde::{Deserialize, Deserializer};

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

/// Why a text names no verb.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no verb (get, list, watch, create, update, patch, delete)")]
pub struct InvalidVerb(String);

impl std::str::FromStr for Verb {
    type Err = InvalidVerb;

    fn from_str(text: &str) -> Result<Self, InvalidVerb> {
        use Verb::{Create, Delete, Get, List, Patch, Update, Watch};
        let mut verbs = [Get, List, Watch, Create, Update, Patch, Delete].into_iter();
        verbs.find(|verb| verb.as_str() == text).ok_or_else(|| InvalidVerb(text.to_owned()))
    }
}

/// In which namespaces a rule holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// The namespace of the object being reconciled.
    Same,
    /// Every namespace.
    All,
    /// Cluster-scoped objects.
    Cluster,
    /// These namespaces.
    Listed(Vec<String>),
}

impl<'de> Deserialize<'de> for Namespaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        match Form::deserialize(deserializer)? {
            Form::List(names) => Ok(Self::Listed(names)),
            Form::Word(word) => match word.as_str() {
                "same" => Ok(Self::Same),
                "all" => Ok(Self::All),
                "cluster" => Ok(Self::Cluster),
                _ => Err(serde::de::Error::custom(format!(
                    "namespaces = {word:?} (write \"same\", \"all\", \"cluster\" or a list of names)"
                ))),
            },
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
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

fn kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Gvk>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

/// Starting Jobs: `[grant.jobs]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobGrant {
    /// Service accounts that pods may run as; `*` is any.
    pub service_accounts: Vec<String>,
    /// Whether pods may use Secrets of their namespace.
    #[serde(default)]
    pub secrets: SecretUse,
    /// Images that may be run; a trailing `*` matches any ending.
    pub images: Vec<String>,
    /// The pod security profile that is enforced.
    #[serde(default)]
    pub profile: Profile,
    /// How many Jobs may be unfinished at once.
    pub max_active: u32,
}

/// Whether pods may use Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretUse {
    /// No Secrets.
    #[default]
    None,
    /// Those of the Job's own namespace.
    SameNamespace,
}

/// The pod security standards that a Job's pods have to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As the API server's `restricted` profile.
    #[default]
    Restricted,
    /// As the API server's `baseline` profile.
    Baseline,
}

/// Outgoing HTTP: `[[grant.http]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// Hosts: `api.example.com`, `*.example.com`, or with a port other than the scheme's own
    /// `localhost:8080`. https, unless the pattern begins with `http://`.
    pub hosts: Vec<String>,
    /// Methods in capital letters.
    pub methods: Vec<String>,
    /// Whether the plugin is refused without it.
    #[serde(default = "yes")]
    pub required: bool,
}

/// Use of Secrets: `[[grant.secrets]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// Names; a trailing `*` matches any ending.
    pub names: Vec<String>,
    /// Where.
    pub namespaces: Namespaces,
    /// The hosts, as in `[[grant.http]]`, whose requests may carry a value.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether the plugin may see the value itself.
    #[serde(default)]
    pub reveal: bool,
    /// Whether the plugin is refused without it.
    #[serde(default = "yes")]
    pub required: bool,
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
    fn allows(&self, call: &KubeCall<'_>, primary_namespace: Option<&str>) -> bool {
        let subresource = match call.subresource {
            None => self.subresources.is_empty(),
            Some(name) => self.subresources.iter().any(|s| s == name),
        };
        let place = match (&self.namespaces, call.namespace) {
            (Namespaces::All, _) => true,
            (_, None) if call.all_namespaces => false,
            (Namespaces::Cluster, namespace) => namespace.is_none(),
            (Namespaces::Same, namespace) => namespace == primary_namespace,
            (Namespaces::Listed(names), Some(namespace)) => {
                names.iter().any(|name| name == namespace)
            }
            (Namespaces::Listed(_), None) => false,
        };
        self.verbs.contains(&call.verb) && self.kinds.contains(call.kind) && subresource && place
    }

    /// Whether everything that `wanted` allows for `verb` and `kind` is allowed by this rule.
    fn covers(&self, wanted: &Self, verb: Verb, kind: &Gvk) -> bool {
        let place = match (&self.namespaces, &wanted.namespaces) {
            (Namespaces::All, _) => true,
            (Namespaces::Listed(mine), Namespaces::Listed(theirs)) => {
                theirs.iter().all(|n| mine.contains(n))
            }
            (mine, theirs) => mine == theirs,
        };
        let subresources = wanted.subresources.is_empty() == self.subresources.is_empty()
            && wanted.subresources.iter().all(|name| self.subresources.contains(name));
        place && subresources && self.verbs.contains(&verb) && self.kinds.contains(kind)
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
    match (within(requested), within(granted)) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{call} (not requested by the plugin's manifest)")),
        (true, false) => Err(format!("{call} (requested, but not granted by the operator)")),
    }
}

/// The required requests that `granted` does not cover, as texts for people.
#[must_use]
pub fn missing(requested: &[KubeRule], granted: &[KubeRule]) -> Vec<String> {
    let mut missing = Vec::new();
    for rule in requested.iter().filter(|rule| rule.required) {
        for kind in &rule.kinds {
            for verb in &rule.verbs {
                if !granted.iter().any(|grant| grant.covers(rule, *verb, kind)) {
                    let parts: Vec<&str> = std::iter::once("")
                        .chain(rule.subresources.iter().map(String::as_str))
                        .collect();
                    missing.push(format!("{} on {kind}{}", verb.as_str(), parts.join("/")));
                }
            }
        }
    }
    missing
}

/// Whether a rule lets a plugin raise its own authority, or run code round the `jobs` capability: writes
/// on pods, workloads, RBAC, Secrets, tokens, CRDs and admission objects, and reading Secrets.
/// Such a rule is granted only when the operator says `dangerous`.
#[must_use]
pub fn is_dangerous(rule: &KubeRule) -> bool {
    let writes = rule.verbs.iter().any(|verb| !verb.is_read());
    rule.kinds.iter().any(|kind| {
        let secret = kind.group.is_empty() && kind.kind == "Secret";
        let target = matches!(
            (kind.group.as_str(), kind.kind.as_str()),
            (
                "",
                "Pod"
                    | "Secret"
                    | "ServiceAccount"
                    | "ReplicationController"
                    | "Node"
                    | "Namespace"
            ) | ("apps" | "batch" | "rbac.authorization.k8s.io" | "apiextensions.k8s.io", _)
                | (
                    "admissionregistration.k8s.io"
                        | "apiregistration.k8s.io"
                        | "certificates.k8s.io",
                    _
                )
        );
        secret || (writes && target)
    })
}

/// Whether a rule touches what is never granted: the plugins themselves.
#[must_use]
pub fn is_forbidden(rule: &KubeRule) -> bool {
    let writes = rule.verbs.iter().any(|verb| !verb.is_read());
    writes && rule.kinds.iter().any(|kind| kind.group == "joch.dev" && kind.kind == "Plugin")
}

#[cfg(test)]
mod tests;
