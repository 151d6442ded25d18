//! Instants, time zones, and the half-open periods that every query, export and month is made of.
//!
//! Everything here is pure: the present is an argument. Calendar days and months are read in a zone of the IANA data
//! base and turned into instants once, so that no later step has to know about daylight saving time. The first instant
//! of a day is the earliest one whose local date is that day: where midnight does not exist (a clock set forward at
//! midnight, a day skipped at the date line) that is the moment of the change.

use std::{fmt, str::FromStr};

use chrono::{
    DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use crate::{schema::text_schema, text::quoted};

/// The longest period that one query or on-demand export may span, in days.
pub const MAX_PERIOD_DAYS: i64 = 366;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z, between the years 0000 and 9999.
///
/// Its text ([`fmt::Display`]) is RFC 3339 in UTC with six fractional digits, always 27 characters, so that the order of
/// texts is the order of instants: sort keys rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-02T09:30:00.123456Z")]
pub struct Instant(i64);

impl Instant {
    /// The earliest instant that can be written.
    pub const MIN: Self = Self(-62_167_219_200 * MICROS_PER_SECOND);
    /// The latest instant that can be written.
    pub const MAX: Self = Self(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// Reads an RFC 3339 instant with any offset. Digits beyond the microsecond are dropped.
    ///
    /// # Errors
    /// A text that says what is expected, when it is not RFC 3339 or falls outside the years 0000–9999 in UTC.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(instant) = Self::parse_own(text.as_bytes()) {
            return Ok(instant);
        }
        let parsed = DateTime::parse_from_rfc3339(text)
            .map_err(|_| format!("{} is not an RFC 3339 instant such as 2026-11-02T09:30:00Z", quoted(text)))?;
        if parsed.timestamp_subsec_nanos() >= 1_000_000_000 {
            return Err(format!("{} names a leap second; send the second before or after it", quoted(text)));
        }
        Self::within(parsed.timestamp_micros())
            .ok_or_else(|| format!("{} is outside the years 0000 to 9999", quoted(text)))
    }

    /// The instant of a number of microseconds since 1970, if it can be written.
    pub fn from_micros(micros: i64) -> Option<Self> {
        Self::within(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The text with three fractional digits: how times of the service's own clock are shown.
    pub fn to_millis_text(self) -> String {
        String::from_utf8_lossy(&self.to_millis_bytes()).into_owned()
    }

    /// The text with three fractional digits in ASCII.
    pub fn to_millis_bytes(self) -> [u8; 24] {
        let [text @ .., _, _, _] = self.to_bytes();
        let mut text: [u8; 24] = text;
        text[23] = b'Z';
        text
    }

    /// Reads the forms that the service writes itself, with three or six fractional digits, without the general parser:
    /// they are read with every item.
    fn parse_own(text: &[u8]) -> Option<Self> {
        let (whole, fraction) = text.strip_suffix(b"Z")?.split_at_checked(20)?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
        if !marks.iter().all(|(at, mark)| whole[*at] == *mark) {
            return None;
        }
        let number = |digits: &[u8]| {
            digits
                .iter()
                .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
        };
        let micros = match fraction.len() {
            3 => number(fraction)? * 1_000,
            6 => number(fraction)?,
            _ => return None,
        };
        let date = NaiveDate::from_ymd_opt(
            i32::try_from(number(&whole[..4])?).ok()?,
            number(&whole[5..7])?,
            number(&whole[8..10])?,
        )?;
        let (hour, minute, second) = (number(&whole[11..13])?, number(&whole[14..16])?, number(&whole[17..19])?);
        let time = date.and_hms_opt(hour, minute, second)?;
        Self::within(time.and_utc().timestamp_micros() + i64::from(micros))
    }

    /// This instant, cut to whole milliseconds.
    pub fn truncated_to_millis(self) -> Self {
        Self(self.0.div_euclid(1_000) * 1_000)
    }

    /// This instant moved by whole seconds, held within what can be written.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let moved = self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND));
        Self(moved.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The wall clock in `zone` as a spreadsheet reads it, `YYYY-MM-DD HH:MM:SS`.
    pub fn to_local_text(self, zone: Tz) -> String {
        let utc = self.utc().naive_utc();
        let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
        let local = self.0 + i64::from(offset) * MICROS_PER_SECOND;
        // A zone can lead out of the years of four digits by a day.
        if Self::within(local).is_none() {
            return (utc + TimeDelta::seconds(offset.into())).format("%Y-%m-%d %H:%M:%S").to_string();
        }
        let mut text = text_of(local);
        text[10] = b' ';
        String::from_utf8_lossy(&text[..19]).into_owned()
    }

    /// The text in ASCII.
    pub fn to_bytes(self) -> [u8; 27] {
        text_of(self.0)
    }

    /// The wall clock in `zone`, in whole seconds since 1970-01-01T00:00:00 of that clock.
    pub fn local_seconds(self, zone: Tz) -> i64 {
        self.utc().with_timezone(&zone).naive_local().and_utc().timestamp()
    }

    /// The calendar month in UTC that holds this instant.
    pub fn utc_month(self) -> Month {
        Month::of(self, Tz::UTC)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    fn within(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_bytes()).unwrap_or_default())
    }
}

/// The text of a clock's microseconds since 1970, in the years 0000 to 9999. By hand, since it is written several times for
/// every activity that is shown; the date of a day's number is found as by `civil_from_days` of Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms", in years that begin in March and so end with the day that not all have.
fn text_of(micros: i64) -> [u8; 27] {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // What is positive and small is counted in 32 bits, which divide faster.
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    let (days, of_day) = (micros.div_euclid(MICROS_PER_DAY) + DAYS_TO_1970, micros.rem_euclid(MICROS_PER_DAY));
    let (second, micros) = (small(of_day / MICROS_PER_SECOND), small(of_day % MICROS_PER_SECOND));
    let (era, day) = (small(days.div_euclid(DAYS_OF_400_YEARS)), small(days.rem_euclid(DAYS_OF_400_YEARS)));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Five months have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (at, number) in [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, second / 3_600),
        (14, second / 60 % 60),
        (17, second % 60),
        (20, micros / 10_000),
        (22, micros / 100 % 100),
        (24, micros % 100),
    ] {
        let [.., pair] = number.to_be_bytes();
        text[at] = b'0' + pair / 10;
        text[at + 1] = b'0' + pair % 10;
    }
    text
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.to_bytes()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads an IANA time zone name.
///
/// # Errors
/// A text that names the value, when the data base has no such zone.
pub fn parse_zone(name: &str) -> Result<Tz, String> {
    Tz::from_str(name).map_err(|_| format!("{} is not an IANA time zone such as Europe/Paris", quoted(name)))
}

/// Instants from `from`, included, up to `to`, excluded. Never empty: `from` is before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Instant,
    to: Instant,
}

/// Why a pair of bounds is no period.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The `from` bound cannot be read.
    #[error("{0}")]
    From(String),
    /// The `to` bound cannot be read.
    #[error("{0}")]
    To(String),
    /// The bounds are the wrong way round or equal.
    #[error("from ({from}) must be before to ({to})")]
    Reversed {
        /// The earlier bound asked for.
        from: Instant,
        /// The later bound asked for.
        to: Instant,
    },
    /// The period spans more than [`MAX_PERIOD_DAYS`].
    #[error("the period spans {days} days; at most {MAX_PERIOD_DAYS} can be asked for at once")]
    TooLong {
        /// Days asked for, rounded up.
        days: i64,
    },
}

