//! Who is blamed (G8): a poisoned object is parked alone, a broken plugin is given a rest, an outage of the
//! API server and what the API server refuses blame nobody.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::condition;
use joch_tests::plugin_objects::{self, plugins, until, until_event};
use joch_tests::proxy::{Action, ApiRequest, Faults};
use joch_tests::puppet::{self, Puppet};
use joch_tests::stage::Stage;
use joch_tests::suite::{on_bare_cluster, on_cluster};
use joch_tests::wait::{LONG, eventually};
use serde_json::{Value, json};

const PARKED: &str = "joch.dev/Parked";
/// Where the puppet's manifest is added to.
const LIMITS: &str = "log-lines = 1000";

/// The condition `joch.dev/Parked` as `Status/Reason`.
async fn parked(puppet: &Puppet) -> Result<String> {
    Ok(plugin_objects::state(&puppet.object().await?, PARKED))
}

async fn until_parked(puppet: &Puppet, wanted: &str) -> Result<()> {
    let what = format!("{} is told to be parked: {wanted}", puppet.name);
    eventually(&what, LONG, async || {
        let found = parked(puppet).await?;
        ensure!(found == wanted, "{found}");
        Ok(())
    })
    .await
}

async fn until_metric(host: &Host, line: &str) -> Result<()> {
    eventually(line, LONG, async || {
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(metrics.lines().any(|found| found == line), "{metrics}");
        Ok(())
    })
    .await
}

/// How often a puppet was called so far, calls that broke it included.
fn calls(host: &Host, puppet: &Puppet) -> Result<usize> {
    Ok(puppet::runs(&host.log()?, &puppet.name).len())
}

async fn until_calls(host: &Host, puppet: &Puppet, wanted: usize) -> Result<()> {
    eventually(&format!("{} is called {wanted} times", puppet.name), LONG, async || {
        let found = calls(host, puppet)?;
        ensure!(found >= wanted, "{found} times");
        Ok(())
    })
    .await
}

#[test]
fn a_poisoned_object_is_parked_alone_and_freed_by_an_edit() -> Result<()> {
    on_cluster("breakers::poison", async |cluster| {
        let stage = puppet::stage(cluster, "breakers::poison", &[]).await?;
        let mut host = Host::start(stage.options.clone()).await?;
        let neighbour = Puppet::new(&stage, "neighbour").await?;
        let poison = Puppet::create(&stage, "Puppet", "poison", json!([{"panic": "no"}])).await?;
        until_parked(&poison, "True/Trapped").await?;
        let object = poison.object().await?;
        let told = condition(&object, PARKED).context("no condition")?;
        let message = told.get("message").and_then(Value::as_str).unwrap_or_default();
        ensure!(message.starts_with("the guest trapped: panicked: no"), "{message}");
        let (_, page) = host.page("/debug/plugins").await?;
        let page: Value = serde_json::from_str(&page)?;
        let views = page.get("controllers").and_then(Value::as_array).context("controllers")?;
        let view = views.iter().find(|view| view.get("controller") == Some(&json!("puppet")));
        let view = view.context("no controller puppet")?;
        ensure!(view.get("parked") == Some(&json!(1)), "{view}");
        ensure!(view.to_string().contains("/poison\""), "{view}");
        ensure!(view.get("state") == Some(&json!("Running")), "{view}");
        let line = "joch_plugin_parked_objects{name=\"puppet/puppet\"} 1";
        until_metric(&host, line).await?;

        // Its retries go on, write nothing, and hinder nobody.
        let mark = stage.proxy.record().mark();
        let before = calls(&host, &poison)?;
        for number in 0..5 {
            let run = neighbour
                .plays(&host, json!([{"report": {"status": {"message": format!("{number}")}}}]));
            ensure!(run.await?.outcome.as_deref() == Some("Done"), "the neighbour's turn");
        }
        until_calls(&host, &poison, before + 1).await?;
        let writes = stage.proxy.record().writes_to("puppets", &stage.namespace, "poison", mark);
        ensure!(writes.is_empty(), "{writes:?}");

        // A host that does not remember it comes to the same, and says nothing else on the way.
        host.kill()?;
        host.restart().await?;
        until_metric(&host, line).await?;
        let writes = stage.proxy.record().writes_to("puppets", &stage.namespace, "poison", mark);
        ensure!(writes.is_empty(), "{writes:?}");

        let run = poison.plays(&host, json!([{"report": {"status": {"message": "well"}}}])).await?;
        ensure!(run.outcome.as_deref() == Some("Done"), "{run:?}");
        until_parked(&poison, "False/Recovered").await?;
        until_metric(&host, "joch_plugin_parked_objects{name=\"puppet/puppet\"} 0").await
    })
}

