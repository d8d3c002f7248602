//! One manager for some plugins, another one for others; and what Leases need.

use anyhow::{Context as _, Result, ensure};
use joch_tests::account::Account;
use joch_tests::crew::{Crew, FLAGS};
use joch_tests::host::Host;
use joch_tests::puppet;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use serde_json::Value;

use super::pass;

#[test]
fn names_and_groups_split_the_plugins_over_managers() -> Result<()> {
    on_cluster("replicas::split", async |cluster| {
        crate::hello::install_kind(cluster).await?;
        let plugins = ["kubetask", "hello-controller", "puppet"];
        let mut crew = Crew::new(cluster, "replicas::split", &plugins).await?;
        crew.join(cluster, &["--groups", "kubetask.io,other.io"], pass).await?;
        crew.join(cluster, &["--plugins", "hello-controller"], pass).await?;
        ensure!(crew.holder("kubetask", &[0, 1]).await? == 0, "by its group");
        ensure!(crew.holder("hello-controller", &[0, 1]).await? == 1, "by its name");
        for (replica, foreign) in
            [(0, "hello-controller"), (1, "kubetask"), (0, "puppet"), (1, "puppet")]
        {
            let view = crew.replicas[replica].view(foreign).await?;
            ensure!(view == Value::Null, "replica {replica} knows {foreign}: {view}");
        }
        Ok(())
    })
}

#[test]
fn a_kind_has_one_plugin_also_over_managers() -> Result<()> {
    on_cluster("replicas::kinds", async |cluster| {
        let mut crew = Crew::new(cluster, "replicas::kinds", &[]).await?;
        for name in ["first", "second"] {
            let renamed = puppet::with(&[("name = \"puppet\"", &format!("name = \"{name}\""))])?;
            crew.stage.plugins.install(&format!("{name}.wasm"), &renamed)?;
        }
        crew.join(cluster, &["--plugins", "first"], pass).await?;
        crew.holder("first", &[0]).await?;
        crew.join(cluster, &["--plugins", "second"], pass).await?;
        let second = &crew.replicas[1];
        eventually("the second is refused", LONG, async || {
            let view = second.view("second").await?;
            ensure!(view["phase"] == "Refused", "{view}");
            let said = view["conditions"].to_string();
            ensure!(said.contains("already reconciled by plugin \\\"first\\\""), "{said}");
            Ok(())
        })
        .await?;
        crew.replicas[0].host.terminate().await?;
        crew.holder("second", &[1]).await.map(drop)
    })
}

#[test]
fn without_the_right_to_use_leases_nothing_runs_and_the_way_out_is_named() -> Result<()> {
    on_cluster("replicas::rights", async |cluster| {
        let stage = Stage::new(cluster, "replicas::rights", &["kubetask"]).await?;
        let mut account = Account::new(cluster, stage, &["kubetask"]).await?;
        let namespace = account.stage.namespace.clone();
        let place = ["--lease-namespace", namespace.as_str()];
        let flags = FLAGS.iter().chain(&place);
        account.stage.options.flags = flags.map(|&flag| flag.to_owned()).collect();
        let mut host = Host::spawn(account.stage.options.clone())?;
        eventually("it is said why nothing runs", LONG, async || {
            let (code, page) = host.page("/readyz").await?;
            ensure!(code == 503 && page.contains("Leases"), "{code} {page}");
            let log = std::fs::read_to_string(account.stage.folder.join("host-1.log"))?;
            let line = log.lines().find(|line| line.contains("Leases cannot be used"));
            let line = line.context("not in the log")?;
            ensure!(line.contains("rbac") && line.contains("--leases false"), "{line}");
            Ok(())
        })
        .await?;
        ensure!(host.plugins().await?.controllers.is_empty(), "something runs");
        account.print(cluster, &["--leases", "true"]).await?;
        host.ready().await?;
        host.shows("the plugin runs", |overview| {
            overview.controllers.iter().any(|view| view.plugin == "kubetask")
        })
        .await?;
        let refused = account.refused();
        let since = refused.iter().filter(|it| it.request.resource != "leases");
        ensure!(since.count() == 0, "refused: {refused:#?}");
        Ok(())
    })
}
