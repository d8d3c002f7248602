//! What is needed for which manifest and which grants.

use super::*;
use crate::grants_file::GrantsFile;

fn texts(extra: &str, entry: &str, namespaced: impl Fn(&Gvk) -> Option<bool>) -> Vec<String> {
    let head = r#"
manifest = 1
plugin = { name = "p", version = "1", kind = "controller", track = "0.1" }
[[controller]]
name = "c"
primary = { group = "a.io", version = "v1", kind = "A" }
"#;
    let manifest = Manifest::parse(&format!("{head}{extra}")).unwrap();
    let file = GrantsFile::parse(&format!("grants = 1\n[plugins.p]\n{entry}")).unwrap();
    let authority = file.authority(&manifest).unwrap();
    let text = |(need, why): (&Need, &BTreeSet<&str>)| {
        let why: Vec<&str> = why.iter().copied().collect();
        format!("{need} @ {:?}: {}", need.place, why.join(", "))
    };
    of_plugin(&manifest, &authority, namespaced).iter().map(text).collect()
}

const REQUESTED: &str = "allow = \"requested\"";

#[test]
fn a_controller_of_a_namespaced_kind() {
    assert_eq!(
        texts("", REQUESTED, |_| Some(true)),
        [
            "get on a.io/v1/A @ Watched: grants",
            "list on a.io/v1/A @ Watched: grants, watches",
            "watch on a.io/v1/A @ Watched: grants, watches",
            "patch on a.io/v1/A/status @ Watched: grants, status",
            "create on events.k8s.io/v1/Event @ Watched: events",
            "patch on events.k8s.io/v1/Event @ Watched: events",
        ]
    );
    assert_eq!(texts("", REQUESTED, |_| None), texts("", REQUESTED, |_| Some(true)));
}

#[test]
fn a_controller_of_a_cluster_scoped_kind() {
    assert_eq!(
        texts("finalizer = \"a.io/f\"", REQUESTED, |kind| Some(&*kind.kind != "A")),
        [
            "get on a.io/v1/A @ Cluster: grants",
            "list on a.io/v1/A @ Cluster: grants, watches",
            "watch on a.io/v1/A @ Cluster: grants, watches",
            "patch on a.io/v1/A @ Cluster: finalizer",
            "patch on a.io/v1/A/status @ Cluster: grants, status",
            "create on events.k8s.io/v1/Event @ Namespace(\"default\"): events",
            "patch on events.k8s.io/v1/Event @ Namespace(\"default\"): events",
        ]
    );
}

#[test]
fn only_what_is_both_requested_and_granted_is_needed() {
    let asks = "[[grant.kube]]\nverbs = [\"create\", \"delete\"]\nkinds = [\"v1/ConfigMap\"]\n\
                namespaces = [\"x\", \"y\"]\nrequired = false\n";
    let gives = "[[plugins.p.kube]]\nverbs = [\"create\", \"patch\"]\nkinds = [\"v1/ConfigMap\"]\n\
                 namespaces = [\"y\", \"z\"]\n[[plugins.p.kube]]\nverbs = [\"patch\"]\n\
                 kinds = [\"a.io/v1/A\"]\nsubresources = [\"status\"]\nnamespaces = \"all\"";
    let maps: Vec<String> = texts(asks, gives, |_| Some(true))
        .into_iter()
        .filter(|text| text.contains("ConfigMap"))
        .collect();
    assert_eq!(maps, ["create on v1/ConfigMap @ Namespace(\"y\"): grants"]);
}

#[test]
fn an_apply_without_the_grant_to_create_looks_for_its_object() {
    let maps = |verbs: &str| {
        let rule = format!(
            "[[grant.kube]]\nverbs = [{verbs}]\nkinds = [\"v1/ConfigMap\"]\nnamespaces = \"same\"\n"
        );
        let found = texts(&rule, REQUESTED, |_| Some(true)).into_iter();
        found.filter(|text| text.starts_with("get on v1/ConfigMap")).count()
    };
    assert_eq!((maps("\"patch\""), maps("\"create\", \"patch\""), maps("\"delete\"")), (1, 0, 0));
}

#[test]
fn a_kind_of_unknown_scope_is_cluster_scoped_only_if_nothing_else_is_said_of_it() {
    let rule = |namespaces: &str| {
        let asks = "[[grant.kube]]\nverbs = [\"get\"]\nkinds = [\"v1/Node\"]\nnamespaces = ";
        texts(&format!("{asks}\"{namespaces}\"\n"), REQUESTED, |_| None)
    };
    assert!(rule("cluster").contains(&"get on v1/Node @ Cluster: grants".to_owned()));
    assert!(rule("same").contains(&"get on v1/Node @ Watched: grants".to_owned()));
}

#[test]
fn jobs_and_secrets() {
    let asks = "[grant.jobs]\nservice-accounts = [\"*\"]\nimages = [\"*\"]\nmax-active = 5\n\
                [[grant.secrets]]\nnames = [\"key\", \"db-*\"]\nnamespaces = \"same\"\n\
                hosts = [\"a.io\"]\n";
    let found = texts(asks, REQUESTED, |_| Some(true));
    for need in [
        "get on batch/v1/Job @ Watched: jobs",
        "create on batch/v1/Job @ Watched: jobs",
        "get on v1/Secret @ Watched: secrets",
        "get on v1/Secret \"key\" @ Watched: secrets",
    ] {
        assert!(found.contains(&need.to_owned()), "{need:?} is not in {found:?}");
    }
    assert!(!found.iter().any(|need| need.contains("list on v1/Secret")), "{found:?}");
    // An entry that grants fewer names leaves fewer.
    let gives = "[[plugins.p.secrets]]\nnames = [\"db-main\"]\nnamespaces = [\"x\"]\nhosts = [\"a.io\"]\n\
                 [plugins.p.jobs]\nservice-accounts = [\"*\"]\nimages = [\"*\"]\nmax-active = 5\n\
                 [[plugins.p.kube]]\nverbs = [\"patch\"]\nkinds = [\"a.io/v1/A\"]\n\
                 subresources = [\"status\"]\nnamespaces = \"all\"";
    let optional = format!("{asks}required = false\n");
    let found = texts(&optional, gives, |_| Some(true));
    let secrets: Vec<&String> = found.iter().filter(|need| need.contains("Secret")).collect();
    assert_eq!(secrets, ["get on v1/Secret \"db-main\" @ Namespace(\"x\"): secrets"]);
}
