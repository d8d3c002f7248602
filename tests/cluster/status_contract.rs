//! The status contract on a real API server, case by case (SC-1 to SC-18): a
//! scripted guest reports, the test looks at what is stored and at what was sent. The pure part is tested
//! in `host/core/src/status/tests.rs`, SC-16 in `finalizer.rs`.

mod conflicts;
mod contract;
mod pruned;

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::proxy::Entry;
use joch_tests::puppet::{Puppet, Run};
use joch_tests::stage::Stage;
use serde_json::{Value, json};

/// Has one status reported, in a script of its own.
async fn report(host: &Host, puppet: &Puppet, status: Value) -> Result<Run> {
    puppet.plays(host, json!([{"report": {"status": status}}])).await
}

/// Has one status reported, which has to be written.
async fn reported(host: &Host, puppet: &Puppet, status: Value) -> Result<Value> {
    let run = report(host, puppet, status).await?;
    ensure!(run.answer(0)? == "written", "{run:?}");
    puppet.status().await
}

fn condition(kind: &str, status: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "Told", "message": "m"})
}

/// The status of a condition, by its type.
fn state<'a>(status: &'a Value, kind: &str) -> &'a str {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let found = conditions.and_then(|list| list.iter().find(|c| c["type"] == kind));
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// The writes to an object's status, after a mark.
fn status_writes(stage: &Stage, resource: &str, name: &str, mark: usize) -> Vec<Entry> {
    let writes = stage.proxy.record().writes_to(resource, &stage.namespace, name, mark);
    writes
        .into_iter()
        .filter(|entry| entry.request.subresource.as_deref() == Some("status"))
        .collect()
}
