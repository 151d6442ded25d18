//! Time zones of the IANA database.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::text::quoted;

/// A time zone of the IANA database. Its JSON is its name.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Reads an IANA time zone name.
    ///
    /// # Errors
    /// A message that quotes a name which the database does not have.
    pub fn parse(name: &str) -> Result<Self, String> {
        name.parse().map(Self).map_err(|_| format!("{} is not an IANA time zone such as Europe/Paris", quoted(name)))
    }

    /// Lists every zone of the database.
    pub fn all() -> impl Iterator<Item = Self> {
        chrono_tz::TZ_VARIANTS.into_iter().map(Self)
    }

    /// Returns the IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the seconds by which local clocks are ahead of UTC at a UTC time.
    pub(super) fn offset_seconds(self, utc: &NaiveDateTime) -> i32 {
        self.0.offset_from_utc_datetime(utc).fix().local_minus_utc()
    }

    /// Returns the time that local clocks show.
    pub(super) fn local(self, utc: DateTime<Utc>) -> NaiveDateTime {
        utc.with_timezone(&self.0).naive_local()
    }

    /// Finds the first instant of a local date.
    ///
    /// Where midnight does not exist (clocks go forward at midnight, or the zone skips the day at the date line), the day
    /// begins at the change.
    pub(super) fn start_of_day(self, date: NaiveDate) -> Option<DateTime<Utc>> {
        self.first_at(date.and_time(NaiveTime::MIN))
    }

    /// Finds the first instant at which local clocks show `wall` or, where they skip `wall`, a later time.
    pub(super) fn first_at(self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.0.from_local_datetime(&wall) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
            LocalResult::None => {
                // Offsets differ by at most 26 hours, so the change lies within two days of the wall time read as UTC.
                let reading = wall.and_utc().timestamp();
                let (mut before, mut after) = (reading - 2 * 86_400, reading + 2 * 86_400);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    let shown = self.local(DateTime::from_timestamp(middle, 0)?);
                    if shown < wall { before = middle } else { after = middle }
                }
                DateTime::from_timestamp(after, 0)
            }
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_midnight_begins_at_the_change() {
        // Beirut set its clocks forward at midnight; Apia skipped 2011-12-30.
        for (date, zone, first) in [
            ("2022-03-27", "Asia/Beirut", "2022-03-26T22:00:00Z"),
            ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("2026-10-25", "Europe/Paris", "2026-10-24T22:00:00Z"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            assert_eq!(zone.start_of_day(date.parse().unwrap()), Some(first.parse().unwrap()), "{zone} {date}");
        }
    }

    #[test]
    fn a_wall_time_that_occurs_twice_is_the_first_one() {
        let zone = Zone::parse("Europe/Paris").unwrap();
        let first = zone.first_at("2026-10-25T02:30:00".parse().unwrap()).unwrap();
        assert_eq!(first, "2026-10-25T00:30:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(zone.local(first), "2026-10-25T02:30:00".parse().unwrap());
        assert_eq!(zone.offset_seconds(&first.naive_utc()), 7_200);
    }

    #[test]
    fn a_zone_is_written_as_its_name() {
        let zone = Zone::parse("Australia/Lord_Howe").unwrap();
        assert_eq!(format!("{zone} {zone:?} {}", zone.name()), "Australia/Lord_Howe ".repeat(3).trim_end());
        let json = serde_json::to_string(&zone).unwrap();
        assert_eq!(json, "\"Australia/Lord_Howe\"");
        assert_eq!(serde_json::from_str::<Zone>(&json).unwrap(), zone);
        assert_eq!(Zone::parse("Mars"), Err("\"Mars\" is not an IANA time zone such as Europe/Paris".to_owned()));
        assert!(Zone::all().count() > 500);
    }
}
