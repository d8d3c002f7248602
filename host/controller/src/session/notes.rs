//! Events about primaries: best effort, bounded, repeats counted by kube's recorder.

use std::sync::Arc;

use joch_core::object::ObjectKey;
use joch_core::port::{KubeError, Note, field_manager};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::Semaphore;

use crate::metrics::{Metrics, PluginLabels};

/// How many events may be under way to the API server at once; further ones are dropped and counted.
const UNDER_WAY: usize = 64;
/// The longest message, in bytes, as the Event API allows.
const MESSAGE: usize = 1024;
/// The longest reason, in bytes.
const REASON: usize = 128;

/// Publishes events of all controllers.
pub(crate) struct Notes {
    recorder: Recorder,
    slots: Arc<Semaphore>,
    metrics: Metrics,
}

impl Notes {
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        let reporter =
            Reporter { controller: "joch-controller-manager".to_owned(), instance: None };
        let recorder = Recorder::new(client, reporter);
        Self { recorder, slots: Arc::new(Semaphore::new(UNDER_WAY)), metrics }
    }

    /// Publishes an event about `about` without waiting for it.
    pub(crate) fn publish(
        &self,
        plugin: &str,
        controller: &str,
        about: &ObjectKey,
        uid: &str,
        note: Note,
    ) -> Result<(), KubeError> {
        let word =
            !note.reason.is_empty() && note.reason.chars().all(|c| c.is_ascii_alphanumeric());
        if !word || note.reason.len() > REASON {
            let text = format!("event reason {:?} is not one CamelCase word", note.reason);
            return Err(KubeError::Invalid(text));
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            let plugin = plugin.to_owned();
            self.metrics.events_dropped.get_or_create(&PluginLabels { plugin }).inc();
            return Ok(());
        };
        let event = Event {
            type_: if note.warning { EventType::Warning } else { EventType::Normal },
            reason: note.reason,
            note: Some(cut(note.message)),
            action: field_manager(plugin, controller),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some(about.kind.api_version()),
            kind: Some(about.kind.kind.clone()),
            name: Some(about.name.clone()),
            namespace: about.namespace.clone(),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        let recorder = self.recorder.clone();
        tokio::spawn(async move {
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::debug!(%error, reason = event.reason, "an event was not published");
            }
            drop(slot);
        });
        Ok(())
    }
}

/// Cuts a message at the API's limit, between characters.
fn cut(mut message: String) -> String {
    let end = (0..=MESSAGE.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
    message.truncate(end.unwrap_or(0));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let long = cut("ä".repeat(MESSAGE));
        assert_eq!(long.len(), MESSAGE);
        assert_eq!(cut(format!("x{}", "ä".repeat(MESSAGE))).len(), MESSAGE - 1);
    }
}
