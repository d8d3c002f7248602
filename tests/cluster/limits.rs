//! Limits of guests on a running host: each hostile guest is stopped at its bound and named rightly, and a
//! neighbour in the same host misses no reconcile meanwhile (G8).

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::{create, greetings};
use joch_tests::plugin_objects::merge;
use joch_tests::proxy::{Action, ApiRequest, Entry};
use joch_tests::puppet::{self, Puppet, Run};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use crate::hello::{greeting, install_kind, until_text};

/// A hostile script, and how its reconcile has to end.
type Act = (&'static str, Value, &'static str);

/// Guests that break: all by one object, so that they are the object's fault as long as nobody else breaks.
fn breaking() -> Vec<Act> {
    let huge = json!({"message": "x", "length": 9 << 20});
    vec![
        ("computes for ever", json!([{"spin": {}}]), "CpuLimit"),
        ("takes all memory", json!([{"allocate": 1 << 30}]), "MemoryLimit"),
        ("recurses for ever", json!([{"recurse": {}}]), "Trapped"),
        ("panics", json!([{"panic": "no"}]), "Trapped"),
        ("ends its process", json!([{"exit": 3}]), "Trapped"),
        ("hoards handles", json!([{"hoard": 1000}]), "Trapped"),
        ("hands over too much at once", json!([{"log": huge}]), "Trapped"),
        ("waits for ever", json!([{"times": 2, "get": live("slow")}]), "WallLimit"),
    ]
}

/// Guests that go on, and are refused what is too much.
fn asking() -> Vec<Act> {
    let event = json!({"reason": "Again", "message": "It is so."});
    let jobs: Value = (0..8).map(|number| puppet::job(&format!("job-{number}"))).collect();
    vec![
        ("floods the log", json!([{"log": {"message": "flood", "lines": 100_000}}]), "Done"),
        ("calls the API in a loop", json!([{"times": 200, "get": live("none")}]), "Done"),
        ("publishes without end", json!([{"times": 200, "event": event}]), "Done"),
        ("starts Jobs without end", jobs, "Done"),
        ("never wants to be called again", json!([{"requeue": i64::MAX}]), "RequeueAfter"),
        ("always wants to be called again", json!([{"requeue": 0}]), "RequeueAfter"),
    ]
}

fn live(name: &str) -> Value {
    json!({"kind": "v1/ConfigMap", "name": name, "fresh": "live"})
}

/// The neighbour's objects, and what it is asked for in turn.
const NEIGHBOURS: [&str; 3] = ["n0", "n1", "n2"];
const LANGUAGES: [(&str, &str); 2] = [("de", "Hallo"), ("en", "Hello")];

async fn neighbour_works(
    stage: &Stage,
    greetings: &Api<DynamicObject>,
    round: usize,
) -> Result<()> {
    let (language, word) = LANGUAGES.get(round % 2).context("a language")?;
    for name in NEIGHBOURS {
        merge(greetings, name, json!({"spec": {"language": language}})).await?;
    }
    for name in NEIGHBOURS {
        until_text(stage, name, &format!("{word}, {name}!")).await?;
    }
    Ok(())
}

fn refused(run: &Run, error: &str) -> usize {
    run.steps.iter().filter(|step| step.error == error).count()
}

