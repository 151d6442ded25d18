//! The plan of an export's segments: finished months that S3 copies instead of the worker reading the table.
//!
//! An export copies the file of a monthly export if that file has exactly the bytes that the export would write for the
//! month: the same format, language and columns, a form version with the same bytes, and no activity recorded after the
//! month's cut.

use domain::{
    activity::PartnerId,
    job::{Compression, ExportRequest, FORM_VERSION, Format, Job, JobStatus, Kind, Segment, State, TEXT_FORM_VERSION},
    time::{Instant, Month, Period, Zone},
};
use store::{control::Control, error::Error, ledger::Ledger};

use crate::files::Files;

/// The seconds for which the file of a month must still exist, so that it outlives the export that copies it.
///
/// The months to copy are chosen once, and the export may then wait in its queue, which keeps messages for four days.
pub const MONTH_REMAINS_SECONDS: i64 = 5 * 86_400;

/// The most months for which an export looks for a finished file, newest first. Each costs a look-up, and a place in the
/// checkpoint if it is copied. Older months are read.
const MAX_MONTHS: usize = 240;

/// Plans the segments of an export, newest first.
///
/// Exports with compression have none, because a compressed file contains no complete month. Months of less than
/// `part_bytes` are left out, because reading a small month takes no longer than looking for a copy.
pub(crate) async fn plan_segments(
    control: &Control,
    ledger: &Ledger,
    files: &Files,
    partner: &PartnerId,
    job: &Job,
    now: Instant,
    part_bytes: usize,
) -> Result<Vec<Segment>, Error> {
    let ExportRequest { from, to, time_zone, filter, output } = &job.request;
    let is_text = matches!(output.format, Format::Csv | Format::Jsonl) && output.compression == Compression::None;
    if job.kind != Kind::OnDemand || !filter.is_empty() || !is_text {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    let Ok(whole) = Period::new(*from, *to) else { return Ok(segments) };
    for month in local_months(&ledger.newest_months(partner, whole, MAX_MONTHS).await?, *time_zone) {
        let period = month.period(*time_zone);
        if *from <= period.from()
            && period.to() <= *to
            && ledger.sees(partner, period).await?
            && let Some((made, status)) = control.job(partner, &month.to_string()).await?
            && let Some(segment) = segment_of_month(partner, job, period, &made, &status, now)
            && segment.bytes >= part_bytes as u64
            && let Some(cut) = made.recorded_before
            && !ledger.late_index().has_late_activity(partner, period, cut, Instant::MAX).await?
            // The bucket removes files earlier than their export says if the operator shortens the retention.
            && files.find(&segment.key).await?.is_some_and(|file| file.bytes == segment.bytes)
        {
            segments.push(segment);
        }
    }
    Ok(segments)
}

/// Lists the months of a zone's calendar that touch months in UTC, newest first.
fn local_months(utc_months: &[Month], zone: Zone) -> Vec<Month> {
    let mut months: Vec<Month> = utc_months
        .iter()
        .map(|month| month.period(Zone::UTC))
        .flat_map(|period| [Month::of(period.to().plus_seconds(-1), zone), Month::of(period.from(), zone)])
        .collect();
    months.sort_unstable_by(|one, other| other.cmp(one));
    months.dedup();
    months
}

/// Returns the segment of a monthly export's file, if the file has the bytes that `job` would write for the month.
fn segment_of_month(
    partner: &PartnerId,
    job: &Job,
    period: Period,
    made: &Job,
    status: &JobStatus,
    now: Instant,
) -> Option<Segment> {
    let [file] = status.files.as_slice() else { return None };
    let has_same_form = (TEXT_FORM_VERSION..=FORM_VERSION).contains(&made.form_version)
        && made.request == ExportRequest { from: period.from(), to: period.to(), ..job.request.clone() };
    let remains = status.state_at(made, now.plus_seconds(MONTH_REMAINS_SECONDS)) == State::Ready;
    (has_same_form && remains).then(|| Segment {
        from: period.from(),
        to: period.to(),
        key: made.object_key(partner, &file.name),
        rows: file.rows,
        bytes: file.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_a_zone_are_those_around_the_utc_months() {
        let months = |texts: &[&str]| texts.iter().map(|text| Month::parse(text).unwrap()).collect::<Vec<_>>();
        let recorded = months(&["2026-10", "2026-09", "2024-01"]);
        for (zone, expected) in [
            ("UTC", &["2026-10", "2026-09", "2024-01"][..]),
            ("Asia/Tokyo", &["2026-11", "2026-10", "2026-09", "2024-02", "2024-01"]),
            ("America/Bogota", &["2026-10", "2026-09", "2026-08", "2024-01", "2023-12"]),
        ] {
            assert_eq!(local_months(&recorded, Zone::parse(zone).unwrap()), months(expected), "{zone}");
        }
    }
}
