//! Which file of the plugin folder makes which plugin. Pure but for what the board remembers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use joch_artifact::{FolderEntry, FolderState};
use joch_core::name::PluginName;

use crate::board::{Board, FileState};
use crate::wanted::Artifact;

/// A plugin of the folder.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The version, or one sentence why the file holds none now.
    pub(crate) artifact: Result<Artifact, String>,
    pub(crate) config: Arc<str>,
}

/// What the folder's files make.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) plugins: BTreeMap<PluginName, File>,
    pub(crate) states: BTreeMap<PathBuf, FileState>,
}

/// Assigns files to plugins: the file that makes a plugin already goes on doing so, else the first by
/// path; a file that became unreadable still stands for its plugin. `taken` tells which names a Plugin
/// object has.
pub(crate) fn assign(
    folder: &FolderState,
    board: &Board,
    taken: impl Fn(&PluginName) -> bool,
) -> Files {
    let mut claims: BTreeMap<PluginName, &FolderEntry> = BTreeMap::new();
    for entry in &folder.entries {
        let Some(name) = named(entry) else { continue };
        if board.file_of(&name).as_ref() == Some(&entry.path) {
            claims.insert(name, entry);
        } else {
            claims.entry(name).or_insert(entry);
        }
    }
    for entry in folder.entries.iter().filter(|entry| named(entry).is_none()) {
        if let Some(name) = board.made_by(&entry.path) {
            claims.entry(name).or_insert(entry);
        }
    }
    let mut files = Files::default();
    for entry in &folder.entries {
        let name = named(entry).or_else(|| board.made_by(&entry.path));
        let holder = name.as_ref().and_then(|name| claims.get(name));
        let digest = entry.plugin.as_ref().ok().map(|found| found.digest);
        let unused = |reason: String| FileState::Unused { plugin: name.clone(), digest, reason };
        let state = match (&name, holder) {
            (Some(name), _) if taken(name) => {
                let name = name.as_str();
                unused(format!(
                    "plugin {name:?} is defined by a Plugin object, which beats the folder"
                ))
            }
            (Some(name), Some(holder)) if holder.path == entry.path => {
                files.plugins.insert(name.clone(), file(entry));
                FileState::Makes(name.clone())
            }
            (Some(name), Some(holder)) => {
                let (name, holder) = (name.as_str(), holder.path.display());
                unused(format!("plugin {name:?} already comes from {holder}"))
            }
            _ => unused(problem(entry).unwrap_or_default()),
        };
        files.states.insert(entry.path.clone(), state);
    }
    files
}

fn file(entry: &FolderEntry) -> File {
    let artifact = match problem(entry) {
        Some(problem) => Err(problem),
        None => Artifact::of_file(entry).map_err(|error| error.to_string()),
    };
    let config = entry.config.as_ref().ok().cloned().flatten();
    File { path: entry.path.clone(), artifact, config: config.unwrap_or_else(|| "{}".into()) }
}

/// Why the file or the settings beside it cannot be used.
fn problem(entry: &FolderEntry) -> Option<String> {
    match (&entry.plugin, &entry.config) {
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
        _ => None,
    }
}

fn named(entry: &FolderEntry) -> Option<PluginName> {
    Some(entry.plugin.as_ref().ok()?.manifest.plugin.name.clone())
}

#[cfg(test)]
mod tests {
    use joch_artifact::{EntryError, Found};
    use joch_core::manifest::Manifest;
    use joch_core::name::Digest;

    use super::*;

    fn good(path: &str, plugin: &str) -> FolderEntry {
        let text = format!(
            "manifest = 1\n[plugin]\nname = \"{plugin}\"\nversion = \"1\"\nkind = \"adapter\"\ntrack = \"0.1\""
        );
        let manifest = Arc::new(Manifest::parse(&text).unwrap());
        let found = Found { digest: Digest::of(path.as_bytes()), size: 1, manifest };
        FolderEntry { path: path.into(), plugin: Ok(found), config: Ok(None) }
    }

    fn broken(path: &str) -> FolderEntry {
        let error = EntryError::Read { path: path.into(), reason: "it is cut off".to_owned() };
        FolderEntry { path: path.into(), plugin: Err(error), config: Ok(None) }
    }

    /// Per file what it makes, or why not.
    fn look(board: &Board, entries: Vec<FolderEntry>, taken: &str) -> Vec<String> {
        let folder = FolderState { entries, problem: None };
        let files = assign(&folder, board, |name| name.as_str() == taken);
        let told = files.states.iter().map(|(path, state)| match state {
            FileState::Makes(name) => {
                let usable = files.plugins[name].artifact.is_ok();
                format!("{} makes {name}{}", path.display(), if usable { "" } else { ", broken" })
            }
            FileState::Unused { reason, .. } => format!("{}: {reason}", path.display()),
        });
        let told = told.collect();
        board.set_files(files.states);
        told
    }

    #[test]
    fn the_first_file_makes_a_plugin_and_goes_on_doing_so() {
        let board = Board::default();
        assert_eq!(look(&board, vec![good("b", "p")], ""), ["b makes p"]);
        let both = vec![good("a", "p"), good("b", "p")];
        assert_eq!(
            look(&board, both.clone(), ""),
            ["a: plugin \"p\" already comes from b", "b makes p"]
        );
        assert_eq!(look(&board, vec![good("a", "p")], ""), ["a makes p"]);
        let fresh = Board::default();
        assert_eq!(look(&fresh, both, "")[0], "a makes p");
    }

    #[test]
    fn a_file_that_breaks_still_stands_for_its_plugin() {
        let board = Board::default();
        look(&board, vec![good("a", "p")], "");
        assert_eq!(look(&board, vec![broken("a")], ""), ["a makes p, broken"]);
        assert_eq!(look(&board, vec![good("a", "q")], ""), ["a makes q"]);
        assert_eq!(look(&board, vec![broken("x")], ""), ["x: x cannot be read: it is cut off"]);
    }

    #[test]
    fn a_plugin_object_beats_the_folder() {
        let board = Board::default();
        let told = look(&board, vec![good("a", "p"), good("b", "q")], "p");
        assert!(told[0].contains("beats the folder"), "{told:?}");
        assert_eq!(told[1], "b makes q");
    }
}
