//! From Task and Agent to the Job: KT-01 to KT-19.

use insta::assert_json_snapshot;
use joch_crds::kubetask::DEFAULT_AGENT_IMAGE;
use serde_json::{Value, json};

use crate::fixture::{agent, config_maps, launch, none, simple_task, summary, task};

fn job(agent_spec: &str) -> Value {
    launch(&simple_task(), &agent(agent_spec), &none()).job
}

fn container(agent_spec: &str) -> Value {
    job(agent_spec)["spec"]["template"]["spec"]["containers"][0].take()
}

#[test]
fn kt_01_a_task_with_its_agent_becomes_a_job_and_runs() {
    let launch = launch(&simple_task(), &agent(""), &none());
    assert_json_snapshot!("kt_01_job", launch.job);
    assert_json_snapshot!("kt_01_files", launch.files);
    assert_json_snapshot!("kt_01_status", launch.status);
}

#[test]
fn kt_02_job_and_pod_have_exactly_two_labels() {
    let job = job("");
    let labels = json!({"app": "kubetask", "kubetask.io/task": "t"});
    assert_eq!(job["metadata"]["labels"], labels);
    assert_eq!(job["spec"]["template"]["metadata"]["labels"], labels);
}

#[test]
fn kt_03_the_only_owner_reference_is_the_hosts() {
    assert_eq!(job("")["metadata"].get("ownerReferences"), None);
}

#[test]
fn kt_04_one_container_named_agent_under_the_agents_account() {
    let pod = job("")["spec"]["template"]["spec"].take();
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    assert_eq!(pod["containers"][0]["name"], "agent");
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["serviceAccountName"], "runner");
    assert_eq!(pod.get("initContainers"), None);
}

#[test]
fn kt_05_without_image_the_built_in_one() {
    assert_eq!(container("")["image"], "quay.io/zhaoxue/kubetask-agent-gemini:latest");
    assert_eq!(container("agentImage: \"\"")["image"], DEFAULT_AGENT_IMAGE);
}

#[test]
fn kt_06_the_agents_image_verbatim() {
    assert_eq!(container("agentImage: custom-agent:v1.0.0")["image"], "custom-agent:v1.0.0");
}

#[test]
fn kt_07_env_is_name_and_namespace_then_credentials_in_order() {
    let env = container(
        "credentials: [{name: b, secretRef: {name: s, key: k}, env: B}, \
         {name: a, secretRef: {name: s, key: k}, env: A}]",
    )["env"]
        .take();
    let names: Vec<_> = env.as_array().unwrap().iter().map(|e| e["name"].as_str()).collect();
    assert_eq!(names, [Some("TASK_NAME"), Some("TASK_NAMESPACE"), Some("B"), Some("A")]);
    assert_eq!((&env[0]["value"], &env[1]["value"]), (&json!("t"), &json!("ns")));
}

#[test]
fn kt_08_the_agents_command_verbatim_without_args() {
    let container = container("command: [sh, -c, \"echo hello\"]");
    assert_eq!(container["command"], json!(["sh", "-c", "echo hello"]));
    assert_eq!(container.get("args"), None);
}

#[test]
fn kt_09_without_command_the_images_own() {
    assert_eq!(container("").get("command"), None);
    assert_eq!(container("command: []").get("command"), None);
}

#[test]
fn kt_10_a_failed_pod_is_not_followed_by_another_one() {
    let spec = job("")["spec"].take();
    let mut keys: Vec<_> = spec.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["backoffLimit", "template"]);
    assert_eq!(spec["backoffLimit"], 0);
}

#[test]
fn a_pod_that_is_stopped_has_little_time() {
    assert_eq!(job("")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 5);
}

#[test]
fn kt_14_pod_labels_are_on_the_pod_only() {
    let job = job("podLabels: {network-policy: agent-restricted, team: platform}");
    assert_eq!(job["metadata"]["labels"].as_object().unwrap().len(), 2);
    let labels = json!({"app": "kubetask", "kubetask.io/task": "t",
        "network-policy": "agent-restricted", "team": "platform"});
    assert_eq!(job["spec"]["template"]["metadata"]["labels"], labels);
}

#[test]
fn kt_15_the_controllers_own_labels_win() {
    let job = job("podLabels: {app: x, kubetask.io/task: somebody-elses}");
    let labels = json!({"app": "kubetask", "kubetask.io/task": "t"});
    assert_eq!(job["spec"]["template"]["metadata"]["labels"], labels);
}

#[test]
fn kt_16_scheduling_is_copied() {
    let job = job(
        "scheduling: {nodeSelector: {kubernetes.io/os: linux}, tolerations: [{key: dedicated, \
         operator: Equal, value: ai-workload, effect: NoSchedule}], affinity: {podAntiAffinity: \
         {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1}]}}}",
    );
    assert_json_snapshot!("kt_16_pod", job["spec"]["template"]["spec"]);
}

#[test]
fn kt_16_absent_scheduling_stays_unset() {
    for spec in ["", "scheduling: {}", "scheduling: {nodeSelector: {}, tolerations: []}"] {
        let pod = job(spec)["spec"]["template"]["spec"].take();
        for field in ["nodeSelector", "tolerations", "affinity"] {
            assert_eq!(pod.get(field), None, "{spec}");
        }
    }
}

#[test]
fn kt_24_without_contexts_there_is_no_config_map_and_no_volume() {
    for contexts in ["[]", "[{type: File, file: {filePath: /a, source: {inline: ''}}}]"] {
        let launch = launch(&task(&format!("{{contexts: {contexts}}}")), &agent(""), &none());
        assert_eq!(launch.files, None);
        let pod = &launch.job["spec"]["template"]["spec"];
        assert_eq!(pod.get("volumes"), None);
        assert_eq!(pod["containers"][0].get("volumeMounts"), None);
    }
}

#[test]
fn kt_36_volumes_mounts_and_keys_come_in_the_order_of_first_appearance_every_time() {
    let file = |path: &str| {
        format!("{{type: File, file: {{filePath: {path}, source: {{inline: text of {path}}}}}}}")
    };
    let paths = ["/z", "/m/b", "/a", "/m/a", "/z", "/k"];
    let contexts = paths.map(file).join(", ");
    let run = || launch(&task(&format!("{{contexts: [{contexts}]}}")), &agent(""), &none()).job;
    let mounts = run()["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].take();
    let places: Vec<_> =
        mounts.as_array().unwrap().iter().map(|m| m["mountPath"].as_str().unwrap()).collect();
    assert_eq!(places, ["/z", "/m/b", "/a", "/m/a", "/k"]);
    for _ in 0..20 {
        assert_eq!(run().to_string(), run().to_string());
    }
}

#[test]
fn kt_37_credentials_then_files_then_directories() {
    let agent = agent(
        "credentials: [{name: ssh, secretRef: {name: s, key: k}, mountPath: /key}], defaultContexts: \
         [{type: File, file: {dirPath: /docs, source: {configMapRef: {name: docs, optional: true}}}}]",
    );
    let task = task(
        "{contexts: [{type: File, file: {dirPath: /cfg, source: {configMapRef: {name: cfg}}}}, \
         {type: File, file: {filePath: /b.md, source: {inline: b}}}, \
         {type: File, file: {filePath: /a.md, source: {inline: a}}}]}",
    );
    let launch = launch(&task, &agent, &config_maps("{cfg: {}}"));
    assert_json_snapshot!("kt_37_pod", launch.job["spec"]["template"]["spec"]);
    assert_eq!(summary(&launch.status), "Running; Ready=True/JobStarted: Job t-job is started");
}
