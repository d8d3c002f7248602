//! Keeps the status of the Plugin objects in step with what is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use joch_controller::PluginObject;
use joch_core::name::PluginName;
use serde_json::Value;
use tracing::debug;

use crate::keeper::Shared;

/// How often controllers are asked for their state, of which nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// Publishes for ever. `objects` hands out the Plugin objects as they are now.
pub(crate) async fn publish(shared: Arc<Shared>, objects: impl Fn() -> Vec<PluginObject>) {
    let mut sent: HashMap<PluginName, (String, i64, Value)> = HashMap::new();
    loop {
        tokio::select! {
            () = shared.board.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
        let mut reports = shared.board.reports(&shared.loader.registry.views());
        sent.retain(|name, _| reports.contains_key(name));
        for object in objects() {
            let Ok(name) = object.name.parse::<PluginName>() else { continue };
            let Some(report) = reports.remove(&name) else { continue };
            let now = (object.uid.clone(), object.generation, report);
            if sent.get(&name) == Some(&now) {
                continue;
            }
            match shared.writer.report(&object, &now.2).await {
                Ok(()) => drop(sent.insert(name, now)),
                Err(error) => debug!(plugin = %name, %error, "its status is written later"),
            }
        }
    }
}
