//! What is granted only when the operator says `dangerous`: whatever lets a plugin raise its own
//! authority, reach into other workloads, or run code round the `jobs` capability.

use super::http::{self, HostPattern, HttpRule};
use super::kube::{KubeRule, Verb};
use super::secret::SecretRule;
use crate::object::Gvk;

/// One line of the list.
struct Danger {
    group: &'static str,
    /// The kinds; all of the group if empty.
    kinds: &'static [&'static str],
    /// The subresources; if empty, the objects themselves and all their subresources.
    subresources: &'static [&'static str],
    /// Whether reading is dangerous too.
    reading: bool,
    reason: &'static str,
}

const RUNS_CODE: &str = "it runs code that the jobs capability does not check";
const READS_SECRETS: &str = "Secrets hold the credentials of everybody else";
const REDIRECTS: &str = "it sends the traffic of Services elsewhere";
const ADMITS: &str = "it decides what the API server accepts from everybody";

/// The list, by API group. Versions do not matter.
const DANGERS: &[Danger] = &[
    writes("", &["Pod", "ReplicationController", "Binding"], RUNS_CODE),
    writes("apps", &[], RUNS_CODE),
    writes("batch", &[], RUNS_CODE),
    Danger {
        group: "",
        kinds: &["Pod"],
        subresources: &[
            "attach",
            "ephemeralcontainers",
            "eviction",
            "exec",
            "portforward",
            "proxy",
        ],
        // A GET opens a session just as a POST does.
        reading: true,
        reason: "it reaches into running pods",
    },
    Danger {
        group: "",
        kinds: &["Node", "Service"],
        subresources: &["proxy"],
        reading: true,
        reason: "it reaches pods and kubelets with the API server's own rights",
    },
    writes("", &["Node"], "it decides where pods run and what a node claims to be"),
    writes("", &["Namespace"], "its labels switch off the pod security of all that is in it"),
    writes("", &["PersistentVolume"], "a volume of a host path is the node's file system"),
    Danger {
        group: "",
        kinds: &["Secret"],
        subresources: &[],
        reading: true,
        reason: READS_SECRETS,
    },
    Danger {
        group: "",
        kinds: &["ServiceAccount"],
        subresources: &["token"],
        reading: true,
        reason: "a token is the authority of its service account",
    },
    writes("", &["ServiceAccount"], "pods run with its authority"),
    writes("", &["Endpoints"], REDIRECTS),
    writes("discovery.k8s.io", &[], REDIRECTS),
    writes("rbac.authorization.k8s.io", &[], "it hands out authority"),
    writes("certificates.k8s.io", &[], "a signed certificate is an identity"),
    writes("apiextensions.k8s.io", &[], "a definition's removal removes all its objects"),
    writes("apiregistration.k8s.io", &[], "it takes over parts of the API"),
    writes("admissionregistration.k8s.io", &[], ADMITS),
];

/// Why a Secret's value is dangerous to show.
pub(super) const REVEAL: &str = "the plugin sees the value and may send or write it anywhere";

const fn writes(
    group: &'static str,
    kinds: &'static [&'static str],
    reason: &'static str,
) -> Danger {
    Danger { group, kinds, subresources: &[], reading: false, reason }
}

/// Why a verb on a kind or subresource is dangerous, if it is.
pub(super) fn of_part(kind: &Gvk, subresource: Option<&str>, verb: Verb) -> Option<&'static str> {
    let meant = |danger: &&Danger| {
        *danger.group == *kind.group
            && (danger.kinds.is_empty() || danger.kinds.contains(&&*kind.kind))
            && (danger.subresources.is_empty()
                || subresource.is_some_and(|name| danger.subresources.contains(&name)))
            && (danger.reading || !verb.is_read())
    };
    DANGERS.iter().find(meant).map(|danger| danger.reason)
}

/// Why requests to a host are dangerous, if they are.
pub(super) fn of_host(pattern: &HostPattern) -> Option<&'static str> {
    if pattern.is_anywhere() {
        return Some("whatever the plugin reads could go anywhere");
    }
    let host = pattern.exact()?;
    let link_local = match http::address(host) {
        Some(std::net::IpAddr::V4(address)) => address.is_link_local(),
        Some(std::net::IpAddr::V6(address)) => address.is_unicast_link_local(),
        None => host == "metadata.google.internal",
    };
    link_local.then_some("metadata services there hand out the node's credentials")
}

/// Why the use of a Secret of that name or pattern is dangerous, if it is.
pub(super) fn of_secret_name(name: &str) -> Option<&'static str> {
    (name == "*").then_some(READS_SECRETS)
}

/// What is left of a rule without its dangerous parts.
pub(crate) fn harmless_kube(rule: &KubeRule) -> Vec<KubeRule> {
    if rule.parts().all(|part| of_part(part.kind, part.subresource, part.verb).is_none()) {
        return vec![rule.clone()];
    }
    let mut left = Vec::new();
    for kind in &rule.kinds {
        for subresource in rule.subresource_parts() {
            let mut verbs = rule.verbs.clone();
            verbs.retain(|verb| of_part(kind, subresource, *verb).is_none());
            if !verbs.is_empty() {
                left.push(KubeRule {
                    verbs,
                    kinds: vec![kind.clone()],
                    subresources: subresource.map(str::to_owned).into_iter().collect(),
                    ..rule.clone()
                });
            }
        }
    }
    left
}

/// What is left of a rule without its dangerous hosts.
pub(crate) fn harmless_http(rule: &HttpRule) -> HttpRule {
    let mut rule = rule.clone();
    rule.hosts.retain(|host| of_host(host).is_none());
    rule
}

/// What is left of a rule without its dangerous names, hosts and the right to see values.
pub(crate) fn harmless_secret(rule: &SecretRule) -> SecretRule {
    let mut rule = rule.clone();
    rule.names.retain(|name| of_secret_name(name).is_none());
    rule.hosts.retain(|host| of_host(host).is_none());
    rule.reveal = false;
    rule
}

/// Whether a rule touches what is never granted, to read or to write, in any version: the plugins
/// themselves.
pub(crate) fn is_forbidden(rule: &KubeRule) -> bool {
    rule.kinds.iter().any(|kind| &*kind.group == "joch.dev" && &*kind.kind == "Plugin")
}

#[cfg(test)]
mod tests;
