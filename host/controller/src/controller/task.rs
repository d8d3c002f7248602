//! What a turn is for, and when a failed one is tried again.

use std::time::{Duration, Instant};

use joch_core::manifest::ControllerSpec;
use joch_core::queue::Next;

/// What a turn is for.
pub(super) enum Task {
    /// The guest's `reconcile`; before it, this finalizer is set.
    Reconcile { mark: Option<Finalizer> },
    /// The guest's `finalize`.
    Finalize(Finalizer),
}

/// The finalizer of the version that is live.
pub(super) struct Finalizer {
    pub(super) name: String,
    pub(super) timeout: Duration,
}

impl Finalizer {
    pub(super) fn of(spec: &ControllerSpec) -> Option<Self> {
        let name = spec.finalizer.clone()?;
        Some(Self { name, timeout: spec.finalizer_timeout.0 })
    }
}

/// When a failed turn is tried again; without a delay, when something changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) delay: Option<Duration>,
    /// How long it is not tried again whatever changes.
    pub(super) hold: Duration,
}

impl Retry {
    pub(super) fn at(&self) -> Instant {
        Instant::now() + self.delay.unwrap_or_default()
    }
}

impl From<Retry> for Next {
    fn from(retry: Retry) -> Self {
        let hold = Instant::now() + retry.hold;
        Self::Retry { at: retry.delay.is_some().then(|| retry.at()), hold }
    }
}
