//! Sources: a file, a ConfigMap, the folder; the digest pin; who wins on a clash.

use anyhow::{Context as _, Result, ensure};
use joch_core::name::Digest;
use joch_tests::account::Account;
use joch_tests::guests::{component, new_version};
use joch_tests::objects::{create, greetings};
use joch_tests::plugin_objects::{history, merge, plugin, plugins, put_in_map, stage, until};
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};
use kube::api::DeleteParams;
use serde_json::json;

use crate::hello::{greeting, until_text};

const LIVE: &[&str] =
    &["Ready=True/Running", "Compatible=True/Loaded", "GrantsSatisfied=True/Granted"];

#[test]
fn a_file_is_followed_and_a_broken_one_does_not_replace_it() -> Result<()> {
    on_bare_cluster("plugin_objects::path", async |cluster| {
        let stage = stage(cluster, "plugin_objects::path", &[]).await?;
        let file = stage.folder.join("elsewhere/hello.wasm");
        std::fs::create_dir(stage.folder.join("elsewhere"))?;
        let first = component("hello-controller")?;
        std::fs::write(&file, &first)?;
        let plugins = plugins(stage.client.clone());
        create(&plugins, &plugin("hello", &json!({"path": file}))).await?;
        let mut host = stage.host().await?;

        let object = until(&plugins, "hello", "Active", LIVE).await?;
        let status = &object.data["status"];
        ensure!(status["digest"] == Digest::of(&first).to_string(), "{status}");
        ensure!(status["version"] == "0.1.0" && status["observedGeneration"] == 1, "{status}");
        ensure!(status["controllers"][0]["state"] == "Running", "{status}");
        let requested = status["requested"].to_string();
        ensure!(
            requested.contains("create, patch on v1/ConfigMap in the same namespace"),
            "{status}"
        );
        let sorted = |field: &str| {
            let lines = status[field].as_array().into_iter().flatten();
            let mut lines: Vec<String> = lines.map(ToString::to_string).collect();
            lines.sort();
            lines
        };
        ensure!(sorted("granted") == sorted("requested"), "{status}");
        let greetings = greetings(stage.client.clone(), &stage.namespace);
        create(&greetings, &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;

        let second = new_version(&first, 2);
        std::fs::write(&file, &second)?;
        host.runs("hello", &second).await?;
        std::fs::write(&file, b"junk")?;
        let broken =
            until(&plugins, "hello", "Active", &["Compatible=False/SourceUnusable"]).await?;
        let status = &broken.data["status"];
        ensure!(status["digest"] == Digest::of(&second).to_string(), "{status}");
        ensure!(
            history(&broken) == ["Refused/SourceUnusable", "Activated/Loaded", "Activated/Loaded"],
            "{status}"
        );
        std::fs::remove_file(&file)?;
        eventually("the reason is that the file is gone", LONG, async || {
            let message = plugins.get("hello").await?.data["status"]["conditions"].to_string();
            ensure!(message.contains("does not exist"), "{message}");
            Ok(())
        })
        .await?;
        std::fs::write(&file, &second)?;
        until(&plugins, "hello", "Active", LIVE).await?;

        let table = cluster.kubectl(&["get", "plugins", "-o", "wide"]).await?;
        for part in ["PHASE", "READY", "VERSION", "MODE", "DIGEST", "Active", "True", "0.1.0"] {
            ensure!(table.contains(part), "{part:?} is not in\n{table}");
        }
        let shown = cluster.kubectl(&["get", "joch"]).await?;
        ensure!(shown.contains("plugin.joch.dev/hello"), "{shown}");

        plugins.delete("hello", &DeleteParams::default()).await?;
        host.shows("the plugin is out", |overview| overview.controllers.is_empty()).await?;
        host.terminate().await
    })
}

#[test]
fn a_settled_plugin_causes_no_write() -> Result<()> {
    on_bare_cluster("plugin_objects::settled", async |cluster| {
        let stage = stage(cluster, "plugin_objects::settled", &["hello-controller"]).await?;
        let host = stage.host().await?;
        let plugins = plugins(stage.client.clone());
        let before = until(&plugins, "hello-controller", "Active", LIVE).await?;
        // Another event of the same watch: the host has looked at everything since.
        merge(&plugins, "hello-controller", json!({"metadata": {"labels": {"seen": "yes"}}}))
            .await?;
        let mark = stage.proxy.record().mark();
        create(&greetings(stage.client.clone(), &stage.namespace), &greeting("ada")).await?;
        until_text(&stage, "ada", "Hello, ada!").await?;
        let writes = stage
            .proxy
            .record()
            .since(mark, |entry| entry.request.is_write() && entry.request.resource == "plugins");
        ensure!(writes.is_empty(), "{writes:?}");
        let after = plugins.get("hello-controller").await?;
        ensure!(after.data["status"] == before.data["status"], "{:?}", after.data["status"]);
        drop(host);
        Ok(())
    })
}

#[test]
fn a_config_map_is_followed_and_a_pinned_digest_is_kept_to() -> Result<()> {
    on_bare_cluster("plugin_objects::map", async |cluster| {
        let stage = stage(cluster, "plugin_objects::map", &[]).await?;
        let host = stage.host().await?;
        let plugins = plugins(stage.client.clone());
        let first = component("hello-controller")?;
        let source = json!({"configMap":
            {"namespace": stage.namespace, "name": "code", "key": "hello.wasm"}});
        let mut object = plugin("hello", &source);
        object["spec"]["digest"] = Digest::of(&first).to_string().into();
        create(&plugins, &object).await?;
        let refused = &["Ready=False/SourceUnusable", "GrantsSatisfied=Unknown/NotLoaded"];
        until(&plugins, "hello", "Refused", refused).await?;

        put_in_map(&stage, "code", "hello.wasm", &first).await?;
        until(&plugins, "hello", "Active", LIVE).await?;
        let second = new_version(&first, 2);
        put_in_map(&stage, "code", "hello.wasm", &second).await?;
        let pinned =
            until(&plugins, "hello", "Active", &["Compatible=False/DigestMismatch"]).await?;
        ensure!(pinned.data["status"]["digest"] == Digest::of(&first).to_string());

        let digest = Digest::of(&second).to_string();
        merge(&plugins, "hello", json!({"spec": {"digest": digest}})).await?;
        host.runs("hello", &second).await?;
        let followed = until(&plugins, "hello", "Active", LIVE).await?;
        ensure!(followed.data["status"]["observedGeneration"] == 2, "{:?}", followed.data);
        put_in_map(&stage, "code", "other.wasm", &second).await?;
        let missing =
            until(&plugins, "hello", "Active", &["Compatible=False/SourceUnusable"]).await?;
        ensure!(missing.data["status"].to_string().contains("no key \\\"hello.wasm\\\""));
        Ok(())
    })
}

#[test]
fn a_plugin_of_the_folder_is_shown_and_an_object_of_its_name_beats_it() -> Result<()> {
    on_bare_cluster("plugin_objects::folder", async |cluster| {
        let stage = stage(cluster, "plugin_objects::folder", &["hello-controller"]).await?;
        let plugins = plugins(stage.client.clone());
        let mut host = stage.host().await?;
        let shown = until(&plugins, "hello-controller", "Active", LIVE).await?;
        ensure!(shown.data["spec"]["source"] == json!({"folder": "hello-controller.wasm"}));
        stage.plugins.remove("hello-controller.wasm")?;
        eventually("what showed it is gone with the file", LONG, async || {
            ensure!(plugins.get_opt("hello-controller").await?.is_none(), "it is there");
            Ok(())
        })
        .await?;

        let bytes = component("hello-controller")?;
        let own = stage.folder.join("own");
        std::fs::create_dir(&own)?;
        std::fs::write(own.join("hello.wasm"), new_version(&bytes, 7))?;
        let source = json!({"path": own.join("hello.wasm")});
        create(&plugins, &plugin("hello-controller", &source)).await?;
        host.runs("hello-controller", &new_version(&bytes, 7)).await?;
        stage.plugins.install("hello-controller.wasm", &bytes)?;
        let beaten = host.shows("the file is beaten", |overview| {
            let file = overview.file("hello-controller.wasm");
            let refused = file.and_then(|file| file.refused.as_ref());
            refused.is_some_and(|refused| refused.reason.contains("beats the folder"))
        });
        beaten.await?;
        host.runs("hello-controller", &new_version(&bytes, 7)).await?;

        plugins.delete("hello-controller", &DeleteParams::default()).await?;
        host.runs("hello-controller", &bytes).await?;
        let shown = until(&plugins, "hello-controller", "Active", LIVE).await?;
        ensure!(shown.data["spec"]["source"] == json!({"folder": "hello-controller.wasm"}));
        host.terminate().await
    })
}

#[test]
fn bad_objects_are_refused_by_the_api_server_with_the_way_out() -> Result<()> {
    on_bare_cluster("plugin_objects::bad", async |cluster| {
        let stage = stage(cluster, "plugin_objects::bad", &[]).await?;
        let plugins = plugins(stage.client.clone());
        let path = json!({"path": "/p.wasm"});
        let mut digest = plugin("p", &path);
        digest["spec"]["digest"] = "sha256:12".into();
        let mut mode = plugin("p", &path);
        mode["spec"]["mode"] = "sometimes".into();
        for (object, part) in [
            (plugin("p", &json!({})), "exactly one of path, configMap and folder"),
            (plugin("p", &json!({"path": "/p.wasm", "folder": "p"})), "exactly one of"),
            (plugin("a.b", &path), "DNS label of at most 40"),
            (plugin(&"p".repeat(41), &path), "DNS label of at most 40"),
            (plugin("p", &json!({"path": "p.wasm"})), "spec.source.path"),
            (digest, "spec.digest"),
            (mode, "spec.mode"),
        ] {
            let error = create(&plugins, &object).await.err().map(|error| format!("{error:#}"));
            let error = error.unwrap_or_default();
            ensure!(error.contains(part), "{part:?} is not in {error:?}: {object}");
        }
        Ok(())
    })
}

#[test]
fn a_config_map_that_the_host_may_not_read_is_named_with_the_way_out() -> Result<()> {
    on_bare_cluster("plugin_objects::account", async |cluster| {
        let stage = stage(cluster, "plugin_objects::account", &[]).await?;
        let mut account = Account::new(cluster, stage, &[]).await?;
        let (namespace, client) = (account.stage.namespace.clone(), account.stage.client.clone());
        let (all, map) = (plugins(client), format!("{namespace}/code"));
        put_in_map(&account.stage, "code", "hello.wasm", &component("hello-controller")?).await?;
        let source = json!({"configMap":
            {"namespace": namespace, "name": "code", "key": "hello.wasm"}});
        let _host = account.stage.host().await?;
        create(&all, &plugin("hello", &source)).await?;
        let refused = until(&all, "hello", "Refused", &["Ready=False/SourceUnusable"]).await?;
        let message = refused.data["status"]["conditions"].to_string();
        let way_out = format!("rbac --config-map {map}");
        ensure!(
            message.contains("may not list and watch") && message.contains(&way_out),
            "{message}"
        );

        // With the printed rule the component is read; the next missing rights are the plugin's own.
        account.print(cluster, &["--config-map", &map]).await?;
        let read = until(&all, "hello", "Refused", &["Ready=False/HostNotPermitted"]).await?;
        let message = read.data["status"]["conditions"].to_string();
        ensure!(message.contains("create on v1/ConfigMap in namespace"), "{message}");
        let file = account.stage.folder.join("hello.wasm");
        std::fs::write(&file, component("hello-controller")?)?;
        let file = file.to_str().context("a path that is no text")?;
        account.print(cluster, &["--config-map", &map, file]).await?;
        until(&all, "hello", "Active", &["Ready=True/Running"]).await.map(drop)
    })
}
