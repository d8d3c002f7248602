//! What can be loaded, and what the author of anything else is told.

use std::path::PathBuf;

use joch_core::name::Digest;
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::Invoke as _;
use joch_engine::{Engine, EngineConfig, LoadError, Plugin, PluginSpec};

use crate::guest::{DONE, GROW, Guest};
use crate::session::{Fake, call, component, engine, limits, plugin};

fn load_error(wat: &str) -> LoadError {
    error_with(wat, false)
}

fn error_with(wat: &str, http: bool) -> LoadError {
    let engine = engine();
    let bytes = wat::parse_str(wat).unwrap();
    let loaded = match engine.load(&bytes) {
        Ok(loaded) => loaded,
        Err(error) => return error,
    };
    Plugin::new(&engine, &loaded, spec(&bytes, http)).err().unwrap()
}

fn spec(bytes: &[u8], http: bool) -> PluginSpec {
    let (name, digest) = ("sample".parse().unwrap(), Digest::of(bytes));
    PluginSpec { name, digest, limits: limits(), http, finalizer: false, config: String::new() }
}

#[test]
fn what_is_no_component_is_refused() {
    let engine = engine();
    assert_eq!(engine.compile(b"").err(), Some(LoadError::NotWasm));
    assert_eq!(engine.compile(b"(component)").err(), Some(LoadError::NotWasm));
    let core = wat::parse_str("(module)").unwrap();
    assert_eq!(engine.compile(&core).err(), Some(LoadError::CoreModule));
    let whole = component(DONE);
    let half = whole.get(..whole.len() / 2).unwrap();
    assert!(matches!(engine.compile(half), Err(LoadError::Compile(_))));
}

#[test]
fn a_missing_export_is_named_and_so_is_one_of_another_version() {
    let wanted = "joch:controller/reconciler@0.1.0".to_owned();
    assert_eq!(
        load_error("(component)"),
        LoadError::Export { wanted: wanted.clone(), found: None }
    );
    let error = load_error(
        r#"(component (instance $i) (export "joch:controller/reconciler@0.2.0" (instance $i)))"#,
    );
    let found = Some("joch:controller/reconciler@0.2.0".to_owned());
    assert_eq!(error, LoadError::Export { wanted, found });
    assert!(error.to_string().ends_with("(it exports `joch:controller/reconciler@0.2.0`)"));
}

#[test]
fn an_export_of_another_shape_is_refused() {
    let error = load_error(
        r#"(component (instance $i) (export "joch:controller/reconciler@0.1.0" (instance $i)))"#,
    );
    assert!(matches!(&error, LoadError::Mismatch(text) if text.contains("reconcile")), "{error}");
}

#[test]
fn an_interface_that_no_plugin_is_given_is_named() {
    for name in [
        "wasi:sockets/tcp@0.2.0",
        "wasi:filesystem/types@0.2.3",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:random/random@0.2.0",
        "joch:kube/secrets@0.1.0",
    ] {
        let error = load_error(&format!("(component (import \"{name}\" (instance)))"));
        assert_eq!(error, LoadError::Import(name.to_owned()));
        assert!(error.to_string().contains("which no plugin is given"));
    }
}

#[test]
fn outgoing_http_is_linked_on_request_only_and_the_refusal_says_how_to_request_it() {
    let clock = r#"(import "wasi:clocks/monotonic-clock@0.2.0" (instance))"#;
    for name in ["wasi:http/outgoing-handler@0.2.0", "wasi:http/types@0.2.3"] {
        let wat = format!("(component {clock} (import \"{name}\" (instance)))");
        let error = load_error(&wat);
        assert_eq!(error, LoadError::NotRequested(name.to_owned()));
        assert!(error.to_string().contains("[[grant.http]]"), "{error}");
        // With the request it gets as far as the export that it lacks.
        assert!(matches!(error_with(&wat, true), LoadError::Export { .. }));
    }
    let incoming = r#"(component (import "wasi:http/incoming-handler@0.2.0" (instance)))"#;
    for http in [false, true] {
        assert!(matches!(error_with(incoming, http), LoadError::Import(_)));
    }
}

#[test]
fn a_newer_interface_than_the_hosts_is_told_apart() {
    let import = r#"(import "joch:kube/reader@0.2.0" (instance (export "get" (func))))"#;
    let export = r#"(instance $i) (export "joch:controller/reconciler@0.1.0" (instance $i))"#;
    let error = load_error(&format!("(component {import} {export})"));
    assert!(matches!(&error, LoadError::Mismatch(text) if text.contains("joch:kube/reader@0.2.0")));
}

#[tokio::test]
async fn a_trial_runs_within_the_limits() {
    let engine = engine();
    plugin(&engine, DONE, limits()).trial().await.unwrap();
    plugin(&engine, GROW, limits()).trial().await.unwrap();
    let start = Guest { items: "(func $s unreachable) (start $s)", ..DONE };
    let error = plugin(&engine, start, limits()).trial().await.unwrap_err().to_string();
    assert!(error.contains("unreachable"), "{error}");
    let endless = Guest { items: "(func $s (loop $l (br $l))) (start $s)", ..DONE };
    let error = plugin(&engine, endless, limits()).trial().await.unwrap_err().to_string();
    assert!(error.contains("computed longer"), "{error}");
}

#[tokio::test]
async fn compiled_code_is_loaded_again_by_a_like_engine_and_nothing_else_is() {
    let (first, second) = (engine(), engine());
    assert_eq!(first.compatibility_key(), second.compatibility_key());
    assert_eq!(first.compatibility_key().len(), 32);

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let bytes = component(DONE);
    let path = write("code", &first.compile(&bytes).unwrap());
    let loaded = second.load_precompiled(&path).unwrap();
    Plugin::new(&second, &loaded, spec(&bytes, false)).unwrap().trial().await.unwrap();

    for path in [write("junk", b"junk"), write("component", &bytes), folder.path().join("missing")]
    {
        let error = second.load_precompiled(&path).err().unwrap();
        assert!(matches!(error, LoadError::Precompiled(_)), "{error}");
    }
}

#[tokio::test]
async fn a_machine_without_the_address_space_for_the_pool_runs_plugins_all_the_same() {
    // A petabyte: more than any processor addresses.
    let engine = Engine::new(&EngineConfig { max_instances: 100_000 }).unwrap();
    assert!(!engine.pooled());
    let report = plugin(&engine, DONE, limits()).call(call(Fake::default())).await;
    assert_eq!(report.result, Ok(Outcome::Done));
    let report = plugin(&engine, GROW, limits()).call(call(Fake::default())).await;
    assert_eq!(report.result, Err(Failure::Memory(limits().memory.0)));
}
