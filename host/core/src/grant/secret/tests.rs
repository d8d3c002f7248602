//! The table of decisions about Secrets: name by namespace by use.

use super::*;

fn rule(name: &str, namespaces: Namespaces, hosts: &[&str], reveal: bool) -> SecretRule {
    SecretRule {
        names: vec![name.to_owned()],
        namespaces,
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        reveal,
        required: true,
    }
}

fn secret(name: &str, namespace: Option<&str>) -> SecretRef {
    SecretRef {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
        key: "k".to_owned(),
    }
}

fn send(origin: &str) -> SecretUse {
    SecretUse::Send { origin: origin.to_owned() }
}

#[test]
fn the_table_of_names_namespaces_and_uses() {
    let listed = Namespaces::Listed(vec!["b".into()]);
    let rules = [
        rule("key", Namespaces::Same, &["api.a.io"], false),
        rule("shared-*", listed, &["*.a.io"], false),
        rule("shown", Namespaces::All, &[], true),
    ];
    let api = || send("https://api.a.io");
    // name, namespace, use, allowed (the primary lives in "a")
    let table = [
        ("key", None, SecretUse::Placeholder, true),
        ("key", Some("a"), SecretUse::Placeholder, true),
        ("key", Some("b"), SecretUse::Placeholder, false),
        ("key2", None, SecretUse::Placeholder, false),
        ("key", None, api(), true),
        ("key", None, send("http://api.a.io"), false),
        ("key", None, send("https://api.a.io:8443"), false),
        ("key", None, send("https://evil.org"), false),
        ("key", None, send("api.a.io"), false),
        ("key", None, SecretUse::Reveal, false),
        ("shared-1", Some("b"), api(), true),
        ("shared-1", None, api(), false),
        ("shared-", Some("b"), SecretUse::Placeholder, true),
        ("shared", Some("b"), SecretUse::Placeholder, false),
        ("shown", Some("z"), SecretUse::Reveal, true),
        ("shown", Some("z"), api(), false),
    ];
    for (name, namespace, usage, allowed) in table {
        let decision = decide_secret(&rules, &rules, &secret(name, namespace), &usage, Some("a"));
        assert_eq!(decision.is_ok(), allowed, "{name} {namespace:?} {usage:?}");
    }
}

#[test]
fn a_use_needs_a_request_and_a_grant_and_the_denial_says_which_is_wanting() {
    let asked = [rule("key", Namespaces::Same, &["api.a.io"], true)];
    let narrow = [rule("key", Namespaces::Same, &["api.a.io"], false)];
    let key = secret("key", None);
    let decide = |requested: &[SecretRule], granted: &[SecretRule], usage| {
        decide_secret(requested, granted, &key, &usage, Some("a"))
    };
    assert_eq!(decide(&asked, &narrow, SecretUse::Placeholder), Ok(()));
    let denial = decide(&asked, &narrow, SecretUse::Reveal).unwrap_err();
    assert!(denial.contains("reveal of Secret key in namespace a (requested, but not granted"));
    let denial = decide(&narrow, &asked, SecretUse::Reveal).unwrap_err();
    assert!(denial.contains("not requested"), "{denial}");
    let denial = decide(&asked, &[], send("https://api.a.io")).unwrap_err();
    assert!(denial.contains("sending to https://api.a.io of Secret key"), "{denial}");
}

#[test]
fn a_secret_belongs_to_a_namespace_and_a_primary_without_one_has_to_name_it() {
    let rules = [rule("key", Namespaces::Listed(vec!["a".into()]), &[], true)];
    let decide = |namespace| {
        decide_secret(&rules, &rules, &secret("key", namespace), &SecretUse::Reveal, None)
    };
    assert!(decide(Some("a")).is_ok());
    assert!(decide(None).is_err());
}

#[test]
fn missing_uses_are_listed_one_by_one() {
    let asked = [SecretRule {
        names: vec!["key".into(), "other-*".into()],
        ..rule("", Namespaces::Same, &["api.a.io"], true)
    }];
    let granted = [
        rule("key", Namespaces::All, &["*.a.io"], false),
        rule("oth*", Namespaces::Same, &[], true),
    ];
    let mut found = Missing::default();
    missing(&asked, &granted, &mut found);
    let [reveal, sending] = &*found.required else { panic!("{found:?}") };
    assert!(reveal.starts_with("reveal of Secret key in the same namespace (dangerous: "));
    assert_eq!(sending, "sending of Secret other-* in the same namespace to api.a.io");
}
