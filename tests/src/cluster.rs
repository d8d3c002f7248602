//! A real cluster for tests: etcd, API server and controllers, with a node where pods have to run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::paths;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A control plane. It ends when this value is dropped, and at the latest with this process, which
/// devcluster's reaper watches (a `static` is never dropped).
pub struct Cluster {
    program: PathBuf,
    folder: PathBuf,
    client: Option<Client>,
    namespaces: AtomicU32,
}

impl Cluster {
    /// Starts a control plane in a folder of its own; about three seconds.
    ///
    /// # Errors
    /// If devcluster is not built or does not come up; with what it wrote.
    pub async fn start() -> Result<Self> {
        Self::up(&[]).await
    }

    /// Starts a control plane and the machine's one node; about six seconds, as root.
    ///
    /// # Errors
    /// If devcluster or the node's programs are not built, or do not come up; with what it wrote.
    pub async fn start_with_node() -> Result<Self> {
        Self::up(&["--node"]).await
    }

    async fn up(flags: &[&str]) -> Result<Self> {
        let hint = "run `make -C devcluster`";
        let program = paths::find(&["bin/devcluster", "devcluster"], "dist/bin/devcluster", hint)?;
        // Made by devcluster, which then also removes it, whoever asks it to.
        let parent = std::process::id().to_string();
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = paths::scratch()?.join(format!("cluster-{parent}-{number}"));
        let mut this = Self { program, folder, client: None, namespaces: AtomicU32::new(0) };
        let output = tokio::process::Command::new(&this.program)
            .args(["up", "--parent", &parent, "--dir"])
            .arg(&this.folder)
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("cannot run {:?}", this.program))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "devcluster up failed: {said}");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(this.access()?, &options).await?;
        this.client = Some(Client::try_from(config)?);
        Ok(this)
    }

    /// A client with all rights, which talks to the API server itself.
    ///
    /// # Errors
    /// Never after [`Self::start`].
    pub fn client(&self) -> Result<Client> {
        self.client.clone().context("the control plane has not started")
    }

    /// The kubeconfig's path.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The kubeconfig's content.
    ///
    /// # Errors
    /// If devcluster wrote none.
    pub fn access(&self) -> Result<Kubeconfig> {
        Ok(Kubeconfig::read_from(self.kubeconfig())?)
    }

    /// Makes a namespace that no other test uses.
    ///
    /// # Errors
    /// The API server's.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}");
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        Api::all(self.client()?).create(&PostParams::default(), &namespace).await?;
        Ok(name)
    }

    /// Runs `devcluster kubectl`.
    ///
    /// # Errors
    /// If it fails; with what it wrote.
    pub async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let output = tokio::process::Command::new(&self.program)
            .args(["kubectl", "--dir"])
            .arg(&self.folder)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {args:?} failed: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Applies a file or a folder and waits until its CRDs, if it holds any, are served.
    ///
    /// # Errors
    /// kubectl's.
    pub async fn apply(&self, path: &Path, namespace: Option<&str>) -> Result<String> {
        let path = path.to_str().context("the path is no text")?;
        let mut args = vec!["apply", "-f", path];
        args.extend(namespace.iter().flat_map(|namespace| ["-n", namespace]));
        let said = self.kubectl(&args).await?;
        let crds: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("customresourcedefinition"))
            .filter_map(|line| line.split(' ').next())
            .collect();
        if !crds.is_empty() {
            let mut args = vec!["wait", "--for=condition=Established", "--timeout=30s"];
            args.extend(crds);
            self.kubectl(&args).await?;
        }
        Ok(said)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        Command::new(&self.program)
            .args(["down", "--dir"])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}
