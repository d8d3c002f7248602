//! Contexts: KT-20 to KT-36.

use kubetask::{
    contexts::{self, ConfigMaps, Resolved, Unresolved},
    keys::key_for,
    objects::{Agent, Task},
};

use crate::fixture::{agent, config_maps, launch, none, refusal, summary, task};

fn inline(path: &str, text: &str) -> String {
    format!("{{type: File, file: {{filePath: '{path}', source: {{inline: {text}}}}}}}")
}

fn from_key(path: &str, optional: bool) -> String {
    format!(
        "{{type: File, file: {{filePath: {path}, source: {{configMapKeyRef: \
         {{name: m, key: k, optional: {optional}}}}}}}}}"
    )
}

fn directory(path: &str, map: &str) -> String {
    format!("{{type: File, file: {{dirPath: {path}, source: {{configMapRef: {{name: {map}}}}}}}}}")
}

fn pair(of_agent: &[String], of_task: &[String]) -> (Task, Agent) {
    let agent = agent(&format!("defaultContexts: [{}]", of_agent.join(", ")));
    (task(&format!("{{contexts: [{}]}}", of_task.join(", "))), agent)
}

fn resolve(of_agent: &[String], of_task: &[String], maps: &ConfigMaps) -> Resolved {
    let (task, agent) = pair(of_agent, of_task);
    contexts::resolve(&task, &agent, maps).expect("contexts")
}

fn refuse(of_agent: &[String], of_task: &[String], maps: &ConfigMaps) -> Unresolved {
    let (task, agent) = pair(of_agent, of_task);
    contexts::resolve(&task, &agent, maps).expect_err("contexts")
}

/// The ConfigMaps that are asked for.
fn asked(task: &Task, agent: &Agent) -> Vec<String> {
    let names = contexts::config_maps(task, agent).into_iter();
    names.map(|(name, all)| if all { name + " with its contents" } else { name }).collect()
}

/// Path, key and content of every file.
fn files(resolved: &Resolved) -> Vec<(&str, &str, &str)> {
    resolved.files.iter().map(|f| (&*f.path, &*f.key, &*f.content)).collect()
}

#[test]
fn kt_20_the_agents_contexts_come_first_and_none_is_overridden() {
    let resolved = resolve(
        &[inline("/b", "agent b"), inline("/a", "agent a")],
        &[inline("/c", "task c"), inline("/a", "task a")],
        &none(),
    );
    let paths: Vec<_> = resolved.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/b", "/a", "/c"]);
    let both = &resolved.files[1].content;
    assert!(both.find("agent a") < both.find("task a"));
}

#[test]
fn kt_21_a_key_is_the_path_with_dashes() {
    for (path, key) in [
        ("/workspace/task.md", "workspace-task.md"),
        ("/home/agent/.config/settings.json", "home-agent-.config-settings.json"),
        ("workspace/task.md", "workspace-task.md"),
        ("", ""),
        ("/with blank/ünï.md", "with_blank-_n_.md"),
        ("/..data", "_..data"),
        ("/.", "_."),
    ] {
        assert_eq!(key_for(path, &[]), key, "{path}");
    }
}

#[test]
fn kt_21_two_paths_never_share_a_key() {
    let resolved = resolve(
        &[],
        &[
            inline("/workspace/a/b", "one"),
            inline("/workspace/a-b", "two"),
            inline("/workspace/a-b-2", "three"),
        ],
        &none(),
    );
    assert_eq!(
        files(&resolved),
        [
            ("/workspace/a/b", "workspace-a-b", "one"),
            ("/workspace/a-b", "workspace-a-b-2", "two"),
            ("/workspace/a-b-2", "workspace-a-b-2-2", "three"),
        ]
    );
    let long = format!("/{}", "x".repeat(300));
    let (first, second) = (key_for(&long, &[]), key_for(&long, &[&"x".repeat(253)]));
    assert_eq!((first.len(), second.len()), (253, 253));
    assert_ne!(first, second);
}

#[test]
fn kt_22_the_config_map_has_the_labels_of_the_job() {
    let (task, agent) = pair(&[], &[inline("/a", "x")]);
    let launch = launch(&task, &agent, &none());
    let files = launch.files.unwrap();
    assert_eq!(files["metadata"]["labels"], launch.job["metadata"]["labels"]);
    assert_eq!(kubetask::job::context_name(&task), "t-context");
}

