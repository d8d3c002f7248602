//! The next time at which clocks show what the fields say.
//!
//! From month to minute: each field that does not fit is moved on, with the smaller ones at their start,
//! until it does or the next larger one moves. Where clocks are changed, what this comes to is what users
//! of Kubernetes know: a time that clocks skip is not made up for, one that they show twice may count twice.

use jiff::civil::{Date, DateTime};

use super::{Fields, zone::Zone};

/// A schedule that is not due within so many years never is: leap days are four years apart, but for 2100.
const YEARS: i16 = 5;
/// More steps than five years have hours: a search ends, whatever clocks do, also for an empty set of minutes.
const STEPS: u32 = 50_000;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// The first time after this one.
pub(super) fn next(fields: &Fields, zone: &Zone, after: i64) -> Option<i64> {
    let start = after.checked_add(1)?;
    let shown = zone.shown(start)?;
    let last_year = shown.year().checked_add(YEARS)?;
    let mut search = Search { zone, time: start, shown, steps: 0, moved: false };
    while !search.fits(fields)? {
        if search.shown.year() > last_year {
            return None;
        }
    }
    Some(search.time)
}

struct Search<'a> {
    zone: &'a Zone,
    time: i64,
    /// What clocks show at that time.
    shown: DateTime,
    steps: u32,
    /// Whether a field was moved, so that the smaller ones are at their start already.
    moved: bool,
}

impl Search<'_> {
    /// Moves on until every field fits; `false` if a field came back to its start, so that the larger ones
    /// are to be looked at again.
    fn fits(&mut self, fields: &Fields) -> Option<bool> {
        while !fields.month.has(self.shown.month()) {
            if !self.has_moved() {
                self.show(midnight(self.shown.date().first_of_month()))?;
            }
            let next = next_month(self.shown.date())?;
            self.show(next.to_datetime(self.shown.time()))?;
            if self.shown.month() == 1 {
                return Some(false);
            }
        }
        while !is_day(fields, self.shown) {
            if !self.has_moved() {
                self.show(midnight(self.shown.date()))?;
            }
            let next = self.shown.date().tomorrow().ok()?;
            self.show(next.to_datetime(self.shown.time()))?;
            // Where clocks skip midnight, a day begins at another hour.
            match i64::from(self.shown.hour()) {
                0 => {}
                late @ 13.. => self.advance((24 - late) * HOUR)?,
                early => self.advance(-early * HOUR)?,
            }
            if self.shown.day() == 1 {
                return Some(false);
            }
        }
        while !fields.hour.has(self.shown.hour()) {
            if !self.has_moved() {
                let hour = self.shown.date().at(self.shown.hour(), 0, 0, 0);
                self.show(hour)?;
            }
            self.advance(HOUR)?;
            if self.shown.hour() == 0 {
                return Some(false);
            }
        }
        while !fields.minute.has(self.shown.minute()) {
            if !self.has_moved() {
                self.advance(-self.time.rem_euclid(MINUTE))?;
            }
            self.advance(MINUTE)?;
            if self.shown.minute() == 0 {
                return Some(false);
            }
        }
        if self.shown.second() == 0 {
            return Some(true);
        }
        self.moved = true;
        self.advance(MINUTE - self.time.rem_euclid(MINUTE))?;
        Some(false)
    }

    fn has_moved(&mut self) -> bool {
        std::mem::replace(&mut self.moved, true)
    }

    fn show(&mut self, shown: DateTime) -> Option<()> {
        self.go(self.zone.time(shown)?)
    }

    fn advance(&mut self, seconds: i64) -> Option<()> {
        self.go(self.time.checked_add(seconds)?)
    }

    fn go(&mut self, time: i64) -> Option<()> {
        self.steps += 1;
        (self.time, self.shown) = (time, self.zone.shown(time)?);
        (self.steps <= STEPS).then_some(())
    }
}

/// Both fields of days have to fit if one of them says "any", else one of them.
fn is_day(fields: &Fields, shown: DateTime) -> bool {
    let day = fields.day.has(shown.day());
    let weekday = fields.weekday.has(shown.weekday().to_sunday_zero_offset());
    if fields.day.is_any() || fields.weekday.is_any() { day && weekday } else { day || weekday }
}

fn midnight(date: Date) -> DateTime {
    date.at(0, 0, 0, 0)
}

/// The same day a month later, or the last one there is.
fn next_month(date: Date) -> Option<Date> {
    let (year, month) = match date.month() {
        12 => (date.year().checked_add(1)?, 1),
        month => (date.year(), month + 1),
    };
    let first = Date::new(year, month, 1).ok()?;
    Date::new(year, month, date.day().min(first.days_in_month())).ok()
}
