//! Points in time as Kubernetes writes them, without the weight of a time library.

use std::{fmt, ops::Add, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DAY_SECS: i64 = 86_400;

/// A point in time, from 1970 on, to the millisecond.
///
/// Its text is RFC 3339 in UTC and whole seconds, as Kubernetes writes it; any RFC 3339 is read.
///
/// ```
/// use std::time::Duration;
/// use joch_plugin::Timestamp;
///
/// let created: Timestamp = "2026-11-21T07:00:00Z".parse()?;
/// let expires = created + Duration::from_secs(3600);
/// assert_eq!(expires.to_string(), "2026-11-21T08:00:00Z");
/// assert_eq!(expires.since(created), Duration::from_secs(3600));
/// # Ok::<(), joch_plugin::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: u64,
}

impl Timestamp {
    /// So many milliseconds since 1970-01-01 UTC.
    pub const fn from_unix_ms(unix_ms: u64) -> Self {
        Self { unix_ms }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn unix_ms(self) -> u64 {
        self.unix_ms
    }

    /// How much time has passed since an earlier point; zero if that one is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.unix_ms.saturating_sub(earlier.unix_ms))
    }
}

/// The end of time stops at its largest value.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_ms(self.unix_ms.saturating_add(ms))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A u64 of milliseconds has less than i64::MAX seconds.
        let seconds = (self.unix_ms / 1000) as i64;
        let (year, month, day) = civil_of(seconds / DAY_SECS);
        let of_day = seconds % DAY_SECS;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A text that is no RFC 3339 time from 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTimestamp;

impl fmt::Display for InvalidTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time from 1970 on")
    }
}

impl std::error::Error for InvalidTimestamp {}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text.as_bytes()).ok_or(InvalidTimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// `2026-11-21T07:00:00[.123](Z|+01:00)`.
fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let &[b'-', b'-', b'T' | b't' | b' ', b':', b':'] =
        &[4, 7, 10, 13, 16].map(|at| date_time.get(at).copied().unwrap_or_default())
    else {
        return None;
    };
    let part = |from, to| number(date_time.get(from..to)?);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    let days = days_of(year, month, day);
    // Only a date that exists comes back as itself.
    if civil_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (ms, zone) = fraction(rest)?;
    let seconds = days * DAY_SECS + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(Timestamp::from_unix_ms(u64::try_from(seconds * 1000 + ms).ok()?))
}

/// The milliseconds of `.123456`, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    let mut ms = [b'0'; 3];
    for (to, from) in ms.iter_mut().zip(digits) {
        *to = *from;
    }
    if digits.is_empty() { None } else { Some((number(&ms)?, rest)) }
}

/// The seconds of `Z` or `+01:00`.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, [*h1, *h2], [*m1, *m2]),
        [b'-', h1, h2, b':', m1, m2] => (-1, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (number(&hours)?, number(&minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, after Howard Hinnant's
/// `days_from_civil`: years are counted from March, so that the leap day is a year's last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since 1970-01-01: the reverse, `civil_from_days`.
fn civil_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(unix_ms: u64, text: &str) {
        let time = Timestamp::from_unix_ms(unix_ms);
        assert_eq!(time.to_string(), text);
        assert_eq!(text.parse(), Ok(time));
    }

    #[test]
    fn whole_seconds_are_written_and_read_back() {
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400_000, "2000-02-29T00:00:00Z");
        check(951_868_799_000, "2000-02-29T23:59:59Z");
        check(951_868_800_000, "2000-03-01T00:00:00Z");
        check(1_704_067_199_000, "2023-12-31T23:59:59Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00Z");
        check(253_402_300_799_000, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_of_four_centuries_is_read_back() {
        for day in 0..146_097_i64 {
            let (year, month, date) = civil_of(day);
            assert_eq!(days_of(year, month, date), day);
        }
    }

    #[test]
    fn milliseconds_are_read_but_not_written() {
        let time: Timestamp = "1970-01-01T00:00:01.2345678Z".parse().unwrap();
        assert_eq!(time.unix_ms(), 1234);
        assert_eq!(time.to_string(), "1970-01-01T00:00:01Z");
        assert_eq!("1970-01-01T00:00:01.5Z".parse(), Ok(Timestamp::from_unix_ms(1500)));
    }

    #[test]
    fn other_zones_are_read() {
        let utc: Timestamp = "2026-11-21T07:00:00Z".parse().unwrap();
        assert_eq!("2026-11-21T08:00:00+01:00".parse(), Ok(utc));
        assert_eq!("2026-11-20T21:30:00.0-09:30".parse(), Ok(utc));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T07:00:00",
            "2026-11-21T07:00:00.Z",
            "2026-11-21T07:00:00Zz",
            "2026-02-29T07:00:00Z",
            "2026-13-01T07:00:00Z",
            "2026-00-01T07:00:00Z",
            "2026-11-31T07:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T07:60:00Z",
            "2026-11-21T07:00:00+1:00",
            "2026x11-21T07:00:00Z",
            "+026-11-21T07:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-21T07:00:0é",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn sums_and_differences_stop_at_the_ends() {
        let (early, late) = (Timestamp::from_unix_ms(5), Timestamp::from_unix_ms(u64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early + Duration::MAX, late);
        assert_eq!(late.to_string(), "584556019-04-03T14:25:51Z");
    }
}
