//! Definitions of primaries and of Plugin that are deleted while the host runs, and made anew.

use anyhow::{Context as _, Result, ensure};
use joch_tests::checks::overlaps;
use joch_tests::host::Host;
use joch_tests::objects::{condition, create, greetings};
use joch_tests::paths;
use joch_tests::plugin_objects::{self, plugins, until};
use joch_tests::proxy::{Action, ApiRequest, Faults};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::{DOLL, define, definition, told, undefine, until_answered, until_metric, until_state};
use crate::hello::{greeting, until_text};

const WAITING: &str = "WaitingFor test.joch.dev/v1alpha1/Puppet";

fn resource(plural: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk("test.joch.dev", "v1alpha1", "Puppet");
    ApiResource::from_gvk_with_plural(&kind, plural)
}

fn reports(message: &str) -> Value {
    json!([{"report": {"status": {"message": message}}}])
}

fn object(name: &str, script: Value) -> Value {
    json!({
        "apiVersion": "test.joch.dev/v1alpha1", "kind": "Puppet", "metadata": {"name": name},
        "spec": {"script": script},
    })
}

#[test]
fn a_primary_kind_that_goes_is_waited_for_and_taken_up_as_it_comes_back() -> Result<()> {
    on_bare_cluster("kinds::primary", async |cluster| {
        let test = "kinds::primary";
        cluster.apply(&puppet::definitions(), None).await?;
        let stage = plugin_objects::stage(cluster, test, &["hello-controller"]).await?;
        stage.plugins.install("puppet.wasm", &puppet::with(&[])?)?;
        let host = Host::start(stage.options.clone()).await?;
        let old = Puppet::create(&stage, "Puppet", "p", reports("before")).await?;
        old.played(&host, 1).await?;
        let overview = until_state(&host, "puppet", "Running").await?;
        ensure!(overview.controller("puppet").is_some_and(|it| it.objects == 1), "{overview:?}");

        undefine(cluster, "puppets.test.joch.dev").await?;
        let overview = until_state(&host, "puppet", WAITING).await?;
        let view = overview.controller("puppet").context("no controller")?;
        ensure!(view.objects == 0, "its objects are still held: {view:?}");
        until_metric(&host, "joch_plugin_waiting{name=\"puppet/puppet\"} 1").await?;
        let all = plugins(stage.client.clone());
        let shown = until(&all, "puppet", "Active", &["Ready=False/NotRunning"]).await?;
        let message = condition(&shown, "Ready").and_then(|ready| ready.get("message"));
        ensure!(message == Some(&json!(format!("puppet: {WAITING}"))), "{message:?}");
        let state = shown.data.pointer("/status/controllers/0/state");
        ensure!(state == Some(&json!(WAITING)), "{state:?}");

        // Others go on: another plugin, and the plugin's other controller.
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;
        Puppet::create(&stage, "Doll", "d", json!([])).await?.played(&host, 1).await?;
        let overview = host.plugins().await?;
        ensure!(
            overview.controller("doll").is_some_and(|it| it.state == "Running"),
            "{overview:?}"
        );

        // The host asks whether the kind is there, and for none of its objects.
        let mark = stage.proxy.record().mark();
        let discovers = |request: &ApiRequest| request.path == "/apis/test.joch.dev/v1alpha1";
        until_answered(&stage, mark, 200, 3, discovers).await?;
        let asked = stage.proxy.record().since(mark, |it| it.request.resource == "puppets");
        ensure!(asked.is_empty(), "{asked:?}");

        // Under another name in the plural: what was known of the kind is of no use.
        let changed =
            [("puppets", "marionettisti"), ("singular: puppet", "singular: marionettista")];
        define(cluster, test, &definition("Puppet", &changed)?).await?;
        let api: Api<DynamicObject> = Api::namespaced_with(
            stage.client.clone(),
            &stage.namespace,
            &resource("marionettisti"),
        );
        create(&api, &object("q", reports("after"))).await?;
        let new = Puppet { api, name: "q".to_owned() };
        let run = new.played(&host, 1).await?;
        ensure!(run.outcome.as_deref() == Some("Done") && run.answer(0)? == "written", "{run:?}");
        ensure!(new.status().await?["message"] == "after", "{:?}", new.status().await?);
        new.plays(&host, reports("again")).await?;
        until(&all, "puppet", "Active", &["Ready=True/Running"]).await?;
        until_metric(&host, "joch_plugin_waiting{name=\"puppet/puppet\"} 0").await?;
        ensure!(told(&host, "waiting for a kind")? == 1, "told more than once");
        let violations = overlaps(&host.log()?.reconciles());
        ensure!(violations.is_empty(), "{violations:?}");
        Ok(())
    })
}

