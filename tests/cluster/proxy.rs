//! The harness's own proxy in front of the real API server, before anything is concluded from it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use joch_tests::cluster::Cluster;
use joch_tests::proxy::{Action, ApiRequest, Disturbance, Proxy};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};

async fn through(
    cluster: &Cluster,
    inject: impl Fn(&ApiRequest) -> Action + Send + Sync + 'static,
) -> Result<(Proxy, Client)> {
    let proxy = Proxy::start(cluster.access()?, inject).await?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(proxy.access(), &options).await?;
    Ok((proxy, Client::try_from(config)?))
}

fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

#[test]
fn requests_pass_and_are_recorded_with_their_answers() -> Result<()> {
    on_cluster("proxy::requests_pass", async |cluster| {
        let namespace = cluster.namespace("proxy").await?;
        let (proxy, client) = through(cluster, |_| Action::Pass).await?;
        let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
        maps.create(&PostParams::default(), &config_map("a")).await?;
        let again = maps.create(&PostParams::default(), &config_map("a")).await;
        ensure!(again.is_err(), "a second ConfigMap of the name was made");
        ensure!(!maps.list(&ListParams::default()).await?.items.is_empty(), "nothing is listed");
        maps.delete("a", &DeleteParams::default()).await?;

        let record = proxy.record();
        ensure!(record.posts("configmaps", &namespace) == 2, "{:?}", record.entries());
        ensure!(record.already_exists(&namespace) == 1, "{:?}", record.entries());
        let deletions = record.writes_to("configmaps", &namespace, "a", 0);
        let codes: Vec<_> = deletions.iter().map(|entry| entry.code).collect();
        ensure!(codes == [Some(200)], "{deletions:?}");
        let verbs: Vec<_> = record.entries().into_iter().map(|entry| entry.request.verb).collect();
        ensure!(verbs == ["create", "create", "list", "delete"], "{verbs:?}");
        Ok(())
    })
}

#[test]
fn a_watch_is_streamed_event_by_event() -> Result<()> {
    on_cluster("proxy::a_watch_is_streamed", async |cluster| {
        let namespace = cluster.namespace("proxy").await?;
        let (_proxy, client) = through(cluster, |_| Action::Pass).await?;
        let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
        let version = maps.list(&ListParams::default()).await?.metadata.resource_version;
        let watch = maps.watch(&WatchParams::default(), &version.unwrap_or_default()).await?;
        let mut watch = std::pin::pin!(watch);
        for name in ["one", "two"] {
            maps.create(&PostParams::default(), &config_map(name)).await?;
            let next = async {
                loop {
                    let event = watch.try_next().await?.context("the watch ended")?;
                    if let WatchEvent::Added(object) = event
                        && object.metadata.name.as_deref() == Some(name)
                    {
                        return anyhow::Ok(());
                    }
                }
            };
            tokio::time::timeout(LONG, next).await.context("the event did not arrive")??;
        }
        Ok(())
    })
}

#[test]
fn faults_are_injected_as_told() -> Result<()> {
    on_cluster("proxy::faults_are_injected", async |cluster| {
        let namespace = cluster.namespace("proxy").await?;
        let (proxy, client) = through(cluster, |request| match request.name.as_deref() {
            Some("busy") => Action::Status(409),
            _ if request.creates("configmaps") => Action::Double,
            _ => Action::Pass,
        })
        .await?;
        let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
        maps.create(&PostParams::default(), &config_map("twice")).await?;
        let record = proxy.record();
        ensure!(record.posts("configmaps", &namespace) == 2, "{:?}", record.entries());
        ensure!(record.already_exists(&namespace) == 1, "{:?}", record.entries());
        let error = maps.delete("busy", &DeleteParams::default()).await.err();
        let error = error.context("an injected 409 was taken for success")?.to_string();
        ensure!(error.contains("injected"), "{error}");
        Ok(())
    })
}

#[test]
fn a_request_that_arrived_is_sent_on_even_if_its_sender_is_gone() -> Result<()> {
    on_cluster("proxy::sender_gone", async |cluster| {
        let namespace = cluster.namespace("proxy").await?;
        let (proxy, client) = through(cluster, |request| {
            if request.is_write() {
                Action::Delay(Duration::from_millis(300))
            } else {
                Action::Pass
            }
        })
        .await?;
        let through: Api<ConfigMap> = Api::namespaced(client, &namespace);
        let (orphan, params) = (config_map("orphan"), PostParams::default());
        let create = through.create(&params, &orphan);
        let impatient = tokio::time::timeout(Duration::from_millis(100), create).await;
        ensure!(impatient.is_err(), "the answer came before the delay");
        let direct: Api<ConfigMap> = Api::namespaced(cluster.client()?, &namespace);
        eventually("the request has passed", LONG, async || {
            direct.get("orphan").await?;
            ensure!(proxy.record().posts("configmaps", &namespace) == 1, "not recorded");
            Ok(())
        })
        .await
    })
}

