//! Secrets of the case's world, and requests that leave it: decided by `joch-core`.

use joch_core::grant::{Verb, decide_http, decide_secret};
use joch_core::object::{Gvk, ObjectKey};
use joch_core::port::{HttpCall, KubeError, Reach, SecretRef, SecretUse, SecretValue};
use serde_json::Value;

use super::super::world::{Setting, World, target};

/// The value of a given Secret, as its `stringData` has it: cases are written by people.
pub(super) fn read(
    setting: &Setting,
    world: &mut World,
    secret: &SecretRef,
    wanted: &SecretUse,
) -> Result<SecretValue, KubeError> {
    let rules = &setting.authority.secrets;
    let primary = setting.primary.namespace.as_deref();
    let namespace = secret.namespace.clone().or_else(|| primary.map(str::to_owned));
    let kind = Gvk::new("", "v1", "Secret");
    let key = ObjectKey { kind, namespace, name: secret.name.clone() };
    decide_secret(&rules.requested, &rules.granted, secret, wanted, primary)
        .map_err(|missing| world.denied(Verb::Get, &key, missing))?;
    world.spend(setting)?;
    let held = world.cluster.get(&target(&key, None)).map_err(|_| KubeError::NotFound)?;
    let value = held.get("stringData").and_then(|data| data.get(&secret.key));
    let value = value.and_then(Value::as_str).ok_or(KubeError::NotFound)?;
    Ok(SecretValue::from(value.as_bytes().to_vec()))
}

/// Whether a request may leave. A case has no network: what may leave does not arrive.
pub(super) fn authorize(
    setting: &Setting,
    world: &mut World,
    call: &HttpCall,
) -> Result<Reach, KubeError> {
    let rules = &setting.authority.http;
    decide_http(&rules.requested, &rules.granted, &call.method, &call.origin)
        .map_err(|missing| world.denied(Verb::Create, &setting.primary, missing))?;
    Err(KubeError::Unavailable(None))
}
