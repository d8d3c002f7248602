//! Which Jobs a plugin may start, and as what: an allow-list of fields, the bounds of its grant, and what
//! the host adds. Pure, and the same in a cluster, in shadow mode and in the cluster in memory.
//!
//! The Job is walked field by field; whatever is not on the list is refused by its path, so that a field
//! that Kubernetes adds later is refused until somebody has looked at it.

use serde_json::{Value, json};

use crate::authority::JobAuthority;
use crate::grant::{JobGrant, Profile, SecretUse};
use crate::object::{Gvk, ObjectKey, ObjectRef, owned_by};
use crate::port::{KubeError, StartError, Started};

mod fields;

/// The annotation that names the plugin and controller which started a Job.
const STARTED_BY: &str = "joch.dev/started-by";

/// The kind of Jobs.
#[must_use]
pub fn kind() -> Gvk {
    Gvk::new("batch", "v1", "Job")
}

/// Who starts a Job, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Starter<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The controller's name.
    pub controller: &'a str,
    /// The object that is reconciled, and will own the Job.
    pub primary: &'a ObjectKey,
    /// Its uid.
    pub uid: &'a str,
}

impl Starter<'_> {
    /// The key of a Job: in the primary's namespace, under the name that it carries.
    ///
    /// # Errors
    /// [`KubeError::Invalid`] without a name or a namespace, or with a name that no object can have.
    pub fn key(&self, job: &Value) -> Result<ObjectKey, KubeError> {
        let name = job.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let Some(namespace) = self.primary.namespace.clone().filter(|_| !name.is_empty()) else {
            let text = "a Job needs a name, and a primary in a namespace".to_owned();
            return Err(KubeError::Invalid(text));
        };
        let key = ObjectKey { kind: kind(), namespace: Some(namespace), name: name.to_owned() };
        if key.is_plain() {
            return Ok(key);
        }
        Err(KubeError::Invalid(format!("no object can be named {key}")))
    }

    /// The Job as it is sent: with what only the host may say about its place, owner and origin.
    #[must_use]
    pub fn adorn(&self, mut job: Value, key: &ObjectKey) -> Value {
        let metadata = json!({
            "namespace": key.namespace,
            "ownerReferences": owned_by(self.primary, self.uid),
            "annotations": {STARTED_BY: format!("{}/{}", self.plugin, self.controller)},
        });
        let ours = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata});
        json_patch::merge(&mut job, &ours);
        job
    }
}

/// What a Job that bears the name already means for a start; `own` says that the primary controls it. It is
/// never adopted from somebody else.
///
/// # Errors
/// [`StartError::NameTerminating`] if it is being deleted, [`StartError::NameTaken`] if it is not the
/// primary's own.
pub fn held(found: ObjectRef, own: bool, deleting: bool) -> Result<Started, StartError> {
    match (own, deleting) {
        (_, true) => Err(StartError::NameTerminating(found)),
        (true, false) => Ok(Started::AlreadyRunning(found)),
        (false, false) => Err(StartError::NameTaken(found)),
    }
}

/// Checks a Job against the allow-list and all bounds; gives how many may be unfinished at once.
///
/// # Errors
/// [`StartError::Refused`]; `denied` tells of a missing grant, which is not the Job's fault.
pub fn admit(
    job: &Value,
    authority: Option<&JobAuthority>,
    denied: impl FnOnce(String) -> KubeError,
) -> Result<u32, StartError> {
    let Some(authority) = authority else {
        return Err(StartError::Refused(denied("jobs (grant.jobs)".to_owned())));
    };
    match check(job, authority) {
        Ok(()) => Ok(authority.requested.max_active.min(authority.granted.max_active)),
        Err(Refusal::Grant(missing)) => Err(StartError::Refused(denied(missing))),
        Err(Refusal::Field(text)) => Err(StartError::Refused(KubeError::Invalid(text))),
    }
}

/// Why a Job may not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    /// A field that no plugin's Job may have, or a value that it may not take; by its path.
    #[error("{0}")]
    Field(String),
    /// Outside the bounds that the plugin requested, or was granted; names the bound.
    #[error("{0}")]
    Grant(String),
}

/// Checks a Job against the allow-list and against each bound as requested and as granted.
fn check(job: &Value, authority: &JobAuthority) -> Result<(), Refusal> {
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
