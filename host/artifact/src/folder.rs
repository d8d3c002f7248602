//! A folder that plugins are dropped into, watched.
//!
//! Level-based: whatever happens in the folder leads to the same question, "what is in it now?", so no
//! event can be misunderstood and a lost one is made up for by a slow poll.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::watch;

use crate::entry::{FolderEntry, Reader};

/// How soon a file is looked at again that changed a moment ago.
const SOON: Duration = Duration::from_millis(200);

/// How a folder is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderOptions {
    /// Changes that follow each other closer than this are looked at together.
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
    _wake: SyncSender<()>,
    _notify: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
}

impl FolderWatch {
    /// Reads the folder, and goes on watching it. Blocks for the first read.
    ///
    /// # Errors
    /// [`FolderError::Unreadable`] if the folder cannot be read now, [`FolderError::Thread`] if no thread
    /// can be started. That the system cannot notify of changes is no error: the folder is polled then.
    pub fn start(folder: &Path, options: FolderOptions) -> Result<Self, FolderError> {
        let unreadable = |source| FolderError::Unreadable { path: folder.to_owned(), source };
        let (wake, woken) = sync_channel(1);
        // Before the first read, so that no change falls between the two.
        let notify = subscribe(folder, options.debounce, wake.clone());
        let mut reader = Reader::default();
        let entries = reader.scan(folder).map_err(unreadable)?;
        let (states, receiver) = watch::channel(Arc::new(FolderState { entries, problem: None }));
        let watcher = Watcher { folder: folder.to_owned(), poll: options.poll, reader, states };
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

/// What runs on the thread.
struct Watcher {
    folder: PathBuf,
    poll: Duration,
    reader: Reader,
    states: watch::Sender<Arc<FolderState>>,
}

impl Watcher {
    fn run(mut self, woken: &Receiver<()>) {
        loop {
            let patience = if self.reader.unsettled() { SOON.min(self.poll) } else { self.poll };
            if woken.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let next = self.look();
            self.states.send_if_modified(|state| {
                let differs = **state != next;
                if differs {
                    *state = Arc::new(next);
                }
                differs
            });
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

fn subscribe(
    folder: &Path,
    debounce: Duration,
    wake: SyncSender<()>,
) -> Option<Debouncer<RecommendedWatcher, RecommendedCache>> {
    let heard = move |result: DebounceEventResult| {
        let relevant = match &result {
            Ok(events) => events.iter().any(|event| is_change(event.kind)),
            Err(errors) => {
                tracing::warn!(?errors, "watching the plugin folder failed; looking at it anew");
                true
            }
        };
        if relevant {
            // A full mailbox means that a look is due anyway.
            wake.try_send(()).ok();
        }
    };
    let watched = new_debouncer(debounce, None, heard).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher)
    });
    watched
        .map_err(|error| {
            tracing::warn!(%error, folder = %folder.display(), "no notice of changes; polling the folder");
        })
        .ok()
}

/// Looking at the folder is an event, too; it must not lead to another look.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
