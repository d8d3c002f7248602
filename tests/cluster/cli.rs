//! `joch plugin new`, `build`, `check` and `test` in JavaScript: what the template makes passes its own tests
//! and runs on a real control plane, and a change of its code is swapped in. (Rust and Python: `readme.rs`.)

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use joch_tests::paths;
use joch_tests::stage::Stage;
use joch_tests::suite::on_cluster;
use joch_tests::wait::{LONG, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;

/// Runs a program in a folder, with the tools that are there: nothing is fetched.
fn run(program: &Path, folder: &Path, args: &[&str]) -> Result<()> {
    let joch = joch()?;
    let programs = joch.parent().context("a program in no folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [programs.to_owned()].into_iter().chain(std::env::split_paths(&path));
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path)?)
        .env("TOOL", tool()?)
        .env("npm_config_offline", "true")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let answered = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{program:?} {args:?} failed: {answered}{said}");
    Ok(())
}

fn joch() -> Result<PathBuf> {
    let hint = "run `cargo build --release -p joch-cli`";
    Ok(paths::find(&["joch"], "target/release/joch", hint)?.canonicalize()?)
}

/// The compiler that `make languages` got.
fn tool() -> Result<PathBuf> {
    paths::find(&["tools/javascript"], "dist/tools/javascript", "run `make languages`")
}

async fn until_message(maps: &Api<ConfigMap>, wanted: &str) -> Result<()> {
    eventually(&format!("the ConfigMap says {wanted:?}"), LONG, async || {
        let data = maps.get("example-notice").await?.data.context("no data")?;
        ensure!(data.get("message").map(String::as_str) == Some(wanted), "{data:?}");
        Ok(())
    })
    .await
}

#[test]
fn the_template_s_example_is_reconciled_and_a_changed_controller_is_swapped_in() -> Result<()> {
    on_cluster("cli::template", async |cluster| {
        let stage = Stage::new(cluster, "cli::template", &[]).await?;
        let joch = joch()?;
        let args = ["plugin", "new", "notice", "--kind", "cli.joch.dev/v1/Notice"];
        run(&joch, &stage.folder, &[&args[..], &["--language", "javascript"]].concat())?;
        let project = stage.folder.join("notice");
        run(Path::new("node"), &project, &["--test"])?;
        let made = std::fs::metadata(tool()?.join("ready"))?.modified()?;
        run(&joch, &project, &["plugin", "build"])?;
        let now = std::fs::metadata(tool()?.join("ready"))?.modified()?;
        ensure!(made == now, "the tool, which was there, was made again");
        let file = "dist/notice.wasm";
        run(&joch, &project, &["plugin", "check", file, "--grants", "grants.toml"])?;
        run(&joch, &project, &["plugin", "test", file])?;
        let component = project.join(file);
        let grants = std::fs::read_to_string(project.join("grants.toml"))?;

        cluster.apply(&project.join("crd.yaml"), None).await?;
        let mut options = stage.options.clone();
        options.grants = grants;
        let host = joch_tests::host::Host::start(options).await?;
        let first = std::fs::read(&component)?;
        stage.plugins.install("notice.wasm", &first)?;
        host.runs("notice", &first).await?;
        cluster.apply(&project.join("example.yaml"), Some(&stage.namespace)).await?;
        let maps: Api<ConfigMap> = Api::namespaced(stage.client.clone(), &stage.namespace);
        until_message(&maps, "It works.").await?;

        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cli.joch.dev", "v1", "Notice"));
        let notices: Api<DynamicObject> =
            Api::namespaced_with(stage.client.clone(), &stage.namespace, &kind);
        eventually("the status is reported", LONG, async || {
            let notice = notices.get("example").await?;
            let phase = notice.data.pointer("/status/phase").and_then(Value::as_str);
            ensure!(phase == Some("Ready"), "{:?}", notice.data);
            Ok(())
        })
        .await?;

        let source = project.join("wanted.js");
        let code = std::fs::read_to_string(&source)?;
        let louder = code.replacen("spec.message", "spec.message.toUpperCase()", 1);
        ensure!(louder != code, "the template does not say spec.message any more: {code}");
        std::fs::write(&source, louder)?;
        run(&joch, &project, &["plugin", "build"])?;
        let second = std::fs::read(&component)?;
        stage.plugins.install("notice.wasm", &second)?;
        host.runs("notice", &second).await?;
        until_message(&maps, "IT WORKS.").await
    })
}
