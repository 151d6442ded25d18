//! The worker takes the lease of an export job, writes the files in one run or more, and ends the job.
//!
//! Every report of progress extends the lease and depends on it. A worker that lost the lease, or whose job was cancelled,
//! notices at the next report, removes the files of a cancelled job and stops. Objects are written only where none exists,
//! so neither a late worker nor a second one can change a finished file.

use domain::{
    activity::PartnerId,
    job::{Checkpoint, FORM_VERSION, File, Job, JobStatus, MANIFEST, Segment, State, UnsentTail},
    query::{Position, Selection},
    text::hex,
    time::{Instant, Period},
};
use sha2::{Digest as _, Sha256};
use store::{
    control::Control,
    error::{Error, causes},
    jobs::Lease,
    ledger::{Chunk, Ledger},
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    files::Files,
    run::{Limits, Stop, WorkerRun},
    segments::plan_segments,
    writer::{ExportWriter, WriterContext},
    xlsx::SubscriptionsUrl,
};

/// The reason of a failed job, as people read it.
const GIVEN_UP: &str =
    "The export failed after several tries. Request it again; if it fails again, give the operator its id.";

/// The state in which a worker leaves a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkResult {
    /// The job needs no more work.
    Done,
    /// The time of the run is over: another message must continue the job.
    Continue,
    /// Another worker holds the lease: try again later.
    Busy {
        /// The end of the lease, unless that worker extends it.
        until: Instant,
    },
}

/// The result and the numbers of a run.
#[derive(Debug)]
pub struct WorkReport {
    /// The state of the job. After an error the job has its last checkpoint, and the same call continues from there.
    pub result: Result<WorkResult, Error>,
    /// The number of runs that failed or died one after another, this one included; 0 if the worker did not get the lease.
    pub tries: usize,
    /// The seconds since the request of the export; none if the worker did not get the lease.
    pub age_seconds: Option<u64>,
    /// The rows of all files of an export that became ready in this run.
    pub rows: Option<u64>,
}

/// A worker writes exports.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The ledger from which activities are read.
    pub ledger: Ledger,
    /// The store of jobs.
    pub control: Control,
    /// The bucket of files.
    pub files: Files,
    /// The sizes at which parts and files end. Only tests change the default.
    pub limits: Limits,
    /// The page to which workbooks link customers.
    pub subscriptions: SubscriptionsUrl,
}

impl Worker {
    /// Writes an export, or as much of it as fits into the time of the run.
    ///
    /// The method may be called any number of times for a job, also at the same time.
    pub async fn work(&self, partner: &PartnerId, id: &str, run: &WorkerRun<'_>) -> WorkReport {
        let mut report = WorkReport { result: Ok(WorkResult::Done), tries: 0, age_seconds: None, rows: None };
        let (job, status) = match self.take_job(partner, id, run).await {
            Ok(Lease::Taken(taken)) => *taken,
            Ok(Lease::Nothing) => return report,
            Ok(Lease::Busy { until }) => return WorkReport { result: Ok(WorkResult::Busy { until }), ..report },
            Err(error) => return WorkReport { result: Err(error), ..report },
        };
        report.tries = status.tries;
        let made = self.make(partner, &job, status, run).await;
        report.age_seconds = Some(age_seconds(&job, run.now()));
        match made {
            Ok(rows) => report.rows = rows,
            Err(Stop::Lost) => {}
            Err(Stop::Time) => {
                let released = self.control.release_job(partner, &job, run.name).await;
                report.result = released.map(|_| WorkResult::Continue);
            }
            Err(Stop::Failed(error)) => {
                // Best effort: without the release, the job waits for the end of the lease.
                if let Err(second) = self.control.release_failed_job(partner, &job, run.name).await {
                    tracing::warn!(%partner, export = id, error = causes(&second), "could not release the lease");
                }
                report.result = Err(error);
            }
        }
        report
    }

