//! The fixture guest itself, before anything is concluded from what it tells.

use anyhow::{Result, ensure};
use joch_tests::host::Host;
use joch_tests::puppet::{self, Puppet};
use joch_tests::suite::on_cluster;
use serde_json::json;

#[test]
fn a_puppet_does_its_script_and_tells_of_each_step() -> Result<()> {
    on_cluster("puppet::script", async |cluster| {
        let stage = puppet::stage(cluster, "puppet::script", &[]).await?;
        let host = Host::start(stage.options.clone()).await?;
        let puppet = Puppet::new(&stage, "p").await?;
        let run = puppet
            .plays(
                &host,
                json!([
                    {"get": {"kind": "v1/ConfigMap", "name": "none"}},
                    {"apply": {"kind": "v1/ConfigMap", "name": "m", "body": {"data": {"a": "1"}}, "owned": true}},
                    {"count": {"kind": "v1/ConfigMap", "owned": true}},
                    {"report": {"status": {"phase": "Running"}}, "times": 2},
                    {"fail": {"permanent": true, "reason": "Enough", "message": "the script ends"}},
                ]),
            )
            .await?;
        ensure!(run.refusal(0)?.0 == "notFound", "{run:?}");
        ensure!(run.answer(1)?["data"]["a"] == "1", "{run:?}");
        ensure!(run.answer(2)? == 1, "{run:?}");
        let reports: Vec<_> = run.steps.iter().filter(|step| step.step == 3).collect();
        ensure!(
            matches!(*reports, [first, second] if first.answer == "written" && second.answer == "unchanged"),
            "{run:?}"
        );
        ensure!(run.outcome.as_deref() == Some("Permanent"), "{run:?}");

        for (script, outcome) in [
            (json!([{"panic": "as told"}]), "Trapped"),
            (json!([{"exit": 3}]), "Trapped"),
            (json!([{"spin": {}}]), "CpuLimit"),
            (json!([{"allocate": 134_217_728}]), "MemoryLimit"),
            (json!([{"fail": {"reason": "Later", "message": "m"}}]), "Transient"),
        ] {
            let run = puppet.plays(&host, script.clone()).await?;
            ensure!(run.outcome.as_deref() == Some(outcome), "{script}: {run:?}");
        }
        Ok(())
    })
}
