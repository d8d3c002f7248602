//! The operator's grants for plugins of a folder: a TOML file, closed and versioned like the manifest.
//!
//! ```toml
//! grants = 1
//! [plugins.kubetask]
//! allow = "requested"          # all that its manifest asks for, dangerous requests excepted
//! [[plugins.kubetask.kube]]    # or rule by rule, as in the manifest
//! verbs = ["get", "list"]
//! kinds = ["v1/ConfigMap"]
//! namespaces = "all"
//! ```
//! The entry `[plugins."*"]` holds for every plugin without an entry of its own. A plugin without any
//! entry may read what it asks to read, and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::grant::{self, HttpRule, JobGrant, KubeRule, SecretRule, Verb};
use crate::manifest::{Manifest, Version1};

/// A grants file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsFile {
    /// The format's version; 1.
    pub grants: Option<Version1>,
    /// The entries, by the plugin's name or `*`.
    #[serde(default)]
    pub plugins: BTreeMap<String, Entry>,
}

/// What one plugin is granted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// A whole set of grants by name.
    pub allow: Allow,
    /// Whether dangerous requests are granted too (see [`grant::is_dangerous`]).
    pub dangerous: bool,
    /// Rules granted one by one.
    pub kube: Vec<KubeRule>,
    /// Starting Jobs within these bounds.
    pub jobs: Option<JobGrant>,
    /// Outgoing HTTP.
    pub http: Vec<HttpRule>,
    /// Use of Secrets.
    pub secrets: Vec<SecretRule>,
}

/// A whole set of grants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Reading what the manifest asks to read.
    #[default]
    ReadOnly,
    /// Whatever the manifest asks for.
    Requested,
}

/// What a plugin may do: requests and grants, both of which have to cover a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Authority {
    /// What the manifest asks for, reading its own kinds and writing its status included.
    pub requested: Vec<KubeRule>,
    /// What the operator grants.
    pub granted: Vec<KubeRule>,
    /// Starting Jobs: each bound as requested and as granted.
    pub jobs: Option<JobAuthority>,
    /// Outgoing HTTP.
    pub http: Both<HttpRule>,
    /// Use of Secrets.
    pub secrets: Both<SecretRule>,
    /// Optional requests that were not granted, for people.
    pub missing_optional: Vec<String>,
}

/// Rules of both sides; a call has to be covered by one of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Both<T> {
    /// As the manifest asks.
    pub requested: Vec<T>,
    /// As the operator grants.
    pub granted: Vec<T>,
}

/// Bounds for Jobs; a Job has to keep both.
#[derive(Debug, Clone, PartialEq)]
pub struct JobAuthority {
    /// As the manifest asks.
    pub requested: JobGrant,
    /// As the operator grants.
    pub granted: JobGrant,
}

/// Why a plugin is refused for want of authority (G4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Required requests are not granted.
    #[error(
        "the plugin requires grants that it does not have: {}; grant them in the grants file under \
         [plugins.{plugin}], e.g. allow = \"requested\"", .missing.join(", ")
    )]
    Missing {
        /// The plugin's name.
        plugin: String,
        /// Each verb and kind that is missing.
        missing: Vec<String>,
    },
    /// It asks for what no plugin is ever granted.
    #[error("the plugin asks to write Plugin objects, which no plugin is ever granted")]
    Forbidden,
}

impl GrantsFile {
    /// Grants every plugin what it asks for, dangerous requests excepted: for development.
    #[must_use]
    pub fn requested() -> Self {
        let entry = Entry { allow: Allow::Requested, ..Entry::default() };
        Self { grants: Some(Version1), plugins: BTreeMap::from([("*".to_owned(), entry)]) }
    }

    /// Reads a grants file.
    ///
    /// # Errors
    /// A text that points to the place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        match file.grants {
            Some(Version1) => Ok(file),
            None => Err("it does not say its version: begin with grants = 1".to_owned()),
        }
    }

    /// What `manifest`'s plugin may do.
    ///
    /// # Errors
    /// [`GrantError::Missing`] if a required request is not granted, [`GrantError::Forbidden`] if it asks
    /// for what is never granted.
    pub fn authority(&self, manifest: &Manifest) -> Result<Authority, GrantError> {
        let requested = requests(manifest);
        if requested.iter().any(grant::is_forbidden) {
            return Err(GrantError::Forbidden);
        }
        let name = manifest.plugin.name.as_str();
        let read_only = Entry::default();
        let entry = self.plugins.get(name).or_else(|| self.plugins.get("*")).unwrap_or(&read_only);
        let granted = entry.rules(&requested);
        let jobs = manifest.grant.jobs.as_ref().and_then(|requested| {
            let whole = (entry.allow == Allow::Requested).then_some(requested);
            let granted = entry.jobs.as_ref().or(whole)?;
            Some(JobAuthority { requested: requested.clone(), granted: granted.clone() })
        });
        let mut missing = grant::missing(&requested, &granted);
        if manifest.grant.jobs.is_some() && jobs.is_none() {
            missing.push("jobs".to_owned());
        }
        if !missing.is_empty() {
            return Err(GrantError::Missing { plugin: name.to_owned(), missing });
        }
        let optional: Vec<KubeRule> =
            requested.iter().map(|rule| KubeRule { required: true, ..rule.clone() }).collect();
        let missing_optional = grant::missing(&optional, &granted);
        let http = Both {
            requested: manifest.grant.http.clone(),
            granted: entry.with_requested(&entry.http, &manifest.grant.http),
        };
        let secrets = Both {
            requested: manifest.grant.secrets.clone(),
            granted: entry.with_requested(&entry.secrets, &manifest.grant.secrets),
        };
        Ok(Authority { requested, granted, jobs, http, secrets, missing_optional })
    }
}

