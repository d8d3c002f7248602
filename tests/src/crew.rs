//! Several replicas of one manager, each with a proxy of its own, so that one of them can be cut off.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::host::{Host, HostOptions};
use crate::proxy::{Action, ApiRequest, Entry, Proxy};
use crate::stage::Stage;
use crate::wait::{LONG, eventually};

/// Within what time a replica that died is replaced here.
pub const DURATION: Duration = Duration::from_secs(12);
/// The flags that say so.
pub const FLAGS: [&str; 8] = [
    "--leases",
    "true",
    "--lease-duration",
    "12s",
    "--lease-renew-deadline",
    "8s",
    "--lease-retry-period",
    "2s",
];

/// One replica.
pub struct Replica {
    /// Its process.
    pub host: Host,
    /// What stands between it and the API server.
    pub proxy: Proxy,
    cut: Arc<AtomicBool>,
}

impl Replica {
    /// Cuts it off from the API server, or joins it again.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// Stops its process where it is, or lets it go on.
    ///
    /// # Errors
    /// If it is gone.
    pub fn pause(&self, paused: bool) -> Result<()> {
        let signal = if paused { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &self.host.pid().to_string()]).status()?;
        ensure!(sent.success(), "no such process");
        Ok(())
    }

    /// What it says of a plugin, if it knows of it.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn view(&self, plugin: &str) -> Result<Value> {
        let (_, page) = self.host.page("/debug/plugins").await?;
        let page: Value = serde_json::from_str(&page)?;
        Ok(page.pointer(&format!("/plugins/{plugin}")).cloned().unwrap_or_default())
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// If it does not answer, or has no such metric.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let (_, page) = self.host.page("/metrics").await?;
        let found = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(found.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// What it wrote for plugins, after a mark of its proxy.
    #[must_use]
    pub fn writes(&self, mark: usize) -> Vec<Entry> {
        let own = ["leases", "events", "selfsubjectaccessreviews"];
        self.proxy.record().since(mark, |entry| {
            entry.request.is_write() && !own.contains(&entry.request.resource.as_str())
        })
    }
}

/// The replicas.
pub struct Crew {
    /// What they share: a namespace, a plugin folder.
    pub stage: Stage,
    /// The replicas, in the order of their first start.
    pub replicas: Vec<Replica>,
}

impl Crew {
    /// Nobody yet; `plugins` are in the folder.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub async fn new(cluster: &Cluster, test: &str, plugins: &[&str]) -> Result<Self> {
        Ok(Self { stage: Stage::new(cluster, test, plugins).await?, replicas: Vec::new() })
    }

    /// One replica more, with these flags besides; `inject` is asked about its requests. It is waited for
    /// until it is ready.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn join(
        &mut self,
        cluster: &Cluster,
        flags: &[&str],
        inject: impl Fn(&ApiRequest) -> Action + Send + Sync + 'static,
    ) -> Result<()> {
        let cut = Arc::new(AtomicBool::new(false));
        let is_cut = cut.clone();
        let act = move |request: &ApiRequest| {
            if is_cut.load(Ordering::SeqCst) { Action::Cut } else { inject(request) }
        };
        let proxy = Proxy::start(cluster.access()?, act).await?;
        let folder = self.stage.folder.join(format!("replica-{}", self.replicas.len()));
        std::fs::create_dir_all(&folder)?;
        let options = self.options(&folder, &proxy, flags)?;
        let host = Host::start(options).await?;
        self.replicas.push(Replica { host, proxy, cut });
        Ok(())
    }

    fn options(&self, folder: &Path, proxy: &Proxy, flags: &[&str]) -> Result<HostOptions> {
        let kubeconfig = folder.join("kubeconfig");
        proxy.write_kubeconfig(&kubeconfig)?;
        let Stage { plugins, namespace, .. } = &self.stage;
        let mut options = HostOptions::new(plugins.path(), &kubeconfig, namespace, folder);
        let place = ["--lease-namespace", namespace.as_str()];
        let flags = FLAGS.iter().chain(&place).chain(flags);
        options.flags = flags.map(|&flag| flag.to_owned()).collect();
        Ok(options)
    }

    /// Waits until exactly one of these replicas runs a plugin; which one.
    ///
    /// # Errors
    /// If time is over.
    pub async fn holder(&self, plugin: &str, among: &[usize]) -> Result<usize> {
        let what = format!("one of the replicas {among:?} runs {plugin}");
        eventually(&what, LONG, async || {
            let mut holders = Vec::new();
            for &index in among {
                let replica = self.replicas.get(index).context("no such replica")?;
                let overview = replica.host.plugins().await?;
                let runs = |view: &crate::host::ControllerView| {
                    view.plugin == plugin && view.state == "Running"
                };
                holders.extend(overview.controllers.iter().any(runs).then_some(index));
            }
            ensure!(holders.len() == 1, "{holders:?} run it");
            holders.first().copied().context("nobody")
        })
        .await
    }

    /// Who wrote for plugins, one after the other: twice only if somebody else did between.
    #[must_use]
    pub fn writers(&self) -> Vec<usize> {
        let mut writes: Vec<(SystemTime, usize)> = Vec::new();
        for (index, replica) in self.replicas.iter().enumerate() {
            writes.extend(replica.writes(0).iter().map(|entry| (entry.at, index)));
        }
        writes.sort_unstable();
        let mut writers: Vec<usize> = writes.into_iter().map(|(_, index)| index).collect();
        writers.dedup();
        writers
    }

    /// How many Jobs were asked to be made, by anybody.
    #[must_use]
    pub fn job_posts(&self) -> usize {
        let posts = |it: &Replica| it.proxy.record().posts("jobs", &self.stage.namespace);
        self.replicas.iter().map(posts).sum()
    }

    /// When a replica took a plugin's Lease, after a mark of its proxy.
    ///
    /// # Errors
    /// If it has not.
    pub fn taken(&self, replica: usize, plugin: &str, mark: usize) -> Result<SystemTime> {
        let name = format!("joch-plugin-{plugin}");
        let replica = self.replicas.get(replica).context("no such replica")?;
        let took = replica.proxy.record().since(mark, |entry| {
            let named = entry.request.name.as_deref() == Some(&name)
                || entry.body.pointer("/metadata/name").and_then(Value::as_str) == Some(&name);
            let takes = ["create", "patch"].contains(&entry.request.verb.as_str());
            named && takes && entry.request.resource == "leases" && entry.succeeded()
        });
        Ok(took.first().with_context(|| format!("{name} was not taken"))?.at)
    }
}
