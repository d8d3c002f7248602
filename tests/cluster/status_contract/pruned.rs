//! A definition that lacks the contract's fields, as upstream's do.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::objects::touch;
use joch_tests::puppet::{self, Puppet, runs};
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use serde_json::json;

use super::{condition, reported, status_writes};

#[test]
fn sc_15_fields_that_the_definition_lacks_cost_no_write_and_are_named_once() -> Result<()> {
    on_cluster("status_contract::sc_15", async |cluster| {
        let stage = puppet::stage(cluster, "status_contract::sc_15", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let upstream = Puppet::create(&stage, "Marionette", "m", json!([])).await?;
        let full = Puppet::new(&stage, "p").await?;
        let status = json!({
            "phase": "Running", "unknown": {"to": "the definition"},
            "conditions": [condition("Ready", "True")],
        });
        let stored = reported(&host, &upstream, status.clone()).await?;
        ensure!(stored["startTime"].is_string() && stored["phase"] == "Running", "{stored}");
        for field in ["startedAt", "updatedAt", "observedGeneration", "unknown"] {
            ensure!(stored.get(field).is_none(), "the definition has {field} after all: {stored}");
        }

        let mark = stage.proxy.record().mark();
        for n in 0..3 {
            let before = runs(&host.log()?, "m").len();
            touch(&upstream.api, "m", &n.to_string()).await?;
            eventually("it is reconciled once more", LONG, async || {
                let runs = runs(&host.log()?, "m");
                ensure!(runs.len() > before && runs.iter().all(|r| r.outcome.is_some()), "not yet");
                Ok(())
            })
            .await?;
        }
        let writes = status_writes(&stage, "marionettes", "m", mark);
        ensure!(writes.is_empty(), "a settled status is written: {writes:?}");
        let log = host.log()?;
        let named: Vec<_> =
            log.lines().filter(|line| line.message().contains("left out")).collect();
        ensure!(named.len() == 1, "{named:?}");
        for field in ["startedAt", "observedGeneration", "unknown"] {
            ensure!(named[0].mentions(field), "{field} is not named: {named:?}");
        }

        // The other kind of the same controller declares them.
        let stored = reported(&host, &full, status).await?;
        ensure!(
            stored["observedGeneration"].is_i64() && stored["startedAt"].is_string(),
            "{stored}"
        );
        Ok(())
    })
}
