//! What the host may do itself: the roles that `rbac` prints are enough, none of their rules is too many,
//! and what is missing is told before a plugin is refused its calls.

use anyhow::{Context as _, Result, ensure};
use joch_artifact::Package;
use joch_controller::Accesses;
use joch_core::grants_file::GrantsFile;
use joch_tests::account::Account;
use joch_tests::cluster::Cluster;
use joch_tests::guests;
use joch_tests::objects::{agent, create, end_pod, greetings, task, until_phase};
use joch_tests::proxy::Entry;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::core::GroupVersion;
use kube::discovery::pinned_group;
use serde_json::json;

use crate::hello;

const PLUGINS: [&str; 2] = ["kubetask", "hello-controller"];

async fn account(cluster: &Cluster, test: &str) -> Result<Account> {
    hello::install_kind(cluster).await?;
    let stage = Stage::new(cluster, test, &PLUGINS).await?;
    Account::new(cluster, stage, &PLUGINS).await
}

#[test]
fn the_printed_roles_are_enough_for_the_plugins_they_were_printed_for() -> Result<()> {
    on_cluster("authority::enough", async |cluster| {
        let account = account(cluster, "authority::enough").await?;
        eventually("the roles hold", LONG, async || {
            let missing = account.missing().await?;
            ensure!(missing.is_empty(), "{missing:?}");
            Ok(())
        })
        .await?;
        let stage = &account.stage;
        let _host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("t")).await?;
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &hello::greeting("ada")).await?;
        until_phase(&stage.kubetask("Task"), "t", "Running").await?;
        end_pod(&stage.client, &stage.namespace, "t-job", "Succeeded").await?;
        until_phase(&stage.kubetask("Task"), "t", "Completed").await?;
        hello::until_text(stage, "ada", "Hello, ada!").await?;
        let refused = account.refused();
        ensure!(refused.is_empty(), "refused: {refused:#?}");
        Ok(())
    })
}

#[test]
fn every_rule_is_needed_and_a_verb_that_is_missing_is_named() -> Result<()> {
    on_cluster("authority::minimal", async |cluster| {
        let account = account(cluster, "authority::minimal").await?;
        let group = GroupVersion::gv("joch.dev", "v1alpha1");
        let plugins = pinned_group(&account.stage.client, &group).await.is_ok();
        let mut tried = 0;
        for (kind, namespace, rules) in account.roles() {
            for (index, rule) in rules.iter().enumerate() {
                let count = |field: &str| rule[field].as_array().map_or(0, Vec::len);
                // Every account may ask for itself, by a role of Kubernetes' own; and of a kind that is
                // not served, nothing is asked.
                let everybody = rule["resources"] == json!(["selfsubjectaccessreviews"]);
                if everybody || (!plugins && rule["apiGroups"] == json!(["joch.dev"])) {
                    continue;
                }
                let mut fewer = rules.clone();
                let verbs = fewer[index]["verbs"].as_array_mut().context("no verbs")?;
                let verb = verbs.pop().context("no verb")?;
                let verb = verb.as_str().context("no text")?.to_owned();
                if verbs.is_empty() {
                    fewer.remove(index);
                }
                account.set(kind, namespace, &fewer).await?;
                let expected = count("resources") * count("resourceNames").max(1);
                let named = format!("{verb} of {rule} is named, in {namespace:?}");
                eventually(&named, LONG, async || {
                    let missing = account.missing().await?;
                    let start = format!("{verb} on ");
                    let place =
                        namespace.map_or("cluster".to_owned(), |n| format!("namespace {n}"));
                    let right = |text: &String| text.starts_with(&start) && text.contains(&place);
                    ensure!(missing.len() == expected && missing.iter().all(right), "{missing:?}");
                    Ok(())
                })
                .await?;
                account.set(kind, namespace, rules).await?;
                tried += 1;
            }
        }
        ensure!(tried > 5, "only {tried} rules were printed");
        eventually("nothing is missing", LONG, async || {
            let missing = account.missing().await?;
            ensure!(missing.is_empty(), "{missing:?}");
            Ok(())
        })
        .await
    })
}

