//! How long to wait before a failed object is tried again (G5): a pure schedule.

use std::time::Duration;

use crate::blame::Blame;
use crate::outcome::Failure;

/// The first delay.
pub const FIRST: Duration = Duration::from_millis(250);
/// The longest delay.
pub const LONGEST: Duration = Duration::from_secs(300);
/// The longest delay after a failure of the cluster's: when it is back, nothing has to wait for long.
pub const LONGEST_IN_OUTAGE: Duration = Duration::from_secs(15);
/// The first delay after a refusal that neither the plugin nor the object can mend.
pub const FIRST_AFTER_REFUSAL: Duration = Duration::from_secs(15);
/// The longest delay that a guest may ask for; longer ones are cut.
pub const LONGEST_REQUEUE: Duration = Duration::from_secs(24 * 3600);

/// The delay before the try after `attempt` failures in a row (1 after the first): it doubles from
/// [`FIRST`] up to [`LONGEST`], spread by ±20 %. `random` is a number in `0.0..1.0`.
///
/// A guest that names a delay gets it, cut to [`LONGEST_REQUEUE`]. A permanent failure waits for a
/// change; none is returned. A failure that is the cluster's is tried again whatever the guest made of it,
/// and soon: no delay is longer than [`LONGEST_IN_OUTAGE`]. After a refusal ([`Blame::Refusal`]) the
/// delays begin with [`FIRST_AFTER_REFUSAL`], whatever the guest asks for.
#[must_use]
pub fn delay(failure: &Failure, blame: Blame, attempt: u32, random: f64) -> Option<Duration> {
    if blame == Blame::Refusal {
        return Some(doubled(FIRST_AFTER_REFUSAL, LONGEST, attempt, random));
    }
    let cluster = blame == Blame::Cluster;
    let (wish, longest) =
        (failure.retry_after(), if cluster { LONGEST_IN_OUTAGE } else { LONGEST });
    if let Some(wish) = wish.filter(|wish| !cluster || *wish <= longest) {
        return Some(wish.min(LONGEST_REQUEUE));
    }
    if matches!(failure, Failure::Permanent(_)) && !cluster {
        return None;
    }
    Some(doubled(FIRST, longest, attempt, random))
}

/// The delay before a question that was answered "no" `attempt` times in a row is asked again: a second,
/// doubled up to `longest`, spread by ±20 %.
#[must_use]
pub fn ask_again(attempt: u32, longest: Duration, random: f64) -> Duration {
    doubled(Duration::from_secs(1), longest, attempt, random)
}

fn doubled(first: Duration, longest: Duration, attempt: u32, random: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let exact = first.saturating_mul(1 << doublings).min(longest);
    exact.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0))
}

/// How long a failed object is not tried again even if something changes. One that breaks the guest is
/// held for its whole `delay`: others' changes must not have it burn its bound again and again.
#[must_use]
pub fn hold(blame: Blame, delay: Option<Duration>) -> Duration {
    match (blame, delay) {
        (Blame::Guest, Some(delay)) => delay.max(FIRST),
        _ => FIRST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Problem;

    fn transient(retry_after: Option<Duration>) -> Failure {
        Failure::Transient(Problem { reason: "R".into(), message: "m".into(), retry_after })
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let at = |attempt| delay(&transient(None), Blame::Object, attempt, 0.5).unwrap();
        assert_eq!(at(1), FIRST);
        assert_eq!(at(2), FIRST * 2);
        assert_eq!(at(5), FIRST * 16);
        assert_eq!(at(40), LONGEST);
        assert_eq!(at(u32::MAX), LONGEST);
    }

    #[test]
    fn delays_are_spread() {
        let at = |random| delay(&transient(None), Blame::Object, 1, random).unwrap();
        assert_eq!((at(0.0), at(1.0)), (FIRST.mul_f64(0.8), FIRST.mul_f64(1.2)));
    }

    #[test]
    fn a_guest_gets_the_delay_that_it_names_within_a_day() {
        let wish = Duration::from_secs(7);
        assert_eq!(delay(&transient(Some(wish)), Blame::Object, 9, 0.0), Some(wish));
        let longest = delay(&transient(Some(Duration::MAX)), Blame::Object, 1, 0.0);
        assert_eq!(longest, Some(LONGEST_REQUEUE));
    }

    fn permanent() -> Failure {
        let problem = Problem { reason: "R".into(), message: "m".into(), retry_after: None };
        Failure::Permanent(problem)
    }

    #[test]
    fn a_permanent_failure_waits_for_a_change() {
        assert_eq!(delay(&permanent(), Blame::Object, 1, 0.0), None);
    }

    #[test]
    fn after_an_outage_nothing_has_to_wait_for_long() {
        let day = Duration::from_secs(24 * 3600);
        for failure in [permanent(), transient(None), transient(Some(day))] {
            let delay = delay(&failure, Blame::Cluster, 40, 0.5);
            assert_eq!(delay, Some(LONGEST_IN_OUTAGE), "{failure:?}");
        }
        let short = Duration::from_secs(1);
        assert_eq!(delay(&transient(Some(short)), Blame::Cluster, 40, 0.5), Some(short));
    }

    #[test]
    fn after_a_refusal_tries_are_seldom_whatever_the_guest_says() {
        for failure in [permanent(), transient(None), transient(Some(Duration::ZERO))] {
            let at = |attempt| delay(&failure, Blame::Refusal, attempt, 0.5);
            assert_eq!(at(1), Some(FIRST_AFTER_REFUSAL), "{failure:?}");
            assert_eq!(at(2), Some(FIRST_AFTER_REFUSAL * 2), "{failure:?}");
            assert_eq!(at(40), Some(LONGEST), "{failure:?}");
        }
    }

    #[test]
    fn questions_are_asked_again_after_delays_that_grow_and_are_bounded() {
        let longest = Duration::from_secs(10);
        let at = |attempt| ask_again(attempt, longest, 0.5);
        assert_eq!([at(1), at(2), at(9)], [1, 2, 10].map(Duration::from_secs));
        assert_eq!(ask_again(u32::MAX, longest, 1.0), longest.mul_f64(1.2));
    }

    #[test]
    fn what_breaks_the_guest_is_held_for_its_whole_delay() {
        let delay = Some(FIRST * 8);
        assert_eq!(hold(Blame::Guest, delay), FIRST * 8);
        for blame in [Blame::Object, Blame::Cluster, Blame::Refusal, Blame::Host] {
            assert_eq!(hold(blame, delay), FIRST);
        }
        assert_eq!(hold(Blame::Guest, None), FIRST);
    }
}
