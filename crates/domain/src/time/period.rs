//! Half-open ranges of time.

use chrono::{Datelike as _, Days, Months, NaiveDate};

use super::{instant::Instant, zone::Zone};
use crate::text::quoted;

/// A range of time that includes `from` and excludes `to`. `from` is before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Instant,
    to: Instant,
}

/// The reason why two bounds do not make a period.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The `from` bound cannot be read.
    #[error("{0}")]
    From(String),
    /// The `to` bound cannot be read.
    #[error("{0}")]
    To(String),
    /// `from` is not before `to`.
    #[error("from ({from}) must be before to ({to})")]
    Reversed {
        /// The bound that was sent as `from`.
        from: Instant,
        /// The bound that was sent as `to`.
        to: Instant,
    },
}

impl Period {
    /// Makes the period between two instants.
    ///
    /// # Errors
    /// [`PeriodError::Reversed`] unless `from` is before `to`.
    pub fn new(from: Instant, to: Instant) -> Result<Self, PeriodError> {
        if from < to { Ok(Self { from, to }) } else { Err(PeriodError::Reversed { from, to }) }
    }

    /// Makes the period between two instants that are in order by construction.
    pub(super) fn between_ordered(from: Instant, to: Instant) -> Self {
        debug_assert!(from < to, "{from} is before {to}");
        Self { from, to }
    }

    /// Reads the bounds of a query.
    ///
    /// Each bound is an RFC 3339 instant or a date in `zone`. A date as `to` is included. An absent `to` means `now`; an
    /// absent `from` means one calendar month before `to`.
    ///
    /// # Errors
    /// Each bound that cannot be read, or reversed bounds.
    pub fn resolve(from: Option<&str>, to: Option<&str>, zone: Zone, now: Instant) -> Result<Self, Vec<PeriodError>> {
        let from = from.map(|text| parse_bound(text, zone, 0).map_err(PeriodError::From)).transpose();
        let to = to.map_or(Ok(now), |text| parse_bound(text, zone, 1).map_err(PeriodError::To));
        match (from, to) {
            (Ok(from), Ok(to)) => {
                Self::new(from.unwrap_or_else(|| one_month_before(to, zone)), to).map_err(|error| vec![error])
            }
            (from, to) => Err(from.err().into_iter().chain(to.err()).collect()),
        }
    }

    /// Returns the first instant.
    pub fn from(&self) -> Instant {
        self.from
    }

    /// Returns the first instant after the period.
    pub fn to(&self) -> Instant {
        self.to
    }

    /// Tells whether an instant lies in the period.
    pub fn contains(&self, instant: Instant) -> bool {
        self.from <= instant && instant < self.to
    }
}

/// Reads a date or an instant. A date becomes its first instant in `zone`, `days_after` days later.
fn parse_bound(text: &str, zone: Zone, days_after: u64) -> Result<Instant, String> {
    let Some(date) = parse_date(text) else {
        return Instant::parse(text).map_err(|_| {
            Instant::explain_lost_plus(text).unwrap_or_else(|| {
                format!(
                    "{} is neither a date such as 2026-11-02 nor an RFC 3339 instant such as 2026-11-02T09:30:00Z",
                    quoted(text)
                )
            })
        });
    };
    // In some zones, the first and the last day of the calendar lie partly outside of it. The calendar's end bounds them.
    let end = if date.year() == 0 { Instant::MIN } else { Instant::MAX };
    let first = date.checked_add_days(Days::new(days_after)).and_then(|date| zone.start_of_day(date));
    Ok(first.and_then(Instant::from_utc).unwrap_or(end))
}

/// Reads `YYYY-MM-DD`. `chrono` alone would also read signs, blanks and shorter years.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let is_part = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    let has_form = text.len() == 10 && text.bytes().enumerate().all(is_part);
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| has_form)
}

