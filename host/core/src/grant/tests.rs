//! The table of decisions: verb by kind by namespace by subresource.

use super::*;

fn rule(verbs: &[Verb], kind: &str, namespaces: Namespaces) -> KubeRule {
    KubeRule {
        verbs: verbs.to_vec(),
        kinds: vec![kind.parse().unwrap()],
        subresources: Vec::new(),
        namespaces,
        required: true,
    }
}

fn call<'a>(verb: Verb, kind: &'a Gvk, namespace: Option<&'a str>) -> KubeCall<'a> {
    KubeCall { verb, kind, subresource: None, namespace, all_namespaces: false }
}

#[test]
fn a_call_needs_a_request_and_a_grant() {
    let kind: Gvk = "v1/ConfigMap".parse().unwrap();
    let get = [rule(&[Verb::Get], "v1/ConfigMap", Namespaces::All)];
    let call = call(Verb::Get, &kind, Some("a"));
    assert_eq!(decide(&get, &get, &call, Some("a")), Ok(()));
    let unasked = decide(&[], &get, &call, Some("a")).unwrap_err();
    let ungranted = decide(&get, &[], &call, Some("a")).unwrap_err();
    assert!(unasked.contains("not requested") && unasked.contains("v1/ConfigMap"), "{unasked}");
    assert!(ungranted.contains("not granted") && ungranted.contains("namespace a"), "{ungranted}");
}

#[test]
fn the_table_of_verbs_kinds_and_namespaces() {
    let listed = Namespaces::Listed(vec!["a".into(), "b".into()]);
    let map: Gvk = "v1/ConfigMap".parse().unwrap();
    let job: Gvk = "batch/v1/Job".parse().unwrap();
    // rule's namespaces, verb, kind, call's namespace, allowed (the primary lives in "a")
    let table = [
        (Namespaces::Same, Verb::Get, &map, Some("a"), true),
        (Namespaces::Same, Verb::Get, &map, Some("b"), false),
        (Namespaces::Same, Verb::Get, &map, None, false),
        (Namespaces::Same, Verb::Patch, &map, Some("a"), false),
        (Namespaces::Same, Verb::Get, &job, Some("a"), false),
        (Namespaces::All, Verb::Get, &map, Some("z"), true),
        (Namespaces::All, Verb::Get, &map, None, true),
        (listed.clone(), Verb::Get, &map, Some("b"), true),
        (listed.clone(), Verb::Get, &map, Some("c"), false),
        (listed, Verb::Get, &map, None, false),
        (Namespaces::Cluster, Verb::Get, &map, None, true),
        (Namespaces::Cluster, Verb::Get, &map, Some("a"), false),
    ];
    for (namespaces, verb, kind, namespace, allowed) in table {
        let rules = [rule(&[Verb::Get], "v1/ConfigMap", namespaces.clone())];
        let decision = decide(&rules, &rules, &call(verb, kind, namespace), Some("a"));
        assert_eq!(decision.is_ok(), allowed, "{namespaces:?} {verb:?} {kind} {namespace:?}");
    }
}

#[test]
fn a_query_over_all_namespaces_needs_a_rule_for_all() {
    let map: Gvk = "v1/ConfigMap".parse().unwrap();
    let everywhere = KubeCall { all_namespaces: true, ..call(Verb::List, &map, None) };
    for (namespaces, allowed) in
        [(Namespaces::All, true), (Namespaces::Same, false), (Namespaces::Cluster, false)]
    {
        let rules = [rule(&[Verb::List], "v1/ConfigMap", namespaces)];
        assert_eq!(decide(&rules, &rules, &everywhere, None).is_ok(), allowed);
    }
}

#[test]
fn a_subresource_has_to_be_named() {
    let map: Gvk = "v1/ConfigMap".parse().unwrap();
    let status = KubeCall { subresource: Some("status"), ..call(Verb::Patch, &map, Some("a")) };
    let without = [rule(&[Verb::Patch], "v1/ConfigMap", Namespaces::Same)];
    let with = [KubeRule { subresources: vec!["status".into()], ..without[0].clone() }];
    assert!(decide(&without, &without, &status, Some("a")).is_err());
    assert!(decide(&with, &with, &status, Some("a")).is_ok());
    assert!(decide(&with, &without, &status, Some("a")).is_err());
}

#[test]
fn missing_names_each_required_verb_and_kind_that_is_not_covered() {
    let wanted = [
        rule(&[Verb::Get, Verb::Create], "v1/ConfigMap", Namespaces::Same),
        KubeRule { required: false, ..rule(&[Verb::Delete], "v1/ConfigMap", Namespaces::Same) },
    ];
    let read_only = [rule(&[Verb::Get], "v1/ConfigMap", Namespaces::All)];
    assert_eq!(missing(&wanted, &read_only), ["create on v1/ConfigMap"]);
    assert_eq!(missing(&wanted, &wanted), Vec::<String>::new());
    let narrow =
        [rule(&[Verb::Get, Verb::Create], "v1/ConfigMap", Namespaces::Listed(vec!["a".into()]))];
    assert_eq!(missing(&wanted, &narrow).len(), 2);
}

#[test]
fn dangerous_rules_are_recognised() {
    let table = [
        (Verb::Create, "v1/Pod", true),
        (Verb::Get, "v1/Pod", false),
        (Verb::Get, "v1/Secret", true),
        (Verb::Patch, "apps/v1/Deployment", true),
        (Verb::Create, "batch/v1/Job", true),
        (Verb::Patch, "rbac.authorization.k8s.io/v1/ClusterRole", true),
        (Verb::Patch, "v1/ConfigMap", false),
        (Verb::Patch, "kubetask.io/v1alpha1/Task", false),
    ];
    for (verb, kind, dangerous) in table {
        assert_eq!(
            is_dangerous(&rule(&[verb], kind, Namespaces::Same)),
            dangerous,
            "{verb:?} {kind}"
        );
    }
    assert!(is_forbidden(&rule(&[Verb::Patch], "joch.dev/v1alpha1/Plugin", Namespaces::Cluster)));
}
