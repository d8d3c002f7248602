//! What an operator sees: grants that are missing, health, metrics.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::{agent, create, task, until_phase};
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;

#[test]
fn a_plugin_without_its_grants_is_refused_and_the_reason_says_how_to_grant() -> Result<()> {
    on_cluster("admin::grants", async |cluster| {
        let mut stage = Stage::new(cluster, "admin::grants", &["kubetask"]).await?;
        "grants = 1\n".clone_into(&mut stage.options.grants);
        let host = Host::start(stage.options.clone()).await?;
        let overview = host.plugins().await?;
        let refused = overview.file("kubetask.wasm").and_then(|file| file.refused.clone());
        let reason = refused.map(|refusal| refusal.reason).unwrap_or_default();
        for part in ["jobs", "create on v1/ConfigMap", "[plugins.kubetask]"] {
            ensure!(reason.contains(part), "{part:?} is not in {reason:?}");
        }
        ensure!(overview.controllers.is_empty(), "it runs all the same: {overview:?}");
        Ok(())
    })
}

#[test]
fn the_admin_server_tells_health_and_metrics() -> Result<()> {
    on_cluster("admin::metrics", async |cluster| {
        let stage = Stage::new(cluster, "admin::metrics", &["kubetask"]).await?;
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("measured")).await?;
        until_phase(&stage.kubetask("Task"), "measured", "Running").await?;
        for path in ["/healthz", "/readyz"] {
            ensure!(host.page(path).await?.0 == 200, "{path}");
        }
        let (_, metrics) = host.page("/metrics").await?;
        for line in [
            "controller_runtime_reconcile_total{controller=\"kubetask/task\",result=\"success\"}",
            "controller_runtime_reconcile_time_seconds_count{name=\"kubetask/task\"}",
            "workqueue_depth{name=\"kubetask/task\"}",
            "joch_plugin_api_calls_total{plugin=\"kubetask\",verb=\"create\",result=\"success\"} 1",
            "joch_plugin_swaps_total{plugin=\"kubetask\"} 1",
        ] {
            ensure!(metrics.contains(line), "{line:?} is not in {metrics}");
        }
        // Objects come and go by the thousand: none of them may become a label.
        ensure!(!metrics.contains("measured"), "an object's name is in {metrics}");
        Ok(())
    })
}
