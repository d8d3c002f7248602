//! What a plugin asks for and what it got, as lines for people: one form for the command line and for the
//! Plugin's status.

use std::fmt;

use crate::authority::Authority;
use crate::grant::{
    self, HttpRule, JobGrant, KubeRule, Namespaces, Part, Place, Profile, SecretRule, SecretUse,
};
use crate::manifest::Requests;

/// One thing that a plugin asks for or was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The manifest's section: kube, jobs, http or secrets.
    pub of: &'static str,
    /// What may be done with what: `get, list on v1/ConfigMap`.
    pub what: String,
    /// Where; none for what is not in the cluster.
    pub place: Option<String>,
    /// Whether the plugin is refused without it. Rules of both sides tell nothing by it.
    pub required: bool,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " in {place}"))
    }
}

/// The requests of a manifest, in its order. What being a controller implies is not among them.
#[must_use]
pub fn requests(requests: &Requests) -> Vec<Told> {
    let Requests { kube, jobs, http, secrets } = requests;
    let parts = kube.iter().flat_map(|rule| rule.parts().map(|part| (part, rule.required)));
    all(parts, jobs.as_ref(), http, secrets)
}

/// What an authority's plugin asks for, with what being a controller implies.
#[must_use]
pub fn requested(authority: &Authority) -> Vec<Told> {
    let Authority { requested, jobs, http, secrets, .. } = authority;
    let parts = requested.iter().flat_map(KubeRule::parts).map(|part| (part, true));
    all(parts, jobs.as_ref().map(|jobs| &jobs.requested), &http.requested, &secrets.requested)
}

/// What it was granted: of the cluster as far as it asks for it, the rest as the operator wrote it.
#[must_use]
pub fn granted(authority: &Authority) -> Vec<Told> {
    let Authority { requested, granted, jobs, http, secrets, .. } = authority;
    let parts = grant::effective(requested, granted).map(|part| (part, true));
    all(parts, jobs.as_ref().map(|jobs| &jobs.granted), &http.granted, &secrets.granted)
}

fn all<'a>(
    kube: impl Iterator<Item = (Part<'a>, bool)>,
    jobs: Option<&JobGrant>,
    http: &[HttpRule],
    secrets: &[SecretRule],
) -> Vec<Told> {
    let mut told = of_kube(kube);
    told.extend(jobs.map(of_jobs));
    told.extend(http.iter().map(of_http));
    told.extend(secrets.iter().map(of_secrets));
    told
}