#[test]
fn each_hostile_guest_is_stopped_at_its_bound_and_its_neighbour_misses_nothing() -> Result<()> {
    on_cluster("limits::hostile", async |cluster| {
        install_kind(cluster).await?;
        let limits = "[limits]\nwall = \"2s\"\napi-per-reconcile = 20\nevents = 5\nconcurrency = 8";
        let bytes = puppet::with(&[("[limits]", limits)])?;
        let inject = |request: &ApiRequest| {
            let slow = request.verb == "get" && request.name.as_deref() == Some("slow");
            let long = Duration::from_secs(20);
            if slow { Action::Delay(long) } else { Action::Pass }
        };
        let plugins = ["hello-controller"];
        let test = "limits::hostile";
        let stage = Stage::with_faults(cluster, test, &plugins, inject).await?;
        stage.plugins.install("puppet.wasm", &bytes)?;
        let host = Host::start(stage.options.clone()).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        for name in NEIGHBOURS {
            create(&greetings, &greeting(name)).await?;
        }
        let hostile = Puppet::new(&stage, "hostile").await?;
        for (round, (what, script, outcome)) in breaking().into_iter().chain(asking()).enumerate() {
            let (run, neighbour) = tokio::join!(
                hostile.plays(&host, script),
                neighbour_works(&stage, &greetings, round)
            );
            neighbour.with_context(|| format!("the neighbour of a guest that {what}"))?;
            let run = run.with_context(|| what.to_owned())?;
            let ended = run.outcome.clone().unwrap_or_default();
            ensure!(ended.starts_with(outcome), "{what}: {ended} and not {outcome}: {run:?}");
            match what {
                "calls the API in a loop" => ensure!(refused(&run, "overLimit") == 180, "{run:?}"),
                // Three is what it asks for.
                "starts Jobs without end" => ensure!(refused(&run, "overBudget") == 5, "{run:?}"),
                "publishes without end" => ensure!(refused(&run, "overLimit") == 195, "{run:?}"),
                _ => {}
            }
        }
        let (_, metrics) = host.page("/metrics").await?;
        let hello = |line: &&str| line.contains("plugin=\"hello-controller\"");
        let failed: Vec<_> = metrics
            .lines()
            .filter(|line| line.starts_with("joch_plugin_failures"))
            .filter(hello)
            .collect();
        ensure!(failed.is_empty(), "{failed:?}");
        // How late a guest was stopped is told: that of the one that computed, within two ticks.
        let late = "joch_plugin_late_ticks{plugin=\"puppet\"} ";
        let late = metrics.lines().find_map(|line| line.strip_prefix(late));
        ensure!(matches!(late, Some("1" | "2")), "stopped at tick {late:?} after its deadline");
        // A wait for the API server is nobody's fault, whoever waits.
        let line = "joch_plugin_failures_total{plugin=\"puppet\",category=\"WallLimit\",blame=\"cluster\"}";
        ensure!(metrics.contains(line), "{line} is not in {metrics}");
        Ok(())
    })
}

#[test]
fn too_few_places_are_waited_for_and_blame_nobody() -> Result<()> {
    on_cluster("limits::places", async |cluster| {
        install_kind(cluster).await?;
        let mut stage = Stage::new(cluster, "limits::places", &["hello-controller"]).await?;
        let limits = "[limits]\ncpu = \"50ms\"\nconcurrency = 100";
        stage.plugins.install("puppet.wasm", &puppet::with(&[("[limits]", limits)])?)?;
        stage.options.flags = vec!["--max-instances".to_owned(), "2".to_owned()];
        let host = Host::start(stage.options.clone()).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        for name in NEIGHBOURS {
            create(&greetings, &greeting(name)).await?;
        }
        // Always more calls than places.
        for number in 0..20 {
            let script = json!([{"requeue": 0}]);
            Puppet::create(&stage, "Puppet", &format!("busy-{number}"), script).await?;
        }
        for round in 0..4 {
            neighbour_works(&stage, &greetings, round).await?;
        }
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(!metrics.contains("joch_plugin_failures_total{"), "{metrics}");
        Ok(())
    })
}

/// The most requests for one object that were under way at once at the proxy.
fn at_once(stage: &Stage, name: &str) -> usize {
    let own = |entry: &Entry| entry.request.name.as_deref() == Some(name);
    let entries = stage.proxy.record().since(0, own);
    let under_way = |at: SystemTime| {
        let open = |entry: &&Entry| entry.at <= at && entry.answered.is_none_or(|end| end > at);
        entries.iter().filter(open).count()
    };
    entries.iter().map(|entry| under_way(entry.at)).max().unwrap_or(0)
}

#[test]
fn no_more_calls_of_a_plugin_are_under_way_than_its_concurrency_says() -> Result<()> {
    on_cluster("limits::concurrency", async |cluster| {
        let inject = |request: &ApiRequest| {
            let slow = request.verb == "get" && request.name.as_deref() == Some("slow");
            if slow { Action::Delay(Duration::from_millis(500)) } else { Action::Pass }
        };
        let test = "limits::concurrency";
        let stage = Stage::with_faults(cluster, test, &[], inject).await?;
        let limits = "[limits]\nconcurrency = 2";
        stage.plugins.install("puppet.wasm", &puppet::with(&[("[limits]", limits)])?)?;
        // All of them are there before the host is.
        let mut puppets = Vec::new();
        for number in 0..10 {
            let script = json!([{"get": live("slow")}]);
            puppets.push(Puppet::create(&stage, "Puppet", &format!("p{number}"), script).await?);
        }
        let host = Host::start(stage.options.clone()).await?;
        for puppet in &puppets {
            let run = puppet.played(&host, 1).await?;
            ensure!(run.refusal(0)?.0 == "notFound", "{run:?}");
        }
        // Two, and no fewer: they do not run one after the other either.
        let most = at_once(&stage, "slow");
        ensure!(most == 2, "{most} at once");
        Ok(())
    })
}
