//! The optional export `finalize`: called for objects that are being deleted, demanded where the manifest
//! promises it.

use std::time::Duration;

use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{Invoke as _, Purpose};
use joch_engine::{LoadError, Plugin, PluginSpec};

use crate::guest::{DONE, Guest};
use crate::session::{Fake, call, component, engine, limits, plugin, spec};

/// Answers `reconcile` with `done` and `finalize` with `requeue` after 7 ms.
const CLEAN_UP: Guest = Guest {
    items: r#"(func (export "joch:controller/finalizer@0.1.0#finalize")
        (param $request i32) (result i32)
        (i32.store (i32.const 1544) (i32.const 1))
        (i64.store (i32.const 1552) (i64.const 7))
        (call $drop-request (local.get $request))
        (i32.const 1536))"#,
    world: "export joch:controller/finalizer@0.1.0;",
    ..DONE
};

#[tokio::test]
async fn the_purpose_of_a_call_chooses_the_function() {
    let plugin = plugin(&engine(), CLEAN_UP, limits());
    plugin.trial().await.unwrap();
    let reconcile = plugin.call(call(Fake::default())).await;
    assert_eq!(reconcile.result, Ok(Outcome::Done));
    let mut finalize = call(Fake::default());
    finalize.purpose = Purpose::Finalize;
    let answer = plugin.call(finalize).await.result;
    assert_eq!(answer, Ok(Outcome::RequeueAfter(Duration::from_millis(7))));
}

#[tokio::test]
async fn a_component_that_does_not_export_it_is_told_what_is_missing() {
    let engine = engine();
    let promised = |guest: Guest| {
        let bytes = component(guest);
        let spec = PluginSpec { finalizer: true, ..spec(&bytes, limits()) };
        Plugin::new(&engine, &engine.load(&bytes).unwrap(), spec).map(drop)
    };
    assert_eq!(promised(DONE), Err(LoadError::Finalizer));
    assert_eq!(promised(CLEAN_UP), Ok(()));
    let plugin = plugin(&engine, DONE, limits());
    let sentence = LoadError::Finalizer.to_string();
    for part in ["joch:controller/finalizer", "plugin.toml"] {
        assert!(sentence.contains(part), "{part:?} is not in {sentence:?}");
    }
    let mut finalize = call(Fake::default());
    finalize.purpose = Purpose::Finalize;
    let answer = plugin.call(finalize).await.result;
    assert!(matches!(answer, Err(Failure::Host(_))), "the guest is not blamed: {answer:?}");
}
