//! What a plugin tells for people and how fast it may go: metrics, Events, the rate of its API calls.

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

/// Where the puppet's manifest is added to.
const LIMITS: &str = "log-lines = 1000";

async fn until_metrics(host: &Host, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let probe = async || {
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(wanted(&metrics), "{metrics}");
        Ok(metrics)
    };
    eventually(what, LONG, probe).await
}

fn add(verb: &str) -> Value {
    json!({"metric": {"how": "add", "name": "steps", "value": 1.5, "labels": {"verb": verb}}})
}

#[test]
fn a_plugins_metrics_are_shown_kept_over_a_swap_and_gone_with_it() -> Result<()> {
    on_cluster("bounds::metrics", async |cluster| {
        let metric = "[[metric]]\nname = \"steps\"\nkind = \"counter\"\nhelp = \"Steps.\"\n\
                      labels = { verb = [\"get\", \"put\"] }";
        let declared = format!("{LIMITS}\n{metric}");
        let stage = puppet::stage(cluster, "bounds::metrics", &[(LIMITS, &declared)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let nothing = json!({"metric": {"how": "add", "name": "walks", "value": 1.0}});
        let gauge = json!({"metric": {"how": "set", "name": "steps", "value": 1.0}});
        let script = json!([add("get"), add("get"), add("p"), nothing, gauge]);
        let run = puppet.plays(&host, script).await?;
        run.answer(0)?;
        for (step, part) in
            [(2, "no value \"p\""), (3, "no metric \"walks\""), (4, "is a counter, not a gauge")]
        {
            let (error, text) = run.refusal(step)?;
            ensure!(error == "invalid" && text.contains(part), "{part:?}: {run:?}");
        }
        let line = "joch_guest_puppet_steps_total{plugin=\"puppet\",verb=\"get\"} 3.0";
        let metrics = until_metrics(&host, "the metric is shown", |m| m.contains(line)).await?;
        ensure!(!metrics.contains("verb=\"p\""), "{metrics}");

        let next = puppet::with(&[(LIMITS, &format!("{LIMITS}\nevents = 9\n{metric}"))])?;
        stage.plugins.install("puppet.wasm", &next)?;
        host.runs("puppet", &next).await?;
        // The swap reconciles once more: the counter goes on where it was.
        let line = "joch_guest_puppet_steps_total{plugin=\"puppet\",verb=\"get\"} 6.0";
        until_metrics(&host, "the counter goes on", |metrics| metrics.contains(line)).await?;

        stage.plugins.remove("puppet.wasm")?;
        let gone = |metrics: &str| !metrics.contains("joch_guest_");
        until_metrics(&host, "the metrics are gone with their plugin", gone).await.map(drop)
    })
}

#[test]
fn events_are_bounded_per_reconcile() -> Result<()> {
    on_cluster("bounds::events", async |cluster| {
        let limit = format!("{LIMITS}\nevents = 3");
        let stage = puppet::stage(cluster, "bounds::events", &[(LIMITS, &limit)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let event = |reason: &str| json!({"event": {"reason": reason, "message": "It is so."}});
        let script = json!([
            event("One"),
            event("not one word"),
            event("Three"),
            event("Four"),
            event("Five")
        ]);
        let run = puppet.plays(&host, script).await?;
        run.answer(0)?;
        ensure!(run.refusal(1)?.0 == "invalid", "{run:?}");
        run.answer(2)?;
        for step in [3, 4] {
            let (error, text) = run.refusal(step)?;
            ensure!((error, text) == ("overLimit", "3 Events per reconcile (events)"), "{run:?}");
        }
        let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
        eventually("the Events are there", LONG, async || {
            let found = events.list(&ListParams::default()).await?.items;
            let mut reasons: Vec<String> =
                found.into_iter().filter_map(|event| event.reason).collect();
            reasons.sort();
            ensure!(reasons == ["One", "Three"], "{reasons:?}");
            Ok(())
        })
        .await?;
        let (_, metrics) = host.page("/metrics").await?;
        let line = "joch_plugin_events_dropped_total{plugin=\"puppet\"} 2";
        ensure!(metrics.contains(line), "{metrics}");
        Ok(())
    })
}

#[test]
fn events_are_bounded_per_second() -> Result<()> {
    on_cluster("bounds::events_rate", async |cluster| {
        let limit = format!("{LIMITS}\nevents = 1000");
        let stage = puppet::stage(cluster, "bounds::events_rate", &[(LIMITS, &limit)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let event = json!({"reason": "Again", "message": "It is so."});
        let run = puppet.plays(&host, json!([{"times": 300, "event": event}])).await?;
        let told = run.steps.iter().filter(|step| step.ok).count();
        ensure!((50..250).contains(&told), "{told} of {}", run.steps.len());
        let refused = |step: &&joch_tests::puppet::Step| !step.ok;
        let first = run.steps.iter().find(refused).context("none was refused")?;
        let why = (first.error.as_str(), first.text.as_str());
        ensure!(why == ("overLimit", "10 Events per second of one plugin"), "{first:?}");
        let refused = run.steps.iter().filter(refused).count();
        let (_, metrics) = host.page("/metrics").await?;
        let line = "joch_plugin_events_dropped_total{plugin=\"puppet\"} ";
        let dropped = metrics.lines().find_map(|found| found.strip_prefix(line));
        let dropped: usize = dropped.with_context(|| metrics.clone())?.parse()?;
        // Those that the API server was too slow for are dropped as well.
        ensure!(dropped >= refused, "{dropped} of {refused} are counted");
        Ok(())
    })
}

#[test]
fn api_calls_wait_for_the_plugins_rate_and_are_refused_beyond_it() -> Result<()> {
    on_cluster("bounds::rate", async |cluster| {
        let limit = format!("{LIMITS}\napi-per-second = 1");
        let stage = puppet::stage(cluster, "bounds::rate", &[(LIMITS, &limit)]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let live = json!({"get": {"kind": "v1/ConfigMap", "name": "none", "fresh": "live"}});
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet.plays(&host, json!([live, live, live])).await?;
        for step in 0..3 {
            ensure!(run.refusal(step)?.0 == "notFound", "{run:?}");
        }
        let waited = "joch_plugin_api_waits_total{plugin=\"puppet\",result=\"waited\"}";
        until_metrics(&host, "a call has waited", |metrics| metrics.contains(waited)).await?;

        // Eight at once: each call would have to wait for those of the seven others.
        for number in 0..8 {
            Puppet::create(&stage, "Puppet", &format!("q{number}"), json!([live, live, live]))
                .await?;
        }
        let refused = async || {
            let runs = (0..8).flat_map(|number| {
                let log = host.log().unwrap_or_default();
                puppet::runs(&log, &format!("q{number}"))
            });
            let steps: Vec<_> = runs.flat_map(|run| run.steps).collect();
            let over = steps.iter().find(|step| step.error == "overLimit").context("not yet")?;
            Ok(over.text.clone())
        };
        let text = eventually("a call is refused", LONG, refused).await?;
        ensure!(text == "1 calls to the API server per second (api-per-second)", "{text}");
        let refused = "joch_plugin_api_waits_total{plugin=\"puppet\",result=\"refused\"}";
        until_metrics(&host, "it is counted", |metrics| metrics.contains(refused)).await?;

        // A version that may make more calls is not held to what the one before might.
        let more = puppet::with(&[(LIMITS, &format!("{LIMITS}\napi-per-second = 1000"))])?;
        stage.plugins.install("puppet.wasm", &more)?;
        host.runs("puppet", &more).await?;
        let call = { live.get("get") }.context("no call")?;
        let run = puppet.plays(&host, json!([{"times": 30, "get": call}])).await?;
        let made = run.steps.iter().filter(|step| step.error == "notFound").count();
        ensure!(made == 30, "{made} of 30 calls");
        Ok(())
    })
}

#[test]
fn a_name_that_would_lead_a_request_elsewhere_is_refused() -> Result<()> {
    on_cluster("bounds::names", async |cluster| {
        let everywhere = [("namespaces = \"same\"", "namespaces = \"all\"")];
        let stage = puppet::stage(cluster, "bounds::names", &everywhere).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let get = |namespace: &str, name: &str| json!({"get": {"kind": "v1/ConfigMap", "namespace": namespace, "name": name, "fresh": "live"}});
        let script = json!([
            get(&stage.namespace, "../secrets/key"),
            get("kube-system/secrets/key?", "x"),
            get(&stage.namespace, "kube-root-ca.crt"),
        ]);
        let run = puppet.plays(&host, script).await?;
        for step in [0, 1] {
            let (error, text) = run.refusal(step)?;
            ensure!(error == "invalid" && text.starts_with("no object can be named"), "{run:?}");
        }
        run.answer(2).map(drop)
    })
}
