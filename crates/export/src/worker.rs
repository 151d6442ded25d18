//! The making of an export: read, encode, upload, note how far it is.
//!
//! Rows are read ahead while they are encoded, two parts are uploaded while the next is filled; memory holds three parts
//! and a window of pages, whatever the size of the export. A part ends at the end of a row. When a part is stored, the job's
//! checkpoint moves behind its last row: whoever takes the job up again reads on from there, repeats at most the rows of
//! the parts not yet noted, and writes the same bytes, since the selection and the encoding are functions of the job.
//!
//! A run that has no more time puts what it has encoded and not yet sent aside, so that going on repeats nothing: a filter
//! that matches little may need several runs for one part.
//!
//! A workbook cannot be continued inside a file. It is made on a scratch file, which is uploaded when it is complete; the
//! checkpoint stands before its first row until its last part is stored, and whoever takes over makes that workbook again.
//!
//! A worker holds a lease that every checkpoint prolongs and is conditional on. One that lost it, or whose job was
//! cancelled, finds out at the next checkpoint, takes back what it had under way and stops. Objects are written under
//! the condition that there is none: neither a late worker nor a second one can change a finished file.

use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    making::Making,
    profile::{self, SubscriptionsUrl, WorkbookLimits},
    sink::Files,
};
use domain::{
    activity::PartnerId,
    job::{
        Checkpoint, Compression, ExportRequest, File, Format, Job, JobStatus, Kind, MANIFEST, Segment, State,
        UnsentTail,
    },
    query::{Position, Selection},
    text::hex,
    time::{Instant, MAX_PERIOD_DAYS, Month, Period},
};
use store::{
    control::Control,
    error::Error,
    jobs::Lease,
    ledger::{Chunk, Ledger},
};

/// How long a worker holds a job without a sign of life, in seconds: longer than the longest part takes.
pub const LEASE_SECONDS: i64 = 300;
/// How large a part is at least, which is what S3 wants; it takes at most 10,000 of them. Three of them are in memory.
const PART_BYTES: usize = 5 * 1_024 * 1_024;

/// The most parts of a file: 5 GiB. All of them stand in each checkpoint, and S3 takes no more than 10,000.
const MAX_PARTS: usize = 1_024;

/// How long the file of an earlier export must still be there to be built on, in seconds.
const SEGMENT_LASTS_SECONDS: i64 = 24 * 3_600;

/// How a worker left a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The job needs nothing more.
    Done,
    /// Time is up: the job goes on with another message.
    Continue,
    /// Another worker has it: look again later.
    Busy,
}

/// Makes exports.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where activities are read.
    pub ledger: Ledger,
    /// Where jobs are noted.
    pub control: Control,
    /// Where files are written.
    pub files: Files,
    /// How large parts and files become; the default but for tests.
    pub limits: Limits,
    /// Where workbooks link customers to.
    pub subscriptions: SubscriptionsUrl,
}

/// Where an export's file is cut.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The least bytes of a part that is not the last.
    pub part_bytes: usize,
    /// The most parts of a file of text, but for what its last rows add.
    pub parts: usize,
    /// The most rows of a file of text.
    pub rows: u64,
    /// How large a workbook becomes.
    pub workbook: WorkbookLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { part_bytes: PART_BYTES, parts: MAX_PARTS, rows: profile::MAX_ROWS, workbook: WorkbookLimits::default() }
    }
}

/// What a run needs from its host: who runs, until when, and the clock.
pub struct Run<'a> {
    /// The worker's name, of this run only.
    pub name: &'a str,
    /// When to stop and hand the job on.
    pub stop_at: Instant,
    /// The clock.
    pub clock: &'a (dyn Fn() -> Instant + Send + Sync),
}

/// What is measured of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// How long ago the export was asked for when the run left it, in seconds.
    pub age_seconds: Option<u64>,
    /// Rows of the export, where the run made it ready.
    pub rows_exported: Option<u64>,
}

/// The end of a run before the export's.
pub(super) enum Stop {
    /// The job is no longer this worker's.
    Lost,
    /// Time is up.
    Time,
    /// A store failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Worker {
    /// Makes an export, or as much of it as fits into the time. May be called any number of times for the same job, also
    /// at the same time.
    ///
    /// # Errors
    /// When a store fails: the job stands at its last checkpoint, and the same call goes on from there.
    pub async fn work(&self, partner: &PartnerId, id: &str, run: &Run<'_>) -> Result<Outcome, Error> {
        self.work_measured(partner, id, run, &mut Measures::default()).await
    }

