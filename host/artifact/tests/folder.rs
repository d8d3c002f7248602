//! The folder source, with real files.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use joch_artifact::{
    EntryError, FolderError, FolderOptions, FolderState, FolderWatch, MAX_FILE, with_manifest,
};
use tempfile::TempDir;

/// Long enough for a loaded machine, short enough for a failing test.
const PATIENCE: Duration = Duration::from_secs(20);

fn plugin(version: &str) -> Vec<u8> {
    let component = wat::parse_str("(component (core module (func)))").unwrap();
    let manifest = format!(
        "manifest = 1\n[plugin]\nname = \"sample\"\nversion = \"{version}\"\nkind = \"adapter\"\n\
         track = \"0.1\"\n"
    );
    with_manifest(&component, &manifest).unwrap()
}

/// Only events, no poll, so that a test shows which of the two it relies on.
const BY_EVENTS: FolderOptions =
    FolderOptions { debounce: Duration::from_millis(20), poll: Duration::from_secs(600) };

fn watch(folder: &Path) -> FolderWatch {
    FolderWatch::start(folder, BY_EVENTS).unwrap()
}

/// `sample=1 other=1+{} broken!`: versions, settings and errors.
fn summary(state: &FolderState) -> String {
    let words: Vec<String> = state
        .entries
        .iter()
        .map(|entry| {
            let name = entry.path.file_stem().unwrap().to_string_lossy().into_owned();
            let config = match &entry.config {
                Ok(Some(text)) => format!("+{text}"),
                Ok(None) => String::new(),
                Err(_) => "+!".to_owned(),
            };
            match &entry.plugin {
                Ok(found) => format!("{name}={}{config}", found.manifest.plugin.version),
                Err(_) => format!("{name}!{config}"),
            }
        })
        .collect();
    words.join(" ")
}

/// Waits until the folder's state is as expected.
async fn expect(watch: &mut FolderWatch, expected: &str) -> Arc<FolderState> {
    let reached = async {
        let mut state = watch.state();
        while summary(&state) != expected {
            state = watch.changed().await.unwrap();
        }
        state
    };
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(state) => state,
        Err(_) => panic!("expected {expected:?}, have {:?}", summary(&watch.state())),
    }
}

async fn expect_silence(watch: &mut FolderWatch, time: Duration) {
    let change = tokio::time::timeout(time, watch.changed()).await;
    assert!(change.is_err(), "a change without cause: {change:?}");
}

#[tokio::test]
async fn the_first_state_is_complete_at_once() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("b.wasm"), plugin("1")).unwrap();
    fs::write(folder.path().join("a.wasm"), b"junk").unwrap();
    fs::write(folder.path().join("readme.txt"), b"").unwrap();
    assert_eq!(summary(&watch(folder.path()).state()), "a! b=1");
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    let error = FolderWatch::start(&missing, BY_EVENTS).err().unwrap();
    assert!(matches!(error, FolderError::Unreadable { .. }));
    assert!(error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn files_come_change_and_go() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sample.wasm");
    let mut watch = watch(folder.path());
    fs::write(&path, plugin("1")).unwrap();
    let first = expect(&mut watch, "sample=1").await;
    let package = first.entries[0].load().unwrap();
    assert_eq!(package.digest, first.entries[0].plugin.as_ref().unwrap().digest);

    fs::write(&path, plugin("2")).unwrap();
    expect(&mut watch, "sample=2").await;
    assert_eq!(first.entries[0].load(), Err(EntryError::Changed(path.clone())));

    fs::rename(&path, folder.path().join("renamed.wasm")).unwrap();
    expect(&mut watch, "renamed=2").await;
    fs::remove_file(folder.path().join("renamed.wasm")).unwrap();
    expect(&mut watch, "").await;
}

#[tokio::test]
async fn a_half_written_file_is_an_error_until_it_is_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sample.wasm");
    fs::write(&path, plugin("1")).unwrap();
    let mut watch = watch(folder.path());
    let whole = plugin("2");
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let state = expect(&mut watch, "sample!").await;
    let error = state.entries[0].plugin.as_ref().unwrap_err().to_string();
    assert!(error.contains("sample.wasm") && error.contains("still being written"), "{error}");
    fs::write(&path, &whole).unwrap();
    expect(&mut watch, "sample=2").await;
    fs::write(&path, b"").unwrap();
    expect(&mut watch, "sample!").await;
}

/// A folder with a plugin, in which nothing is waited for that does not have to be.
fn hasty(debounce: Duration) -> (TempDir, std::path::PathBuf, FolderWatch) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sample.wasm");
    fs::write(&path, plugin("1")).unwrap();
    let options = FolderOptions { debounce, ..BY_EVENTS };
    let watch = FolderWatch::start(folder.path(), options).unwrap();
    (folder, path, watch)
}

#[tokio::test]
async fn a_whole_file_is_seen_at_once() {
    // Beyond the test's patience: nothing is seen that waits for it.
    let (folder, path, mut watch) = hasty(2 * PATIENCE);
    fs::write(&path, plugin("2")).unwrap();
    expect(&mut watch, "sample=2").await;
    let aside = folder.path().join(".aside");
    fs::write(&aside, plugin("3")).unwrap();
    fs::rename(&aside, &path).unwrap();
    expect(&mut watch, "sample=3").await;
    fs::rename(&path, folder.path().join("renamed.wasm")).unwrap();
    expect(&mut watch, "renamed=3").await;
    fs::remove_file(folder.path().join("renamed.wasm")).unwrap();
    expect(&mut watch, "").await;
}