#[test]
fn kt_25_several_contexts_of_one_path_become_one_file() {
    let resolved = resolve(&[inline("/a", "default part")], &[inline("/a", "task part")], &none());
    let text = "<context index=\"0\">\ndefault part\n</context>\n\n<context index=\"1\">\ntask part\n</context>";
    assert_eq!(files(&resolved), [("/a", "a", text)]);
}

#[test]
fn kt_25_paths_of_one_place_are_one_path() {
    for other in ["workspace/a", "/workspace//a", "/workspace/./b/../a"] {
        let resolved = resolve(&[inline("/workspace/a", "x")], &[inline(other, "y")], &none());
        let [(path, key, text)] = files(&resolved)[..] else { panic!("{resolved:?}") };
        assert_eq!((path, key), ("/workspace/a", "workspace-a"), "{other}");
        assert!(text.contains("\nx\n") && text.contains("\ny\n"), "{text}");
    }
}

#[test]
fn kt_21_a_relative_path_is_mounted_as_it_is_written() {
    let resolved = resolve(&[], &[inline("workspace/task.md", "x")], &none());
    assert_eq!(files(&resolved), [("workspace/task.md", "workspace-task.md", "x")]);
}

#[test]
fn kt_26_one_context_is_verbatim() {
    let resolved = resolve(&[], &[inline("/a", "\"<b>\\n\"")], &none());
    assert_eq!(files(&resolved), [("/a", "a", "<b>\n")]);
}

#[test]
fn kt_27_the_value_of_a_key_is_copied() {
    let (of_agent, of_task) = ([from_key("/a", false)], [inline("/b", "x")]);
    let (task, agent) = pair(&of_agent, &of_task);
    assert_eq!(asked(&task, &agent), ["m with its contents"]);
    let resolved = resolve(&of_agent, &of_task, &config_maps("{m: {k: value, other: x}}"));
    assert_eq!(files(&resolved), [("/a", "a", "value"), ("/b", "b", "x")]);
}

#[test]
fn kt_28_an_optional_key_that_is_missing_is_skipped() {
    for maps in ["{m: {}}", "{m: null}", "{}"] {
        let resolved = resolve(&[], &[from_key("/a", true)], &config_maps(maps));
        assert_eq!(resolved, Resolved::default(), "{maps}");
    }
}

#[test]
fn kt_29_a_missing_config_map_is_waited_for_visibly() {
    let (task, agent) = pair(&[], &[from_key("/a", false)]);
    assert_eq!(
        summary(&refusal(&task, Some(&agent), &config_maps("{m: null}"))),
        "Pending; Ready=False/ContextError: ConfigMap m not found"
    );
    launch(&task, &agent, &config_maps("{m: {k: here}}"));
}

#[test]
fn kt_30_a_missing_key_is_waited_for_visibly() {
    let (task, agent) = pair(&[], &[from_key("/a", false)]);
    assert_eq!(
        summary(&refusal(&task, Some(&agent), &config_maps("{m: {x: y}}"))),
        "Pending; Ready=False/ContextError: key k not found in ConfigMap m"
    );
}

#[test]
fn kt_31_a_directory_is_mounted_from_its_config_map() {
    let (task, agent) = pair(&[], &[directory("/cfg", "m")]);
    let launch = launch(&task, &agent, &config_maps("{m: {}}"));
    assert_eq!(launch.files, None);
    let pod = &launch.job["spec"]["template"]["spec"];
    let volume =
        serde_json::json!({"name": "dir-mount-0", "configMap": {"name": "m", "optional": false}});
    assert_eq!(pod["volumes"][0], volume);
    let mount = serde_json::json!({"name": "dir-mount-0", "mountPath": "/cfg"});
    assert_eq!(pod["containers"][0]["volumeMounts"][0], mount);
}

