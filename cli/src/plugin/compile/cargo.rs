//! Builds a crate for wasm32-wasip2 and finds the component that cargo made.

use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail, ensure};
use cargo_metadata::{CargoOpt, Message, Metadata, MetadataCommand, Package};

const TARGET: &str = "wasm32-wasip2";

/// What is built with, unless the project has a profile of that name: small before fast, one codegen
/// unit, no unwinding tables.
const PROFILE: &str = "guest";
const PROFILE_SETTINGS: [&str; 6] = [
    "inherits=\"release\"",
    "opt-level=\"s\"",
    "lto=true",
    "codegen-units=1",
    "panic=\"abort\"",
    "strip=\"symbols\"",
];

/// Builds the crate in `project`; the component's path.
pub(super) fn build(project: &Path) -> anyhow::Result<PathBuf> {
    ensure_target(project)?;
    let metadata = metadata(project)?;
    let package = package(project, &metadata)?;
    let mut command = Command::new("cargo");
    command
        .current_dir(project)
        .args(["build", "--target", TARGET, "--profile", PROFILE])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    if !has_profile(metadata.workspace_root.as_std_path())? {
        for setting in PROFILE_SETTINGS {
            command.arg("--config").arg(format!("profile.{PROFILE}.{setting}"));
        }
    }
    let mut child = command.spawn().map_err(cannot_run)?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    let mut component = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.package_id == package.id
        {
            let mut files = artifact.filenames.into_iter();
            component = files.find(|file| file.extension() == Some("wasm")).or(component);
        }
    }
    ensure!(child.wait()?.success(), "cargo could not build {}", project.display());
    let component = component.with_context(|| {
        format!(
            "{} is built, but makes no component: give it crate-type = [\"cdylib\", \"rlib\"] under \
             [lib] in its Cargo.toml",
            package.name
        )
    })?;
    Ok(component.into_std_path_buf())
}

fn metadata(project: &Path) -> anyhow::Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.cargo_path("cargo").current_dir(project).no_deps().features(CargoOpt::AllFeatures);
    command.exec().map_err(|error| match error {
        cargo_metadata::Error::Io(error) => cannot_run(error),
        cargo_metadata::Error::CargoMetadata { stderr } => {
            let lines = stderr.lines().map(str::trim);
            let said = lines.filter(|line| !line.is_empty() && *line != "Caused by:");
            let reason = said.collect::<Vec<_>>().join(": ");
            let reason = reason.trim_start_matches("error: ");
            anyhow!("cargo cannot read {}: {reason}", project.join("Cargo.toml").display())
        }
        other => anyhow!("cargo cannot read {}: {other}", project.join("Cargo.toml").display()),
    })
}

/// The package whose Cargo.toml is the one in `project`.
fn package<'a>(project: &Path, metadata: &'a Metadata) -> anyhow::Result<&'a Package> {
    let manifest = project.join("Cargo.toml").canonicalize()?;
    let here = |package: &&Package| {
        package.manifest_path.canonicalize().is_ok_and(|path| path == manifest)
    };
    metadata.packages.iter().find(here).with_context(|| {
        format!("{} describes no package: name the folder of one", manifest.display())
    })
}

/// Whether the project brings its own profile.
fn has_profile(root: &Path) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let manifest: toml::Table = text.parse()?;
    let profiles = manifest.get("profile").and_then(toml::Value::as_table);
    Ok(profiles.is_some_and(|profiles| profiles.contains_key(PROFILE)))
}

/// Says what to do before cargo fails with a page about a missing `core`.
fn ensure_target(project: &Path) -> anyhow::Result<()> {
    let output = Command::new("rustc")
        .current_dir(project)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::inherit())
        .output()
        .map_err(cannot_run)?;
    ensure!(output.status.success(), "rustc does not work in {}", project.display());
    let folder = String::from_utf8_lossy(&output.stdout);
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    bail!("Rust's target {TARGET} is not installed: run `rustup target add {TARGET}`")
}

fn cannot_run(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        return anyhow!("there is no cargo: install Rust from https://rustup.rs");
    }
    anyhow!("cargo cannot be run: {error}")
}
