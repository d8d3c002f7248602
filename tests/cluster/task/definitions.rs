//! The definitions of Task, Agent and KubeTaskConfig on the API server: what is refused at admission and why,
//! what upstream's accept and can run, and what `kubectl get` shows.

use anyhow::{Context as _, Result, ensure};
use joch_tests::objects::{agent, create, task, with};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::task_with;

fn agent_with(field: &str, value: Value) -> Value {
    with(agent("a"), field, value)
}

fn credential(fields: &Value) -> Value {
    let mut credential = json!({"name": "c", "secretRef": {"name": "s", "key": "k"}});
    if let (Some(all), Some(fields)) = (credential.as_object_mut(), fields.as_object()) {
        all.extend(fields.clone());
    }
    agent_with("credentials", json!([credential]))
}

fn file(fields: Value) -> Value {
    task_with("t", &json!([{"type": "File", "file": fields}]))
}

#[test]
fn kt_13_42_43_96_what_cannot_run_is_refused_with_a_message() -> Result<()> {
    on_cluster("task::refused", async |cluster| {
        let stage = Stage::new(cluster, "task::refused", &[]).await?;
        let bad_reference = with(task("t"), "agentRef", json!("No/Name"));
        let mut no_contexts = task("t");
        no_contexts["spec"] = json!({"agentRef": "a"});
        let twice = json!({"name": "c", "secretRef": {"name": "s", "key": "k"}, "mountPath": "/k"});
        let unnamed = json!({"secretRef": {"name": "", "key": "k"}, "env": "A"});
        for (kind, object, said) in [
            ("Task", task(&"x".repeat(60)), "at most 59 characters"),
            ("Task", bad_reference, "spec.agentRef"),
            ("Task", no_contexts, "spec.contexts: Required"),
            ("Task", file(json!({"filePath": "/a:b", "source": {"inline": "x"}})), "filePath"),
            ("Task", task_with("t", &json!([{"type": "Git"}])), "Unsupported value"),
            ("Agent", agent_with("serviceAccountName", json!("")), "at least 1 chars"),
            ("Agent", agent_with("serviceAccountName", json!("No Name")), "serviceAccountName"),
            ("Agent", agent_with("podLabels", json!({"a": "not a label"})), "podLabels"),
            ("Agent", credential(&json!({"env": "A=B"})), "env"),
            ("Agent", credential(&json!({"mountPath": "/a", "fileMode": 512})), "0777"),
            ("Agent", credential(&unnamed), "needs secretRef.name and secretRef.key"),
            ("Agent", agent_with("credentials", json!([twice, twice])), "the same mountPath"),
        ] {
            let api = stage.kubetask(kind);
            let refused = create(&api, &object).await;
            let text = refused.err().with_context(|| format!("accepted: {object}"))?.to_string();
            ensure!(text.contains(said), "{said:?} is not said of {object}: {text}");
        }
        Ok(())
    })
}

#[test]
fn kt_20_to_45_what_upstream_accepts_and_can_run_is_accepted() -> Result<()> {
    on_cluster("task::accepted", async |cluster| {
        let stage = Stage::new(cluster, "task::accepted", &[]).await?;
        let key = json!({"configMapKeyRef": {"name": "m", "key": "k", "optional": true}});
        let map = json!({"configMapRef": {"name": "m"}});
        let text = json!({"inline": "x"});
        let both = json!({"inline": "x", "configMapKeyRef": {"name": "m", "key": "k"}});
        let same = json!({"type": "File", "file": {"filePath": "/a", "source": {"inline": "x"}}});
        let by_name = with(task("t"), "agentRef", json!(""));
        let tasks = [
            task_with("t", &json!([])),
            task(&"x".repeat(59)),
            by_name,
            file(json!({"filePath": "workspace/with blank.md", "source": text})),
            file(json!({"filePath": "/f", "dirPath": "/d", "source": map})),
            file(json!({"filePath": "/f", "dirPath": "/d", "source": text})),
            file(json!({"dirPath": "/d", "source": text})),
            file(json!({"filePath": "/f", "source": map})),
            file(json!({"filePath": "/f", "source": {"inline": ""}})),
            file(json!({"filePath": "/f", "source": both})),
            file(json!({"filePath": "/f", "source": key})),
            file(json!({"source": {}})),
            task_with("t", &json!([{"type": "File"}])),
            task_with("t", &Value::Array(vec![same; 1000])),
        ];
        let human = |human: Value| agent_with("humanInTheLoop", human);
        let none = json!({"name": "c", "secretRef": {"name": "", "key": ""}});
        let agents = [
            agent("a"),
            agent_with("agentImage", json!("")),
            agent_with("command", json!([])),
            human(json!({"enabled": true})),
            human(json!({"enabled": true, "keepAliveSeconds": -1})),
            agent_with("podLabels", json!({"app": "x", "kubetask.io/task": "y", "empty": ""})),
            agent_with(
                "scheduling",
                json!({"affinity": {"nodeAffinity": {}}, "tolerations": [{}]}),
            ),
            agent_with("credentials", json!([none, none])),
            credential(&json!({"env": "A.b-c d", "mountPath": "key", "fileMode": 256})),
            credential(&json!({"fileMode": 9999})),
        ];
        for (kind, objects) in [("Task", &tasks[..]), ("Agent", &agents[..])] {
            let api = stage.kubetask(kind);
            for object in objects {
                let made = create(&api, object).await;
                let made = made.with_context(|| format!("refused: {object}"))?;
                let name = made.metadata.name.context("no name")?;
                api.delete(&name, &Default::default()).await?;
            }
        }
        Ok(())
    })
}

