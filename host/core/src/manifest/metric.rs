//! `[[metric]]`: the metrics that a plugin may write, and whether a number fits one of them.
//!
//! Every label lists its values, so that what a plugin can make the host keep is known before it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::port::Measurement;

/// Metrics of one plugin.
const METRICS: usize = 20;
/// Labels of one metric.
const LABELS: usize = 4;
/// Combinations of label values of one metric.
const SERIES: usize = 200;
/// Characters of a name, and of a label's value.
const NAME: usize = 64;
/// Characters of the help text.
const HELP: usize = 200;
/// Endings that the text format of metrics gives a meaning of its own.
const ENDINGS: [&str; 6] = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];
/// Labels that the host or the text format sets.
const TAKEN: [&str; 2] = ["plugin", "le"];

/// `[[metric]]`: a metric of the plugin's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    /// Its name, in `snake_case`; shown as `joch_guest_<plugin>_<name>`, see [`MetricSpec::shown_as`].
    pub name: String,
    /// What it does with numbers.
    pub kind: MetricKind,
    /// One sentence.
    pub help: String,
    /// Each label with the values that it may take.
    #[serde(default)]
    pub labels: BTreeMap<String, Vec<String>>,
}

/// What a metric does with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Adds them up.
    Counter,
    /// Keeps the last.
    Gauge,
    /// Counts them by size.
    Histogram,
}

impl MetricKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl MetricSpec {
    /// The name under which everybody sees the metric. The plugin's name is part of it, since two plugins
    /// may declare the same name with another kind or other labels, which one metric cannot have.
    ///
    /// A hyphen of the plugin's name becomes two underscores, so that no two pairs of names meet: a plugin
    /// `a-b` with the metric `c` is not a plugin `a` with the metric `b_c`.
    #[must_use]
    pub fn shown_as(&self, plugin: &str) -> String {
        format!("joch_guest_{}_{}", plugin.replace('-', "__"), self.name)
    }

    /// The values of a measurement's labels, in the order of [`MetricSpec::labels`].
    ///
    /// # Errors
    /// A text that names the label, value or number that the manifest does not declare.
    pub fn accept(&self, measurement: &Measurement) -> Result<Vec<String>, String> {
        let Measurement { metric, kind, value, labels } = measurement;
        if *kind != self.kind {
            let (is, given) = (self.kind.as_str(), kind.as_str());
            return Err(format!("metric {metric:?} is a {is}, not a {given}"));
        }
        if !value.is_finite() || (self.kind == MetricKind::Counter && *value < 0.0) {
            return Err(format!("{value} is no number for the {} {metric:?}", kind.as_str()));
        }
        if let Some((label, _)) = labels.iter().find(|(label, _)| !self.labels.contains_key(label))
        {
            let label = short(label);
            return Err(format!("metric {metric:?} has no label {label:?}"));
        }
        self.labels.iter().map(|(label, allowed)| pick(metric, label, allowed, labels)).collect()
    }

    fn check(&self) -> Result<(), String> {
        let Self { name, help, labels, .. } = self;
        let wrong = |what: String| Err(format!("metric {:?}: {what}", short(name)));
        if let Some(why) = no_name(name) {
            return wrong(why);
        }
        if let Some(ending) = ENDINGS.iter().find(|ending| name.ends_with(*ending)) {
            return wrong(format!("a name does not end in {ending}, which the host adds itself"));
        }
        if help.is_empty() || help.len() > HELP || help.contains('\n') {
            return wrong(format!("help is one line of at most {HELP} characters"));
        }
        if labels.len() > LABELS {
            return wrong(format!("{} labels, more than {LABELS}", labels.len()));
        }
        let mut series = 1_usize;
        for (label, values) in labels {
            if let Some(why) = no_name(label) {
                return wrong(format!("label {:?}: {why}", short(label)));
            }
            if TAKEN.contains(&label.as_str()) {
                return wrong(format!("the label {label:?} is the host's own"));
            }
            if values.is_empty() || values.iter().any(|value| value.len() > NAME) {
                let text = "lists its values, each of at most";
                return wrong(format!("label {label:?} {text} {NAME} characters"));
            }
            if values.iter().collect::<BTreeSet<_>>().len() != values.len() {
                return wrong(format!("label {label:?} lists a value twice"));
            }
            series = series.saturating_mul(values.len());
        }
        if series > SERIES {
            return wrong(format!("{series} combinations of label values, more than {SERIES}"));
        }
        Ok(())
    }
}

/// Checks all metrics of a manifest.
pub(super) fn check(metrics: &[MetricSpec]) -> Result<(), String> {
    if metrics.len() > METRICS {
        return Err(format!("{} metrics, more than {METRICS}", metrics.len()));
    }
    let mut names = BTreeSet::new();
    for metric in metrics {
        metric.check()?;
        if !names.insert(&metric.name) {
            return Err(format!("two metrics are named {:?}", metric.name));
        }
    }
    Ok(())
}

/// The value given for one label.
fn pick(
    metric: &str,
    label: &str,
    allowed: &[String],
    given: &[(String, String)],
) -> Result<String, String> {
    let mut values = given.iter().filter(|(name, _)| name == label).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) if allowed.contains(value) => Ok(value.clone()),
        (Some(value), None) => Err(format!(
            "the manifest lists no value {:?} for the label {label:?} of metric {metric:?}",
            short(value)
        )),
        (Some(_), Some(_)) => Err(format!("label {label:?} of metric {metric:?} is given twice")),
        (None, _) => Err(format!("metric {metric:?} needs the label {label:?}")),
    }
}

