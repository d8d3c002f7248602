//! Credentials: KT-40 to KT-45.

use serde_json::{Value, json};

use crate::fixture::{agent, launch, none, refusal, summary, task};

fn pod(credentials: &str) -> Value {
    let agent = agent(&format!("credentials: [{credentials}]"));
    launch(&task("{contexts: []}"), &agent, &none()).job["spec"]["template"]["spec"].take()
}

fn variables(pod: &Value) -> usize {
    pod["containers"][0]["env"].as_array().unwrap().len()
}

#[test]
fn kt_40_a_variable_from_a_secret() {
    let pod = pod("{name: github, secretRef: {name: creds, key: token}, env: GITHUB_TOKEN}");
    let from = json!({"secretKeyRef": {"name": "creds", "key": "token"}});
    let expected = json!({"name": "GITHUB_TOKEN", "valueFrom": from});
    assert_eq!(pod["containers"][0]["env"][2], expected);
    assert_eq!(pod.get("volumes"), None);
}

#[test]
fn kt_41_a_file_from_a_secret_counted_by_its_place_in_the_list() {
    let pod = pod("{name: a, secretRef: {name: s, key: k}, env: A}, \
         {name: ssh, secretRef: {name: ssh-keys, key: id_rsa}, mountPath: /home/agent/.ssh/id_rsa, fileMode: 256}");
    let items = json!([{"key": "id_rsa", "path": "secret-file", "mode": 256}]);
    let secret = json!({"secretName": "ssh-keys", "defaultMode": 256, "items": items});
    assert_eq!(pod["volumes"], json!([{"name": "credential-1", "secret": secret}]));
    let mount = json!({"name": "credential-1", "mountPath": "/home/agent/.ssh/id_rsa", "subPath": "secret-file"});
    assert_eq!(pod["containers"][0]["volumeMounts"], json!([mount]));
}

#[test]
fn kt_42_a_file_without_mode_is_private() {
    let pod = pod("{name: a, secretRef: {name: s, key: k}, mountPath: /a}");
    assert_eq!(pod["volumes"][0]["secret"]["defaultMode"], 384);
    assert_eq!(pod["volumes"][0]["secret"]["items"][0]["mode"], 384);
}

#[test]
fn kt_43_a_mode_is_taken_as_it_is() {
    let pod = pod("{name: a, secretRef: {name: s, key: k}, mountPath: /a, fileMode: 0}");
    assert_eq!(pod["volumes"][0]["secret"]["defaultMode"], 0);
}

#[test]
fn kt_44_variable_and_file_from_one_credential() {
    let pod = pod("{name: a, secretRef: {name: s, key: k}, env: A, mountPath: /a}");
    assert_eq!(variables(&pod), 3);
    assert_eq!(pod["volumes"][0]["name"], "credential-0");
}

#[test]
fn kt_45_a_credential_for_nothing_is_ignored() {
    let pod = pod(
        "{name: a, secretRef: {name: s, key: k}}, {name: b, secretRef: {name: s, key: k}, env: ''}",
    );
    assert_eq!(variables(&pod), 2);
    assert_eq!(pod.get("volumes"), None);
}

#[test]
fn kt_46_a_secret_is_named_and_never_read() {
    let manifest: toml::Table = include_str!("../../plugin.toml").parse().unwrap();
    let grants = manifest["grant"]["kube"].as_array().unwrap();
    let kinds: Vec<_> =
        grants.iter().flat_map(|grant| grant["kinds"].as_array().unwrap()).collect();
    assert!(kinds.len() > 3 && !kinds.iter().any(|kind| kind.as_str() == Some("v1/Secret")));
    assert_eq!(manifest["grant"].get("secrets"), None);
    let pod = pod("{name: a, secretRef: {name: nowhere, key: k}, env: A}");
    assert_eq!(pod["containers"][0]["env"][2]["valueFrom"]["secretKeyRef"].get("optional"), None);
}

#[test]
fn a_credential_at_the_path_of_a_file_is_a_conflict() {
    let agent = agent("credentials: [{name: a, secretRef: {name: s, key: k}, mountPath: /a}]");
    let task = task("{contexts: [{type: File, file: {filePath: /a, source: {inline: x}}}]}");
    let expected = "Failed; Ready=False/ContextError: mount path conflict: /a";
    assert_eq!(summary(&refusal(&task, Some(&agent), &none())), expected);
}
