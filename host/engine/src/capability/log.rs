//! `joch:runtime/log`: lines for the host's own log, with the caller's span round them.

use joch_bindings::v0_1::joch::runtime::log;
use tracing::Level;
use wasmtime::Result;

use crate::budget;
use crate::store::State;

impl log::Host for State {
    async fn enabled(&mut self, at: log::Level) -> Result<bool> {
        Ok(budget::enabled(level(at)))
    }

    async fn write(
        &mut self,
        at: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> Result<()> {
        self.log.write(level(at), &message, &fields);
        Ok(())
    }
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Trace => Level::TRACE,
        log::Level::Debug => Level::DEBUG,
        log::Level::Info => Level::INFO,
        log::Level::Warn => Level::WARN,
        log::Level::Error => Level::ERROR,
    }
}
