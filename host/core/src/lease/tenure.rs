//! The fence: may a request for a plugin still be sent?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// One replica's time with one seat. Clones are the same tenure; it is asked from any thread.
#[derive(Debug, Clone)]
pub struct Tenure {
    /// Until when the member's Lease lets it write, in milliseconds of its clock.
    until: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Tenure {
    /// A tenure that is over.
    #[must_use]
    pub fn closed() -> Self {
        Self { until: Arc::default(), over: Arc::new(AtomicBool::new(true)) }
    }

    /// The tenure of somebody who has no rivals.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { until: Arc::new(AtomicU64::new(u64::MAX)), over: Arc::default() }
    }

    /// A tenure as good as this member.
    pub(super) fn of(membership: &Membership) -> Self {
        Self { until: membership.until.clone(), over: Arc::default() }
    }

    /// Whether a request may be handed to the socket at `now`, a time that goes on while the process is
    /// stopped and while the machine sleeps.
    #[must_use]
    pub fn is_open(&self, now: Duration) -> bool {
        !self.over.load(Ordering::Acquire) && millis(now) < self.until.load(Ordering::Acquire)
    }

    /// Whether it will never be open again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Closes it for ever.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether both are the same tenure.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.over, &other.over)
    }
}

/// Until when a member may write; shared by all of its tenures.
#[derive(Debug, Clone, Default)]
pub(super) struct Membership {
    until: Arc<AtomicU64>,
}

impl Membership {
    /// The member's Lease was renewed: everything is open until then.
    pub(super) fn open_until(&self, time: Duration) {
        self.until.store(millis(time), Ordering::Release);
    }

    /// Closes everything.
    pub(super) fn close(&self) {
        self.until.store(0, Ordering::Release);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
