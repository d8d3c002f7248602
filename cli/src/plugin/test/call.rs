//! One call of the component in the world of one case.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use jiff::Timestamp;
use joch_core::manifest::ControllerSpec;
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::port::{Call, Invoke as _, Purpose};
use joch_core::time::rfc3339;
use joch_engine::{Plugin, PluginSpec};
use joch_fake::Cluster;
use serde_json::Value;

use super::case::Case;
use super::observed::Observed;
use super::session::Hands;
use super::world::{Setting, World, target};
use super::{Subject, log};
use crate::plugin::requests;

/// Calls the component and observes what it does.
///
/// # Errors
/// If the case makes no sense for this plugin. What the plugin does wrong is observed, not an error.
pub(super) fn call(subject: &Subject, case: &Case) -> anyhow::Result<Observed> {
    let manifest = &subject.package.manifest;
    let now: Timestamp = case
        .now
        .parse()
        .map_err(|_| anyhow!("now: {:?} is no time (write \"2026-01-01T00:00:00Z\")", case.now))?;
    let now_unix_ms = u64::try_from(now.as_millisecond()).context("now: is before 1970")?;
    let mut cluster = Cluster::new(rfc3339(now_unix_ms));
    for (index, object) in case.given.iter().enumerate() {
        cluster.insert(object.clone()).map_err(|error| anyhow!("given[{index}]: {error}"))?;
    }
    let (purpose, key) = asked(case)?;
    let controller = controller(&manifest.controllers, &key.kind)?;
    ensure!(
        purpose == Purpose::Reconcile || controller.finalizer.is_some(),
        "finalize: the manifest gives the controller {} no finalizer",
        controller.name
    );
    let object = cluster
        .get(&target(&key, None))
        .map_err(|_| anyhow!("{key} is not among the objects that are given"))?
        .clone();
    let setting =
        Setting::new(manifest, requests::granted(manifest, true)?, controller, &key, &object);
    let uid = setting.uid.clone();
    let hands = Arc::new(Hands::new(setting, World::new(cluster, now_unix_ms)));

    let config = Value::Object(case.config.clone()).to_string();
    let spec = PluginSpec::of(manifest, subject.package.digest, config);
    let plugin = Plugin::new(&subject.engine, &subject.component, spec)?;
    let request = Call {
        purpose,
        controller: controller.name.to_string(),
        target: ObjectRef { key: key.clone(), uid: Some(uid) },
        object: object.to_string().into(),
        now_unix_ms,
        attempt: case.attempt,
        session: hands.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (report, log) = log::listen(|| runtime.block_on(plugin.call(request)));
    Ok(Observed::new(&report.result, &key, &hands.world(), log))
}

fn asked(case: &Case) -> anyhow::Result<(Purpose, ObjectKey)> {
    match (&case.reconcile, &case.finalize) {
        (Some(object), None) => Ok((Purpose::Reconcile, object.key())),
        (None, Some(object)) => Ok((Purpose::Finalize, object.key())),
        _ => bail!("a case names either the object to reconcile, or the one to finalize"),
    }
}

fn controller<'a>(
    controllers: &'a [ControllerSpec],
    kind: &Gvk,
) -> anyhow::Result<&'a ControllerSpec> {
    let found = controllers.iter().find(|spec| spec.reconciles().any(|own| own == kind));
    found.with_context(|| {
        let own: Vec<String> = controllers
            .iter()
            .flat_map(ControllerSpec::reconciles)
            .map(ToString::to_string)
            .collect();
        format!("the plugin does not reconcile {kind}, only {}", own.join(", "))
    })
}
