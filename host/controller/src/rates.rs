//! How fast one plugin may go, over all of its controllers and calls: calls to the API server, and Events.

use std::num::NonZeroU32;
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;

/// How long a call to the API server waits for its place at most, inside the guest's own wall time.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Events of one plugin per second, on average.
pub(crate) const EVENTS_PER_SECOND: u32 = 10;
/// Events of one plugin at once, after a quiet time.
const EVENTS_AT_ONCE: u32 = 50;

/// The rates of one plugin; a new version of it goes on where the one before was.
pub(crate) struct Rates {
    api: ArcSwap<Bucket>,
    /// Held by the call that waits for the next place, so that calls get theirs in their order.
    turn: Mutex<()>,
    events: DefaultDirectRateLimiter,
}

/// How a call came by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// At once.
    AtOnce,
    /// After some waiting.
    Waited,
    /// Not at all: so many per second are allowed.
    Refused(u32),
}

struct Bucket {
    per_second: u32,
    limiter: DefaultDirectRateLimiter,
}

impl Rates {
    pub(crate) fn new(api_per_second: u32) -> Self {
        let events =
            Quota::per_second(number(EVENTS_PER_SECOND)).allow_burst(number(EVENTS_AT_ONCE));
        Self {
            api: ArcSwap::from_pointee(Bucket::new(api_per_second)),
            turn: Mutex::default(),
            events: RateLimiter::direct(events),
        }
    }

    /// A version went live that may make so many calls per second; what was used up stays used up as long
    /// as that number is the same.
    pub(crate) fn allow(&self, api_per_second: u32) {
        if self.api.load().per_second != api_per_second {
            self.api.store(Bucket::new(api_per_second).into());
        }
    }

    /// Waits for a call's place, in the order of the calls.
    pub(crate) async fn admit(&self) -> Admission {
        self.admit_within(LONGEST_WAIT).await
    }

    /// Whether one more Event may be published now.
    pub(crate) fn admit_event(&self) -> bool {
        self.events.check().is_ok()
    }

    async fn admit_within(&self, longest: Duration) -> Admission {
        if let Ok(_turn) = self.turn.try_lock()
            && self.api.load().limiter.check().is_ok()
        {
            return Admission::AtOnce;
        }
        let place = async {
            let _turn = self.turn.lock().await;
            let clock = DefaultClock::default();
            while let Err(later) = self.api.load().limiter.check() {
                tokio::time::sleep(later.wait_time_from(clock.now())).await;
            }
        };
        match tokio::time::timeout(longest, place).await {
            Ok(()) => Admission::Waited,
            Err(_) => Admission::Refused(self.api.load().per_second),
        }
    }
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(number(per_second)));
        Self { per_second, limiter }
    }
}

/// At least one: the manifest was checked.
fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_call_too_many_waits_and_one_that_would_wait_too_long_is_refused() {
        let rates = Rates::new(1);
        assert_eq!(rates.admit_within(Duration::ZERO).await, Admission::AtOnce);
        assert_eq!(rates.admit_within(Duration::ZERO).await, Admission::Refused(1));
        assert_eq!(rates.admit_within(LONG).await, Admission::Waited);
    }

    #[tokio::test]
    async fn calls_that_wait_are_served_in_their_order() {
        let rates = Rates::new(20);
        let order = std::sync::Mutex::new(Vec::new());
        let calls = (0..30).map(|number| {
            let (rates, order) = (&rates, &order);
            async move {
                assert!(!matches!(rates.admit_within(LONG).await, Admission::Refused(_)));
                order.lock().unwrap().push(number);
            }
        });
        futures::future::join_all(calls).await;
        assert_eq!(order.into_inner().unwrap(), (0..30).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_version_with_the_same_rate_does_not_begin_anew() {
        let rates = Rates::new(1);
        assert_eq!(rates.admit_within(Duration::ZERO).await, Admission::AtOnce);
        rates.allow(1);
        assert_eq!(rates.admit_within(Duration::ZERO).await, Admission::Refused(1));
        rates.allow(2);
        assert_eq!(rates.admit_within(Duration::ZERO).await, Admission::AtOnce);
    }

    #[test]
    fn events_are_bounded_after_a_burst() {
        let rates = Rates::new(1);
        let published = (0..1000).filter(|_| rates.admit_event()).count();
        assert!((50..1000).contains(&published), "{published}");
    }
}
