//! Human in the loop: a container stays alive after its work, for a look inside.

use joch_crds::kubetask::AgentSpec;

/// For how many seconds the container stays alive; none if the Agent does not ask for it.
#[must_use]
pub fn keep_alive(agent: &AgentSpec) -> Option<i32> {
    let human = agent.human_in_the_loop.as_ref().filter(|human| human.enabled)?;
    Some(human.keep_alive_seconds.max(0))
}

/// Whether the Agent asks for it in vain: without a command, there is nothing to wrap.
#[must_use]
pub fn is_in_vain(agent: &AgentSpec) -> bool {
    keep_alive(agent).is_some() && agent.command.is_empty()
}

/// The command that runs the original, sleeps, and ends with the original's exit code.
///
/// # Guarantees
/// - The original ends nothing but itself: a script of `sh -c` runs in a subshell, anything else as a
///   process of its own, with its arguments as they were. `exit` and `exec` are harmless.
/// - The original is quoted in a comment, on one line and protected from the kubelet's expansion of
///   `$(NAME)`, so that no value of a variable can end the comment.
#[must_use]
pub fn wrap(command: &[String], seconds: i32) -> Vec<String> {
    let quoted = command.join(" ").replace(['\n', '\r'], " ").replace('$', "$$");
    let after = format!(
        "EXIT_CODE=$?; echo \"Human-in-the-loop: keeping container alive for {seconds} seconds. \
         Use 'kubectl exec' to access.\"; sleep {seconds}; exit $EXIT_CODE"
    );
    match command {
        [shell, flag, script] if shell == "sh" && flag == "-c" => {
            // On lines of its own: a script may end with a comment or a here-document.
            shell_command(format!("# {quoted}\n(\n{script}\n); {after}"))
        }
        _ => {
            let mut wrapped = shell_command(format!("# {quoted}\n\"$@\"; {after}"));
            wrapped.push("--".to_owned());
            wrapped.extend_from_slice(command);
            wrapped
        }
    }
}

fn shell_command(script: String) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), script]
}
