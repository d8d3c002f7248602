//! Who is measured, as a process: the host with a plugin, or a native controller.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::paths;

use crate::process::{self, Usage};

/// A process that reconciles; it ends with this value.
pub(crate) enum Running {
    Host(Box<Host>),
    Native(Child),
}

impl Running {
    /// Starts a controller of kube-rs: this program itself, with other arguments.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn kube_rs(
        which: &str,
        namespace: &str,
        kubeconfig: &Path,
        concurrency: u16,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["native", which]);
        Self::native(command, namespace, kubeconfig, concurrency)
    }

    /// Starts the example in Go.
    ///
    /// # Errors
    /// If it is not built.
    pub(crate) fn go(namespace: &str, kubeconfig: &Path, concurrency: u16) -> Result<Self> {
        let built = "tests/bench/go/native-go";
        let program = paths::find(&["bench/native-go"], built, "run `make bench`")?;
        Self::native(Command::new(program), namespace, kubeconfig, concurrency)
    }

    fn native(
        mut command: Command,
        namespace: &str,
        kubeconfig: &Path,
        concurrency: u16,
    ) -> Result<Self> {
        command
            .args(["--namespace", namespace, "--concurrency", &concurrency.to_string()])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self::Native(child))
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn usage(&mut self) -> Result<Usage> {
        match self {
            Self::Host(host) => process::usage(host.pid()),
            Self::Native(child) => {
                let ended = child.try_wait()?;
                ensure!(ended.is_none(), "the native controller ended by itself: {ended:?}");
                process::usage(child.id())
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Native(child) = self {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
