//! What a manifest asks for, one line each.

use joch_core::authority::{Allow, Authority, Entry, GrantError};
use joch_core::grant::{HttpRule, JobGrant, KubeRule, Namespaces, Profile, SecretRule, SecretUse};
use joch_core::manifest::{Manifest, Requests};
use serde::Serialize;

/// One request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Request {
    /// kube, jobs, http or secrets: the section of the manifest.
    pub(super) of: &'static str,
    pub(super) what: String,
    #[serde(rename = "where")]
    pub(super) place: String,
    pub(super) required: bool,
}

/// The requests of a manifest, in its order.
pub(super) fn of(requests: &Requests) -> Vec<Request> {
    let Requests { kube, jobs, http, secrets } = requests;
    let kube = kube.iter().map(of_kube);
    let jobs = jobs.iter().map(of_jobs);
    kube.chain(jobs).chain(http.iter().map(of_http)).chain(secrets.iter().map(of_secrets)).collect()
}

/// The parts of the requests that an operator has to say `dangerous` for.
pub(super) fn dangerous(manifest: &Manifest) -> Result<Vec<String>, GrantError> {
    // What no plugin is ever granted is refused whatever the operator says.
    granted(manifest, true)?;
    match granted(manifest, false) {
        Ok(authority) => Ok(authority.missing_optional),
        Err(GrantError::Missing { missing, .. }) => Ok(missing),
        Err(error) => Err(error),
    }
}

/// What the plugin may do if it is granted all that it asks for.
pub(super) fn granted(manifest: &Manifest, dangerous: bool) -> Result<Authority, GrantError> {
    Entry { allow: Allow::Requested, dangerous, ..Entry::default() }.authority(manifest)
}

fn of_kube(rule: &KubeRule) -> Request {
    let verbs: Vec<&str> = rule.verbs.iter().map(|verb| verb.as_str()).collect();
    let kinds: Vec<String> = if rule.subresources.is_empty() {
        rule.kinds.iter().map(ToString::to_string).collect()
    } else {
        let of = |kind| rule.subresources.iter().map(move |part| format!("{kind}/{part}"));
        rule.kinds.iter().flat_map(of).collect()
    };
    Request {
        of: "kube",
        what: format!("{} on {}", verbs.join(", "), kinds.join(", ")),
        place: place(&rule.namespaces),
        required: rule.required,
    }
}

fn of_jobs(grant: &JobGrant) -> Request {
    let secrets = match grant.secrets {
        SecretUse::None => "no Secrets",
        SecretUse::SameNamespace => "Secrets of the namespace",
    };
    let profile = match grant.profile {
        Profile::Restricted => "restricted",
        Profile::Baseline => "baseline",
    };
    Request {
        of: "jobs",
        what: format!(
            "{} at once, images {}, service accounts {}, {secrets}, profile {profile}",
            grant.max_active,
            grant.images.join(", "),
            grant.service_accounts.join(", "),
        ),
        place: "same namespace".to_owned(),
        required: true,
    }
}

fn of_http(rule: &HttpRule) -> Request {
    let what = format!("{} {}", rule.methods.join(", "), words(&rule.hosts));
    Request { of: "http", what, place: "-".to_owned(), required: rule.required }
}

fn of_secrets(rule: &SecretRule) -> Request {
    let mut what = rule.names.join(", ");
    if !rule.hosts.is_empty() {
        what.push_str(&format!(", to be sent to {}", words(&rule.hosts)));
    }
    if rule.reveal {
        what.push_str(", to be seen by the plugin");
    }
    let place = place(&rule.namespaces);
    Request { of: "secrets", what, place, required: rule.required }
}

fn words<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn place(namespaces: &Namespaces) -> String {
    match namespaces {
        Namespaces::Same => "same namespace".to_owned(),
        Namespaces::All => "all namespaces".to_owned(),
        Namespaces::Cluster => "cluster".to_owned(),
        Namespaces::Listed(names) => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joch_core::manifest::Manifest;

    #[test]
    fn each_section_is_told_in_words() {
        let manifest = Manifest::parse(
            r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "adapter", track = "0.1" }
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
[[grant.secrets]]
names = ["token"]
namespaces = "same"
hosts = ["api.example.com"]
reveal = true
"#,
        )
        .unwrap();
        let told: Vec<_> =
            of(&manifest.grant).into_iter().map(|r| (r.of, r.what, r.place, r.required)).collect();
        let row = |of, what: &str, place: &str, required| {
            (of, what.to_owned(), place.to_owned(), required)
        };
        let jobs =
            "3 at once, images busybox:*, service accounts runner, no Secrets, profile restricted";
        let token = "token, to be sent to api.example.com, to be seen by the plugin";
        assert_eq!(
            told,
            [
                row("kube", "create on v1/Pod/eviction", "a, b", false),
                row("jobs", jobs, "same namespace", true),
                row("http", "GET api.example.com", "-", true),
                row("secrets", token, "same namespace", true),
            ]
        );
    }
}
