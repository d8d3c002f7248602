//! `wasi:http`, and the monotonic clock that its time-outs speak of: only for plugins that request
//! `[[grant.http]]`. What a request may do is decided in [`crate::outgoing`].

use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi_http::p2::add_only_http_to_linker_async;
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::store::State;

/// The interfaces that [`add_to_linker`] adds, without versions.
pub(crate) const LINKED: &[&str] =
    &["wasi:http/types", "wasi:http/outgoing-handler", "wasi:clocks/monotonic-clock"];

/// Adds the interfaces of [`LINKED`].
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    add_only_http_to_linker_async(linker)?;
    monotonic_clock::add_to_linker::<State, WasiClocks>(linker, |state| WasiClocksCtxView {
        ctx: &mut state.clocks,
        table: &mut state.table,
    })
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}
