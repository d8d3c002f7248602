//! Human in the loop: KT-50 to KT-55. The wrapped commands are run for real, with a keep-alive of a second
//! or none.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use joch_crds::kubetask::HumanInTheLoop;
use kubetask::human;
use serde_json::{Value, json};

use crate::fixture::{agent, launch, none, simple_task, summary, yaml};

/// The container for an Agent with this spec.
fn container(spec: &str) -> Value {
    let launch = launch(&simple_task(), &agent(spec), &none());
    launch.job["spec"]["template"]["spec"]["containers"][0].clone()
}

fn enabled(command: &str, seconds: u32) -> String {
    format!("command: {command}, humanInTheLoop: {{enabled: true, keepAliveSeconds: {seconds}}}")
}

/// Runs the wrapped command, which is kept alive for so many seconds.
fn run(command: &[&str], seconds: i32) -> Output {
    let command: Vec<String> = command.iter().map(|&part| part.to_owned()).collect();
    // The kubelet turns a doubled dollar sign into one.
    let wrapped: Vec<_> =
        human::wrap(&command, seconds).iter().map(|part| part.replace("$$", "$")).collect();
    Command::new(&wrapped[0]).args(&wrapped[1..]).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const NOTE: &str =
    "Human-in-the-loop: keeping container alive for 0 seconds. Use 'kubectl exec' to access.\n";

#[test]
fn kt_50_a_script_of_sh_stays_one_command_of_three_elements() {
    let container = container(&enabled("[sh, -c, echo hello]", 7));
    assert_eq!(
        container["command"],
        json!([
            "sh",
            "-c",
            "# sh -c echo hello\n(\necho hello\n); EXIT_CODE=$?; echo \"Human-in-the-loop: keeping \
             container alive for 7 seconds. Use 'kubectl exec' to access.\"; sleep 7; exit $EXIT_CODE"
        ])
    );
    assert_eq!(container.get("args"), None);
}

#[test]
fn kt_50_any_other_command_keeps_its_arguments_as_they_are() {
    let container = container(&enabled("[agent, --prompt, 'a \"b\" $(TASK_NAME)']", 7));
    let command = container["command"].as_array().unwrap();
    assert_eq!(command.len(), 3 + 1 + 3);
    assert_eq!(command[..2], [json!("sh"), json!("-c")]);
    assert!(command[2].as_str().unwrap().contains("\n\"$@\"; EXIT_CODE=$?; echo \"Human"));
    assert_eq!(
        command[3..],
        [json!("--"), json!("agent"), json!("--prompt"), json!("a \"b\" $(TASK_NAME)")]
    );
}

#[test]
fn kt_51_the_script_contains_the_command_the_sleep_and_the_note() {
    let command = container(&enabled("[sh, -c, echo hello]", 1800))["command"].take();
    let script = command[2].as_str().unwrap();
    for part in ["sh -c echo hello", "sleep 1800", "Human-in-the-loop"] {
        assert!(script.contains(part), "{part}: {script}");
    }
}

#[test]
fn kt_51_the_command_in_the_comment_is_harmless() {
    let multi = "touch it\n#) no\necho ok # fine";
    let wrapped = human::wrap(&["sh".to_owned(), "-c".to_owned(), multi.to_owned()], 0);
    assert!(wrapped[2].starts_with("# sh -c touch it #) no echo ok # fine\n(\n"), "{wrapped:?}");
    // A variable's value may have lines: the kubelet must not expand it inside the comment.
    let wrapped = human::wrap(&["agent".to_owned(), "$(KEY)".to_owned()], 0);
    assert!(wrapped[2].starts_with("# agent $$(KEY)\n"), "{wrapped:?}");
    assert_eq!(wrapped[5], "$(KEY)");
}

#[test]
fn kt_52_53_the_keep_alive_is_an_hour_by_default_and_in_the_environment() {
    let container = container("command: [sh, -c, x], humanInTheLoop: {enabled: true}");
    assert!(container["command"][2].as_str().unwrap().contains("; sleep 3600; "));
    let variable = json!({"name": "KUBETASK_KEEP_ALIVE_SECONDS", "value": "3600"});
    assert_eq!(container["env"][2], variable);
}

#[test]
fn kt_07_53_the_keep_alive_stands_before_the_credentials() {
    let env = container(
        "humanInTheLoop: {enabled: true, keepAliveSeconds: 5}, command: [x], \
         credentials: [{name: a, secretRef: {name: s, key: k}, env: A}]",
    )["env"]
        .take();
    let names: Vec<_> =
        env.as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["TASK_NAME", "TASK_NAMESPACE", "KUBETASK_KEEP_ALIVE_SECONDS", "A"]);
    assert_eq!(env[2]["value"], "5");
}

