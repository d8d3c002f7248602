//! Many Tasks at once.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use joch_tests::objects::{agent, create, phase, task};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::ResourceExt as _;
use kube::api::ListParams;

const TASKS: usize = 1000;

#[test]
fn a_thousand_tasks_created_at_once_run_with_one_job_each() -> Result<()> {
    on_bare_cluster("task::thousand", async |cluster| {
        cluster.apply(&paths::root().join("crds"), None).await?;
        let mut stage = Stage::new(cluster, "task::thousand", &["kubetask"]).await?;
        "info".clone_into(&mut stage.options.log_level);
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        let tasks = stage.kubetask("Task");
        futures::stream::iter((0..TASKS).map(|number| task(&format!("t-{number:04}"))))
            .map(|object| {
                let tasks = &tasks;
                async move { create(tasks, &object).await }
            })
            .buffer_unordered(32)
            .try_for_each(async |_| Ok(()))
            .await?;
        eventually("every Task runs", LONG, async || {
            let all = tasks.list(&ListParams::default()).await?.items;
            let running = all.iter().filter(|task| phase(task) == "Running").count();
            ensure!(running == TASKS, "{running} of {} run", all.len());
            for task in all {
                let job = task.data.pointer("/status/jobName").and_then(|name| name.as_str());
                ensure!(job == Some(&format!("{}-job", task.name_any())), "{}", task.data);
            }
            Ok(())
        })
        .await?;
        let record = stage.proxy.record();
        let posts = record.since(0, |entry| entry.request.creates("jobs"));
        let names: BTreeSet<&str> =
            posts.iter().filter_map(|post| post.body.pointer("/metadata/name")?.as_str()).collect();
        ensure!(posts.len() == TASKS && names.len() == TASKS, "{} POSTs", posts.len());
        ensure!(posts.iter().all(|post| post.succeeded()), "a Job was refused");
        Ok(())
    })
}
