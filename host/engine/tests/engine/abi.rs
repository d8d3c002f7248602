//! The interfaces against their releases: what was built for one of them loads and runs for as long as its
//! track is served. `wit/README.md` says what may change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use joch_core::outcome::Outcome;
use joch_core::port::{Invoke as _, Json, Operation};
use joch_engine::{Plugin, TRACKS};
use wit_component::{
    ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata, semver_check,
};
use wit_parser::{ManglingAndAbi, PackageId, Resolve, SourceMap};

use crate::session::{Fake, call_in, engine, limits, spec};

const PACKAGES: [&str; 3] = ["kube", "runtime", "controller"];

/// The file in a release's archive that imports and exports everything.
const EVERYTHING: &str = "everything.wasm";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The releases of the tracks that this host serves.
fn releases() -> Vec<String> {
    let names = fs::read_dir(root().join("wit/released")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let served = |name: &String| TRACKS.contains(&name.rsplit_once('.').unwrap().0);
    let releases: Vec<String> = names.filter(served).collect();
    assert!(!releases.is_empty(), "no release of {TRACKS:?} in wit/released");
    releases
}

/// The archived components of a release.
fn archive(release: &str) -> PathBuf {
    root().join("tests/fixtures/abi").join(release)
}

/// Reads the packages of a folder; each of their versions gets `mark` appended, since one [`Resolve`] holds
/// each version once. The last package is the one with the worlds.
fn read(resolve: &mut Resolve, folder: &Path, mark: &str) -> PackageId {
    let package = |name: &&str| {
        let mut texts = SourceMap::new();
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            texts.push(&path, marked(&fs::read_to_string(&path).unwrap(), mark));
        }
        resolve.push_group(texts.parse().map_err(|(_, error)| error).unwrap()).unwrap()
    };
    PACKAGES.iter().map(package).last().unwrap()
}

/// The text with `mark` behind each version: `@` and a number.
fn marked(text: &str, mark: &str) -> String {
    let mut parts = text.split('@');
    let mut marked = parts.next().unwrap().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
        let (version, rest) = part.split_at(digits);
        // What `use` takes of an interface follows the version behind one more point.
        let (version, point) = version.strip_suffix('.').map_or((version, ""), |v| (v, "."));
        let mark = if version.is_empty() { "" } else { mark };
        marked.push_str(&format!("@{version}{mark}{point}{rest}"));
    }
    marked
}

#[test]
fn what_was_released_of_a_track_fits_what_there_is_now() {
    for release in releases() {
        let mut resolve = Resolve::default();
        let old = read(&mut resolve, &root().join("wit/released").join(&release), "-released");
        let new = read(&mut resolve, &root().join("wit"), "");
        let worlds = resolve.packages[old].worlds.clone();
        assert!(!worlds.is_empty(), "release {release} has no world");
        for (name, old) in worlds {
            let new = resolve.packages[new].worlds.get(&name);
            let new = *new.unwrap_or_else(|| panic!("the world {name} of {release} is gone"));
            if let Err(error) = semver_check(resolve.clone(), old, new) {
                panic!(
                    "a component built for the world {name} of {release} would be refused; \
                     wit/README.md says what may change within a track: {error:#}"
                );
            }
        }
    }
}

/// A component of a release that uses every function that the host has, and exports all that it may.
fn everything(release: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = read(&mut resolve, &root().join("wit/released").join(release), "");
    let world = resolve.select_world(&[package], Some("finalizing-controller")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

#[tokio::test]
async fn all_that_a_release_offered_is_still_there() {
    for release in releases() {
        let path = archive(&release).join(EVERYTHING);
        if !path.exists() && std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(archive(&release)).unwrap();
            fs::write(&path, everything(&release)).unwrap();
        }
        let bytes = fs::read(&path).unwrap_or_else(|error| {
            panic!("{path:?}: {error}; UPDATE=1 writes the one of a new release")
        });
        let engine = engine();
        let loaded = engine.load(&bytes).unwrap();
        let mut spec = spec(&bytes, limits());
        spec.finalizer = true;
        Plugin::new(&engine, &loaded, spec).unwrap().trial().await.unwrap();
        // The archive is of use only as long as it uses something.
        let text = String::from_utf8_lossy(&bytes);
        for function in ["[method]query.run", "[method]change.json-patch", "placeholder", "report"]
        {
            assert!(text.contains(function), "{release}: {function}");
        }
    }
}

#[tokio::test]
async fn archived_components_of_a_release_still_run() {
    let mut run = 0;
    for release in releases() {
        for entry in fs::read_dir(archive(&release)).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == EVERYTHING {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let engine = engine();
            let loaded = engine.load(&bytes).unwrap();
            let plugin = Plugin::new(&engine, &loaded, spec(&bytes, limits())).unwrap();
            plugin.trial().await.unwrap();
            let session = Arc::new(Fake::default());
            let mut call = call_in(Arc::clone(&session));
            call.controller = "greeting".to_owned();
            call.object = Json::from(r#"{"metadata":{},"spec":{"name":"Ada","language":"de"}}"#);
            assert_eq!(plugin.call(call).await.result, Ok(Outcome::Done), "{path:?}");
            let changes = session.changes.lock().unwrap();
            let [change] = changes.as_slice() else { panic!("{path:?}: {changes:?}") };
            let Operation::Apply(body) = &change.operation else { panic!("{path:?}: {change:?}") };
            assert!(change.owned && body.contains("Ada"), "{path:?}: {body}");
            run += 1;
        }
    }
    assert!(run > 0, "no archived component was run");
}

#[test]
fn versions_are_marked_and_nothing_else() {
    for (text, expected) in [
        ("package a:b@0.1.0;", "package a:b@0.1.0-x;"),
        ("use joch:kube/types@0.1.0.{json};", "use joch:kube/types@0.1.0-x.{json};"),
        ("@since(version = 0.1.0)", "@since(version = 0.1.0)"),
    ] {
        assert_eq!(marked(text, "-x"), expected);
    }
}
