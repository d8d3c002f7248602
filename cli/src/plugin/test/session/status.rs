//! The primary's status: planned by `joch-core`, written in memory.

use joch_core::grant::{KubeCall, Verb};
use joch_core::port::{KubeError, Verdict};
use joch_core::status::{self, Circumstances, Dropped, Plan};
use joch_core::time::rfc3339;
use joch_fake::{Change, Operation};
use serde_json::json;

use super::super::world::{Setting, World, refusal, target};
use super::parse;

pub(super) fn report(
    setting: &Setting,
    world: &mut World,
    report: &str,
    generation: Option<i64>,
) -> Result<Verdict, KubeError> {
    let key = &setting.primary;
    let call = KubeCall { subresource: Some("status"), ..KubeCall::on(Verb::Patch, key) };
    world.allow(setting, &call, key)?;
    let report = parse(report)?;
    let primary = target(key, Some(&setting.uid));
    let object = match world.cluster.get(&primary) {
        Ok(object) => object.clone(),
        // The guest deleted it: the report comes too late.
        Err(_) => return Ok(Verdict::Superseded(setting.object.to_string().into())),
    };
    let circumstances = Circumstances {
        fields: &setting.controller.status,
        generation: setting.generation,
        now: &rfc3339(world.now_unix_ms),
        dropped: &Dropped::default(),
    };
    let decision = status::decide(&object, &report, generation, circumstances)
        .map_err(|error| KubeError::Invalid(error.to_string()))?;
    let patch = match decision.plan {
        Plan::Unchanged => return Ok(Verdict::Unchanged),
        Plan::Superseded => return Ok(Verdict::Superseded(object.to_string().into())),
        Plan::Write { patch, .. } => patch,
    };
    world.spend(setting)?;
    let change = Change {
        subresource: Some("status".to_owned()),
        manager: setting.manager(),
        ..Change::new(primary, Operation::Merge(json!({ "status": patch })))
    };
    world.cluster.write(change).map_err(|error| refusal(error, key))?;
    Ok(Verdict::Written)
}
