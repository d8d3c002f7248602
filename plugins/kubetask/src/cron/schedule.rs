//! Schedules as Kubernetes users write them: what robfig/cron's `ParseStandard` accepts, and its times.
//!
//! No library for Rust has both. croner, the nearest, refuses `5/15`, `@midnight`, `? ? ? ? ?` and `@every`,
//! combines days of month and of week differently, and is due at other times when clocks change. So the
//! grammar and the search are here, the calendar is jiff's, and a golden file that robfig/cron itself made
//! keeps them in step (`tests/oracle`).
//!
//! Times are whole seconds since 1970.

mod duration;
mod field;
mod search;
mod zone;

use field::{Bounds, Set};
use zone::Zone;

/// When something is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: Zone,
}

/// How the next time follows from an earlier one.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// By the clock on the wall.
    Fields(Fields),
    /// After so many seconds, at least one.
    Every(i64),
}

/// The five fields.
#[derive(Clone, Copy, Debug)]
struct Fields {
    minute: Set,
    hour: Set,
    day: Set,
    month: Set,
    weekday: Set,
}

/// How many runs are counted at most.
pub const COUNTED: u32 = 100;

impl Schedule {
    /// Reads a schedule. Without time zone, neither as the prefix `TZ=` or `CRON_TZ=` nor given beside it, it
    /// is in UTC.
    ///
    /// # Errors
    /// One sentence for whoever wrote the schedule.
    pub fn parse(text: &str, time_zone: Option<&str>) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let (prefix, rule) = split_zone(text)?;
        let zone = match (prefix, time_zone) {
            (Some(_), Some(_)) => {
                return Err("timeZone and a schedule with TZ= exclude each other".to_owned());
            }
            (Some(""), None) | (None, None) => Zone::UTC,
            (Some(name), None) => {
                Zone::named(name).map_err(|why| format!("provided bad location {name}: {why}"))?
            }
            (None, Some(name)) => Zone::named(name)?,
        };
        let rule = match rule.strip_prefix('@') {
            Some(_) => descriptor(rule)?,
            None => Rule::Fields(fields(rule)?),
        };
        Ok(Self { rule, zone })
    }

    /// The first time after this one; none if there is none within five years.
    #[must_use]
    pub fn next(&self, after: i64) -> Option<i64> {
        match &self.rule {
            Rule::Fields(fields) => search::next(fields, &self.zone, after),
            Rule::Every(seconds) => after.checked_add(*seconds),
        }
    }

    /// The last time after `after` that is not after `until`.
    #[must_use]
    pub fn latest(&self, after: i64, until: i64) -> Option<i64> {
        let due = |after: i64| self.next(after).filter(|time| *time <= until);
        let first = due(after)?;
        if let Rule::Every(seconds) = self.rule {
            return Some(first + (until - first) / seconds * seconds);
        }
        // The last point from which something is still due is just before the last time: halve towards it.
        let (mut before, mut end, mut latest) = (after, until, first);
        while end - before > 1 {
            let middle = before + (end - before) / 2;
            match due(middle) {
                Some(time) => (before, latest) = (middle, time),
                None => end = middle,
            }
        }
        Some(latest)
    }

    /// How many times lie between the two, at most [`COUNTED`].
    #[must_use]
    pub fn count(&self, after: i64, before: i64) -> u32 {
        let mut time = after;
        for number in 0..COUNTED {
            match self.next(time) {
                Some(next) if next < before => time = next,
                _ => return number,
            }
        }
        COUNTED
    }
}

/// `TZ=Europe/Berlin 0 9 * * *`: the zone, and the rest.
fn split_zone(text: &str) -> Result<(Option<&str>, &str), String> {
    let Some(zoned) = text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) else {
        return Ok((None, text));
    };
    match zoned.split_once(' ') {
        Some((zone, rule)) => Ok((Some(zone), rule.trim())),
        None => Err(format!("{text} is no schedule")),
    }
}

fn fields(text: &str) -> Result<Fields, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        let list = fields.join(" ");
        return Err(format!("expected exactly 5 fields, found {}: [{list}]", fields.len()));
    };
    Ok(Fields {
        minute: Set::parse(minute, &Bounds::MINUTE)?,
        hour: Set::parse(hour, &Bounds::HOUR)?,
        day: Set::parse(day, &Bounds::DAY)?,
        month: Set::parse(month, &Bounds::MONTH)?,
        weekday: Set::parse(weekday, &Bounds::WEEKDAY)?,
    })
}

fn descriptor(text: &str) -> Result<Rule, String> {
    let plain = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(duration) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let seconds = duration::seconds(duration)
                .map_err(|why| format!("failed to parse duration {text}: {why}"))?;
            return Ok(Rule::Every(seconds.max(1)));
        }
    };
    fields(plain).map(Rule::Fields)
}