    /// Fails a job after its last try, with a reason for people, and removes the job's files.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn give_up(&self, partner: &PartnerId, id: &str, run: &WorkerRun<'_>) -> Result<(), Error> {
        if let Lease::Taken(taken) = self.take_job(partner, id, run).await? {
            let (job, status) = *taken;
            self.control.fail_job(partner, &job, run.name, GIVEN_UP, run.now()).await?;
            self.remove_files(partner, &job, &status).await?;
        }
        Ok(())
    }

    async fn take_job(&self, partner: &PartnerId, id: &str, run: &WorkerRun<'_>) -> Result<Lease, Error> {
        let now = run.now();
        self.control.take_job(partner, id, run.name, now, now.plus_seconds(self.limits.lease_seconds)).await
    }

    /// Writes the files and the manifest and makes the job ready; returns the rows, unless the job was lost.
    async fn make(
        &self,
        partner: &PartnerId,
        job: &Job,
        status: JobStatus,
        run: &WorkerRun<'_>,
    ) -> Result<Option<u64>, Stop> {
        if job.form_version > FORM_VERSION {
            // During a deployment, a worker of the old version leaves such a job to the next try.
            return Err(Error::permanent("writing an export", "its form is newer than this worker").into());
        }
        if status.tries > self.limits.tries {
            // The runs before died without a word, so this one would probably die too.
            return Err(Error::permanent("writing an export", "its workers died again and again").into());
        }
        let restarted;
        let (job, status) = if job.form_version < FORM_VERSION {
            restarted = self.restart_job(partner, job, &status, run).await?.ok_or(Stop::Lost)?;
            (&restarted, JobStatus::new())
        } else {
            (job, status)
        };
        let files = self.write_files(partner, job, status, run).await?;
        self.put_manifest(partner, job, &files).await?;
        if self.control.finish_job(partner, job, run.name, &files, run.now()).await? {
            Ok(Some(files.iter().map(|file| file.rows).sum()))
        } else {
            self.remove_if_cancelled(partner, job, Checkpoint { files, ..Checkpoint::default() }).await?;
            Ok(None)
        }
    }

    /// Starts a job of an older form again in the present form, because a file must not change its form on the way. Returns
    /// the job, unless it was lost.
    async fn restart_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        status: &JobStatus,
        run: &WorkerRun<'_>,
    ) -> Result<Option<Job>, Error> {
        self.remove_files(partner, job, status).await?;
        let restarted = Job { form_version: FORM_VERSION, ..job.clone() };
        Ok(self.control.restart_job(partner, &restarted, run.name).await?.then_some(restarted))
    }

    /// Writes the files that the checkpoint does not list yet; returns all files.
    async fn write_files(
        &self,
        partner: &PartnerId,
        job: &Job,
        status: JobStatus,
        run: &WorkerRun<'_>,
    ) -> Result<Vec<File>, Stop> {
        let mut checkpoint = status.checkpoint.unwrap_or_default();
        if checkpoint.segments.is_none() {
            let (now, part_bytes) = (run.now(), self.limits.part_bytes);
            let planned =
                plan_segments(&self.control, &self.ledger.at(now), &self.files, partner, job, now, part_bytes).await?;
            if !planned.is_empty() {
                tracing::info!(%partner, export = job.id, months = planned.len(), "export copies finished months");
            }
            checkpoint.segments = Some(planned);
        }
        let segments = checkpoint.segments.clone().unwrap_or_default();
        let context = WriterContext {
            partner,
            job,
            run,
            control: &self.control,
            files: &self.files,
            limits: &self.limits,
            subscriptions: &self.subscriptions,
        };
        let mut writer = ExportWriter::resume(context, checkpoint).await?;
        let written = if writer.is_done() {
            Ok(())
        } else {
            self.write_period(partner, job, &mut writer, &segments, run.now()).await
        };
        let checkpoint = writer.settle().await;
        if let Err(Stop::Lost) = &written {
            self.remove_if_cancelled(partner, job, checkpoint.clone()).await?;
        }
        written?;
        for number in 1..=checkpoint.tails {
            self.files.remove(&job.object_key(partner, &UnsentTail::name(number))).await?;
        }
        Ok(checkpoint.files)
    }

    /// Writes the period of an export, newest first: segments are copied, and the ledger gives the rows between them.
    async fn write_period(
        &self,
        partner: &PartnerId,
        job: &Job,
        writer: &mut ExportWriter<'_>,
        segments: &[Segment],
        now: Instant,
    ) -> Result<(), Stop> {
        writer.start_file()?;
        let selection = job.selection().map_err(|error| Error::permanent("reading an export", error))?;
        let (from, to) = (selection.period.from(), selection.period.to());
        let with_details = job.request.output.needs_details();
        for segment in segments {
            // Newest first: a position behind another is the smaller one.
            let (start, end) = (Position::below(segment.to), Position::below(segment.from));
            let is_behind = |place: &Position| writer.position().is_some_and(|position| position <= *place);
            let is_inside = writer.is_inside_segment();
            if is_behind(&end) {
                continue;
            }
            if !is_behind(&start) && segment.to < to {
                self.write_rows(partner, writer, &selection, with_details, (segment.to, now)).await?;
            }
            // If rows of a month are written already, rows must follow.
            let is_at_start = writer.position().is_none_or(|position| position >= start);
            if is_inside || (is_at_start && writer.has_room_for(segment)) {
                writer.copy_segment(segment).await?;
            }
        }
        if writer.position().is_none_or(|position| position > Position::below(from)) {
            self.write_rows(partner, writer, &selection, with_details, (from, now)).await?;
        }
        writer.end_file(false).await
    }

    /// Writes the rows of a selection from the position of the writer down to an instant.
    async fn write_rows(
        &self,
        partner: &PartnerId,
        writer: &mut ExportWriter<'_>,
        selection: &Selection,
        with_details: bool,
        (down_to, now): (Instant, Instant),
    ) -> Result<(), Stop> {
        let period = Period::new(down_to, selection.period.to());
        let period = period.map_err(|error| Error::permanent("reading an export", error))?;
        let selection = Selection { period, ..selection.clone() };
        let ledger = self.ledger.at(now);
        let mut reader = ledger.stream(partner, &selection, with_details, writer.position()).await?;
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
        writer.write_rows(&mut rows).await?;
        // The channel also closes when the reading task panics, so its result tells whether the rows really ended.
        reading.join_next().await.transpose().map_err(|error| Error::permanent("reading activities", error))?;
        writer.move_behind(&Position::below(down_to));
        Ok(())
    }

    /// Writes the manifest beside the files, unless there is one: every worker would write the same.
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

    /// Removes the files of a lost job if the job was cancelled. Otherwise the job and its files belong to another worker.
    async fn remove_if_cancelled(&self, partner: &PartnerId, job: &Job, checkpoint: Checkpoint) -> Result<(), Error> {
        let found = self.control.job(partner, &job.id).await?;
        if found.is_none_or(|(_, status)| status.state == State::Cancelled) {
            let status = JobStatus { checkpoint: Some(checkpoint), ..JobStatus::new() };
            self.remove_files(partner, job, &status).await?;
        }
        Ok(())
    }

    async fn remove_files(&self, partner: &PartnerId, job: &Job, status: &JobStatus) -> Result<(), Error> {
        if let Some(checkpoint) = &status.checkpoint
            && let Some(upload) = &checkpoint.file.upload
        {
            let name = job.file_name(partner, checkpoint.files.len());
            self.files.abort_upload(&job.object_key(partner, &name), upload).await?;
        }
        for name in job.stored_names(partner, status) {
            self.files.remove(&job.object_key(partner, &name)).await?;
        }
        Ok(())
    }
}

fn age_seconds(job: &Job, now: Instant) -> u64 {
    let requested_at = job.renewed_at.unwrap_or(job.created_at);
    u64::try_from((now.micros() - requested_at.micros()) / 1_000_000).unwrap_or_default()
}
