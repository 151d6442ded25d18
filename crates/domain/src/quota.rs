//! Limits of partners: how much of an installation one partner may take. The store's meter counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Instant;

/// The time for which exports count, in seconds.
pub const DAY_SECONDS: i64 = 86_400;

/// The largest value of each limit: activities per second, open exports, rows per day, read units per second.
///
/// No more open exports are allowed than the meter counts.
pub const LARGEST: (u32, u32, u64, u32) = (1_000_000, 1_000, 2_000_000_000, 1_000_000);

/// The limits of one partner. An absent limit does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Activities per second, averaged over ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub records_per_second: Option<u32>,
    /// Exports on demand of the last 24 hours that are not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub open_exports: Option<u32>,
    /// Rows of exports on demand of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2000000000)]
    pub export_rows_per_day: Option<u64>,
    /// Read units of DynamoDB that lists and look-ups consume per second, averaged over ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub read_units_per_second: Option<u32>,
}

impl Limits {
    /// Tells whether there is no limit.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fills absent limits with those of the installation.
    #[must_use]
    pub fn or(self, installation: Self) -> Self {
        Self {
            records_per_second: self.records_per_second.or(installation.records_per_second),
            open_exports: self.open_exports.or(installation.open_exports),
            export_rows_per_day: self.export_rows_per_day.or(installation.export_rows_per_day),
            read_units_per_second: self.read_units_per_second.or(installation.read_units_per_second),
        }
    }
}

/// A request was refused because a limit is exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The limit and what the caller can do.
    pub detail: String,
    /// The time after which a retry can succeed, in seconds.
    pub retry_after: u32,
}

/// Checks the limit of export rows per day.
///
/// `exports` holds when each export of the last day was created and its rows, newest first. The retry time is when enough
/// rows are a day old.
pub fn check_daily_rows(limit: u64, exports: &[(Instant, u64)], now: Instant) -> Option<LimitExceeded> {
    let mut sum: u64 = exports.iter().map(|(_, rows)| rows).sum();
    let rows_of_day = sum;
    let (created_at, _) = exports.iter().rev().find(|(_, rows)| {
        let was_exceeded = sum >= limit;
        sum -= rows;
        was_exceeded && sum < limit
    })?;
    let micros = created_at.plus_seconds(DAY_SECONDS).micros().saturating_sub(now.micros());
    Some(LimitExceeded {
        detail: format!(
            "This partner's exports of the last 24 hours have {rows_of_day} rows; its limit is {limit}. Ask again later, or use a monthly export."
        ),
        retry_after: u32::try_from(micros / 1_000_000 + 1).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_refused_until_enough_rows_are_a_day_old() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let ago = |hours: i64, rows| (now.plus_seconds(-hours * 3_600), rows);
        let exports = [ago(1, 10), ago(5, 60), ago(20, 30)];
        for (limit, wait_hours) in
            [(200, None), (101, None), (100, Some(4)), (70, Some(19)), (10, Some(23)), (1, Some(23))]
        {
            let exceeded = check_daily_rows(limit, &exports, now);
            if let Some(LimitExceeded { detail, .. }) = &exceeded {
                assert!(detail.contains("100 rows") && detail.contains(&format!("limit is {limit}.")), "{detail}");
            }
            let retry_after = exceeded.map(|exceeded| exceeded.retry_after);
            assert_eq!(retry_after, wait_hours.map(|hours| hours * 3_600 + 1), "{limit}");
        }
        assert_eq!(check_daily_rows(1, &[], now), None);
    }

    #[test]
    fn absent_limits_are_those_of_the_installation() {
        let limits = |records_per_second, open_exports, export_rows_per_day, read_units_per_second| Limits {
            records_per_second,
            open_exports,
            export_rows_per_day,
            read_units_per_second,
        };
        let installation = limits(Some(100), Some(50), Some(9), Some(7));
        for (own, both) in [
            (limits(None, Some(2), None, None), limits(Some(100), Some(2), Some(9), Some(7))),
            (limits(Some(1), None, Some(3), Some(4)), limits(Some(1), Some(50), Some(3), Some(4))),
        ] {
            assert_eq!(own.or(installation), both);
            assert!(!own.is_empty());
        }
        assert!(Limits::default().or(Limits::default()).is_empty());
    }
}
