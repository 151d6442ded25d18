//! A point in time and its text.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::zone::Zone;
use crate::text::quoted;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A point in time between the years 0000 and 9999, exact to the microsecond.
///
/// Its text is RFC 3339 in UTC with six fractional digits. The text always has 27 characters, so that texts sort as
/// instants do.
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
    /// A message for text that is not RFC 3339, names a leap second, or lies outside the years 0000 to 9999 in UTC.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(instant) = Self::parse_own(text.as_bytes()) {
            return Ok(instant);
        }
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| {
            Self::explain_lost_plus(text)
                .unwrap_or_else(|| format!("{} is not an RFC 3339 instant such as 2026-11-02T09:30:00Z", quoted(text)))
        })?;
        if parsed.timestamp_subsec_nanos() >= 1_000_000_000 {
            return Err(format!("{} names a leap second: send the second before or after it", quoted(text)));
        }
        Self::from_micros(parsed.timestamp_micros())
            .ok_or_else(|| format!("{} is outside the years 0000 to 9999", quoted(text)))
    }

    /// Explains a text that is an instant but for its `+`, which arrived as a blank because the query was not encoded.
    pub fn explain_lost_plus(text: &str) -> Option<String> {
        let (start, offset) = text.rsplit_once(' ')?;
        DateTime::parse_from_rfc3339(&format!("{start}+{offset}")).ok()?;
        Some(format!("{} has a blank before its offset: in a query, write %2B instead of +", quoted(text)))
    }

    /// Converts microseconds since 1970-01-01T00:00:00Z, if they lie between the years 0000 and 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// Converts from `chrono`, if the time lies between the years 0000 and 9999.
    pub(super) fn from_utc(time: DateTime<Utc>) -> Option<Self> {
        Self::from_micros(time.timestamp_micros())
    }

    /// Converts to `chrono`.
    pub(super) fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Writes the text with three fractional digits, as times of the service's own clock are shown.
    pub fn to_millis_text(self) -> String {
        String::from_utf8_lossy(&self.to_millis_bytes()).into_owned()
    }

    /// Writes the text with three fractional digits in ASCII.
    pub fn to_millis_bytes(self) -> [u8; 24] {
        let [text @ .., _, _, _] = self.to_bytes();
        let mut text: [u8; 24] = text;
        text[23] = b'Z';
        text
    }

    /// Writes the text in ASCII.
    pub fn to_bytes(self) -> [u8; 27] {
        text_of(self.0)
    }

    /// Writes the local time of a zone as spreadsheets read it: `YYYY-MM-DD HH:MM:SS`.
    pub fn to_local_text(self, zone: Zone) -> String {
        let local = self.0 + i64::from(zone.offset_at(self.seconds())) * MICROS_PER_SECOND;
        // Near the ends of the calendar, a zone's offset can lead out of the years of four digits.
        if Self::from_micros(local).is_none() {
            return zone.local(self.utc()).format("%Y-%m-%d %H:%M:%S").to_string();
        }
        let mut text = text_of(local);
        text[10] = b' ';
        String::from_utf8_lossy(&text[..19]).into_owned()
    }

    /// Writes the local date of a zone: `YYYY-MM-DD`. Years before 0000 have a sign.
    pub fn to_local_date(self, zone: Zone) -> String {
        let text = self.to_local_text(zone);
        text.split(' ').next().unwrap_or_default().trim_start_matches('+').to_owned()
    }

    /// Returns the local time of a zone in whole seconds since 1970-01-01T00:00:00 of its clocks.
    pub fn local_seconds(self, zone: Zone) -> i64 {
        self.seconds() + i64::from(zone.offset_at(self.seconds()))
    }

    /// Rounds down to whole milliseconds.
    pub fn truncated_to_millis(self) -> Self {
        Self(self.0.div_euclid(1_000) * 1_000)
    }

    /// Rounds down to whole seconds.
    pub fn truncated_to_seconds(self) -> Self {
        Self(self.seconds() * MICROS_PER_SECOND)
    }

    /// Adds whole seconds. The result stops at [`Self::MIN`] and [`Self::MAX`].
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let moved = self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND));
        Self(moved.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Reads the forms that the service itself writes, with three or six fractional digits.
    ///
    /// This fast path exists because every stored item has such texts.
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
        Self::from_micros(time.and_utc().timestamp_micros() + i64::from(micros))
    }
}

