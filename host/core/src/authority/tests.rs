//! Requests joined with grants: what is allowed, what is missing, what the refusal says.

use super::*;
use crate::grants_file::GrantsFile;

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

fn granted(entry: &str) -> GrantsFile {
    GrantsFile::parse(&format!("grants = 1\n[plugins.p]\n{entry}")).unwrap()
}

/// What the refusal of `extra` under `entry` lists.
fn missing(entry: &str, extra: &str) -> Vec<String> {
    match granted(entry).authority(&manifest(extra)).unwrap_err() {
        GrantError::Missing { missing, .. } => missing,
        GrantError::Forbidden => panic!("forbidden"),
    }
}

const WRITES: &str = r#"
[[grant.kube]]
verbs = ["create"]
kinds = ["v1/ConfigMap"]
namespaces = "same"
"#;
const STATUS: &str = r#"
[[plugins.p.kube]]
verbs = ["patch"]
kinds = ["a.io/v1/A"]
subresources = ["status"]
namespaces = "all"
"#;
const REQUESTED: &str = "allow = \"requested\"";
const DANGEROUS: &str = "allow = \"requested\"\ndangerous = true";

#[test]
fn without_an_entry_a_plugin_that_writes_is_refused_and_told_how_to_grant() {
    let error = GrantsFile::default().authority(&manifest(WRITES)).unwrap_err().to_string();
    for part in ["create on v1/ConfigMap", "patch on a.io/v1/A/status", "[plugins.p]"] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert!(!error.contains("dangerous"), "{error}");
}

#[test]
fn without_an_entry_a_plugin_may_read_what_it_asks_to_read_and_nothing_else() {
    let asks = WRITES.replace("\"create\"", "\"get\", \"create\"") + "required = false\n";
    let authority = granted(STATUS).authority(&manifest(&asks)).unwrap();
    let kind = "v1/ConfigMap".parse().unwrap();
    let call = |verb| grant::KubeCall {
        verb,
        kind: &kind,
        subresource: None,
        namespace: Some("a"),
        all_namespaces: false,
    };
    let decide =
        |verb| grant::decide(&authority.requested, &authority.granted, &call(verb), Some("a"));
    assert!(decide(Verb::Get).is_ok());
    assert!(decide(Verb::Create).unwrap_err().contains("not granted"));
    assert_eq!(authority.missing_optional, ["create on v1/ConfigMap in the same namespace"]);
}

#[test]
fn what_was_requested_is_granted_by_name_or_by_the_star() {
    for key in ["p", "\"*\""] {
        let text = format!("grants = 1\n[plugins.{key}]\nallow = \"requested\"");
        let authority = GrantsFile::parse(&text).unwrap().authority(&manifest(WRITES)).unwrap();
        assert_eq!(authority.requested.len(), 4);
        assert_eq!(authority.granted, authority.requested);
    }
}

#[test]
fn a_controller_may_read_its_kinds_where_its_primary_is_and_no_further() {
    let watching = "watch = [{ kind = \"v1/ConfigMap\", by = \"read\" }]";
    let authority = granted(REQUESTED).authority(&manifest(watching)).unwrap();
    for kind in ["a.io/v1/A", "v1/ConfigMap"] {
        let kind = kind.parse().unwrap();
        for (namespace, allowed) in [(Some("a"), true), (None, true), (Some("b"), false)] {
            let call = grant::KubeCall {
                verb: Verb::Get,
                kind: &kind,
                subresource: None,
                namespace,
                all_namespaces: false,
            };
            let decision =
                grant::decide(&authority.requested, &authority.granted, &call, Some("a"));
            assert_eq!(decision.is_ok(), allowed, "{kind} {namespace:?}");
        }
    }
}

#[test]
fn dangerous_requests_need_the_word_and_take_no_harmless_ones_with_them() {
    let both = WRITES.replace("\"v1/ConfigMap\"", "\"v1/ConfigMap\", \"v1/Pod\"");
    let [pods] = &*missing(REQUESTED, &both) else { panic!("one is missing") };
    assert!(pods.starts_with("create on v1/Pod in the same namespace (dangerous: "), "{pods}");
    let error = granted(REQUESTED).authority(&manifest(&both)).unwrap_err().to_string();
    assert!(error.contains("dangerous = true"), "{error}");
    assert!(granted(DANGEROUS).authority(&manifest(&both)).is_ok());
    // Rule by rule the word is needed all the same.
    let by_rule = format!("{STATUS}{}", both.replace("grant.kube", "plugins.p.kube"));
    assert_eq!(missing(&by_rule, &both).len(), 1);
}

