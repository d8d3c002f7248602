//! Use of Secrets: which, where, and whether the plugin may see a value or only have it sent.

use std::fmt;

use serde::Deserialize;

use super::http::{HostPattern, InvalidOrigin, Origin};
use super::{Missing, Namespaces, Place, danger, dns_label};
use crate::port::{SecretRef, SecretUse};

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
    pub hosts: Vec<HostPattern>,
    /// Whether the plugin may see the value itself.
    #[serde(default)]
    pub reveal: bool,
    /// Whether the plugin is refused without it.
    #[serde(default = "super::yes")]
    pub required: bool,
}

impl SecretRule {
    /// Whether the rule says what it allows.
    ///
    /// # Errors
    /// One sentence that names what is empty, misspelt or contradictory.
    pub fn check(&self) -> Result<(), String> {
        let about = self.names.join(", ");
        if self.names.is_empty() {
            return Err("a secrets rule lists no names, so it allows nothing".to_owned());
        }
        if let Some(name) = self.names.iter().find(|name| !is_name(name)) {
            return Err(format!(
                "a secrets rule lists {name:?}, which names no Secret (a name, or its beginning and a \
                 star)"
            ));
        }
        if self.namespaces == Namespaces::Cluster {
            return Err(format!(
                "a secrets rule on {about}: Secrets are in namespaces, never in the cluster scope"
            ));
        }
        self.namespaces
            .check()
            .map_err(|problem| format!("a secrets rule on {about}: {problem}"))?;
        if self.hosts.is_empty() && !self.reveal {
            return Err(format!(
                "a secrets rule on {about}: without hosts and without reveal, the value is of no use"
            ));
        }
        Ok(())
    }

    fn allows(
        &self,
        name: &str,
        namespace: Option<&str>,
        wanted: &Wanted,
        at: Option<&str>,
    ) -> bool {
        let usage = match wanted {
            Wanted::Placeholder => true,
            Wanted::Send(origin) => self.hosts.iter().any(|host| host.matches(origin)),
            Wanted::Reveal => self.reveal,
        };
        usage
            && self.names.iter().any(|pattern| name_covers(pattern, name))
            && self.namespaces.holds(namespace, at)
    }
}

enum Wanted {
    Placeholder,
    Send(Origin),
    Reveal,
}

/// Decides the use of a Secret by a plugin that reconciles an object of `primary_namespace`: allowed only
/// if one of `requested` and one of `granted` allow it.
///
/// That a value may go to a host does not say that the request may be made: see [`super::decide_http`].
///
/// # Errors
/// A text that says what would have to be requested or granted.
pub fn decide_secret(
    requested: &[SecretRule],
    granted: &[SecretRule],
    secret: &SecretRef,
    usage: &SecretUse,
    primary_namespace: Option<&str>,
) -> Result<(), String> {
    let SecretRef { namespace, name, .. } = secret;
    let namespace = namespace.as_deref().or(primary_namespace);
    let (wanted, purpose) = match usage {
        SecretUse::Placeholder => (Wanted::Placeholder, "use of".to_owned()),
        SecretUse::Send { origin } => {
            let origin: Origin =
                origin.parse().map_err(|error: InvalidOrigin| error.to_string())?;
            let purpose = format!("sending to {origin}");
            (Wanted::Send(origin), purpose)
        }
        SecretUse::Reveal => (Wanted::Reveal, "reveal of".to_owned()),
    };
    let within = |rules: &[SecretRule]| {
        rules.iter().any(|rule| rule.allows(name, namespace, &wanted, primary_namespace))
    };
    let place = namespace.map_or(Place::Cluster, Place::Named);
    let what = match &wanted {
        Wanted::Send(_) => format!("{purpose} of Secret {name} in {place}"),
        Wanted::Placeholder | Wanted::Reveal => format!("{purpose} Secret {name} in {place}"),
    };
    super::both(within(requested), within(granted), &what)
}

/// Notes each use of each name in each place that no granted rule covers.
pub(crate) fn missing(requested: &[SecretRule], granted: &[SecretRule], missing: &mut Missing) {
    for rule in requested {
        for name in &rule.names {
            for place in rule.namespaces.places() {
                let here = |grant: &&SecretRule| {
                    grant.names.iter().any(|own| name_covers(own, name))
                        && grant.namespaces.covers(place)
                };
                let mut note = |covered: bool, what: &dyn fmt::Display, danger| {
                    if !covered {
                        missing.note(rule.required, what, danger);
                    }
                };
                let reason = danger::of_secret_name(name);
                for host in &rule.hosts {
                    let sends = |grant: &SecretRule| grant.hosts.iter().any(|own| own.covers(host));
                    note(
                        granted.iter().filter(here).any(sends),
                        &format_args!("sending of Secret {name} in {place} to {host}"),
                        reason.or_else(|| danger::of_host(host)),
                    );
                }
                if rule.reveal {
                    note(
                        granted.iter().filter(here).any(|grant| grant.reveal),
                        &format_args!("reveal of Secret {name} in {place}"),
                        Some(danger::REVEAL),
                    );
                }
            }
        }
    }
}

/// Whether everything that `name` (a name, or a pattern) matches is matched by `pattern`.
fn name_covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// Whether a text is the name of a Secret, or the beginning of one with a star.
fn is_name(text: &str) -> bool {
    match text.strip_suffix('*') {
        Some(prefix) => prefix
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'),
        None => text.len() <= 253 && text.split('.').all(|label| dns_label(label).is_ok()),
    }
}

#[cfg(test)]
mod tests;
