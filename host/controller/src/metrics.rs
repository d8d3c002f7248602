//! The controllers' metrics. Names are controller-runtime's where they exist, so that existing
//! dashboards work; labels come from closed sets, never object names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::guest_metrics::GuestMetrics;

/// Which controller, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ResultLabels {
    pub(crate) controller: String,
    pub(crate) result: &'static str,
}

/// Which controller; `name` as controller-runtime's work queue calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NameLabels {
    pub(crate) name: String,
}

/// Why a reconcile failed, and who is blamed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FailureLabels {
    pub(crate) plugin: String,
    pub(crate) category: &'static str,
    pub(crate) blame: &'static str,
}

/// A call to the API server that a plugin made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ApiLabels {
    pub(crate) plugin: String,
    pub(crate) verb: &'static str,
    pub(crate) result: &'static str,
}

/// A call to the API server that did not get its place at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WaitLabels {
    pub(crate) plugin: String,
    pub(crate) result: &'static str,
}

/// Why a watch was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct WatchLabels {
    pub(crate) reason: &'static str,
}

/// Which plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PluginLabels {
    pub(crate) plugin: String,
}

/// The metrics; cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) reconciles: Family<ResultLabels, Counter>,
    pub(crate) reconcile_seconds: Family<NameLabels, Histogram>,
    pub(crate) queue_depth: Family<NameLabels, Gauge>,
    pub(crate) failures: Family<FailureLabels, Counter>,
    pub(crate) parked: Family<NameLabels, Gauge>,
    pub(crate) resting: Family<NameLabels, Gauge>,
    pub(crate) rests: Family<NameLabels, Counter>,
    pub(crate) api_calls: Family<ApiLabels, Counter>,
    pub(crate) cpu_seconds: Family<PluginLabels, Counter<f64, std::sync::atomic::AtomicU64>>,
    pub(crate) late_ticks: Family<PluginLabels, Gauge>,
    pub(crate) swaps: Family<PluginLabels, Counter>,
    pub(crate) denials: Family<PluginLabels, Counter>,
    pub(crate) events_dropped: Family<PluginLabels, Counter>,
    pub(crate) shadow_writes: Family<PluginLabels, Counter>,
    pub(crate) rollbacks: Family<PluginLabels, Counter>,
    pub(crate) status_overruled: Family<PluginLabels, Counter>,
    pub(crate) api_waits: Family<WaitLabels, Counter>,
    pub(crate) http_requests: Family<PluginLabels, Counter>,
    pub(crate) watch_interruptions: Family<WatchLabels, Counter>,
    /// What the plugins measure themselves.
    pub(crate) guests: GuestMetrics,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let seconds = || {
            Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0])
        };
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            queue_depth: Family::default(),
            failures: Family::default(),
            parked: Family::default(),
            resting: Family::default(),
            rests: Family::default(),
            api_calls: Family::default(),
            cpu_seconds: Family::default(),
            late_ticks: Family::default(),
            swaps: Family::default(),
            denials: Family::default(),
            events_dropped: Family::default(),
            shadow_writes: Family::default(),
            rollbacks: Family::default(),
            status_overruled: Family::default(),
            api_waits: Family::default(),
            http_requests: Family::default(),
            watch_interruptions: Family::default(),
            guests: GuestMetrics::default(),
        };
        let name = "controller_runtime_reconcile";
        registry.register(name, "Reconciles per controller by result", metrics.reconciles.clone());
        let name = "controller_runtime_reconcile_time_seconds";
        registry.register(
            name,
            "Length of a reconcile per controller",
            metrics.reconcile_seconds.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Objects that wait for a turn",
            metrics.queue_depth.clone(),
        );
        let name = "joch_plugin_failures";
        let help = "Reconciles that failed, by what happened and who is blamed";
        registry.register(name, help, metrics.failures.clone());
        let name = "joch_plugin_parked_objects";
        let help = "Objects that broke the guest three times in a row or more often";
        registry.register(name, help, metrics.parked.clone());
        let name = "joch_plugin_resting";
        let help = "Whether a controller gets no turns, or one at a time, because it broke on several objects";
        registry.register(name, help, metrics.resting.clone());
        let name = "joch_plugin_rests";
        let help = "How often a controller was given a rest because it broke on several objects";
        registry.register(name, help, metrics.rests.clone());
        let name = "joch_plugin_api_calls";
        registry.register(
            name,
            "Calls to the API server by plugin, verb and result",
            metrics.api_calls.clone(),
        );
        let name = "joch_plugin_cpu_seconds";
        registry.register(
            name,
            "Time that a plugin's guests computed",
            metrics.cpu_seconds.clone(),
        );
        let name = "joch_plugin_late_ticks";
        let help = "The most ticks at which a guest was seen computing after its deadline";
        registry.register(name, help, metrics.late_ticks.clone());
        registry.register("joch_plugin_swaps", "Versions that went live", metrics.swaps.clone());
        registry.register(
            "joch_plugin_denials",
            "Calls outside the grant",
            metrics.denials.clone(),
        );
        let name = "joch_plugin_events_dropped";
        let help = "Events that were not published because there were too many";
        registry.register(name, help, metrics.events_dropped.clone());
        let name = "joch_plugin_shadow_writes";
        let help = "Different writes that a plugin in shadow mode would have made";
        registry.register(name, help, metrics.shadow_writes.clone());
        let name = "joch_plugin_rollbacks";
        let help = "Versions that failed their probation";
        registry.register(name, help, metrics.rollbacks.clone());
        let name = "joch_plugin_status_overruled";
        let help = "Status reports of which the contract kept some field as it was";
        registry.register(name, help, metrics.status_overruled.clone());
        let name = "joch_plugin_api_waits";
        let help =
            "Calls to the API server that waited for the plugin's rate, or were refused by it";
        registry.register(name, help, metrics.api_waits.clone());
        let name = "joch_plugin_http_requests";
        registry.register(
            name,
            "Outgoing requests that were allowed",
            metrics.http_requests.clone(),
        );
        let name = "joch_watch_interruptions";
        let help = "Watches that were interrupted and taken up again, by reason";
        registry.register(name, help, metrics.watch_interruptions.clone());
        registry.register_collector(Box::new(metrics.guests.clone()));
        metrics
    }
}
