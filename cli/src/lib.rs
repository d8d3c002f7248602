//! The command line `joch`: makes, builds, inspects, checks and tests plugins.
//!
//! Guarantees: what is asked for goes to stdout, everything else to stderr; the exit code is 0 if all is
//! well, 1 if something failed, 2 if the command was not understood; an error is one sentence that names
//! the thing and the way out. What the host does with a plugin is not done here a second time: checks and
//! calls are `joch-artifact`'s, `joch-core`'s and `joch-engine`'s.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

mod completion;
mod console;
mod plugin;

/// Work with Joch: AI agents on Kubernetes, run by sandboxed WebAssembly controllers
#[derive(Debug, Parser)]
#[command(name = "joch", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make, build, inspect, check and test plugins
    #[command(subcommand)]
    Plugin(plugin::PluginVerb),
    Completion(completion::Completion),
}

/// Whether what was looked at is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            error.print().ok();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut out = anstream::stdout();
    match run(cli, &args, &mut out).and_then(|verdict| Ok(out.flush().map(|()| verdict)?)) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let (style, end) = (console::BAD, console::END);
            writeln!(anstream::stderr(), "{style}error:{end} {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// The whole command line, as it is described to people who called it `program`.
#[must_use]
pub fn command(program: &str) -> clap::Command {
    let name = Path::new(program).file_stem().and_then(|name| name.to_str());
    // kubectl runs `kubectl-joch` for `kubectl joch`, and that is what its users write.
    let shown = if name == Some("kubectl-joch") { "kubectl joch" } else { "joch" };
    Cli::command().bin_name(shown)
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let program = args.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    Cli::from_arg_matches(&command(&program).try_get_matches_from(args)?)
}

fn run(cli: Cli, args: &[OsString], out: &mut dyn Write) -> anyhow::Result<Verdict> {
    match cli.verb {
        Verb::Plugin(verb) => plugin::run(verb, out),
        Verb::Completion(completion) => {
            let program = args.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            completion::run(&completion, &mut command(&program), out)
        }
    }
}

/// The reader of our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
