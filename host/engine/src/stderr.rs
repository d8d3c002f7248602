//! What a guest writes to standard error: kept for the report of a trap, because it holds the message of
//! a panic.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes kept; the first ones, as the cause comes before its consequences.
const KEPT: usize = 4 << 10;

/// The first 4 KiB of standard error. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stderr(Arc<Mutex<Vec<u8>>>);

impl Stderr {
    /// What was kept, as text.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).trim().to_owned()
    }
}

impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(KEPT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_kept_and_a_write_never_fails() {
        let mut stderr = Stderr::default();
        stderr.write(Bytes::from_static(b"panicked at lib.rs\n")).unwrap();
        for _ in 0..10 {
            stderr.write(Bytes::from(vec![b'x'; KEPT])).unwrap();
        }
        let text = stderr.text();
        assert!(text.starts_with("panicked at lib.rs"), "{text}");
        assert_eq!(text.len(), KEPT);
    }
}