#[test]
fn a_kind_that_is_served_otherwise_when_its_watch_is_taken_up_again_is_looked_up_anew() -> Result<()>
{
    on_bare_cluster("kinds::otherwise", async |cluster| {
        let test = "kinds::otherwise";
        cluster.apply(&puppet::definitions(), None).await?;
        let cut = Faults::default();
        let left = cut.clone();
        let inject = move |request: &ApiRequest| {
            let reads = ["list", "watch"].contains(&request.verb.as_str());
            let concerned = request.resource == "puppets" && reads;
            if concerned && left.take() { Action::Cut } else { Action::Pass }
        };
        let mut stage = Stage::with_faults(cluster, test, &[], inject).await?;
        let bytes = puppet::with(&[(
            "\"test.joch.dev/v1alpha1/Marionette\", \"test.joch.dev/v1alpha1/Doll\"]\nnamespaces = \"same\"",
            "\"test.joch.dev/v1alpha1/Marionette\", \"test.joch.dev/v1alpha1/Doll\"]\nnamespaces = \"cluster\"",
        )])?;
        stage.plugins.install("puppet.wasm", &bytes)?;
        // All namespaces: the path of the watch is the same for a kind that has none.
        stage.options.namespaces.clear();
        let host = Host::start(stage.options.clone()).await?;
        Puppet::create(&stage, "Puppet", "p", json!([])).await?.played(&host, 1).await?;

        // The host does not see that the kind is gone, only that its watch was cut.
        cut.set(u32::MAX);
        undefine(cluster, "puppets.test.joch.dev").await?;
        let changed = [("scope: Namespaced", "scope: Cluster")];
        define(cluster, test, &definition("Puppet", &changed)?).await?;
        cut.set(0);
        let api: Api<DynamicObject> = Api::all_with(stage.client.clone(), &resource("puppets"));
        let own = json!({"kind": "test.joch.dev/v1alpha1/Puppet", "name": "q", "cluster": true,
            "body": {"metadata": {"annotations": {"told": "yes"}}}});
        create(&api, &object("q", json!([{"merge": own}]))).await?;
        let new = Puppet { api, name: "q".to_owned() };
        let run = new.played(&host, 1).await?;
        ensure!(run.answer(0).is_ok(), "{run:?}");
        let violations = overlaps(&host.log()?.reconciles());
        ensure!(violations.is_empty(), "{violations:?}");
        Ok(())
    })
}

#[test]
fn a_kind_that_nobody_watches_is_looked_up_anew_when_it_is_served_otherwise() -> Result<()> {
    on_bare_cluster("kinds::unwatched", async |cluster| {
        let test = "kinds::unwatched";
        cluster.apply(&puppet::definitions(), None).await?;
        // Nothing but the calls themselves tells that the kind is another one.
        let watch = "    { kind = \"test.joch.dev/v1alpha1/Doll\", by = \"read\" },\n";
        let stage = puppet::stage(cluster, test, &[(DOLL, ""), (watch, "")]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let kind = "test.joch.dev/v1alpha1/Doll";
        let ask = json!([{"get": {"kind": kind, "name": "d", "fresh": "live"}}]);
        let run = puppet.plays(&host, ask.clone()).await?;
        ensure!(run.refusal(0)?.0 == "notFound", "{run:?}");

        undefine(cluster, "dolls.test.joch.dev").await?;
        define(cluster, test, &definition("Doll", &[("dolls", "dollies")])?).await?;
        let named = GroupVersionKind::gvk("test.joch.dev", "v1alpha1", "Doll");
        let resource = ApiResource::from_gvk_with_plural(&named, "dollies");
        let api = Api::namespaced_with(stage.client.clone(), &stage.namespace, &resource);
        let doll = json!({"apiVersion": "test.joch.dev/v1alpha1", "kind": "Doll",
            "metadata": {"name": "d"}, "spec": {}});
        create(&api, &doll).await?;
        eventually("it is read where it is now", LONG, async || {
            let run = puppet.plays(&host, ask.clone()).await?;
            run.answer(0).map(drop)
        })
        .await
    })
}

#[test]
fn without_the_definition_of_plugin_the_folder_is_served_and_shown_again_later() -> Result<()> {
    on_bare_cluster("kinds::plugin", async |cluster| {
        let stage = plugin_objects::stage(cluster, "kinds::plugin", &["hello-controller"]).await?;
        let _host = Host::start(stage.options.clone()).await?;
        let all = plugins(stage.client.clone());
        let running = ["Ready=True/Running"];
        until(&all, "hello-controller", "Active", &running).await?;
        undefine(cluster, "plugins.joch.dev").await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;
        let gone = |request: &ApiRequest| request.path == "/apis/joch.dev/v1alpha1";
        until_answered(&stage, 0, 404, 2, gone).await?;
        let mark = stage.proxy.record().mark();
        until_answered(&stage, mark, 404, 2, gone).await?;
        let asked = stage.proxy.record().since(mark, |it| it.request.resource == "plugins");
        ensure!(asked.is_empty(), "{asked:?}");
        cluster.apply(&paths::root().join("crds/joch.dev_plugins.yaml"), None).await?;
        until(&all, "hello-controller", "Active", &running).await?;
        create(&greetings, &greeting("grace")).await?;
        until_text(&stage, "grace", "Hello, grace!").await
    })
}
