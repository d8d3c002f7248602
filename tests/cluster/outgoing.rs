//! Outgoing HTTP and Secrets: the value reaches the server that the grant names, and neither the guest nor
//! anybody else.

use anyhow::{Context as _, Result, ensure};
use joch_artifact::with_manifest;
use joch_tests::cluster::Cluster;
use joch_tests::guests::component;
use joch_tests::host::Host;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use upstream::Upstream;

mod upstream;

/// The value in the Secret, and the one that takes its place.
const VALUES: [&str; 2] = ["v4lue-0ne", "v4lue-tw0"];

/// A stage whose plugin folder holds the fixture `caller`: its manifest's hosts are these, for requests
/// and for Secrets.
async fn stage(cluster: &Cluster, test: &str, http: &[&str], secrets: &[&str]) -> Result<Stage> {
    let stage = Stage::new(cluster, test, &[]).await?;
    let bytes = component("caller")?;
    let manifest = joch_artifact::manifest_text(&bytes)?;
    let placeholder = "hosts = [\"http://upstream.test\"]";
    let parts: Vec<&str> = manifest.split(placeholder).collect();
    let [head, middle, tail] = parts.as_slice() else {
        anyhow::bail!("the manifest of caller does not say {placeholder} twice");
    };
    let manifest = format!("{head}hosts = {http:?}{middle}hosts = {secrets:?}{tail}");
    stage.plugins.install("caller.wasm", &with_manifest(&bytes, &manifest)?)?;
    Ok(stage)
}

async fn secret(stage: &Stage, value: &str) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "upstream-key"},
        "stringData": {"token": value},
    });
    let params = PatchParams::apply("test").force();
    secrets.patch("upstream-key", &params, &Patch::Apply(secret)).await?;
    Ok(())
}

/// Makes or changes a ConfigMap, which makes the guest call.
async fn call(stage: &Stage, name: &str, data: Value) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
    });
    maps.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(map)).await?;
    Ok(())
}

/// What the guest told about a ConfigMap's requests so far.
fn told(host: &Host, name: &str) -> Result<Vec<Value>> {
    let log = host.log()?;
    let lines = log.lines().filter_map(|line| serde_json::from_str(&line.message()).ok());
    let own = lines.filter(|told: &Value| told.get("caller").is_some_and(|caller| caller == name));
    Ok(own.filter_map(|told| told.get("saw").cloned()).collect())
}

/// Waits until the guest has told so many answers.
async fn answers(host: &Host, name: &str, count: usize) -> Result<Vec<Value>> {
    let probe = async || {
        let told = told(host, name)?;
        ensure!(told.len() >= count, "{told:?}");
        Ok(told)
    };
    let what = format!("{name} has told {count} answers");
    eventually(&what, LONG, probe).await.with_context(|| host.last_words())
}

fn text<'a>(told: &'a Value, field: &str) -> &'a str {
    told.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_secrets_value_reaches_the_server_and_the_guest_sees_a_placeholder() -> Result<()> {
    on_cluster("outgoing::secret", async |cluster| {
        let upstream = Upstream::start().await?;
        let origin = upstream.origin.as_str();
        let stage = stage(cluster, "outgoing::secret", &[origin], &[origin]).await?;
        let host = Host::start(stage.options.clone()).await?;
        secret(&stage, VALUES[0]).await?;
        let data = json!({"url": format!("{origin}/a"), "secret": "upstream-key", "method": "POST", "body": "3"});
        call(&stage, "one", data.clone()).await?;
        let told = answers(&host, "one", 1).await?;
        ensure!(told[0]["status"] == 200 && told[0]["body"] == "hello", "{told:?}");
        let sent = text(&told[0], "sent");
        ensure!(sent.starts_with("Bearer joch-secret-"), "the guest held {sent:?}");
        let seen = upstream.seen();
        let [request] = seen.as_slice() else { anyhow::bail!("one request expected: {seen:?}") };
        ensure!(request.authorization == format!("Bearer {}", VALUES[0]), "{request:?}");
        ensure!((request.method.as_str(), request.length) == ("POST", 3), "{request:?}");

        // A changed Secret is sent in its new value; the guest gets another placeholder.
        secret(&stage, VALUES[1]).await?;
        let mut again = data;
        again["again"] = "yes".into();
        call(&stage, "one", again).await?;
        let told = answers(&host, "one", 2).await?;
        ensure!(text(&told[1], "sent") != sent, "a placeholder was used twice");
        let last = upstream.authorizations().pop().unwrap_or_default();
        ensure!(last == format!("Bearer {}", VALUES[1]), "{last:?}");

        let log = host.log()?;
        for value in VALUES {
            ensure!(!log.lines().any(|line| line.mentions(value)), "{value} is in the log");
        }
        let (_, metrics) = host.page("/metrics").await?;
        let line = "joch_plugin_http_requests_total{plugin=\"caller\"} 2";
        ensure!(metrics.contains(line), "{metrics}");
        Ok(())
    })
}