#[test]
fn watching_secrets_is_dangerous_too() {
    let watching = "watch = [{ kind = \"v1/Secret\", by = \"read\" }]";
    assert!(missing(REQUESTED, watching).iter().all(|text| text.contains("v1/Secret")));
    assert!(granted(DANGEROUS).authority(&manifest(watching)).is_ok());
}

#[test]
fn plugin_objects_are_never_granted_in_any_version_to_read_or_to_write() {
    for (kind, verb, more) in [
        ("joch.dev/v1alpha1/Plugin", "patch", ""),
        ("joch.dev/v9/Plugin", "get", ""),
        ("joch.dev/v1/Plugin", "patch", "subresources = [\"status\"]\n"),
    ] {
        let asks = WRITES.replace("v1/ConfigMap", kind).replace("create", verb);
        let asks = format!("{asks}required = false\n{more}");
        let answer = granted(DANGEROUS).authority(&manifest(&asks));
        assert_eq!(answer, Err(GrantError::Forbidden), "{verb} {kind}");
    }
    let watching = "watch = [{ kind = \"joch.dev/v1alpha1/Plugin\", by = \"read\" }]";
    assert_eq!(granted(DANGEROUS).authority(&manifest(watching)), Err(GrantError::Forbidden));
}

#[test]
fn jobs_need_a_grant_of_their_own() {
    let jobs = "[grant.jobs]\nservice-accounts = [\"*\"]\nimages = [\"*\"]\nmax-active = 5\n";
    let refused = GrantsFile::default().authority(&manifest(jobs)).unwrap_err().to_string();
    assert!(refused.contains("jobs"), "{refused}");
    let authority = GrantsFile::requested().authority(&manifest(jobs)).unwrap();
    assert_eq!(authority.jobs.unwrap().granted.max_active, 5);
    let fewer = "[plugins.p.jobs]\nservice-accounts = [\"a\"]\nimages = [\"*\"]\nmax-active = 2\n";
    let authority = granted(&format!("{REQUESTED}\n{fewer}")).authority(&manifest(jobs)).unwrap();
    assert_eq!(authority.jobs.unwrap().granted.max_active, 2, "the entry's own bounds hold");
}

const HTTP: &str = "[[grant.http]]\nhosts = [\"api.a.io\"]\nmethods = [\"GET\", \"POST\"]\n";
const SECRETS: &str = "[[grant.secrets]]\nnames = [\"key\"]\nnamespaces = \"same\"\n\
                       hosts = [\"api.a.io\"]\n";

#[test]
fn http_and_secrets_that_are_required_are_refused_without_a_grant() {
    let get = "[[plugins.p.http]]\nhosts = [\"*.a.io\"]\nmethods = [\"GET\"]";
    assert_eq!(missing(&format!("{STATUS}{get}"), HTTP), ["http POST to api.a.io"]);
    assert_eq!(
        missing(STATUS, SECRETS),
        ["sending of Secret key in the same namespace to api.a.io"]
    );
    let all = format!("{HTTP}{SECRETS}");
    let authority = granted(REQUESTED).authority(&manifest(&all)).unwrap();
    assert_eq!(authority.http.granted, authority.http.requested);
    assert_eq!(authority.secrets.granted, authority.secrets.requested);
}

#[test]
fn http_and_secrets_that_are_optional_are_listed() {
    let asks = format!("{HTTP}required = false\n{SECRETS}required = false\n");
    let authority = granted(STATUS).authority(&manifest(&asks)).unwrap();
    assert_eq!(
        authority.missing_optional,
        [
            "http GET to api.a.io",
            "http POST to api.a.io",
            "sending of Secret key in the same namespace to api.a.io"
        ]
    );
}

#[test]
fn any_host_every_secret_and_revealing_need_the_word() {
    let table = [
        (HTTP.replace("api.a.io", "*"), "http GET to *"),
        (HTTP.replace("api.a.io", "*.io"), "http GET to *.io"),
        (HTTP.replace("api.a.io", "http://169.254.169.254"), "http GET to http://169.254.169.254"),
        (format!("{SECRETS}reveal = true\n"), "reveal of Secret key"),
        (SECRETS.replace("\"key\"", "\"*\""), "sending of Secret *"),
        (SECRETS.replace("api.a.io", "*"), "sending of Secret key in the same namespace to *"),
    ];
    for (asks, part) in table {
        let found = missing(REQUESTED, &asks);
        let all = found.iter().all(|text| text.contains("(dangerous: "));
        assert!(all && found.iter().any(|text| text.starts_with(part)), "{part:?}: {found:?}");
        assert!(granted(DANGEROUS).authority(&manifest(&asks)).is_ok(), "{asks}");
    }
}
