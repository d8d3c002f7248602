//! The compile cache: machine code by plugin digest and engine, in a folder that only the host can
//! change.
//!
//! A file's name carries its own checksum (`<digest>-<engine>-<sha256>.cwasm`), so that content and
//! checksum appear in one rename and a damaged file is noticed.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use joch_core::name::Digest;
use sha2::{Digest as _, Sha256};

const SUFFIX: &str = ".cwasm";
/// How much of a file is read or written at once. The system's cache holds a file in the pieces it was written
/// in, and maps whole ones: of large pieces, the host would have code resident that is never called.
const PIECE: usize = 64 << 10;

/// How much a cache keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBounds {
    /// Files kept.
    pub entries: usize,
    /// Bytes kept, over all files.
    pub bytes: u64,
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { entries: 256, bytes: 2 << 30 }
    }
}

/// Why the cache cannot be used. The host can go on without one.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Others could put machine code into the folder.
    #[error(
        "the compile cache {} is not private (mode {mode:o}, owner {owner}): compiled code in it would \
         run unchecked; `chmod go-w` it, or choose another folder", .path.display()
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its owner's id.
        owner: u32,
    },
    /// Reading or writing failed.
    #[error("the compile cache cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// A folder of compiled components.
///
/// Guarantees: what [`Self::get`] returns was written by [`Self::put`] for that digest and engine, and is
/// undamaged. Assumes one owner; several processes may share a folder, at worst one compiles again.
#[derive(Debug)]
pub struct CompileCache {
    folder: PathBuf,
    bounds: CacheBounds,
}

impl CompileCache {
    /// Opens the folder, and makes it, for the owner alone, if it does not exist.
    ///
    /// # Errors
    /// [`CacheError::NotPrivate`] if anybody else may write into it, [`CacheError::Io`] if it cannot be
    /// made or written to.
    pub fn open(folder: &Path, bounds: CacheBounds) -> Result<Self, CacheError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io("create", folder))?;
        let found = fs::metadata(folder).map_err(io("look at", folder))?;
        // The owner of a file that is made now is who we are.
        let probe = tempfile::tempfile_in(folder).map_err(io("write to", folder))?;
        let own = probe.metadata().map_err(io("look at", folder))?;
        if found.mode() & 0o022 != 0 || found.uid() != own.uid() {
            let (path, mode, owner) = (folder.to_owned(), found.mode() & 0o777, found.uid());
            return Err(CacheError::NotPrivate { path, mode, owner });
        }
        Ok(Self { folder: folder.to_owned(), bounds })
    }

    /// The compiled file of a plugin for an engine; none if there is none, or only a damaged one, which
    /// is then removed. Reads the whole file: call it on a blocking thread.
    #[must_use]
    pub fn get(&self, digest: &Digest, engine: &str) -> Option<PathBuf> {
        let prefix = prefix(digest, engine);
        self.files().into_iter().find_map(|(path, _)| {
            let checksum = file_name(&path)?.strip_prefix(&prefix)?.strip_suffix(SUFFIX)?;
            if hash(&path).is_ok_and(|found| found.hex() == checksum) {
                touch(&path);
                return Some(path);
            }
            tracing::warn!(path = %path.display(), "removed a damaged file from the compile cache");
            remove(&path);
            None
        })
    }

    /// Keeps compiled code, and drops what was not used for the longest time if there is too much.
    ///
    /// # Errors
    /// [`CacheError::Io`] if the file cannot be written; nothing is left behind then.
    pub fn put(&self, digest: &Digest, engine: &str, code: &[u8]) -> Result<PathBuf, CacheError> {
        let name = format!("{}{}{SUFFIX}", prefix(digest, engine), Digest::of(code).hex());
        let path = self.folder.join(name);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(&self.folder)?;
            code.chunks(PIECE).try_for_each(|piece| file.write_all(piece))?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(io("write", &path))?;
        self.evict(&path);
        Ok(path)
    }

    fn evict(&self, newest: &Path) {
        let mut files = self.files();
        files.sort_by_key(|(_, found)| found.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let mut entries = files.len();
        let mut bytes: u64 = files.iter().map(|(_, found)| found.len()).sum();
        for (path, found) in files.iter().filter(|(path, _)| path != newest) {
            if entries <= self.bounds.entries && bytes <= self.bounds.bytes {
                return;
            }
            remove(path);
            entries = entries.saturating_sub(1);
            bytes = bytes.saturating_sub(found.len());
        }
    }

    fn files(&self) -> Vec<(PathBuf, Metadata)> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX)))
            .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
            .filter(|(_, found)| found.is_file())
            .collect()
    }
}

