//! What a plugin may do: its manifest's requests joined with the operator's grants, by one pure function
//! for plugins of a folder and for Plugin objects.

use serde::Deserialize;

use crate::grant::{self, HttpRule, JobGrant, KubeRule, Missing, Namespaces, SecretRule, Verb};
use crate::manifest::Manifest;
use crate::object::Gvk;

/// What one plugin is granted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// A whole set of grants by name.
    pub allow: Allow,
    /// Whether what is dangerous is granted too, whether asked for or granted rule by rule.
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
         [plugins.{plugin}], or in the Plugin's spec.grants: allow = \"requested\"{}",
        .missing.join(", "), dangerous_too(.missing)
    )]
    Missing {
        /// The plugin's name.
        plugin: String,
        /// Each part that is missing.
        missing: Vec<String>,
    },
    /// It asks for what no plugin is ever granted.
    #[error("the plugin asks for Plugin objects (joch.dev), which no plugin is ever granted")]
    Forbidden,
}

fn dangerous_too(missing: &[String]) -> &'static str {
    let dangerous = missing.iter().any(|text| text.contains("(dangerous: "));
    if dangerous { ", and dangerous = true for what is dangerous" } else { "" }
}

impl Entry {
    /// Whether every rule says what it allows.
    ///
    /// # Errors
    /// One sentence about the first that does not.
    pub fn check(&self) -> Result<(), String> {
        check_rules(&self.kube, self.jobs.as_ref(), &self.http, &self.secrets)
    }

    /// What `manifest`'s plugin may do.
    ///
    /// # Errors
    /// [`GrantError::Missing`] if a required request is not granted, [`GrantError::Forbidden`] if it asks
    /// for what is never granted.
    pub fn authority(&self, manifest: &Manifest) -> Result<Authority, GrantError> {
        let asked = &manifest.grant;
        let requested = requests(manifest);
        if requested.iter().any(grant::is_forbidden) {
            return Err(GrantError::Forbidden);
        }
        let granted = self.kube_rules(&requested);
        let jobs = asked.jobs.as_ref().and_then(|requested| {
            let whole = (self.allow == Allow::Requested).then_some(requested);
            let granted = self.jobs.as_ref().or(whole)?;
            Some(JobAuthority { requested: requested.clone(), granted: granted.clone() })
        });
        let http = self.with_requested(&self.http, &asked.http, grant::harmless_http);
        let secrets = self.with_requested(&self.secrets, &asked.secrets, grant::harmless_secret);
        let mut missing = Missing::default();
        grant::missing_kube(&requested, &granted, &mut missing);
        if asked.jobs.is_some() && jobs.is_none() {
            missing.required.push("jobs".to_owned());
        }
        grant::missing_http(&http.requested, &http.granted, &mut missing);
        grant::missing_secrets(&secrets.requested, &secrets.granted, &mut missing);
        if !missing.required.is_empty() {
            let plugin = manifest.plugin.name.to_string();
            return Err(GrantError::Missing { plugin, missing: missing.required });
        }
        let missing_optional = missing.optional;
        Ok(Authority { requested, granted, jobs, http, secrets, missing_optional })
    }

    /// What is granted rule by rule, and with `allow = "requested"` what is asked for.
    fn with_requested<T: Clone>(
        &self,
        own: &[T],
        requested: &[T],
        harmless: impl Fn(&T) -> T,
    ) -> Both<T> {
        let whole = if self.allow == Allow::Requested { requested } else { &[] };
        let kept = |rule: &T| if self.dangerous { rule.clone() } else { harmless(rule) };
        let granted = own.iter().chain(whole).map(kept).collect();
        Both { requested: requested.to_vec(), granted }
    }

    fn kube_rules(&self, requested: &[KubeRule]) -> Vec<KubeRule> {
        let mut granted = self.kube.clone();
        for rule in requested {
            let mut rule = rule.clone();
            if self.allow == Allow::ReadOnly {
                rule.verbs.retain(|verb| verb.is_read());
            }
            granted.push(rule);
        }
        granted.retain(|rule| !rule.verbs.is_empty());
        if !self.dangerous {
            granted = granted.iter().flat_map(grant::harmless_kube).collect();
        }
        granted
    }
}

/// Checks rules one by one, of a manifest or of the operator.
pub(crate) fn check_rules(
    kube: &[KubeRule],
    jobs: Option<&JobGrant>,
    http: &[HttpRule],
    secrets: &[SecretRule],
) -> Result<(), String> {
    kube.iter().try_for_each(KubeRule::check)?;
    jobs.map_or(Ok(()), JobGrant::check)?;
    http.iter().try_for_each(HttpRule::check)?;
    secrets.iter().try_for_each(SecretRule::check)
}

/// The manifest's requests, and those that being a controller implies: reading the kinds that it
/// reconciles or watches, where its primary is and in the cluster scope, and writing its primaries'
/// status. Whatever it reads elsewhere it has to ask for.
fn requests(manifest: &Manifest) -> Vec<KubeRule> {
    let mut rules = manifest.grant.kube.clone();
    let mut imply = |verbs: &[Verb], kinds: &[Gvk], subresources: &[&str], namespaces| {
        rules.push(KubeRule {
            verbs: verbs.to_vec(),
            kinds: kinds.to_vec(),
            subresources: subresources.iter().map(|&name| name.to_owned()).collect(),
            namespaces,
            required: true,
        });
    };
    for controller in &manifest.controllers {
        let own: Vec<Gvk> = controller.reconciles().cloned().collect();
        let watched = controller.watch.iter().map(|watch| watch.kind.clone());
        let read: Vec<Gvk> = own.iter().cloned().chain(watched).collect();
        let reading = [Verb::Get, Verb::List, Verb::Watch];
        imply(&reading, &read, &[], Namespaces::Same);
        imply(&reading, &read, &[], Namespaces::Cluster);
        imply(&[Verb::Patch], &own, &["status"], Namespaces::Same);
    }
    rules
}

#[cfg(test)]
mod tests;
