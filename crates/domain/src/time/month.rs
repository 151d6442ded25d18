//! Calendar months.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{instant::Instant, period::Period, zone::Zone};
use crate::text::quoted;

/// A calendar month from 0000-01 to 9999-12. Its text is `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]{4}-(0[1-9]|1[0-2])$", min_length = 1, max_length = 7, examples("2026-10"))]
pub struct Month(
    /// Months since 0000-01.
    u32,
);

impl Month {
    const LAST: Self = Self(9_999 * 12 + 11);

    /// Returns the month that the calendar of `zone` shows at an instant.
    pub fn of(instant: Instant, zone: Zone) -> Self {
        let local = zone.local(instant.utc());
        // Near the ends of the calendar, a zone can show a year outside 0000 to 9999.
        let year = u32::try_from(local.year().clamp(0, 9_999)).unwrap_or_default();
        Self(year * 12 + local.month0())
    }

    /// Reads `YYYY-MM`.
    ///
    /// # Errors
    /// A message that shows the expected form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let month = || -> Option<Self> {
            let (year, month) = text.split_once('-')?;
            let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
            if !digits(year, 4) || !digits(month, 2) {
                return None;
            }
            let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
            (1..=12).contains(&month).then(|| Self(year * 12 + month - 1))
        };
        month().ok_or_else(|| format!("{} is not a month such as 2026-10", quoted(text)))
    }

    /// Returns the month after this one; 9999-12 is followed by itself.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1).min(Self::LAST)
    }

    /// Returns the month before this one; 0000-01 is preceded by itself.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns the number of months from this one to another, below zero if the other one comes before.
    pub fn months_until(self, other: Self) -> i64 {
        i64::from(other.0) - i64::from(self.0)
    }

    /// Returns the period that the calendar of `zone` counts to this month.
    pub fn period(self, zone: Zone) -> Period {
        let first = self.first_instant(zone).unwrap_or(Instant::MIN);
        let after = if self == Self::LAST { None } else { self.next().first_instant(zone) };
        // The bounds are in order, because no zone skips a whole month.
        Period::between_ordered(first, after.unwrap_or(Instant::MAX))
    }

    fn first_instant(self, zone: Zone) -> Option<Instant> {
        let (year, month0) = (i32::try_from(self.0 / 12).ok()?, self.0 % 12);
        Instant::from_utc(zone.start_of_day(NaiveDate::from_ymd_opt(year, month0 + 1, 1)?)?)
    }
}

impl Instant {
    /// Returns the calendar month in UTC that holds this instant.
    pub fn utc_month(self) -> Month {
        Month::of(self, Zone::UTC)
    }
}

impl Period {
    /// Returns the first and the last calendar month in UTC that the period touches.
    pub fn utc_months(&self) -> (Month, Month) {
        let last = Instant::from_micros(self.to().micros() - 1).unwrap_or(self.from());
        (self.from().utc_month(), last.utc_month())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    #[test]
    fn months_end_when_the_zone_says() {
        for (zone, from, to) in [
            ("Europe/Paris", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
            ("Pacific/Kiritimati", "2026-09-30T10:00:00Z", "2026-10-31T10:00:00Z"),
            ("Pacific/Pago_Pago", "2026-10-01T11:00:00Z", "2026-11-01T11:00:00Z"),
        ] {
            let zone = Zone::parse(zone).unwrap();
            let period = month("2026-10").period(zone);
            assert_eq!((period.from(), period.to()), (at(from), at(to)), "{zone}");
            assert_eq!(Month::of(at(from), zone), month("2026-10"));
            assert_eq!(Month::of(at(to), zone), month("2026-11"));
        }
    }

    #[test]
    fn months_follow_without_gap_or_overlap_in_every_zone() {
        let years = amounts::amount("CALENDAR_YEARS", 10, 50);
        let end = Month::parse("2040-01").unwrap();
        for zone in Zone::all() {
            let mut month = Month::parse(&format!("{}-01", 2_040 - years)).unwrap();
            while month < end {
                let period = month.period(zone);
                assert!(period.from() < period.to(), "{zone} {month}");
                assert_eq!(period.to(), month.next().period(zone).from(), "{zone} {month}");
                assert_eq!(month.next().previous(), month);
                month = month.next();
            }
        }
    }

    #[test]
    fn the_calendar_ends_at_four_digit_years() {
        let (first, last) = (month("0000-01"), month("9999-12"));
        assert_eq!((first.previous(), last.next()), (first, last));
        assert_eq!(month("2025-12").next(), month("2026-01"));
        let zone = Zone::parse("Asia/Tokyo").unwrap();
        assert_eq!(first.period(zone).from(), Instant::MIN);
        assert_eq!(last.period(zone).to(), Instant::MAX);
        assert_eq!(Month::of(Instant::MAX, zone), month("9999-01"), "the year is clamped");
    }

    #[test]
    fn a_month_is_four_digits_and_two() {
        for good in ["2026-01", "2026-12", "0000-01"] {
            assert_eq!(good.parse::<Month>().unwrap().to_string(), good);
            let json = serde_json::to_string(&month(good)).unwrap();
            assert_eq!(serde_json::from_str::<Month>(&json).unwrap(), month(good));
        }
        for bad in ["2026-13", "2026-00", "26-10", "2026-1", "2026/10", "+026-10", ""] {
            let message = Month::parse(bad).unwrap_err();
            assert!(message.contains("is not a month such as 2026-10"), "{message}");
        }
    }

    #[test]
    fn a_period_touches_the_months_of_its_first_and_last_instant() {
        let months = |from: &str, to: &str| Period::new(at(from), at(to)).unwrap().utc_months();
        let (october, november) = (month("2026-10"), month("2026-11"));
        assert_eq!(months("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"), (october, october));
        assert_eq!(months("2026-10-31T23:59:59Z", "2026-11-01T00:00:00.000001Z"), (october, november));
    }
}