    /// As [`Self::work`], and says what is to be measured, also where it fails.
    ///
    /// # Errors
    /// As [`Self::work`].
    pub async fn work_measured(
        &self,
        partner: &PartnerId,
        id: &str,
        run: &Run<'_>,
        measures: &mut Measures,
    ) -> Result<Outcome, Error> {
        let now = (run.clock)();
        let (job, standing) =
            match self.control.take_job(partner, id, run.name, now, now.plus_seconds(LEASE_SECONDS)).await? {
                Lease::Taken(taken) => *taken,
                Lease::Nothing => return Ok(Outcome::Done),
                Lease::Busy => return Ok(Outcome::Busy),
            };
        let made = self.make(partner, &job, standing, run, measures).await;
        let age = ((run.clock)().micros() - job.created_at.micros()) / 1_000_000;
        measures.age_seconds = Some(u64::try_from(age).unwrap_or_default());
        match made {
            Ok(()) | Err(Stop::Lost) => Ok(Outcome::Done),
            Err(Stop::Time) => {
                self.control.release_job(partner, &job, run.name).await?;
                Ok(Outcome::Continue)
            }
            Err(Stop::Failed(error)) => {
                // Best effort: without it the job waits for the end of the lease.
                if let Err(second) = self.control.release_job(partner, &job, run.name).await {
                    tracing::warn!(
                        export = id,
                        error = store::error::causes(&second),
                        "the lease could not be given back"
                    );
                }
                Err(error)
            }
        }
    }