impl Period {
    /// The period between two instants.
    ///
    /// # Errors
    /// [`PeriodError::Reversed`] unless `from` is before `to`.
    pub fn new(from: Instant, to: Instant) -> Result<Self, PeriodError> {
        if from < to { Ok(Self { from, to }) } else { Err(PeriodError::Reversed { from, to }) }
    }

    /// Reads the bounds of a query. Each is an RFC 3339 instant or a date in `zone`; a date as `to` is the last day
    /// included. Absent bounds make the most recent month: `to` is `now`, `from` one calendar month before `to`.
    ///
    /// # Errors
    /// The bound that cannot be read, bounds the wrong way round, or more than [`MAX_PERIOD_DAYS`].
    pub fn resolve(from: Option<&str>, to: Option<&str>, zone: Tz, now: Instant) -> Result<Self, PeriodError> {
        let to = match to {
            None => now,
            Some(text) => bound(text, zone, 1).map_err(PeriodError::To)?,
        };
        let from = match from {
            None => one_month_before(to, zone),
            Some(text) => bound(text, zone, 0).map_err(PeriodError::From)?,
        };
        let period = Self::new(from, to)?;
        let micros = to.0 - from.0;
        // A year of days in a zone may hold an hour more than 366 × 24 when it starts and ends across a clock change.
        if micros > (MAX_PERIOD_DAYS * 24 + 1) * 3_600 * MICROS_PER_SECOND {
            return Err(PeriodError::TooLong { days: (micros + MICROS_PER_DAY - 1) / MICROS_PER_DAY });
        }
        Ok(period)
    }

    /// The first instant of the period.
    pub fn from(&self) -> Instant {
        self.from
    }

    /// The first instant after the period.
    pub fn to(&self) -> Instant {
        self.to
    }

    /// Whether an instant is in the period.
    pub fn contains(&self, instant: Instant) -> bool {
        self.from <= instant && instant < self.to
    }

