//! Which Jobs a plugin may start: an allow-list of fields, and the bounds of its grant. Pure.
//!
//! The Job is walked field by field; whatever is not on the list is refused by its path, so that a field
//! that Kubernetes adds later is refused until somebody has looked at it.

use serde_json::Value;

use crate::authority::JobAuthority;
use crate::grant::{JobGrant, Profile, SecretUse};

mod fields;

/// Why a Job may not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A field that no plugin's Job may have, or a value that it may not take; by its path.
    #[error("{0}")]
    Field(String),
    /// Outside the bounds that the plugin requested, or was granted; names the bound.
    #[error("{0}")]
    Grant(String),
}

/// Checks a Job against the allow-list and against each bound as requested and as granted.
///
/// # Errors
/// [`Refusal`], which names the field or the missing grant.
pub fn check(job: &Value, authority: &JobAuthority) -> Result<(), Refusal> {
    fields::walk(job, &fields::JOB, "job").map_err(Refusal::Field)?;
    let pod = job
        .pointer("/spec/template/spec")
        .ok_or_else(|| Refusal::Field("job.spec.template.spec is missing".to_owned()))?;
    for (grant, whose) in [(&authority.requested, "requested"), (&authority.granted, "granted")] {
        within(pod, grant, whose).map_err(Refusal::Grant)?;
    }
    Ok(())
}

/// Whether a Job has come to its end, by its conditions.
#[must_use]
pub fn is_finished(job: &Value) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|conditions| {
        conditions.iter().any(|condition| {
            let text = |name| condition.get(name).and_then(Value::as_str).unwrap_or_default();
            matches!(text("type"), "Complete" | "Failed") && text("status") == "True"
        })
    })
}

fn within(pod: &Value, grant: &JobGrant, whose: &str) -> Result<(), String> {
    let account = pod.get("serviceAccountName").and_then(Value::as_str).unwrap_or("default");
    if !grant.service_accounts.iter().any(|pattern| matches(pattern, account)) {
        return Err(format!(
            "service account {account:?} is not {whose} (grant.jobs.service-accounts)"
        ));
    }
    for container in containers(pod) {
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        if !grant.images.iter().any(|pattern| matches(pattern, image)) {
            return Err(format!("image {image:?} is not {whose} (grant.jobs.images)"));
        }
    }
    if grant.secrets == SecretUse::None && uses_secrets(pod) {
        return Err(format!("the use of Secrets is not {whose} (grant.jobs.secrets)"));
    }
    match grant.profile {
        Profile::Baseline => Ok(()),
        Profile::Restricted => restricted(pod, whose),
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"]
        .into_iter()
        .filter_map(|list| pod.get(list)?.as_array())
        .flatten()
}

/// `*` is anything, `prefix*` anything that begins so.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

fn uses_secrets(pod: &Value) -> bool {
    let volumes = pod.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let projected = |volume: &Value| {
        let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
        sources.is_some_and(|sources| sources.iter().any(|source| source.get("secret").is_some()))
    };
    let mounted = |volume: &Value| volume.get("secret").is_some() || projected(volume);
    let in_environment = |container: &Value| {
        let from = |list: &str, pointer: &str| {
            let entries = container.get(list).and_then(Value::as_array);
            entries
                .is_some_and(|entries| entries.iter().any(|entry| entry.pointer(pointer).is_some()))
        };
        from("env", "/valueFrom/secretKeyRef") || from("envFrom", "/secretRef")
    };
    volumes.into_iter().any(mounted)
        || containers(pod).any(in_environment)
        || pod.get("imagePullSecrets").is_some()
}

/// The parts of the `restricted` pod security profile that the field list does not rule out already.
fn restricted(pod: &Value, whose: &str) -> Result<(), String> {
    let refused = |what: String| {
        Err(format!(
            "{what}: pods have to keep the restricted profile (grant.jobs.profile as {whose})"
        ))
    };
    let pod_context = pod.get("securityContext");
    for container in containers(pod) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        let context = container.get("securityContext");
        let either = |field: &str| {
            let get = |context: Option<&Value>| context.and_then(|c| c.get(field)).cloned();
            get(context).or_else(|| get(pod_context))
        };
        if either("runAsNonRoot") != Some(Value::Bool(true)) {
            return refused(format!("container {name:?} needs runAsNonRoot: true"));
        }
        let seccomp = either("seccompProfile").and_then(|p| p.get("type").cloned());
        if !seccomp.is_some_and(|kind| kind == "RuntimeDefault" || kind == "Localhost") {
            return refused(format!("container {name:?} needs seccompProfile RuntimeDefault"));
        }
        let escalation = context.and_then(|c| c.get("allowPrivilegeEscalation"));
        if escalation != Some(&Value::Bool(false)) {
            return refused(format!("container {name:?} needs allowPrivilegeEscalation: false"));
        }
        let drop = context.and_then(|c| c.pointer("/capabilities/drop")).and_then(Value::as_array);
        if !drop.is_some_and(|drop| drop.iter().any(|capability| capability == "ALL")) {
            return refused(format!("container {name:?} needs capabilities.drop: [ALL]"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
