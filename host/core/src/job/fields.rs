//! The fields that a Job may have. What is absent here is refused: host namespaces, host paths, host
//! ports, privileged containers, added capabilities, `suspend` changes by others (Kueue), and so on.

use serde_json::Value;

/// What may stand below a field.
pub(super) enum Shape {
    /// Anything: plain data without authority.
    Any,
    /// An object with these fields and no others.
    Fields(&'static [(&'static str, Self)]),
    /// A list of such objects.
    List(&'static Self),
    /// Exactly one of these texts or booleans.
    OneOf(&'static [&'static str]),
}

use Shape::{Any, Fields, List, OneOf};

/// A batch/v1 Job.
pub(super) static JOB: Shape = Fields(&[
    ("apiVersion", OneOf(&["batch/v1"])),
    ("kind", OneOf(&["Job"])),
    (
        "metadata",
        Fields(&[("name", Any), ("namespace", Any), ("labels", Any), ("annotations", Any)]),
    ),
    (
        "spec",
        Fields(&[
            ("activeDeadlineSeconds", Any),
            ("backoffLimit", Any),
            ("completionMode", Any),
            ("completions", Any),
            ("parallelism", Any),
            ("podFailurePolicy", Any),
            ("podReplacementPolicy", Any),
            ("suspend", Any),
            ("ttlSecondsAfterFinished", Any),
            ("template", TEMPLATE),
        ]),
    ),
]);

const TEMPLATE: Shape =
    Fields(&[("metadata", Fields(&[("labels", Any), ("annotations", Any)])), ("spec", POD)]);

const POD: Shape = Fields(&[
    ("activeDeadlineSeconds", Any),
    ("affinity", Any),
    ("automountServiceAccountToken", Any),
    ("containers", List(&CONTAINER)),
    ("dnsConfig", Any),
    ("dnsPolicy", OneOf(&["ClusterFirst", "Default", "None"])),
    ("enableServiceLinks", Any),
    ("hostname", Any),
    ("imagePullSecrets", Any),
    ("initContainers", List(&CONTAINER)),
    ("nodeSelector", Any),
    ("preemptionPolicy", Any),
    ("priorityClassName", Any),
    ("restartPolicy", OneOf(&["Never", "OnFailure"])),
    ("runtimeClassName", Any),
    ("schedulerName", Any),
    ("securityContext", POD_SECURITY),
    ("serviceAccountName", Any),
    ("terminationGracePeriodSeconds", Any),
    ("tolerations", Any),
    ("topologySpreadConstraints", Any),
    ("volumes", List(&VOLUME)),
]);

const POD_SECURITY: Shape = Fields(&[
    ("fsGroup", Any),
    ("fsGroupChangePolicy", Any),
    ("runAsGroup", Any),
    ("runAsNonRoot", Any),
    ("runAsUser", Any),
    ("seccompProfile", SECCOMP),
    ("supplementalGroups", Any),
]);

const SECCOMP: Shape =
    Fields(&[("type", OneOf(&["RuntimeDefault", "Localhost"])), ("localhostProfile", Any)]);

const CONTAINER: Shape = Fields(&[
    ("args", Any),
    ("command", Any),
    ("env", Any),
    ("envFrom", Any),
    ("image", Any),
    ("imagePullPolicy", Any),
    ("lifecycle", Any),
    ("livenessProbe", Any),
    ("name", Any),
    ("ports", List(&Fields(&[("containerPort", Any), ("name", Any), ("protocol", Any)]))),
    ("readinessProbe", Any),
    ("resources", Any),
    ("restartPolicy", Any),
    ("securityContext", CONTAINER_SECURITY),
    ("startupProbe", Any),
    ("stdin", Any),
    ("terminationMessagePath", Any),
    ("terminationMessagePolicy", Any),
    ("tty", Any),
    ("volumeMounts", Any),
    ("workingDir", Any),
]);

const CONTAINER_SECURITY: Shape = Fields(&[
    ("allowPrivilegeEscalation", Any),
    ("capabilities", Fields(&[("drop", Any)])),
    ("privileged", OneOf(&["false"])),
    ("readOnlyRootFilesystem", Any),
    ("runAsGroup", Any),
    ("runAsNonRoot", Any),
    ("runAsUser", Any),
    ("seccompProfile", SECCOMP),
]);

const VOLUME: Shape = Fields(&[
    ("configMap", Any),
    ("downwardAPI", Any),
    ("emptyDir", Any),
    ("ephemeral", Any),
    ("name", Any),
    ("persistentVolumeClaim", Any),
    ("projected", Any),
    ("secret", Any),
]);

/// Refuses the first field of `value` that `shape` does not allow, by its path.
pub(super) fn walk(value: &Value, shape: &Shape, path: &str) -> Result<(), String> {
    match (shape, value) {
        (Any, _) | (_, Value::Null) => Ok(()),
        (Fields(allowed), Value::Object(fields)) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                match allowed.iter().find(|(allowed, _)| allowed == name) {
                    Some((_, shape)) => walk(value, shape, &path)?,
                    None => {
                        return Err(format!("{path} is not a field that a plugin's Job may have"));
                    }
                }
            }
            Ok(())
        }
        (List(item), Value::Array(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| walk(value, item, &format!("{path}[{index}]"))),
        (OneOf(texts), value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if texts.contains(&text.as_str()) {
                Ok(())
            } else {
                Err(format!("{path} may be {}, not {text}", texts.join(" or ")))
            }
        }
        (Fields(_), _) => Err(format!("{path} has to be an object")),
        (List(_), _) => Err(format!("{path} has to be a list")),
    }
}