    /// The first and the last calendar month in UTC that the period touches.
    pub fn utc_months(&self) -> (Month, Month) {
        (self.from.utc_month(), Instant(self.to.0 - 1).utc_month())
    }
}

fn bound(text: &str, zone: Tz, days_after: u64) -> Result<Instant, String> {
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) if text.len() == 10 => date
            .checked_add_days(Days::new(days_after))
            .and_then(|date| start_of_day(date, zone))
            .ok_or_else(|| format!("{} is outside the calendar", quoted(text))),
        _ => Instant::parse(text).map_err(|_| {
            format!(
                "{} is neither a date such as 2026-11-02 nor an RFC 3339 instant such as 2026-11-02T09:30:00Z",
                quoted(text)
            )
        }),
    }
}

/// The same wall clock one calendar month earlier, on the last day of that month where it is shorter.
fn one_month_before(instant: Instant, zone: Tz) -> Instant {
    let local = instant.utc().with_timezone(&zone).naive_local();
    local.checked_sub_months(Months::new(1)).and_then(|wall| first_at(wall, zone)).unwrap_or(Instant::MIN)
}

/// The first instant of a date in a zone; none beyond what can be written.
fn start_of_day(date: NaiveDate, zone: Tz) -> Option<Instant> {
    first_at(date.and_time(chrono::NaiveTime::MIN), zone)
}

/// The first instant at which the wall clock of `zone` shows `wall` or, where it never does, jumps past it.
fn first_at(wall: NaiveDateTime, zone: Tz) -> Option<Instant> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Instant::within(time.timestamp_micros()),
        LocalResult::None => {
            // Offsets differ by at most 26 hours: the change lies within two days around the wall time read as UTC.
            let reading = wall.and_utc().timestamp();
            let (mut before, mut after) = (reading - 2 * 86_400, reading + 2 * 86_400);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                let shown = DateTime::from_timestamp(middle, 0)?.with_timezone(&zone).naive_local();
                if shown < wall { before = middle } else { after = middle }
            }
            Instant::within(after * MICROS_PER_SECOND)
        }
    }
}

/// A calendar month, `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

text_schema!(Month, "^[0-9]{4}-(0[1-9]|1[0-2])$", "2026-10", 7);

impl Month {
    /// The month that the calendar of `zone` shows at an instant.
    pub fn of(instant: Instant, zone: Tz) -> Self {
        let local = instant.utc().with_timezone(&zone).naive_local();
        Self { year: local.year().clamp(0, 9999), month: local.month() }
    }

