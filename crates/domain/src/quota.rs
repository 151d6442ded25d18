//! Limits of partners: how much of an installation one of them may take. `store::meter` counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Instant;

/// How long exports count, in seconds.
pub const DAY_SECONDS: i64 = 86_400;

/// The largest of each limit: activities a second, open exports (as many as are counted), rows a day.
pub const LARGEST: (u32, u32, u64) = (1_000_000, 1_000, 2_000_000_000);

/// What one partner may take; absent is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Activities a second, over ten seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000000)]
    pub records_per_second: Option<u32>,
    /// Exports on demand that are asked for and not ready, of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub open_exports: Option<u32>,
    /// Rows of exports on demand, of the last 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2000000000)]
    pub export_rows_per_day: Option<u64>,
}

impl Limits {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These limits, and those of the installation where these have none.
    #[must_use]
    pub fn or(self, installation: Self) -> Self {
        Self {
            records_per_second: self.records_per_second.or(installation.records_per_second),
            open_exports: self.open_exports.or(installation.open_exports),
            export_rows_per_day: self.export_rows_per_day.or(installation.export_rows_per_day),
        }
    }
}

/// What is refused for a limit, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The limit and what to do, for the caller.
    pub detail: String,
    /// In how many seconds.
    pub retry_after: u32,
}

/// Whether exports, newest first, have as many rows as a day may have.
pub fn over_rows(limit: u64, rows: &[(Instant, u64)], now: Instant) -> Option<Over> {
    let mut sum: u64 = rows.iter().map(|(_, rows)| rows).sum();
    let of_a_day = sum;
    let last = rows.iter().rev().find(|(_, rows)| {
        let was_over = sum >= limit;
        sum -= rows;
        was_over && sum < limit
    })?;
    let seconds = last.0.plus_seconds(DAY_SECONDS).micros().saturating_sub(now.micros()) / 1_000_000 + 1;
    Some(Over {
        detail: format!(
            "This partner's exports of the last 24 hours have {of_a_day} rows; its limit is {limit}. Ask again later, or for what a monthly export holds."
        ),
        retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_refused_until_enough_rows_are_a_day_old() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let ago = |hours: i64, rows| (now.plus_seconds(-hours * 3_600), rows);
        let rows = [ago(1, 10), ago(5, 60), ago(20, 30)];
        for (limit, wait_hours) in
            [(200, None), (101, None), (100, Some(4)), (70, Some(19)), (10, Some(23)), (1, Some(23))]
        {
            let over = over_rows(limit, &rows, now);
            assert_eq!(over.map(|over| over.retry_after), wait_hours.map(|hours| hours * 3_600 + 1), "{limit}");
        }
    }

    #[test]
    fn a_partner_has_its_own_limits_and_the_installations_where_it_has_none() {
        let own = Limits { open_exports: Some(2), ..Limits::default() };
        let installation = Limits { records_per_second: Some(100), open_exports: Some(50), export_rows_per_day: None };
        let both = Limits { records_per_second: Some(100), open_exports: Some(2), export_rows_per_day: None };
        assert_eq!(own.or(installation), both);
        assert!(Limits::default().or(Limits::default()).is_empty());
    }
}
