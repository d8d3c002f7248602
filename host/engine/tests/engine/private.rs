//! What a guest gets of Secrets, and what becomes of its metrics.

use std::sync::Arc;

use joch_core::manifest::MetricKind;
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{Invoke as _, Measurement, SecretUse};

use crate::guest::{DONE, Guest};
use crate::session::{Fake, call_in, engine, limits, plugin};

const IMPORTS: &str = r#"
  (import "joch:runtime/secrets@0.1.0" "placeholder"
    (func $placeholder (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "joch:runtime/secrets@0.1.0" "reveal"
    (func $reveal (param i32 i32 i32 i32 i32 i32 i32 i32)))"#;

/// Fails with the text that a call on the key `b` of Secret `a` answered, or the reason of its refusal.
const ANSWER: &str = r#"(data (i32.const 64) "ab")
  (func $tell
    (local $at i32)
    (local.set $at (i32.const 520))
    (if (i32.load8_u (i32.const 512)) (then
      ;; The missing grant of `denied`, or the text of another case.
      (local.set $at (if (result i32) (i32.load8_u (i32.const 520))
        (then (i32.const 528)) (else (i32.const 592))))))
    (i32.store (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1048) (i32.load (local.get $at)))
    (i32.store (i32.const 1052) (i32.load (i32.add (local.get $at) (i32.const 4)))))"#;

const PLACEHOLDER: Guest = Guest {
    imports: IMPORTS,
    items: ANSWER,
    body:
        "(call $placeholder (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1)
        (i32.const 65) (i32.const 1) (i32.const 512))
      (call $tell)",
    ..DONE
};

const REVEAL: Guest = Guest {
    body: "(call $reveal (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1)
        (i32.const 65) (i32.const 1) (i32.const 512))
      (call $tell)",
    ..PLACEHOLDER
};

/// Asks for 65 placeholders.
const HOARDED: Guest = Guest {
    body: "(local $n i32)
      (loop $again
        (call $placeholder (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 1)
          (i32.const 65) (i32.const 1) (i32.const 512))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 65))))
      (call $tell)",
    ..PLACEHOLDER
};

const ADD: &str = r#"(import "joch:runtime/metrics@0.1.0" "add"
  (func $add (param i32 i32 f64 i32 i32 i32)))"#;

const MEASURE: Guest = Guest {
    imports: ADD,
    items: r#"(data (i32.const 64) "ab")"#,
    body: "(call $add (i32.const 64) (i32.const 2) (f64.const 2.5) (i32.const 0) (i32.const 0)
        (i32.const 512))",
    ..DONE
};

const MEASURE_FOREVER: Guest = Guest {
    body: "(loop $again
      (call $add (i32.const 64) (i32.const 2) (f64.const 2.5) (i32.const 0) (i32.const 0)
        (i32.const 512))
      (br $again))",
    ..MEASURE
};

/// What the guest fails with, in a session that knows this value.
async fn told(guest: Guest, value: Option<&'static str>) -> (String, Vec<SecretUse>) {
    let session = Arc::new(Fake { secret: value, ..Fake::default() });
    let report = plugin(&engine(), guest, limits()).call(call_in(Arc::clone(&session))).await;
    let Err(Failure::Transient(problem)) = report.result else { panic!("{report:?}") };
    let uses = session.secret_uses.lock().unwrap().clone();
    (problem.message, uses)
}

#[tokio::test]
async fn a_placeholder_is_random_and_says_nothing_of_the_value() {
    let (first, uses) = told(PLACEHOLDER, Some("v4lue")).await;
    assert_eq!(uses, [SecretUse::Placeholder]);
    let digits = first.strip_prefix("joch-secret-").unwrap();
    assert!(digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{first}");
    assert_ne!(first, told(PLACEHOLDER, Some("v4lue")).await.0);
}

#[tokio::test]
async fn only_a_call_of_reveal_shows_the_value() {
    let (text, uses) = told(REVEAL, Some("v4lue")).await;
    assert_eq!((text.as_str(), uses.as_slice()), ("v4lue", [SecretUse::Reveal].as_slice()));
}

#[tokio::test]
async fn a_denied_secret_makes_no_placeholder() {
    for guest in [PLACEHOLDER, REVEAL] {
        assert_eq!(told(guest, None).await.0, "the Secret");
    }
}

#[tokio::test]
async fn a_call_holds_a_bounded_number_of_placeholders() {
    assert_eq!(told(HOARDED, Some("v4lue")).await.0, "64 placeholders of Secrets per call");
}

#[tokio::test]
async fn a_measurement_reaches_the_session_as_the_guest_made_it() {
    let session = Arc::new(Fake::default());
    let report = plugin(&engine(), MEASURE, limits()).call(call_in(Arc::clone(&session))).await;
    assert_eq!(report.result, Ok(Outcome::Done));
    let (metric, kind) = ("ab".to_owned(), MetricKind::Counter);
    let expected = Measurement { metric, kind, value: 2.5, labels: Vec::new() };
    assert_eq!(*session.measured.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_guest_that_measures_for_ever_is_stopped_for_computing() {
    let session = Arc::new(Fake::default());
    let report = plugin(&engine(), MEASURE_FOREVER, limits()).call(call_in(session)).await;
    assert_eq!(report.result, Err(Failure::Cpu(limits().cpu.0)));
}
