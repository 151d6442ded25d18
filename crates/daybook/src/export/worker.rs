//! The making of an export: read, encode, upload, note how far it is.
//!
//! Rows are read ahead while they are encoded, two parts are uploaded while the next is filled; memory holds three parts
//! and a window of pages, whatever the size of the export. A part ends at the end of a row. When a part is stored, the job's
//! checkpoint moves behind its last row: whoever takes the job up again reads on from there, repeats at most the rows of
//! the parts not yet noted, and writes the same bytes, since the selection and the encoding are functions of the job.
//!
//! A workbook cannot be continued inside a file. It is made on a scratch file, which is uploaded when it is complete; the
//! checkpoint stands before its first row until its last part is stored, and whoever takes over makes that workbook again.
//!
//! A worker holds a lease that every checkpoint prolongs and is conditional on. One that lost it, or whose job was
//! cancelled, finds out at the next checkpoint, takes back what it had under way and stops. Objects are written under
//! the condition that there is none: neither a late worker nor a second one can change a finished file.

use sha2::{
    Digest as _, Sha256,
    digest::common::hazmat::{SerializableState as _, SerializedState},
};
use std::{
    collections::VecDeque,
    io::{Read as _, Seek as _},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    job::{Checkpoint, File, FileInProgress, Format, Job, MANIFEST, Standing, State},
    pack::{BLOCK_BYTES, Packed, Packing},
    profile::{self, Encoder, Lines, SubscriptionsUrl, Workbook, WorkbookLimits},
    sink::{Files, Written},
};
use crate::{
    activity::{Activity, PartnerId, hex},
    control::{Control, Lease},
    ledger::{Chunk, Ledger, Position},
    period::{Instant, seconds_between},
    storage::Error,
};

/// How long a worker holds a job without a sign of life, in seconds: longer than the longest part takes.
pub const LEASE_SECONDS: i64 = 300;
/// After how many seconds without a checkpoint the lease is prolonged all the same.
const PROLONG_SECONDS: i64 = LEASE_SECONDS / 5;
/// How large a part is at least; S3 wants 5 MiB, and at most 10,000 of them.
const PART_BYTES: usize = 8 * 1_024 * 1_024;
/// How many parts are on their way while the next is filled.
const UPLOADS: usize = 2;

/// The most parts of a file: 8 GiB. All of them stand in each checkpoint, and S3 takes no more than 10,000.
const MAX_PARTS: usize = 1_024;

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

/// The end of a run that is no fault.
enum Stop {
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
        let now = (run.clock)();
        let (job, standing) =
            match self.control.take_job(partner, id, run.name, now, now.plus_seconds(LEASE_SECONDS)).await? {
                Lease::Taken(taken) => *taken,
                Lease::Nothing => return Ok(Outcome::Done),
                Lease::Busy => return Ok(Outcome::Busy),
            };
        match self.make(partner, &job, standing, run).await {
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
                        error = crate::storage::causes(&second),
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
    async fn make(&self, partner: &PartnerId, job: &Job, standing: Standing, run: &Run<'_>) -> Result<(), Stop> {
        let files = self.make_files(partner, job, standing, run).await?;
        self.put_manifest(partner, job, &files).await?;
        if !self.control.finish_job(partner, job, run.name, &files).await? {
            self.clear_away(partner, job, Checkpoint { files, ..Checkpoint::default() }).await?;
        }
        Ok(())
    }

    async fn make_files(
        &self,
        partner: &PartnerId,
        job: &Job,
        standing: Standing,
        run: &Run<'_>,
    ) -> Result<Vec<File>, Stop> {
        let checkpoint = standing.checkpoint.unwrap_or_default();
        let selection = job.selection().map_err(|error| Error::broken("reading an export", error))?;
        let mut making = Making {
            worker: self,
            partner,
            job,
            run,
            encoder: Encoder::new(job.request.output, job.request.time_zone),
            hash: restore(&checkpoint.file.hash)?,
            packing: Packing::new(job.request.output.compression, checkpoint.file.packed),
            book: None,
            content: Vec::new(),
            buffer: Vec::with_capacity(self.limits.part_bytes + self.limits.part_bytes / 4),
            rows: checkpoint.file.rows,
            place: Place { position: checkpoint.position.clone(), lines: checkpoint.lines },
            uploads: VecDeque::new(),
            kept_at: (run.clock)(),
            file_begun_at: (run.clock)(),
            files_before: checkpoint.files.len(),
            checkpoint,
        };
        if making.checkpoint.file.complete {
            making.complete_file().await?;
            if making.checkpoint.is_at_start() {
                return Ok(making.checkpoint.files);
            }
        }
        let after = making.checkpoint.after();
        let mut reader = self.ledger.read(partner, &selection, job.request.output.needs_details(), after).await?;
        let (sender, mut rows) = mpsc::channel::<Result<Chunk, Error>>(1);
        let reading = tokio::spawn(async move {
            loop {
                let next = reader.next().await.transpose();
                let Some(next) = next else { return };
                let failed = next.is_err();
                // A closed channel means that the writer stopped.
                if sender.send(next).await.is_err() || failed {
                    return;
                }
            }
        });
        let written = making.write(&mut rows).await;
        reading.abort();
        for upload in making.uploads.drain(..) {
            // Nothing of this run is left under way when another takes over; how it ends changes nothing.
            upload.sending.await.ok();
        }
        if let Err(Stop::Lost) = &written {
            self.clear_away(partner, job, making.checkpoint.clone()).await?;
        }
        written?;
        Ok(making.checkpoint.files)
    }

    /// Says what the files are, in a file beside them. Written once: it is the same whoever writes it.
    async fn put_manifest(&self, partner: &PartnerId, job: &Job, files: &[File]) -> Result<(), Error> {
        if !job.manifest {
            return Ok(());
        }
        let body = job.manifest(partner, files).map_err(|error| Error::broken("writing a manifest", error))?;
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
            let standing = Standing { checkpoint: Some(checkpoint), ..Standing::new() };
            self.take_back(partner, job, &standing).await?;
        }
        Ok(())
    }

