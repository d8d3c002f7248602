//! The names of a new plugin and its kind, in the spellings that a project needs.

use anyhow::ensure;
use joch_core::name::PluginName;
use joch_core::object::Gvk;

/// Where a kind lives unless told otherwise: a domain that is nobody's.
const GROUP: &str = "example.com";
const VERSION: &str = "v1alpha1";

/// What a template's placeholders stand for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    plugin: String,
    kind: Gvk,
}

impl Names {
    /// Checks the names as the tools will: cargo the plugin's, the API server the kind's.
    pub(super) fn new(plugin: &PluginName, kind: Option<&Gvk>) -> anyhow::Result<Self> {
        let plugin = plugin.as_str().to_owned();
        ensure!(
            plugin.starts_with(|first: char| first.is_ascii_lowercase()),
            "plugin name {plugin:?} begins with a digit, which no crate may: begin with a letter"
        );
        let made = || Gvk::new(GROUP, VERSION, &camel_case(&plugin));
        let kind = kind.cloned().unwrap_or_else(made);
        let Gvk { group, version, kind: name } = &kind;
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            group.split('.').count() > 1
                && group.split('.').all(|part| !part.is_empty() && part.chars().all(label)),
            "kind {kind}: a kind of your own needs a group with a dot, as example.com/v1alpha1/{name}"
        );
        ensure!(
            version.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "kind {kind}: write the version in small letters, as v1alpha1"
        );
        ensure!(
            name.chars().all(|c| c.is_ascii_alphanumeric()) && name.len() <= PluginName::MAX,
            "kind {kind}: write the kind in CamelCase, in at most {} letters and digits",
            PluginName::MAX
        );
        Ok(Self { plugin, kind })
    }

    pub(super) fn plugin(&self) -> &str {
        &self.plugin
    }

    pub(super) fn kind(&self) -> &Gvk {
        &self.kind
    }

    /// Each placeholder with what it stands for.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let Self { plugin, kind } = self;
        let singular = kind.kind.to_ascii_lowercase();
        vec![
            ("plugin", plugin.clone()),
            ("group", kind.group.to_string()),
            ("version", kind.version.to_string()),
            ("kind", kind.kind.to_string()),
            ("plural", plural(&singular)),
            ("singular", singular),
        ]
    }
}

/// `my-banner` is `MyBanner`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    name.split('-').map(capital).collect::<Vec<String>>().concat()
}

/// The plural as English makes it in most cases.
fn plural(singular: &str) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| singular.ends_with(ending));
    match singular.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{singular}es"),
        _ => format!("{singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plugin: &str, kind: Option<&str>) -> anyhow::Result<Names> {
        let kind = kind.map(|kind| kind.parse().unwrap());
        Names::new(&plugin.parse().unwrap(), kind.as_ref())
    }

    #[test]
    fn a_kind_is_made_from_the_name() {
        let kind = |plugin| names(plugin, None).unwrap().kind().to_string();
        assert_eq!(kind("banner"), "example.com/v1alpha1/Banner");
        assert_eq!(kind("my-banner2"), "example.com/v1alpha1/MyBanner2");
    }

    #[test]
    fn plurals_are_english() {
        for (one, many) in [
            ("banner", "banners"),
            ("policy", "policies"),
            ("gateway", "gateways"),
            ("ingress", "ingresses"),
            ("batch", "batches"),
        ] {
            assert_eq!(plural(one), many);
        }
    }

    #[test]
    fn what_a_tool_would_refuse_is_refused_with_the_way_out() {
        for (plugin, kind, part) in [
            ("7up", None, "begin with a letter"),
            ("a", Some("v1/Banner"), "a group with a dot"),
            ("a", Some("apps/v1/Banner"), "a group with a dot"),
            ("a", Some("A.b/v1/Banner"), "a group with a dot"),
            ("a", Some("a.b/v1Alpha1/Banner"), "small letters"),
            ("a", Some("a.b/v1/Ban-ner"), "CamelCase"),
        ] {
            let error = names(plugin, kind).unwrap_err().to_string();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}
