//! Rights of the host's own account that are taken away while it runs, and given back.

use anyhow::{Context as _, Result, ensure};
use joch_tests::account::Account;
use joch_tests::cluster::Cluster;
use joch_tests::objects::{agent, create, greetings, task, until_phase};
use joch_tests::proxy::ApiRequest;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use serde_json::{Value, json};

use super::{told, until_answered, until_metric, until_state};
use crate::hello::{self, greeting, until_text};

const PLUGINS: [&str; 2] = ["kubetask", "hello-controller"];

async fn account(cluster: &Cluster, test: &str) -> Result<Account> {
    hello::install_kind(cluster).await?;
    let stage = Stage::new(cluster, test, &PLUGINS).await?;
    let mut account = Account::new(cluster, stage, &PLUGINS).await?;
    // So that a watch whose right is gone ends soon: the API server lets it go on until it is taken up again.
    account.stage.options.flags = ["--watch-stall", "2s"].map(str::to_owned).into();
    eventually("the roles hold", LONG, async || {
        let missing = account.missing().await?;
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(())
    })
    .await?;
    Ok(account)
}

/// The role in the test's own namespace: its kind, and its rules.
fn role(account: &Account) -> Result<(&str, &Vec<Value>)> {
    let namespace = Some(account.stage.namespace.as_str());
    let (kind, _, rules) =
        account.roles().find(|(_, at, _)| *at == namespace).context("no role in the namespace")?;
    Ok((kind, rules))
}

/// The rules without these verbs on a resource.
fn without(rules: &[Value], resource: &str, verbs: &[&str]) -> Result<Vec<Value>> {
    let mut fewer = rules.to_vec();
    for rule in fewer.iter_mut().filter(|rule| rule["resources"] == json!([resource])) {
        let held = rule["verbs"].as_array_mut().context("verbs")?;
        held.retain(|verb| !verbs.iter().any(|gone| verb == gone));
    }
    fewer.retain(|rule| rule["verbs"] != json!([]));
    ensure!(fewer != rules, "there is no such rule: {rules:?}");
    Ok(fewer)
}

#[test]
fn a_watch_that_the_host_may_not_make_any_more_is_shown_and_heals_with_the_right() -> Result<()> {
    on_cluster("kinds::denied", async |cluster| {
        let account = account(cluster, "kinds::denied").await?;
        let stage = &account.stage;
        let host = stage.host().await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        until_text(stage, "ada", "Hello, ada!").await?;

        let namespace = Some(stage.namespace.as_str());
        let (kind, rules) = role(&account)?;
        let fewer = without(rules, "greetings", &["list", "watch"])?;
        account.set(kind, namespace, &fewer).await?;
        let denied = format!(
            "Denied watch hello.joch.dev/v1alpha1/Greeting in namespace {}",
            stage.namespace
        );
        until_state(&host, "greeting", &denied).await?;
        until_metric(&host, "joch_watches_denied 1").await?;
        // It goes on trying, and says it once.
        let mark = stage.proxy.record().mark();
        let lists =
            |request: &ApiRequest| request.resource == "greetings" && request.verb == "list";
        until_answered(stage, mark, 403, 2, lists).await?;
        ensure!(told(&host, "the host may not watch; it is tried again with growing delays")? == 1);
        let tries = host.log()?.lines().filter(|line| line.mentions("error with 403")).count();
        ensure!(tries == 0, "the library tells of {tries} tries");
        let (code, page) = host.page("/readyz").await?;
        ensure!(code == 200, "one plugin's rights make the whole host unready: {page}");

        // Others go on meanwhile.
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("t")).await?;
        until_phase(&stage.kubetask("Task"), "t", "Running").await?;

        create(&greetings, &greeting("grace")).await?;
        account.set(kind, namespace, rules).await?;
        until_text(stage, "grace", "Hello, grace!").await?;
        until_state(&host, "greeting", "Running").await?;
        until_metric(&host, "joch_watches_denied 0").await?;
        ensure!(told(&host, "the host may watch again")? == 1);
        Ok(())
    })
}

#[test]
fn a_write_that_the_host_may_not_make_is_nobodys_fault_and_heals_with_the_right() -> Result<()> {
    on_cluster("kinds::unwritable", async |cluster| {
        let account = account(cluster, "kinds::unwritable").await?;
        let stage = &account.stage;
        let host = stage.host().await?;
        let namespace = Some(stage.namespace.as_str());
        let (kind, rules) = role(&account)?;
        let writes = ["create", "patch", "update"];
        account.set(kind, namespace, &without(rules, "configmaps", &writes)?).await?;
        eventually("the right is gone", LONG, async || {
            ensure!(!account.missing().await?.is_empty(), "not yet");
            Ok(())
        })
        .await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        let refused = |request: &ApiRequest| request.resource == "configmaps" && request.is_write();
        until_answered(stage, 0, 403, 1, refused).await?;
        eventually("the refusal is counted as nobody's", LONG, async || {
            let (_, metrics) = host.page("/metrics").await?;
            let failed = metrics.lines().filter(|line| line.starts_with("joch_plugin_failures"));
            let failed: Vec<&str> = failed.collect();
            ensure!(!failed.is_empty(), "no failure");
            ensure!(failed.iter().all(|line| line.contains("blame=\"refusal\"")), "{failed:?}");
            Ok(())
        })
        .await?;
        account.set(kind, namespace, rules).await?;
        until_text(stage, "ada", "Hello, ada!").await
    })
}
