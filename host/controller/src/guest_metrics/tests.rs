//! What becomes of a plugin's numbers while versions come and go, and how they are shown.

use joch_core::manifest::{MetricKind, MetricSpec};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::GuestMetrics;

fn metric(name: &str, kind: MetricKind, verbs: &[&str]) -> MetricSpec {
    let verbs: Vec<String> = verbs.iter().map(|&verb| verb.to_owned()).collect();
    let labels = if verbs.is_empty() { [].into() } else { [("verb".to_owned(), verbs)].into() };
    MetricSpec { name: name.to_owned(), kind, help: "What it says.".to_owned(), labels }
}

fn labels(verb: &str) -> Vec<String> {
    vec![verb.to_owned()]
}

fn shown(metrics: &GuestMetrics) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics.clone()));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[test]
fn every_kind_is_shown_in_the_text_format() {
    let metrics = GuestMetrics::default();
    let calls = metric("calls", MetricKind::Counter, &["get", "put"]);
    let size = metric("size", MetricKind::Gauge, &[]);
    let took = metric("took", MetricKind::Histogram, &[]);
    metrics.declare("a-b", &[calls.clone(), size.clone(), took.clone()]);
    for by in [1.0, 0.5] {
        metrics.record("a-b", &calls, labels("get"), by);
    }
    for value in [7.0, -3.0] {
        metrics.record("a-b", &size, Vec::new(), value);
    }
    for value in [-1.0, 0.02, 0.02, 1e9] {
        metrics.record("a-b", &took, Vec::new(), value);
    }
    let text = shown(&metrics);
    for line in [
        "# HELP joch_guest_a__b_calls What it says.\n# TYPE joch_guest_a__b_calls counter\n\
         joch_guest_a__b_calls_total{plugin=\"a-b\",verb=\"get\"} 1.5\n",
        "# TYPE joch_guest_a__b_size gauge\njoch_guest_a__b_size{plugin=\"a-b\"} -3.0\n",
        "joch_guest_a__b_took_bucket{le=\"0.01\",plugin=\"a-b\"} 1\n",
        "joch_guest_a__b_took_bucket{le=\"0.05\",plugin=\"a-b\"} 3\n",
        "joch_guest_a__b_took_bucket{le=\"10000.0\",plugin=\"a-b\"} 3\n",
        "joch_guest_a__b_took_bucket{le=\"+Inf\",plugin=\"a-b\"} 4\n",
        "joch_guest_a__b_took_count{plugin=\"a-b\"} 4\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

#[test]
fn two_plugins_may_use_one_name_with_other_kinds_and_labels() {
    let metrics = GuestMetrics::default();
    let (one, two) =
        (metric("calls", MetricKind::Counter, &["get"]), metric("calls", MetricKind::Gauge, &[]));
    metrics.declare("a", std::slice::from_ref(&one));
    metrics.declare("b", std::slice::from_ref(&two));
    metrics.record("a", &one, labels("get"), 1.0);
    metrics.record("b", &two, Vec::new(), 2.0);
    let text = shown(&metrics);
    assert!(text.contains("joch_guest_a_calls_total{plugin=\"a\",verb=\"get\"} 1.0"), "{text}");
    assert!(text.contains("joch_guest_b_calls{plugin=\"b\"} 2.0"), "{text}");
    let mut types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    types.dedup_by_key(|line| line.split(' ').nth(2));
    assert_eq!(types.len(), 2, "a metric is described twice: {text}");
}

#[test]
fn a_new_version_keeps_what_it_still_declares_and_nothing_else() {
    let metrics = GuestMetrics::default();
    let before = metric("calls", MetricKind::Counter, &["get", "put"]);
    let gone = metric("gone", MetricKind::Counter, &[]);
    metrics.declare("a", &[before.clone(), gone.clone()]);
    metrics.record("a", &before, labels("get"), 5.0);
    metrics.record("a", &before, labels("put"), 6.0);
    metrics.record("a", &gone, Vec::new(), 7.0);

    let after = metric("calls", MetricKind::Counter, &["get", "head"]);
    metrics.declare("a", std::slice::from_ref(&after));
    // A call of the version before is still under way.
    metrics.record("a", &before, labels("get"), 1.0);
    metrics.record("a", &before, labels("put"), 1.0);
    metrics.record("a", &gone, Vec::new(), 1.0);
    let text = shown(&metrics);
    assert!(text.contains("verb=\"get\"} 6.0"), "{text}");
    assert!(!text.contains("put") && !text.contains("gone"), "{text}");

    // Another kind begins anew.
    metrics.declare("a", &[metric("calls", MetricKind::Gauge, &["get", "head"])]);
    metrics.record("a", &after, labels("get"), 1.0);
    assert!(!shown(&metrics).contains("verb=\"get\""), "{}", shown(&metrics));
}

#[test]
fn a_removed_plugin_leaves_nothing_behind() {
    let metrics = GuestMetrics::default();
    let calls = metric("calls", MetricKind::Counter, &[]);
    metrics.declare("a", std::slice::from_ref(&calls));
    metrics.record("a", &calls, Vec::new(), 1.0);
    metrics.forget("a");
    metrics.record("a", &calls, Vec::new(), 1.0);
    assert_eq!(shown(&metrics), "# EOF\n");
}
