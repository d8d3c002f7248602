//! What a plugin asks for and what it got, as lines for people.

use std::fmt::Display;

use joch_core::authority::Authority;
use joch_core::grant::{self, HttpRule, JobGrant, KubeRule, Part, SecretRule};

use crate::record::Grants;

/// The lines of an authority.
pub(crate) fn view(authority: &Authority) -> Grants {
    let Authority { requested, granted, jobs, http, secrets, missing_optional } = authority;
    let mut asked = lines(requested.iter().flat_map(KubeRule::parts));
    let mut got = lines(grant::effective(requested, granted));
    if let Some(jobs) = jobs {
        asked.push(of_jobs(&jobs.requested));
        got.push(of_jobs(&jobs.granted));
    }
    asked.extend(http.requested.iter().map(of_http));
    got.extend(http.granted.iter().map(of_http));
    asked.extend(secrets.requested.iter().map(of_secrets));
    got.extend(secrets.granted.iter().map(of_secrets));
    Grants { requested: asked, granted: got, missing: missing_optional.clone() }
}

/// One line per kind and place: `get, list on v1/ConfigMap in the same namespace`.
fn lines<'a>(parts: impl Iterator<Item = Part<'a>>) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for Part { verb, kind, subresource, place } in parts {
        let subresource = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        let what = format!("{kind}{subresource} in {place}");
        let verb = verb.as_str();
        match lines.iter_mut().find(|(known, _)| *known == what) {
            Some((_, verbs)) if !verbs.contains(&verb) => verbs.push(verb),
            Some(_) => {}
            None => lines.push((what, vec![verb])),
        }
    }
    lines.into_iter().map(|(what, verbs)| format!("{} on {what}", verbs.join(", "))).collect()
}

fn of_jobs(jobs: &JobGrant) -> String {
    let JobGrant { service_accounts, images, max_active, .. } = jobs;
    let (accounts, images) = (service_accounts.join(", "), images.join(", "));
    format!("start at most {max_active} Jobs as {accounts} with images {images}")
}

fn of_http(rule: &HttpRule) -> String {
    format!("{} requests to {}", rule.methods.join(", "), joined(&rule.hosts))
}

fn of_secrets(rule: &SecretRule) -> String {
    let names = rule.names.join(", ");
    let sent = match rule.hosts.as_slice() {
        [] => String::new(),
        hosts => format!(", sent to {}", joined(hosts)),
    };
    let seen = if rule.reveal { ", seen by the plugin" } else { "" };
    format!("Secrets {names}{sent}{seen}")
}

fn joined(texts: &[impl Display]) -> String {
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use joch_core::authority::Entry;
    use joch_core::grant::Namespaces;
    use joch_core::manifest::Manifest;

    use super::*;

    #[test]
    fn requests_and_what_was_granted_of_them() {
        let manifest = Manifest::parse(
            r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
[[grant.kube]]
verbs = ["get", "create"]
kinds = ["v1/ConfigMap"]
namespaces = "same"
required = false
"#,
        )
        .unwrap();
        let status = KubeRule {
            verbs: vec!["patch".parse().unwrap()],
            kinds: vec!["a.io/v1/A".parse().unwrap()],
            subresources: vec!["status".into()],
            namespaces: Namespaces::All,
            required: true,
        };
        let entry = Entry { kube: vec![status], ..Entry::default() };
        let Grants { requested, granted, missing } = view(&entry.authority(&manifest).unwrap());
        assert_eq!(requested[0], "get, create on v1/ConfigMap in the same namespace");
        assert_eq!(granted[0], "get on v1/ConfigMap in the same namespace");
        assert_eq!(requested[1..], granted[1..]);
        assert!(requested.iter().any(|line| line.starts_with("patch on a.io/v1/A/status in ")));
        assert!(missing[0].starts_with("create on v1/ConfigMap"), "{missing:?}");
    }
}