/// Why a text is no name, if it is none.
fn no_name(text: &str) -> Option<String> {
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts && text.chars().all(fits) && text.len() <= NAME {
        return None;
    }
    Some(format!(
        "a name begins with a letter a-z and goes on with letters, digits and _, {NAME} at most"
    ))
}

/// The beginning of a text, for an error.
pub(super) fn short(text: &str) -> String {
    text.chars().take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(text: &str) -> MetricSpec {
        toml::from_str(text).unwrap()
    }

    fn sample() -> MetricSpec {
        metric(
            "name = \"calls\"\nkind = \"counter\"\nhelp = \"Calls.\"\n\
             labels = { verb = [\"get\", \"put\"], code = [\"ok\"] }",
        )
    }

    fn measured(kind: MetricKind, value: f64, labels: &[(&str, &str)]) -> Measurement {
        let own = |(label, value): &(&str, &str)| ((*label).to_owned(), (*value).to_owned());
        let labels = labels.iter().map(own).collect();
        Measurement { metric: "calls".to_owned(), kind, value, labels }
    }

    #[test]
    fn a_declared_number_is_taken_with_its_labels_in_one_order() {
        let given = measured(MetricKind::Counter, 1.5, &[("verb", "put"), ("code", "ok")]);
        assert_eq!(sample().accept(&given), Ok(vec!["ok".to_owned(), "put".to_owned()]));
    }

    #[test]
    fn what_the_manifest_does_not_declare_is_named() {
        use MetricKind::{Counter, Gauge};
        let both = [("verb", "get"), ("code", "ok")];
        let table: [(Measurement, &str); 8] = [
            (measured(Gauge, 1.0, &both), "is a counter, not a gauge"),
            (measured(Counter, -1.0, &both), "-1 is no number"),
            (measured(Counter, f64::NAN, &both), "NaN is no number"),
            (measured(Counter, f64::INFINITY, &both), "inf is no number"),
            (measured(Counter, 1.0, &[both[0], both[1], ("pod", "x")]), "no label \"pod\""),
            (measured(Counter, 1.0, &[("verb", "head"), both[1]]), "no value \"head\""),
            (measured(Counter, 1.0, &both[..1]), "needs the label \"code\""),
            (measured(Counter, 1.0, &[both[0], both[1], both[1]]), "\"code\" of metric \"calls\""),
        ];
        for (given, part) in table {
            let error = sample().accept(&given).unwrap_err();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }

    #[test]
    fn a_gauge_goes_below_zero() {
        let gauge = MetricSpec { kind: MetricKind::Gauge, ..sample() };
        let given = measured(MetricKind::Gauge, -1.0, &[("verb", "get"), ("code", "ok")]);
        assert!(gauge.accept(&given).is_ok());
    }

    #[test]
    fn metrics_that_could_grow_or_clash_are_refused() {
        let with = |change: &dyn Fn(&mut MetricSpec)| {
            let mut metric = sample();
            change(&mut metric);
            check(&[metric]).err().unwrap_or_default()
        };
        let values = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let label = |name: &str, count| (name.to_owned(), values(count));
        let table = [
            (with(&|m| m.name = "Calls".into()), "begins with a letter a-z"),
            (with(&|m| m.name = "1st".into()), "begins with a letter a-z"),
            (with(&|m| m.name = "a".repeat(65)), "64 at most"),
            (with(&|m| m.name = "calls_total".into()), "_total"),
            (with(&|m| m.help = String::new()), "help"),
            (with(&|m| m.labels = [label("plugin", 1)].into()), "\"plugin\" is the host's own"),
            (with(&|m| m.labels = [label("no-name", 1)].into()), "\"no-name\""),
            (with(&|m| m.labels = [label("empty", 0)].into()), "lists its values"),
            (with(&|m| m.labels = [label("a", 15), label("b", 14)].into()), "210 combinations"),
            (
                with(&|m| m.labels = ["a", "b", "c", "d", "e"].map(|l| label(l, 1)).into()),
                "5 labels, more than 4",
            ),
            (
                with(&|m| m.labels = [("a".into(), vec!["x".into(), "x".into()])].into()),
                "a value twice",
            ),
            (check(&[sample(), sample()]).unwrap_err(), "two metrics are named \"calls\""),
            (check(&vec![sample(); 21]).unwrap_err(), "21 metrics, more than 20"),
        ];
        for (error, part) in table {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
        assert_eq!(with(&|m| m.labels = [label("a", 20), label("b", 10)].into()), "");
    }

    #[test]
    fn no_two_plugins_meet_under_one_name() {
        let named = |name: &str| MetricSpec { name: name.to_owned(), ..sample() };
        assert_eq!(named("calls").shown_as("kubetask"), "joch_guest_kubetask_calls");
        assert_ne!(named("c").shown_as("a-b"), named("b_c").shown_as("a"));
        assert_ne!(named("b__c").shown_as("a"), named("c").shown_as("a-b"));
    }
}