#[tokio::test]
async fn a_file_that_is_never_closed_is_seen_after_the_pause() {
    let (_folder, path, mut watch) = hasty(Duration::from_millis(50));
    let mut open = fs::File::create(&path).unwrap();
    open.write_all(&plugin("2")).unwrap();
    expect(&mut watch, "sample=2").await;
}

#[tokio::test]
async fn a_file_that_is_being_written_is_as_it_was_before() {
    let (folder, path, mut watch) = hasty(Duration::from_millis(1));
    let whole = plugin("2");
    for path in [path, folder.path().join("another.wasm")] {
        let mut open = fs::File::create(&path).unwrap();
        for piece in whole.chunks(whole.len() / 40) {
            open.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let mut state = summary(&watch.state());
    while state != "another=2 sample=2" {
        assert!(!state.contains('!'), "{state}");
        let next = tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap();
        state = summary(&next.unwrap());
    }
}

#[tokio::test]
async fn a_storm_of_whole_files_ends_in_the_newest_state() {
    let (folder, path, mut watch) = hasty(Duration::from_millis(20));
    let aside = folder.path().join(".aside");
    for version in 2..500 {
        fs::write(&aside, plugin(&version.to_string())).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    expect(&mut watch, "sample=499").await;
}

#[tokio::test]
async fn an_unchanged_rewrite_and_other_files_are_silent() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sample.wasm");
    fs::write(&path, plugin("1")).unwrap();
    let mut watch = watch(folder.path());
    fs::write(&path, plugin("1")).unwrap();
    for name in [".sample.wasm.swp", ".#sample.wasm", "sample.wasm~", "4913", ".hidden.wasm"] {
        fs::write(folder.path().join(name), b"x").unwrap();
    }
    expect_silence(&mut watch, Duration::from_millis(700)).await;
}

#[tokio::test]
async fn a_replacement_by_rename_is_seen() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sample.wasm");
    fs::write(&path, plugin("1")).unwrap();
    let mut watch = watch(folder.path());
    let aside = folder.path().join(".sample.wasm.tmp");
    fs::write(&aside, plugin("2")).unwrap();
    fs::rename(&aside, &path).unwrap();
    expect(&mut watch, "sample=2").await;
}

#[tokio::test]
async fn a_config_map_mount_is_followed_through_its_links() {
    let folder = TempDir::new().unwrap();
    let place = |name: &str| folder.path().join(name);
    for version in ["1", "2"] {
        let data = place(&format!("..{version}"));
        fs::create_dir(&data).unwrap();
        fs::write(data.join("sample.wasm"), plugin(version)).unwrap();
    }
    symlink("..1", place("..data")).unwrap();
    symlink("..data/sample.wasm", place("sample.wasm")).unwrap();
    let mut watch = watch(folder.path());
    assert_eq!(summary(&watch.state()), "sample=1");
    symlink("..2", place("..data_tmp")).unwrap();
    fs::rename(place("..data_tmp"), place("..data")).unwrap();
    expect(&mut watch, "sample=2").await;
}

#[tokio::test]
async fn settings_beside_the_file_belong_to_it() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sample.wasm"), plugin("1")).unwrap();
    let config = folder.path().join("sample.config.json");
    let mut watch = watch(folder.path());
    fs::write(&config, r#"{"a":1}"#).unwrap();
    expect(&mut watch, r#"sample=1+{"a":1}"#).await;
    fs::write(&config, "[]").unwrap();
    let state = expect(&mut watch, "sample=1+!").await;
    let error = state.entries[0].config.as_ref().unwrap_err().to_string();
    assert!(error.contains("sample.config.json") && error.contains("object"), "{error}");
    fs::remove_file(&config).unwrap();
    expect(&mut watch, "sample=1").await;
}

#[tokio::test]
async fn a_file_beyond_the_limit_and_a_folder_are_refused_unread() {
    let folder = TempDir::new().unwrap();
    let large = fs::File::create(folder.path().join("large.wasm")).unwrap();
    large.set_len(MAX_FILE + 1).unwrap();
    fs::create_dir(folder.path().join("odd.wasm")).unwrap();
    symlink("nowhere", folder.path().join("dangling.wasm")).unwrap();
    let state = watch(folder.path()).state();
    assert_eq!(summary(&state), "large! odd!");
    let error = state.entries[0].plugin.as_ref().unwrap_err().to_string();
    assert!(error.contains(&MAX_FILE.to_string()), "{error}");
}

#[tokio::test]
async fn a_folder_that_vanishes_keeps_its_plugins_and_comes_back() {
    let base = TempDir::new().unwrap();
    let (folder, aside) = (base.path().join("plugins"), base.path().join("aside"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("sample.wasm"), plugin("1")).unwrap();
    let options = FolderOptions { poll: Duration::from_millis(50), ..BY_EVENTS };
    let mut watch = FolderWatch::start(&folder, options).unwrap();
    fs::rename(&folder, &aside).unwrap();
    let lost = tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap();
    assert_eq!(summary(&lost), "sample=1");
    assert!(lost.problem.as_ref().unwrap().contains("plugins"));
    fs::write(aside.join("sample.wasm"), plugin("2")).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(expect(&mut watch, "sample=2").await.problem, None);
}

#[tokio::test]
async fn what_no_event_tells_is_found_by_the_poll() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let target = elsewhere.path().join("sample.wasm");
    fs::write(&target, plugin("1")).unwrap();
    symlink(&target, folder.path().join("sample.wasm")).unwrap();
    let options = FolderOptions { poll: Duration::from_millis(50), ..BY_EVENTS };
    let mut watch = FolderWatch::start(folder.path(), options).unwrap();
    fs::write(&target, plugin("2")).unwrap();
    expect(&mut watch, "sample=2").await;
}