/// One line per kind, place and need, with all its verbs.
fn of_kube<'a>(parts: impl Iterator<Item = (Part<'a>, bool)>) -> Vec<Told> {
    let mut lines: Vec<(Part<'a>, bool, Vec<&str>)> = Vec::new();
    for (part, required) in parts {
        let verb = part.verb.as_str();
        let same = |(known, need, _): &&mut (Part<'a>, bool, Vec<&str>)| {
            Part { verb: known.verb, ..part } == *known && *need == required
        };
        match lines.iter_mut().find(same) {
            Some((_, _, verbs)) if !verbs.contains(&verb) => verbs.push(verb),
            Some(_) => {}
            None => lines.push((part, required, vec![verb])),
        }
    }
    let told = |(Part { kind, subresource, place, .. }, required, verbs): (_, _, Vec<&str>)| {
        let subresource = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        Told {
            of: "kube",
            what: format!("{} on {kind}{subresource}", verbs.join(", ")),
            place: Some(place.to_string()),
            required,
        }
    };
    lines.into_iter().map(told).collect()
}

fn of_jobs(grant: &JobGrant) -> Told {
    let JobGrant { service_accounts, secrets, images, profile, max_active } = grant;
    let secrets = match secrets {
        SecretUse::None => "no Secrets",
        SecretUse::SameNamespace => "Secrets of the namespace",
    };
    let profile = match profile {
        Profile::Restricted => "restricted",
        Profile::Baseline => "baseline",
    };
    let (accounts, images) = (service_accounts.join(", "), images.join(", "));
    let what = format!(
        "start at most {max_active} Jobs at once (as {accounts}; images {images}; {secrets}; profile {profile})"
    );
    Told { of: "jobs", what, place: Some(Place::Same.to_string()), required: true }
}

fn of_http(rule: &HttpRule) -> Told {
    let what = format!("{} requests to {}", rule.methods.join(", "), joined(&rule.hosts));
    Told { of: "http", what, place: None, required: rule.required }
}

fn of_secrets(rule: &SecretRule) -> Told {
    let mut uses = Vec::new();
    if !rule.hosts.is_empty() {
        uses.push(format!("sent to {}", joined(&rule.hosts)));
    }
    if rule.reveal {
        uses.push("seen by the plugin".to_owned());
    }
    let uses = if uses.is_empty() { String::new() } else { format!(" ({})", uses.join("; ")) };
    let what = format!("Secrets {}{uses}", rule.names.join(", "));
    Told { of: "secrets", what, place: Some(places(&rule.namespaces)), required: rule.required }
}

fn places(namespaces: &Namespaces) -> String {
    joined(&namespaces.places())
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Allow, Entry};
    use crate::manifest::Manifest;

    const MANIFEST: &str = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
[[grant.kube]]
verbs = ["get", "create"]
kinds = ["v1/ConfigMap", "v1/Service"]
namespaces = "same"
required = false
[[grant.kube]]
verbs = ["create"]
kinds = ["v1/Pod"]
subresources = ["eviction"]
namespaces = ["a", "b"]
required = false
[grant.jobs]
service-accounts = ["runner"]
images = ["busybox:*"]
max-active = 3
[[grant.http]]
hosts = ["api.example.com"]
methods = ["GET"]
required = false
[[grant.secrets]]
names = ["token"]
namespaces = ["a", "b"]
hosts = ["api.example.com"]
reveal = true
required = false
"#;

    const JOBS: &str = "start at most 3 Jobs at once (as runner; images busybox:*; no Secrets; profile restricted)";
    const TOKEN: &str =
        "Secrets token (sent to api.example.com; seen by the plugin) in namespace a, namespace b";

    fn lines(told: Vec<Told>) -> Vec<String> {
        told.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_section_of_a_manifest_is_told() {
        let told = requests(&Manifest::parse(MANIFEST).unwrap().grant);
        let rows: Vec<(&str, Option<&str>, bool)> =
            told.iter().map(|told| (told.of, told.place.as_deref(), told.required)).collect();
        let same = Some("the same namespace");
        assert_eq!(
            rows,
            [
                ("kube", same, false),
                ("kube", same, false),
                ("kube", Some("namespace a"), false),
                ("kube", Some("namespace b"), false),
                ("jobs", same, true),
                ("http", None, false),
                ("secrets", Some("namespace a, namespace b"), false),
            ]
        );
        assert_eq!(
            lines(told),
            [
                "get, create on v1/ConfigMap in the same namespace",
                "get, create on v1/Service in the same namespace",
                "create on v1/Pod/eviction in namespace a",
                "create on v1/Pod/eviction in namespace b",
                &format!("{JOBS} in the same namespace"),
                "GET requests to api.example.com",
                TOKEN,
            ]
        );
    }

    #[test]
    fn what_was_granted_is_told_beside_what_is_asked_for() {
        let manifest = Manifest::parse(MANIFEST).unwrap();
        let told = |entry: Entry| {
            let authority = entry.authority(&manifest).unwrap();
            (lines(requested(&authority)), lines(granted(&authority)))
        };
        let jobs = JobGrant { max_active: 2, ..manifest.grant.jobs.clone().unwrap() };
        let status = KubeRule {
            verbs: vec!["patch".parse().unwrap()],
            kinds: vec!["a.io/v1/A".parse().unwrap()],
            subresources: vec!["status".to_owned()],
            namespaces: Namespaces::All,
            required: true,
        };
        let (asked, got) = told(Entry { kube: vec![status], jobs: Some(jobs), ..Entry::default() });
        assert_eq!(asked[0], "get, create on v1/ConfigMap in the same namespace");
        assert_eq!(got[0], "get on v1/ConfigMap in the same namespace");
        let report = "patch on a.io/v1/A/status in the same namespace".to_owned();
        assert!(asked.contains(&report) && got.contains(&report), "{got:?}");
        assert!(!got.iter().any(|line| line.contains("create")), "{got:?}");
        assert!(asked.contains(&TOKEN.to_owned()) && !got.contains(&TOKEN.to_owned()), "{got:?}");
        assert_eq!(
            got.last().unwrap(),
            &format!("{} in the same namespace", JOBS.replace('3', "2"))
        );

        let all = Entry { allow: Allow::Requested, dangerous: true, ..Entry::default() };
        let (asked, got) = told(all);
        assert_eq!(asked, got);
    }
}
