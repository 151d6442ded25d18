//! Late activities: the mark of an activity that may come after its month was exported, and the index that finds marks.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys;
use crate::error::Error;
use domain::{
    activity::PartnerId,
    query::SETTLE_SECONDS,
    time::{Instant, Period, Zone},
};

/// The largest distance from UTC that a time zone has ever had, in seconds, rounded up.
const MAX_ZONE_OFFSET_SECONDS: i64 = 16 * 3_600;

/// Whether an activity may come after an export of its month was cut, in any time zone.
///
/// `grace_seconds` is how long after its end a month is exported at the earliest. An activity that comes after a cut must
/// be marked, because the mark is the only reason to export the month again. A mark in vain costs a line in the index.
pub fn may_be_late(occurred_at: Instant, recorded_at: Instant, grace_seconds: i64) -> bool {
    let month = occurred_at.utc_month().period(Zone::UTC);
    // In a zone behind UTC, the month before lasts into this one. In a zone ahead of UTC, this month ends early.
    let earliest_end = if occurred_at < month.from().plus_seconds(MAX_ZONE_OFFSET_SECONDS) {
        occurred_at
    } else {
        month.to().plus_seconds(-MAX_ZONE_OFFSET_SECONDS).max(occurred_at)
    };
    recorded_at >= earliest_end.plus_seconds(grace_seconds - SETTLE_SECONDS)
}

/// The index of late activities. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LateIndex {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
}

impl LateIndex {
    /// Creates the index of a table of activities, by the table's name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb, table: table.into() }
    }

    /// Whether a marked activity occurred in a period and was recorded in `[recorded_from, recorded_before)`.
    ///
    /// The look-up costs a Query for each month in UTC that the period touches, up to the first activity found.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn has_late_activity(
        &self,
        partner: &PartnerId,
        occurred: Period,
        recorded_from: Instant,
        recorded_before: Instant,
    ) -> Result<bool, Error> {
        let (first, last) = occurred.utc_months();
        // Times of recording are in whole milliseconds.
        let last_recorded = Instant::from_micros(recorded_before.micros() - 1_000).unwrap_or(recorded_before);
        let mut month = last;
        loop {
            let text = |text: String| AttributeValue::S(text);
            let mut pages = self
                .dynamodb
                .query()
                .table_name(&*self.table)
                .index_name("late")
                .key_condition_expression("lk = :key AND r BETWEEN :from AND :until")
                // A sort key is an instant and an id, so every key at an instant comes after the instant's own text.
                .filter_expression("sk BETWEEN :first AND :last")
                .projection_expression("sk")
                .expression_attribute_values(":key", text(keys::late_partition(partner, month)))
                .expression_attribute_values(":from", text(recorded_from.to_millis_text()))
                .expression_attribute_values(":until", text(last_recorded.to_millis_text()))
                .expression_attribute_values(":first", text(occurred.from().to_string()))
                .expression_attribute_values(":last", text(occurred.to().to_string()))
                .into_paginator()
                .items()
                .send();
            if let Some(item) = pages.next().await {
                item.map_err(|error| Error::sdk("Query of late activities", error))?;
                return Ok(true);
            }
            if month == first {
                return Ok(false);
            }
            month = month.previous();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::time::Month;

    #[test]
    fn an_activity_after_a_cut_is_marked_in_every_zone() {
        let grace = 6 * 3_600;
        let mut checked = 0;
        for zone in Zone::all() {
            for name in ["2025-12", "2026-02", "2026-03", "2026-10"] {
                let month = Month::parse(name).unwrap();
                let period = month.period(zone);
                let cut = period.to().plus_seconds(grace - SETTLE_SECONDS);
                let span = period.to().micros() - period.from().micros();
                for step in 0..64 {
                    // Close to both ends, and between them.
                    let offset = match step {
                        0..24 => step * 3_600_000_000,
                        24..48 => span - 1 - (step - 24) * 3_600_000_000,
                        _ => span / 17 * (step - 47),
                    };
                    let occurred_at = Instant::from_micros(period.from().micros() + offset).unwrap();
                    assert!(may_be_late(occurred_at, cut, grace), "{zone} {name} {occurred_at}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 100_000);
    }

    #[test]
    fn an_activity_is_marked_only_near_its_months_end() {
        for (occurred_at, recorded_at, late) in [
            ("2026-10-01T00:00:00Z", "2026-10-01T05:57:59Z", false),
            ("2026-10-01T00:00:00Z", "2026-10-01T05:58:00Z", true),
            ("2026-10-15T00:00:00Z", "2026-10-30T00:00:00Z", false),
            ("2026-10-15T00:00:00Z", "2026-10-31T13:58:00Z", true),
            ("2026-10-31T23:00:00Z", "2026-10-31T23:00:01Z", false),
            ("2026-10-31T23:00:00Z", "2026-11-01T04:58:00Z", true),
        ] {
            let at = |text| Instant::parse(text).unwrap();
            assert_eq!(may_be_late(at(occurred_at), at(recorded_at), 6 * 3_600), late, "{occurred_at} {recorded_at}");
        }
    }
}
