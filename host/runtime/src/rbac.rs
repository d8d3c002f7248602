//! `joch-controller-manager rbac`: the least roles that the host needs, for itself and for given plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use joch_artifact::Package;
use joch_core::authority::Authority;
use joch_core::grants_file::GrantsFile;
use joch_core::manifest::{Manifest, PluginKind};
use joch_core::needs::{self, Need};
use joch_core::object::Gvk;

use crate::args::RbacArgs;

mod roles;
mod yaml;

use roles::Roles;
use yaml::Document;

/// What is needed by whom: by need the plugin, or the host, and what for.
type Wanted = BTreeMap<Need, BTreeMap<String, BTreeSet<&'static str>>>;

/// How the host names itself among those who need something.
const HOST: &str = "the host";

/// Prints the roles on stdout.
///
/// # Errors
/// A plugin or the grants file cannot be read, a plugin lacks a required grant, or the cluster cannot be
/// asked; named with the way out.
pub(crate) async fn print(args: &RbacArgs) -> Result<()> {
    let account = NamespacedName::parse("service-account", &args.service_account)?;
    let sources: Vec<NamespacedName> = args
        .config_maps
        .iter()
        .map(|text| NamespacedName::parse("config-map", text))
        .collect::<Result<_>>()?;
    let grants = match &args.grants {
        Some(path) => {
            let named = || format!("grants file {path:?}");
            let text = std::fs::read_to_string(path).with_context(named)?;
            GrantsFile::parse(&text).map_err(anyhow::Error::msg).with_context(named)?
        }
        None => GrantsFile::default(),
    };
    let plugins = plugins(&args.plugins, &grants)?;
    let leases = args.lease_namespace.as_ref().unwrap_or(&account.namespace);
    let leases = args.leases.then_some(leases.as_str());
    let client = match &args.kubeconfig {
        Some(path) => Some(joch_controller::connect(Some(path)).await?),
        None => None,
    };
    let resources = joch_controller::resources(client.as_ref(), &kinds(&plugins, &sources, leases))
        .await
        .context("the cluster of --kubeconfig cannot be asked for its resources")?;
    let namespaced = |kind: &Gvk| resources.get(kind).and_then(|resource| resource.namespaced);
    let wanted = wanted(&plugins, &sources, leases, namespaced);
    let roles = Roles::of(&wanted, &resources, &args.namespaces);
    let document =
        Document { name: &args.name, plugins: &plugins, account: &account, resources: &resources };
    std::io::stdout().write_all(document.render(&roles).as_bytes()).context("stdout")
}

/// A plugin with what it may do.
struct Granted {
    manifest: Manifest,
    authority: Authority,
}

/// An object in a namespace, as a flag names it.
struct NamespacedName {
    namespace: String,
    name: String,
}

impl NamespacedName {
    fn parse(flag: &str, text: &str) -> Result<Self> {
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
            }
            _ => anyhow::bail!(
                "--{flag} {text:?} is not valid: write its namespace and name, as \
                 joch-system/joch-controller-manager"
            ),
        }
    }
}

/// The plugins of these files and folders, in the order of their names. Adapters are left out: the host
/// does not run them.
fn plugins(paths: &[PathBuf], grants: &GrantsFile) -> Result<Vec<Granted>> {
    let mut plugins: Vec<Granted> = Vec::new();
    for path in files(paths)? {
        let named = || format!("plugin {}", path.display());
        let bytes = std::fs::read(&path).with_context(named)?;
        let manifest = Package::read(bytes).with_context(named)?.manifest;
        if manifest.plugin.kind == PluginKind::Adapter {
            continue;
        }
        let name = &manifest.plugin.name;
        anyhow::ensure!(
            plugins.iter().all(|plugin| plugin.manifest.plugin.name != *name),
            "two files hold a plugin named {:?}; the second is {}",
            name.as_str(),
            path.display()
        );
        let authority = grants.authority(&manifest).with_context(named)?;
        plugins.push(Granted { manifest, authority });
    }
    plugins.sort_by(|a, b| a.manifest.plugin.name.cmp(&b.manifest.plugin.name));
    Ok(plugins)
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let named = || format!("folder {}", path.display());
        for entry in std::fs::read_dir(path).with_context(named)? {
            let file = entry.with_context(named)?.path();
            if file.extension().is_some_and(|end| end == "wasm") && Path::is_file(&file) {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Every kind that host or plugins are concerned with.
fn kinds(plugins: &[Granted], sources: &[NamespacedName], leases: Option<&str>) -> BTreeSet<Gvk> {
    wanted(plugins, sources, leases, |_| None).into_keys().map(|need| need.kind).collect()
}

fn wanted(
    plugins: &[Granted],
    sources: &[NamespacedName],
    leases: Option<&str>,
    namespaced: impl Fn(&Gvk) -> Option<bool>,
) -> Wanted {
    let mut wanted = Wanted::new();
    let mut add = |who: &str, needs: needs::Needs| {
        for (need, why) in needs {
            wanted.entry(need).or_default().entry(who.to_owned()).or_default().extend(why);
        }
    };
    add(HOST, needs::of_host());
    if let Some(namespace) = leases {
        add(HOST, needs::of_leases(namespace));
    }
    for NamespacedName { namespace, name } in sources {
        add(HOST, needs::of_source(namespace, name));
    }
    for Granted { manifest, authority } in plugins {
        let needs = needs::of_plugin(manifest, authority, &namespaced);
        add(manifest.plugin.name.as_str(), needs);
    }
    wanted
}

#[cfg(test)]
mod tests;
