//! Events about primaries: best effort, bounded, repeats counted by kube's recorder.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use joch_core::object::ObjectKey;
use joch_core::port::{KubeError, Note, field_manager};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::Semaphore;

use crate::kinds::lock;
use crate::metrics::{Metrics, PluginLabels};
use crate::plugins::plugin_key;

/// How many events may be under way to the API server at once; further ones are dropped and counted.
const UNDER_WAY: usize = 64;
/// The longest message, in bytes, as the Event API allows.
const MESSAGE: usize = 1024;
/// The longest reason, in bytes.
const REASON: usize = 128;

/// How many different denials are told apart; beyond that all are told again.
const DENIALS: usize = 1000;

/// Publishes events of all controllers.
pub(crate) struct Notes {
    recorder: Recorder,
    /// The uid of each plugin's Plugin object.
    plugins: Mutex<HashMap<String, String>>,
    /// Denials that were told, by plugin and missing grant.
    denials: Mutex<HashSet<(String, String)>>,
    slots: Arc<Semaphore>,
    metrics: Metrics,
}

impl Notes {
    pub(crate) fn new(client: Client, metrics: Metrics) -> Self {
        let reporter =
            Reporter { controller: "joch-controller-manager".to_owned(), instance: None };
        let recorder = Recorder::new(client, reporter);
        let slots = Arc::new(Semaphore::new(UNDER_WAY));
        Self { recorder, plugins: Mutex::default(), denials: Mutex::default(), slots, metrics }
    }

    /// From now on the plugin's Plugin object is this one, or there is none.
    pub(crate) fn know_plugin(&self, plugin: &str, uid: Option<String>) {
        let mut plugins = lock(&self.plugins);
        match uid {
            Some(uid) => plugins.insert(plugin.to_owned(), uid),
            None => plugins.remove(plugin),
        };
    }

    /// Publishes an event about a plugin, if there is a Plugin object to attach it to.
    pub(crate) fn about_plugin(&self, plugin: &str, note: Note) {
        let Some(uid) = lock(&self.plugins).get(plugin).cloned() else { return };
        let manager = format!("joch/{plugin}");
        if let Err(error) = self.send(plugin, manager, &plugin_key(plugin), &uid, note) {
            tracing::debug!(%error, plugin, "an event about a plugin was not published");
        }
    }

    /// A call was denied: an event about the plugin, once per missing grant.
    pub(crate) fn denied(&self, plugin: &str, controller: &str, missing_grant: &str) {
        let mut told = lock(&self.denials);
        if told.len() >= DENIALS {
            told.clear();
        }
        if told.insert((plugin.to_owned(), missing_grant.to_owned())) {
            drop(told);
            let message = format!("controller {controller} was denied: {missing_grant}");
            self.about_plugin(plugin, Note { warning: true, reason: "Denied".to_owned(), message });
        }
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
        self.send(plugin, field_manager(plugin, controller), about, uid, note)
    }

    fn send(
        &self,
        plugin: &str,
        action: String,
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
            action,
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some(about.kind.api_version()),
            kind: Some(about.kind.kind.to_string()),
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

    /// Notes that are never answered, and the metrics that count them.
    fn unanswered() -> (Notes, Metrics) {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, tower::BoxError>>()
        });
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        (Notes::new(Client::new(service, "here"), metrics.clone()), metrics)
    }

    #[tokio::test]
    async fn events_that_are_not_answered_are_bounded_and_the_next_ones_are_counted() {
        let (notes, metrics) = unanswered();
        let key = ObjectKey { kind: "v1/Pod".parse().unwrap(), namespace: None, name: "p".into() };
        for _ in 0..UNDER_WAY + 3 {
            let note = Note { warning: true, reason: "Told".into(), message: "m".into() };
            notes.publish("it", "c", &key, "uid", note).unwrap();
        }
        let plugin = PluginLabels { plugin: "it".into() };
        assert_eq!(metrics.events_dropped.get_or_create(&plugin).get(), 3);
    }

    #[tokio::test]
    async fn so_many_denials_are_told_apart_and_no_more() {
        let (notes, _) = unanswered();
        for number in 0..DENIALS + 10 {
            notes.denied("it", "c", &number.to_string());
        }
        assert!(lock(&notes.denials).len() <= DENIALS);
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let long = cut("ä".repeat(MESSAGE));
        assert_eq!(long.len(), MESSAGE);
        assert_eq!(cut(format!("x{}", "ä".repeat(MESSAGE))).len(), MESSAGE - 1);
    }
}
