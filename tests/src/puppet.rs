//! The fixture guest `puppet`: it does what its object's script says, and tells it in the host's log.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::host::{Host, Log};
use crate::objects;
use crate::paths;
use crate::stage::Stage;
use crate::wait::{LONG, eventually};

/// The definitions of the puppet's kinds.
#[must_use]
pub fn definitions() -> PathBuf {
    paths::root().join("tests/guests/puppet/crd.yaml")
}

/// Access to the puppet's kinds: `Puppet`, `Marionette`, `Doll`.
#[must_use]
pub fn api(client: Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("test.joch.dev", "v1alpha1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}

/// The fixture with its manifest changed: each pair is a text that has to be there and what takes its
/// place.
///
/// # Errors
/// If the fixture is not built, or lacks one of the texts.
pub fn with(changes: &[(&str, &str)]) -> Result<Vec<u8>> {
    let bytes = crate::guests::component("puppet")?;
    let mut manifest = joch_artifact::manifest_text(&bytes)?;
    for (from, to) in changes {
        ensure!(manifest.contains(from), "the puppet's manifest does not say {from:?}");
        manifest = manifest.replacen(from, to, 1);
    }
    Ok(joch_artifact::with_manifest(&bytes, &manifest)?)
}

/// Sets up a stage on the shared cluster, which has the kinds, with the fixture in its plugin folder,
/// changed as by [`with`].
///
/// # Errors
/// As [`Stage::new`] and [`with`].
pub async fn stage(cluster: &Cluster, test: &str, changes: &[(&str, &str)]) -> Result<Stage> {
    let stage = Stage::new(cluster, test, &[]).await?;
    stage.plugins.install("puppet.wasm", &with(changes)?)?;
    Ok(stage)
}

/// A script's step that starts a Job, as the restricted profile wants it.
#[must_use]
pub fn job(name: &str) -> Value {
    json!({"startJob": {"metadata": {"name": name}, "spec": {"template": {"spec": {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "main", "image": "registry.test/worker:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    }}}}})
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Step {
    /// The object's name.
    pub puppet: String,
    /// The generation of the spec that had the script.
    pub generation: i64,
    /// Its place in the script.
    pub step: usize,
    /// The call's name in the script.
    pub call: String,
    /// Whether the host did it.
    pub ok: bool,
    /// What the host answered.
    #[serde(default)]
    pub answer: Value,
    /// Why not, in one word.
    #[serde(default)]
    pub error: String,
    /// Why not, in the host's words.
    #[serde(default)]
    pub text: String,
}

/// One reconcile of a puppet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    /// The generation of the spec that had the script.
    pub generation: i64,
    /// The controller that was called, by its name in the manifest.
    pub controller: String,
    /// Whether the object was being deleted.
    pub finalize: bool,
    /// What became of each step, in their order; a step that is repeated is told as often.
    pub steps: Vec<Step>,
    /// What the host says came out, once it is finished.
    pub outcome: Option<String>,
}

impl Run {
    /// What became of a step, by its place in the script; of its last repetition if it has some.
    ///
    /// # Errors
    /// If the run did not come so far.
    pub fn step(&self, place: usize) -> Result<&Step> {
        let steps = self.steps.iter().rev();
        let found = { steps }.find(|step| step.step == place);
        found.with_context(|| format!("step {place} was not made: {self:?}"))
    }

    /// What the host answered to a step.
    ///
    /// # Errors
    /// If it refused, or the run did not come so far.
    pub fn answer(&self, place: usize) -> Result<&Value> {
        let step = self.step(place)?;
        ensure!(step.ok, "refused: {step:?}");
        Ok(&step.answer)
    }

    /// Why the host refused a step: one word and its words.
    ///
    /// # Errors
    /// If it did it, or the run did not come so far.
    pub fn refusal(&self, place: usize) -> Result<(&str, &str)> {
        let step = self.step(place)?;
        ensure!(!step.ok, "not refused: {step:?}");
        Ok((&step.error, &step.text))
    }
}

/// The reconciles of one puppet that a log tells of, in their order.
#[must_use]
pub fn runs(log: &Log, name: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for start in &log.0 {
        let mut open: Vec<([Option<String>; 3], Run)> = Vec::new();
        for line in start {
            // Each controller counts its own reconciles.
            let id = ["plugin", "controller", "reconcile_id"].map(|name| line.text(name));
            let told: Value = serde_json::from_str(&line.message()).unwrap_or_default();
            if let Some(controller) = told.get("begin").and_then(Value::as_str) {
                if told.get("puppet").and_then(Value::as_str) == Some(name) {
                    let generation =
                        told.get("generation").and_then(Value::as_i64).unwrap_or_default();
                    let controller = controller.to_owned();
                    let finalize = told.get("finalize").and_then(Value::as_bool) == Some(true);
                    open.push((id, Run { generation, controller, finalize, ..Run::default() }));
                }
            } else if let Some((_, run)) = open.iter_mut().rev().find(|(open, _)| *open == id) {
                if let Ok(step) = serde_json::from_value(told)
                    && run.outcome.is_none()
                {
                    run.steps.push(step);
                } else if line.message() == "reconcile finished" && run.outcome.is_none() {
                    run.outcome = line.text("outcome");
                }
            }
        }
        runs.extend(open.into_iter().map(|(_, run)| run));
    }
    runs
}

/// One object of the puppet's kinds, driven step by step.
#[derive(Debug, Clone)]
pub struct Puppet {
    /// Access to its kind.
    pub api: Api<DynamicObject>,
    /// Its name.
    pub name: String,
}

impl Puppet {
    /// Makes an object of a kind with a script.
    ///
    /// # Errors
    /// The API server's.
    pub async fn create(stage: &Stage, kind: &str, name: &str, script: Value) -> Result<Self> {
        let api = api(stage.client.clone(), kind, &stage.namespace);
        let object = json!({
            "apiVersion": "test.joch.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
            "spec": {"script": script},
        });
        objects::create(&api, &object).await?;
        Ok(Self { api, name: name.to_owned() })
    }

    /// Makes a Puppet whose script is empty.
    ///
    /// # Errors
    /// The API server's.
    pub async fn new(stage: &Stage, name: &str) -> Result<Self> {
        Self::create(stage, "Puppet", name, json!([])).await
    }

    /// The object.
    ///
    /// # Errors
    /// The API server's.
    pub async fn object(&self) -> Result<DynamicObject> {
        Ok(self.api.get(&self.name).await?)
    }

    /// Its status; null if there is none.
    ///
    /// # Errors
    /// The API server's.
    pub async fn status(&self) -> Result<Value> {
        Ok(self.object().await?.data.get("status").cloned().unwrap_or_default())
    }

    /// Gives it another script; answers with its generation then. The text `$null` in a body or a status
    /// stands for null, which the API server would drop.
    ///
    /// # Errors
    /// The API server's.
    pub async fn edit(&self, script: Value) -> Result<i64> {
        // Something has to differ, or the generation stays and nobody is woken.
        let version = self.object().await?.resource_version().unwrap_or_default();
        let patch = Patch::Merge(json!({"spec": {"script": script, "edited": version}}));
        let object = self.api.patch(&self.name, &PatchParams::default(), &patch).await?;
        Ok(object.metadata.generation.unwrap_or_default())
    }

    /// Gives it another script and waits for its first reconcile to be finished.
    ///
    /// # Errors
    /// If none is in time; with the host's last words.
    pub async fn plays(&self, host: &Host, script: Value) -> Result<Run> {
        let generation = self.edit(script).await?;
        self.played(host, generation).await
    }

    /// Waits for the first reconcile of a generation to be finished.
    ///
    /// # Errors
    /// If none is in time; with the host's last words.
    pub async fn played(&self, host: &Host, generation: i64) -> Result<Run> {
        let what = format!("{} has played generation {generation}", self.name);
        let probe = async || {
            let runs = runs(&host.log()?, &self.name);
            let first = runs.into_iter().find(|run| run.generation == generation);
            first.filter(|run| run.outcome.is_some()).context("not yet")
        };
        eventually(&what, LONG, probe).await.with_context(|| host.last_words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Line;

    #[test]
    fn the_steps_of_two_puppets_are_told_apart_by_their_reconciles() {
        let line = |id: u32, message: Value| {
            let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
            let line = json!({"message": message, "outcome": "Done", "span": {"reconcile_id": id}});
            Line::parse(&line.to_string()).unwrap()
        };
        let begin = |name: &str| json!({"puppet": name, "generation": 2, "begin": "puppet"});
        let step = |name: &str, answer: u32| json!({"puppet": name, "generation": 2, "step": 0, "call": "count", "ok": true, "answer": answer});
        let log = Log(vec![vec![
            line(1, begin("a")),
            line(2, begin("b")),
            line(2, step("b", 7)),
            line(1, step("a", 5)),
            line(1, json!("reconcile finished")),
        ]]);
        let [run] = runs(&log, "a").try_into().unwrap();
        assert_eq!(
            (run.generation, run.answer(0).unwrap(), run.outcome.is_some()),
            (2, &json!(5), true)
        );
        assert!(run.refusal(0).is_err() && run.step(1).is_err());
        let [run] = runs(&log, "b").try_into().unwrap();
        assert_eq!(run.outcome, None, "it has not finished");
    }
}
