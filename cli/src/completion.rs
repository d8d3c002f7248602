//! `joch completion`: what shells need to complete our commands.

use std::io::Write;

use clap_complete::Shell;

use crate::Verdict;

/// Print the completion script of a shell, to be sourced from its start-up file
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: source <(joch completion bash)")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(
    completion: &Completion,
    command: &mut clap::Command,
    out: &mut dyn Write,
) -> anyhow::Result<Verdict> {
    // Shells complete the program's file name, which has no space.
    let name = command.get_bin_name().unwrap_or("joch").replace(' ', "-");
    let mut script = Vec::new();
    clap_complete::generate(completion.shell, command, name, &mut script);
    out.write_all(&script)?;
    Ok(Verdict::Good)
}
