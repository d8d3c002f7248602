//! `joch:kube/events`: Events about the object being reconciled.

use joch_bindings::v0_1::joch::kube::{events, types};
use joch_core::port::Note;
use wasmtime::Result;

use crate::convert;
use crate::store::State;

impl events::Host for State {
    async fn publish(
        &mut self,
        severity: events::Severity,
        reason: String,
        message: String,
    ) -> Result<Result<(), types::Error>> {
        let note = Note { warning: severity == events::Severity::Warning, reason, message };
        Ok(self.cluster.ask(|session| session.publish(note)).await.map_err(convert::to_error))
    }
}
