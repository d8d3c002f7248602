//! The controllers of kube-rs that are measured beside the host: the same decisions, the same writes, one
//! process each. They run until they are killed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

mod hello;
mod tasks;

/// Options of a controller.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which one
    which: Which,
    /// How it reaches the API server
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The namespace that it looks at
    #[arg(long)]
    namespace: String,
    /// How many objects it reconciles at once
    #[arg(long, default_value_t = 8)]
    concurrency: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// As `examples/hello-controller`
    Hello,
    /// As `plugins/kubetask`
    Tasks,
}

/// Runs until it is killed.
///
/// # Errors
/// If the API server cannot be reached.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let Args { which, kubeconfig, namespace, concurrency } = args;
    let client = client(kubeconfig).await?;
    match which {
        Which::Hello => hello::run(client, namespace, *concurrency).await,
        Which::Tasks => tasks::run(client, namespace, *concurrency).await,
    }
    Ok(())
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let access = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(access, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// What a turn fails with.
#[derive(Debug)]
struct Failed(anyhow::Error);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}
