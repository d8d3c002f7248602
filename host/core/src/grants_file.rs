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

use crate::authority::{Allow, Authority, Entry, GrantError};
use crate::manifest::{Manifest, Version1};
use crate::name::PluginName;

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
        if file.grants.is_none() {
            return Err("it does not say its version: begin with grants = 1".to_owned());
        }
        for (plugin, entry) in &file.plugins {
            if plugin != "*" && plugin.parse::<PluginName>().is_err() {
                return Err(format!("[plugins.{plugin:?}] names no plugin (a name, or \"*\")"));
            }
            entry.check().map_err(|problem| format!("[plugins.{plugin}]: {problem}"))?;
        }
        Ok(file)
    }

    /// What `manifest`'s plugin may do.
    ///
    /// # Errors
    /// As [`Entry::authority`].
    pub fn authority(&self, manifest: &Manifest) -> Result<Authority, GrantError> {
        self.entry(manifest.plugin.name.as_str()).authority(manifest)
    }

    /// What a plugin is granted: by its own entry, else by that of `*`, else reading only.
    #[must_use]
    pub fn entry(&self, plugin: &str) -> Entry {
        self.plugins.get(plugin).or_else(|| self.plugins.get("*")).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_granted_by_its_own_entry_else_by_the_star_else_reading_only() {
        let text =
            "grants = 1\n[plugins.p]\ndangerous = true\n[plugins.\"*\"]\nallow = \"requested\"";
        let file = GrantsFile::parse(text).unwrap();
        assert!(file.entry("p").dangerous && file.entry("p").allow == Allow::ReadOnly);
        assert_eq!(file.entry("q").allow, Allow::Requested);
        assert_eq!(GrantsFile::default().entry("p"), Entry::default());
        assert_eq!(GrantsFile::requested().entry("p").allow, Allow::Requested);
    }

    #[test]
    fn bad_files_are_refused_with_the_thing_named() {
        let kube =
            "[[plugins.p.kube]]\nverbs = [\"get\"]\nkinds = [\"v1/A\"]\nnamespaces = \"same\"";
        let http = "[[plugins.p.http]]\nhosts = [\"a.io\"]\nmethods = [\"GET\"]";
        let secrets =
            "[[plugins.p.secrets]]\nnames = [\"s\"]\nnamespaces = \"same\"\nhosts = [\"a.io\"]";
        let jobs = "[plugins.p.jobs]\nservice-accounts = [\"*\"]\nimages = [\"*\"]\nmax-active = 1";
        // what is written, what it is replaced by, what the error names
        let table = [
            (kube, "\"get\"", "\"escalate\"", "escalate"),
            (kube, "\"get\"", "\"GET\"", "GET"),
            (kube, "[\"get\"]", "[]", "lists no verbs"),
            (kube, "[\"v1/A\"]", "[]", "lists no kinds"),
            (kube, "v1/A", "v1/configmaps", "v1/configmaps"),
            (kube, "v1/A", "A", "names no kind"),
            (kube, "\"same\"", "\"mine\"", "namespaces = \"mine\""),
            (kube, "\"same\"", "[]", "namespaces is an empty list"),
            (kube, "\"same\"", "[\"Team A\"]", "namespace \"Team A\" is no DNS label"),
            (kube, "\"same\"", "[\"-a\"]", "namespace \"-a\""),
            (kube, "\"same\"", "\"same\"\nsubresources = [\"Status\"]", "\"Status\""),
            (kube, "\"get\"", "\"list\"", ""),
            (kube, "\"get\"]", "\"list\"]\nsubresources = [\"status\"]", "list is no verb"),
            (http, "[\"a.io\"]", "[]", "lists no hosts"),
            (http, "[\"GET\"]", "[]", "lists no methods"),
            (http, "GET", "get", "\"get\": methods"),
            (http, "a.io", "a.io/v1", "host pattern \"a.io/v1\""),
            (secrets, "[\"s\"]", "[]", "lists no names"),
            (secrets, "\"s\"", "\"S_1\"", "\"S_1\""),
            (secrets, "\"s\"", "\"*s\"", "\"*s\""),
            (secrets, "\"same\"", "\"cluster\"", "never in the cluster scope"),
            (secrets, "[\"a.io\"]", "[]", "of no use"),
            (jobs, "images = [\"*\"]", "images = []", "images is an empty list"),
            (jobs, "accounts = [\"*\"]", "accounts = []", "service-accounts is an empty list"),
            (jobs, "max-active = 1", "max-active = 0", "max-active is 0"),
            (jobs, "[plugins.p.jobs]", "[plugins.P.jobs]", "names no plugin"),
            ("[plugins.p]", "[plugins.p]", "[plugins.p]\nalow = \"requested\"", "alow"),
            ("[plugins.p]", "[plugins.p]", "[plugins.p]\nallow = \"all\"", "all"),
        ];
        for (text, from, to, part) in table {
            let text = format!("grants = 1\n{text}");
            assert!(GrantsFile::parse(&text).is_ok(), "{text}");
            let bad = text.replacen(from, to, 1);
            let answer = GrantsFile::parse(&bad);
            if part.is_empty() {
                assert!(answer.is_ok(), "{answer:?}");
                continue;
            }
            let error = answer.expect_err(&bad);
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
        assert!(GrantsFile::parse("[plugins.p]").unwrap_err().contains("grants = 1"));
    }
}
