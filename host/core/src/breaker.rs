//! Whose fault it is that a guest breaks down, the object's or the plugin's, and what is done about it
//! (G8): a pure state machine for one controller; time and chance are passed in.
//!
//! # Guarantees
//! - An object that breaks the guest while others do not is parked alone: the others' turns go on.
//! - A guest that breaks on several distinct objects in a row of calls gets no turns for a while, which
//!   doubles each time; then it is tried on one object at a time, and one answer is enough.
//! - An object that is known to break the guest does not count again, nor one that broke the version
//!   before, so that a handful of poisoned objects, retried for ever, never stop a plugin that works.
//! - A new version starts with a clean record: every object may be tried at once.
//!
//! Calls that failed because of the cluster or the host are not recorded here at all.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::name::Digest;
use crate::object::ObjectKey;
use crate::probation::Conduct;

/// How often in a row an object has to break the guest to be called parked.
pub const PARKED: u32 = 3;
/// How many of the latest calls are looked at.
pub const LATEST: usize = 10;
/// How many distinct objects among them have to break the guest; and at least half of them.
pub const ENOUGH: usize = 3;
/// On how many more objects a guest has to break when it is tried, to be given another rest.
pub const PROBES: u32 = 3;
/// The same, counting those that are known to break it: the cause may have been there and be gone.
pub const PROBES_IN_ALL: u32 = 10;
/// The first rest.
pub const FIRST_REST: Duration = Duration::from_secs(5);
/// The longest rest.
pub const LONGEST_REST: Duration = Duration::from_secs(300);
/// A guest that works so long after its last rest starts again with the first one.
pub const FORGIVEN: Duration = Duration::from_secs(600);

/// Whether a controller gets turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// As many as its concurrency allows.
    Open,
    /// One at a time: it is being tried.
    OneByOne,
    /// None before this time.
    Shut(Instant),
}

/// What a call has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The object is parked from now on.
    Parked,
    /// The object was parked and is not any more.
    Freed,
    /// The guest rests: it broke on several objects. The number is how many rests this makes in a row.
    Tripped(u32),
    /// The guest works again.
    Recovered,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Works,
    Rests { until: Instant },
    Tried { more: u32, all: u32 },
}

/// An object that broke the guest at its last call.
#[derive(Debug, Clone, Copy)]
struct Broken {
    digest: Digest,
    /// Whether a version before this one had broken on it.
    before: bool,
    /// How often in a row, this version.
    times: u32,
}

/// The record of one controller.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    broken: HashMap<ObjectKey, Broken>,
    /// The latest calls: whether they broke.
    latest: VecDeque<bool>,
    rests: u32,
    /// When the last rest was over.
    rested: Option<Instant>,
}

/// What [`Breaker::record`] says of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recorded {
    /// Whether the version before had broken on the same object.
    pub broke_before: bool,
    /// What has changed.
    pub news: Vec<News>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Works,
            broken: HashMap::new(),
            latest: VecDeque::new(),
            rests: 0,
            rested: None,
        }
    }
}

impl Breaker {
    /// A call of version `digest` for `key` ended. `random` is a number in `0.0..1.0`; it spreads the rests
    /// by ±20 %.
    pub fn record(
        &mut self,
        key: &ObjectKey,
        digest: Digest,
        conduct: Conduct,
        now: Instant,
        random: f64,
    ) -> Recorded {
        let mut recorded = Recorded::default();
        let known = self.broken.get(key).copied();
        let first = match conduct {
            Conduct::Answered => {
                if self.broken.remove(key).is_some_and(|known| known.times >= PARKED) {
                    recorded.news.push(News::Freed);
                }
                true
            }
            Conduct::Broke => {
                let same = known.filter(|known| known.digest == digest);
                recorded.broke_before = match (known, same) {
                    (_, Some(same)) => same.before,
                    (known, None) => known.is_some(),
                };
                let times = same.map_or(0, |same| same.times).saturating_add(1);
                let broken = Broken { digest, before: recorded.broke_before, times };
                self.broken.insert(key.clone(), broken);
                if times == PARKED {
                    recorded.news.push(News::Parked);
                }
                same.is_none() && !recorded.broke_before
            }
        };
        if first {
            self.latest.push_back(conduct == Conduct::Broke);
            if self.latest.len() > LATEST {
                self.latest.pop_front();
            }
        }
        recorded.news.extend(self.decide(conduct, first, now, random));
        recorded
    }

    /// Whether turns may be given now.
    pub fn gate(&mut self, now: Instant) -> Gate {
        match self.state {
            State::Works => Gate::Open,
            State::Tried { .. } => Gate::OneByOne,
            State::Rests { until } if until > now => Gate::Shut(until),
            State::Rests { .. } => {
                self.state = State::Tried { more: 0, all: 0 };
                Gate::OneByOne
            }
        }
    }

    /// A new version went live: it has broken nothing yet. Whether the guest had been resting.
    pub fn renew(&mut self) -> bool {
        let rested = !matches!(self.state, State::Works);
        (self.state, self.rests, self.rested) = (State::Works, 0, None);
        self.latest.clear();
        rested
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.broken.remove(key);
    }

    /// Whether the guest rests or is being tried.
    #[must_use]
    pub fn has_tripped(&self) -> bool {
        !matches!(self.state, State::Works)
    }

    /// Whether an object is parked.
    #[must_use]
    pub fn is_parked(&self, key: &ObjectKey) -> bool {
        self.broken.get(key).is_some_and(|broken| broken.times >= PARKED)
    }

    /// The objects that are parked.
    pub fn parked(&self) -> impl Iterator<Item = &ObjectKey> {
        self.broken.iter().filter(|(_, broken)| broken.times >= PARKED).map(|(key, _)| key)
    }

    fn decide(&mut self, conduct: Conduct, first: bool, now: Instant, random: f64) -> Option<News> {
        match (self.state, conduct) {
            // A call that had begun before the rest says nothing new.
            (State::Rests { .. }, _) => None,
            (State::Tried { .. }, Conduct::Answered) => {
                self.state = State::Works;
                self.rested = Some(now);
                self.latest.clear();
                Some(News::Recovered)
            }
            (State::Tried { more, all }, Conduct::Broke) => {
                let (more, all) = (more + u32::from(first), all + 1);
                if more >= PROBES || all >= PROBES_IN_ALL {
                    return Some(self.rest(now, random));
                }
                self.state = State::Tried { more, all };
                None
            }
            (State::Works, Conduct::Answered) => None,
            (State::Works, Conduct::Broke) => {
                let broken = self.latest.iter().filter(|broke| **broke).count();
                let many = broken >= ENOUGH && broken * 2 >= self.latest.len();
                many.then(|| self.rest(now, random))
            }
        }
    }

    fn rest(&mut self, now: Instant, random: f64) -> News {
        if self.rested.is_some_and(|rested| now.duration_since(rested) >= FORGIVEN) {
            self.rests = 0;
        }
        let exact = FIRST_REST.saturating_mul(1 << self.rests.min(16)).min(LONGEST_REST);
        let until = now + exact.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0));
        self.state = State::Rests { until };
        self.rests = self.rests.saturating_add(1);
        News::Tripped(self.rests)
    }
}

#[cfg(test)]
mod tests;