#[test]
fn kt_31_a_directory_whose_config_map_is_missing_is_waited_for_unless_it_is_optional() {
    let (of_all, agent) = pair(&[], &[directory("/cfg", "m")]);
    assert_eq!(asked(&of_all, &agent), ["m"], "its contents are the kubelet's business");
    assert_eq!(
        summary(&refusal(&of_all, Some(&agent), &config_maps("{m: null}"))),
        "Pending; Ready=False/ContextError: ConfigMap m not found"
    );
    let optional =
        "{type: File, file: {dirPath: /cfg, source: {configMapRef: {name: m, optional: true}}}}";
    let (task, agent) = pair(&[], &[optional.to_owned()]);
    assert_eq!(asked(&task, &agent), [""; 0]);
    let pod = launch(&task, &agent, &none()).job["spec"]["template"]["spec"].take();
    assert_eq!(pod["volumes"][0]["configMap"]["optional"], true);

    let (task, agent) = pair(&[], &[directory("/cfg", "m"), from_key("/a", false)]);
    assert_eq!(asked(&task, &agent), ["m with its contents"]);
}

#[test]
fn kt_31_the_tasks_directory_takes_the_place_of_the_agents() {
    let resolved = resolve(
        &[directory("/cfg", "agents"), directory("/docs", "docs")],
        &[directory("/cfg/", "tasks")],
        &config_maps("{tasks: {}, docs: {}}"),
    );
    let from: Vec<_> = resolved.directories.iter().map(|d| d.config_map.as_str()).collect();
    assert_eq!(from, ["tasks", "docs"]);
}

#[test]
fn kt_31_two_directories_at_one_path_are_a_conflict() {
    for other in ["/cfg", "cfg", "//cfg/", "/x/../cfg/."] {
        let unresolved = refuse(&[], &[directory("/cfg", "a"), directory(other, "b")], &none());
        assert_eq!(unresolved, Unresolved::Invalid("mount path conflict: /cfg".to_owned()));
    }
}

#[test]
fn kt_31_a_directory_and_a_file_at_one_path_are_a_conflict() {
    let (task, agent) = pair(&[directory("/a", "m")], &[inline("a", "x")]);
    let expected = "Failed; Ready=False/ContextError: mount path conflict: /a";
    assert_eq!(summary(&refusal(&task, Some(&agent), &config_maps("{m: {}}"))), expected);
}

#[test]
fn kt_32_with_both_paths_and_a_config_map_the_directory_wins() {
    let both = "{type: File, file: {filePath: /f, dirPath: /d, source: {configMapRef: {name: m}}}}";
    let resolved = resolve(&[], &[both.to_owned()], &config_maps("{m: {}}"));
    assert_eq!(resolved.directories[0].path, "/d");
    assert!(resolved.files.is_empty());
}

#[test]
fn kt_33_with_both_paths_and_a_text_the_file_wins() {
    let both = "{type: File, file: {filePath: /f, dirPath: /d, source: {inline: x}}}";
    let resolved = resolve(&[], &[both.to_owned()], &none());
    assert_eq!(files(&resolved), [("/f", "f", "x")]);
    assert!(resolved.directories.is_empty());
}

#[test]
fn kt_34_what_means_nothing_is_ignored_and_named() {
    let (task, agent) = pair(
        &["{type: File}".to_owned()],
        &[
            "{type: File, file: {dirPath: /d, source: {inline: x}}}".to_owned(),
            "{type: File, file: {filePath: /f, source: {configMapRef: {name: m}}}}".to_owned(),
            "{type: File, file: {source: {inline: x}}}".to_owned(),
            inline("/e", "''"),
        ],
    );
    let launch = launch(&task, &agent, &none());
    insta::assert_snapshot!("kt_34_status", summary(&launch.status));
    assert_eq!(launch.files, None);
}

#[test]
fn kt_34_a_long_list_of_what_was_ignored_is_cut() {
    let (task, agent) = pair(&[], &vec!["{type: File}".to_owned(); 1000]);
    let text = summary(&launch(&task, &agent, &none()).status);
    assert!(text.ends_with("contexts[9]: it has no file; and 990 more"), "{text}");
}

#[test]
fn kt_35_of_two_sources_the_inline_one_wins() {
    let both = "{type: File, file: {filePath: /f, source: {inline: x, configMapKeyRef: {name: m, key: k}}}}";
    let (task, agent) = pair(&[], &[both.to_owned()]);
    assert_eq!(asked(&task, &agent), [""; 0]);
    assert_eq!(files(&resolve(&[], &[both.to_owned()], &none())), [("/f", "f", "x")]);
}
