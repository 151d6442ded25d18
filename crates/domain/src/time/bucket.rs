//! Buckets of a period: its hours, days, weeks or months, as the clocks of a zone show them.
//!
//! A bucket begins where local clocks show a full hour, or where a local day, a Monday or a month begins. So the day on which
//! clocks change has 23 or 25 hours. The first and the last bucket are cut at the bounds of the period.

use chrono::{Datelike as _, Days, Months, NaiveDate};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use super::{instant::Instant, period::Period, zone::Zone};

/// The most buckets of a period.
pub const MAX_BUCKETS: usize = 1_000;

const HOUR_SECONDS: i64 = 3_600;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The length of buckets. Weeks begin on Monday (ISO 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantNames, ToSchema)]
#[strum(serialize_all = "lowercase")]
#[schema(rename_all = "lowercase")]
pub enum Interval {
    /// An hour of local clocks.
    Hour,
    /// A local day.
    Day,
    /// Seven local days from Monday on.
    Week,
    /// A local month.
    Month,
}

impl Interval {
    /// Returns the word for the interval.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Finds the first instant after `instant` at which a bucket begins, if the calendar has one.
    fn next_start(self, instant: Instant, zone: Zone) -> Option<Instant> {
        let today = zone.local(instant.utc()).date();
        let (mut date, following): (NaiveDate, fn(NaiveDate) -> Option<NaiveDate>) = match self {
            Self::Hour => return next_hour(instant, zone),
            Self::Day => (today, |date| date.succ_opt()),
            Self::Week => {
                let days_since_monday = Days::new(today.weekday().num_days_from_monday().into());
                (today.checked_sub_days(days_since_monday)?, |date| date.checked_add_days(Days::new(7)))
            }
            Self::Month => (today.with_day(1)?, |date| date.checked_add_months(Months::new(1))),
        };
        loop {
            date = following(date)?;
            let start = zone.start_of_day(date)?;
            // A day can begin before `instant` although clocks show an earlier date: they were set back past midnight.
            if start > instant.utc() {
                return Instant::from_utc(start);
            }
        }
    }
}

/// Finds the first instant after `instant` at which local clocks show a full hour, or are set to another hour.
fn next_hour(instant: Instant, zone: Zone) -> Option<Instant> {
    let mut from = instant.seconds();
    let mut offset = i64::from(zone.offset_at(from));
    let full_hour = |from: i64, offset: i64| ((from + offset).div_euclid(HOUR_SECONDS) + 1) * HOUR_SECONDS - offset;
    let mut next = None;
    for (change, changed) in zone.changes_after(from) {
        if full_hour(from, offset) < change {
            break;
        }
        let (before, after) = (change - 1 + offset, change + i64::from(changed));
        if after.rem_euclid(HOUR_SECONDS) == 0 || before.div_euclid(HOUR_SECONDS) != after.div_euclid(HOUR_SECONDS) {
            next = Some(change);
            break;
        }
        (from, offset) = (change, i64::from(changed));
    }
    Instant::from_micros(next.unwrap_or_else(|| full_hour(from, offset)).checked_mul(MICROS_PER_SECOND)?)
}

/// The buckets of a period: they follow one another without gap or overlap, and cover the period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// The first instant of each bucket, at least one.
    starts: Vec<Instant>,
    to: Instant,
}

impl Buckets {
    /// Splits a period into buckets. Returns nothing if these are more than [`MAX_BUCKETS`].
    pub fn split(period: Period, interval: Interval, zone: Zone) -> Option<Self> {
        let mut starts = vec![period.from()];
        let mut last = period.from();
        while let Some(next) = interval.next_start(last, zone).filter(|next| *next < period.to()) {
            if starts.len() == MAX_BUCKETS {
                return None;
            }
            starts.push(next);
            last = next;
        }
        Some(Self { starts, to: period.to() })
    }

