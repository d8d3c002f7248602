//! Guests that loop, allocate, trap, recurse, wait, hoard and flood: each is stopped at its bound, named
//! rightly, and hurts nobody else.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use joch_core::manifest::Limits;
use joch_core::outcome::{Failure, Outcome};
use joch_core::port::{Invoke as _, Report};
use joch_core::quantity::{Bytes, Time};
use tracing::instrument::WithSubscriber as _;

use crate::guest::{
    DEEP, DONE, FILL, GET, GROW, Guest, HOARD, HUGE_ARGUMENT, LOG_FOREVER, LOG_THOUSAND, LOOP,
    OUT_OF_BOUNDS, PANIC, RECURSE, TABLE, UNREACHABLE,
};
use crate::session::{Fake, call, engine, limits, plugin};

const TICK: Duration = Duration::from_millis(10);

async fn run_with(guest: Guest, limits: Limits) -> Report {
    plugin(&engine(), guest, limits).call(call(Fake::default())).await
}

async fn run(guest: Guest) -> Report {
    run_with(guest, limits()).await
}

async fn trap(guest: Guest) -> String {
    match run(guest).await.result {
        Err(Failure::Trap(text)) => text,
        other => panic!("a trap was expected: {other:?}"),
    }
}

/// Other work on the machine can delay one run, hardly five.
async fn least_cpu_of_five(guest: Guest) -> Duration {
    let (engine, limit) = (engine(), limits().cpu.0);
    let plugin = plugin(&engine, guest, limits());
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let report = plugin.call(call(Fake::default())).await;
        assert_eq!(report.result, Err(Failure::Cpu(limit)));
        assert!(report.cpu >= limit, "stopped early: {:?}", report.cpu);
        assert!((1..=2).contains(&report.late_ticks), "{} ticks", report.late_ticks);
        least = least.min(report.cpu);
    }
    least
}

#[tokio::test]
async fn an_endless_loop_ends_within_two_ticks_of_its_limit() {
    let used = least_cpu_of_five(LOOP).await;
    assert!(used < limits().cpu.0 + 2 * TICK, "{used:?}");
}

/// Nothing but the guest itself is there to notice: the only worker of the runtime, kept busy by the guest, never
/// looks for timers.
#[test]
fn a_loop_that_has_cpu_time_left_ends_within_two_ticks_of_its_wall_time() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).event_interval(u32::MAX).enable_time().build().unwrap();
    let wall = Duration::from_millis(100);
    let limits = Limits { cpu: Time(Duration::from_secs(5)), wall: Time(wall), ..limits() };
    let report = runtime.block_on(runtime.spawn(run_with(LOOP, limits))).unwrap();
    assert_eq!(report.result, Err(Failure::Wall(wall)));
    assert!(report.cpu < wall + 5 * TICK, "{:?}", report.cpu);
    assert!((1..=2).contains(&report.late_ticks), "{} ticks", report.late_ticks);
}

#[tokio::test]
async fn computing_inside_the_engine_counts_as_well() {
    let used = least_cpu_of_five(FILL).await;
    assert!(used < limits().cpu.0 + 3 * TICK, "{used:?}");
}

#[tokio::test]
async fn others_run_while_a_guest_loops_on_the_only_thread() {
    let engine = engine();
    let (looping, good) = (plugin(&engine, LOOP, limits()), plugin(&engine, DONE, limits()));
    let start = Instant::now();
    let bad = async { (looping.call(call(Fake::default())).await, start.elapsed()) };
    let good = async {
        // The loop is under way by then.
        tokio::task::yield_now().await;
        let mut calls = 0;
        while start.elapsed() < limits().cpu.0 / 2 {
            let report = good.call(call(Fake::default())).await;
            assert_eq!(report.result, Ok(Outcome::Done));
            calls += 1;
            tokio::task::yield_now().await;
        }
        (calls, start.elapsed())
    };
    let ((report, bad_took), (calls, good_took)) = tokio::join!(bad, good);
    assert!(matches!(report.result, Err(Failure::Cpu(_))));
    assert!(calls >= 1, "{calls} calls");
    assert!(good_took < bad_took, "{good_took:?} {bad_took:?}");
}

#[tokio::test]
async fn memory_is_bounded_and_the_peak_is_told() {
    let report = run(GROW).await;
    let limit = limits().memory.0;
    assert_eq!(report.result, Err(Failure::Memory(limit)));
    assert_eq!(report.memory, limit);
    let tiny = Limits { memory: Bytes(1), ..limits() };
    assert_eq!(run_with(DONE, tiny).await.result, Err(Failure::Memory(1)));
}

#[tokio::test]
async fn a_trap_tells_reason_and_function() {
    let text = trap(UNREACHABLE).await;
    assert!(text.contains("unreachable") && text.contains("explode"), "{text}");
}

