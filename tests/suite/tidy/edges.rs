//! Which crate may depend on which, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use joch_tests::paths;

/// A crate of ours, the crates of ours that it may depend on, and the crates of others that must not be
/// in it, not even by way of others (a `*` stands for any ending). A crate that is not listed fails.
struct Rule {
    name: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

const fn rule(
    name: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
) -> Rule {
    Rule { name, ours, never }
}

const KUBE: &[&str] = &["kube*", "k8s-openapi"];
const WASM: &[&str] = &["wasmtime*"];
const PAPER: &[&str] = &["kube*", "k8s-openapi", "wasmtime*", "tokio", "reqwest", "hyper"];

/// The plugins' side never sees the host's.
const GUEST: &[&str] = &["joch-plugin", "joch-crds"];

const RULES: &[Rule] = &[
    rule("joch-controller-manager", &["joch-runtime"], &[]),
    rule(
        "joch-runtime",
        &["joch-controller", "joch-engine", "joch-artifact", "joch-core", "joch-crds"],
        &[],
    ),
    rule("joch-controller", &["joch-core", "joch-crds"], WASM),
    rule("joch-engine", &["joch-bindings", "joch-core", "joch-fuzz"], KUBE),
    rule("joch-artifact", &["joch-core", "joch-fuzz"], KUBE),
    rule("joch-bindings", &[], KUBE),
    rule("joch-core", &["joch-fuzz"], PAPER),
    rule("joch-fuzz", &[], PAPER),
    rule("joch-crds", &[], PAPER),
    rule("joch-plugin", &["joch-fake", "joch-fuzz"], PAPER),
    rule("joch-fake", &[], PAPER),
    rule("joch-cli", &["joch-artifact", "joch-engine", "joch-core", "joch-fake"], KUBE),
    rule("joch-tests", &["joch-artifact", "joch-controller", "joch-core"], WASM),
    rule(
        "joch-bench",
        &["joch-artifact", "joch-core", "joch-plugin", "joch-tests", "kubetask"],
        WASM,
    ),
    rule("joch-bench-engine", &["joch-artifact", "joch-core", "joch-engine"], KUBE),
];

/// What one crate depends on.
#[derive(Debug, Clone, Default)]
struct Found {
    name: String,
    /// Crates of ours, whatever the dependency's kind.
    ours: BTreeSet<String>,
    /// All crates that are built into it.
    within: BTreeSet<String>,
    /// Crates of others that it names itself.
    direct: BTreeSet<String>,
    /// Its folder, relative to the root.
    folder: String,
}

fn broken(found: &[Found], rules: &[Rule]) -> Vec<String> {
    let mut broken = Vec::new();
    for Found { name, ours, within, direct, folder } in found {
        let guest = rule("", GUEST, PAPER);
        let is_guest = ["plugins/", "examples/", "tests/guests/"]
            .iter()
            .any(|place| folder.starts_with(place));
        let listed = rules.iter().find(|rule| rule.name == name);
        let Some(rule) = listed.or_else(|| is_guest.then_some(&guest)) else {
            broken.push(format!("{name}: no rule says what it may depend on"));
            continue;
        };
        let forbidden = ours.iter().filter(|other| !rule.ours.contains(&other.as_str()));
        broken.extend(forbidden.map(|other| format!("{name} may not depend on {other}")));
        let matches = |pattern: &&str, other: &str| match pattern.strip_suffix('*') {
            Some(start) => other.starts_with(start),
            None => *pattern == other,
        };
        let never = within.iter().filter(|other| rule.never.iter().any(|p| matches(p, other)));
        broken.extend(never.map(|other| format!("{name} may not contain {other}")));
        if direct.contains("clap")
            && !["joch-runtime", "joch-cli", "joch-bench", "joch-bench-engine"]
                .contains(&name.as_str())
        {
            broken.push(format!("{name}: only programs read flags with clap"));
        }
    }
    broken
}

fn found() -> Result<Vec<Found>> {
    let metadata = MetadataCommand::new()
        .manifest_path(paths::root().join("Cargo.toml"))
        // Other platforms' crates were never downloaded.
        .other_options(
            ["--offline", "--locked", "--filter-platform", &platform()?].map(str::to_owned),
        )
        .exec()?;
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    ensure!(names.contains("joch-core"), "no joch-core among {names:?}");
    members.iter().map(|package| found_of(&metadata, package, &names)).collect()
}

/// The platform of this machine, as the compiler names it.
fn platform() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

fn found_of(metadata: &Metadata, package: &Package, members: &BTreeSet<&str>) -> Result<Found> {
    let manifest = package.manifest_path.strip_prefix(&metadata.workspace_root)?;
    let named = package.dependencies.iter().filter(|dependency| dependency.name != *package.name);
    let (ours, direct): (BTreeSet<_>, BTreeSet<_>) = named
        .map(|dependency| dependency.name.clone())
        .partition(|name| members.contains(name.as_str()));
    Ok(Found {
        name: package.name.to_string(),
        ours,
        within: within(metadata, &package.id)?,
        direct,
        folder: manifest.to_string(),
    })
}

/// The names of all crates that are built into a package: normal dependencies, and theirs. Procedural
/// macros and build scripts run at build time and end there.
fn within(metadata: &Metadata, package: &PackageId) -> Result<BTreeSet<String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let packages: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let macros =
        |package: &Package| package.targets.iter().any(cargo_metadata::Target::is_proc_macro);
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![package];
    while let Some(id) = open.pop() {
        let node = nodes.get(id).context("a package without node")?;
        for dependency in &node.deps {
            let normal =
                dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            let other = packages.get(&dependency.pkg).context("a node without package")?;
            if normal && !macros(other) && seen.insert(&dependency.pkg) {
                names.insert(other.name.to_string());
                open.push(&dependency.pkg);
            }
        }
    }
    Ok(names)
}

#[test]
fn crates_depend_only_on_what_the_design_allows() -> Result<()> {
    let broken = broken(&found()?, RULES);
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn a_forbidden_edge_is_found() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let one = |name: &str, ours: &[&str], within: &[&str], direct: &[&str], folder: &str| Found {
        name: name.to_owned(),
        ours: names(ours),
        within: names(within),
        direct: names(direct),
        folder: folder.to_owned(),
    };
    let table = [
        (
            one("joch-core", &["joch-engine"], &[], &[], "host/core/"),
            "may not depend on joch-engine",
        ),
        (one("joch-core", &[], &["tokio"], &[], "host/core/"), "may not contain tokio"),
        (one("joch-engine", &["joch-core"], &["kube-client"], &[], "host/engine/"), "kube-client"),
        (one("joch-controller", &[], &["wasmtime-wasi"], &[], "host/controller/"), "wasmtime-wasi"),
        (
            one("new-plugin", &["joch-core"], &[], &[], "plugins/new/"),
            "may not depend on joch-core",
        ),
        (one("joch-engine", &[], &[], &["clap"], "host/engine/"), "clap"),
        (one("joch-new", &[], &[], &[], "host/new/"), "no rule"),
    ];
    for (found, part) in table {
        let broken = broken(&[found], RULES);
        assert!(matches!(broken.as_slice(), [one] if one.contains(part)), "{part}: {broken:?}");
    }
    let good =
        one("new-plugin", &["joch-plugin", "joch-crds"], &["serde"], &["serde"], "examples/n/");
    assert_eq!(broken(&[good], RULES), Vec::<String>::new());
}
