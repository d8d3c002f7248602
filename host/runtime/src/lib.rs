//! The composition root of the controller host: the only crate that sees all the others.
//!
//! It wires and reports; decisions are in `joch-core`, Kubernetes in `joch-controller`, guests in
//! `joch-engine`, files in `joch-artifact`.

mod admin;
mod args;
mod aside;
mod board;
mod fleet;
mod folder;
mod keeper;
mod load;
mod progress;
mod publish;
mod rbac;
mod record;
mod run;
mod selection;
mod sources;
mod telemetry;
mod wanted;

use std::process::ExitCode;

/// Runs the host with the process's flags and environment until it is told to stop.
///
/// Errors are one line on stderr that names the thing and the way out; the exit code is then 1.
#[must_use]
pub fn main() -> ExitCode {
    let invocation = args::Invocation::parse();
    if let args::Invocation::Run(args) = &invocation
        && let Err(error) = telemetry::start(&args.log)
    {
        return fail(&error);
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail(&anyhow::anyhow!("a second TLS provider was installed"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!("the async runtime cannot start: {error}")),
    };
    let ended = runtime.block_on(async {
        match invocation {
            args::Invocation::Run(args) => run::run(*args).await,
            args::Invocation::Rbac(args) => rbac::print(&args).await,
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the one place where a person is told why the host ends")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("joch-controller-manager: {error:#}");
    ExitCode::FAILURE
}