#[test]
fn kt_54_without_a_command_nothing_is_wrapped_and_the_status_says_so() {
    let agent = agent("humanInTheLoop: {enabled: true}");
    let launch = launch(&simple_task(), &agent, &none());
    let container = &launch.job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container.get("command"), None);
    assert_eq!(container["env"][2]["name"], "KUBETASK_KEEP_ALIVE_SECONDS");
    assert_eq!(
        summary(&launch.status),
        "Running; Ready=True/JobStarted: Job t-job is started; HumanInTheLoopIgnored=True/NoCommand: \
         Agent \"default\" enables humanInTheLoop without a command: the container ends with its work"
    );
}

#[test]
fn kt_55_disabled_is_as_absent() {
    let off = "command: [sh, -c, x], humanInTheLoop: {enabled: false, keepAliveSeconds: 5}";
    assert_eq!(container(off), container("command: [sh, -c, x]"));
    let off = agent("humanInTheLoop: {enabled: false}");
    assert_eq!(launch(&simple_task(), &off, &none()).status.conditions.len(), 1);
}

#[test]
fn exit_codes_survive_exit_and_exec_and_every_kind_of_script() {
    for (script, code, output) in [
        ("echo hi; exit 3", 3, "hi\n"),
        ("exec sh -c 'echo hi; exit 4'", 4, "hi\n"),
        ("echo hi", 0, "hi\n"),
        ("set -e; false; echo never", 1, ""),
        ("echo hi # and a comment", 0, "hi\n"),
        ("cat <<EOF\nhi\nEOF", 0, "hi\n"),
        ("echo 'it''s' \"$0\"", 0, "its sh\n"),
        ("case x in x) echo hi;; esac", 0, "hi\n"),
        ("trap 'echo bye' EXIT; exit 5", 5, "bye\n"),
        ("echo hi \\", 0, "hi\n"),
        ("not-a-command-of-this-world 2>/dev/null", 127, ""),
    ] {
        let expected = (Some(code), format!("{output}{NOTE}"));
        assert_eq!(said(&run(&["sh", "-c", script], 0)), expected, "{script}");
    }
}

#[test]
fn other_commands_are_run_as_they_are() {
    for (command, code, output) in [
        (&["echo", "a  b", "$HOME", "'\"", ";", "exit 9"][..], 0, "a  b $HOME '\" ; exit 9\n"),
        (&["sh", "-ec", "echo hi; exit 3"], 3, "hi\n"),
        (&["sh", "-c", "echo $0 $1", "zero", "one"], 0, "zero one\n"),
        (&["printf", "%s|", "two\nlines", ""], 0, "two\nlines||"),
        (&["false"], 1, ""),
    ] {
        let expected = (Some(code), format!("{output}{NOTE}"));
        assert_eq!(said(&run(command, 0)), expected, "{command:?}");
    }
}

#[test]
fn the_container_sleeps_after_the_work_also_after_a_failure() {
    for command in [&["sh", "-c", "exit 3"][..], &["sh", "-ec", "exit 3"]] {
        let began = Instant::now();
        let (code, output) = said(&run(command, 1));
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(code, Some(3));
        assert!(output.contains("alive for 1 seconds"), "{output}");
    }
}

#[test]
fn a_negative_keep_alive_is_none() {
    let mut agent = agent("command: [x]");
    let human: HumanInTheLoop = yaml("{enabled: true, keepAliveSeconds: -5}");
    agent.spec.human_in_the_loop = Some(human);
    assert_eq!(human::keep_alive(&agent.spec), Some(0));
}
