//! Which plugins this manager runs: all of them, or some of them by name or by the groups of their kinds,
//! so that several managers share the work by kind of work.

use std::collections::BTreeSet;
use std::path::Path;

use joch_core::manifest::Manifest;
use joch_core::name::PluginName;

/// The plugins that are run here; all, if nothing is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) plugins: BTreeSet<PluginName>,
    pub(crate) groups: BTreeSet<String>,
}

impl Selection {
    /// Whether a plugin is run here. One whose manifest cannot be read is, if any group is selected:
    /// somebody has to tell what is wrong with it.
    pub(crate) fn includes(&self, name: &PluginName, manifest: Option<&Manifest>) -> bool {
        if self.plugins.is_empty() && self.groups.is_empty() {
            return true;
        }
        let of_group = |manifest: &Manifest| {
            manifest.reconciles().any(|kind| self.groups.contains(&*kind.group))
        };
        self.plugins.contains(name) || (!self.groups.is_empty() && manifest.is_none_or(of_group))
    }

    /// Whether somebody else may run plugins of which nothing but the name is known.
    pub(crate) fn is_by_group(&self) -> bool {
        !self.groups.is_empty()
    }
}

/// Reads a plugin's name as a flag gives it.
///
/// # Errors
/// It is no name; if it seems to be a folder, the flag for folders is named.
pub(crate) fn plugin_name(text: &str) -> Result<PluginName, String> {
    let holds_plugins = |entries: std::fs::ReadDir| {
        entries.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "wasm"))
    };
    let is_folder = std::fs::read_dir(Path::new(text)).is_ok_and(holds_plugins);
    if is_folder || text.contains(['/', '.']) {
        return Err(format!(
            "--plugins takes names of plugins; the folder that they are in is given by --plugin-dir {text}"
        ));
    }
    text.parse().map_err(|error: joch_core::name::InvalidName| error.to_string())
}

/// Reads an API group as a flag gives it; the core group has no name, and is written `core`.
pub(crate) fn group(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    match text {
        "core" => Ok(String::new()),
        _ if !text.is_empty() && text.chars().all(legal) => Ok(text.to_owned()),
        _ => Err(format!("{text:?} is no API group (write \"kubetask.io\", or \"core\")")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
also = [{ group = "", version = "v1", kind = "ConfigMap" }]
"#;
        Manifest::parse(text).unwrap()
    }

    fn selection(plugins: &[&str], groups: &[&str]) -> Selection {
        Selection {
            plugins: plugins.iter().map(|name| plugin_name(name).unwrap()).collect(),
            groups: groups.iter().map(|name| group(name).unwrap()).collect(),
        }
    }

    #[test]
    fn a_plugin_is_run_if_its_name_or_a_group_of_its_kinds_is_named_or_nothing_is() {
        let (name, manifest) = ("p".parse().unwrap(), manifest());
        for (plugins, groups, wanted) in [
            (&[][..], &[][..], true),
            (&["p", "q"], &[], true),
            (&["q"], &[], false),
            (&[], &["a.io"], true),
            (&[], &["core"], true),
            (&[], &["b.io"], false),
            (&["q"], &["a.io"], true),
        ] {
            let selection = selection(plugins, groups);
            assert_eq!(
                selection.includes(&name, Some(&manifest)),
                wanted,
                "{plugins:?} {groups:?}"
            );
        }
        assert!(selection(&[], &["b.io"]).includes(&name, None), "somebody has to tell");
        assert!(!selection(&["q"], &[]).includes(&name, None));
    }

    #[test]
    fn a_folder_is_no_name_and_says_which_flag_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.wasm"), "").unwrap();
        for text in ["dist/plugins", "./plugins", ".", folder.path().to_str().unwrap()] {
            let error = plugin_name(text).unwrap_err();
            assert!(error.contains(&format!("--plugin-dir {text}")), "{error}");
        }
        assert!(plugin_name("Nonsense").unwrap_err().contains("DNS label"));
        assert!(group("A b").unwrap_err().contains("kubetask.io"));
    }
}
