//! Benchmarks: what the host does, side by side with the same logic as a native controller, in one run on
//! the same kind of control plane. `make bench` runs them and prints tables; nothing here passes or fails.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod native;
mod process;
mod report;
mod tasks;

/// Measures; prints a table on stdout and writes the figures as JSON.
#[derive(Debug, Parser)]
#[command(name = "joch-bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many Tasks created at once: how fast they run, and what that costs
    Tasks(tasks::Args),
    /// The native controller that is measured beside the host
    #[command(hide = true)]
    Native {
        /// How it reaches the API server
        #[arg(long)]
        kubeconfig: PathBuf,
        /// The namespace that it looks at
        #[arg(long)]
        namespace: String,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Args::parse().what {
        What::Tasks(args) => tasks::run(&args).await,
        What::Native { kubeconfig, namespace } => native::run(&kubeconfig, &namespace).await,
    }
}
