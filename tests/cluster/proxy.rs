//! The harness's own proxy in front of the real API server, before anything is concluded from it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use joch_tests::cluster::Cluster;
use joch_tests::proxy::{Action, ApiRequest, Proxy};
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
