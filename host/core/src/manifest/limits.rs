//! Which limits make sense: a plugin that could do nothing, or anything, is a slip of the pen.

use std::time::Duration;

use super::Limits;
use crate::quantity::{Bytes, Time};

impl Limits {
    /// Checks each limit against its range. Zero is allowed where it means "none": log lines, Events and
    /// outgoing requests.
    ///
    /// # Errors
    /// A text that names the limit, what it is and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let seconds = |seconds| Time(Duration::from_secs(seconds));
        let least = Time(Duration::from_millis(1));
        within("memory", self.memory, Bytes(64 << 10), Bytes(4 << 30))?;
        within("cpu", self.cpu, least, seconds(600))?;
        within("wall", self.wall, least, seconds(3600))?;
        let numbers = [
            ("concurrency", u32::from(self.concurrency), 1, 1000),
            ("api-per-reconcile", self.api_per_reconcile, 1, 10_000),
            ("api-per-second", self.api_per_second, 1, 10_000),
            ("log-lines", self.log_lines, 0, 100_000),
            ("events", self.events, 0, 1000),
            ("http-requests", self.http_requests, 0, 1000),
        ];
        numbers.into_iter().try_for_each(|(name, is, least, most)| within(name, is, least, most))
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    is: T,
    least: T,
    most: T,
) -> Result<(), String> {
    if is < least || is > most {
        return Err(format!("limits.{name} = {is} (it has to be from {least} to {most})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_and_none_at_all_are_fine() {
        assert_eq!(Limits::default().check(), Ok(()));
        let none = Limits { log_lines: 0, events: 0, http_requests: 0, ..Limits::default() };
        assert_eq!(none.check(), Ok(()));
    }

    #[test]
    fn zero_and_absurd_values_are_refused_by_name_with_the_range() {
        let sane = Limits::default;
        let day = Time(Duration::from_secs(24 * 3600));
        let table = [
            (Limits { memory: Bytes(1), ..sane() }, "limits.memory = 1 (it has to be from 64Ki"),
            (Limits { memory: Bytes(5 << 30), ..sane() }, "limits.memory = 5Gi"),
            (Limits { cpu: Time(Duration::ZERO), ..sane() }, "limits.cpu = 0ms"),
            (Limits { wall: day, ..sane() }, "limits.wall = 24h"),
            (Limits { concurrency: 0, ..sane() }, "limits.concurrency = 0"),
            (Limits { api_per_reconcile: 0, ..sane() }, "limits.api-per-reconcile = 0"),
            (
                Limits { api_per_second: 0, ..sane() },
                "limits.api-per-second = 0 (it has to be from 1",
            ),
            (Limits { api_per_second: u32::MAX, ..sane() }, "to 10000)"),
            (Limits { log_lines: 100_001, ..sane() }, "limits.log-lines"),
            (
                Limits { events: 1001, ..sane() },
                "limits.events = 1001 (it has to be from 0 to 1000)",
            ),
            (Limits { http_requests: 1001, ..sane() }, "limits.http-requests"),
        ];
        for (limits, part) in table {
            let error = limits.check().unwrap_err();
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}