/// Writes microseconds since 1970, between the years 0000 and 9999, as RFC 3339 with six fractional digits.
///
/// This is written by hand because every shown activity needs several such texts. The date comes from `civil_from_days` of
/// Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that a leap day is the last
/// day of its year.
fn text_of(micros: i64) -> [u8; 27] {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // 32-bit numbers are used where values are small, because they divide faster.
    let small = |number: i64| u32::try_from(number).unwrap_or_default();
    // Days are counted from 400 years before 0000-03-01, because January and February of 0000 lie before that date.
    let days = micros.div_euclid(MICROS_PER_DAY) + DAYS_TO_1970 + DAYS_OF_400_YEARS;
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let (second, micros) = (small(of_day / MICROS_PER_SECOND), small(of_day % MICROS_PER_SECOND));
    let (era, day) = (small(days.div_euclid(DAYS_OF_400_YEARS)), small(days.rem_euclid(DAYS_OF_400_YEARS)));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // Five months have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next - 400;
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

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_bytes()).unwrap_or_default())
    }
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
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Counts the whole seconds from one instant to a later one; 0 if `later` is not later.
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
        fn texts_sort_as_instants_do(a in Instant::MIN.0..=Instant::MAX.0, b in Instant::MIN.0..=Instant::MAX.0) {
            let (a, b) = (Instant(a), Instant(b));
            prop_assert_eq!(a.to_string().len(), 27);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn texts_are_those_of_chrono(micros in Instant::MIN.0..=Instant::MAX.0) {
            let instant = Instant(micros);
            prop_assert_eq!(instant.to_string(), instant.utc().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            prop_assert_eq!(instant.to_millis_text(), instant.utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            prop_assert_eq!(
                Instant::parse_own(instant.to_millis_text().as_bytes()),
                Some(instant.truncated_to_millis())
            );
            prop_assert_eq!(at(&instant.to_string()), instant);
            for zone in ["UTC", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Kiritimati"] {
                let zone = Zone::parse(zone).unwrap();
                let local = zone.local(instant.utc());
                prop_assert_eq!(instant.to_local_text(zone), local.format("%Y-%m-%d %H:%M:%S").to_string());
                prop_assert_eq!(instant.local_seconds(zone), local.and_utc().timestamp());
            }
        }

        #[test]
        fn the_fast_parser_agrees_with_the_general_one(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3,6}Z|\\PC{20,28}") {
            if let Some(own) = Instant::parse_own(text.as_bytes()) {
                let general = DateTime::parse_from_rfc3339(&text).unwrap();
                prop_assert_eq!(own.0, general.timestamp_micros());
            }
        }
    }

    #[test]
    fn february_and_the_year_end_on_their_last_day_in_every_year() {
        for year in 0..=9_999 {
            for day in ["01-01", "02-28", "02-29", "03-01", "12-31"] {
                let text = format!("{year:04}-{day}T00:00:00.000000Z");
                // The parser's calendar is chrono's, the writer's is not. Most years have no 29 February.
                if let Ok(instant) = Instant::parse(&text) {
                    assert_eq!(instant.to_string(), text);
                }
            }
        }
    }

    #[test]
    fn own_texts_are_read_by_the_fast_parser() {
        let own = |text: &str| Instant::parse_own(text.as_bytes()).map(|instant| instant.to_string());
        for text in ["2026-11-02T09:30:00.123456Z", "0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"] {
            assert_eq!(own(text).as_deref(), Some(text));
        }
        assert_eq!(own("2026-11-02T09:30:00.123Z").as_deref(), Some("2026-11-02T09:30:00.123000Z"));
        for other in [
            "2026-11-02T09:30:00Z",
            "2026-11-02T09:30:00.1234Z",
            "2026-11-02 09:30:00.123Z",
            "2026-02-30T00:00:00.000Z",
            "",
        ] {
            assert_eq!(own(other), None, "{other}");
        }
    }

    #[test]
    fn offsets_count_and_digits_beyond_the_microsecond_do_not() {
        assert_eq!(at("2026-11-02T10:30:00.1234567+01:00").to_string(), "2026-11-02T09:30:00.123456Z");
        for (text, reason) in [
            ("2016-12-31T23:59:60Z", "leap second"),
            ("0000-01-01T00:00:00+01:00", "outside the years"),
            ("2026-11-02", "not an RFC 3339 instant"),
            ("2026-11-02T09:30:00 01:00", "write %2B instead of +"),
            ("2026-11-02 09:30:00 0100", "not an RFC 3339 instant"),
        ] {
            let message = text.parse::<Instant>().unwrap_err();
            assert!(message.contains(reason), "{message}");
        }
        assert_eq!(serde_json::to_string(&at("2026-11-02T09:30:00Z")).unwrap(), r#""2026-11-02T09:30:00.000000Z""#);
        assert!(serde_json::from_str::<Instant>(r#""2026-11-02""#).is_err());
    }

    #[test]
    fn local_texts_reach_beyond_four_digit_years() {
        let zone = Zone::parse("Pacific/Kiritimati").unwrap();
        assert_eq!(Instant::MAX.to_local_text(zone), "+10000-01-01 13:59:59");
        assert_eq!(Instant::MAX.to_local_date(zone), "10000-01-01");
        assert_eq!(at("2026-11-02T23:00:00Z").to_local_date(zone), "2026-11-03");
        assert_eq!(Instant::MIN.to_local_date(Zone::parse("America/New_York").unwrap()), "-0001-12-31");
    }

    #[test]
    fn seconds_are_counted_whole_and_within_the_calendar() {
        let instant = at("1969-12-31T23:59:58.500001Z");
        assert_eq!((instant.micros(), instant.seconds()), (-1_499_999, -2));
        assert_eq!(instant.truncated_to_seconds(), at("1969-12-31T23:59:58Z"));
        assert_eq!(instant.truncated_to_millis(), at("1969-12-31T23:59:58.500Z"));
        assert_eq!(instant.plus_seconds(2).to_string(), "1970-01-01T00:00:00.500001Z");
        assert_eq!(instant.plus_seconds(i64::MAX), Instant::MAX);
        assert_eq!(instant.plus_seconds(i64::MIN), Instant::MIN);
        let later = at("1970-01-01T00:00:00.500000Z");
        assert_eq!((seconds_between(instant, later), seconds_between(later, instant)), (1, 0));
        assert_eq!(Instant::from_micros(Instant::MAX.0 + 1), None);
        assert_eq!(Instant::from_micros(Instant::MIN.0), Some(Instant::MIN));
    }
}
