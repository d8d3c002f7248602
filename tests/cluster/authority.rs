//! What the host may do itself: the roles that `rbac` prints are enough, none of their rules is too many,
//! and what is missing is told before a plugin is refused its calls.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use joch_artifact::Package;
use joch_controller::{Access, Accesses};
use joch_core::grants_file::GrantsFile;
use joch_tests::cluster::Cluster;
use joch_tests::guests;
use joch_tests::host;
use joch_tests::objects::{agent, create, end_pod, greetings, task, until_phase};
use joch_tests::proxy::Entry;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{GroupVersion, GroupVersionKind};
use kube::discovery::pinned_group;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::hello;

const PLUGINS: [&str; 2] = ["kubetask", "hello-controller"];

/// A host that is nobody but the service account of the roles that were printed for its plugins.
struct Account {
    stage: Stage,
    /// The printed objects.
    printed: Vec<Value>,
    /// How the API server is reached as that account, through the proxy.
    kubeconfig: PathBuf,
}

impl Account {
    async fn new(cluster: &Cluster, test: &str) -> Result<Self> {
        hello::install_kind(cluster).await?;
        let mut stage = Stage::new(cluster, test, &PLUGINS).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let mut account = ServiceAccount::default();
        account.metadata.name = Some("host".to_owned());
        accounts.create(&PostParams::default(), &account).await?;
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(3600), ..Default::default() },
            ..Default::default()
        };
        let request =
            accounts.create_token_request("host", &PostParams::default(), &request).await?;
        let token = request.status.context("no token")?.token;
        let mut access = serde_json::to_value(stage.proxy.access())?;
        for user in access.pointer_mut("/users").and_then(Value::as_array_mut).into_iter().flatten()
        {
            user["user"] = json!({"token": token});
        }
        let kubeconfig = stage.folder.join("account.kubeconfig");
        std::fs::write(&kubeconfig, access.to_string())?;
        stage.options.kubeconfig.clone_from(&kubeconfig);

        let text = printed(cluster, &stage)?;
        let file = stage.folder.join("roles.yaml");
        std::fs::write(&file, &text)?;
        cluster.apply(&file, None).await?;
        let objects = serde_norway::Deserializer::from_str(&text).map(Value::deserialize);
        let printed = objects.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { stage, printed, kubeconfig })
    }

    /// The printed roles: kind, namespace, rules.
    fn roles(&self) -> impl Iterator<Item = (&str, Option<&str>, &Vec<Value>)> {
        self.printed.iter().filter_map(|object| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            Some((text("/kind")?, text("/metadata/namespace"), object.get("rules")?.as_array()?))
        })
    }

    /// Gives a role other rules.
    async fn set(&self, kind: &str, namespace: Option<&str>, rules: &[Value]) -> Result<()> {
        let gvk = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk(&gvk);
        let client = self.stage.client.clone();
        let roles: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch(&self.stage.namespace, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// What the host may not do, by its own questions: for itself and for each plugin.
    async fn missing(&self) -> Result<BTreeSet<String>> {
        let client = joch_controller::connect(Some(&self.kubeconfig)).await?;
        let accesses = Accesses::new(client, vec![self.stage.namespace.clone()]);
        let grants = GrantsFile::parse(&self.stage.options.grants).map_err(anyhow::Error::msg)?;
        let mut all = vec![accesses.check_host().await];
        for plugin in PLUGINS {
            let manifest = Package::read(guests::component(plugin)?)?.manifest;
            all.push(accesses.check(&manifest, &grants.authority(&manifest)?).await);
        }
        let unknown: Vec<&String> = all.iter().flat_map(|access| &access.unknown).collect();
        ensure!(unknown.is_empty(), "{unknown:?}");
        Ok(all.into_iter().flat_map(|Access { missing, .. }| missing).collect())
    }

    fn refused(&self) -> Vec<Entry> {
        self.stage.proxy.record().since(0, |entry| matches!(entry.code, Some(401 | 403)))
    }
}

/// What `rbac` prints for the host of this stage. Its name is the namespace: tests share the cluster.
fn printed(cluster: &Cluster, stage: &Stage) -> Result<String> {
    let grants = stage.folder.join("grants-for-rbac.toml");
    std::fs::write(&grants, &stage.options.grants)?;
    let namespace = &stage.namespace;
    let output = Command::new(host::program()?)
        .arg("rbac")
        .arg(&stage.options.plugins)
        .arg("--grants")
        .arg(&grants)
        .arg("--kubeconfig")
        .arg(cluster.kubeconfig())
        .args(["--namespace", namespace, "--name", namespace])
        .args(["--service-account", &format!("{namespace}/host")])
        // What the environment says to the host is nothing to the subcommand.
        .env("JOCH_PLUGINS", "/nowhere")
        .env("JOCH_DRAIN", "nonsense")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rbac failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_printed_roles_are_enough_for_the_plugins_they_were_printed_for() -> Result<()> {
    on_cluster("authority::enough", async |cluster| {
        let account = Account::new(cluster, "authority::enough").await?;
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
        let account = Account::new(cluster, "authority::minimal").await?;
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
        let account = Account::new(cluster, "authority::refused").await?;
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
