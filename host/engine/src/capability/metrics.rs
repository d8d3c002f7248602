//! `joch:runtime/metrics`: the plugin's own metrics.

use joch_bindings::v0_1::joch::kube::types;
use joch_bindings::v0_1::joch::runtime::metrics;
use joch_core::manifest::MetricKind;
use joch_core::port::Measurement;
use wasmtime::Result;

use crate::convert;
use crate::store::State;

type Labels = Vec<(String, String)>;
type Answer = Result<Result<(), types::Error>>;

impl State {
    async fn measure(
        &mut self,
        kind: MetricKind,
        metric: String,
        value: f64,
        labels: Labels,
    ) -> Answer {
        let measurement = Measurement { metric, kind, value, labels };
        // Answered at once, so the guest's clock goes on: one that measures for ever is stopped for it.
        let answer = self.outgoing.session.measure(measurement).await;
        Ok(answer.map_err(convert::to_error))
    }
}

impl metrics::Host for State {
    async fn add(&mut self, metric: String, by: f64, labels: Labels) -> Answer {
        self.measure(MetricKind::Counter, metric, by, labels).await
    }

    async fn set(&mut self, metric: String, to: f64, labels: Labels) -> Answer {
        self.measure(MetricKind::Gauge, metric, to, labels).await
    }

    async fn observe(&mut self, metric: String, value: f64, labels: Labels) -> Answer {
        self.measure(MetricKind::Histogram, metric, value, labels).await
    }
}
