//! One plugin file of the folder, with the settings beside it, as they were last read.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use joch_core::manifest::Manifest;
use joch_core::name::Digest;

use crate::package::{MAX_FILE, Package, PackageError};

/// The largest settings file, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// A file that changed so recently may change again without its time stamp showing it, and what is wrong with
/// it may be that it is not written to its end.
const SETTLED: Duration = Duration::from_millis(50);

/// Why a file of the folder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It cannot be read.
    #[error("{} cannot be read: {reason}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// It is no usable plugin.
    #[error("{}: {source}", .path.display())]
    Plugin {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PackageError,
    },
    /// The settings beside it are no settings.
    #[error("{}: {reason}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was replaced after the folder was looked at; the next state has the new one.
    #[error("{} has changed meanwhile", .0.display())]
    Changed(PathBuf),
}

/// A plugin file that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The version.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it says about itself.
    pub manifest: Arc<Manifest>,
}

/// A `*.wasm` file of the folder. The bytes are not kept; [`Self::load`] reads them when they are needed.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderEntry {
    /// The file.
    pub path: PathBuf,
    /// What was found in it, or why it cannot be used.
    pub plugin: Result<Found, EntryError>,
    /// The text of `<name>.config.json`, if there is one: a JSON object.
    pub config: Result<Option<Arc<str>>, EntryError>,
}

impl FolderEntry {
    /// Reads the file again, for compiling. Blocks.
    ///
    /// # Errors
    /// The entry's own error if it has one; [`EntryError::Changed`] if the file is another one by now.
    pub fn load(&self) -> Result<Package, EntryError> {
        let found = self.plugin.as_ref().map_err(Clone::clone)?;
        let path = &self.path;
        let content = read(path, MAX_FILE)?.content;
        let package = Package::read(content)
            .map_err(|source| EntryError::Plugin { path: path.clone(), source })?;
        if package.digest == found.digest {
            Ok(package)
        } else {
            Err(EntryError::Changed(path.clone()))
        }
    }
}

/// Reads the files of a folder, each again only when it changed.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    plugins: HashMap<PathBuf, Memo<Found>>,
    configs: HashMap<PathBuf, Memo<Option<Arc<str>>>>,
    /// After the first look, unfinished files are waited for.
    patient: bool,
}

/// What is known of a file, and the stamp it had; none if the stamp cannot be relied on.
#[derive(Debug)]
struct Memo<T> {
    stamp: Option<Stamp>,
    /// None for a new file that is not written to its end.
    result: Option<Result<T, EntryError>>,
}

/// Tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

struct Content {
    content: Vec<u8>,
    stamp: Option<Stamp>,
    /// It was written a moment ago.
    fresh: bool,
}

impl Reader {
    /// Looks at all plugin files of `folder`, ordered by path.
    pub(crate) fn scan(&mut self, folder: &Path) -> io::Result<Vec<FolderEntry>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        paths.retain(|path| is_plugin(path));
        paths.sort();
        let entries: Vec<FolderEntry> =
            paths.iter().filter_map(|path| self.entry(path.clone())).collect();
        self.plugins.retain(|path, _| paths.contains(path));
        self.configs.retain(|path, _| paths.iter().any(|plugin| config_path(plugin) == *path));
        self.patient = true;
        Ok(entries)
    }

    /// Whether some file has to be looked at again soon.
    pub(crate) fn unsettled(&self) -> bool {
        self.plugins.values().any(|memo| memo.stamp.is_none())
            || self.configs.values().any(|memo| memo.stamp.is_none())
    }

    fn entry(&mut self, path: PathBuf) -> Option<FolderEntry> {
        let patient = self.patient;
        let plugin = look(&mut self.plugins, &path, MAX_FILE, patient, |bytes| {
            let package = Package::read(bytes)
                .map_err(|source| EntryError::Plugin { path: path.clone(), source })?;
            let size = package.size();
            Ok(Found { digest: package.digest, size, manifest: Arc::new(package.manifest) })
        })?;
        let beside = config_path(&path);
        let config = look(&mut self.configs, &beside, MAX_CONFIG, patient, |bytes| {
            config_text(bytes)
                .map(Some)
                .map_err(|reason| EntryError::Config { path: beside.clone(), reason })
        });
        Some(FolderEntry { plugin, config: config.unwrap_or(Ok(None)), path })
    }
}

/// The remembered result if the file is as it was, a new one otherwise; none if there is no such file. A file
/// that cannot be used, but was written a moment ago, is as it was before until it is left alone, if `patient`.
fn look<T: Clone>(
    known: &mut HashMap<PathBuf, Memo<T>>,
    path: &Path,
    limit: u64,
    patient: bool,
    parse: impl FnOnce(Vec<u8>) -> Result<T, EntryError>,
) -> Option<Result<T, EntryError>> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            known.remove(path);
            return None;
        }
        Err(error) => return Some(Err(unreadable(path, &error))),
    };
    let stamp = Stamp::of(&found);
    if let Some(memo) = known.get(path).filter(|memo| memo.stamp == Some(stamp)) {
        return memo.result.clone();
    }
    let memo = match read(path, limit) {
        Ok(Content { content, stamp, fresh }) => match parse(content) {
            Err(_) if fresh && patient => {
                Memo { stamp: None, result: known.remove(path).and_then(|memo| memo.result) }
            }
            result => Memo { stamp, result: Some(result) },
        },
        Err(error) => Memo { stamp: Some(stamp), result: Some(Err(error)) },
    };
    let result = memo.result.clone();
    known.insert(path.to_owned(), memo);
    result
}

fn read(path: &Path, limit: u64) -> Result<Content, EntryError> {
    let failed = |error: io::Error| unreadable(path, &error);
    let too_large = |size: u64| EntryError::Plugin {
        path: path.to_owned(),
        source: PackageError::TooLarge { size, limit },
    };
    // Asked before opening: opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    if before.len() > limit {
        return Err(too_large(before.len()));
    }
    let mut content = Vec::with_capacity(usize::try_from(before.len()).unwrap_or_default());
    (&file).take(limit.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > limit {
        return Err(too_large(content.len() as u64));
    }
    let after = Stamp::of(&file.metadata().map_err(failed)?);
    let age = before.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    let settled = after == Stamp::of(&before) && age.is_some_and(|age| age > SETTLED);
    // A time stamp of the future never becomes old.
    let fresh = !settled && age.is_some();
    Ok(Content { content, stamp: settled.then_some(after), fresh })
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// `name.wasm`, but not the hidden files that editors and downloads leave.
fn is_plugin(path: &Path) -> bool {
    let hidden = |name: &str| name.starts_with('.');
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(".wasm") && !hidden(name))
}

fn config_path(plugin: &Path) -> PathBuf {
    plugin.with_extension("config.json")
}

fn config_text(bytes: Vec<u8>) -> Result<Arc<str>, String> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(serde_json::Value::Object(_)) => Ok(Arc::from(text)),
        Ok(_) => Err("it is JSON, but no object".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> EntryError {
    EntryError::Read { path: path.to_owned(), reason: error.to_string() }
}
