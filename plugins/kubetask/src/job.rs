//! The Job of a Task, and the ConfigMap with its files.

use joch_crds::kubetask::{AgentSpec, Credential, DEFAULT_AGENT_IMAGE, SecretKeyReference};
use serde_json::{Map, Value, json};

use crate::{
    contexts::Resolved,
    human,
    objects::{Agent, Task},
    settings::Settings,
};

/// The longest name of a Task of which `<task>-job` is still a Job's name.
pub const MAX_TASK_NAME: usize = 59;

/// Name of the volume with the files.
const FILES: &str = "context-files";
/// Name of a credential's file in its volume.
const SECRET_FILE: &str = "secret-file";
/// Mode of a credential's file that names none: 0600.
const PRIVATE: i32 = 0o600;

/// Name of the Task's Job.
#[must_use]
pub fn job_name(task: &Task) -> String {
    format!("{}-job", task.metadata.name)
}

/// Name of the ConfigMap with the Task's files.
#[must_use]
pub fn context_name(task: &Task) -> String {
    format!("{}-context", task.metadata.name)
}

/// The ConfigMap with the Task's files; none if there are none.
#[must_use]
pub fn config_map(task: &Task, contexts: &Resolved) -> Option<Value> {
    let data: Map<_, _> =
        contexts.files.iter().map(|file| (file.key.clone(), json!(file.content))).collect();
    (!data.is_empty()).then(|| json!({"metadata": {"labels": labels(task)}, "data": data}))
}

/// The Job. The host adds the owner reference.
///
/// An agent's work is not idempotent, so a failed pod is not followed by another one (`backoffLimit` 0).
/// Who deletes a Task wants its agent stopped: the pod has little time to end by itself.
#[must_use]
pub fn job(task: &Task, agent: &Agent, contexts: &Resolved, settings: &Settings) -> Value {
    let mut pod_labels: Map<_, _> =
        agent.spec.pod_labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    // The controller's own labels win: a pod cannot pass for another Task's.
    pod_labels.extend(labels(task));
    let mut pod = pod(task, &agent.spec, contexts);
    pod.insert("terminationGracePeriodSeconds".to_owned(), json!(settings.stop_grace_seconds));
    json!({
        "metadata": {
            "name": job_name(task),
            "namespace": task.metadata.namespace,
            "labels": labels(task),
        },
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": pod_labels},
                "spec": pod,
            },
        },
    })
}

/// Every path at which something is mounted, in the order of the mounts.
pub fn mount_paths<'a>(agent: &'a Agent, contexts: &'a Resolved) -> impl Iterator<Item = &'a str> {
    let credentials = agent.spec.credentials.iter().filter_map(mount_path);
    let files = contexts.files.iter().map(|file| file.path.as_str());
    let directories = contexts.directories.iter().map(|directory| directory.path.as_str());
    credentials.chain(files).chain(directories)
}

fn labels(task: &Task) -> Map<String, Value> {
    let labels = [("app", "kubetask"), ("kubetask.io/task", &task.metadata.name)];
    labels.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

fn pod(task: &Task, agent: &AgentSpec, contexts: &Resolved) -> Map<String, Value> {
    let (volumes, mounts) = volumes(task, agent, contexts);
    let image = agent.agent_image.as_deref().filter(|image| !image.is_empty());
    let command = match human::keep_alive(agent).filter(|_| !human::is_in_vain(agent)) {
        Some(seconds) => human::wrap(&agent.command, seconds),
        None => agent.command.clone(),
    };
    let mut container = object([
        ("name", json!("agent")),
        ("image", json!(image.unwrap_or(DEFAULT_AGENT_IMAGE))),
        ("imagePullPolicy", json!("IfNotPresent")),
        ("env", env(task, agent)),
    ]);
    insert_some(&mut container, "command", json!(command));
    insert_some(&mut container, "volumeMounts", Value::Array(mounts));

    let mut pod = object([
        ("serviceAccountName", json!(agent.service_account_name)),
        ("restartPolicy", json!("Never")),
        ("containers", json!([container])),
    ]);
    insert_some(&mut pod, "volumes", Value::Array(volumes));
    if let Some(scheduling) = &agent.scheduling {
        insert_some(&mut pod, "nodeSelector", json!(scheduling.node_selector));
        insert_some(&mut pod, "tolerations", json!(scheduling.tolerations));
        insert_some(&mut pod, "affinity", json!(scheduling.affinity));
    }
    pod
}

fn env(task: &Task, agent: &AgentSpec) -> Value {
    let keep_alive = human::keep_alive(agent).map(|seconds| seconds.to_string());
    let own = [
        ("TASK_NAME", Some(&task.metadata.name)),
        ("TASK_NAMESPACE", Some(&task.metadata.namespace)),
        ("KUBETASK_KEEP_ALIVE_SECONDS", keep_alive.as_ref()),
    ];
    let own = { own.into_iter() }
        .filter_map(|(name, value)| value.map(|value| json!({"name": name, "value": value})));
    let credentials = agent.credentials.iter().filter_map(|credential| {
        let name = credential.env.as_deref().filter(|name| !name.is_empty())?;
        let from = json!({"secretKeyRef": credential.secret_ref});
        Some(json!({"name": name, "valueFrom": from}))
    });
    own.chain(credentials).collect()
}

/// Volumes and mounts, in the same order: credentials, the files, the directories.
fn volumes(task: &Task, agent: &AgentSpec, contexts: &Resolved) -> (Vec<Value>, Vec<Value>) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for (index, credential) in agent.credentials.iter().enumerate() {
        let Some(path) = mount_path(credential) else {
            continue;
        };
        let name = format!("credential-{index}");
        let mode = credential.file_mode.unwrap_or(PRIVATE);
        let SecretKeyReference { name: secret, key } = &credential.secret_ref;
        let items = json!([{"key": key, "path": SECRET_FILE, "mode": mode}]);
        let source = json!({"secretName": secret, "defaultMode": mode, "items": items});
        volumes.push(volume(&name, "secret", source));
        mounts.push(mount(&name, path, Some(SECRET_FILE)));
    }
    if !contexts.files.is_empty() {
        volumes.push(volume(FILES, "configMap", json!({"name": context_name(task)})));
    }
    for file in &contexts.files {
        mounts.push(mount(FILES, &file.path, Some(&file.key)));
    }
    for (index, directory) in contexts.directories.iter().enumerate() {
        let name = format!("dir-mount-{index}");
        let source = json!({"name": directory.config_map, "optional": directory.optional});
        volumes.push(volume(&name, "configMap", source));
        mounts.push(mount(&name, &directory.path, None));
    }
    (volumes, mounts)
}

fn volume(name: &str, kind: &str, source: Value) -> Value {
    json!({"name": name, kind: source})
}

fn mount(volume: &str, path: &str, sub_path: Option<&str>) -> Value {
    match sub_path {
        Some(sub_path) => json!({"name": volume, "mountPath": path, "subPath": sub_path}),
        None => json!({"name": volume, "mountPath": path}),
    }
}

fn mount_path(credential: &Credential) -> Option<&str> {
    credential.mount_path.as_deref().filter(|path| !path.is_empty())
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Leaves out what is empty.
fn insert_some(map: &mut Map<String, Value>, key: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if !empty {
        map.insert(key.to_owned(), value);
    }
}
