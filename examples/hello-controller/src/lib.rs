//! The smallest useful controller: for each `Greeting`, a ConfigMap that greets.

use joch_plugin::{Condition, ConfigMap, Context, Controller, Failure, Outcome};
use serde::Deserialize;
use serde_json::json;

joch_plugin::plugin! {
    manifest: "plugin.toml",
    controllers: { "greeting" => Greeter },
}

#[derive(Deserialize)]
struct Greeting {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    name: String,
    #[serde(default)]
    language: String,
}

struct Greeter;

impl Controller for Greeter {
    type Object = Greeting;

    fn reconcile(&self, cx: &Context, Greeting { spec }: Greeting) -> Result<Outcome, Failure> {
        let config_map = format!("{}-greeting", cx.name());
        let data = json!({ "data": { "text": greet(&spec) } });
        cx.change(ConfigMap::KIND, &config_map).owned().force().apply(&data)?;

        let ready = Condition::ready(true, "Greeted", "the ConfigMap has the greeting");
        cx.report_status(&json!({
            "phase": "Ready",
            "configMapName": config_map,
            "conditions": [ready],
        }))?;
        Ok(Outcome::Done)
    }
}

/// What the ConfigMap says.
fn greet(Spec { name, language }: &Spec) -> String {
    let hello = match &**language {
        "de" => "Hallo",
        "fr" => "Bonjour",
        _ => "Hello",
    };
    format!("{hello}, {name}!")
}

#[cfg(test)]
mod tests;