#[tokio::test]
async fn what_a_panic_wrote_is_part_of_the_report_and_bounded() {
    let text = trap(PANIC).await;
    assert!(text.contains("it said: panicked at guest"), "{text}");
    assert!(text.len() < 5 << 10, "{} bytes", text.len());
}

/// What a guest in Rust does when it panics: the standard library writes this, then aborts.
const RUST_PANIC: Guest = Guest {
    items: r#"(data (i32.const 64) "\0athread 'main' (1) panicked at plugins/greeter/src/lib.rs:32:36:\0aindex out of bounds: the len is 0 but the index is 3\0anote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\0a")"#,
    body: "(call $write (call $stderr) (i32.const 64) (i32.const 196) (i32.const 512))
      unreachable",
    ..PANIC
};

#[tokio::test]
async fn a_panic_in_rust_is_told_by_message_and_place_alone() {
    let expected =
        "panicked: index out of bounds: the len is 0 but the index is 3 (greeter/src/lib.rs:32:36)";
    assert_eq!(trap(RUST_PANIC).await, expected);
}

#[tokio::test]
async fn endless_recursion_is_a_trap_that_names_the_stack() {
    let text = trap(RECURSE).await;
    assert!(text.contains("stack"), "{text}");
}

#[tokio::test]
async fn a_recursion_that_needs_more_than_the_stack_ends_before_its_own_end() {
    let text = trap(DEEP).await;
    assert!(text.contains("stack"), "{text}");
}

#[tokio::test]
async fn a_table_is_bounded() {
    let text = trap(TABLE).await;
    assert!(text.contains("table elements"), "{text}");
}

#[tokio::test]
async fn waiting_uses_wall_time_but_no_computing_time() {
    let wall = Duration::from_millis(150);
    let began = Instant::now();
    let report = run_with(GET, Limits { wall: Time(wall), ..limits() }).await;
    assert_eq!(report.result, Err(Failure::Wall(wall)));
    assert!(began.elapsed() < wall * 20, "it waited for {:?}", began.elapsed());
    assert!(report.cpu < wall / 3, "{:?}", report.cpu);
    // Longer than the limit on computing, and nobody minds.
    let session = Fake { get_takes: Some(limits().cpu.0 * 2), ..Fake::default() };
    let report = plugin(&engine(), GET, limits()).call(call(session)).await;
    assert_eq!(report.result, Ok(Outcome::Done));
}

#[tokio::test]
async fn a_lack_of_places_is_waited_for_and_is_nobodys_fault() {
    let engine = engine();
    let limits = Limits { wall: Time(Duration::from_millis(400)), ..limits() };
    let plugin = Arc::new(plugin(&engine, GET, limits));
    // Five rounds of 100 ms for four places: the last ones wait longer than their own wall time.
    let calls = (0..20).map(|_| {
        let plugin = Arc::clone(&plugin);
        let session = Fake { get_takes: Some(Duration::from_millis(100)), ..Fake::default() };
        tokio::spawn(async move { plugin.call(call(session)).await })
    });
    for report in futures(calls.collect()).await {
        assert_eq!(report.result, Ok(Outcome::Done));
    }
    assert_eq!(engine.free_places(), 4);
}

async fn futures(tasks: Vec<tokio::task::JoinHandle<Report>>) -> Vec<Report> {
    let mut reports = Vec::new();
    for task in tasks {
        reports.push(task.await.unwrap());
    }
    reports
}

#[tokio::test]
async fn an_abandoned_call_gives_its_place_back() {
    let engine = engine();
    let plugin = plugin(&engine, GET, limits());
    for _ in 0..8 {
        let cut = tokio::time::timeout(TICK, plugin.call(call(Fake::default()))).await;
        assert!(cut.is_err());
    }
    assert_eq!(engine.free_places(), 4);
}

#[tokio::test]
async fn handles_and_arguments_are_bounded() {
    let text = trap(HOARD).await;
    assert!(text.contains("queries, cursors and changes"), "{text}");
    // The message fits into the guest's memory, but not through one call.
    let report = run_with(HUGE_ARGUMENT, Limits { memory: Bytes(32 << 20), ..limits() }).await;
    assert!(
        matches!(&report.result, Err(Failure::Trap(text)) if text.contains("fuel")),
        "{report:?}"
    );
    trap(OUT_OF_BOUNDS).await;
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let report = run(LOG_THOUSAND).with_subscriber(subscriber).await;
    assert_eq!(report.result, Ok(Outcome::Done));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("sixteen bytes...").count(), limits().log_lines as usize);
    assert!(text.contains("dropped=900"), "{}", text.lines().last().unwrap_or_default());

    assert!(matches!(run(LOG_FOREVER).await.result, Err(Failure::Cpu(_))));
}
