//! The samples of seed 002, as they are applied.

use std::{env, fs, path::PathBuf};

use insta::assert_json_snapshot;
use joch_crds::kubetask::{CronTask, KubeTaskConfig};
use kubetask::objects::{Agent, Task};
use serde::Deserialize as _;
use serde_json::json;

use crate::fixture::{config_maps, launch, none, yaml};

fn sample(name: &str) -> String {
    let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).expect("cargo runs the test");
    let folder = folder.join("../../examples/kubetask");
    fs::read_to_string(folder.join(name)).expect(name)
}

#[test]
fn the_full_task_runs_with_the_full_agent() {
    // 0400 is octal for kubectl, which reads YAML 1.1, and a text for the reader used here.
    let agent = sample("agent.yaml").replace("fileMode: 0400", "fileMode: 256");
    let (task, agent): (Task, Agent) = (yaml(&sample("task.yaml")), yaml(&agent));
    let maps = config_maps(
        "{org-configs: {guidelines.md: Be kind.}, workflow-guides: {standard-pr-workflow.md: Test first.}, \
         my-configs: {}}",
    );
    let launch = launch(&task, &agent, &maps);
    assert_json_snapshot!("sample_task", json!({"files": launch.files, "job": launch.job}));
}

#[test]
fn every_task_of_the_demo_runs_with_its_agent() {
    let agent: Agent = yaml(&sample("demo/2-agent.yaml"));
    let tasks = sample("demo/3-tasks.yaml");
    let documents = serde_norway::Deserializer::from_str(&tasks);
    let names: Vec<_> = documents
        .map(|document| {
            let task = Task::deserialize(document).unwrap();
            let launch = launch(&task, &agent, &none());
            assert_eq!(launch.status.conditions.len(), 1, "nothing is ignored");
            task.metadata.name
        })
        .collect();
    assert_eq!(names, ["update-dependencies", "write-changelog", "triage-issues"]);
}

#[test]
fn every_sample_fits_its_type() {
    let cron: CronTask = yaml(&sample("crontask.yaml"));
    assert_eq!(cron.spec.task_template.metadata.unwrap().labels["app"], "daily-report");
    let config: KubeTaskConfig = yaml(&sample("kubetaskconfig.yaml"));
    assert_eq!(config.spec.task_lifecycle.unwrap().ttl_seconds_after_finished, 604_800);
    let complex: Task = yaml(&sample("complex-task.yaml"));
    assert_eq!(complex.spec.contexts.len(), 3);
    let kinds: Vec<_> = serde_norway::Deserializer::from_str(&sample("simple-task.yaml"))
        .map(|document| serde_json::Value::deserialize(document).unwrap()["kind"].take())
        .collect();
    assert_eq!(kinds, ["Agent", "Task"]);
}
