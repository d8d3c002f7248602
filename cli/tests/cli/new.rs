//! `joch plugin new`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use joch_core::manifest::Manifest;

use crate::project::project;
use crate::run::Place;

#[test]
fn the_project_is_complete_and_its_names_are_the_ones_given() {
    let place = Place::new();
    let args = ["plugin", "new", "my-policy", "--kind", "ops.example.org/v1/SafetyPolicy"];
    let said = place.joch(&args).good();
    assert!(said.contains("reconciles ops.example.org/v1/SafetyPolicy"), "{said}");
    let crd = place.read("my-policy/crd.yaml");
    assert!(crd.contains("name: safetypolicies.ops.example.org"), "{crd}");
    let manifest = place.read("my-policy/plugin.toml");
    let primary =
        r#"primary = { group = "ops.example.org", version = "v1", kind = "SafetyPolicy" }"#;
    assert!(manifest.contains("name = \"my-policy\"") && manifest.contains(primary), "{manifest}");
    for file in ["Cargo.lock", "README.md", ".gitignore", "example.yaml", "grants.toml"] {
        assert!(place.path().join("my-policy").join(file).is_file(), "{file} is missing");
    }
    assert!(place.read("my-policy/cases/safetypolicy.yaml").contains("example-safetypolicy"));
}

#[test]
fn the_next_commands_are_told() {
    let said = &project().new;
    assert!(said.contains("  cd banner\n  cargo test\n  joch plugin build\n"), "{said}");
}

#[test]
fn the_generated_code_is_formatted() {
    let source = project().path().join("src/lib.rs");
    let checked =
        Command::new("rustfmt").args(["--edition", "2024", "--check"]).arg(source).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn what_is_there_is_not_overwritten() {
    let place = Place::new();
    place.write("banner/file", "precious");
    let error = place.joch(&["plugin", "new", "banner"]).error();
    assert_eq!(error, "banner exists already: choose another name, or remove it");
    assert_eq!(place.read("banner/file"), "precious");
}

#[test]
fn names_that_a_tool_would_refuse_are_refused() {
    let error = Place::new().joch(&["plugin", "new", "a", "--kind", "v1/Banner"]).error();
    let expected = "kind v1/Banner: a kind of your own needs a group with a dot, as \
                    example.com/v1alpha1/Banner";
    assert_eq!(error, expected);
    let error = Place::new().joch(&["plugin", "new", "7up"]).error();
    assert!(
        error.ends_with("begins with a digit, which no crate may: begin with a letter"),
        "{error}"
    );
}

#[test]
fn the_sdk_is_looked_for_where_told() {
    let place = Place::new();
    let folder = place.path().join("elsewhere");
    let error = place.joch(&["plugin", "new", "a", "--sdk", folder.to_str().unwrap()]).error();
    let expected = format!(
        "the SDK is not in {}: give the folder plugins/sdk of a checkout of Joch with --sdk or in \
         JOCH_SDK",
        folder.display()
    );
    assert_eq!(error, expected);
    assert!(!place.path().join("a").exists());

    // The variable does as well, and the project is told to use that very folder.
    place.write("copy/plugins/sdk/Cargo.toml", "[package]\nname = \"joch-plugin\"\n");
    let place = place.with("JOCH_SDK", "copy/plugins/sdk");
    place.joch(&["plugin", "new", "a"]).good();
    let there = place.path().join("copy/plugins/sdk").canonicalize().unwrap();
    let line = format!("joch-plugin = {{ path = \"{}\" }}", there.display());
    assert!(place.read("a/Cargo.toml").contains(&line));
    assert!(!place.path().join("a/Cargo.lock").exists(), "that checkout has no lock file");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("gone")).unwrap();
    let inside = place.path().join("gone");
    let ran = Command::new("sh")
        .args(["-c", "rmdir \"$PWD\" && exec \"$0\" plugin new a"])
        .arg(Path::new(env!("CARGO_BIN_EXE_joch")))
        .current_dir(inside)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("error: the folder a cannot be made: "), "{said}");
    assert_eq!(ran.status.code(), Some(1));
}

/// All files below a folder, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = files(&path).into_iter();
            found.extend(inner.map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            found.insert(name, std::fs::read_to_string(path).unwrap());
        }
    }
    found
}

/// A project in a language without SDK: its files by name are the common ones and `own`.
#[track_caller]
fn is_complete(language: &str, test: &str, own: &[&str]) {
    // Neither a checkout nor its SDK is needed.
    let place = Place::new().with("JOCH_SDK", "nowhere");
    let args = ["plugin", "new", "my-policy", "--kind", "ops.example.org/v1/SafetyPolicy"];
    let said = place.joch(&[&args[..], &["--language", language]].concat()).good();
    let next = format!("  cd my-policy\n  {test}\n  joch plugin build\n");
    assert!(said.contains(&next), "{said}");

    let files = files(&place.path().join("my-policy"));
    let common = [
        ".gitignore",
        "Makefile",
        "README.md",
        "cases/safetypolicy.yaml",
        "crd.yaml",
        "example.yaml",
        "grants.toml",
        "plugin.toml",
        "wit/controller/controller.wit",
        "wit/kube/kube.wit",
        "wit/runtime/runtime.wit",
    ];
    let expected: BTreeSet<&str> = common.iter().chain(own).copied().collect();
    assert_eq!(files.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);

    let example = format!("{language}-controller");
    for (path, text) in &files {
        assert!(!text.contains(&example), "{path} names the example: {text}");
        assert!(!text.contains("../"), "{path} refers to a place outside: {text}");
        assert!(!text.contains("{{singular}}") && !text.contains("{{kind}}"), "{path}: {text}");
    }
    let text = place.read("my-policy/plugin.toml");
    // An interpreter needs more than the default.
    assert!(text.contains("\n[limits]\nmemory = "), "{text}");
    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!(manifest.plugin.name.as_str(), "my-policy");
    let primaries = manifest.controllers.iter().map(|controller| controller.primary.to_string());
    assert_eq!(primaries.collect::<Vec<_>>(), ["ops.example.org/v1/SafetyPolicy"]);
    let makefile = place.read("my-policy/Makefile");
    assert!(makefile.contains("\ndist/my-policy.wasm: "), "{makefile}");
    let readme = place.read("my-policy/README.md");
    assert!(readme.contains(&format!("```sh\n{test}\n")), "{readme}");
    assert!(readme.contains("\n\n## What is different in "), "{readme}");
}

#[test]
fn a_project_in_python_is_complete_and_its_names_are_the_ones_given() {
    let own = ["controller.py", "joch.py", "requirements.txt", "test_wanted.py", "wanted.py"];
    is_complete("python", "python3 -m unittest", &own);
}

#[test]
fn a_project_in_javascript_is_complete_and_its_names_are_the_ones_given() {
    let own = [
        "build.mjs",
        "controller.js",
        "joch.js",
        "package-lock.json",
        "package.json",
        "wanted.js",
        "wanted.test.js",
    ];
    is_complete("javascript", "node --test", &own);
}
