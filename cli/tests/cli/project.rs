//! One project made from the template and built for real, for all tests of this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::run::{Place, Ran};

/// A project as `joch plugin new banner` and `joch plugin build` leave it.
pub(crate) struct Project {
    place: Place,
    pub(crate) new: String,
    pub(crate) built: Ran,
}

/// The folder of all that cargo builds here: dependencies that are compiled already are not compiled again.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// A test's guest of the repository that does what its object says, as a component without manifest; and its
/// manifest.
pub(crate) fn puppet() -> &'static (Vec<u8>, String) {
    static PUPPET: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    PUPPET.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new("cargo")
            .current_dir(&root)
            .args(["build", "--offline", "--locked", "--profile", "guest"])
            .args(["--target", "wasm32-wasip2", "-p", "puppet"])
            .env("CARGO_TARGET_DIR", target())
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let component = std::fs::read(target().join("wasm32-wasip2/guest/puppet.wasm")).unwrap();
        let manifest = root.join("tests/guests/puppet/plugin.toml");
        (component, std::fs::read_to_string(manifest).unwrap())
    })
}

/// A place where a build finds what is compiled, and asks no registry.
pub(crate) fn compiling(place: Place) -> Place {
    place.with("CARGO_TARGET_DIR", target()).with("CARGO_NET_OFFLINE", "true")
}

/// The project; made by the first test that asks.
///
/// Its folder is the same in each run: cargo knows a package of one name in one target folder only once, and
/// would take the component of another folder for this one's.
pub(crate) fn project() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("joch-cli-project");
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir(&folder).unwrap();
        let place = compiling(Place::at(&folder));
        let new = place.joch(&["plugin", "new", "banner"]).good();
        let built = place.joch_in("banner", &["plugin", "build"]);
        assert_eq!(built.code, 0, "{built:?}");
        Project { place, new, built }
    })
}

impl Project {
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join("banner")
    }

    pub(crate) fn component(&self) -> Vec<u8> {
        std::fs::read(self.path().join("dist/banner.wasm")).unwrap()
    }

    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.path().join(file)).unwrap()
    }
}