/// One request of a client for `action`, and whether it was sent on.
async fn posted(cluster: &Cluster, action: Action) -> Result<(kube::Result<ConfigMap>, bool)> {
    let namespace = cluster.namespace("proxy").await?;
    let proxy = Proxy::start(cluster.access()?, move |_| action).await?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(proxy.access(), &options).await?;
    config.default_retry = false;
    let maps: Api<ConfigMap> = Api::namespaced(Client::try_from(config)?, &namespace);
    let answer = maps.create(&PostParams::default(), &config_map("m")).await;
    let direct: Api<ConfigMap> = Api::namespaced(cluster.client()?, &namespace);
    let made = direct.get_opt("m").await?.is_some();
    ensure!(proxy.record().posts("configmaps", &namespace) == 1, "not recorded once");
    Ok((answer, made))
}

#[test]
fn refusals_cuts_and_lost_answers_are_what_they_are_called() -> Result<()> {
    on_cluster("proxy::damage", async |cluster| {
        for code in [409, 410, 429, 500, 503] {
            let (answer, made) = posted(cluster, Action::Status(code)).await?;
            let Err(kube::Error::Api(status)) = answer else { anyhow::bail!("{answer:?}") };
            ensure!(status.code == code && !made, "{status:?}");
        }
        let (answer, made) = posted(cluster, Action::Busy(7)).await?;
        let Err(kube::Error::Api(status)) = answer else { anyhow::bail!("{answer:?}") };
        let seconds = status.details.as_ref().map(|details| details.retry_after_seconds);
        ensure!(status.code == 429 && seconds == Some(7) && !made, "{status:?}");
        for (action, sent_on) in
            [(Action::Cut, false), (Action::LoseAnswer, true), (Action::HalfBody, true)]
        {
            let (answer, made) = posted(cluster, action).await?;
            let no_answer = matches!(&answer, Err(error) if !matches!(error, kube::Error::Api(_)));
            ensure!(no_answer && made == sent_on, "{action:?}: {answer:?}, made: {made}");
        }
        for (action, sent_on) in [(Action::Swallow, false), (Action::SwallowAnswer, true)] {
            let namespace = cluster.namespace("proxy").await?;
            let (proxy, client) = through(cluster, move |_| action).await?;
            let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
            let (params, map) = (PostParams::default(), config_map("m"));
            let answer =
                tokio::time::timeout(Duration::from_millis(500), maps.create(&params, &map));
            ensure!(answer.await.is_err(), "{action:?} was answered");
            let direct: Api<ConfigMap> = Api::namespaced(cluster.client()?, &namespace);
            ensure!(direct.get_opt("m").await?.is_some() == sent_on, "{action:?}");
            drop(proxy);
        }
        Ok(())
    })
}

/// What a watch brings under a disturbance: events in words, until it ends or `enough` have come.
async fn watched(
    cluster: &Cluster,
    how: Disturbance,
    enough: usize,
    time: Duration,
) -> Result<(Vec<String>, bool)> {
    let namespace = cluster.namespace("proxy").await?;
    let disturb = move |_: &ApiRequest| Action::Watch(how);
    let (_proxy, client) = through(cluster, disturb).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let direct: Api<ConfigMap> = Api::namespaced(cluster.client()?, &namespace);
    direct.create(&PostParams::default(), &config_map("m")).await?;
    // With its timeout, the API server sends a bookmark before it ends the watch.
    let watch = maps.watch(&WatchParams::default().timeout(3), "0").await?;
    let mut watch = std::pin::pin!(watch);
    let (mut events, mut ended) = (Vec::new(), false);
    let read = async {
        while events.len() < enough {
            match watch.try_next().await {
                Ok(Some(WatchEvent::Added(map))) if map.metadata.name.as_deref() == Some("m") => {
                    events.push("added".to_owned());
                }
                Ok(Some(WatchEvent::Bookmark(_))) => events.push("bookmark".to_owned()),
                Ok(Some(WatchEvent::Error(status))) => events.push(status.code.to_string()),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
                    ended = true;
                    return;
                }
            }
        }
    };
    tokio::time::timeout(time, read).await.ok();
    Ok((events, ended))
}

#[test]
fn watches_are_cut_stalled_expired_held_back_and_stripped_of_bookmarks() -> Result<()> {
    on_cluster("proxy::watches", async |cluster| {
        let second = Duration::from_secs(1);
        let began = Instant::now();
        let cut = Disturbance::CutAfter(Duration::from_millis(500));
        let (events, ended) = watched(cluster, cut, usize::MAX, LONG).await?;
        let early = began.elapsed() < 3 * second;
        ensure!(ended && early && events.contains(&"added".to_owned()), "cut: {events:?}");
        let (events, ended) = watched(cluster, Disturbance::Stall, usize::MAX, second).await?;
        ensure!(!ended && events.is_empty(), "stalled: {events:?}");
        let (events, ended) = watched(cluster, Disturbance::Expired, usize::MAX, LONG).await?;
        ensure!(ended && events == ["410"], "expired: {events:?}");
        let began = Instant::now();
        let (events, _) = watched(cluster, Disturbance::Hold(second), 1, LONG).await?;
        ensure!(began.elapsed() >= second && events.len() == 1, "held: {events:?}");
        let never = Disturbance::Hold(Duration::ZERO);
        let (events, _) = watched(cluster, never, usize::MAX, LONG).await?;
        ensure!(events.iter().any(|event| event == "bookmark"), "no bookmark to strip: {events:?}");
        let (events, ended) = watched(cluster, Disturbance::NoBookmarks, usize::MAX, LONG).await?;
        ensure!(ended && events == ["added"], "without bookmarks: {events:?}");
        Ok(())
    })
}
