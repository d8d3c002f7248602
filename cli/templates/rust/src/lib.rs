//! For each {{kind}}, a ConfigMap with its message.

use joch_plugin::{Condition, ConfigMap, Context, Controller, Failure, Outcome};
use serde::Deserialize;
use serde_json::json;

joch_plugin::plugin! {
    manifest: "plugin.toml",
    controllers: { "{{singular}}" => Reconciler },
}

/// A {{kind}}, as far as this controller reads it.
#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    message: String,
}

struct Reconciler;

impl Controller for Reconciler {
    type Object = Object;

    /// Called whenever the object, its ConfigMap, or anything that was read here has changed.
    fn reconcile(&self, cx: &Context, Object { spec }: Object) -> Result<Outcome, Failure> {
        let name = format!("{}-{{singular}}", cx.name());
        let data = json!({ "data": { "message": spec.message } });
        cx.change(ConfigMap::KIND, &name)
            .owned()
            .force()
            .apply(&data)?;

        let ready = Condition::new("Ready", true, "Written", "the ConfigMap has the message");
        let status = json!({ "phase": "Ready", "configMapName": name, "conditions": [ready] });
        cx.report_status(&status)?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use joch_plugin::{Kind, fake::FakeHost};
    use serde_json::Value;

    use super::*;

    const KIND: Kind<Value> = Kind::new("{{group}}/{{version}}", "{{kind}}");

    #[test]
    fn the_config_map_has_the_message() {
        let host = FakeHost::new();
        let object = json!({ "spec": { "message": "Hello" } });
        host.put(KIND, "team/a", &object);

        let outcome = host.reconcile(&Reconciler, KIND, "team/a");
        assert_eq!(outcome, Ok(Outcome::Done));
        let map = host.find(ConfigMap::KIND, "team/a-{{singular}}").unwrap();
        assert_eq!(map.data["message"], "Hello");
        assert_eq!(host.status(KIND, "team/a")["phase"], "Ready");
    }

    #[test]
    fn a_settled_object_causes_no_write() {
        let host = FakeHost::new();
        let object = json!({ "spec": { "message": "Hello" } });
        host.put(KIND, "team/a", &object);
        host.reconcile(&Reconciler, KIND, "team/a").unwrap();

        host.forget();
        host.reconcile(&Reconciler, KIND, "team/a").unwrap();
        assert_eq!(host.wrote(), [""; 0]);
    }
}
