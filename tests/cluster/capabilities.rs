//! What a guest may ask of the host, one capability after the other: one call that is allowed, one that is
//! denied and says which grant is missing, one that meets its bound. Through the real host, with a guest
//! that makes the calls which its object names.

mod jobs;
mod reader;
mod runtime;
mod writer;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::proxy::{Action, ApiRequest};
use joch_tests::puppet::Run;
use joch_tests::stage::Stage;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::Value;

/// A watch that brings nothing within the time of a test.
const NEVER: Duration = Duration::from_secs(3600);

/// The cache of ConfigMaps holds what the first list brought, and learns of nothing by its watch.
fn frozen(request: &ApiRequest) -> Action {
    if request.is_watch() && request.resource == "configmaps" {
        Action::Delay(NEVER)
    } else {
        Action::Pass
    }
}

fn config_maps(stage: &Stage) -> Api<ConfigMap> {
    Api::namespaced(stage.client.clone(), &stage.namespace)
}

/// Makes a ConfigMap as somebody else would.
async fn config_map(stage: &Stage, object: Value) -> Result<ConfigMap> {
    let object: ConfigMap = serde_json::from_value(object)?;
    Ok(config_maps(stage).create(&PostParams::default(), &object).await?)
}

/// A step with the fields of `more` added.
fn with(mut step: Value, more: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (step.as_object_mut(), more) {
        fields.extend(more);
    }
    step
}

/// Checks that a step was denied for want of a grant that names these words.
fn denied(run: &Run, step: usize, words: &[&str]) -> Result<()> {
    let (error, missing) = run.refusal(step)?;
    ensure!(error == "denied", "step {step} of {run:?}");
    for word in words {
        ensure!(missing.contains(word), "{word:?} is not in {missing:?}");
    }
    Ok(())
}

/// The value of a metric that begins so.
async fn metric(host: &Host, name: &str) -> Result<f64> {
    let (_, page) = host.page("/metrics").await?;
    let value = page.lines().find_map(|line| line.strip_prefix(name));
    Ok(value.with_context(|| format!("no {name} in {page}"))?.trim().parse()?)
}

async fn denials(host: &Host) -> Result<f64> {
    metric(host, "joch_plugin_denials_total{plugin=\"puppet\"}").await
}
