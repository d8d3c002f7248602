//! What passes between guest and host, there and back.

use std::sync::Arc;
use std::time::Duration;

use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{Invoke as _, Json, Operation};

use crate::guest::{DONE, Guest};
use crate::session::{Fake, call, call_in, engine, limits, plugin};

/// Answers with the object that it was given, as the message of a transient failure.
const ECHO: Guest = Guest {
    imports: r#"(import "joch:controller/context@0.1.0" "[method]request.object"
      (func $object (param i32 i32)))"#,
    body: "(call $object (local.get $request) (i32.const 512))
      (i32.store (i32.const 1024) (i32.const 1))
      (i32.store (i32.const 1048) (i32.load (i32.const 512)))
      (i32.store (i32.const 1052) (i32.load (i32.const 516)))",
    ..DONE
};

/// Runs a query, takes two objects at most, and answers `requeue` after as many milliseconds as it got.
const QUERY: Guest = Guest {
    imports: r#"
      (import "joch:kube/reader@0.1.0" "[constructor]query"
        (func $query (param i32 i32 i32 i32 i32 i32) (result i32)))
      (import "joch:kube/reader@0.1.0" "[method]query.run" (func $run (param i32 i32 i32)))
      (import "joch:kube/reader@0.1.0" "[method]cursor.next" (func $next (param i32 i32 i32)))"#,
    body: "(call $run
        (call $query (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0))
        (i32.const 0) (i32.const 512))
      (call $next (i32.load (i32.const 520)) (i32.const 2) (i32.const 576))
      (i32.store (i32.const 1032) (i32.const 1))
      (i64.store (i32.const 1040) (i64.load32_u (i32.const 588)))",
    ..DONE
};

/// Applies `{}` to an object named `x`, with force and as owner.
const APPLY: Guest = Guest {
    imports: r#"
      (import "joch:kube/writer@0.1.0" "[constructor]change"
        (func $change (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "joch:kube/writer@0.1.0" "[method]change.force" (func $force (param i32)))
      (import "joch:kube/writer@0.1.0" "[method]change.owned" (func $owned (param i32)))
      (import "joch:kube/writer@0.1.0" "[method]change.apply" (func $apply (param i32 i32 i32 i32)))
      (import "joch:kube/writer@0.1.0" "[resource-drop]change" (func $drop (param i32)))"#,
    items: r#"(data (i32.const 64) "x{}")"#,
    body: "(local $c i32)
      (local.set $c (call $change (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)
        (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
      (call $force (local.get $c))
      (call $owned (local.get $c))
      (call $apply (local.get $c) (i32.const 65) (i32.const 2) (i32.const 512))
      (call $drop (local.get $c))",
    ..DONE
};

#[tokio::test]
async fn a_call_without_incident() {
    let report = plugin(&engine(), DONE, limits()).call(call(Fake::default())).await;
    assert_eq!(report.result, Ok(Outcome::Done));
    assert_eq!(report.memory, 64 << 10);
    assert!(report.cpu < limits().cpu.0);
}

#[tokio::test]
async fn the_guest_sees_the_object_and_the_host_the_failure() {
    let plugin = plugin(&engine(), ECHO, limits());
    for _ in 0..3 {
        let report = plugin.call(call(Fake::default())).await;
        let Err(Failure::Transient(problem)) = report.result else { panic!("{report:?}") };
        assert_eq!((problem.reason.as_str(), problem.retry_after), ("", None));
        assert_eq!(problem.message, r#"{"kind":"ConfigMap"}"#);
    }
}

#[tokio::test]
async fn a_query_hands_out_its_matches_in_parts() {
    for (objects, got) in [(0, 0), (1, 1), (3, 2)] {
        let session = Fake { objects: vec![Json::from("{}"); objects], ..Fake::default() };
        let report = plugin(&engine(), QUERY, limits()).call(call(session)).await;
        assert_eq!(report.result, Ok(Outcome::RequeueAfter(Duration::from_millis(got))));
    }
}

#[tokio::test]
async fn a_write_carries_what_the_guest_set() {
    let session = Arc::new(Fake::default());
    let report = plugin(&engine(), APPLY, limits()).call(call_in(Arc::clone(&session))).await;
    assert_eq!(report.result, Ok(Outcome::Done));
    let changes = session.changes.lock().unwrap();
    let [change] = changes.as_slice() else { panic!("one write expected: {changes:?}") };
    assert_eq!(change.target.key.name, "x");
    assert_eq!(change.operation, Operation::Apply("{}".to_owned()));
    assert!(change.force && change.owned);
    assert_eq!((&change.subresource, &change.if_version), (&None, &None));
}

#[tokio::test]
async fn nothing_is_kept_between_two_calls() {
    let counting = Guest {
        items: "(global $calls (mut i32) (i32.const 0))",
        body: "(if (global.get $calls) (then unreachable)) (global.set $calls (i32.const 1))",
        ..DONE
    };
    let plugin = plugin(&engine(), counting, limits());
    for _ in 0..5 {
        assert_eq!(plugin.call(call(Fake::default())).await.result, Ok(Outcome::Done));
    }
}
