//! What a contender does for an object: its requests, and what becomes of the cluster. A comparison of
//! speeds says something only if these are the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::objects::greetings;
use joch_tests::stage::Stage;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use serde_json::{Value, json};

use super::{Contender, WIDE};
use crate::greetings::{Written, name};

/// How long nothing is done between two changes, so that each is served whole.
const QUIET: Duration = Duration::from_millis(250);
/// Made, then edited.
const CHANGES: usize = 2;

/// What one contender did for all objects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deeds {
    who: &'static str,
    /// How many writes of each kind succeeded or did not, as the API server counts them.
    requests: Requests,
    /// What there was in the end, by object, without uids, versions and times.
    left: BTreeMap<String, Value>,
}

/// How many writes: by verb and resource, and whether they succeeded.
type Requests = BTreeMap<(String, bool), u64>;

impl Deeds {
    /// Writes per change of an object, whatever became of them.
    pub(super) fn calls_per_change(&self) -> f64 {
        self.requests.values().sum::<u64>() as f64 / (self.left.len() * CHANGES) as f64
    }

    /// The successful writes.
    fn writes(&self) -> BTreeMap<&str, u64> {
        let done = self.requests.iter().filter(|((_, well), _)| *well);
        done.map(|((what, _), count)| (what.as_str(), *count)).collect()
    }
}

/// Whether all did the same.
///
/// # Errors
/// If not; with what tells them apart.
pub(super) fn are_the_same(all: &[Deeds]) -> Result<()> {
    let (first, others) = all.split_first().context("nobody did anything")?;
    ensure!(!first.writes().is_empty(), "{} wrote nothing", first.who);
    for other in others {
        let (ours, theirs) = (first.writes(), other.writes());
        ensure!(
            ours == theirs,
            "{} and {} do not write the same, so that their figures say nothing: {ours:?} and {theirs:?}",
            first.who,
            other.who
        );
        for (object, left) in &first.left {
            let theirs = other.left.get(object);
            ensure!(
                theirs == Some(left),
                "{} and {} leave {object} in different states: {left} and {theirs:?}",
                first.who,
                other.who
            );
        }
    }
    Ok(())
}

/// Looks at what a contender does for so many objects, one after the other.
pub(super) async fn look(contender: Contender, cluster: &Cluster, count: usize) -> Result<Deeds> {
    let place = contender.place(cluster, WIDE).await?;
    let _running = contender.start(&place, &cluster.kubeconfig(), WIDE).await?;
    let mut written = Written::follow(&place);
    // What it does at its start does not count.
    written.create(&place, "first").await?;
    tokio::time::sleep(QUIET).await;
    let before = counted(cluster).await?;
    for number in 0..count {
        written.create(&place, &name(number)).await?;
        tokio::time::sleep(QUIET).await;
        written.edit(&place, &name(number), 0).await?;
        tokio::time::sleep(QUIET).await;
    }
    let mut requests = counted(cluster).await?;
    for (what, count) in &mut requests {
        *count = count.saturating_sub(before.get(what).copied().unwrap_or_default());
    }
    requests.retain(|_, count| *count > 0);
    let mut left = BTreeMap::new();
    for name in (0..count).map(name) {
        left.insert(name.clone(), state(&place, &name).await?);
    }
    Ok(Deeds { who: contender.name(), requests, left })
}

/// What the API server has counted so far.
async fn counted(cluster: &Cluster) -> Result<Requests> {
    Ok(read(&cluster.kubectl(&["get", "--raw", "/metrics"]).await?))
}

/// The writes of Greetings and ConfigMaps but what this program does itself: it makes and edits Greetings.
/// Reads are not told apart: the cluster's garbage collector looks at what is owned, too.
fn read(metrics: &str) -> Requests {
    let mut requests = Requests::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
        let Some((labels, count)) = line.rsplit_once("} ") else { continue };
        let label = |name: &str| {
            let labels = labels.split(',').filter_map(|label| label.split_once('='));
            let value = { labels }.find(|(label, _)| *label == name).map(|(_, value)| value);
            value.unwrap_or_default().trim_matches('"')
        };
        let (verb, resource, subresource) =
            (label("verb"), label("resource"), label("subresource"));
        let ours = resource == "greetings" && subresource.is_empty() && verb != "GET";
        let theirs = ["greetings", "configmaps"].contains(&resource) && !ours;
        if !theirs || ["WATCH", "LIST", "GET"].contains(&verb) {
            continue;
        }
        let what = format!("{verb} {resource}/{subresource}");
        let what = what.trim_end_matches('/').to_owned();
        let count: f64 = count.trim().parse().unwrap_or_default();
        *requests.entry((what, label("code").starts_with('2'))).or_default() += count as u64;
    }
    requests
}