#[test]
fn without_a_rule_the_plugin_that_needs_it_is_refused_by_name_until_it_is_there() -> Result<()> {
    on_cluster("authority::refused", async |cluster| {
        let account = account(cluster, "authority::refused").await?;
        let stage = &account.stage;
        let namespace = Some(stage.namespace.as_str());
        let role = account.roles().find(|(_, at, _)| *at == namespace);
        let (kind, _, rules) = role.context("no role in the namespace")?;
        let mut fewer = rules.clone();
        for rule in fewer.iter_mut().filter(|rule| rule["resources"] == json!(["jobs"])) {
            let verbs = rule["verbs"].as_array_mut().context("no verbs")?;
            verbs.retain(|verb| verb != "create");
        }
        account.set(kind, namespace, &fewer).await?;
        eventually("the role has lost a verb", LONG, async || {
            let missing: Vec<String> = account.missing().await?.into_iter().collect();
            let jobs = format!("create on batch/v1/Job in namespace {}", stage.namespace);
            ensure!(missing == [jobs], "{missing:?}");
            Ok(())
        })
        .await?;
        let host = stage.host().await?;
        let wanted = format!("create on batch/v1/Job in namespace {}", stage.namespace);
        host.shows("the plugin is refused for want of the rule", |overview| {
            let file = overview.file("kubetask.wasm");
            let reason = file.and_then(|file| file.refused.as_ref()).map(|it| it.reason.as_str());
            reason.is_some_and(|it| it.contains("the host itself may not") && it.contains(&wanted))
        })
        .await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("t")).await?;
        account.set(kind, namespace, rules).await?;
        until_phase(&stage.kubetask("Task"), "t", "Running").await.map(drop)
    })
}

#[test]
fn a_denial_names_the_missing_grant_and_is_counted() -> Result<()> {
    on_cluster("authority::denial", async |cluster| {
        let mut stage = Stage::new(cluster, "authority::denial", &["kubetask"]).await?;
        stage.options.grants.push_str(
            "[plugins.kubetask]\nallow = \"requested\"\n[plugins.kubetask.jobs]\n\
             service-accounts = [\"*\"]\nimages = [\"other/*\"]\nprofile = \"baseline\"\n\
             max-active = 5\n",
        );
        let host = stage.host().await?;
        create(&stage.kubetask("Agent"), &agent("default")).await?;
        create(&stage.kubetask("Task"), &task("t")).await?;
        let counter = "joch_plugin_denials_total{plugin=\"kubetask\"} ";
        eventually("the denial is counted", LONG, async || {
            let (_, metrics) = host.page("/metrics").await?;
            let count = metrics.lines().find_map(|line| line.strip_prefix(counter));
            ensure!(count.context("no such counter")?.parse::<u32>()? > 0, "{metrics}");
            Ok(())
        })
        .await?;
        let log = std::fs::read_to_string(stage.folder.join("host-1.log"))?;
        let named = "image \\\"custom-agent:v1.0.0\\\" is not granted (grant.jobs.images)";
        ensure!(log.contains(named), "{}", host.last_words());
        ensure!(stage.proxy.record().posts("jobs", &stage.namespace) == 0, "a Job was sent");
        Ok(())
    })
}

#[test]
fn answers_are_remembered_and_questions_are_bounded() -> Result<()> {
    on_cluster("authority::bounds", async |cluster| {
        let account = account(cluster, "authority::bounds").await?;
        let asked = || {
            let review = |entry: &Entry| entry.request.resource == "selfsubjectaccessreviews";
            account.stage.proxy.record().since(0, review).len()
        };
        let client = joch_controller::connect(Some(&account.stage.options.kubeconfig)).await?;
        let grants = GrantsFile::requested();
        let manifest = Package::read(guests::component("hello-controller")?)?.manifest;
        let authority = grants.authority(&manifest)?;
        let namespaces = vec![account.stage.namespace.clone()];
        let accesses = Accesses::new(client.clone(), namespaces);
        let first = accesses.check(&manifest, &authority).await;
        let after = asked();
        ensure!(after > 5, "only {after} questions");
        ensure!(accesses.check(&manifest, &authority).await == first, "another answer");
        ensure!(asked() == after, "{} questions were asked again", asked() - after);

        // More namespaces than anybody looks at one by one.
        let namespaces = (0..400).map(|number| format!("n{number}")).collect();
        let many = Accesses::new(client, namespaces).check(&manifest, &authority).await;
        ensure!(asked() - after == 2_000, "{} questions", asked() - after);
        ensure!(many.unknown.iter().any(|text| text.contains("further questions")), "{many:?}");
        Ok(())
    })
}