    /// Lists the bounds of each bucket: its first instant, and the first instant after.
    pub fn bounds(&self) -> impl Iterator<Item = (Instant, Instant)> {
        let ends = self.starts.iter().skip(1).chain([&self.to]);
        self.starts.iter().zip(ends).map(|(from, to)| (*from, *to))
    }

    /// Returns the number of the bucket that holds an instant; the first or the last bucket if none does.
    pub fn index_of(&self, instant: Instant) -> usize {
        self.starts.partition_point(|start| *start <= instant).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVALS: [Interval; 4] = [Interval::Hour, Interval::Day, Interval::Week, Interval::Month];

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn period(from: &str, to: &str) -> Period {
        Period::new(at(from), at(to)).unwrap()
    }

    /// The first instants of the buckets of a period, without seconds.
    fn starts(zone: &str, interval: Interval, from: &str, to: &str) -> Vec<String> {
        let buckets = Buckets::split(period(from, to), interval, Zone::parse(zone).unwrap()).unwrap();
        buckets.bounds().map(|(from, _)| from.to_string()[..16].to_owned()).collect()
    }

    #[test]
    fn day_of_a_clock_change_has_23_or_25_hours() {
        for (zone, from, to, hours) in [
            ("Europe/Paris", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
            ("Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
            ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25),
            ("Asia/Kolkata", "2026-10-24T18:30:00Z", "2026-10-25T18:30:00Z", 24),
        ] {
            let hourly = starts(zone, Interval::Hour, from, to);
            assert_eq!(hourly.len(), hours, "{zone}: {hourly:?}");
            assert_eq!(starts(zone, Interval::Day, from, to), [from[..16].to_owned()], "{zone}");
        }
    }

    #[test]
    fn half_an_hour_that_is_repeated_stays_with_its_hour() {
        // Lord Howe sets its clocks by half an hour: back at 02:00 to 01:30, forward at 02:00 to 02:30.
        for (from, to, expected) in [
            ("2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", ["2026-04-04T14:00", "2026-04-04T15:30"]),
            ("2026-10-03T14:30:00Z", "2026-10-03T16:00:00Z", ["2026-10-03T14:30", "2026-10-03T15:30"]),
        ] {
            assert_eq!(starts("Australia/Lord_Howe", Interval::Hour, from, to), expected);
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_are_cut_at_the_period() {
        assert_eq!(
            starts("Europe/Paris", Interval::Week, "2026-10-14T09:30:00Z", "2026-11-02T12:00:00Z"),
            ["2026-10-14T09:30", "2026-10-18T22:00", "2026-10-25T23:00", "2026-11-01T23:00"]
        );
        assert_eq!(
            starts("UTC", Interval::Month, "2025-12-31T23:00:00Z", "2026-02-01T00:00:00Z"),
            ["2025-12-31T23:00", "2026-01-01T00:00"]
        );
    }

    #[test]
    fn day_that_a_zone_skips_has_no_bucket() {
        assert_eq!(
            starts("Pacific/Apia", Interval::Day, "2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z"),
            ["2011-12-29T10:00", "2011-12-30T10:00", "2011-12-31T10:00"]
        );
    }

    #[test]
    fn buckets_are_limited() {
        let hours = |count: i64| {
            let from = at("2026-01-01T00:00:00Z");
            Buckets::split(Period::new(from, from.plus_seconds(count * 3_600)).unwrap(), Interval::Hour, Zone::UTC)
        };
        assert_eq!(hours(1_000).unwrap().bounds().count(), MAX_BUCKETS);
        assert_eq!(hours(1_001), None);
        let all = Period::new(Instant::MIN, Instant::MAX).unwrap();
        for interval in INTERVALS {
            assert_eq!(Buckets::split(all, interval, Zone::UTC), None, "{}", interval.as_str());
        }
    }

    #[test]
    fn buckets_end_with_the_calendar() {
        for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"].map(|zone| Zone::parse(zone).unwrap()) {
            for interval in INTERVALS {
                for whole in [
                    Period::new(Instant::MIN, at("0000-01-20T00:00:00Z")).unwrap(),
                    Period::new(at("9999-12-10T00:00:00Z"), Instant::MAX).unwrap(),
                ] {
                    check(whole, interval, zone);
                }
            }
        }
    }

    #[test]
    fn buckets_cover_a_period_in_every_zone() {
        let mut number: i64 = 0;
        for zone in Zone::all() {
            for interval in INTERVALS {
                for _ in 0..amounts::amount("BUCKETS", 1, 40) {
                    number += 1;
                    // Periods of up to ten days from 1900 to 2040, at odd seconds and microseconds.
                    let from = (number * 7_919_111) % (140 * 365 * 86_400) - 70 * 365 * 86_400;
                    let length = 1 + (number * 104_729) % (10 * 86_400);
                    let from = Instant::from_micros(from * MICROS_PER_SECOND + number % 7).unwrap();
                    check(Period::new(from, from.plus_seconds(length)).unwrap(), interval, zone);
                }
            }
        }
    }

    #[test]
    fn buckets_cover_every_clock_change_of_every_zone() {
        let since = at("1900-01-01T00:00:00Z").seconds();
        let until = at("2040-01-01T00:00:00Z").seconds();
        let step = usize::try_from(amounts::amount("CLOCK_CHANGE_STEP", 29, 1)).unwrap();
        for zone in Zone::all() {
            let changes = zone.changes_after(since).take_while(|(change, _)| *change < until);
            for (change, _) in changes.step_by(step) {
                for interval in INTERVALS {
                    let bound = |seconds| Instant::from_micros((change + seconds) * MICROS_PER_SECOND).unwrap();
                    check(Period::new(bound(-100_000), bound(100_000)).unwrap(), interval, zone);
                }
            }
        }
    }

    /// Checks that buckets cover a period without gap or overlap, and that each holds one hour, day, week or month.
    fn check(period: Period, interval: Interval, zone: Zone) {
        let buckets = Buckets::split(period, interval, zone).unwrap();
        let bounds: Vec<(Instant, Instant)> = buckets.bounds().collect();
        let context = || format!("{zone} {interval:?} {period:?}");
        assert_eq!(bounds.first().map(|(from, _)| *from), Some(period.from()), "{}", context());
        assert_eq!(bounds.last().map(|(_, to)| *to), Some(period.to()), "{}", context());
        for (number, (from, to)) in bounds.iter().enumerate() {
            assert!(from < to, "{}", context());
            let last = Instant::from_micros(to.micros() - 1).unwrap();
            assert_eq!((buckets.index_of(*from), buckets.index_of(last)), (number, number), "{}", context());
            if let Some((next, _)) = bounds.get(number + 1) {
                assert_eq!(to, next, "{}", context());
                // What `from` shows, the next bucket does not show: it begins something new.
                match interval {
                    Interval::Hour => {
                        let hour = |at: Instant| at.local_seconds(zone).div_euclid(HOUR_SECONDS);
                        let is_full = to.local_seconds(zone).rem_euclid(HOUR_SECONDS) == 0;
                        assert!(is_full || hour(last) != hour(*to), "{}", context());
                        assert_eq!(hour(*from), hour(last), "{}", context());
                    }
                    Interval::Day | Interval::Week | Interval::Month => {
                        let date = zone.local(to.utc()).date();
                        assert_eq!(zone.start_of_day(date), Some(to.utc()), "{}", context());
                        let is_first = match interval {
                            Interval::Week => date.weekday().num_days_from_monday() == 0,
                            Interval::Month => date.day() == 1,
                            _ => true,
                        };
                        // A zone that skips a Monday or the first of a month begins at the day after.
                        assert!(
                            is_first || zone.start_of_day(date.pred_opt().unwrap()) == Some(to.utc()),
                            "{}",
                            context()
                        );
                    }
                }
            }
        }
    }
}