    /// Reads `YYYY-MM`.
    ///
    /// # Errors
    /// A text that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let month = || -> Option<Self> {
            let (year, month) = text.split_once('-')?;
            let digits = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
            if !digits(year, 4) || !digits(month, 2) {
                return None;
            }
            let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
            (1..=12).contains(&month.month).then_some(month)
        };
        month().ok_or_else(|| format!("{} is not a month such as 2026-10", quoted(text)))
    }

    /// The month after this one; December 9999 is followed by itself.
    #[must_use]
    pub fn next(self) -> Self {
        match (self.year, self.month) {
            (9999, 12) => self,
            (year, 12) => Self { year: year + 1, month: 1 },
            (year, month) => Self { year, month: month + 1 },
        }
    }

    /// The month before this one; January 0000 is preceded by itself.
    #[must_use]
    pub fn previous(self) -> Self {
        match (self.year, self.month) {
            (0, 1) => self,
            (year, 1) => Self { year: year - 1, month: 12 },
            (year, month) => Self { year, month: month - 1 },
        }
    }

    /// The instants that the calendar of `zone` counts to this month.
    ///
    /// A month that a zone skips does not exist; the shortest is some days long.
    pub fn period(self, zone: Tz) -> Period {
        let first =
            |month: Self| NaiveDate::from_ymd_opt(month.year, month.month, 1).and_then(|date| start_of_day(date, zone));
        let from = first(self).unwrap_or(Instant::MIN);
        let to = if self.next() == self { Instant::MAX } else { first(self.next()).unwrap_or(Instant::MAX) };
        Period { from, to }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
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
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// How long an instant is away, for people who wait: whole seconds, never negative.
pub fn seconds_between(earlier: Instant, later: Instant) -> i64 {
    TimeDelta::microseconds(later.0.saturating_sub(earlier.0)).num_seconds().max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    proptest! {
        #[test]
        fn the_order_of_texts_is_the_order_of_instants(a in Instant::MIN.0..=Instant::MAX.0, b in Instant::MIN.0..=Instant::MAX.0) {
            let (a, b) = (Instant(a), Instant(b));
            prop_assert_eq!(a.to_string().len(), 27);
            prop_assert_eq!(a.to_string(), a.utc().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            prop_assert_eq!(a.to_millis_text(), a.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            prop_assert_eq!(Instant::parse_own(a.to_millis_text().as_bytes()), Some(a.truncated_to_millis()));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(at(&a.to_string()), a);
            for zone in [Tz::UTC, Tz::Europe__Paris, Tz::Australia__Lord_Howe, Tz::Pacific__Kiritimati] {
                let local = a.utc().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S");
                prop_assert_eq!(a.to_local_text(zone), local.to_string());
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_without_the_general_parser_is_read_as_by_it(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3,6}Z|\\PC{20,28}") {
            if let Some(own) = Instant::parse_own(text.as_bytes()) {
                let general = DateTime::parse_from_rfc3339(&text).unwrap();
                prop_assert_eq!(own.0, general.timestamp_micros());
            }
        }
    }

    #[test]
    fn an_offset_is_honoured_and_digits_beyond_the_microsecond_are_dropped() {
        assert_eq!(at("2026-11-02T10:30:00.1234567+01:00").to_string(), "2026-11-02T09:30:00.123456Z");
        assert!(Instant::parse("2016-12-31T23:59:60Z").is_err());
        assert!(Instant::parse("0000-01-01T00:00:00+01:00").is_err());
        assert!(Instant::parse("2026-11-02").is_err());
    }

    #[test]
    fn without_bounds_the_period_is_the_most_recent_month() {
        let now = at("2026-03-31T10:00:00Z");
        let period = Period::resolve(None, None, Tz::UTC, now).unwrap();
        assert_eq!((period.from(), period.to()), (at("2026-02-28T10:00:00Z"), now));
    }

    #[test]
    fn a_date_as_to_is_the_last_day_included() {
        let zone = parse_zone("Europe/Paris").unwrap();
        let period = Period::resolve(Some("2026-10-25"), Some("2026-10-25"), zone, Instant::MIN).unwrap();
        assert_eq!(period.from(), at("2026-10-24T22:00:00Z"));
        assert_eq!(period.to(), at("2026-10-25T23:00:00Z"), "the day has 25 hours");
    }

    #[test]
    fn a_whole_leap_year_may_be_asked_for_and_no_more() {
        let year = |to| Period::resolve(Some("2024-01-01"), Some(to), Tz::UTC, Instant::MIN);
        assert!(year("2024-12-31").is_ok());
        assert_eq!(year("2025-01-01"), Err(PeriodError::TooLong { days: 367 }));
        assert!(matches!(year("2023-01-01"), Err(PeriodError::Reversed { .. })));
        assert!(matches!(year("yesterday"), Err(PeriodError::To(_))));
        assert!(matches!(year("2024-2-1"), Err(PeriodError::To(_))));
    }

    #[test]
    fn a_midnight_that_does_not_exist_starts_at_the_change() {
        // Beirut set its clocks forward at midnight; Apia skipped 2011-12-30 altogether.
        let day = |date: &str, zone: &str| start_of_day(date.parse().unwrap(), parse_zone(zone).unwrap()).unwrap();
        assert_eq!(day("2022-03-27", "Asia/Beirut"), at("2022-03-26T22:00:00Z"));
        assert_eq!(day("2011-12-30", "Pacific/Apia"), at("2011-12-30T10:00:00Z"));
        assert_eq!(day("2011-12-31", "Pacific/Apia"), at("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn months_end_where_the_zone_says() {
        let month = Month::parse("2026-10").unwrap();
        let bounds = |zone| {
            let period = month.period(parse_zone(zone).unwrap());
            (period.from().to_millis_text(), period.to().to_millis_text())
        };
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(bounds("Europe/Paris"), pair("2026-09-30T22:00:00.000Z", "2026-10-31T23:00:00.000Z"));
        assert_eq!(bounds("Pacific/Kiritimati"), pair("2026-09-30T10:00:00.000Z", "2026-10-31T10:00:00.000Z"));
        assert_eq!(bounds("Pacific/Pago_Pago"), pair("2026-10-01T11:00:00.000Z", "2026-11-01T11:00:00.000Z"));
    }

    #[test]
    fn months_follow_one_another_without_gap_or_overlap_in_every_zone() {
        for zone in chrono_tz::TZ_VARIANTS {
            let mut month = Month::parse("1990-01").unwrap();
            while month < Month::parse("2040-01").unwrap() {
                let period = month.period(zone);
                assert!(period.from() < period.to(), "{zone} {month}");
                assert_eq!(period.to(), month.next().period(zone).from(), "{zone} {month}");
                assert_eq!(month.next().previous(), month);
                month = month.next();
            }
        }
    }

    #[test]
    fn a_month_is_four_digits_and_two() {
        for bad in ["2026-13", "2026-00", "26-10", "2026-1", "2026/10", "+026-10", ""] {
            assert!(Month::parse(bad).is_err(), "{bad}");
        }
    }
}
