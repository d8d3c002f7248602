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

        let ready = Condition::new("Ready", true, "Greeted", "the ConfigMap has the greeting");
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
mod tests {
    use super::*;

    fn check(name: &str, language: &str, expected: &str) {
        let spec = Spec { name: name.to_owned(), language: language.to_owned() };
        assert_eq!(greet(&spec), expected);
    }

    #[test]
    fn greets_in_the_language_asked_for() {
        check("Ada", "de", "Hallo, Ada!");
        check("Ada", "fr", "Bonjour, Ada!");
    }

    #[test]
    fn greets_in_english_otherwise() {
        check("Ada", "", "Hello, Ada!");
        check("Ada", "tlh", "Hello, Ada!");
    }
}
