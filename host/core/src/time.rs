//! Times as Kubernetes writes them: RFC 3339 in UTC with whole seconds.

use jiff::Timestamp;

/// `2026-05-10T10:34:50Z` for a time in milliseconds since 1970. A time outside the calendar (beyond
/// the year 9999) is clamped to its end.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let stamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The later of two RFC 3339 times; a malformed one counts as the earlier.
#[must_use]
pub fn later<'a>(a: &'a str, b: &'a str) -> &'a str {
    match (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        (Ok(first), Ok(second)) if first < second => b,
        (Err(_), Ok(_)) => b,
        _ => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_whole_seconds_and_a_z() {
        assert_eq!(rfc3339(1_778_409_290_999), "2026-05-10T10:34:50Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX).len(), 20);
    }

    #[test]
    fn the_later_time_wins_whatever_its_offset() {
        let (early, late) = ("2026-05-10T10:00:00Z", "2026-05-10T10:30:00+00:00");
        assert_eq!(later(early, late), late);
        assert_eq!(later(late, early), late);
        assert_eq!(later("junk", early), early);
    }
}
