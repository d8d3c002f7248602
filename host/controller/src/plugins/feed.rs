//! A component that lies in a ConfigMap, followed.
//!
//! # Guarantees
//! What was held goes on being held while the API server cannot answer; why there is nothing yet is told.
//! A watch that is silent for too long is taken up again; every interruption is counted, as those of the hub.

use std::pin::pin;
use std::sync::Arc;

use futures::TryStreamExt as _;
use joch_crds::joch::ConfigMapSource;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch_events};
use kube::{Api, Client};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::debug;

use crate::hub::interruption;
use crate::metrics::{Metrics, WatchLabels};

/// What a source holds: the component's bytes, or one sentence why there are none.
type Held = Result<Arc<[u8]>, String>;

/// The component in a ConfigMap, as it is now. Dropping it ends the watch.
pub struct Feed {
    held: watch::Receiver<Option<Held>>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Follows one ConfigMap; `poke` is notified of every change. `watching` is the client that watches are
    /// made with.
    pub(crate) fn start(
        watching: Client,
        metrics: Metrics,
        source: ConfigMapSource,
        poke: Arc<Notify>,
    ) -> Self {
        let (sender, held) = watch::channel(None);
        let task = tokio::spawn(async move {
            follow(watching, &metrics, &source, |now| {
                sender.send_replace(Some(now));
                poke.notify_one();
            })
            .await;
        });
        Self { held, task }
    }

    /// What the source holds; none while that is not known yet.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.held.borrow().clone()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows for ever; errors are retried with growing delays.
async fn follow(client: Client, metrics: &Metrics, source: &ConfigMapSource, tell: impl Fn(Held)) {
    let ConfigMapSource { namespace, name, .. } = source;
    let maps: Api<ConfigMap> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watch_events(maps, config).default_backoff());
    let missing = || Err(format!("ConfigMap {namespace}/{name} does not exist"));
    let (mut listed, mut known) = (None, false);
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listed = None,
            Ok(Some(Event::InitApply(map))) => listed = Some(held(source, map)),
            Ok(Some(Event::InitDone)) => {
                known = true;
                tell(listed.take().unwrap_or_else(missing));
            }
            Ok(Some(Event::Apply(map))) => tell(held(source, map)),
            Ok(Some(Event::Delete(_))) => tell(missing()),
            Ok(None) => return,
            Err(error) => {
                let reason = interruption(&error);
                metrics.watch_interruptions.get_or_create(&WatchLabels { reason }).inc();
                debug!(reason, %error, "the watch of ConfigMap {namespace}/{name} is taken up again");
                if !known {
                    tell(Err(unreadable(source, &error)));
                }
            }
        }
    }
}

fn unreadable(source: &ConfigMapSource, error: &watcher::Error) -> String {
    let ConfigMapSource { namespace, name, .. } = source;
    let forbidden = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == 403,
        _ => false,
    };
    if forbidden {
        format!(
            "the host itself may not list and watch ConfigMap {namespace}/{name}; grant it to the \
             host's service account (`joch-controller-manager rbac --config-map {namespace}/{name}` \
             prints the rule)"
        )
    } else {
        format!("ConfigMap {namespace}/{name} cannot be read: {error}")
    }
}

fn held(source: &ConfigMapSource, map: ConfigMap) -> Held {
    let ConfigMapSource { namespace, name, key } = source;
    let bytes = map.binary_data.unwrap_or_default().remove(key);
    match bytes {
        Some(bytes) => Ok(bytes.0.into()),
        None => Err(format!("ConfigMap {namespace}/{name} has no key {key:?} under binaryData")),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn only_the_named_key_counts() {
        let source =
            ConfigMapSource { namespace: "a".into(), name: "m".into(), key: "p.wasm".into() };
        let map = |key: &str| ConfigMap {
            binary_data: Some([(key.to_owned(), ByteString(b"bytes".to_vec()))].into()),
            ..ConfigMap::default()
        };
        assert_eq!(held(&source, map("p.wasm")).as_deref(), Ok(b"bytes".as_slice()));
        let error = held(&source, map("other.wasm")).unwrap_err();
        assert!(error.contains("a/m") && error.contains("p.wasm"), "{error}");
    }
}