/// The checksum of a file, read piece by piece: a buffer for the whole of it would be freed at once, and
/// stay with the process all the same, as the allocator keeps what it believes to need again.
fn hash(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hasher.update(piece.get(..length).unwrap_or_default());
    }
    Ok(Digest::from(<[u8; 32]>::from(hasher.finalize())))
}

fn prefix(digest: &Digest, engine: &str) -> String {
    format!("{}-{engine}-", digest.hex())
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Marks a file as used now. If it fails, the file is dropped earlier than it deserves.
fn touch(path: &Path) {
    let touched = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(path = %path.display(), %error, "cannot mark a compiled file as used");
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove a file of the compile cache");
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |source| CacheError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    fn cache(bounds: CacheBounds) -> (tempfile::TempDir, CompileCache) {
        let base = tempfile::tempdir().unwrap();
        let cache = CompileCache::open(&base.path().join("cache"), bounds).unwrap();
        (base, cache)
    }

    fn digest(number: u8) -> Digest {
        Digest::of(&[number])
    }

    #[test]
    fn the_folder_is_made_for_the_owner_alone() {
        let (_base, cache) = cache(CacheBounds::default());
        assert_eq!(fs::metadata(&cache.folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let base = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o770, 0o702] {
            fs::set_permissions(base.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = CompileCache::open(base.path(), CacheBounds::default()).unwrap_err();
            assert!(matches!(error, CacheError::NotPrivate { .. }), "{mode:o}: {error}");
        }
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(CompileCache::open(base.path(), CacheBounds::default()).is_ok());
    }

    #[test]
    fn a_file_is_found_for_its_digest_and_engine_only() {
        let (_base, cache) = cache(CacheBounds::default());
        let path = cache.put(&digest(1), "engine", b"code").unwrap();
        assert_eq!(cache.get(&digest(1), "engine"), Some(path));
        assert_eq!(cache.get(&digest(2), "engine"), None);
        assert_eq!(cache.get(&digest(1), "other"), None);
    }

    #[test]
    fn damage_is_found_in_every_piece_of_a_file() {
        let (_base, cache) = cache(CacheBounds::default());
        let code: Vec<u8> = (0..2 * PIECE + 1).map(|number| (number % 251) as u8).collect();
        for place in [0, PIECE - 1, PIECE, 2 * PIECE] {
            let path = cache.put(&digest(1), "engine", &code).unwrap();
            assert_eq!(cache.get(&digest(1), "engine").as_ref(), Some(&path));
            let mut damaged = code.clone();
            damaged[place] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(&digest(1), "engine"), None, "{place}");
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_removed_not_used() {
        let (_base, cache) = cache(CacheBounds::default());
        for damage in [&b"cod"[..], b"codf", b""] {
            let path = cache.put(&digest(1), "engine", b"code").unwrap();
            fs::write(&path, damage).unwrap();
            assert_eq!(cache.get(&digest(1), "engine"), None);
            assert!(!path.exists());
        }
        let foreign = cache.folder.join(format!("{}planted{SUFFIX}", prefix(&digest(1), "engine")));
        fs::write(&foreign, b"code").unwrap();
        assert_eq!(cache.get(&digest(1), "engine"), None);
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let (_base, cache) = cache(CacheBounds { entries: 2, bytes: 1 << 20 });
        let now = SystemTime::now();
        for number in [1, 2] {
            let path = cache.put(&digest(number), "engine", b"code").unwrap();
            let age = Duration::from_secs(100 - u64::from(number));
            File::open(&path).unwrap().set_modified(now - age).unwrap();
        }
        assert!(cache.get(&digest(1), "engine").is_some());
        cache.put(&digest(3), "engine", b"code").unwrap();
        let left: Vec<u8> =
            (1..=3).filter(|&number| cache.get(&digest(number), "engine").is_some()).collect();
        assert_eq!(left, [1, 3]);
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_file_stays() {
        let (_base, cache) = cache(CacheBounds { entries: 9, bytes: 10 });
        cache.put(&digest(1), "engine", &[0; 8]).unwrap();
        cache.put(&digest(2), "engine", &[0; 20]).unwrap();
        assert_eq!(cache.get(&digest(1), "engine"), None);
        assert!(cache.get(&digest(2), "engine").is_some());
    }
}