    async fn take_back(&self, partner: &PartnerId, job: &Job, standing: &Standing) -> Result<(), Error> {
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

/// A part on its way, and where the export stands once it has arrived.
struct Upload {
    sending: JoinHandle<Result<String, Error>>,
    bytes: u64,
    rows: u64,
    hash: String,
    packed: Packed,
    place: Place,
}

/// How far the rows are: behind the last activity written whole, and so many lines of the next.
#[derive(Clone, Debug, Default)]
struct Place {
    position: Option<String>,
    lines: usize,
}

struct Making<'a> {
    worker: &'a Worker,
    partner: &'a PartnerId,
    job: &'a Job,
    run: &'a Run<'a>,
    encoder: Encoder,
    /// What is stored and noted.
    checkpoint: Checkpoint,
    /// Over all bytes of the current file that have left the buffer.
    hash: Sha256,
    packing: Packing,
    /// The current workbook, where the format is one.
    book: Option<Workbook>,
    /// Rows of the current file that are not yet packed.
    content: Vec<u8>,
    /// Bytes of the current file that are not yet a part.
    buffer: Vec<u8>,
    /// Rows of the current file, those in the buffer included.
    rows: u64,
    /// Behind the last row encoded.
    place: Place,
    /// Parts on their way, in their order.
    uploads: VecDeque<Upload>,
    /// When the lease was prolonged.
    kept_at: Instant,
    /// When the current file was begun in this run.
    file_begun_at: Instant,
    /// How many files were finished before this run.
    files_before: usize,
}

impl Making<'_> {
    async fn write(&mut self, rows: &mut mpsc::Receiver<Result<Chunk, Error>>) -> Result<(), Stop> {
        self.start_file()?;
        let output = self.job.request.output;
        while let Some(chunk) = rows.recv().await {
            for activity in chunk?.activities() {
                let lines = Lines::of(&activity, output);
                for number in self.place.lines..lines.rows() {
                    if self.is_full() {
                        self.end_file(true).await?;
                        self.check_time_for_a_workbook()?;
                        self.start_file()?;
                    }
                    self.row(&activity, &lines, number)?;
                    // A part ends where nothing waits to be packed.
                    if self.content.is_empty() && self.buffer.len() >= self.worker.limits.part_bytes {
                        self.send_part().await?;
                    }
                }
            }
            let now = (self.run.clock)();
            if now >= self.run.stop_at {
                self.note_parts().await?;
                if self.book.is_some() && self.checkpoint.files.len() == self.files_before {
                    // Going on would go on for ever: the next run has no more time than this one.
                    return Err(Error::broken("making a workbook", "it takes longer than a run").into());
                }
                return Err(Stop::Time);
            }
            if now >= self.kept_at.plus_seconds(PROLONG_SECONDS) {
                self.keep().await?;
            }
        }
        self.end_file(false).await
    }

    /// Stops where another workbook would take as long as the one before and not be finished in time.
    fn check_time_for_a_workbook(&self) -> Result<(), Stop> {
        let now = (self.run.clock)();
        let another = now.plus_seconds(seconds_between(self.file_begun_at, now));
        let fits = self.job.request.output.format != Format::Xlsx || another < self.run.stop_at;
        if fits { Ok(()) } else { Err(Stop::Time) }
    }

