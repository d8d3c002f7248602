//! Roles as YAML, with a comment at each rule.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use joch_controller::Resource;
use joch_core::grant::Verb;
use joch_core::object::Gvk;

use super::roles::{Roles, Rule};
use super::{Granted, NamespacedName};

/// What the comments and bindings speak of.
pub(super) struct Document<'a> {
    /// The name of every object that is printed.
    pub(super) name: &'a str,
    pub(super) plugins: &'a [Granted],
    pub(super) account: &'a NamespacedName,
    pub(super) resources: &'a BTreeMap<Gvk, Resource>,
}

impl Document<'_> {
    pub(super) fn render(&self, roles: &Roles) -> String {
        let mut objects = Vec::new();
        if !roles.cluster.is_empty() {
            objects.push(self.role("ClusterRole", None, &roles.cluster));
            objects.push(self.binding("ClusterRole", None));
        }
        for (namespace, rules) in &roles.local {
            objects.push(self.role("Role", Some(namespace), rules));
            objects.push(self.binding("Role", Some(namespace)));
        }
        self.head() + &objects.join("---\n")
    }

    fn head(&self) -> String {
        let plugins: Vec<String> = self
            .plugins
            .iter()
            .map(|Granted { manifest, .. }| {
                format!("{} {}", manifest.plugin.name, manifest.plugin.version)
            })
            .collect();
        let plugins = if plugins.is_empty() { "no plugins".to_owned() } else { plugins.join(", ") };
        let mut head = format!("# What joch-controller-manager needs for {plugins}.\n");
        let guessed: Vec<String> = self
            .resources
            .iter()
            .filter(|(kind, resource)| resource.guessed && !is_built_in(kind))
            .map(|(kind, resource)| format!("{kind} = {}", resource.plural))
            .collect();
        if !guessed.is_empty() {
            head += "# Guessed: the names of these resources, and whether they are in namespaces. \
                     --kubeconfig FILE\n# asks a cluster that serves them.\n";
            head += &format!("#   {}\n", guessed.join(", "));
        }
        head
    }

    fn binding(&self, kind: &str, namespace: Option<&str>) -> String {
        let NamespacedName { namespace: of, name } = self.account;
        let mut text = self.object(&format!("{kind}Binding"), namespace);
        write!(
            text,
            "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {:?}\n\
             subjects:\n  - kind: ServiceAccount\n    namespace: {of:?}\n    name: {name:?}\n",
            self.name
        )
        .ok();
        text
    }

    fn object(&self, kind: &str, namespace: Option<&str>) -> String {
        let mut text = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {:?}\n",
            self.name
        );
        if let Some(namespace) = namespace {
            writeln!(text, "  namespace: {namespace:?}").ok();
        }
        text
    }

    fn role(&self, kind: &str, namespace: Option<&str>, rules: &[Rule]) -> String {
        let mut text = self.object(kind, namespace) + "rules:\n";
        for Rule { group, resources, names, verbs, reasons } in rules {
            let reasons: Vec<String> = reasons
                .iter()
                .map(|(who, why)| {
                    format!("{who} ({})", why.iter().copied().collect::<Vec<_>>().join(", "))
                })
                .collect();
            writeln!(text, "  # {}", reasons.join("; ")).ok();
            writeln!(text, "  - apiGroups: [{group:?}]").ok();
            writeln!(text, "    resources: [{}]", list(resources.iter().map(String::as_str))).ok();
            if !names.is_empty() {
                writeln!(text, "    resourceNames: [{}]", list(names.iter().map(String::as_str)))
                    .ok();
            }
            writeln!(text, "    verbs: [{}]", list(verbs.iter().map(|verb| Verb::as_str(*verb))))
                .ok();
        }
        text
    }
}

/// Whether every cluster serves the kind; its name is known then.
fn is_built_in(kind: &Gvk) -> bool {
    !kind.group.contains('.') || kind.group.ends_with(".k8s.io") || &*kind.group == "joch.dev"
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
}
