//! Authority: what a plugin asks for, what it was granted, and whether a call lies within both.
//!
//! # Guarantees
//! - Deny by default: a call is allowed only if a requested rule *and* a granted rule cover it.
//! - A rule more never turns an allowed call into a denied one.
//! - A plugin that lacks nothing is never denied a call that its requests cover.

use std::fmt;

use crate::name::is_small_label;

mod danger;
pub mod http;
mod jobs;
mod kube;
mod place;
mod secret;

pub use http::{HostPattern, HttpRule, decide_http};
pub use jobs::{JobGrant, Profile, SecretUse};
pub use kube::{InvalidVerb, KubeCall, KubeRule, Part, Verb, decide, effective};
pub use place::{Namespaces, Place};
pub use secret::{SecretRule, decide_secret, effective_secrets};

pub(crate) use danger::{harmless_http, harmless_kube, harmless_secret, is_forbidden};
pub(crate) use http::missing as missing_http;
pub(crate) use kube::missing as missing_kube;
pub(crate) use secret::missing as missing_secrets;

/// Requests that are not granted, as texts for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Missing {
    /// Those without which the plugin is refused.
    pub(crate) required: Vec<String>,
    /// Those without which it runs.
    pub(crate) optional: Vec<String>,
}

impl Missing {
    /// Notes a request once; with the reason if it is one of those that need the word `dangerous`.
    fn note(&mut self, required: bool, what: &dyn fmt::Display, dangerous: Option<&str>) {
        let text = match dangerous {
            Some(reason) => format!("{what} (dangerous: {reason})"),
            None => what.to_string(),
        };
        let list = if required { &mut self.required } else { &mut self.optional };
        if !list.contains(&text) {
            list.push(text);
        }
    }
}

/// What it comes to that each side allows or does not, and in the second case who would have to say so.
fn both(requested: bool, granted: bool, what: &dyn fmt::Display) -> Result<(), String> {
    match (requested, granted) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("{what} (not requested by the plugin's manifest)")),
        (true, false) => Err(format!("{what} (requested, but not granted by the operator)")),
    }
}

fn yes() -> bool {
    true
}

/// Whether a text is a DNS label, as names of namespaces are.
fn dns_label(text: &str) -> Result<(), &'static str> {
    if text.len() <= 63 && is_small_label(text) {
        Ok(())
    } else {
        Err("is no DNS label (a-z, 0-9 and '-', at most 63 characters)")
    }
}

#[cfg(test)]
mod tests;
