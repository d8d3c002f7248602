//! `joch plugin check`: the way of a version up to going live, without a cluster.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use joch_artifact::{Package, PackageError};
use joch_core::grants_file::GrantsFile;
use joch_core::manifest::Manifest;
use joch_engine::{Component, Engine, EngineConfig, Plugin, PluginSpec, TRACKS};

use self::list::{Checks, Found};
use super::{read, requests};
use crate::Verdict;
use crate::console::{Output, Progress};

mod list;

/// Check what the host checks before a plugin goes live; the exit code is 1 if a check fails
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The plugin's file
    file: PathBuf,

    /// Also check that this grants file gives the plugin what it requires
    #[arg(long, value_name = "FILE", env = "JOCH_GRANTS", hide_env_values = true)]
    grants: Option<PathBuf>,

    #[command(flatten)]
    output: Output,
}

pub(super) fn run(check: &Check, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    let bytes = read(&check.file)?;
    let grants = check.grants.as_deref().map(grants_file).transpose()?;
    let mut checks = Checks::default();
    examine(bytes, grants.as_ref(), &mut checks)?;
    check.output.print(&checks, out, |out| checks.show(out))?;
    Ok(if checks.all_good() { Verdict::Good } else { Verdict::Bad })
}

/// Runs the checks in the host's order; one that needs what failed before it is skipped.
fn examine(bytes: Vec<u8>, grants: Option<&GrantsFile>, checks: &mut Checks) -> anyhow::Result<()> {
    let package = match Package::read(bytes) {
        Ok(package) => package,
        Err(error @ PackageError::Manifest(_)) => {
            checks.add("package", Found::Good("a component with a manifest".to_owned()));
            checks.add("manifest", Found::Bad(error.to_string()));
            return Ok(());
        }
        Err(error) => {
            checks.add("package", Found::Bad(error.to_string()));
            return Ok(());
        }
    };
    let Package { manifest, bytes, digest } = package;
    checks.add("package", Found::Good(format!("a component of {} bytes", bytes.len())));
    let identity = &manifest.plugin;
    checks.add("manifest", Found::Good(format!("{} {}", identity.name, identity.version)));
    checks.add("track", track(&manifest));
    checks.add("authority", authority(&manifest, grants));

    let engine = Engine::new(&EngineConfig { max_instances: 1 })?;
    let began = Instant::now();
    let compiled = {
        let _progress = Progress::of(format!("compiling {}", identity.name));
        engine.load(&bytes)
    };
    let component = match compiled {
        Ok(component) => component,
        Err(error) => {
            checks.add("compile", Found::Bad(error.to_string()));
            return Ok(());
        }
    };
    checks.add("compile", Found::Good(format!("in {} ms", began.elapsed().as_millis())));
    let spec = PluginSpec::of(&manifest, digest, "{}".to_owned());
    link_and_try(&engine, &component, spec, checks)
}

fn link_and_try(
    engine: &Engine,
    component: &Component,
    spec: PluginSpec,
    checks: &mut Checks,
) -> anyhow::Result<()> {
    let plugin = match Plugin::new(engine, component, spec) {
        Ok(plugin) => plugin,
        Err(error) => {
            checks.add("interfaces", Found::Bad(error.to_string()));
            return Ok(());
        }
    };
    checks.add("interfaces", Found::Good("this host has what it imports".to_owned()));
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    checks.add(
        "trial",
        match runtime.block_on(plugin.trial()) {
            Ok(()) => Found::Good(format!("instantiated in {} µs", began.elapsed().as_micros())),
            Err(error) => Found::Bad(error.to_string()),
        },
    );
    Ok(())
}

fn track(manifest: &Manifest) -> Found {
    match manifest.served_by(TRACKS) {
        Ok(()) => Found::Good(manifest.plugin.track.clone()),
        Err(error) => Found::Bad(error.to_string()),
    }
}

/// With a grants file: whether the host would take the plugin. Without: what to watch out for.
fn authority(manifest: &Manifest, grants: Option<&GrantsFile>) -> Found {
    let Some(grants) = grants else {
        return match requests::dangerous(manifest) {
            Ok(dangerous) if dangerous.is_empty() => Found::Good(
                "it asks for nothing dangerous; --grants checks what is granted".to_owned(),
            ),
            Ok(dangerous) => Found::Good(format!(
                "granted with `dangerous = true` only: {}",
                dangerous.join(", ")
            )),
            Err(error) => Found::Bad(error.to_string()),
        };
    };
    match grants.entry(manifest.plugin.name.as_str()).authority(manifest) {
        Ok(authority) if authority.missing_optional.is_empty() => {
            Found::Good("all that it asks for is granted".to_owned())
        }
        Ok(authority) => Found::Good(format!(
            "all that it requires is granted; optional and missing: {}",
            authority.missing_optional.join(", ")
        )),
        Err(error) => Found::Bad(error.to_string()),
    }
}

fn grants_file(path: &Path) -> anyhow::Result<GrantsFile> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| anyhow!("{} is not UTF-8 text", path.display()))?;
    GrantsFile::parse(&text)
        .map_err(|reason| anyhow!("it is no grants file: {reason}"))
        .with_context(|| path.display().to_string())
}
