//! A folder that plugins are dropped into, watched.
//!
//! Level-based: whatever happens in the folder leads to the same question, "what is in it now?", so no
//! event can be misunderstood and a lost one is made up for by a slow poll. Events tell only when to ask: at
//! once if a file was closed after writing, renamed or removed; after a pause if one is still being written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use crate::entry::{FolderEntry, Reader};

/// How soon a file is looked at again that changed a moment ago.
const SOON: Duration = Duration::from_millis(200);
/// How many events wait for a look. What comes beyond that is seen by that look, too.
const MAILBOX: usize = 64;

/// How a folder is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderOptions {
    /// A file that is being written is looked at when nothing was heard for so long; looks that follow each
    /// other are never farther apart than this because of what they cost.
    pub debounce: Duration,
    /// How often the folder is looked at when nothing was heard.
    pub poll: Duration,
}

impl Default for FolderOptions {
    fn default() -> Self {
        Self { debounce: Duration::from_millis(100), poll: Duration::from_secs(10) }
    }
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It does not exist, is no folder, or may not be read.
    #[error("the plugin folder {} cannot be read: create it, or name another", .path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The thread that watches could not be started.
    #[error("the thread that watches the plugin folder cannot be started")]
    Thread(#[source] io::Error),
}

/// Everything that is in the folder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FolderState {
    /// One per `*.wasm` file, ordered by path.
    pub entries: Vec<FolderEntry>,
    /// Why the folder cannot be read at the moment; the entries are those of the last success then, so
    /// that a lost mount does not unload every plugin.
    pub problem: Option<String>,
}

/// A watched folder. Dropping it ends the watch.
///
/// Guarantees: the first state is complete when [`Self::start`] returns; each later one differs from the
/// one before and is the newest at the time it is taken; a consumer that is slow skips states and misses
/// none of what they came to.
pub struct FolderWatch {
    states: watch::Receiver<Arc<FolderState>>,
    _wake: SyncSender<Heard>,
    _notify: Option<RecommendedWatcher>,
}

impl FolderWatch {
    /// Reads the folder, and goes on watching it. Blocks for the first read.
    ///
    /// # Errors
    /// [`FolderError::Unreadable`] if the folder cannot be read now, [`FolderError::Thread`] if no thread
    /// can be started. That the system cannot notify of changes is no error: the folder is polled then.
    pub fn start(folder: &Path, options: FolderOptions) -> Result<Self, FolderError> {
        let unreadable = |source| FolderError::Unreadable { path: folder.to_owned(), source };
        let (wake, woken) = sync_channel(MAILBOX);
        // Before the first read, so that no change falls between the two.
        let notify = subscribe(folder, wake.clone());
        let mut reader = Reader::default();
        let entries = reader.scan(folder).map_err(unreadable)?;
        let (states, receiver) = watch::channel(Arc::new(FolderState { entries, problem: None }));
        let watcher = Watcher { folder: folder.to_owned(), options, reader, states };
        std::thread::Builder::new()
            .name("joch-folder".to_owned())
            .spawn(move || watcher.run(&woken))
            .map_err(FolderError::Thread)?;
        Ok(Self { states: receiver, _wake: wake, _notify: notify })
    }

    /// The newest state.
    #[must_use]
    pub fn state(&self) -> Arc<FolderState> {
        Arc::clone(&self.states.borrow())
    }

    /// Waits for a state that was not returned by this method before; none if watching has ended.
    /// The first state counts as returned. Can be cancelled without loss.
    pub async fn changed(&mut self) -> Option<Arc<FolderState>> {
        self.states.changed().await.ok()?;
        Some(Arc::clone(&self.states.borrow_and_update()))
    }
}

/// What an event tells about the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// A file was put there, replaced or removed as a whole.
    Whole,
    /// A file is being written.
    Part,
}

/// What runs on the thread.
struct Watcher {
    folder: PathBuf,
    options: FolderOptions,
    reader: Reader,
    states: watch::Sender<Arc<FolderState>>,
}

impl Watcher {
    fn run(mut self, woken: &Receiver<Heard>) {
        let FolderOptions { debounce, poll } = self.options;
        loop {
            let patience = if self.reader.unsettled() { SOON.min(poll) } else { poll };
            if !await_reason(woken, patience, debounce) {
                return;
            }
            let began = Instant::now();
            let next = self.look();
            self.states.send_if_modified(|state| {
                let differs = **state != next;
                if differs {
                    *state = Arc::new(next);
                }
                differs
            });
            // A storm of events costs half of a processor at most.
            std::thread::sleep(began.elapsed().min(debounce));
        }
    }

