//! Names from guests, manifests and operators: what is accepted is what it looks like, in a path and in print.

use joch_core::manifest::{Manifest, MetricKind, MetricSpec};
use joch_core::name::{Digest, PluginName};
use joch_core::object::{Gvk, ObjectKey};
use joch_fuzz::{Target, edited_text};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::KEPT;

/// A path as servers and proxies come to understand it: decoded, then walked, whatever separates.
fn walked(path: &str) -> Vec<String> {
    let mut walked: Vec<String> = Vec::new();
    for part in decoded(path).split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(walked.pop()),
            part => walked.push(part.to_owned()),
        }
    }
    walked
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(|_| *byte == b'%') {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What the API server takes as a name of anything (`IsValidPathSegmentName`), where it fits a request.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=@".contains(c);
    (1..=253).contains(&text.len()) && text.chars().all(plain) && text != "." && text != ".."
}

fn leads_where_it_says((namespace, name): &(Option<String>, String)) {
    let kind = Gvk::new("", "v1", "ConfigMap");
    let key = ObjectKey { kind, namespace: namespace.clone(), name: name.clone() };
    let named = is_name(name) && namespace.as_deref().is_none_or(is_name);
    assert!(key.is_plain() || !named, "{key:?} is a name that the API server takes");
    if !key.is_plain() || name.is_empty() {
        return;
    }
    // As the client writes it.
    let (place, mut expected) = match namespace {
        Some(namespace) => (
            format!("/api/v1/namespaces/{namespace}/configmaps"),
            vec!["api", "v1", "namespaces", namespace, "configmaps"],
        ),
        None => ("/api/v1/configmaps".to_owned(), vec!["api", "v1", "configmaps"]),
    };
    expected.push(name);
    let path = format!("{place}/{name}");
    // Not every text can be sent at all; what can be is what it was.
    let Ok(uri) = path.parse::<http::Uri>() else { return };
    assert_eq!((uri.path(), uri.query()), (&*path, None));
    assert_eq!(walked(&path), expected);
}

fn part() -> impl Strategy<Value = String> {
    let words = [
        "/", "..", ".", "%2f", "%2e", "%", "?", "#", "\\", "@", ":", "\n", " ", "\u{85}", "é", "//",
    ];
    let long = (250..256_usize).prop_map(|length| "n".repeat(length));
    prop_oneof![
        4 => edited_text(&["a", "my-name.1", "system:node:a", "..", "a/status"], &words),
        1 => "[-a-z0-9.:]{0,6}",
        1 => any::<String>(),
        1 => long,
    ]
}

#[test]
fn names_from_guests_lead_a_request_nowhere_else() {
    let inputs = (proptest::option::of(part()), part());
    Target { name: "path", kept: KEPT, cases: 40_000 }.hold(&inputs, leads_where_it_says);
}

fn is_what_it_prints(text: &str) {
    if let Ok(kind) = text.parse::<Gvk>() {
        assert_eq!(kind.to_string(), text);
        let path = format!("/apis/{}/{}", kind.api_version(), kind.kind);
        assert_eq!(walked(&path).join("/"), path[1..], "{text:?} leads elsewhere");
    }
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = (1..=40).contains(&text.len())
        && text.chars().all(|c| label(c) || c == '-')
        && text.starts_with(label)
        && text.ends_with(label);
    match text.parse::<PluginName>() {
        Ok(name) => assert!(is_label && name.as_str() == text && name.to_string() == text),
        Err(error) => assert!(!is_label && error.to_string().contains(&format!("{text:?}"))),
    }
    if let Some(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text.to_ascii_lowercase(), "another digest than it says");
    }
}

#[test]
fn kinds_names_and_digests_are_what_they_print() {
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let samples = ["batch/v1/Job", "v1/ConfigMap", "my-plugin-1", "a", digest.as_str()];
    let words =
        ["/", "..", "%2f", "-", "+", "+0", "A", "v", " ", "_", "é", "\n", "x.io", "sha256:"];
    let long = (38..43_usize).prop_map(|length| "p".repeat(length));
    let inputs = prop_oneof![4 => edited_text(&samples, &words), 1 => long];
    Target { name: "print", kept: KEPT, cases: 40_000 }
        .hold(&inputs, |text| is_what_it_prints(text));
}

fn a_manifest_names_a_kind((group, version, kind): &(String, String, String)) {
    let text = |value: &str| json!(value).to_string().replace('\u{7f}', "\\u007f");
    let manifest = format!(
        "manifest = 1\nplugin = {{ name = \"p\", version = \"1\", kind = \"controller\", track = \"0.1\" }}\n\
         [[controller]]\nname = \"c\"\nprimary = {{ group = {}, version = {}, kind = {} }}\n",
        text(group),
        text(version),
        text(kind)
    );
    let written = if group.is_empty() {
        format!("{version}/{kind}")
    } else {
        format!("{group}/{version}/{kind}")
    };
    let gvk = Gvk::new(group, version, kind);
    let valid = written.parse::<Gvk>().is_ok_and(|read| read == gvk);
    match Manifest::parse(&manifest) {
        Ok(manifest) => {
            assert!(valid, "{gvk:?} is no kind, and a manifest reconciles it");
            assert_eq!(manifest.controllers[0].primary, gvk);
        }
        Err(error) => assert!(!valid, "{error}"),
    }
}

#[test]
fn a_manifest_names_kinds_that_are_kinds() {
    let words = ["/", "..", "%", "?", "#", " ", "é", "A", "1"];
    let group = prop_oneof![Just(String::new()), edited_text(&["x.io", "batch"], &words)];
    let inputs =
        (group, edited_text(&["v1", "v1alpha1"], &words), edited_text(&["Job", "Task"], &words));
    Target { name: "kind", kept: KEPT, cases: 4000 }.hold(&inputs, a_manifest_names_a_kind);
}

type Pair = (String, String);

fn meet_nowhere((one, other): &(Pair, Pair)) {
    let valid = |(plugin, _): &Pair| plugin.parse::<PluginName>().is_ok();
    if one == other || !valid(one) || !valid(other) {
        return;
    }
    let shown = |(plugin, name): &Pair| {
        let (name, help) = (name.clone(), String::new());
        let metric = MetricSpec { name, kind: MetricKind::Gauge, help, labels: [].into() };
        metric.shown_as(plugin)
    };
    assert_ne!(shown(one), shown(other), "{one:?} and {other:?} are one metric");
}

#[test]
fn metrics_of_two_plugins_never_have_one_name() {
    let plugin =
        || prop_oneof!["[ab-]{1,6}", select(&["a", "a-b", "a--b"][..]).prop_map(str::to_owned)];
    let pair = || (plugin(), "[a-b][ab_]{0,5}");
    Target { name: "metric", kept: KEPT, cases: 40_000 }.hold(&(pair(), pair()), meet_nowhere);
}
