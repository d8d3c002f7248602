//! Greetings, the example's objects: made, edited, and awaited.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use joch_tests::cluster::Cluster;
use joch_tests::objects::{create, greetings};
use joch_tests::paths;
use joch_tests::stage::Stage;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many creations are under way at once.
const HANDS: usize = 32;
/// How long one change may take to be answered with a write.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked for in turn, and how it begins.
const LANGUAGES: [(&str, &str); 2] = [("de", "Hallo"), ("fr", "Bonjour")];
/// Between two changes, so that the status, which is written last, is written.
const PAUSE: Duration = Duration::from_millis(15);

/// Installs the kind.
///
/// # Errors
/// kubectl's.
pub(crate) async fn install_kind(cluster: &Cluster) -> Result<()> {
    cluster.apply(&paths::root().join("examples/hello-controller/crd.yaml"), None).await.map(drop)
}

/// The example's component with limits of one's own: with the default ones, a benchmark would measure the
/// limit of calls per second.
///
/// # Errors
/// If the example is not built.
pub(crate) fn component(concurrency: u16) -> Result<Vec<u8>> {
    let bytes = joch_tests::guests::component("hello-controller")?;
    let mut manifest = joch_artifact::manifest_text(&bytes)?;
    manifest
        .push_str(&format!("\n[limits]\napi-per-second = 10000\nconcurrency = {concurrency}\n"));
    Ok(joch_artifact::with_manifest(&bytes, &manifest)?)
}

/// The name of the object of a number.
pub(crate) fn name(number: usize) -> String {
    format!("g-{number:05}")
}

/// A Greeting.
pub(crate) fn greeting(name: &str) -> Value {
    json!({
        "apiVersion": "hello.joch.dev/v1alpha1", "kind": "Greeting", "metadata": {"name": name},
        "spec": {"name": name},
    })
}

/// Makes so many Greetings.
///
/// # Errors
/// The API server's.
pub(crate) async fn create_many(api: &Api<DynamicObject>, count: usize) -> Result<()> {
    let each = futures::stream::iter((0..count).map(name))
        .map(|name| async move { create(api, &greeting(&name)).await.map(drop) });
    each.buffer_unordered(HANDS).try_collect().await
}

/// Follows the ConfigMaps of a namespace: when which one was first seen to say what.
pub(crate) struct Written {
    seen: mpsc::UnboundedReceiver<(String, String, Instant)>,
    follows: JoinHandle<()>,
    /// How often [`Self::changes`] has edited each object.
    turn: usize,
}

impl Written {
    /// Begins to follow.
    pub(crate) fn follow(stage: &Stage) -> Self {
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let (tell, seen) = mpsc::unbounded_channel();
        let follows = tokio::spawn(async move {
            let events = watcher(maps, watcher::Config::default()).default_backoff();
            let mut maps = std::pin::pin!(events.applied_objects());
            while let Some(map) = maps.next().await {
                let at = Instant::now();
                let Ok(map) = map else { continue };
                let text = map.data.as_ref().and_then(|data| data.get("text")).cloned();
                if tell.send((map.name_any(), text.unwrap_or_default(), at)).is_err() {
                    return;
                }
            }
        });
        Self { seen, follows, turn: 0 }
    }

    /// When the Greeting's ConfigMap was first seen to say this.
    async fn until(&mut self, greeting: &str, wanted: &str) -> Result<Instant> {
        let map = format!("{greeting}-greeting");
        let seen = async {
            loop {
                let (name, text, at) = self.seen.recv().await.context("the watch ended")?;
                if name == map && text == wanted {
                    return Ok(at);
                }
            }
        };
        let late = || format!("{map} does not say {wanted:?} after {PATIENCE:?}");
        tokio::time::timeout(PATIENCE, seen).await.with_context(late)?
    }

    /// Makes a Greeting, and waits for its ConfigMap.
    ///
    /// # Errors
    /// If it is not written in time.
    pub(crate) async fn create(&mut self, stage: &Stage, name: &str) -> Result<()> {
        let api = greetings(stage.client.clone(), &stage.namespace);
        create(&api, &greeting(name)).await?;
        self.until(name, &format!("Hello, {name}!")).await.map(drop)
    }

    /// Edits a Greeting, for the time of this number; answers how long it took from when the edit was sent
    /// to when the ConfigMap was seen to be written.
    ///
    /// # Errors
    /// If it is not written in time.
    pub(crate) async fn edit(
        &mut self,
        stage: &Stage,
        name: &str,
        turn: usize,
    ) -> Result<Duration> {
        let api = greetings(stage.client.clone(), &stage.namespace);
        let (language, word) = LANGUAGES.get(turn % 2).context("a language")?;
        let patch = Patch::Merge(json!({"spec": {"language": language}}));
        let sent = Instant::now();
        api.patch(name, &PatchParams::default(), &patch).await?;
        let seen = self.until(name, &format!("{word}, {name}!")).await?;
        Ok(seen.saturating_duration_since(sent))
    }

    /// Makes so many Greetings, one after the other.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(crate) async fn prepare(&mut self, stage: &Stage, count: usize) -> Result<()> {
        for number in 0..count {
            self.create(stage, &name(number)).await?;
        }
        Ok(())
    }

    /// Edits the Greetings that [`Self::prepare`] made one after the other, at least so many times in all: as
    /// often each, so that the next call finds all in one language.
    ///
    /// # Errors
    /// As [`Self::edit`].
    pub(crate) async fn changes(
        &mut self,
        stage: &Stage,
        prepared: usize,
        count: usize,
    ) -> Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(count);
        while took.len() < count {
            let turn = self.turn;
            self.turn += 1;
            for name in (0..prepared).map(name) {
                took.push(self.edit(stage, &name, turn).await?);
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(took)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.follows.abort();
    }
}
