//! `joch:kube/status`: the report about the object being reconciled.

use joch_bindings::v0_1::joch::kube::{status, types};
use wasmtime::Result;

use crate::convert;
use crate::store::State;

impl status::Host for State {
    async fn report(
        &mut self,
        status: String,
        observed_generation: Option<i64>,
    ) -> Result<Result<status::Verdict, types::Error>> {
        let answer =
            self.cluster.ask(|session| session.report_status(status, observed_generation)).await;
        Ok(answer.map(convert::to_verdict).map_err(convert::to_error))
    }
}
