//! Which plugins a host runs at all, by their manifests.

use super::{Manifest, PluginKind};

/// Why a host does not run a plugin, whatever is in its component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// It is no controller.
    #[error("it is a framework adapter: those are run by joch-worker, not by this host")]
    Adapter,
    /// It speaks a track of the interfaces that the host does not.
    #[error("it was built for track {track:?} of the interfaces; this host serves {served}")]
    Track {
        /// The manifest's track.
        track: String,
        /// The host's, as a list for people.
        served: String,
    },
}

impl Manifest {
    /// Whether a host that serves `tracks` runs such a plugin: the first thing that is checked of a version
    /// whose file can be read.
    ///
    /// # Errors
    /// [`Unserved`], in one sentence.
    pub fn served_by(&self, tracks: &[&str]) -> Result<(), Unserved> {
        if self.plugin.kind == PluginKind::Adapter {
            return Err(Unserved::Adapter);
        }
        let track = &self.plugin.track;
        if tracks.contains(&track.as_str()) {
            return Ok(());
        }
        Err(Unserved::Track { track: track.clone(), served: tracks.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_of_a_served_track_is_run_and_nothing_else() {
        let told = |kind: &str, track: &str| {
            let text = format!(
                "manifest = 1\nplugin = {{ name = \"p\", version = \"1\", kind = {kind:?}, track = {track:?} }}\n"
            );
            let controller = "[[controller]]\nname = \"c\"\n\
                primary = { group = \"a.io\", version = \"v1\", kind = \"A\" }\n";
            let more = if kind == "controller" { controller } else { "" };
            let manifest = Manifest::parse(&(text + more)).unwrap();
            manifest.served_by(&["0.1", "0.2"]).map_err(|error| error.to_string())
        };
        assert_eq!(told("controller", "0.1"), Ok(()));
        assert_eq!(told("controller", "0.2"), Ok(()));
        let newer = told("controller", "0.3").unwrap_err();
        assert!(newer.contains("track \"0.3\"") && newer.ends_with("serves 0.1, 0.2"), "{newer}");
        assert!(told("adapter", "0.1").unwrap_err().contains("joch-worker"));
    }
}
