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
        match file.grants {
            Some(Version1) => Ok(file),
            None => Err("it does not say its version: begin with grants = 1".to_owned()),
        }
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
