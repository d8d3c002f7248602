//! What a component is given and what it must export: the linker, and the check against it.

use joch_bindings::v0_1::Controller;
use wasmtime::component::{Component, ComponentExportIndex, HasSelf, InstancePre, Linker};

use crate::capability::{http, wasi};
use crate::error::LoadError;
use crate::store::State;

/// The WIT tracks that this host speaks, as manifests name them.
pub const TRACKS: &[&str] = &["0.1"];

const EXPORT: &str = "joch:controller/reconciler@0.1.0";
const FINALIZER: &str = "joch:controller/finalizer@0.1.0";
const OURS: &[&str] = &[
    "joch:kube/types",
    "joch:kube/reader",
    "joch:kube/writer",
    "joch:kube/status",
    "joch:kube/jobs",
    "joch:kube/events",
    "joch:runtime/log",
    "joch:runtime/config",
    "joch:runtime/secrets",
    "joch:runtime/metrics",
    "joch:controller/context",
    "joch:controller/types",
];

/// The linker of track 0.1: our interfaces and the empty set of WASI; outgoing HTTP on request; nothing
/// else.
pub(crate) fn linker(engine: &wasmtime::Engine, http: bool) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    Controller::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    wasi::add_to_linker(&mut linker)?;
    if http {
        http::add_to_linker(&mut linker)?;
    }
    Ok(linker)
}

/// Checks a component's imports and exports against the linker, and links it.
///
/// # Errors
/// One of [`LoadError::Import`], [`LoadError::NotRequested`], [`LoadError::Export`], [`LoadError::Mismatch`]; each names the interface.
pub(crate) fn link(
    linker: &Linker<State>,
    component: &Component,
    with_http: bool,
) -> Result<InstancePre<State>, LoadError> {
    let engine = component.engine();
    let shape = component.component_type();
    let missing = |name: &&str| !known(name, with_http);
    let missing: Vec<&str> = shape.imports(engine).map(|(name, _)| name).filter(missing).collect();
    let on_request = |name: &&&str| !with_http && http::LINKED.contains(&interface(name));
    // With the request, its clock is there too: so it is HTTP that has to be asked for, if it is imported.
    if let Some(name) =
        missing.iter().filter(on_request).find(|name| name.starts_with("wasi:http/"))
    {
        return Err(LoadError::NotRequested((*name).to_owned()));
    }
    if let Some(name) = missing.first() {
        return Err(LoadError::Import((*name).to_owned()));
    }
    if shape.get_export(engine, EXPORT).is_none() {
        let found = shape
            .exports(engine)
            .map(|(name, _)| name)
            .find(|name| interface(name) == interface(EXPORT))
            .map(str::to_owned);
        return Err(LoadError::Export { wanted: EXPORT.to_owned(), found });
    }
    linker.instantiate_pre(component).map_err(|error| LoadError::Mismatch(format!("{error:#}")))
}

/// Where a component exports `finalize`, if it does.
pub(crate) fn finalize(component: &Component) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, FINALIZER)?;
    component.get_export_index(Some(&interface), "finalize")
}

fn known(import: &str, with_http: bool) -> bool {
    let name = interface(import);
    let requested = with_http && http::LINKED.contains(&name);
    requested || OURS.contains(&name) || wasi::LINKED.contains(&name)
}

/// An interface's name without its version.
fn interface(name: &str) -> &str {
    name.split_once('@').map_or(name, |(interface, _)| interface)
}
