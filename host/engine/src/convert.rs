//! Between the types of track 0.1 and those of `joch-core`. Nothing here decides anything.

use std::time::Duration;

use joch_bindings::v0_1::joch::controller::types as answer;
use joch_bindings::v0_1::joch::kube::{jobs, reader, status, types};
use joch_core::object::{Gvk, ObjectKey, ObjectRef};
use joch_core::outcome::{Failure, Outcome, Problem};
use joch_core::port::{Freshness, KubeError, StartError, Started, Verdict};

use crate::budget::cut;

/// The longest delay that a guest can ask for.
const LONGEST_DELAY: u64 = 24 * 60 * 60 * 1000;
/// The longest text of a failure, in bytes; it ends up in events and conditions.
const LONGEST_TEXT: usize = 4 << 10;
/// The longest reason of a failure, in bytes.
const LONGEST_REASON: usize = 128;

pub(crate) fn kind(kind: types::Gvk) -> Gvk {
    Gvk::new(&kind.group, &kind.version, &kind.kind)
}

pub(crate) fn reference(reference: types::ObjectRef) -> ObjectRef {
    let types::ObjectRef { kind: of, namespace, name, uid } = reference;
    ObjectRef { key: ObjectKey { kind: kind(of), namespace, name }, uid }
}

pub(crate) fn freshness(freshness: reader::Freshness) -> Freshness {
    match freshness {
        reader::Freshness::Cached => Freshness::Cached,
        reader::Freshness::Confirmed => Freshness::Confirmed,
        reader::Freshness::Live => Freshness::Live,
    }
}

pub(crate) fn to_reference(reference: ObjectRef) -> types::ObjectRef {
    let ObjectRef { key: ObjectKey { kind, namespace, name }, uid } = reference;
    let [group, version, kind] =
        [&kind.group, &kind.version, &kind.kind].map(|part| part.to_string());
    let kind = types::Gvk { group, version, kind };
    types::ObjectRef { kind, namespace, name, uid }
}

pub(crate) fn to_error(error: KubeError) -> types::Error {
    match error {
        KubeError::Denied { verb, target, missing_grant } => {
            let target = to_reference(target);
            types::Error::Denied(types::Denial { verb, target, missing_grant })
        }
        KubeError::NotFound => types::Error::NotFound,
        KubeError::AlreadyExists(object) => types::Error::AlreadyExists(to_reference(object)),
        KubeError::Stale => types::Error::Stale,
        KubeError::OwnedByOther(managers) => types::Error::OwnedByOther(managers),
        KubeError::Invalid(reason) => types::Error::Invalid(reason),
        KubeError::NotWatched(kind) => types::Error::NotWatched(kind),
        KubeError::OverLimit(limit) => types::Error::OverLimit(limit),
        KubeError::Unavailable(after) => types::Error::Unavailable(after.map(milliseconds)),
        KubeError::Fenced => types::Error::Fenced,
        KubeError::Other(text) => types::Error::Other(text),
    }
}

pub(crate) fn to_verdict(verdict: Verdict) -> status::Verdict {
    match verdict {
        Verdict::Written => status::Verdict::Written,
        Verdict::Unchanged => status::Verdict::Unchanged,
        Verdict::Superseded(newest) => status::Verdict::Superseded(newest.as_ref().to_owned()),
    }
}

pub(crate) fn to_started(started: Started) -> jobs::Started {
    match started {
        Started::Created(job) => jobs::Started::Created(to_reference(job)),
        Started::AlreadyRunning(job) => jobs::Started::AlreadyRunning(to_reference(job)),
    }
}

pub(crate) fn to_start_error(error: StartError) -> jobs::StartError {
    match error {
        StartError::NameTaken(job) => jobs::StartError::NameTaken(to_reference(job)),
        StartError::NameTerminating(job) => jobs::StartError::NameTerminating(to_reference(job)),
        StartError::OverBudget(limit) => jobs::StartError::OverBudget(limit),
        StartError::Refused(error) => jobs::StartError::Refused(to_error(error)),
    }
}

pub(crate) fn result(answer: Result<answer::Outcome, answer::Failure>) -> Result<Outcome, Failure> {
    match answer {
        Ok(answer::Outcome::Done | answer::Outcome::Other(_)) => Ok(Outcome::Done),
        Ok(answer::Outcome::RequeueAfterMs(after)) => Ok(Outcome::RequeueAfter(delay(after))),
        Err(answer::Failure::Transient(why) | answer::Failure::Other(why)) => {
            Err(Failure::Transient(problem(&why)))
        }
        Err(answer::Failure::Permanent(why)) => Err(Failure::Permanent(problem(&why))),
    }
}

fn problem(problem: &answer::Problem) -> Problem {
    Problem {
        reason: cut(&problem.reason, LONGEST_REASON).to_owned(),
        message: cut(&problem.message, LONGEST_TEXT).to_owned(),
        retry_after: problem.retry_after_ms.map(delay),
    }
}

fn delay(ms: u64) -> Duration {
    Duration::from_millis(ms.min(LONGEST_DELAY))
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_is_clamped() {
        let problem = |ms| answer::Problem {
            reason: "x".repeat(1000),
            message: "y".repeat(10_000),
            retry_after_ms: Some(ms),
        };
        assert_eq!(
            result(Ok(answer::Outcome::RequeueAfterMs(u64::MAX))),
            Ok(Outcome::RequeueAfter(Duration::from_secs(24 * 60 * 60)))
        );
        let Err(Failure::Permanent(seen)) = result(Err(answer::Failure::Permanent(problem(5))))
        else {
            panic!("permanent expected")
        };
        assert_eq!((seen.reason.len(), seen.message.len()), (LONGEST_REASON, LONGEST_TEXT));
        assert_eq!(seen.retry_after, Some(Duration::from_millis(5)));
    }

    #[test]
    fn cases_of_later_tracks_fall_back() {
        assert_eq!(result(Ok(answer::Outcome::Other("new".to_owned()))), Ok(Outcome::Done));
    }
}
