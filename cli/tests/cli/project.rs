//! One project made from the template and built for real, for all tests of this program.

use std::path::{Path, PathBuf};
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
