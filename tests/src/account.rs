//! A host that is nobody but the service account of the roles that `rbac` printed for it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use joch_artifact::Package;
use joch_controller::{Access, Accesses};
use joch_core::grants_file::GrantsFile;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::guests;
use crate::host;
use crate::proxy::Entry;
use crate::stage::Stage;

/// A host that is nobody but the service account of the roles that were printed for its plugins.
pub struct Account {
    /// Where the host runs as that account.
    pub stage: Stage,
    plugins: Vec<String>,
    /// The printed objects.
    printed: Vec<Value>,
    /// How the API server is reached as that account, through the proxy.
    kubeconfig: PathBuf,
}

impl Account {
    /// Makes the account, with the roles that are printed for these plugins; all of them are in the
    /// stage's folder.
    ///
    /// # Errors
    /// If the API server or `rbac` refuses.
    pub async fn new(cluster: &Cluster, mut stage: Stage, plugins: &[&str]) -> Result<Self> {
        let accounts: Api<ServiceAccount> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let mut account = ServiceAccount::default();
        account.metadata.name = Some("host".to_owned());
        accounts.create(&PostParams::default(), &account).await?;
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(3600), ..Default::default() },
            ..Default::default()
        };
        let request =
            accounts.create_token_request("host", &PostParams::default(), &request).await?;
        let token = request.status.context("no token")?.token;
        let mut access = serde_json::to_value(stage.proxy.access())?;
        for user in access.pointer_mut("/users").and_then(Value::as_array_mut).into_iter().flatten()
        {
            user["user"] = json!({"token": token});
        }
        let kubeconfig = stage.folder.join("account.kubeconfig");
        std::fs::write(&kubeconfig, access.to_string())?;
        stage.options.kubeconfig.clone_from(&kubeconfig);
        let plugins = plugins.iter().map(|&plugin| plugin.to_owned()).collect();
        let mut account = Self { stage, plugins, printed: Vec::new(), kubeconfig };
        account.print(cluster, &[]).await?;
        Ok(account)
    }

    /// Prints the roles anew, with these flags besides, and applies them.
    ///
    /// # Errors
    /// If the API server or `rbac` refuses.
    pub async fn print(&mut self, cluster: &Cluster, flags: &[&str]) -> Result<()> {
        let text = printed(cluster, &self.stage, flags)?;
        let file = self.stage.folder.join("roles.yaml");
        std::fs::write(&file, &text)?;
        cluster.apply(&file, None).await?;
        let objects = serde_norway::Deserializer::from_str(&text).map(Value::deserialize);
        self.printed = objects.collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    /// The printed roles: kind, namespace, rules.
    pub fn roles(&self) -> impl Iterator<Item = (&str, Option<&str>, &Vec<Value>)> {
        self.printed.iter().filter_map(|object| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            Some((text("/kind")?, text("/metadata/namespace"), object.get("rules")?.as_array()?))
        })
    }

    /// Gives a role other rules.
    ///
    /// # Errors
    /// The API server's.
    pub async fn set(&self, kind: &str, namespace: Option<&str>, rules: &[Value]) -> Result<()> {
        let gvk = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk(&gvk);
        let client = self.stage.client.clone();
        let roles: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch(&self.stage.namespace, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What the host may not do, by its own questions: for itself and for each plugin.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn missing(&self) -> Result<BTreeSet<String>> {
        let client = joch_controller::connect(Some(&self.kubeconfig)).await?;
        let accesses = Accesses::new(client, vec![self.stage.namespace.clone()]);
        let grants = GrantsFile::parse(&self.stage.options.grants).map_err(anyhow::Error::msg)?;
        let mut all = vec![accesses.check_host().await];
        for plugin in &self.plugins {
            let manifest = Package::read(guests::component(plugin)?)?.manifest;
            all.push(accesses.check(&manifest, &grants.authority(&manifest)?).await);
        }
        let unknown: Vec<&String> = all.iter().flat_map(|access| &access.unknown).collect();
        ensure!(unknown.is_empty(), "{unknown:?}");
        Ok(all.into_iter().flat_map(|Access { missing, .. }| missing).collect())
    }

    /// What the API server refused to the account.
    #[must_use]
    pub fn refused(&self) -> Vec<Entry> {
        self.stage.proxy.record().since(0, |entry| matches!(entry.code, Some(401 | 403)))
    }
}

/// What `rbac` prints for the host of this stage. Its name is the namespace: tests share the cluster.
fn printed(cluster: &Cluster, stage: &Stage, flags: &[&str]) -> Result<String> {
    let grants = stage.folder.join("grants-for-rbac.toml");
    std::fs::write(&grants, &stage.options.grants)?;
    let namespace = &stage.namespace;
    // Hosts of tests are alone, if nothing else is said.
    let alone = if flags.contains(&"--leases") { &[][..] } else { &["--leases", "false"] };
    let output = Command::new(host::program()?)
        .arg("rbac")
        .arg(&stage.options.plugins)
        .arg("--grants")
        .arg(&grants)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(["--namespace", namespace, "--name", namespace])
        .args(["--service-account", &format!("{namespace}/host")])
        .args(flags)
        .args(alone)
        // What the environment says to the host is nothing to the subcommand.
        .env("JOCH_PLUGIN_DIR", "/nowhere")
        .env("JOCH_DRAIN", "nonsense")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rbac failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
