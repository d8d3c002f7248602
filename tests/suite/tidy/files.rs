//! Rules about files: short, with a header, declared, and honest about `unsafe`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::sources::{self, Source, sample};

/// The most lines of a file, its tests not counted.
const LONGEST: usize = 600;

fn hold(rule: impl Fn(&[Source]) -> Vec<String>) -> Result<()> {
    let broken = rule(&sources::all()?);
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

/// Files of more than [`LONGEST`] lines that are no tests.
fn too_long(files: &[Source]) -> Vec<String> {
    let lines = |file: &Source| {
        let tests = |line: &str| line == "#[cfg(test)]";
        file.text.lines().take_while(|line| !tests(line)).count()
    };
    let long = files.iter().filter(|file| !file.is_test()).map(|file| (file, lines(file)));
    long.filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| format!("{:?} has {lines} lines, more than {LONGEST}", file.path))
        .collect()
}

/// Rust files that do not begin by saying what they are for.
fn without_header(files: &[Source]) -> Vec<String> {
    let headless = |file: &&Source| file.is_rust() && !file.text.starts_with("//! ");
    files
        .iter()
        .filter(headless)
        .map(|file| format!("{:?} begins without //!", file.path))
        .collect()
}

/// Rust files that no module declares, so that the compiler never sees them.
fn forgotten(files: &[Source]) -> Vec<String> {
    let mut declared: BTreeSet<PathBuf> = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let children = children_of(&file.path);
        for line in file.text.lines().filter(|line| !line.contains("//")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (["mod", name] | ["pub", "mod", name] | [_, "mod", name]) = words.as_slice() else {
                continue;
            };
            if let Some(name) = name.strip_suffix(';') {
                declared.insert(children.join(format!("{name}.rs")));
                declared.insert(children.join(name).join("mod.rs"));
            }
        }
    }
    let lost =
        |file: &&Source| file.is_rust() && !is_root(&file.path) && !declared.contains(&file.path);
    files
        .iter()
        .filter(lost)
        .map(|file| format!("{:?} is declared by no module", file.path))
        .collect()
}

/// Whether a file is the root of a crate: cargo finds it by its name or its place.
fn is_root(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let by_name = name == "main.rs" || name == "lib.rs" || name == "build.rs";
    by_name || folder == "bin" || folder == "tests" || folder == "benches" || folder == "examples"
}

/// The folder in which a file's modules are.
fn children_of(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(path);
    if is_root(path) || path.file_name().is_some_and(|name| name == "mod.rs") {
        return folder.to_owned();
    }
    folder.join(path.file_stem().unwrap_or_default())
}

/// Uses of `unsafe` in the host that no `expect(unsafe_code, reason = …)` of the same file explains.
fn unexplained_unsafe(files: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && file.path.starts_with("host")) {
        let text: String = file.text.split_whitespace().collect();
        let explained = text.split("expect(").skip(1).any(|attribute| {
            let attribute = attribute.split(")]").next().unwrap_or_default();
            attribute.contains("unsafe_code") && attribute.contains("reason=")
        });
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let uses = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
            if !explained && uses.iter().any(|word| code.contains(word)) {
                broken.push(format!("{:?}:{} uses unsafe without a reason", file.path, number + 1));
            }
        }
    }
    broken
}

#[test]
fn files_are_short() -> Result<()> {
    let body = |lines| "line\n".repeat(lines);
    assert_eq!(too_long(&[sample("host/a.rs", &body(601)), sample("x/b.go", &body(600))]).len(), 1);
    let tests = format!("{}#[cfg(test)]\n{}", body(600), body(600));
    assert!(
        too_long(&[sample("host/a.rs", &tests), sample("host/a/tests.rs", &body(900))]).is_empty()
    );
    assert_eq!(too_long(&[sample("tests/suite/a.rs", &body(601))]).len(), 1);
    hold(too_long)
}

#[test]
fn every_rust_file_says_what_it_is_for() -> Result<()> {
    assert_eq!(without_header(&[sample("a.rs", "use x;\n"), sample("b.rs", "//!\n")]).len(), 2);
    assert!(
        without_header(&[sample("a.rs", "//! What.\n"), sample("b.go", "package b")]).is_empty()
    );
    hold(without_header)
}

#[test]
fn every_rust_file_is_compiled() -> Result<()> {
    let files = |declaration: &str| {
        vec![
            sample("c/src/lib.rs", declaration),
            sample("c/src/a.rs", ""),
            sample("c/tests/t.rs", ""),
        ]
    };
    assert_eq!(forgotten(&files("// mod a;")).len(), 1);
    for declaration in ["mod a;", "pub mod a;", "pub(crate) mod a;"] {
        assert!(forgotten(&files(declaration)).is_empty(), "{declaration}");
    }
    let nested = [
        sample("c/src/lib.rs", "mod a;"),
        sample("c/src/a.rs", "mod b;"),
        sample("c/src/a/b.rs", ""),
    ];
    assert!(forgotten(&nested).is_empty());
    hold(forgotten)
}

#[test]
fn unsafe_code_in_the_host_is_explained() -> Result<()> {
    let check = |text: &str| unexplained_unsafe(&[sample("host/a.rs", text)]).len();
    assert_eq!(check("let x = unsafe { y };"), 1);
    assert_eq!(check("#[expect(unsafe_code)]\nlet x = unsafe { y };"), 1);
    assert_eq!(
        check("#[expect(\n    unsafe_code,\n    reason = \"r\"\n)]\nlet x = unsafe { y };"),
        0
    );
    assert_eq!(check("// unsafe { } is denied"), 0);
    hold(unexplained_unsafe)
}