#[test]
fn a_broken_plugin_rests_recovers_by_itself_and_at_once_by_a_new_version() -> Result<()> {
    on_bare_cluster("breakers::rest", async |cluster| {
        cluster.apply(&puppet::definitions(), None).await?;
        let stage = plugin_objects::stage(cluster, "breakers::rest", &[]).await?;
        let limited =
            |memory: &str| puppet::with(&[(LIMITS, &format!("{LIMITS}\nmemory = \"{memory}\""))]);
        let (narrow, wide) = (limited("16Mi")?, limited("64Mi")?);
        stage.plugins.install("puppet.wasm", &narrow)?;
        let host = Host::start(stage.options.clone()).await?;
        let all = plugins(stage.client.clone());
        for number in 0..10 {
            Puppet::new(&stage, &format!("good-{number}")).await?;
        }
        until(&all, "puppet", "Active", &["Healthy=True/Proven"]).await?;

        let mut bad = Vec::new();
        for number in 0..5 {
            let script = json!([{"allocate": 32 << 20}]);
            bad.push(Puppet::create(&stage, "Puppet", &format!("bad-{number}"), script).await?);
        }
        let resting = ["Healthy=False/Resting", "Ready=False/NotRunning"];
        until(&all, "puppet", "Active", &resting).await?;
        let text = until_event(&stage.client, "puppet", "Resting").await?;
        ensure!(text.contains("broke on several objects") && text.contains("memory"), "{text}");
        until_metric(&host, "joch_plugin_resting{name=\"puppet/puppet\"} 1").await?;
        // Its other controller, which broke on nothing, is not concerned.
        until_metric(&host, "joch_plugin_resting{name=\"puppet/doll\"} 0").await?;

        // One answer ends it.
        let good = Puppet::new(&stage, "good").await?;
        until_calls(&host, &good, 1).await?;
        until(&all, "puppet", "Active", &["Healthy=True/Proven", "Ready=True/Running"]).await?;
        until_event(&stage.client, "puppet", "Recovered").await?;
        for puppet in &bad {
            until_parked(puppet, "True/MemoryLimit").await?;
        }
        let found = eventually("its status counts them", LONG, async || {
            let object = all.get("puppet").await?;
            let found = object.data.pointer("/status/controllers/0/parked").cloned();
            ensure!(found == Some(json!(5)), "{found:?}");
            Ok(found)
        });
        found.await?;

        stage.plugins.install("puppet.wasm", &wide)?;
        host.runs("puppet", &wide).await?;
        for puppet in &bad {
            until_parked(puppet, "False/Recovered").await?;
        }
        until_metric(&host, "joch_plugin_parked_objects{name=\"puppet/puppet\"} 0").await
    })
}

/// How long a request takes while the API server is slow: longer than a call may.
const SLOW: Duration = Duration::from_secs(3);

async fn with_outage(
    cluster: &joch_tests::cluster::Cluster,
    test: &str,
    action: Action,
) -> Result<(Stage, Faults)> {
    let faults = Faults::default();
    let left = faults.clone();
    let inject = move |request: &ApiRequest| {
        let concerned = request.resource == "configmaps" && request.verb == "get";
        if concerned && left.take() { action } else { Action::Pass }
    };
    let stage = Stage::with_faults(cluster, test, &[], inject).await?;
    let limits = format!("{LIMITS}\nwall = \"1s\"");
    stage.plugins.install("puppet.wasm", &puppet::with(&[(LIMITS, &limits)])?)?;
    Ok((stage, faults))
}

/// Asks the API server itself, then says that something is wrong for good.
fn gives_up() -> Value {
    json!([
        {"get": {"kind": "v1/ConfigMap", "name": "kube-root-ca.crt", "fresh": "live"}},
        {"fail": {"permanent": true, "reason": "No", "message": "it cannot be"}},
    ])
}

#[test]
fn an_api_server_that_is_slow_or_away_blames_nobody() -> Result<()> {
    on_cluster("breakers::outage", async |cluster| {
        for (name, action, category) in [
            ("breakers::slow", Action::Delay(SLOW), "WallLimit"),
            ("breakers::away", Action::Status(503), "Permanent"),
        ] {
            let (stage, faults) = with_outage(cluster, name, action).await?;
            let host = Host::start(stage.options.clone()).await?;
            let mut puppets = Vec::new();
            faults.set(u32::MAX);
            for number in 0..6 {
                let name = format!("p{number}");
                puppets.push(Puppet::create(&stage, "Puppet", &name, gives_up()).await?);
            }
            for puppet in &puppets {
                until_calls(&host, puppet, 4).await?;
            }
            let (_, metrics) = host.page("/metrics").await?;
            let line = format!(
                "joch_plugin_failures_total{{plugin=\"puppet\",category=\"{category}\",blame=\"cluster\"}}"
            );
            ensure!(metrics.contains(&line), "{line} is not in {metrics}");
            ensure!(!metrics.contains("blame=\"guest\""), "{metrics}");
            ensure!(!metrics.contains("joch_plugin_rests_total{"), "{metrics}");
            ensure!(
                metrics.contains("joch_plugin_parked_objects{name=\"puppet/puppet\"} 0"),
                "{metrics}"
            );
            faults.set(0);
            // By itself, and then what the guest says is its own word.
            let line = "joch_plugin_failures_total{plugin=\"puppet\",category=\"Permanent\",blame=\"object\"} 6";
            until_metric(&host, line).await?;
            for puppet in &puppets {
                ensure!(parked(puppet).await? == "none/none", "{}", puppet.name);
            }
        }
        Ok(())
    })
}

#[test]
fn a_status_that_the_definition_refuses_is_the_guests_to_hear_and_breaks_nothing() -> Result<()> {
    on_cluster("breakers::refused", async |cluster| {
        let stage = puppet::stage(cluster, "breakers::refused", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let wrong = json!([{"report": {"status": {"phase": 5}}}]);
        for number in 0..4 {
            let puppet = Puppet::new(&stage, &format!("p{number}")).await?;
            let run = puppet.plays(&host, wrong.clone()).await?;
            let (error, text) = run.refusal(0)?;
            ensure!(error == "invalid" && text.contains("status.phase"), "{run:?}");
            ensure!(run.outcome.as_deref() == Some("Done"), "{run:?}");
        }
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(!metrics.contains("joch_plugin_failures_total{"), "{metrics}");
        ensure!(metrics.contains("joch_plugin_resting{name=\"puppet/puppet\"} 0"), "{metrics}");
        Ok(())
    })
}
