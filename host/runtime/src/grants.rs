//! What a plugin asks for and what it got, as lines for people.

use joch_core::authority::Authority;
use joch_core::grant::{self, JobGrant, KubeRule, Namespaces};

use crate::record::Grants;

/// The lines of an authority.
pub(crate) fn view(authority: &Authority) -> Grants {
    let mut grants = Grants { missing: authority.missing_optional.clone(), ..Grants::default() };
    for rule in &authority.requested {
        grants.requested.extend(lines(rule));
        grants.granted.extend(granted(rule, &authority.granted));
    }
    if let Some(jobs) = &authority.jobs {
        grants.requested.push(job_line(&jobs.requested));
        grants.granted.push(job_line(&jobs.granted));
    }
    let http = |rules: &[grant::HttpRule]| -> Vec<String> {
        let line = |rule: &grant::HttpRule| {
            let hosts: Vec<String> = rule.hosts.iter().map(ToString::to_string).collect();
            format!("{} {}", rule.methods.join(","), hosts.join(", "))
        };
        rules.iter().map(line).collect()
    };
    let secrets = |rules: &[grant::SecretRule]| -> Vec<String> {
        let line = |rule: &grant::SecretRule| {
            let use_of = if rule.reveal { "reveal" } else { "use" };
            format!("{use_of} Secret {}{}", rule.names.join(", "), place(&rule.namespaces))
        };
        rules.iter().map(line).collect()
    };
    grants.requested.extend(http(&authority.http.requested));
    grants.granted.extend(http(&authority.http.granted));
    grants.requested.extend(secrets(&authority.secrets.requested));
    grants.granted.extend(secrets(&authority.secrets.granted));
    grants
}

/// One line per kind: `get,list v1/ConfigMap in the same namespace`.
fn lines(rule: &KubeRule) -> impl Iterator<Item = String> {
    let verbs: Vec<&str> = rule.verbs.iter().map(|verb| verb.as_str()).collect();
    let parts: String = rule.subresources.iter().map(|name| format!("/{name}")).collect();
    let (verbs, place) = (verbs.join(","), place(&rule.namespaces));
    rule.kinds.iter().map(move |kind| format!("{verbs} {kind}{parts}{place}"))
}

/// The lines of what is granted of a request.
fn granted(rule: &KubeRule, grants: &[KubeRule]) -> Vec<String> {
    let mut lines_of = Vec::new();
    for kind in &rule.kinds {
        let mut verbs = rule.verbs.clone();
        let one =
            |verbs| KubeRule { verbs, kinds: vec![kind.clone()], required: true, ..rule.clone() };
        verbs.retain(|verb| grant::missing(&[one(vec![*verb])], grants).is_empty());
        if !verbs.is_empty() {
            lines_of.extend(lines(&one(verbs)));
        }
    }
    lines_of
}

fn job_line(jobs: &JobGrant) -> String {
    let JobGrant { service_accounts, images, max_active, .. } = jobs;
    let (accounts, images) = (service_accounts.join(", "), images.join(", "));
    format!("start at most {max_active} Jobs as {accounts} with images {images}")
}

fn place(namespaces: &Namespaces) -> String {
    match namespaces {
        Namespaces::Same => " in the same namespace".to_owned(),
        Namespaces::All => " in all namespaces".to_owned(),
        Namespaces::Cluster => " in the cluster scope".to_owned(),
        Namespaces::Listed(names) => format!(" in {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use joch_core::authority::Entry;
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
[[grant.kube]]
verbs = ["patch"]
kinds = ["v1/Pod"]
namespaces = "all"
required = false
"#,
        )
        .unwrap();
        let entry: Entry = toml_entry();
        let view = view(&entry.authority(&manifest).unwrap());
        assert_eq!(
            view.requested,
            [
                "get,create v1/ConfigMap in the same namespace",
                "patch v1/Pod in all namespaces",
                "get,list,watch a.io/v1/A in all namespaces",
                "patch a.io/v1/A/status in all namespaces",
            ]
        );
        assert_eq!(
            view.granted,
            [
                "get v1/ConfigMap in the same namespace",
                "get,list,watch a.io/v1/A in all namespaces",
                "patch a.io/v1/A/status in all namespaces",
            ]
        );
        assert_eq!(view.missing, ["create on v1/ConfigMap", "patch on v1/Pod"]);
    }

    /// Reading, and the status of its own kind.
    fn toml_entry() -> Entry {
        let status = KubeRule {
            verbs: vec!["patch".parse().unwrap()],
            kinds: vec!["a.io/v1/A".parse().unwrap()],
            subresources: vec!["status".into()],
            namespaces: Namespaces::All,
            required: true,
        };
        Entry { kube: vec![status], ..Entry::default() }
    }
}
