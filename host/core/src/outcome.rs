//! What a reconcile came to, and who is to blame when it failed.

use std::time::Duration;

/// A guest's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Done,
    /// Call again after this time at the latest.
    RequeueAfter(Duration),
}

/// What a guest says went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One CamelCase word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// The guest's wish for the delay before the next try.
    pub retry_after: Option<Duration>,
}

/// Why a reconcile did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The guest asks for another try.
    #[error("{}: {}", .0.reason, .0.message)]
    Transient(Problem),
    /// The guest says that trying again is of no use until something changes.
    #[error("{}: {}", .0.reason, .0.message)]
    Permanent(Problem),
    /// The guest broke its contract (panic, trap); the text tells where, with what it wrote to stderr.
    #[error("the guest trapped: {0}")]
    Trap(String),
    /// The guest computed longer than it may.
    #[error("the guest computed longer than its limit of {0:?}")]
    Cpu(Duration),
    /// The call took longer than it may, waiting included.
    #[error("the call took longer than its limit of {0:?}")]
    Wall(Duration),
    /// The guest wanted more memory than it may have, in bytes.
    #[error("the guest wanted more than its limit of {0} bytes of memory")]
    Memory(u64),
    /// The host's own fault; the guest is not blamed.
    #[error("the host failed: {0}")]
    Host(String),
}

impl Failure {
    /// A short word for metrics and events, from a closed set.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Transient(_) => "Transient",
            Self::Permanent(_) => "Permanent",
            Self::Trap(_) => "Trapped",
            Self::Cpu(_) => "CpuLimit",
            Self::Wall(_) => "WallLimit",
            Self::Memory(_) => "MemoryLimit",
            Self::Host(_) => "HostError",
        }
    }

    /// The delay that the guest asked for, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient(problem) | Self::Permanent(problem) => problem.retry_after,
            _ => None,
        }
    }
}