impl Entry {
    /// What is granted one by one, and with `allow = "requested"` what is asked for.
    fn with_requested<T: Clone>(&self, own: &[T], requested: &[T]) -> Vec<T> {
        let whole = if self.allow == Allow::Requested { requested } else { &[] };
        own.iter().chain(whole).cloned().collect()
    }

    fn rules(&self, requested: &[KubeRule]) -> Vec<KubeRule> {
        let mut granted = self.kube.clone();
        for rule in requested {
            let mut rule = rule.clone();
            if self.allow == Allow::ReadOnly {
                rule.verbs.retain(|verb| verb.is_read());
            }
            granted.push(rule);
        }
        granted.retain(|rule| self.dangerous || !grant::is_dangerous(rule));
        granted
    }
}

/// The manifest's requests, and those that being a controller implies: reading and watching its kinds,
/// and writing its primaries' status.
fn requests(manifest: &Manifest) -> Vec<KubeRule> {
    let reading = vec![Verb::Get, Verb::List, Verb::Watch];
    let everywhere = |verbs: Vec<Verb>, kinds, subresources| KubeRule {
        verbs,
        kinds,
        subresources,
        namespaces: grant::Namespaces::All,
        required: true,
    };
    let mut rules = manifest.grant.kube.clone();
    for controller in &manifest.controllers {
        let own: Vec<_> = controller.reconciles().cloned().collect();
        let watched = controller.watch.iter().map(|watch| watch.kind.clone());
        let read = own.iter().cloned().chain(watched).collect();
        rules.push(everywhere(reading.clone(), read, Vec::new()));
        rules.push(everywhere(vec![Verb::Patch], own, vec!["status".to_owned()]));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(extra: &str) -> Manifest {
        let head = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
"#;
        Manifest::parse(&format!("{head}{extra}")).unwrap()
    }

    const WRITES: &str = r#"
[[grant.kube]]
verbs = ["create"]
kinds = ["v1/ConfigMap"]
namespaces = "same"
"#;

    #[test]
    fn without_an_entry_a_plugin_that_writes_is_refused_and_told_how_to_grant() {
        let error = GrantsFile::default().authority(&manifest(WRITES)).unwrap_err().to_string();
        for part in ["create on v1/ConfigMap", "patch on a.io/v1/A/status", "[plugins.p]"] {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }

    #[test]
    fn what_was_requested_is_granted_by_name_or_by_the_star() {
        for key in ["p", "\"*\""] {
            let text = format!("grants = 1\n[plugins.{key}]\nallow = \"requested\"");
            let authority = GrantsFile::parse(&text).unwrap().authority(&manifest(WRITES)).unwrap();
            assert_eq!(authority.requested.len(), 3);
            assert_eq!(authority.granted, authority.requested);
        }
    }

    #[test]
    fn dangerous_requests_need_the_word() {
        let pods = WRITES.replace("v1/ConfigMap", "v1/Pod");
        let plain = GrantsFile::requested().authority(&manifest(&pods)).unwrap_err();
        assert!(plain.to_string().contains("create on v1/Pod"), "{plain}");
        let text = "grants = 1\n[plugins.p]\nallow = \"requested\"\ndangerous = true";
        assert!(GrantsFile::parse(text).unwrap().authority(&manifest(&pods)).is_ok());
    }

    #[test]
    fn jobs_need_a_grant_of_their_own() {
        let jobs = "[grant.jobs]\nservice-accounts = [\"*\"]\nimages = [\"*\"]\nmax-active = 5\n";
        let refused = GrantsFile::default().authority(&manifest(jobs)).unwrap_err().to_string();
        assert!(refused.contains("jobs"), "{refused}");
        let authority = GrantsFile::requested().authority(&manifest(jobs)).unwrap();
        assert_eq!(authority.jobs.unwrap().granted.max_active, 5);
    }

    #[test]
    fn optional_requests_that_are_missing_are_listed() {
        let text = "grants = 1\n[plugins.p]\n[[plugins.p.kube]]\nverbs = [\"patch\"]\nkinds = [\"a.io/v1/A\"]\n\
                    subresources = [\"status\"]\nnamespaces = \"all\"";
        let optional = WRITES.to_owned() + "required = false\n";
        let authority = GrantsFile::parse(text).unwrap().authority(&manifest(&optional)).unwrap();
        assert_eq!(authority.missing_optional, ["create on v1/ConfigMap"]);
    }

    #[test]
    fn a_file_without_version_or_with_an_unknown_key_is_refused() {
        assert!(GrantsFile::parse("[plugins.p]").unwrap_err().contains("grants = 1"));
        assert!(
            GrantsFile::parse("grants = 1\n[plugins.p]\nalow = \"requested\"")
                .unwrap_err()
                .contains("alow")
        );
    }
}
