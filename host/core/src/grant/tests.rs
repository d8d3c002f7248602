//! The table of decisions: verb by kind by namespace by subresource, requested by granted; and what holds
//! for all rules whatsoever.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::object::Gvk;

const VERBS: [Verb; 4] = [Verb::Get, Verb::List, Verb::Create, Verb::Patch];
const SUBRESOURCES: [Option<&str>; 3] = [None, Some("status"), Some("scale")];

fn kinds() -> [Gvk; 3] {
    ["v1/ConfigMap", "batch/v1/Job", "a.io/v1/A"].map(|kind| kind.parse().unwrap())
}

/// The places of a call: namespace, and whether all namespaces are meant.
const PLACES: [(Option<&str>, bool); 5] =
    [(Some("a"), false), (Some("b"), false), (Some("c"), false), (None, false), (None, true)];

/// For each form of `namespaces`, in which of [`PLACES`] it holds: for a primary in "a", and for a
/// cluster-scoped one.
fn forms() -> [(Namespaces, [bool; 5], [bool; 5]); 4] {
    let listed = Namespaces::Listed(vec!["a".into(), "b".into()]);
    let (t, f) = (true, false);
    [
        (Namespaces::Same, [t, f, f, f, f], [f, f, f, t, f]),
        (Namespaces::All, [t, t, t, t, t], [t, t, t, t, t]),
        (Namespaces::Cluster, [f, f, f, t, f], [f, f, f, t, f]),
        (listed, [t, t, f, f, f], [t, t, f, f, f]),
    ]
}

fn rule(verbs: &[Verb], kind: &Gvk, subresources: &[&str], namespaces: &Namespaces) -> KubeRule {
    KubeRule {
        verbs: verbs.to_vec(),
        kinds: vec![kind.clone()],
        subresources: subresources.iter().map(|&name| name.to_owned()).collect(),
        namespaces: namespaces.clone(),
        required: true,
    }
}

fn missing(requested: &[KubeRule], granted: &[KubeRule]) -> Missing {
    let mut missing = Missing::default();
    kube::missing(requested, granted, &mut missing);
    missing
}

#[test]
fn the_table_of_namespaces_requested_and_granted() {
    let [map, ..] = kinds();
    for (asked, asked_here, asked_cluster) in forms() {
        for (given, given_here, given_cluster) in forms() {
            let requested = [rule(&[Verb::Get], &map, &[], &asked)];
            let granted = [rule(&[Verb::Get], &map, &[], &given)];
            for (place, (namespace, all_namespaces)) in PLACES.into_iter().enumerate() {
                let call = KubeCall {
                    verb: Verb::Get,
                    kind: &map,
                    subresource: None,
                    namespace,
                    all_namespaces,
                };
                for (primary, asked, given) in [
                    (Some("a"), asked_here[place], given_here[place]),
                    (None, asked_cluster[place], given_cluster[place]),
                ] {
                    let decision = decide(&requested, &granted, &call, primary);
                    let expected = match (asked, given) {
                        (true, true) => None,
                        (false, _) => Some("not requested"),
                        (true, false) => Some("not granted"),
                    };
                    let denial = decision.err();
                    let told = match (expected, &denial) {
                        (None, None) => true,
                        (Some(part), Some(text)) => text.contains(part),
                        _ => false,
                    };
                    assert!(told, "{requested:?} {granted:?} {call} {primary:?}: {denial:?}");
                }
            }
        }
    }
}

#[test]
fn the_table_of_verbs_kinds_and_subresources() {
    for (verb, kind, subresources) in
        VERBS.iter().flat_map(|verb| kinds().map(|kind| (*verb, kind))).flat_map(|(verb, kind)| {
            [vec![], vec!["status"], vec!["status", "scale"]].map(|s| (verb, kind.clone(), s))
        })
    {
        let rules = [rule(&[verb], &kind, &subresources, &Namespaces::Same)];
        for called in VERBS {
            for target in kinds() {
                for subresource in SUBRESOURCES {
                    let call = KubeCall {
                        verb: called,
                        kind: &target,
                        subresource,
                        namespace: Some("a"),
                        all_namespaces: false,
                    };
                    let named = match subresource {
                        None => subresources.is_empty(),
                        Some(name) => subresources.contains(&name),
                    };
                    let expected = called == verb && target == kind && named;
                    let decision = decide(&rules, &rules, &call, Some("a"));
                    assert_eq!(decision.is_ok(), expected, "{rules:?} {call}");
                }
            }
        }
    }
}

#[test]
fn a_denial_names_the_call_and_the_side_that_is_wanting() {
    let [map, ..] = kinds();
    let get = [rule(&[Verb::Get], &map, &["status"], &Namespaces::All)];
    let call = KubeCall {
        verb: Verb::Get,
        kind: &map,
        subresource: Some("status"),
        namespace: Some("a"),
        all_namespaces: false,
    };
    let unasked = decide(&[], &get, &call, Some("a")).unwrap_err();
    let ungranted = decide(&get, &[], &call, Some("a")).unwrap_err();
    let call = "get on v1/ConfigMap/status in namespace a";
    assert_eq!(unasked, format!("{call} (not requested by the plugin's manifest)"));
    assert_eq!(ungranted, format!("{call} (requested, but not granted by the operator)"));
}

