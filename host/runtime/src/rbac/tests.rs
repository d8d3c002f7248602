//! The roles of the built-in plugins as they are printed, and what they are made of.

use joch_controller::Resource;

use super::*;

const KUBETASK: &str = include_str!("../../../../plugins/kubetask/plugin.toml");
const HELLO: &str = include_str!("../../../../examples/hello-controller/plugin.toml");
const LEASES: Option<&str> = Some("joch-system");
const REQUESTED: &str = "grants = 1\n[plugins.\"*\"]\nallow = \"requested\"\n";

fn granted(manifests: &[&str], grants: &str) -> Vec<Granted> {
    let grants = GrantsFile::parse(grants).unwrap();
    let granted = |text: &&str| {
        let manifest = Manifest::parse(text).unwrap();
        let authority = grants.authority(&manifest).unwrap();
        Granted { manifest, authority }
    };
    manifests.iter().map(granted).collect()
}

/// As [`print`], without a cluster.
async fn printed(plugins: &[Granted], namespaces: &[&str]) -> String {
    printed_with(plugins, &[], namespaces).await
}

async fn printed_with(plugins: &[Granted], maps: &[&str], namespaces: &[&str]) -> String {
    let sources = maps.iter().map(|text| NamespacedName::parse("config-map", text).unwrap());
    let sources: Vec<_> = sources.collect();
    let resources =
        joch_controller::resources(None, &kinds(plugins, &sources, LEASES)).await.unwrap();
    let namespaced =
        |kind: &Gvk| resources.get(kind).and_then(|resource: &Resource| resource.namespaced);
    let namespaces: Vec<String> = namespaces.iter().map(|&name| name.to_owned()).collect();
    let roles = Roles::of(&wanted(plugins, &sources, LEASES, namespaced), &resources, &namespaces);
    let account =
        NamespacedName::parse("service-account", "joch-system/joch-controller-manager").unwrap();
    let name = "joch-controller-manager";
    Document { name, plugins, account: &account, resources: &resources }.render(&roles)
}

#[tokio::test]
async fn the_roles_of_the_host_alone() {
    insta::assert_snapshot!(printed(&[], &[]).await);
}

#[tokio::test]
async fn the_roles_for_kubetask_and_hello_in_the_whole_cluster() {
    insta::assert_snapshot!(printed(&granted(&[HELLO, KUBETASK], REQUESTED), &[]).await);
}

#[tokio::test]
async fn the_roles_for_kubetask_and_hello_in_two_namespaces() {
    insta::assert_snapshot!(printed(&granted(&[HELLO, KUBETASK], REQUESTED), &["a", "b"]).await);
}

#[tokio::test]
async fn names_namespaces_and_the_cluster_scope_are_told_apart() {
    let manifest = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "Policy" }
finalizer = "a.io/f"
watch = [{ kind = "v1/Node", by = "read" }]
[[grant.kube]]
verbs = ["patch"]
kinds = ["v1/ConfigMap"]
namespaces = ["z"]
[[grant.secrets]]
names = ["key", "token"]
namespaces = "same"
hosts = ["a.io"]
[[grant.secrets]]
names = ["db-*"]
namespaces = ["z"]
hosts = ["a.io"]
"#;
    insta::assert_snapshot!(printed(&granted(&[manifest], REQUESTED), &["a"]).await);
}

#[tokio::test]
async fn config_maps_with_components_are_named_one_by_one() {
    insta::assert_snapshot!(printed_with(&[], &["joch/hello", "joch/kubetask"], &["a"]).await);
}

#[test]
fn a_service_account_is_a_namespace_and_a_name() {
    for text in ["", "name", "/name", "ns/", "a/b/c"] {
        let error = NamespacedName::parse("service-account", text).err();
        let error = error.map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("--service-account")), "{text:?}");
    }
}
