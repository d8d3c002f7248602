//! What a reconcile may answer.

use std::{fmt, time::Duration};

use crate::{Error, bindings::joch::controller::types};

/// The reconcile succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something that was read, watched or owned changes.
    #[default]
    Done,
    /// The same, and call again after this time at the latest (at most 24 h).
    RequeueAfter(Duration),
}

impl Outcome {
    /// Call again after so many seconds at the latest.
    pub const fn after_secs(seconds: u64) -> Self {
        Self::RequeueAfter(Duration::from_secs(seconds))
    }

    /// Both wishes at once: the earlier of the two times wins over the later, any over none.
    ///
    /// ```
    /// use joch_plugin::Outcome;
    ///
    /// assert_eq!(Outcome::Done.or_sooner(Outcome::after_secs(5)), Outcome::after_secs(5));
    /// assert_eq!(Outcome::after_secs(9).or_sooner(Outcome::after_secs(5)), Outcome::after_secs(5));
    /// ```
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::RequeueAfter(a), Self::RequeueAfter(b)) => Self::RequeueAfter(a.min(b)),
            (Self::Done, requeue) | (requeue, Self::Done) => requeue,
        }
    }
}

impl From<Outcome> for types::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::RequeueAfter(time) => Self::RequeueAfterMs(millis(time)),
        }
    }
}

/// The reconcile failed: why, and whether trying again is of use.
///
/// ```
/// use joch_plugin::Failure;
///
/// let failure = Failure::permanent("NoSuchAgent", "agent `coder` does not exist");
/// assert_eq!(failure.to_string(), "NoSuchAgent: agent `coder` does not exist");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    permanent: bool,
    reason: String,
    message: String,
    retry_after: Option<Duration>,
}

impl Failure {
    /// Try again, with growing delays. `reason` is one CamelCase word for events and metrics,
    /// `message` one sentence for a person.
    pub fn transient(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { permanent: false, reason: reason.into(), message: message.into(), retry_after: None }
    }

    /// Trying again is of no use until something changes.
    pub fn permanent(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::transient(reason, message) }
    }

    /// Asks again after this time instead of the host's own back-off.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        Self { retry_after: Some(time), ..self }
    }

    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// The one word.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// What is left to `?`: permanent where only a person or another object can help, transient where
/// time can. A missing object is transient: it may be about to appear, and its appearance wakes the
/// object that asked for it as well. Use [`find`](crate::Context::find) where missing is part of the
/// plan.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (permanent, reason) = match &error {
            Error::Denied(_) => (true, "Denied"),
            Error::Invalid(_) => (true, "Invalid"),
            Error::Malformed(_) => (true, "Malformed"),
            Error::NotWatched(_) => (true, "NotWatched"),
            Error::OwnedByOther(_) => (true, "OwnedByOther"),
            Error::AlreadyExists(_) => (false, "AlreadyExists"),
            Error::Fenced => (false, "Fenced"),
            Error::NotFound(_) => (false, "NotFound"),
            Error::Other(_) => (false, "HostError"),
            Error::OverLimit(_) => (false, "OverLimit"),
            Error::Stale => (false, "Stale"),
            Error::Unavailable(_) => (false, "Unavailable"),
        };
        let retry_after = match &error {
            Error::Unavailable(time) => *time,
            _ => None,
        };
        Self { permanent, reason: reason.to_owned(), message: error.to_string(), retry_after }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        f.write_str(": ")?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { permanent, reason, message, retry_after } = failure;
        let retry_after_ms = retry_after.map(millis);
        let problem = types::Problem { reason, message, retry_after_ms };
        if permanent { Self::Permanent(problem) } else { Self::Transient(problem) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_handed_over_in_milliseconds() {
        assert_eq!(
            types::Outcome::from(Outcome::after_secs(2)),
            types::Outcome::RequeueAfterMs(2000)
        );
        let forever = Outcome::RequeueAfter(Duration::MAX);
        assert_eq!(types::Outcome::from(forever), types::Outcome::RequeueAfterMs(u64::MAX));
        assert_eq!(types::Outcome::from(Outcome::Done), types::Outcome::Done);
    }

    #[test]
    fn what_only_a_person_can_mend_is_permanent() {
        for error in [
            Error::Invalid("spec.x: too long".to_owned()),
            Error::Malformed("…".to_owned()),
            Error::NotWatched("v1/Secret".to_owned()),
            Error::OwnedByOther(vec!["kubectl".to_owned()]),
        ] {
            assert!(Failure::from(error.clone()).is_permanent(), "{error}");
        }
    }

    #[test]
    fn what_time_can_mend_is_transient() {
        for error in [
            Error::Fenced,
            Error::OverLimit("api-per-reconcile".to_owned()),
            Error::Stale,
            Error::Unavailable(None),
            Error::Other("?".to_owned()),
        ] {
            assert!(!Failure::from(error.clone()).is_permanent(), "{error}");
        }
    }

    #[test]
    fn the_servers_retry_time_reaches_the_host() {
        let failure = Failure::from(Error::Unavailable(Some(Duration::from_secs(3))));
        let types::Failure::Transient(problem) = failure.into() else { panic!("not transient") };
        assert_eq!(problem.reason, "Unavailable");
        assert_eq!(problem.retry_after_ms, Some(3000));
    }
}