    /// Gives a job up after its last try, with a reason for people, and removes what it had stored.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn give_up(&self, partner: &PartnerId, id: &str, run: &Run<'_>) -> Result<(), Error> {
        let now = (run.clock)();
        if let Lease::Taken(taken) =
            self.control.take_job(partner, id, run.name, now, now.plus_seconds(LEASE_SECONDS)).await?
        {
            let (job, standing) = *taken;
            let reason = "The export could not be made after several tries. Ask for it again; if it fails again, tell the operator its id.";
            self.control.fail_job(partner, &job, run.name, reason).await?;
            self.take_back(partner, &job, &standing).await?;
        }
        Ok(())
    }

    /// Makes the files, says what they are, and makes the job ready.
    async fn make(
        &self,
        partner: &PartnerId,
        job: &Job,
        standing: JobStatus,
        run: &Run<'_>,
        measures: &mut Measures,
    ) -> Result<(), Stop> {
        let files = self.make_files(partner, job, standing, run).await?;
        self.put_manifest(partner, job, &files).await?;
        if !self.control.finish_job(partner, job, run.name, &files).await? {
            self.clear_away(partner, job, Checkpoint { files, ..Checkpoint::default() }).await?;
        } else {
            measures.rows_exported = Some(files.iter().map(|file| file.rows).sum());
        }
        Ok(())
    }

    /// Makes what is left of the files: pieces read from the ledger, and between them, where there are such, months that an
    /// earlier export has in the same form.
    async fn make_files(
        &self,
        partner: &PartnerId,
        job: &Job,
        standing: JobStatus,
        run: &Run<'_>,
    ) -> Result<Vec<File>, Stop> {
        let mut checkpoint = standing.checkpoint.unwrap_or_default();
        if checkpoint.segments.is_none() {
            checkpoint.segments = Some(self.segments(partner, job, (run.clock)()).await?);
        }
        let segments = checkpoint.segments.clone().unwrap_or_default();
        let mut making = Making::resume(self, partner, job, run, checkpoint).await?;
        let made = if making.is_done() { Ok(()) } else { self.make_pieces(&mut making, &segments).await };
        let checkpoint = making.settle().await;
        if let Err(Stop::Lost) = &made {
            self.clear_away(partner, job, checkpoint.clone()).await?;
        }
        made?;
        for number in 1..=checkpoint.tails {
            self.files.remove(&job.object_key(partner, &UnsentTail::name(number))).await?;
        }
        Ok(checkpoint.files)
    }

    async fn make_pieces(&self, making: &mut Making<'_>, segments: &[Segment]) -> Result<(), Stop> {
        making.start_file()?;
        let selection = making.job.selection().map_err(|error| Error::permanent("reading an export", error))?;
        let (from, to) = (selection.period.from(), selection.period.to());
        for segment in segments {
            // Newest first: what is behind a place is below it.
            let (begin, end) = (Position::below(segment.to), Position::below(segment.from));
            let is_behind = |place: &Position| making.position().is_some_and(|position| position <= *place);
            let is_inside = making.is_inside_a_segment();
            if is_behind(&end) {
                continue;
            }
            if !is_behind(&begin) && segment.to < to {
                self.read_into(making, &selection, segment.to).await?;
            }
            // A month of which rows were read already goes on with rows.
            let at_its_begin = making.position().is_none_or(|position| position >= begin);
            if is_inside || (at_its_begin && making.has_room_for(segment)) {
                making.take_over(segment).await?;
            }
        }
        if making.position().is_none_or(|position| position > Position::below(from)) {
            self.read_into(making, &selection, from).await?;
        }
        making.end_file(false).await
    }

    /// Months of the export's period that are there already, newest first: the files of monthly exports of the same form,
    /// as long as nothing was recorded of that month since they were cut. What is compressed has no months in it, and what
    /// is short is read as quickly as found.
    async fn segments(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<Vec<Segment>, Error> {
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
                && let Some((made, standing)) = self.control.job(partner, &month.to_string()).await?
                && let ([file], Some(cut)) = (standing.files.as_slice(), made.recorded_before)
                && standing.state_at(&made, now.plus_seconds(SEGMENT_LASTS_SECONDS)) == State::Ready
                && made.request == (ExportRequest { from: period.from(), to: period.to(), ..job.request.clone() })
                && file.bytes >= self.limits.part_bytes as u64
                && !self.ledger.late_index().has_late_activity(partner, period, cut, Instant::MAX).await?
            {
                segments.push(Segment {
                    from: period.from(),
                    to: period.to(),
                    key: made.object_key(partner, &file.name),
                    rows: file.rows,
                    bytes: file.bytes,
                });
            }
            month = month.previous();
        }
        Ok(segments)
    }

    /// Writes the rows of a selection from where the making stands down to an instant.
    async fn read_into(&self, making: &mut Making<'_>, selection: &Selection, down_to: Instant) -> Result<(), Stop> {
        let period = Period::new(down_to, selection.period.to());
        let period = period.map_err(|error| Error::permanent("reading an export", error))?;
        let piece = Selection { period, ..selection.clone() };
        let with_details = making.job.request.output.needs_details();
        let mut reader = self.ledger.stream(making.partner, &piece, with_details, making.position()).await?;
        let (sender, mut rows) = mpsc::channel::<Result<Chunk, Error>>(1);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Some(next) = reader.next().await.transpose() {
                let failed = next.is_err();
                // A closed channel means that the writer stopped.
                if sender.send(next).await.is_err() || failed {
                    return;
                }
            }
        });
        making.write(&mut rows).await?;
        // Whether the rows ended, or the reading.
        reading.join_next().await.transpose().map_err(|error| Error::permanent("reading activities", error))?;
        making.stand_behind(&Position::below(down_to));
        Ok(())
    }

    /// Says what the files are, in a file beside them. Written once: it is the same whoever writes it.
    async fn put_manifest(&self, partner: &PartnerId, job: &Job, files: &[File]) -> Result<(), Error> {
        if !job.manifest {
            return Ok(());
        }
        let body = job.manifest(partner, files).map_err(|error| Error::permanent("writing a manifest", error))?;
        let file = File {
            name: MANIFEST.to_owned(),
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: body.len() as u64,
            sha256: hex(&Sha256::digest(&body)),
        };
        self.files.put(&job.object_key(partner, MANIFEST), "application/json", &file, body).await.map(drop)
    }

    /// Removes what a worker had stored that lost its job, if the job was cancelled; else it is another worker's now, and
    /// so are its files.
    async fn clear_away(&self, partner: &PartnerId, job: &Job, checkpoint: Checkpoint) -> Result<(), Error> {
        let found = self.control.job(partner, &job.id).await?;
        if found.is_none_or(|(_, standing)| standing.state == State::Cancelled) {
            let standing = JobStatus { checkpoint: Some(checkpoint), ..JobStatus::new() };
            self.take_back(partner, job, &standing).await?;
        }
        Ok(())
    }

    async fn take_back(&self, partner: &PartnerId, job: &Job, standing: &JobStatus) -> Result<(), Error> {
        if let Some(checkpoint) = &standing.checkpoint
            && let Some(upload) = &checkpoint.file.upload
        {
            let name = job.file_name(partner, checkpoint.files.len());
            self.files.abandon(&job.object_key(partner, &name), upload).await?;
        }
        for name in job.stored_names(partner, standing) {
            self.files.remove(&job.object_key(partner, &name)).await?;
        }
        Ok(())
    }
}