#[test]
fn a_host_or_secret_that_is_not_granted_gets_nothing() -> Result<()> {
    on_cluster("outgoing::denied", async |cluster| {
        let (upstream, other) = (Upstream::start().await?, Upstream::start().await?);
        let origin = upstream.origin.as_str();
        let stage = stage(cluster, "outgoing::denied", &[origin], &[origin]).await?;
        let host = Host::start(stage.options.clone()).await?;
        secret(&stage, VALUES[0]).await?;
        let secret = json!("upstream-key");
        let elsewhere = json!({"url": other.origin, "secret": secret});
        call(&stage, "elsewhere", elsewhere).await?;
        let method = json!({"url": origin, "method": "DELETE"});
        call(&stage, "method", method).await?;
        call(&stage, "foreign", json!({"url": origin, "secret": "database"})).await?;
        call(&stage, "missing", json!({"url": origin, "secret": "upstream-none"})).await?;
        for (name, error) in [
            ("elsewhere", "HttpRequestDenied"),
            ("method", "HttpRequestDenied"),
            ("foreign", "use of Secret database in namespace"),
            ("missing", "NotFound"),
        ] {
            let told = answers(&host, name, 1).await?;
            ensure!(text(&told[0], "error").contains(error), "{name}: {told:?}");
        }
        ensure!(other.seen().is_empty() && upstream.seen().is_empty(), "something was sent");

        let log = host.log()?;
        let missing = format!("http GET to {} (not requested", other.origin);
        ensure!(
            log.lines().any(|line| line.mentions(&missing)),
            "the log does not say {missing:?}"
        );
        let (_, metrics) = host.page("/metrics").await?;
        ensure!(metrics.contains("joch_plugin_denials_total{plugin=\"caller\"} 3"), "{metrics}");
        Ok(())
    })
}

#[test]
fn a_redirect_takes_no_secret_to_another_host() -> Result<()> {
    on_cluster("outgoing::redirect", async |cluster| {
        let (upstream, other) = (Upstream::start().await?, Upstream::start().await?);
        let hosts = [upstream.origin.as_str(), other.origin.as_str()];
        let stage = stage(cluster, "outgoing::redirect", &hosts, &hosts[..1]).await?;
        let host = Host::start(stage.options.clone()).await?;
        secret(&stage, VALUES[0]).await?;
        let url = format!("{}/to?{}", upstream.origin, other.origin);
        call(&stage, "stays", json!({"url": url, "secret": "upstream-key"})).await?;
        let told = answers(&host, "stays", 1).await?;
        ensure!(told[0]["status"] == 307, "the host followed it: {told:?}");
        // A client that follows it takes the header along; the host does not fill it in there.
        let follows = json!({"url": url, "secret": "upstream-key", "follow": "yes"});
        call(&stage, "follows", follows).await?;
        let told = answers(&host, "follows", 2).await?;
        ensure!(text(&told[1], "error").contains("HttpRequestDenied"), "{told:?}");
        ensure!(other.seen().is_empty(), "{:?}", other.seen());
        // Without the Secret, the other host may be asked.
        call(&stage, "plain", json!({"url": url, "follow": "yes"})).await?;
        let told = answers(&host, "plain", 2).await?;
        ensure!(told[1]["status"] == 200 && other.seen().len() == 1, "{told:?}");
        Ok(())
    })
}

#[test]
fn requests_are_bounded_in_number_time_and_size() -> Result<()> {
    on_cluster("outgoing::bounds", async |cluster| {
        let upstream = Upstream::start().await?;
        let origin = upstream.origin.as_str();
        let stage = stage(cluster, "outgoing::bounds", &[origin], &[origin]).await?;
        let host = Host::start(stage.options.clone()).await?;
        call(&stage, "many", json!({"url": origin, "times": "5"})).await?;
        let told = answers(&host, "many", 5).await?;
        let statuses: Vec<bool> = told.iter().map(|told| told["status"] == 200).collect();
        ensure!(statuses == [true, true, true, false, false], "{told:?}");
        ensure!(text(&told[3], "error").contains("3 outgoing HTTP requests"), "{told:?}");
        ensure!(upstream.seen().len() == 3, "{:?}", upstream.seen());

        let big = (8 << 20) + 1;
        call(&stage, "big", json!({"url": format!("{origin}/big?{big}")})).await?;
        let told = answers(&host, "big", 1).await?;
        ensure!(!text(&told[0], "error").is_empty(), "{told:?}");

        // Waiting is bounded by the call's wall time, and is not computing.
        call(&stage, "never", json!({"url": format!("{origin}/never")})).await?;
        let ended = async || {
            let log = host.log()?;
            let stopped = log.reconciles().concat();
            let never = format!("ConfigMap {}/never", stage.namespace);
            let outcome = stopped.iter().find(|r| r.key.ends_with(&never) && !r.outcome.is_empty());
            Ok(outcome.context("not yet")?.outcome.clone())
        };
        let outcome = eventually("the call that waits for ever has ended", LONG, ended).await?;
        ensure!(outcome == "WallLimit", "{outcome}");
        Ok(())
    })
}

#[test]
fn without_the_request_in_the_manifest_a_plugin_with_a_client_is_refused_and_told_how() -> Result<()>
{
    on_cluster("outgoing::unrequested", async |cluster| {
        let stage = Stage::new(cluster, "outgoing::unrequested", &[]).await?;
        let bytes = component("caller")?;
        let manifest = joch_artifact::manifest_text(&bytes)?;
        let without = manifest.replace(
            "[[grant.http]]\nhosts = [\"http://upstream.test\"]\nmethods = [\"GET\", \"POST\"]",
            "",
        );
        ensure!(without != manifest, "the manifest of caller has changed");
        stage.plugins.install("caller.wasm", &with_manifest(&bytes, &without)?)?;
        let host = Host::start(stage.options.clone()).await?;
        let overview = host.plugins().await?;
        let refused = overview.file("caller.wasm").and_then(|file| file.refused.clone());
        let reason = refused.context("it was not refused")?.reason;
        ensure!(reason.contains("wasi:http/") && reason.contains("[[grant.http]]"), "{reason}");
        Ok(())
    })
}