    fn row<'a>(&mut self, activity: &'a Activity<&'a str>, lines: &Lines<'a>, number: usize) -> Result<(), Error> {
        let broken = |error| Error::broken("encoding an activity", error);
        match &mut self.book {
            Some(book) => {
                book.row(activity, lines, number).map_err(|error| Error::broken("writing a workbook", error))?
            }
            None => {
                self.encoder.row(&mut self.content, activity, lines, number).map_err(broken)?;
            }
        }
        self.rows += 1;
        self.place = if number + 1 == lines.rows() {
            Place { position: Some(Position::behind(activity).to_text()), lines: 0 }
        } else {
            Place { position: self.place.position.take(), lines: number + 1 }
        };
        if self.book.is_none() {
            self.pack()?;
        }
        Ok(())
    }

    fn pack(&mut self) -> Result<(), Error> {
        let taken = self.packing.take(&mut self.content, &mut self.buffer);
        taken.map_err(|error| Error::broken("compressing an export", error))
    }

    fn is_full(&self) -> bool {
        let limits = &self.worker.limits;
        let parts = self.checkpoint.file.parts.len() + self.uploads.len();
        self.book.as_ref().map_or(self.rows == limits.rows || parts >= limits.parts, Workbook::is_full)
    }

    fn start_file(&mut self) -> Result<(), Error> {
        if !self.checkpoint.file.parts.is_empty() {
            return Ok(());
        }
        self.file_begun_at = (self.run.clock)();
        self.packing = Packing::new(self.job.request.output.compression, Packed::default());
        self.packing.start(&mut self.buffer);
        let request = &self.job.request;
        if request.output.format == Format::Xlsx {
            let (subscriptions, limits) = (&self.worker.subscriptions, self.worker.limits.workbook);
            let book = Workbook::new(request.output, request.time_zone, request.to, subscriptions, limits);
            self.book = Some(book.map_err(|error| Error::broken("beginning a workbook", error))?);
        } else {
            self.encoder.start(&mut self.content);
            self.pack()?;
        }
        Ok(())
    }

    /// Completes the workbook on a scratch file and moves that into the buffer, sending parts.
    async fn pour(&mut self, book: Workbook) -> Result<(), Stop> {
        self.keep().await?;
        let broken = |error: std::io::Error| Error::broken("reading a workbook", error);
        // Compressing takes seconds: what else the process has to do goes on meanwhile.
        let saved =
            tokio::task::spawn_blocking(move || -> Result<std::fs::File, Box<dyn std::error::Error + Send + Sync>> {
                let mut scratch = tempfile::tempfile()?;
                book.save(&mut scratch)?;
                scratch.rewind()?;
                Ok(scratch)
            });
        let saved = saved.await.map_err(|error| Error::broken("saving a workbook", error))?;
        let mut scratch = saved.map_err(|error| Error::broken("saving a workbook", error))?;
        loop {
            let read = (&mut scratch).take(BLOCK_BYTES as u64).read_to_end(&mut self.content).map_err(broken)?;
            if read == 0 {
                return Ok(());
            }
            self.pack()?;
            if self.content.is_empty() && self.buffer.len() >= self.worker.limits.part_bytes {
                self.send_part().await?;
            }
        }
    }

    fn key(&self) -> String {
        let name = self.job.file_name(self.partner, self.checkpoint.files.len());
        self.job.object_key(self.partner, &name)
    }

    fn media_type(&self) -> &'static str {
        self.job.request.output.media_type()
    }

    /// Sends what is in the buffer as the next part, once few are on their way.
    async fn send_part(&mut self) -> Result<(), Stop> {
        while self.uploads.len() >= UPLOADS {
            self.note_part().await?;
        }
        let key = self.key();
        let upload = match &self.checkpoint.file.upload {
            Some(upload) => upload.clone(),
            None => {
                let upload = self.worker.files.begin(&key, self.media_type()).await?;
                // Noted at once: an upload that nobody knows of could not be taken back.
                self.checkpoint.file.upload = Some(upload.clone());
                self.keep().await?;
                upload
            }
        };
        let body = std::mem::replace(
            &mut self.buffer,
            Vec::with_capacity(self.worker.limits.part_bytes + self.worker.limits.part_bytes / 4),
        );
        self.hash.update(&body);
        let number = self.checkpoint.file.parts.len() + self.uploads.len() + 1;
        let bytes = body.len() as u64;
        let files = self.worker.files.clone();
        self.uploads.push_back(Upload {
            sending: tokio::spawn(async move { files.part(&key, &upload, number, body).await }),
            bytes,
            rows: self.rows,
            hash: hex(&self.hash.serialize()),
            packed: self.packing.packed(),
            place: self.place.clone(),
        });
        Ok(())
    }

    /// Waits for all parts on their way and moves the checkpoint behind them.
    async fn note_parts(&mut self) -> Result<(), Stop> {
        while !self.uploads.is_empty() {
            self.note_part().await?;
        }
        Ok(())
    }

    /// Waits for the first part on its way and moves the checkpoint behind it.
    async fn note_part(&mut self) -> Result<(), Stop> {
        // Of a workbook, parts are nothing to go on from: they are noted with the last one.
        let noted = self.take_in_part().await? && self.job.request.output.format != Format::Xlsx;
        if noted { self.keep().await } else { Ok(()) }
    }

    /// Waits for the first part on its way, if there is one, and says so; what is noted does not change.
    async fn take_in_part(&mut self) -> Result<bool, Stop> {
        let Some(upload) = self.uploads.pop_front() else { return Ok(false) };
        let tag = upload.sending.await.map_err(|error| Error::broken("UploadPart of an export", error))??;
        let file = &mut self.checkpoint.file;
        file.parts.push(tag);
        file.bytes += upload.bytes;
        file.rows = upload.rows;
        file.hash = upload.hash;
        file.packed = upload.packed;
        self.stand_at(upload.place);
        Ok(true)
    }

    fn stand_at(&mut self, place: Place) {
        self.checkpoint.position = place.position;
        self.checkpoint.lines = place.lines;
    }

    /// Ends the current file: whole where it has no parts yet, else with its last part. `more` files follow it.
    async fn end_file(&mut self, more: bool) -> Result<(), Stop> {
        self.note_parts().await?;
        if let Some(book) = self.book.take() {
            self.pour(book).await?;
        }
        self.packing
            .finish(&mut self.content, &mut self.buffer)
            .map_err(|error| Error::broken("compressing an export", error))?;
        if self.checkpoint.file.upload.is_none() {
            self.hash.update(&self.buffer);
            let body = std::mem::take(&mut self.buffer);
            let name = self.job.file_name(self.partner, self.checkpoint.files.len());
            let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
            let mut file = File { name, rows: self.rows, bytes: body.len() as u64, sha256 };
            let key = self.key();
            if self.worker.files.put(&key, self.media_type(), &file, body).await? == Written::Before {
                // A worker before us wrote it and died before it could say so.
                file = self
                    .worker
                    .files
                    .stored(&key)
                    .await?
                    .ok_or_else(|| Error::broken("HeadObject of an export", "it is gone"))?;
            }
            self.checkpoint.files.push(file);
        } else {
            if !self.buffer.is_empty() {
                self.send_part().await?;
            }
            // The last part is noted as such: behind it, whoever takes over would end the file once more.
            while self.take_in_part().await? {}
            self.checkpoint.file.complete = true;
            if !more {
                self.stand_at(Place::default());
            }
            self.keep().await?;
            self.complete_file().await?;
        }
        self.checkpoint.file = FileInProgress::default();
        self.rows = 0;
        self.hash = Sha256::new();
        if more {
            self.stand_at(self.place.clone());
            self.keep().await?;
        }
        Ok(())
    }

    /// Makes the object of the parts noted; the checkpoint says that only this is left, so that it may be done again.
    async fn complete_file(&mut self) -> Result<(), Stop> {
        let key = self.key();
        let file = std::mem::take(&mut self.checkpoint.file);
        let upload = file.upload.unwrap_or_default();
        self.worker.files.complete(&key, &upload, &file.parts, file.bytes).await?;
        self.checkpoint.files.push(File {
            name: self.job.file_name(self.partner, self.checkpoint.files.len()),
            rows: file.rows,
            bytes: file.bytes,
            sha256: hex(&restore(&file.hash)?.finalize()),
        });
        self.rows = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Notes the checkpoint and prolongs the lease.
    async fn keep(&mut self) -> Result<(), Stop> {
        self.kept_at = (self.run.clock)();
        let until = self.kept_at.plus_seconds(LEASE_SECONDS);
        let kept = self.worker.control.keep_job(self.partner, self.job, self.run.name, &self.checkpoint, until).await?;
        if kept { Ok(()) } else { Err(Stop::Lost) }
    }
}

/// A running hash from its saved state; a new one from none.
fn restore(saved: &str) -> Result<Sha256, Error> {
    if saved.is_empty() {
        return Ok(Sha256::new());
    }
    let unreadable = || Error::broken("reading a checkpoint", "the state of the hash is not readable");
    let mut state = SerializedState::<Sha256>::default();
    if saved.len() != state.len() * 2 || !saved.is_ascii() {
        return Err(unreadable());
    }
    for (index, byte) in state.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&saved[index * 2..index * 2 + 2], 16).map_err(|_| unreadable())?;
    }
    Sha256::deserialize(&state).map_err(|_| unreadable())
}
