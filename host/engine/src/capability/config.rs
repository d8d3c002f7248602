//! `joch:runtime/config`: the plugin's own settings.

use joch_bindings::v0_1::joch::runtime::config;
use wasmtime::Result;

use crate::store::State;

impl config::Host for State {
    async fn get(&mut self) -> Result<String> {
        Ok(self.config.as_ref().to_owned())
    }
}
