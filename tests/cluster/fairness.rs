//! 10,000 objects at start-up, and objects that come back without end: each lane gets its share of the turns
//! while the other never runs dry (G6). Judged by the order of turns, not by time.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use joch_tests::host::{Host, Step};
use joch_tests::objects::create;
use joch_tests::puppet;
use joch_tests::suite::alone_on_cluster;
use joch_tests::wait::{LONG, eventually};
use serde_json::{Value, json};

const BACKLOG: usize = 10_000;
/// Objects that ask for another turn at once, always.
const BUSY: usize = 40;
/// How many of these have had a first turn when the counting begins: enough for one to be due at any time.
const ENOUGH: usize = 20;

fn object(name: &str, script: &Value) -> Value {
    json!({"apiVersion": "test.joch.dev/v1alpha1", "kind": "Puppet",
        "metadata": {"name": name}, "spec": {"script": script}})
}

/// How many turns of the backlog and of the busy ones there were, from when enough of these had a turn until
/// the last object of the backlog had its first.
fn shares(turns: &[String]) -> Option<(usize, usize)> {
    let (mut waiting, mut busy) = (BACKLOG, HashSet::new());
    let (mut old, mut fresh) = (0, 0);
    for name in turns {
        if name.starts_with("busy") {
            let known = !busy.insert(name);
            fresh += usize::from(known && busy.len() >= ENOUGH);
        } else {
            waiting -= 1;
            old += usize::from(busy.len() >= ENOUGH);
            if waiting == 0 {
                return Some((old, fresh));
            }
        }
    }
    None
}

#[test]
fn neither_the_initial_list_nor_fresh_changes_starve_the_other() -> Result<()> {
    alone_on_cluster("fairness::lanes", async |cluster| {
        let one = ("[limits]", "[limits]\nconcurrency = 1");
        let stage = puppet::stage(cluster, "fairness::lanes", &[one]).await?;
        let api = puppet::api(stage.client.clone(), "Puppet", &stage.namespace);
        let busy = (0..BUSY).map(|n| object(&format!("busy-{n}"), &json!([{"requeue": 1}])));
        let settled = (0..BACKLOG).map(|n| object(&format!("old-{n}"), &json!([])));
        futures::stream::iter(busy.chain(settled))
            .map(|object| {
                let api = &api;
                async move { create(api, &object).await }
            })
            .buffer_unordered(32)
            .try_for_each(async |_| Ok(()))
            .await?;
        let mut host = Host::start(stage.options.clone()).await?;
        let shares = eventually("the backlog is worked off", LONG, async || {
            let log = host.log()?.reconciles().concat();
            let started = log.iter().filter(|line| line.step == Step::Started);
            let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
            let turns: Vec<String> = started.map(|line| name(&line.key)).collect();
            shares(&turns).with_context(|| format!("{} turns", turns.len()))
        })
        .await?;
        host.kill()?;
        let (old, fresh) = shares;
        joch_tests::suite::say(&format!("fairness: {old} of the backlog, {fresh} fresh turns"))?;
        ensure!(old > BACKLOG / 20, "the backlog was over before anything was fresh: {old}");
        // One turn in four; anything near it will do.
        ensure!(
            fresh >= 2 * old,
            "fresh changes starve: {fresh} turns beside {old} of the backlog"
        );
        ensure!(fresh <= 5 * old, "the backlog starves: {old} turns beside {fresh} fresh ones");
        Ok(())
    })
}
