//! What a proxy does with a request: the one vocabulary of faults, for closures and for plans.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// It is sent on.
    #[default]
    Pass,
    /// It is answered with this status code, and not sent on.
    Status(u16),
    /// It is answered 429, to be tried again after so many seconds, and not sent on.
    Busy(u32),
    /// It is sent on after this time.
    Delay(Duration),
    /// It is sent on twice, one after the other; the first answer is returned.
    Double,
    /// It is sent on; half of the answer's body arrives, then the connection is cut.
    HalfBody,
    /// The connection is cut, and the request is not sent on.
    Cut,
    /// The request is sent on, and the connection is cut instead of an answer.
    LoseAnswer,
    /// Nothing is sent on or answered, until the sender goes away.
    Swallow,
    /// The request is sent on; the answer never comes.
    SwallowAnswer,
    /// A watch's answer is disturbed; another request passes.
    Watch(Disturbance),
}

/// How a watch is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Disturbance {
    /// It is cut after this time.
    CutAfter(Duration),
    /// It stays open and is silent.
    Stall,
    /// It brings no bookmarks.
    NoBookmarks,
    /// It says that its resourceVersion is too old, and ends.
    Expired,
    /// Everything that it brings is held back for this time.
    Hold(Duration),
}
