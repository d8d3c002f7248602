//! A line on the terminal for what takes longer than two seconds.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whatever is faster needs no line.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_secs(1);

/// Tells on stderr, if that is a terminal, what is under way, until it is dropped.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Begins; nothing is shown for the first two seconds.
    pub(crate) fn of(what: String) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let (stop, stopped) = mpsc::channel();
        let began = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut wait = PATIENCE;
            let mut shown = false;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                // A terminal that is gone needs no line.
                write!(io::stderr(), "\r{what} ({} s)", began.elapsed().as_secs()).ok();
                (wait, shown) = (TICK, true);
            }
            if shown {
                write!(io::stderr(), "\r\x1b[K").ok();
            }
        });
        Self(Some((stop, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // It only writes a line: there is nothing to learn from how it ended.
            thread.join().ok();
        }
    }
}