/// Returns the same local time one calendar month earlier, or on the last day of a shorter month.
fn one_month_before(instant: Instant, zone: Zone) -> Instant {
    let earlier = zone.local(instant.utc()).checked_sub_months(Months::new(1));
    earlier.and_then(|wall| zone.first_at(wall)).and_then(Instant::from_utc).unwrap_or(Instant::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn resolve(from: Option<&str>, to: Option<&str>, zone: &str, now: &str) -> Result<Period, Vec<PeriodError>> {
        Period::resolve(from, to, Zone::parse(zone).unwrap(), at(now))
    }

    #[test]
    fn a_period_without_bounds_is_the_most_recent_month() {
        for (now, zone, from) in [
            ("2026-03-31T10:00:00Z", "UTC", "2026-02-28T10:00:00Z"),
            ("2026-04-15T10:00:00Z", "Europe/Paris", "2026-03-15T11:00:00Z"),
            ("0000-01-10T00:00:00Z", "UTC", "0000-01-01T00:00:00Z"),
        ] {
            let period = resolve(None, None, zone, now).unwrap();
            assert_eq!((period.from(), period.to()), (at(from), at(now)));
        }
    }

    #[test]
    fn a_date_as_to_is_included() {
        let period = resolve(Some("2026-10-25"), Some("2026-10-25"), "Europe/Paris", "0000-01-01T00:00:00Z").unwrap();
        assert_eq!(period.from(), at("2026-10-24T22:00:00Z"));
        assert_eq!(period.to(), at("2026-10-25T23:00:00Z"), "the day has 25 hours");
    }

    #[test]
    fn dates_of_every_year_are_read_in_every_zone() {
        for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Manila"] {
            for year in (1..=9_999).step_by(7).chain([1_899, 1_900, 9_999]) {
                let (first, last) = (format!("{year:04}-01-01"), format!("{year:04}-12-31"));
                let period = resolve(Some(&first), Some(&last), zone, "0000-01-01T00:00:00Z").unwrap();
                assert!(period.contains(at(&format!("{year:04}-06-30T00:00:00Z"))), "{zone} {year}");
            }
        }
        let last =
            resolve(Some("9999-12-31"), Some("9999-12-31"), "Pacific/Pago_Pago", "0000-01-01T00:00:00Z").unwrap();
        assert_eq!((last.from(), last.to()), (at("9999-12-31T11:00:00Z"), Instant::MAX));
        let first = resolve(Some("0000-01-01"), Some("0000-01-01"), "Asia/Tokyo", "0000-01-01T00:00:00Z").unwrap();
        assert_eq!(first.from(), Instant::MIN);
    }

    #[test]
    fn bounds_that_are_wrong_are_named() {
        let with = |from, to| resolve(Some(from), Some(to), "UTC", "0000-01-01T00:00:00Z");
        let one = |from, to| with(from, to).unwrap_err().pop();
        assert!(matches!(one("2024-01-01", "2023-01-01"), Some(PeriodError::Reversed { .. })));
        assert!(matches!(one("2024-01-01", "yesterday"), Some(PeriodError::To(_))));
        assert!(matches!(one("2024-01-01", "2024-2-1"), Some(PeriodError::To(_))));
        assert!(matches!(one("yesterday", "2024-01-01"), Some(PeriodError::From(_))));
        let both = with("yesterday", "today").unwrap_err();
        assert!(matches!(&both[..], [PeriodError::From(_), PeriodError::To(_)]), "{both:?}");
        let Some(PeriodError::From(message)) = one("2024-01-01T00:00:00 01:00", "2024-02-01") else {
            panic!("not `from`")
        };
        assert!(message.contains("write %2B instead of +"), "{message}");
        for date in ["+024-01-01", "2024- 1- 1", "2024-02-30", "2024-1-001"] {
            assert!(matches!(one(date, "2025-01-01"), Some(PeriodError::From(_))), "{date}");
        }
        let now = at("2024-01-01T00:00:00Z");
        assert!(matches!(Period::new(now, now), Err(PeriodError::Reversed { .. })), "an empty period");
    }

    #[test]
    fn a_period_contains_its_first_instant_and_not_its_end() {
        let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        let period = Period::new(from, to).unwrap();
        for (micros, inside) in [(-1, false), (0, true), (1, true)] {
            assert_eq!(period.contains(Instant::from_micros(from.micros() + micros).unwrap()), inside);
            assert_eq!(period.contains(Instant::from_micros(to.micros() + micros).unwrap()), micros < 0);
        }
    }
}
