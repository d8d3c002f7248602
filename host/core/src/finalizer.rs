//! Finalizers (SC-16): when the host sets one, calls the guest, and takes it off. Pure.
//!
//! # Guarantees
//! - An object that is being deleted never gets the finalizer.
//! - Each object that holds it is given at least one call, and keeps it no longer than its time: then it
//!   is taken off whatever the guest says.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::manifest::Manifest;
use crate::name::is_label;
use crate::object::Gvk;
use crate::outcome::{Failure, Outcome};

/// The longest time that clean-up may be given.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A finalizer that a plugin keeps on all objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// The kind.
    pub kind: Gvk,
    /// The finalizer.
    pub name: String,
}

/// What a plugin keeps on its objects.
#[must_use]
pub fn kept(manifest: &Manifest) -> BTreeSet<Kept> {
    let of_controller = manifest.controllers.iter().flat_map(|controller| {
        let name = controller.finalizer.iter();
        name.flat_map(|name| {
            controller.reconciles().map(|kind| Kept { kind: kind.clone(), name: name.clone() })
        })
    });
    of_controller.collect()
}

/// What an object's next turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The guest's `reconcile`; before it, the finalizer is set if `mark` says so.
    Reconcile {
        /// The finalizer is missing.
        mark: bool,
    },
    /// The guest's `finalize`.
    Finalize,
    /// Nobody's: the object waits for others.
    Nobody,
}

/// What becomes of the finalizer after a call of `finalize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It is taken off: the guest is done.
    Done,
    /// It is taken off although the guest is not done: time is over.
    GaveUp,
    /// It stays; the guest is called again after this time at the latest, and when something changes.
    Later(Duration),
}

/// What to do about an object.
#[must_use]
pub fn turn(finalizer: Option<&str>, held: &[String], deleting: bool) -> Turn {
    let holds = finalizer.is_some_and(|own| held.iter().any(|other| other == own));
    match (finalizer, deleting) {
        (_, true) if holds => Turn::Finalize,
        (_, true) => Turn::Nobody,
        (own, false) => Turn::Reconcile { mark: own.is_some() && !holds },
    }
}

/// What to do about an object whose deletion was asked for `since` ago, after the guest's answer. `delay`
/// is the back-off of a failure; none means that trying again is of no use until something changes.
#[must_use]
pub fn release(
    answer: &Result<Outcome, Failure>,
    since: Duration,
    timeout: Duration,
    delay: Option<Duration>,
) -> Release {
    let left = timeout.saturating_sub(since);
    match answer {
        Ok(Outcome::Done) => Release::Done,
        _ if left.is_zero() => Release::GaveUp,
        Ok(Outcome::RequeueAfter(after)) => Release::Later(left.min(*after)),
        Err(_) => Release::Later(delay.map_or(left, |delay| left.min(delay))),
    }
}

/// Whether a text is a finalizer's name as the API server takes it: `example.com/clean-up`.
#[must_use]
pub fn is_qualified(name: &str) -> bool {
    let Some((domain, rest)) = name.split_once('/') else { return false };
    let label = |label: &str| label.len() <= 63 && is_label(label);
    let plain = rest.replace(['_', '.'], "-");
    domain.len() <= 253
        && domain.split('.').all(label)
        && !domain.contains(|c: char| c.is_ascii_uppercase())
        && domain.contains('.')
        && label(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Problem;

    const OWN: &str = "x.io/clean-up";

    #[test]
    fn sc_16_the_finalizer_is_set_while_an_object_lives_and_never_later() {
        let (none, held, others) = (vec![], vec![OWN.to_owned()], vec!["y.io/z".to_owned()]);
        let table = [
            (None, &none, false, Turn::Reconcile { mark: false }),
            (Some(OWN), &none, false, Turn::Reconcile { mark: true }),
            (Some(OWN), &others, false, Turn::Reconcile { mark: true }),
            (Some(OWN), &held, false, Turn::Reconcile { mark: false }),
            (Some(OWN), &held, true, Turn::Finalize),
            (Some(OWN), &none, true, Turn::Nobody),
            (Some(OWN), &others, true, Turn::Nobody),
            (None, &held, true, Turn::Nobody),
        ];
        for (finalizer, held, deleting, expected) in table {
            assert_eq!(turn(finalizer, held, deleting), expected, "{finalizer:?} {held:?}");
        }
    }

    #[test]
    fn sc_16_the_finalizer_goes_when_the_guest_is_done_or_time_is_over() {
        let seconds = Duration::from_secs;
        let problem = || Problem { reason: "R".into(), message: "m".into(), retry_after: None };
        let transient = || Err(Failure::Transient(problem()));
        let permanent = || Err(Failure::Permanent(problem()));
        let requeue = || Ok(Outcome::RequeueAfter(seconds(30)));
        let table = [
            (Ok(Outcome::Done), 5, None, Release::Done),
            (Ok(Outcome::Done), 700, None, Release::Done),
            (requeue(), 5, None, Release::Later(seconds(30))),
            (requeue(), 590, None, Release::Later(seconds(10))),
            (requeue(), 600, None, Release::GaveUp),
            (transient(), 5, Some(seconds(2)), Release::Later(seconds(2))),
            (transient(), 599, Some(seconds(2)), Release::Later(seconds(1))),
            (transient(), 600, Some(seconds(2)), Release::GaveUp),
            (permanent(), 5, None, Release::Later(seconds(595))),
            (Err(Failure::Trap("t".into())), 601, Some(seconds(2)), Release::GaveUp),
        ];
        for (answer, since, delay, expected) in table {
            let decided = release(&answer, seconds(since), seconds(600), delay);
            assert_eq!(decided, expected, "{answer:?} after {since} s");
        }
    }

    #[test]
    fn names_are_qualified() {
        for name in ["x.io/clean-up", "kubetask.io/cleanup", "a.b-c.io/x_y.z"] {
            assert!(is_qualified(name), "{name:?}");
        }
        for name in ["cleanup", "x.io/", "/x", "x/y", "x.io/a/b", "X.io/a", "x.io/-a", "x..io/a"] {
            assert!(!is_qualified(name), "{name:?}");
        }
    }
}
