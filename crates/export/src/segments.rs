//! The plan of an export's segments: finished months that S3 copies instead of the worker reading the table.
//!
//! An export copies the file of a monthly export if that file has exactly the bytes that the export would write for the
//! month: the same format, language and columns, the same form version, and no activity recorded after the month's cut.

use domain::{
    activity::PartnerId,
    job::{Compression, ExportRequest, FORM_VERSION, Format, Job, JobStatus, Kind, Segment, State},
    time::{Instant, MAX_PERIOD_DAYS, Month, Period},
};
use store::{control::Control, error::Error, ledger::Ledger};

use crate::files::Files;

/// The seconds for which the file of a month must still exist, so that it outlives the export that copies it.
///
/// The months to copy are chosen once, and the export may then wait in its queue, which keeps messages for four days.
pub const MONTH_REMAINS_SECONDS: i64 = 5 * 86_400;

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
    let mut month = Month::of(*to, *time_zone);
    for _ in 0..=MAX_PERIOD_DAYS / 28 {
        let period = month.period(*time_zone);
        if *from <= period.from()
            && period.to() <= *to
            && let Some((made, standing)) = control.job(partner, &month.to_string()).await?
            && let Some(segment) = segment_of_month(partner, job, period, &made, &standing, now)
            && segment.bytes >= part_bytes as u64
            && let Some(cut) = made.recorded_before
            && !ledger.late_index().has_late_activity(partner, period, cut, Instant::MAX).await?
            // The bucket removes files earlier than their export says if the operator shortens the retention.
            && files.find(&segment.key).await?.is_some_and(|file| file.bytes == segment.bytes)
        {
            segments.push(segment);
        }
        month = month.previous();
    }
    Ok(segments)
}

/// Returns the segment of a monthly export's file, if the file has the bytes that `job` would write for the month.
fn segment_of_month(
    partner: &PartnerId,
    job: &Job,
    period: Period,
    made: &Job,
    standing: &JobStatus,
    now: Instant,
) -> Option<Segment> {
    let [file] = standing.files.as_slice() else { return None };
    let has_same_form = made.form_version == FORM_VERSION
        && made.request == ExportRequest { from: period.from(), to: period.to(), ..job.request.clone() };
    let remains = standing.state_at(made, now.plus_seconds(MONTH_REMAINS_SECONDS)) == State::Ready;
    (has_same_form && remains).then(|| Segment {
        from: period.from(),
        to: period.to(),
        key: made.object_key(partner, &file.name),
        rows: file.rows,
        bytes: file.bytes,
    })
}
