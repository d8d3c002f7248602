//! Who is to blame when a call ends with an error.

use joch_core::manifest::Limits;
use joch_core::outcome::Failure;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::panic;

/// A bound that a guest ran into; travels through wasmtime as the error that ends the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    #[error("computed too long")]
    Cpu,
    #[error("took too long")]
    Wall,
    #[error("wanted too much memory")]
    Memory,
    #[error("wanted too many table elements")]
    Table,
    #[error("holds too many queries, cursors and changes at once")]
    Handles,
}

/// A fault of the host in a host function; the guest is not blamed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostFault(pub(crate) String);

/// How far a call had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Instantiate,
    Call,
}

/// The one place that decides between guest and host.
pub(crate) fn blame(
    error: &wasmtime::Error,
    phase: Phase,
    limits: &Limits,
    stderr: &str,
) -> Failure {
    match error.downcast_ref::<Exceeded>() {
        Some(Exceeded::Cpu) => return Failure::Cpu(limits.cpu.0),
        Some(Exceeded::Wall) => return Failure::Wall(limits.wall.0),
        Some(Exceeded::Memory) => return Failure::Memory(limits.memory.0),
        Some(Exceeded::Table | Exceeded::Handles) | None => {}
    }
    let guest = error.is::<Trap>() || error.is::<Exceeded>() || error.is::<I32Exit>();
    let host = error.is::<HostFault>() || error.is::<PoolConcurrencyLimitError>();
    if host || (phase == Phase::Instantiate && !guest) {
        return Failure::Host(format!("{error:#}"));
    }
    // What is left in the call phase is what the guest handed over: texts that are not UTF-8, pointers
    // out of bounds, more bytes than one host call may carry.
    Failure::Trap(describe(error, stderr))
}

fn describe(error: &wasmtime::Error, stderr: &str) -> String {
    // A panic ends in `unreachable`, in a function of the standard library: neither tells anything.
    if error.downcast_ref::<Trap>() == Some(&Trap::UnreachableCodeReached)
        && let Some(panic) = panic::told(stderr)
    {
        return panic;
    }
    let reason = if let Some(trap) = error.downcast_ref::<Trap>() {
        let text = trap.to_string();
        text.strip_prefix("wasm trap: ").map(str::to_owned).unwrap_or(text)
    } else if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        format!("the guest ended itself with exit code {code}")
    } else {
        error.root_cause().to_string()
    };
    let place = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().first())
        .and_then(|frame| frame.func_name().map(str::to_owned))
        .map(|name| format!(" in {name}"))
        .unwrap_or_default();
    let said = if stderr.is_empty() { String::new() } else { format!("; it said: {stderr}") };
    format!("{reason}{place}{said}")
}

#[cfg(test)]
mod tests {
    use wasmtime::Error;

    use super::*;

    fn category(error: impl Into<Error>, phase: Phase) -> &'static str {
        let error = error.into().context("while calling");
        blame(&error, phase, &Limits::default(), "").category()
    }

    #[test]
    fn guest_and_host_are_told_apart_in_both_phases() {
        for (phase, unknown) in [(Phase::Instantiate, "HostError"), (Phase::Call, "Trapped")] {
            assert_eq!(category(Exceeded::Cpu, phase), "CpuLimit");
            assert_eq!(category(Exceeded::Wall, phase), "WallLimit");
            assert_eq!(category(Exceeded::Memory, phase), "MemoryLimit");
            assert_eq!(category(Exceeded::Table, phase), "Trapped");
            assert_eq!(category(Exceeded::Handles, phase), "Trapped");
            assert_eq!(category(Trap::StackOverflow, phase), "Trapped");
            assert_eq!(category(I32Exit(3), phase), "Trapped");
            assert_eq!(category(HostFault("x".to_owned()), phase), "HostError");
            assert_eq!(category(Error::msg("cannot map memory"), phase), unknown);
        }
    }

    #[test]
    fn a_trap_is_described_in_one_line() {
        let told = |error: Error, stderr: &str| match blame(
            &error,
            Phase::Call,
            &Limits::default(),
            stderr,
        ) {
            Failure::Trap(text) => text,
            other => panic!("a trap was expected: {other:?}"),
        };
        assert_eq!(
            told(Trap::UnreachableCodeReached.into(), "so long"),
            "wasm `unreachable` instruction executed; it said: so long"
        );
        let panic = "thread 'main' (1) panicked at a/src/lib.rs:1:2:\nno way\nnote: run with it";
        assert_eq!(
            told(Trap::UnreachableCodeReached.into(), panic),
            "panicked: no way (a/src/lib.rs:1:2)"
        );
        assert_eq!(told(I32Exit(3).into(), ""), "the guest ended itself with exit code 3");
    }
}
