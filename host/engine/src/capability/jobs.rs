//! `joch:kube/jobs`: starting work in pods.

use joch_bindings::v0_1::joch::kube::jobs;
use wasmtime::Result;

use crate::convert;
use crate::store::State;

impl jobs::Host for State {
    async fn start(&mut self, job: String) -> Result<Result<jobs::Started, jobs::StartError>> {
        let answer = self.cluster.ask(|session| session.start_job(job)).await;
        Ok(answer.map(convert::to_started).map_err(convert::to_start_error))
    }
}
