//! The plugins' own metrics, as their manifests declare them. Plugins come and go while the host runs, so
//! these are collected anew whenever somebody asks, instead of being registered one by one.
//!
//! # Guarantees
//! - A plugin has at most the series that its manifest declares (20 metrics of 200).
//! - A new version keeps the numbers of every metric that it declares with the same kind and labels.
//! - The metrics of a plugin that was removed are gone, even if a call of it is still under way.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use joch_core::manifest::{MetricKind, MetricSpec};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::kinds::lock;

/// The upper bounds of every histogram's buckets: a guest measures seconds, bytes or counts.
const BUCKETS: [f64; 15] = [
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
    0.5,
    1.0,
    5.0,
    10.0,
    50.0,
    100.0,
    500.0,
    1e3,
    1e4,
    f64::INFINITY,
];

/// The metrics of all plugins, by plugin and by their own name; cloning shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuestMetrics(Arc<Mutex<BTreeMap<String, Metrics>>>);

type Metrics = BTreeMap<String, Metric>;

#[derive(Debug)]
struct Metric {
    spec: MetricSpec,
    /// By the values of the labels, in their order.
    series: BTreeMap<Vec<String>, Series>,
}

#[derive(Debug, Default)]
struct Series {
    /// A counter's or histogram's sum, or a gauge's last value.
    number: f64,
    /// A histogram's observations, by bucket.
    buckets: [u64; BUCKETS.len()],
}

impl GuestMetrics {
    /// A version of a plugin went live that declares these metrics.
    pub(crate) fn declare(&self, plugin: &str, specs: &[MetricSpec]) {
        let mut plugins = lock(&self.0);
        let mut before = plugins.remove(plugin).unwrap_or_default();
        if specs.is_empty() {
            return;
        }
        let declared = specs.iter().map(|spec| {
            let old = before.remove(&spec.name).filter(|old| old.spec.kind == spec.kind);
            let mut series = old.map(|old| old.series_for(spec)).unwrap_or_default();
            series.retain(|values, _| fits(spec, values));
            (spec.name.clone(), Metric { spec: spec.clone(), series })
        });
        plugins.insert(plugin.to_owned(), declared.collect());
    }

    /// The plugin was removed.
    pub(crate) fn forget(&self, plugin: &str) {
        lock(&self.0).remove(plugin);
    }

    /// Takes a number for a metric of a plugin, whose manifest declares it. A call of an older version,
    /// still under way, may bring one that is declared no longer: that is passed over.
    pub(crate) fn record(&self, plugin: &str, spec: &MetricSpec, labels: Vec<String>, value: f64) {
        let mut plugins = lock(&self.0);
        let metric = plugins.get_mut(plugin).and_then(|metrics| metrics.get_mut(&spec.name));
        let Some(metric) = metric.filter(|metric| metric.takes(spec, &labels)) else { return };
        let series = metric.series.entry(labels).or_default();
        match spec.kind {
            MetricKind::Counter => series.number += value,
            MetricKind::Gauge => series.number = value,
            MetricKind::Histogram => {
                series.number += value;
                let bucket =
                    BUCKETS.iter().zip(&mut series.buckets).find(|(most, _)| value <= **most);
                if let Some((_, count)) = bucket {
                    *count += 1;
                }
            }
        }
    }
}

impl Metric {
    fn series_for(self, spec: &MetricSpec) -> BTreeMap<Vec<String>, Series> {
        if self.spec.labels.keys().eq(spec.labels.keys()) { self.series } else { BTreeMap::new() }
    }

    fn takes(&self, spec: &MetricSpec, labels: &[String]) -> bool {
        self.spec.kind == spec.kind
            && self.spec.labels.keys().eq(spec.labels.keys())
            && fits(&self.spec, labels)
    }

    fn encode(&self, plugin: &str, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Self { spec, series } = self;
        let kind = match spec.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        let name = spec.shown_as(plugin);
        let mut family = encoder.encode_descriptor(&name, &spec.help, None, kind)?;
        for (values, series) in series {
            let own = spec.labels.keys().map(String::as_str).zip(values.iter().map(String::as_str));
            let labels: Vec<(&str, &str)> =
                std::iter::once(("plugin", plugin)).chain(own).collect();
            series.encode(spec.kind, &mut family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Series {
    fn encode(&self, kind: MetricKind, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match kind {
            MetricKind::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&self.number, None),
            MetricKind::Gauge => encoder.encode_gauge(&self.number),
            MetricKind::Histogram => {
                let buckets: Vec<_> =
                    BUCKETS.iter().copied().zip(self.buckets.iter().copied()).collect();
                let count = self.buckets.iter().sum();
                encoder.encode_histogram::<NoLabelSet>(self.number, count, &buckets, None)
            }
        }
    }
}

/// Whether the metric lists these values for its labels.
fn fits(spec: &MetricSpec, values: &[String]) -> bool {
    spec.labels.len() == values.len()
        && spec.labels.values().zip(values).all(|(allowed, value)| allowed.contains(value))
}

impl Collector for GuestMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (plugin, metrics) in &*lock(&self.0) {
            for metric in metrics.values() {
                metric.encode(plugin, &mut encoder)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
