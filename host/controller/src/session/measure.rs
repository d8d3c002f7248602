//! What a guest tells for people: its own metrics and Events, both bounded.

use std::sync::atomic::Ordering;

use joch_core::port::{KubeError, Measurement, Note};

use super::Session;
use crate::metrics::PluginLabels;
use crate::rates::EVENTS_PER_SECOND;

impl Session {
    /// Takes a number for one of the plugin's own metrics, if the manifest declares it.
    pub(super) fn measure(&self, measurement: &Measurement) -> Result<(), KubeError> {
        let (spec, labels) =
            self.version.manifest.measured(measurement).map_err(KubeError::Invalid)?;
        let guests = &self.around.metrics.guests;
        guests.record(self.version.plugin(), spec, labels, measurement.value);
        Ok(())
    }

    /// Publishes an Event about the primary, within the bounds per reconcile and per second.
    pub(super) fn publish(&self, note: Note) -> Result<(), KubeError> {
        let limit = self.version.manifest.limits.events;
        if self.events.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(self.no_event(format!("{limit} Events per reconcile (events)")));
        }
        if !self.around.rates.admit_event() {
            let text = format!("{EVENTS_PER_SECOND} Events per second of one plugin");
            return Err(self.no_event(text));
        }
        let Self { around, version, primary, key, .. } = self;
        around.notes.publish(version.plugin(), &around.controller, key, &primary.uid, note)
    }

    fn no_event(&self, bound: String) -> KubeError {
        let plugin = self.version.plugin().to_owned();
        self.around.metrics.events_dropped.get_or_create(&PluginLabels { plugin }).inc();
        KubeError::OverLimit(bound)
    }
}