    fn look(&mut self) -> FolderState {
        match self.reader.scan(&self.folder) {
            Ok(entries) => FolderState { entries, problem: None },
            Err(error) => {
                let problem = format!("{} cannot be read: {error}", self.folder.display());
                FolderState {
                    entries: self.states.borrow().entries.clone(),
                    problem: Some(problem),
                }
            }
        }
    }
}

/// Returns when the folder is to be looked at; with no if nobody wants to know any more.
fn await_reason(woken: &Receiver<Heard>, patience: Duration, debounce: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let mut wait = patience;
    loop {
        match woken.recv_timeout(wait) {
            Ok(Heard::Part) => {
                wait = debounce.min(deadline.saturating_duration_since(Instant::now()));
            }
            Ok(Heard::Whole) => {
                // The look that is due now answers those, too.
                while woken.try_recv().is_ok() {}
                return true;
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn subscribe(folder: &Path, wake: SyncSender<Heard>) -> Option<RecommendedWatcher> {
    let hear = move |result: notify::Result<Event>| {
        let heard = match &result {
            Ok(event) => heard(event.kind),
            Err(error) => {
                tracing::warn!(%error, "watching the plugin folder failed; looking at it anew");
                Some(Heard::Whole)
            }
        };
        if let Some(heard) = heard {
            // A full mailbox means that a look is due anyway.
            wake.try_send(heard).ok();
        }
    };
    let watched = notify::recommended_watcher(hear).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher)
    });
    watched
        .map_err(|error| {
            tracing::warn!(%error, folder = %folder.display(), "no notice of changes; polling the folder");
        })
        .ok()
}

/// What an event tells. Looking at the folder is an event, too; it must not lead to another look.
fn heard(kind: EventKind) -> Option<Heard> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Heard::Whole),
        EventKind::Access(_) => None,
        EventKind::Create(_)
        | EventKind::Modify(ModifyKind::Any | ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
            Some(Heard::Part)
        }
        EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Any | EventKind::Other => {
            Some(Heard::Whole)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{sleep, spawn};

    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind, RenameMode};

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_whole_is_told_from_what_is_being_written() {
        let data = ModifyKind::Data(DataChange::Any);
        let table = [
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), Some(Heard::Whole)),
            (EventKind::Modify(ModifyKind::Name(RenameMode::To)), Some(Heard::Whole)),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), Some(Heard::Whole)),
            (EventKind::Remove(RemoveKind::File), Some(Heard::Whole)),
            (EventKind::Other, Some(Heard::Whole)),
            (EventKind::Create(CreateKind::File), Some(Heard::Part)),
            (EventKind::Modify(data), Some(Heard::Part)),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), Some(Heard::Part)),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), None),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
        ];
        for (kind, expected) in table {
            assert_eq!(heard(kind), expected, "{kind:?}");
        }
    }

    /// Whether there is a reason, and after what time.
    fn reason(told: &[Heard], patience: Duration, debounce: Duration) -> (bool, Duration) {
        let (tell, woken) = sync_channel(MAILBOX);
        told.iter().for_each(|heard| tell.send(*heard).unwrap());
        let began = Instant::now();
        let reason = await_reason(&woken, patience, debounce);
        assert!(woken.try_recv().is_err(), "something is left for another look");
        (reason, began.elapsed())
    }

    #[test]
    fn a_whole_file_is_a_reason_at_once_and_a_part_after_a_pause() {
        let (whole, part) = (Heard::Whole, Heard::Part);
        assert!(reason(&[part, whole, part, part], LONG, LONG).1 < LONG);
        let (reason_, after) = reason(&[part, part], LONG, MOMENT);
        assert!(reason_ && (MOMENT..LONG).contains(&after), "{after:?}");
        // What is written for ever is looked at all the same.
        let (reason_, after) = reason(&[part], MOMENT, LONG);
        assert!(reason_ && (MOMENT..LONG).contains(&after), "{after:?}");
    }

    #[test]
    fn nobody_who_listens_is_the_end() {
        let (tell, woken) = sync_channel(1);
        let ends = spawn(move || await_reason(&woken, LONG, LONG));
        sleep(MOMENT);
        drop(tell);
        assert!(!ends.join().unwrap());
    }
}
