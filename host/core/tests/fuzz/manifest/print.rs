//! A manifest as text, written from what was read.

use joch_core::grant::{
    HostPattern, HttpRule, JobGrant, KubeRule, Namespaces, SecretRule, SecretUse,
};
use joch_core::manifest::{ControllerSpec, Manifest, WakeBy, WatchData};
use joch_core::object::Gvk;
use serde_json::{Map, Value, json};

/// The manifest in TOML.
pub(super) fn toml(manifest: &Manifest) -> String {
    let Manifest { manifest: _, plugin, controllers, grant, limits, metrics } = manifest;
    let kind = format!("{:?}", plugin.kind).to_lowercase();
    let metric = |metric: &joch_core::manifest::MetricSpec| {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        json!({"name": metric.name, "kind": kind, "help": metric.help, "labels": metric.labels})
    };
    let whole = json!({
        "manifest": 1,
        "plugin": {"name": plugin.name, "version": plugin.version, "kind": kind, "track": plugin.track},
        "controller": controllers.iter().map(controller).collect::<Vec<_>>(),
        "grant": {
            "kube": grant.kube.iter().map(kube).collect::<Vec<_>>(),
            "jobs": grant.jobs.as_ref().map(jobs),
            "http": grant.http.iter().map(http).collect::<Vec<_>>(),
            "secrets": grant.secrets.iter().map(secret).collect::<Vec<_>>(),
        },
        "limits": {
            "memory": limits.memory.to_string(),
            "cpu": limits.cpu.to_string(),
            "wall": limits.wall.to_string(),
            "concurrency": limits.concurrency,
            "api-per-reconcile": limits.api_per_reconcile,
            "log-lines": limits.log_lines,
            "api-per-second": limits.api_per_second,
            "events": limits.events,
            "http-requests": limits.http_requests,
        },
        "metric": metrics.iter().map(metric).collect::<Vec<_>>(),
    });
    toml::to_string(&without_nulls(whole)).unwrap()
}

/// TOML has no null: what is none is left out.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name, without_nulls(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn controller(spec: &ControllerSpec) -> Value {
    let status = &spec.status;
    let watch = spec.watch.iter().map(|watch| {
        let by = if watch.by == WakeBy::Owner { "owner" } else { "read" };
        json!({"kind": watch.kind.to_string(), "by": by, "data": data(&watch.data)})
    });
    json!({
        "name": spec.name,
        "primary": spec.primary,
        "also": spec.also,
        "data": data(&spec.data),
        "watch": watch.collect::<Vec<_>>(),
        "finalizer": spec.finalizer,
        "finalizer-timeout": spec.finalizer_timeout.to_string(),
        "status": {"phase": status.phase, "started": status.started, "finished": status.finished,
                   "running": status.running, "terminal": status.terminal},
    })
}

fn data(data: &WatchData) -> Value {
    match data {
        WatchData::Full => json!("full"),
        WatchData::Metadata => json!("metadata"),
        WatchData::Fields(pointers) => json!(pointers),
    }
}

fn namespaces(namespaces: &Namespaces) -> Value {
    match namespaces {
        Namespaces::Same => json!("same"),
        Namespaces::All => json!("all"),
        Namespaces::Cluster => json!("cluster"),
        Namespaces::Listed(names) => json!(names),
    }
}

fn kube(rule: &KubeRule) -> Value {
    json!({
        "verbs": rule.verbs.iter().map(|verb| verb.as_str()).collect::<Vec<_>>(),
        "kinds": rule.kinds.iter().map(Gvk::to_string).collect::<Vec<_>>(),
        "subresources": rule.subresources,
        "namespaces": namespaces(&rule.namespaces),
        "required": rule.required,
    })
}

fn jobs(grant: &JobGrant) -> Value {
    let secrets = if grant.secrets == SecretUse::None { "none" } else { "same-namespace" };
    json!({
        "service-accounts": grant.service_accounts,
        "secrets": secrets,
        "images": grant.images,
        "profile": format!("{:?}", grant.profile).to_lowercase(),
        "max-active": grant.max_active,
    })
}

fn hosts(hosts: &[HostPattern]) -> Vec<String> {
    hosts.iter().map(HostPattern::to_string).collect()
}

fn http(rule: &HttpRule) -> Value {
    json!({"hosts": hosts(&rule.hosts), "methods": rule.methods, "required": rule.required})
}

fn secret(rule: &SecretRule) -> Value {
    json!({
        "names": rule.names,
        "namespaces": namespaces(&rule.namespaces),
        "hosts": hosts(&rule.hosts),
        "reveal": rule.reveal,
        "required": rule.required,
    })
}
