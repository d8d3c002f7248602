//! Grants of a Plugin object: missing ones, optional ones, limits; and denials as events about the plugin.

use anyhow::{Result, ensure};
use joch_artifact::{manifest_text, with_manifest};
use joch_tests::guests::component;
use joch_tests::objects::{create, greetings};
use joch_tests::plugin_objects::{merge, plugin, plugins, put_in_map, stage, until, until_event};
use joch_tests::suite::on_bare_cluster;
use serde_json::json;

use crate::hello::{greeting, until_text};

#[test]
fn required_grants_are_waited_for_and_a_denial_is_an_event_about_the_plugin() -> Result<()> {
    on_bare_cluster("plugin_objects::grants", async |cluster| {
        let stage = stage(cluster, "plugin_objects::grants", &[]).await?;
        let host = stage.host().await?;
        let all = plugins(stage.client.clone());
        let bytes = component("hello-controller")?;
        put_in_map(&stage, "code", "hello.wasm", &bytes).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let mut object = plugin("hello", &source);
        object["spec"]["grants"] = json!({"allow": "readOnly"});
        create(&all, &object).await?;
        let refused =
            until(&all, "hello", "Refused", &["GrantsSatisfied=False/MissingGrants"]).await?;
        let message = refused.data["status"]["conditions"].to_string();
        for part in ["create on v1/ConfigMap", "spec.grants"] {
            ensure!(message.contains(part), "{part:?} is not in {message}");
        }

        // The same plugin, which can do without.
        let text = manifest_text(&bytes)?;
        let optional = text.replace("required = true", "required = false");
        ensure!(optional != text, "the manifest no longer says required = true");
        put_in_map(&stage, "code", "hello.wasm", &with_manifest(&bytes, &optional)?).await?;
        let status = json!([{"verbs": ["patch"], "kinds": ["hello.joch.dev/v1alpha1/Greeting"],
            "subresources": ["status"], "scope": "all"}]);
        merge(&all, "hello", json!({"spec": {"grants": {"kube": status}}})).await?;
        let granted = &["Ready=True/Running", "GrantsSatisfied=True/OptionalMissing"];
        let lacking = until(&all, "hello", "Active", granted).await?;
        let missing = lacking.data["status"]["missing"].to_string();
        ensure!(missing.contains("create on v1/ConfigMap"), "{missing}");
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        let told = until_event(&stage.client, "hello", "Denied").await?;
        ensure!(told.contains("patch on v1/ConfigMap in namespace"), "{told}");
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(metrics.contains("joch_plugin_denials_total{plugin=\"hello\"}"), "{metrics}");

        merge(&all, "hello", json!({"spec": {"grants": {"allow": "requested"}}})).await?;
        until(&all, "hello", "Active", &["GrantsSatisfied=True/Granted"]).await?;
        until_text(&stage, "ada", "Hello, ada!").await
    })
}

#[test]
fn limits_of_the_object_hold_and_bad_ones_are_refused_by_name() -> Result<()> {
    on_bare_cluster("plugin_objects::limits", async |cluster| {
        let stage = stage(cluster, "plugin_objects::limits", &[]).await?;
        let _host = stage.host().await?;
        let all = plugins(stage.client.clone());
        put_in_map(&stage, "code", "hello.wasm", &component("hello-controller")?).await?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let mut object = plugin("hello", &source);
        object["spec"]["limits"] = json!({"memory": "64Ki"});
        create(&all, &object).await?;
        let small = until(&all, "hello", "Refused", &["Compatible=False/TrialFailed"]).await?;
        let message = small.data["status"]["conditions"].to_string();
        ensure!(message.contains("65536 bytes of memory"), "{message}");
        merge(&all, "hello", json!({"spec": {"limits": {"memory": "16Mi", "cpu": "0ms"}}})).await?;
        let zero = until(&all, "hello", "Refused", &["Compatible=False/InvalidSpec"]).await?;
        let message = zero.data["status"]["conditions"].to_string();
        ensure!(message.contains("spec.limits.cpu"), "{message}");
        merge(&all, "hello", json!({"spec": {"limits": {"cpu": null}}})).await?;
        until(&all, "hello", "Active", &["Ready=True/Running"]).await.map(drop)
    })
}
