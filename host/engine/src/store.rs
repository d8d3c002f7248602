//! The state of one call, and the only way to make it: deadline, memory limit and clock come together.

use std::sync::Arc;

use joch_core::manifest::Limits;
use joch_core::port::Session;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::clocks::WasiClocksCtx;
use wasmtime_wasi_http::WasiHttpCtx;

use crate::budget::LogBudget;
use crate::clock::CpuClock;
use crate::limiter::Limiter;
use crate::outgoing::{Outgoing, Roots};
use crate::placeholders::Placeholders;
use crate::stderr::Stderr;

/// Queries, cursors, changes and streams that a guest may hold at once.
const HANDLES: usize = 256;
/// Bytes that a guest may hand over in one host call. An object has at most 1.5 MiB in etcd and 3 MiB in
/// a request; strings are copied once on the way.
const BYTES_PER_CALL: usize = 8 << 20;

/// What the capabilities of one call work on.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) cluster: Cluster,
    pub(crate) config: Arc<str>,
    pub(crate) log: LogBudget,
    pub(crate) outgoing: Outgoing,
    pub(crate) http: WasiHttpCtx,
    pub(crate) clocks: WasiClocksCtx,
    pub(crate) stderr: Stderr,
}

/// The way to the cluster, with the guest's clock standing.
#[derive(Clone)]
pub(crate) struct Cluster {
    session: Arc<dyn Session>,
    clock: Arc<CpuClock>,
}

impl Cluster {
    /// Asks the session; neither its work nor its waiting counts as the guest's.
    pub(crate) async fn ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Session) -> T,
    ) -> T::Output
    where
        T: Future + 'a,
    {
        self.clock.outside(question(self.session.as_ref())).await
    }
}

/// Makes the store of one call.
///
/// Every tick of the engine's ticker the guest yields to the runtime, and ends if its time is used up: the
/// time that it computed, and the time that passed, for a runtime with much to do fires its timers late.
pub(crate) fn new(
    engine: &wasmtime::Engine,
    limits: &Limits,
    config: &Arc<str>,
    session: Arc<dyn Session>,
    clock: &Arc<CpuClock>,
    roots: &Roots,
) -> Store<State> {
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    let outgoing = Outgoing {
        session: Arc::clone(&session),
        placeholders: Placeholders::default(),
        roots: roots.clone(),
    };
    let state = State {
        table,
        limiter: Limiter::new(limits.memory.0),
        cluster: Cluster { session, clock: Arc::clone(clock) },
        config: Arc::clone(config),
        log: LogBudget::new(limits.log_lines),
        outgoing,
        http: WasiHttpCtx::default(),
        clocks: WasiClocksCtx::default(),
        stderr: Stderr::default(),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(BYTES_PER_CALL);
    store.set_epoch_deadline(1);
    let (clock, limits) = (Arc::clone(clock), limits.clone());
    store.epoch_deadline_callback(move |_| match clock.late(&limits) {
        Some(exceeded) => Err(exceeded.into()),
        None => Ok(UpdateDeadline::Yield(1)),
    });
    store
}
