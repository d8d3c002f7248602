//! README's section "Write a controller", word for word: its commands are run by a shell, in Rust and in
//! Python, from `make build` to a change of the running controller.
//!
//! Only their surroundings are the test's: where things are kept, and a control plane that runs already, so
//! that it ends with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use joch_tests::cluster::Cluster;
use joch_tests::paths;
use joch_tests::suite::on_bare_cluster;
use joch_tests::wait::{LONG, eventually};

/// For compilers and an interpreter that the host compiles, on a machine that others use too.
const TIMEOUT: Duration = Duration::from_secs(900);

/// A fenced block of commands, and the language that it is for, if it is not for all.
#[derive(Debug, PartialEq, Eq)]
struct Block<'a> {
    language: &'a str,
    commands: &'a str,
}

/// The blocks of shell commands in one section of a text in Markdown.
fn blocks<'a>(text: &'a str, title: &str) -> Vec<Block<'a>> {
    let sections = text.split("\n## ");
    let section = sections.into_iter().find(|section| section.lines().next() == Some(title));
    // Every other part is inside fences.
    let fenced = section.unwrap_or_default().split("\n```").skip(1).step_by(2);
    let shell = fenced.filter_map(|block| {
        let (kind, commands) = block.split_once('\n')?;
        let mut words = kind.split(' ');
        (words.next() == Some("sh"))
            .then(|| Block { language: words.next().unwrap_or_default(), commands })
    });
    shell.collect()
}

/// A script of the commands of one language: the first block is for a checkout of Joch, the others for a
/// folder of one's own.
fn script(readme: &str, language: &str, folder: &Path) -> Result<String> {
    let blocks = blocks(readme, "Write a controller");
    let ours = |block: &&Block| ["", language].contains(&block.language);
    let mut ours = blocks.iter().filter(ours).map(|block| block.commands);
    let first = ours.next().context("README has no commands any more")?;
    let rest: Vec<&str> = ours.collect();
    Ok(format!(
        "set -e\ncd '{}'\n{first}\ncd '{}'\n{}\n",
        paths::root().display(),
        folder.display(),
        rest.join("\n")
    ))
}

/// A shell with all that it has started; nothing of it is left when this value is dropped.
struct Shell {
    child: std::process::Child,
    folder: PathBuf,
}

impl Shell {
    /// Starts a script; what it says goes into files.
    fn start(command: &mut Command, script: &str, folder: &Path) -> Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let file = folder.join("script.sh");
        std::fs::write(&file, script)?;
        command.arg(file).stdin(Stdio::null()).process_group(0);
        command.stdout(File::create(folder.join("stdout"))?);
        command.stderr(File::create(folder.join("stderr"))?);
        Ok(Self { child: command.spawn()?, folder: folder.to_owned() })
    }

    /// Waits until the script has ended well and nothing that it started runs any more; what it said.
    async fn ends(&mut self) -> Result<String> {
        let ended = eventually("the commands have been run", TIMEOUT, async || {
            self.child.try_wait()?.context("they still run")
        });
        let status = ended.await?;
        let said = std::fs::read_to_string(self.folder.join("stdout"))?;
        let wrong = std::fs::read_to_string(self.folder.join("stderr"))?;
        ensure!(status.success(), "{status}; {:?}: {said}\n{wrong}", self.folder);
        eventually("all that was started has ended", LONG, async || runs_nothing(self.child.id()))
            .await?;
        Ok(said)
    }
}

/// Fails with the processes of a group that still run.
fn runs_nothing(group: u32) -> Result<()> {
    let states = ["--runstates", "D,R,S,T"];
    let output =
        Command::new("pgrep").args(["--pgroup", &group.to_string()]).args(states).output()?;
    let running = String::from_utf8(output.stdout)?;
    ensure!(running.is_empty(), "{running}");
    Ok(())
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
        self.child.wait().ok();
    }
}

/// A shell's surroundings: what is compiled is shared with the repository's own builds, what is kept is kept
/// in `folder`, and nothing is fetched. (Cargo knows a package of one name in one target folder only once, so
/// README's is one that no other test makes.)
fn surroundings(cluster: &Cluster, folder: &Path) -> Result<Command> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let state = cluster.kubeconfig();
    let python = paths::find(&["tools/python"], "dist/tools/python", "run `make languages`")?;
    let mut command = Command::new("bash");
    // Settings of the suite, and what cargo told this test: build scripts would take the latter for a change.
    let told = ["JOCH_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    let told = |name: &str| told.iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars().filter(|(name, _)| told(name)) {
        command.env_remove(name);
    }
    command
        .env("CARGO_TARGET_DIR", target.unwrap_or_else(|| paths::root().join("target")))
        .env("CARGO_NET_OFFLINE", "true")
        // As `make test` builds: the same features, so that nothing is compiled twice.
        .env("MAKEFLAGS", "-- CARGO_SCOPE=--workspace\\ --all-targets")
        .env("TOOL", python)
        .env("PIP_NO_INDEX", "1")
        .env("KUBECACHEDIR", folder.join("kubectl"))
        .env("JOCH_DEVCLUSTER_DIR", state.parent().context("no folder")?)
        .env("JOCH_CACHE_DIR", folder.join("cache"))
        .env("JOCH_ADMIN", "127.0.0.1:0");
    Ok(command)
}

async fn works_word_for_word(cluster: &Cluster, language: &str) -> Result<()> {
    let folder = paths::logs(&format!("readme::{language}"))?;
    let readme = std::fs::read_to_string(paths::root().join("README.md"))?;
    let script = script(&readme, language, &folder)?;
    let mut shell = Shell::start(&mut surroundings(cluster, &folder)?, &script, &folder)?;
    let said = shell.ends().await?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.contains(&"poster.example.com/example condition met"), "{said}");
    ensure!(lines.contains(&"It works."), "{said}");
    ensure!(lines.contains(&"configmap/example-poster condition met"), "{said}");
    Ok(())
}

#[test]
fn a_controller_in_rust_is_written_word_for_word() -> Result<()> {
    on_bare_cluster("readme::rust", async |cluster| works_word_for_word(cluster, "rust").await)
}

#[test]
fn a_controller_in_python_is_written_word_for_word() -> Result<()> {
    on_bare_cluster("readme::python", async |cluster| works_word_for_word(cluster, "python").await)
}

#[tokio::test]
async fn what_a_failing_script_has_started_is_gone_with_it() -> Result<()> {
    let folder = paths::logs("readme::leftover")?;
    let mut shell = Shell::start(&mut Command::new("bash"), "sleep 1000 &\nfalse", &folder)?;
    ensure!(!shell.child.wait()?.success(), "the script has not failed");
    let group = shell.child.id();
    ensure!(runs_nothing(group).is_err(), "nothing was started");
    drop(shell);
    eventually("all of it has ended", LONG, async || runs_nothing(group)).await
}

#[test]
fn the_commands_of_a_section_are_found_with_their_languages() {
    let text = "\n## A\n```sh\nno\n```\n## B\n\n```sh\none\n```\n\n```rust\nno\n```\n\n```sh rust\ntwo\n\
                ```\n\nand ```sh\n\n```console\n$ no\n```\n## C\n```sh\nno\n```\n";
    let expected =
        [Block { language: "", commands: "one" }, Block { language: "rust", commands: "two" }];
    assert_eq!(blocks(text, "B"), expected);
    assert_eq!(blocks(text, "D"), []);
}
