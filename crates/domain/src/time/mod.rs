//! Instants, time zones, periods and months.
//!
//! | file | subject |
//! |---|---|
//! | `zone` | the rules of time zones; the only file that names their libraries |
//! | `instant` | a point in time and its text |
//! | `period` | half-open ranges of time, `[from, to)` |
//! | `month` | calendar months |
//! | `bucket` | the hours, days, weeks or months of a period |
//!
//! Nothing here reads a clock: the present is an argument. Days and months of a zone become instants once, so that later
//! steps need no daylight saving rules.

mod bucket;
mod instant;
mod month;
mod period;
mod zone;

pub use self::{
    bucket::{Buckets, Interval, MAX_BUCKETS},
    instant::{Instant, seconds_between},
    month::Month,
    period::{Period, PeriodError},
    zone::{ZONE_RULES, Zone},
};