/// A Greeting's status and its ConfigMap, without what differs from run to run.
async fn state(stage: &Stage, name: &str) -> Result<Value> {
    let api = greetings(stage.client.clone(), &stage.namespace);
    let status = api.get(name).await?.data.get("status").cloned().unwrap_or_default();
    let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let map = maps.get(&format!("{name}-greeting")).await?;
    let owners = serde_json::to_value(&map.metadata.owner_references)?;
    let mut state = json!({"status": status, "owners": owners, "data": map.data});
    forget(&mut state);
    Ok(state)
}

/// Takes times and uids out.
fn forget(value: &mut Value) {
    const FORGOTTEN: [&str; 3] = ["uid", "updatedAt", "lastTransitionTime"];
    match value {
        Value::Object(fields) => {
            fields.retain(|field, _| !FORGOTTEN.contains(&field.as_str()));
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deeds(who: &'static str, requests: &[(&str, bool, u64)], left: Value) -> Deeds {
        let requests =
            requests.iter().map(|(what, well, count)| (((*what).to_owned(), *well), *count));
        let left = BTreeMap::from([("g".to_owned(), left)]);
        Deeds { who, requests: requests.collect(), left }
    }

    #[test]
    fn other_writes_or_another_end_are_complained_about_by_name() {
        let map = "APPLY configmaps";
        let ours = deeds("plugin", &[(map, true, 2)], json!({"a": 1}));
        // What was refused costs time but changes nothing.
        let more = [(map, true, 2), (map, false, 1)];
        are_the_same(&[ours.clone(), deeds("go", &more, json!({"a": 1}))]).unwrap();
        for (other, part) in [
            (
                deeds("go", &[(map, true, 3)], json!({"a": 1})),
                "plugin and go do not write the same",
            ),
            (deeds("go", &[], json!({"a": 1})), "do not write the same"),
            (deeds("go", &[(map, true, 2)], json!({"a": 2})), "leave g in different states"),
        ] {
            let error = are_the_same(&[ours.clone(), other]).unwrap_err().to_string();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
        assert!(are_the_same(&[]).is_err());
        let nothing = deeds("plugin", &[], json!({}));
        assert!(are_the_same(&[nothing.clone(), nothing]).is_err(), "nobody wrote");
    }

    #[test]
    fn the_requests_of_others_are_read_from_the_metrics() {
        let line = |code: u16, verb: &str, resource: &str, subresource: &str, count: u64| {
            format!(
                "apiserver_request_total{{code=\"{code}\",component=\"apiserver\",group=\"\",\
                 resource=\"{resource}\",subresource=\"{subresource}\",verb=\"{verb}\"}} {count}\n"
            )
        };
        let text = [
            line(200, "APPLY", "configmaps", "", 2),
            line(201, "APPLY", "configmaps", "", 3),
            line(409, "PATCH", "greetings", "status", 1),
            line(200, "WATCH", "configmaps", "", 9),
            line(200, "GET", "configmaps", "", 9),
            line(201, "POST", "greetings", "", 9),
            line(200, "PUT", "leases", "", 9),
            "apiserver_other_total{verb=\"PUT\"} 4\n".to_owned(),
        ];
        let expected = [("APPLY configmaps", true, 5), ("PATCH greetings/status", false, 1)];
        assert_eq!(read(&text.concat()), deeds("", &expected, json!({})).requests);
    }

    #[test]
    fn what_differs_from_run_to_run_is_forgotten_wherever_it_is() {
        let mut state = json!({"owners": [{"uid": "1", "name": "g"}], "status": {"updatedAt": "x",
            "conditions": [{"type": "Ready", "lastTransitionTime": "y"}]}});
        forget(&mut state);
        let kept =
            json!({"owners": [{"name": "g"}], "status": {"conditions": [{"type": "Ready"}]}});
        assert_eq!(state, kept);
    }

    #[test]
    fn requests_are_counted_per_change_of_an_object() {
        let requests = [("APPLY configmaps", true, 2), ("PATCH greetings/status", false, 1)];
        assert_eq!(deeds("go", &requests, json!({})).calls_per_change(), 1.5);
    }
}
