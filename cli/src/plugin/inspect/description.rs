//! A plugin as it is shown: the manifest's content in the words of people, plus what the bytes tell.

use std::collections::BTreeMap;

use joch_artifact::Package;
use joch_core::manifest::{
    ControllerSpec, Limits, MetricKind, MetricSpec, PluginKind, WakeBy, WatchData, WatchSpec,
};
use joch_core::object::Gvk;
use joch_core::quantity::Time;
use serde::Serialize;

use super::interfaces;
use crate::plugin::requests::{self, Request};

/// Everything that `joch plugin inspect` tells.
#[derive(Debug, Serialize)]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) track: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) controllers: Vec<Controller>,
    pub(super) requests: Vec<Request>,
    /// The parts of the requests that an operator has to say `dangerous` for.
    pub(super) dangerous: Vec<String>,
    pub(super) metrics: Vec<Metric>,
    pub(super) limits: BTreeMap<&'static str, String>,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

/// One of its controllers.
#[derive(Debug, Serialize)]
pub(super) struct Controller {
    pub(super) name: String,
    pub(super) reconciles: Vec<String>,
    pub(super) watches: Vec<String>,
    pub(super) finalizer: Option<String>,
}

/// One of its metrics.
#[derive(Debug, Serialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) help: String,
    pub(super) labels: Vec<String>,
}

impl Description {
    /// Describes a plugin.
    pub(super) fn of(package: &Package) -> anyhow::Result<Self> {
        let manifest = &package.manifest;
        let identity = &manifest.plugin;
        let kind = match identity.kind {
            PluginKind::Controller => "controller",
            PluginKind::Adapter => "adapter",
        };
        let (imports, exports) = interfaces::of(&package.bytes)?;
        Ok(Self {
            name: identity.name.to_string(),
            version: identity.version.clone(),
            kind: kind.to_owned(),
            track: identity.track.clone(),
            digest: package.digest.to_string(),
            size: package.size(),
            controllers: manifest.controllers.iter().map(controller).collect(),
            requests: requests::of(&manifest.grant),
            dangerous: requests::dangerous(manifest)?,
            metrics: manifest.metrics.iter().map(metric).collect(),
            limits: limits(&manifest.limits),
            imports,
            exports,
        })
    }
}

fn controller(spec: &ControllerSpec) -> Controller {
    let watch = |WatchSpec { kind, by, data, optional }: &WatchSpec| {
        let by = match by {
            WakeBy::Owner => "owner",
            WakeBy::Read => "read",
        };
        let data = part(data).map_or(String::new(), |data| format!(", {data}"));
        let optional = if *optional { ", optional" } else { "" };
        format!("{kind} (by {by}{data}{optional})")
    };
    let reconciles = |kind: &Gvk| match spec.kept(kind).as_ref().and_then(part) {
        Some(data) => format!("{kind} ({data})"),
        None => kind.to_string(),
    };
    Controller {
        name: spec.name.to_string(),
        reconciles: spec.reconciles().map(reconciles).collect(),
        watches: spec.watch.iter().map(watch).collect(),
        finalizer: spec.finalizer.clone(),
    }
}

/// What is kept of a kind's objects, unless it is all of them.
fn part(data: &WatchData) -> Option<String> {
    (*data != WatchData::Full).then(|| data.to_string())
}

fn metric(spec: &MetricSpec) -> Metric {
    let kind = match spec.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let label = |(name, values): (&String, &Vec<String>)| format!("{name}: {}", values.join(", "));
    let labels = spec.labels.iter().map(label).collect();
    Metric { name: spec.name.clone(), kind, help: spec.help.clone(), labels }
}

/// Each limit under its name in the manifest. Destructured, so that none is forgotten.
fn limits(limits: &Limits) -> BTreeMap<&'static str, String> {
    let Limits {
        memory,
        cpu: Time(cpu),
        wall: Time(wall),
        concurrency,
        api_per_reconcile,
        log_lines,
        api_per_second,
        events,
        http_requests,
    } = limits;
    BTreeMap::from([
        ("memory", memory.to_string()),
        ("cpu", format!("{cpu:?}")),
        ("wall", format!("{wall:?}")),
        ("concurrency", concurrency.to_string()),
        ("api-per-reconcile", api_per_reconcile.to_string()),
        ("log-lines", log_lines.to_string()),
        ("api-per-second", api_per_second.to_string()),
        ("events", events.to_string()),
        ("http-requests", http_requests.to_string()),
    ])
}
