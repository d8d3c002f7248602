//! What most tests of the control-plane suite begin with: a namespace, a proxy, a plugin folder, a host.

use std::path::PathBuf;

use anyhow::Result;
use kube::Client;
use kube::api::{Api, DynamicObject};

use crate::cluster::Cluster;
use crate::guests::{self, PluginFolder};
use crate::host::{Host, HostOptions};
use crate::objects;
use crate::paths;
use crate::proxy::{Action, ApiRequest, Proxy};

/// The surroundings of a host: everything that outlives it.
pub struct Stage {
    /// A client that talks to the API server itself, not through the proxy.
    pub client: Client,
    /// The test's own namespace.
    pub namespace: String,
    /// What stands between host and API server.
    pub proxy: Proxy,
    /// The plugin folder.
    pub plugins: PluginFolder,
    /// How a host is started here; may be changed before.
    pub options: HostOptions,
    /// Where the test's files are.
    pub folder: PathBuf,
}

impl Stage {
    /// Sets up the surroundings; `plugins` are put into the folder.
    ///
    /// # Errors
    /// If a part is not built or does not start.
    pub async fn new(cluster: &Cluster, test: &str, plugins: &[&str]) -> Result<Self> {
        Self::with_faults(cluster, test, plugins, |_| Action::Pass).await
    }

    /// As [`Self::new`], with faults at the proxy.
    ///
    /// # Errors
    /// If a part is not built or does not start.
    pub async fn with_faults(
        cluster: &Cluster,
        test: &str,
        plugins: &[&str],
        inject: impl Fn(&ApiRequest) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let folder = paths::logs(test)?;
        let prefix = test.split("::").next().unwrap_or(test).replace('_', "-");
        let namespace = cluster.namespace(&prefix).await?;
        let proxy = Proxy::start(cluster.access()?, inject).await?;
        let kubeconfig = folder.join("kubeconfig");
        proxy.write_kubeconfig(&kubeconfig)?;
        let place = PluginFolder::new(&folder)?;
        for plugin in plugins {
            place.install(&format!("{plugin}.wasm"), &guests::component(plugin)?)?;
        }
        let options = HostOptions::new(place.path(), &kubeconfig, &namespace, &folder);
        Ok(Self { client: cluster.client()?, namespace, proxy, plugins: place, options, folder })
    }

    /// Starts a host and waits until it is ready.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn host(&self) -> Result<Host> {
        Host::start(self.options.clone()).await
    }

    /// Access to a kind of `kubetask.io` in the test's namespace.
    #[must_use]
    pub fn kubetask(&self, kind: &str) -> Api<DynamicObject> {
        objects::kubetask(self.client.clone(), kind, &self.namespace)
    }
}
