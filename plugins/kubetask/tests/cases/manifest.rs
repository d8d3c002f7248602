//! The manifest says what the code does.

use joch_crds::{
    kubetask::{CronTask, Task},
    meta::Resource as _,
};

fn manifest() -> toml::Table {
    include_str!("../../plugin.toml").parse().unwrap()
}

#[test]
fn the_manifest_names_the_primary_kinds_and_the_crates_version() {
    let manifest = manifest();
    for (controller, kind) in [(0, Task::KIND), (1, CronTask::KIND)] {
        let primary = &manifest["controller"][controller]["primary"];
        assert_eq!(primary["group"].as_str(), Some(Task::GROUP));
        assert_eq!(primary["version"].as_str(), Some(Task::VERSION));
        assert_eq!(primary["kind"].as_str(), Some(kind));
    }
    assert_eq!(manifest["plugin"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_times_have_the_seeds_names_and_the_common_ones() {
    let status = manifest()["controller"][0]["status"].clone();
    assert_eq!(status["started"].as_array().unwrap().len(), 2);
    assert_eq!(status["terminal"].to_string(), "[\"Completed\", \"Failed\"]");
}
