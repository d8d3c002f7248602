//! How long to wait before a failed object is tried again (G5): a pure schedule.

use std::time::Duration;

use crate::outcome::Failure;

/// The first delay.
pub const FIRST: Duration = Duration::from_millis(250);
/// The longest delay.
pub const LONGEST: Duration = Duration::from_secs(300);
/// The longest delay that a guest may ask for; longer ones are cut.
pub const LONGEST_REQUEUE: Duration = Duration::from_secs(24 * 3600);

/// The delay before the try after `attempt` failures in a row (1 after the first): it doubles from
/// [`FIRST`] up to [`LONGEST`], spread by ±20 %. `random` is a number in `0.0..1.0`.
///
/// A guest that names a delay gets it, cut to [`LONGEST_REQUEUE`]. A permanent failure waits for a
/// change; none is returned.
#[must_use]
pub fn delay(failure: &Failure, attempt: u32, random: f64) -> Option<Duration> {
    if let Some(wish) = failure.retry_after() {
        return Some(wish.min(LONGEST_REQUEUE));
    }
    if matches!(failure, Failure::Permanent(_)) {
        return None;
    }
    let doublings = attempt.saturating_sub(1).min(16);
    let exact = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    Some(exact.mul_f64(0.8 + 0.4 * random.clamp(0.0, 1.0)))
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
        let at = |attempt| delay(&transient(None), attempt, 0.5).unwrap();
        assert_eq!(at(1), FIRST);
        assert_eq!(at(2), FIRST * 2);
        assert_eq!(at(5), FIRST * 16);
        assert_eq!(at(40), LONGEST);
        assert_eq!(at(u32::MAX), LONGEST);
    }

    #[test]
    fn delays_are_spread() {
        let at = |random| delay(&transient(None), 1, random).unwrap();
        assert_eq!((at(0.0), at(1.0)), (FIRST.mul_f64(0.8), FIRST.mul_f64(1.2)));
    }

    #[test]
    fn a_guest_gets_the_delay_that_it_names_within_a_day() {
        let wish = Duration::from_secs(7);
        assert_eq!(delay(&transient(Some(wish)), 9, 0.0), Some(wish));
        assert_eq!(delay(&transient(Some(Duration::MAX)), 1, 0.0), Some(LONGEST_REQUEUE));
    }

    #[test]
    fn a_permanent_failure_waits_for_a_change() {
        let problem = Problem { reason: "R".into(), message: "m".into(), retry_after: None };
        assert_eq!(delay(&Failure::Permanent(problem), 1, 0.0), None);
    }
}