#[test]
fn missing_names_each_verb_kind_subresource_and_place_that_is_not_covered() {
    let [map, job, _] = kinds();
    let ab = Namespaces::Listed(vec!["a".into(), "b".into()]);
    let wanted = [
        rule(&[Verb::Get, Verb::Create], &map, &[], &ab),
        rule(&[Verb::Patch], &job, &["status", "scale"], &Namespaces::Same),
        KubeRule { required: false, ..rule(&[Verb::Patch], &map, &[], &Namespaces::All) },
    ];
    let given = [
        rule(&[Verb::Get], &map, &[], &Namespaces::All),
        rule(&[Verb::Create], &map, &[], &Namespaces::Listed(vec!["b".into()])),
        rule(&[Verb::Patch], &map, &[], &Namespaces::Same),
        rule(&[Verb::Patch], &job, &["status"], &Namespaces::Same),
    ];
    let found = missing(&wanted, &given);
    let scale = "patch on batch/v1/Job/scale in the same namespace (dangerous: ";
    assert_eq!(found.required[0], "create on v1/ConfigMap in namespace a");
    assert!(found.required[1].starts_with(scale) && found.required.len() == 2, "{found:?}");
    assert_eq!(found.optional, ["patch on v1/ConfigMap in all namespaces"]);
    assert_eq!(missing(&wanted, &wanted), Missing::default());
    // Two grants that cover a request together are enough.
    let both = [
        rule(&[Verb::Get, Verb::Create], &map, &[], &Namespaces::Listed(vec!["a".into()])),
        rule(&[Verb::Get, Verb::Create], &map, &[], &Namespaces::Listed(vec!["b".into()])),
    ];
    assert_eq!(missing(&wanted[..1], &both), Missing::default());
}

fn any_rule() -> impl Strategy<Value = KubeRule> {
    let namespaces = prop_oneof![
        Just(Namespaces::Same),
        Just(Namespaces::All),
        Just(Namespaces::Cluster),
        subsequence(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 1..=3)
            .prop_map(Namespaces::Listed),
    ];
    let subresources = subsequence(vec!["status".to_owned(), "scale".to_owned()], 0..=2);
    let verbs = subsequence(VERBS.to_vec(), 1..=4);
    let rule = (verbs, subsequence(kinds().to_vec(), 1..=3), subresources, namespaces);
    rule.prop_map(|(verbs, kinds, subresources, namespaces)| KubeRule {
        verbs,
        kinds,
        subresources,
        namespaces,
        required: true,
    })
}

/// Requests, and grants that are often those requests less some, so that much is allowed.
fn any_sides() -> impl Strategy<Value = (Vec<KubeRule>, Vec<KubeRule>)> {
    let requested = vec(any_rule(), 1..4);
    (requested, vec(any::<bool>(), 4), vec(any_rule(), 0..3)).prop_map(|(requested, keep, more)| {
        let kept = requested.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(rule, _)| rule);
        let granted = kept.cloned().chain(more).collect();
        (requested, granted)
    })
}

type AnyCall = (Verb, Gvk, Option<&'static str>, (Option<&'static str>, bool));

fn any_call() -> impl Strategy<Value = AnyCall> {
    (
        select(VERBS.to_vec()),
        select(kinds().to_vec()),
        select(SUBRESOURCES.to_vec()),
        select(PLACES.to_vec()),
    )
}

fn call((verb, kind, subresource, (namespace, all_namespaces)): &AnyCall) -> KubeCall<'_> {
    KubeCall {
        verb: *verb,
        kind,
        subresource: *subresource,
        namespace: *namespace,
        all_namespaces: *all_namespaces,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_allowed_is_allowed_by_both_sides_alone(
        (requested, granted) in any_sides(), what in any_call(), primary in select(vec![Some("a"), None]),
    ) {
        let (call, both) = (call(&what), decide(&requested, &granted, &call(&what), primary).is_ok());
        let alone = |rules: &[KubeRule]| rules.iter().any(|rule| rule.allows(&call, primary));
        prop_assert_eq!(both, alone(&requested) && alone(&granted));
    }

    #[test]
    fn a_rule_more_never_denies_what_was_allowed(
        (requested, granted) in any_sides(), more in any_rule(), what in any_call(),
        primary in select(vec![Some("a"), None]),
    ) {
        let call = call(&what);
        let with = |rules: &[KubeRule]| [&[more.clone()], rules].concat();
        if decide(&requested, &granted, &call, primary).is_ok() {
            prop_assert!(decide(&with(&requested), &granted, &call, primary).is_ok());
            prop_assert!(decide(&requested, &with(&granted), &call, primary).is_ok());
        }
    }

    #[test]
    fn a_plugin_that_lacks_nothing_is_never_denied_what_it_requests(
        (requested, granted) in any_sides(), what in any_call(), primary in select(vec![Some("a"), None]),
    ) {
        let call = call(&what);
        let asked = requested.iter().any(|rule| rule.allows(&call, primary));
        if missing(&requested, &granted) == Missing::default() {
            prop_assert_eq!(decide(&requested, &granted, &call, primary).is_ok(), asked);
        }
    }

    #[test]
    fn without_its_dangerous_parts_a_rule_allows_the_rest_and_nothing_dangerous(
        rule in any_rule(), what in any_call(), primary in select(vec![Some("a"), None]),
    ) {
        let call = call(&what);
        let dangerous = danger::of_part(call.kind, call.subresource, call.verb).is_some();
        let left = harmless_kube(&rule).iter().any(|rule| rule.allows(&call, primary));
        prop_assert_eq!(left, rule.allows(&call, primary) && !dangerous);
    }
}
