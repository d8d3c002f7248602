//! Faults that come so many times.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many faults are still to come; cloning shares the number.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<AtomicU32>);

impl Faults {
    /// So many are to come from now on.
    pub fn set(&self, number: u32) {
        self.0.store(number, Ordering::SeqCst);
    }

    /// Whether one is to come now; then it has come.
    #[must_use]
    pub fn take(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    /// Whether all have come.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}
