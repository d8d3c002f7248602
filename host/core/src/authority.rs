//! What a plugin may do: its manifest's requests joined with the operator's grants, by one pure function
//! for plugins of a folder and for Plugin objects.

use serde::Deserialize;

use crate::grant::{self, HttpRule, JobGrant, KubeRule, SecretRule, Verb};
use crate::manifest::Manifest;

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

impl Entry {
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
        let granted = self.rules(&requested);
        let jobs = manifest.grant.jobs.as_ref().and_then(|requested| {
            let whole = (self.allow == Allow::Requested).then_some(requested);
            let granted = self.jobs.as_ref().or(whole)?;
            Some(JobAuthority { requested: requested.clone(), granted: granted.clone() })
        });
        let mut missing = grant::missing(&requested, &granted);
        if manifest.grant.jobs.is_some() && jobs.is_none() {
            missing.push("jobs".to_owned());
        }
        if !missing.is_empty() {
            return Err(GrantError::Missing { plugin: manifest.plugin.name.to_string(), missing });
        }
        let optional: Vec<KubeRule> =
            requested.iter().map(|rule| KubeRule { required: true, ..rule.clone() }).collect();
        let missing_optional = grant::missing(&optional, &granted);
        let http = Both {
            requested: manifest.grant.http.clone(),
            granted: self.with_requested(&self.http, &manifest.grant.http),
        };
        let secrets = Both {
            requested: manifest.grant.secrets.clone(),
            granted: self.with_requested(&self.secrets, &manifest.grant.secrets),
        };
        Ok(Authority { requested, granted, jobs, http, secrets, missing_optional })
    }

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
