//! Whether a version of a plugin has proved itself: a pure state machine, time is passed in (G4).
//!
//! # Guarantees
//! - A version that breaks down on several distinct objects is rolled back; an object that broke the
//!   version before in the same way does not count, since it is the object that is poisoned.
//! - One broken object among many is no reason; if there are fewer objects than [`ENOUGH_BROKEN`], all of
//!   them have to break, and one object alone has to break that often.
//! - A verdict is given once and does not change.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::object::ObjectKey;

/// How many distinct objects have to break a version.
pub const ENOUGH_BROKEN: usize = 3;
/// How many distinct objects have to be reconciled without incident for a version to be good.
pub const ENOUGH_GOOD: usize = 10;
/// After this time without incident a version is good, however little it had to do.
pub const LONG_ENOUGH: Duration = Duration::from_secs(60);

/// How one call ended, as far as the version is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// The guest answered; also that an object is wrong, or that something is missing.
    Answered,
    /// The guest trapped or ran into one of its bounds.
    Broke,
}

/// What a version has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not known yet.
    OnProbation,
    /// It is the version to return to from now on.
    Good,
    /// It has to go.
    Bad,
}

/// The record of one version.
#[derive(Debug)]
pub struct Probation {
    since: Instant,
    good: HashSet<ObjectKey>,
    broken: HashMap<ObjectKey, usize>,
    verdict: Verdict,
}

impl Probation {
    /// A version goes live at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            good: HashSet::new(),
            broken: HashMap::new(),
            verdict: Verdict::OnProbation,
        }
    }

    /// A version that proved itself before, and need not do so again.
    #[must_use]
    pub fn passed(now: Instant) -> Self {
        Self { verdict: Verdict::Good, ..Self::new(now) }
    }

    /// What the version has come to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// When [`Self::tick`] may give a verdict.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (self.verdict == Verdict::OnProbation).then(|| self.since + LONG_ENOUGH)
    }

    /// A call for `key` ended. `broke_before` tells that the last call of the version before broke on the
    /// same object; `objects` is how many there are in all.
    pub fn record(
        &mut self,
        key: &ObjectKey,
        conduct: Conduct,
        broke_before: bool,
        objects: usize,
    ) -> Verdict {
        if self.verdict != Verdict::OnProbation {
            return self.verdict;
        }
        match conduct {
            Conduct::Answered => {
                self.good.insert(key.clone());
                self.broken.remove(key);
            }
            Conduct::Broke if broke_before => {}
            Conduct::Broke => *self.broken.entry(key.clone()).or_default() += 1,
        }
        let times: usize = self.broken.values().sum();
        let all = self.broken.len() >= objects && self.good.is_empty() && times >= ENOUGH_BROKEN;
        if self.broken.len() >= ENOUGH_BROKEN || all {
            self.end(Verdict::Bad);
        } else if self.good.len() >= ENOUGH_GOOD && self.broken.is_empty() {
            self.end(Verdict::Good);
        }
        self.verdict
    }

    /// Time passes.
    pub fn tick(&mut self, now: Instant) -> Verdict {
        let quiet = self.broken.is_empty() || !self.good.is_empty();
        if self.due().is_some_and(|due| due <= now) && quiet {
            self.end(Verdict::Good);
        }
        self.verdict
    }

    fn end(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        (self.good, self.broken) = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Calls = Vec<(usize, Conduct)>;

    fn key(number: usize) -> ObjectKey {
        let kind = "v1/ConfigMap".parse().unwrap();
        ObjectKey { kind, namespace: None, name: number.to_string() }
    }

    fn after(calls: &[(usize, Conduct)], objects: usize) -> Verdict {
        let mut probation = Probation::new(Instant::now());
        let mut verdict = probation.verdict();
        for (number, conduct) in calls {
            verdict = probation.record(&key(*number), *conduct, false, objects);
        }
        verdict
    }

    #[test]
    fn verdicts() {
        use Conduct::{Answered, Broke};
        let table: [(&str, Calls, usize, Verdict); 8] = [
            ("nothing happened", vec![], 9, Verdict::OnProbation),
            ("three objects broke it", vec![(1, Broke), (2, Broke), (3, Broke)], 9, Verdict::Bad),
            ("one object broke it thrice", vec![(1, Broke); 3], 9, Verdict::OnProbation),
            ("the only object broke it thrice", vec![(1, Broke); 3], 1, Verdict::Bad),
            ("the only object broke it twice", vec![(1, Broke); 2], 1, Verdict::OnProbation),
            ("both broke it", vec![(1, Broke), (2, Broke), (1, Broke)], 2, Verdict::Bad),
            (
                "one of two works",
                vec![(1, Broke), (2, Answered), (1, Broke), (1, Broke)],
                2,
                Verdict::OnProbation,
            ),
            (
                "an object that broke it works in the end",
                vec![(1, Broke), (2, Broke), (1, Answered), (3, Broke)],
                9,
                Verdict::OnProbation,
            ),
        ];
        for (what, calls, objects, expected) in table {
            assert_eq!(after(&calls, objects), expected, "{what}");
        }
    }

    #[test]
    fn ten_objects_without_incident_are_enough_and_nothing_changes_the_verdict_then() {
        let mut probation = Probation::new(Instant::now());
        for number in 0..ENOUGH_GOOD {
            assert_eq!(probation.verdict(), Verdict::OnProbation);
            probation.record(&key(number), Conduct::Answered, false, 99);
        }
        assert_eq!(probation.verdict(), Verdict::Good);
        for number in 0..ENOUGH_GOOD {
            probation.record(&key(number), Conduct::Broke, false, 99);
        }
        assert_eq!(probation.verdict(), Verdict::Good);
    }

    #[test]
    fn an_object_that_broke_the_version_before_does_not_count() {
        let mut probation = Probation::new(Instant::now());
        for number in 0..9 {
            probation.record(&key(number), Conduct::Broke, true, 99);
        }
        assert_eq!(probation.verdict(), Verdict::OnProbation);
    }

    #[test]
    fn time_without_incident_is_enough_time_with_nothing_but_incidents_is_not() {
        let start = Instant::now();
        let mut quiet = Probation::new(start);
        assert_eq!(quiet.tick(start + LONG_ENOUGH / 2), Verdict::OnProbation);
        assert_eq!(quiet.tick(start + LONG_ENOUGH), Verdict::Good);
        let mut broken = Probation::new(start);
        broken.record(&key(1), Conduct::Broke, false, 9);
        assert_eq!(broken.tick(start + LONG_ENOUGH), Verdict::OnProbation);
        assert_eq!(Probation::passed(start).due(), None);
    }
}