#[test]
fn kt_66_a_finished_phase_and_set_times_cannot_be_changed_by_anybody() -> Result<()> {
    on_cluster("task::set_once", async |cluster| {
        let stage = Stage::new(cluster, "task::set_once", &[]).await?;
        let tasks = stage.kubetask("Task");
        create(&tasks, &task("t")).await?;
        let patch = async |status: Value| {
            let patch = Patch::Merge(json!({"status": status}));
            tasks.patch_status("t", &PatchParams::default(), &patch).await
        };
        patch(json!({"phase": "Failed", "completionTime": "2026-01-01T00:00:00Z"})).await?;
        for (change, said) in [
            (json!({"phase": "Running"}), "never changes its phase"),
            (json!({"phase": null}), "never changes its phase"),
            (json!({"completionTime": "2026-01-02T00:00:00Z"}), "completionTime never changes"),
            (json!({"completionTime": null}), "completionTime never changes"),
        ] {
            let refused = patch(change.clone()).await;
            let text = refused.err().with_context(|| format!("accepted: {change}"))?.to_string();
            ensure!(text.contains(said), "{text}");
        }
        Ok(())
    })
}

#[test]
fn kubectl_knows_short_names_columns_and_conditions_by_type() -> Result<()> {
    on_cluster("task::columns", async |cluster| {
        let stage = Stage::new(cluster, "task::columns", &[]).await?;
        create(&stage.kubetask("Agent"), &agent("a")).await?;
        create(&stage.kubetask("Task"), &task("t")).await?;
        let config = json!({
            "apiVersion": "kubetask.io/v1alpha1", "kind": "KubeTaskConfig",
            "metadata": {"name": "default"}, "spec": {"taskLifecycle": {}},
        });
        create(&stage.kubetask("KubeTaskConfig"), &config).await?;
        for (short, columns, shown) in [
            ("tk", &["NAME", "PHASE", "JOB", "AGENT", "REASON", "FINISHED", "AGE"][..], "t"),
            ("ag", &["NAME", "IMAGE", "SERVICE", "HUMAN", "AGE"], "custom-agent:v1.0.0"),
            ("ktc", &["NAME", "TTL", "AGE"], "604800"),
        ] {
            let table =
                cluster.kubectl(&["get", short, "-n", &stage.namespace, "-o", "wide"]).await?;
            let head = table.lines().next().unwrap_or_default();
            for column in columns {
                ensure!(head.split_whitespace().any(|word| word == *column), "{column}: {head}");
            }
            ensure!(table.split_whitespace().any(|word| word == shown), "{shown}: {table}");
        }

        // Each manager owns its conditions by their type.
        let tasks = stage.kubetask("Task");
        for (manager, kind) in [("one", "First"), ("two", "Second")] {
            let condition = json!({
                "type": kind, "status": "True", "reason": "Told", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            let body = json!({
                "apiVersion": "kubetask.io/v1alpha1", "kind": "Task",
                "status": {"conditions": [condition]},
            });
            tasks.patch_status("t", &PatchParams::apply(manager), &Patch::Apply(body)).await?;
        }
        let held = tasks.get("t").await?;
        let conditions = held.data.pointer("/status/conditions").and_then(Value::as_array);
        ensure!(conditions.is_some_and(|list| list.len() == 2), "{held:?}");
        Ok(())
    })
}
