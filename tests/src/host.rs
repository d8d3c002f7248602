//! The real host, as a process that a test starts, kills, restarts and reads the log of.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};
use joch_core::name::Digest;

use crate::paths;
use crate::wait::{LONG, eventually};

mod admin;
mod log;

pub use admin::{ControllerView, FileView, Overview, Refusal};
pub use log::{Line, Log, Reconcile, Step};

/// How a host is run.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The folder of plugins.
    pub plugins: PathBuf,
    /// How the API server is reached.
    pub kubeconfig: PathBuf,
    /// The grants file's text.
    pub grants: String,
    /// The namespaces that it looks at; all if empty.
    pub namespaces: Vec<String>,
    /// Where its logs and its grants file go.
    pub folder: PathBuf,
    /// Whether it looks at Plugin objects. They belong to the whole cluster, so that only a test with a
    /// control plane of its own may say yes.
    pub plugin_objects: bool,
    /// What it logs.
    pub log_level: String,
    /// Further flags.
    pub flags: Vec<String>,
}

impl HostOptions {
    /// A host that grants every plugin what it asks for and looks at one namespace.
    #[must_use]
    pub fn new(plugins: &Path, kubeconfig: &Path, namespace: &str, folder: &Path) -> Self {
        Self {
            plugins: plugins.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            grants: "grants = 1\n[plugins.\"*\"]\nallow = \"requested\"\n".to_owned(),
            namespaces: vec![namespace.to_owned()],
            folder: folder.to_owned(),
            plugin_objects: false,
            log_level: "debug".to_owned(),
            flags: Vec::new(),
        }
    }
}

/// A running host; it is killed when this value is dropped.
#[derive(Debug)]
pub struct Host {
    options: HostOptions,
    child: Child,
    admin: String,
    /// One log per start, in their order.
    logs: Vec<PathBuf>,
}

impl Host {
    /// Starts a host and waits until it is ready.
    ///
    /// # Errors
    /// If it is not built, ends, or does not get ready; with the end of its log.
    pub async fn start(options: HostOptions) -> Result<Self> {
        let mut host = Self::spawn(options)?;
        host.ready().await?;
        Ok(host)
    }

    /// Starts a host without waiting for anything.
    ///
    /// # Errors
    /// If it is not built.
    pub fn spawn(options: HostOptions) -> Result<Self> {
        let admin = format!("127.0.0.1:{}", free_port()?);
        let log = options.folder.join("host-1.log");
        let child = launch(&options, &admin, &log)?;
        Ok(Self { options, child, admin, logs: vec![log] })
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// If the process ends or time is over; with the end of its log.
    pub async fn ready(&mut self) -> Result<()> {
        let Self { admin, child, .. } = self;
        let ready = eventually("the host is ready", LONG, async || {
            if let Some(status) = child.try_wait()? {
                return Ok(Err(anyhow!("the host ended with {status}")));
            }
            let (code, body) = admin::get(admin, "/readyz").await?;
            ensure!(code == 200, "/readyz answers {code}: {body}");
            Ok(Ok(()))
        });
        ready.await.flatten().with_context(|| self.last_words())
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended by itself before.
    pub fn kill(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the host ended by itself, {ended:?}; {}", self.last_words());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has, which it has to do well.
    ///
    /// # Errors
    /// If it does not end, or not with success.
    pub async fn terminate(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "no such process");
        let ended = eventually("the host has drained and ended", LONG, async || {
            self.child.try_wait()?.context("it still runs")
        });
        let status = ended.await?;
        ensure!(status.success(), "the host ended with {status}; {}", self.last_words());
        Ok(())
    }

    /// Starts it again after it was killed or terminated, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.respawn()?;
        self.ready().await
    }

    /// Starts it again after it was killed or terminated, without waiting for anything.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn respawn(&mut self) -> Result<()> {
        self.admin = format!("127.0.0.1:{}", free_port()?);
        let log = self.options.folder.join(format!("host-{}.log", self.logs.len() + 1));
        self.child = launch(&self.options, &self.admin, &log)?;
        self.logs.push(log);
        Ok(())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_alive(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What `/debug/plugins` tells.
    ///
    /// # Errors
    /// If it does not answer in the agreed form.
    pub async fn plugins(&self) -> Result<Overview> {
        admin::plugins(&self.admin).await
    }

    /// One page of the admin server: its code and its text.
    ///
    /// # Errors
    /// If nothing answers.
    pub async fn page(&self, path: &str) -> Result<(u16, String)> {
        admin::get(&self.admin, path).await
    }

    /// The greatest number that a metric has, whatever its labels; none if it is not shown.
    ///
    /// # Errors
    /// If nothing answers.
    pub async fn most(&self, metric: &str) -> Result<Option<f64>> {
        let (_, text) = self.page("/metrics").await?;
        Ok(admin::most(&text, metric))
    }

    /// Waits until `/debug/plugins` tells what is wanted.
    ///
    /// # Errors
    /// If time is over; with what it told last.
    pub async fn shows(&self, what: &str, wanted: impl Fn(&Overview) -> bool) -> Result<Overview> {
        let probe = async || {
            let overview = self.plugins().await?;
            ensure!(wanted(&overview), "/debug/plugins: {overview:?}");
            Ok(overview)
        };
        eventually(what, LONG, probe).await.with_context(|| self.last_words())
    }

    /// Waits until the version of `plugin` with these bytes is the one that runs.
    ///
    /// # Errors
    /// If time is over; with what `/debug/plugins` told last.
    pub async fn runs(&self, plugin: &str, bytes: &[u8]) -> Result<()> {
        let digest = Digest::of(bytes);
        let what = format!("{plugin} runs as {}", digest.short());
        self.shows(&what, |overview| overview.runs(plugin, &digest)).await.map(drop)
    }

    /// The process, of its last start.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in kilobytes: now, and at its highest.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        field("VmRSS:").zip(field("VmHWM:")).context("no VmRSS in /proc")
    }

    /// The logs of all its starts so far.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn log(&self) -> Result<Log> {
        Log::read(&self.logs)
    }

    /// The end of the newest log, for a failure's text.
    #[must_use]
    pub fn last_words(&self) -> String {
        let Some(path) = self.logs.last() else { return String::new() };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let end = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
        format!("the host's log {path:?} ends:\n{}", end.join("\n"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The host's program.
///
/// # Errors
/// If it is not built.
pub fn program() -> Result<PathBuf> {
    let name = "joch-controller-manager";
    let built = format!("target/release/{name}");
    let hint = format!("run `cargo build --release -p {name}`");
    paths::find(&[name, &format!("bin/{name}")], &built, &hint)
}

fn launch(options: &HostOptions, admin: &str, log: &Path) -> Result<Child> {
    let HostOptions {
        plugins,
        kubeconfig,
        grants,
        namespaces,
        folder,
        plugin_objects,
        log_level,
        flags,
    } = options;
    let program = program()?;
    let grants_file = folder.join("grants.toml");
    std::fs::File::create(&grants_file)?.write_all(grants.as_bytes())?;
    let output = std::fs::File::create(log)?;
    let mut command = Command::new(&program);
    command
        .arg("--plugins")
        .arg(plugins)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg("--grants")
        .arg(&grants_file)
        .arg("--cache-dir")
        .arg(folder.join("cache"))
        .args(["--admin", admin, "--log-format", "json", "--log-level", log_level])
        .args(["--plugin-objects", &plugin_objects.to_string()])
        .args(namespaces.iter().flat_map(|namespace| ["--namespace", namespace]))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    command.spawn().with_context(|| format!("cannot run {program:?}"))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
