//! The writer of an export's files: rows and copied months become parts, parts become files, the checkpoint follows.
//!
//! ```text
//! rows → encoder → content → gzip → buffer → parts → file
//!        └──────▶ workbook ─┘                  └──▶ checkpoint
//! ```
//!
//! While one part is filled, two more upload, so memory holds three parts whatever the size of the export. A part ends at
//! the end of a row. When S3 has stored a part, the checkpoint of the job moves behind the part's last row. A worker that
//! takes over reads on from there, repeats at most the rows of the parts without a checkpoint, and writes the same bytes,
//! because the rows and their encoding are functions of the job.
//!
//! A run without more time saves the bytes that are encoded and not sent as an object, the unsent tail, so that the next run
//! repeats nothing: a filter that matches little may need several runs for one part.
//!
//! A workbook cannot continue in another process. The writer completes a workbook on a scratch file and then uploads it. The
//! checkpoint stays before the first row until the last part is stored, and a worker that takes over starts the workbook
//! again.

use std::{io::Read as _, ops::Range, time::Duration};

use domain::{
    activity::{Activity, PartnerId},
    job::{Checkpoint, Compression, File, FileInProgress, Format, GzipState, Job, Progress, Segment, UnsentTail},
    query::Position,
    text::hex,
    time::{Instant, seconds_between},
};
use sha2::{Digest as _, Sha256};
use store::{control::Control, error::Error, ledger::Chunk};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, yield_now},
    time::timeout,
};

use crate::{
    encoder::{Encoder, encoding_error},
    files::{Files, Written},
    gzip::{BLOCK_BYTES, GzipWriter, compression_error},
    lines::OrderLines,
    parts::{Part, PartQueue, digest_of_state, empty_part},
    position::WritePosition,
    run::{Limits, Stop, WorkerRun},
    xlsx::{SubscriptionsUrl, Workbook},
};

/// The number of parts that upload while the next is filled.
const UPLOADS: usize = 2;
/// The bytes of a segment that one request copies. S3 allows 5 GiB.
const COPY_BYTES: u64 = 64 * 1_024 * 1_024;
/// The time between two reports of progress, which also extend the lease.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The surroundings of an export writer: the export, the run, and the stores.
#[derive(Clone, Copy)]
pub(crate) struct WriterContext<'a> {
    pub(crate) partner: &'a PartnerId,
    pub(crate) job: &'a Job,
    pub(crate) run: &'a WorkerRun<'a>,
    pub(crate) control: &'a Control,
    pub(crate) files: &'a Files,
    pub(crate) limits: &'a Limits,
    pub(crate) subscriptions: &'a SubscriptionsUrl,
}

/// An export writer writes the files of an export for a worker that holds the lease of the job.
pub(crate) struct ExportWriter<'a> {
    context: WriterContext<'a>,
    /// The checkpoint: everything that is stored.
    checkpoint: Checkpoint,
    /// Whether the current file has its start.
    is_started: bool,
    /// The encoder of text formats.
    encoder: Option<Encoder>,
    /// The current workbook, if the format is XLSX.
    workbook: Option<Workbook>,
    gzip: Option<GzipWriter>,
    /// Rows of the current file that are not yet compressed.
    content: Vec<u8>,
    /// Bytes of the current file that are not yet a part.
    buffer: Vec<u8>,
    /// The number of rows of the current file, with those in `content` and `buffer`.
    rows: u64,
    /// The position behind the last encoded row.
    position: WritePosition,
    parts: PartQueue,
    /// The instant of the last report of progress.
    reported_at: Instant,
    /// The instant at which this run last hid the message of the job.
    hidden_at: Option<Instant>,
    /// The instant at which this run started the current file.
    file_started_at: Instant,
    /// The number of files that earlier runs finished.
    files_of_earlier_runs: usize,
    is_done: bool,
}

impl<'a> ExportWriter<'a> {
    /// Continues an export from a checkpoint.
    pub(crate) async fn resume(context: WriterContext<'a>, checkpoint: Checkpoint) -> Result<Self, Stop> {
        let (now, request, file) = (context.run.now(), &context.job.request, &checkpoint.file);
        let mut writer = Self {
            context,
            is_started: !file.parts.is_empty(),
            encoder: Encoder::new(request.output, request.time_zone),
            workbook: None,
            gzip: (request.output.compression == Compression::Gzip).then(|| GzipWriter::new(file.gzip)),
            content: Vec::new(),
            buffer: empty_part(context.limits),
            rows: file.rows,
            position: WritePosition::load(&checkpoint),
            parts: PartQueue::resume(&file.hash)?,
            reported_at: now,
            hidden_at: None,
            file_started_at: now,
            files_of_earlier_runs: checkpoint.files.len(),
            is_done: checkpoint.ended,
            checkpoint,
        };
        if writer.checkpoint.file.complete {
            writer.complete_file().await?;
            writer.checkpoint.tail = None;
            writer.is_done = writer.checkpoint.is_at_start();
        } else if let Some(tail) = writer.checkpoint.tail.clone() {
            writer.restore_tail(&tail).await?;
        }
        Ok(writer)
    }

    /// Returns whether all files are finished.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns the position from which to read on.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position.activity.clone()
    }

    /// Moves behind `position`, to which everything is written or nothing matched.
    pub(crate) fn move_behind(&mut self, position: &Position) {
        self.position = WritePosition::behind(position.clone());
    }

    /// Returns whether a part of the next segment is written.
    pub(crate) fn is_inside_segment(&self) -> bool {
        self.position.segment_bytes > 0
    }

    /// Waits until no request of this run is on its way, so that another worker can take over; returns the checkpoint.
    pub(crate) async fn settle(self) -> Checkpoint {
        self.parts.settle().await;
        self.checkpoint
    }

    /// Writes rows until the channel ends.
    pub(crate) async fn write_rows(&mut self, rows: &mut mpsc::Receiver<Result<Chunk, Error>>) -> Result<(), Stop> {
        let output = self.context.job.request.output;
        while let Some(chunk) = self.wait_for_rows(rows).await? {
            for activity in chunk.activities() {
                let lines = OrderLines::parse(&activity, output);
                for number in self.position.lines..lines.rows() {
                    if self.is_full() {
                        self.end_file(true).await?;
                        self.check_time_for_workbook()?;
                        self.start_file()?;
                    }
                    self.write_row(&activity, &lines, number)?;
                    // A part ends only where all content is compressed, so that the next run needs no content.
                    if self.content.is_empty() && self.buffer.len() >= self.context.limits.part_bytes {
                        self.send_part().await?;
                    }
                }
            }
            if let Some(reached) = chunk.reached() {
                // The next run need not read again the activities that the filter left out.
                self.move_behind(&reached);
            }
            self.check_time().await?;
        }
        Ok(())
    }

    /// Waits for the next rows and reports progress meanwhile, because few rows among many take long to find.
    async fn wait_for_rows(&mut self, rows: &mut mpsc::Receiver<Result<Chunk, Error>>) -> Result<Option<Chunk>, Stop> {
        loop {
            match timeout(REPORT_INTERVAL, rows.recv()).await {
                Ok(chunk) => {
                    // Encoding takes a while, so the requests of other tasks go out first.
                    yield_now().await;
                    return Ok(chunk.transpose()?);
                }
                Err(_) => self.check_time().await?,
            }
        }
    }

    /// Reports progress if the last report is old, and stops if the time of the run is over.
    async fn check_time(&mut self) -> Result<(), Stop> {
        let now = self.context.run.now();
        if now >= self.context.run.stop_at {
            self.stop().await?;
            return Err(Stop::Time);
        }
        if now >= self.reported_at.plus_seconds(REPORT_INTERVAL.as_secs().cast_signed()) {
            self.report_progress(false).await?;
        }
        Ok(())
    }

    /// Stores everything that another run needs to continue.
    async fn stop(&mut self) -> Result<(), Stop> {
        self.checkpoint_parts().await?;
        if self.workbook.is_none() {
            return self.save_tail().await;
        }
        if self.checkpoint.files.len() == self.files_of_earlier_runs {
            // The next run has no more time than this one, so the export would never end.
            return Err(Error::permanent("writing a workbook", "it takes longer than a run").into());
        }
        Ok(())
    }

    /// Stores the bytes that are encoded and not sent.
    async fn save_tail(&mut self) -> Result<(), Stop> {
        let tail = loop {
            self.checkpoint.tails += 1;
            let number = self.checkpoint.tails;
            let body = [&*self.buffer, &*self.content].concat();
            let file = File {
                name: UnsentTail::name(number),
                rows: self.rows,
                bytes: body.len() as u64,
                sha256: hex(&Sha256::digest(&body)),
            };
            let key = self.context.job.object_key(self.context.partner, &file.name);
            // A worker that died, or that has lost the job, may have stored a tail of this number: try the next.
            if self.context.files.put(&key, "application/octet-stream", &file, body).await? == Written::Now {
                break UnsentTail {
                    number,
                    packed_bytes: self.buffer.len() as u64,
                    content_bytes: self.content.len() as u64,
                    rows: self.rows,
                    gzip: self.gzip_state(),
                };
            }
        };
        self.checkpoint.tail = Some(tail);
        self.position.store(&mut self.checkpoint);
        self.report_progress(true).await
    }

    /// Reads the bytes that an earlier run encoded and did not send.
    async fn restore_tail(&mut self, tail: &UnsentTail) -> Result<(), Stop> {
        let key = self.context.job.object_key(self.context.partner, &UnsentTail::name(tail.number));
        let bytes = tail.packed_bytes + tail.content_bytes;
        let mut body = Vec::new();
        if bytes > 0 {
            self.context.files.read(&key, 0..bytes, |piece| body.extend_from_slice(piece)).await?;
        }
        self.content = body.split_off(usize::try_from(tail.packed_bytes).unwrap_or(usize::MAX).min(body.len()));
        self.buffer.append(&mut body);
        self.gzip = self.gzip.is_some().then(|| GzipWriter::new(tail.gzip));
        self.rows = tail.rows;
        self.is_started = true;
        Ok(())
    }

    /// Returns whether a segment fits into the current file.
    pub(crate) fn has_room_for(&self, segment: &Segment) -> bool {
        let limits = &self.context.limits;
        let parts = usize::try_from(segment.bytes / COPY_BYTES).unwrap_or(usize::MAX).saturating_add(4);
        self.rows + segment.rows <= limits.rows && self.part_count().saturating_add(parts) <= limits.parts
    }

    /// Copies a segment into the current file: S3 copies whole parts, and the buffer takes the bytes at both ends.
    ///
    /// The writer reads all bytes of the segment, because the digest of the file needs them.
    pub(crate) async fn copy_segment(&mut self, segment: &Segment) -> Result<(), Stop> {
        let mut header = Vec::new();
        if let Some(encoder) = &mut self.encoder {
            encoder.start_file(&mut header).map_err(encoding_error)?;
        }
        let (start, part_bytes) = (header.len() as u64, self.context.limits.part_bytes as u64);
        loop {
            let at = start + self.position.segment_bytes;
            let (left, filled) = (segment.bytes.saturating_sub(at), self.buffer.len() as u64);
            if left == 0 {
                break;
            }
            if filled >= part_bytes {
                self.send_part().await?;
            } else if filled == 0 && left >= part_bytes {
                // The bytes behind a copy must be enough for a part, or none.
                let bytes = if left < COPY_BYTES + part_bytes { left } else { COPY_BYTES };
                self.copy_part(segment, at..at + bytes).await?;
            } else {
                let bytes = left.min(part_bytes - filled);
                let buffer = &mut self.buffer;
                let receive = |piece: &[u8]| buffer.extend_from_slice(piece);
                self.context.files.read(&segment.key, at..at + bytes, receive).await?;
                self.position.segment_bytes += bytes;
            }
            self.check_time().await?;
        }
        self.rows += segment.rows;
        self.move_behind(&Position::below(segment.from));
        Ok(())
    }

    async fn copy_part(&mut self, segment: &Segment, bytes: Range<u64>) -> Result<(), Stop> {
        let (key, upload, number) = self.next_part().await?;
        let (files, source, range) = (self.context.files.clone(), segment.key.clone(), bytes.clone());
        let copying = tokio::spawn(async move { files.copy_part(&key, &upload, number, &source, range).await });
        let parts = &mut self.parts;
        let read = self.context.files.read(&segment.key, bytes.clone(), |piece| parts.update_digest(piece)).await;
        let length = bytes.end - bytes.start;
        self.position.segment_bytes += length;
        self.push_part(copying, length);
        Ok(read?)
    }

    /// Stops if another workbook of the same duration as the last would not be finished in time.
    fn check_time_for_workbook(&self) -> Result<(), Stop> {
        let now = self.context.run.now();
        let next_end = now.plus_seconds(seconds_between(self.file_started_at, now));
        if self.is_workbook() && next_end >= self.context.run.stop_at { Err(Stop::Time) } else { Ok(()) }
    }

    fn write_row<'b>(
        &mut self,
        activity: &'b Activity<&'b str>,
        lines: &OrderLines<'b>,
        number: usize,
    ) -> Result<(), Error> {
        if let Some(workbook) = &mut self.workbook {
            let written = workbook.write_row(activity, lines, number);
            written.map_err(|error| Error::permanent("writing a workbook", error))?;
        } else if let Some(encoder) = &mut self.encoder {
            encoder.write_row(&mut self.content, activity, lines, number).map_err(encoding_error)?;
            self.compress()?;
        }
        self.rows += 1;
        self.position.advance(activity, number, lines.rows());
        Ok(())
    }

    /// Moves content to the buffer: all of it without compression, else a block once there is enough for one.
    fn compress(&mut self) -> Result<(), Error> {
        match &mut self.gzip {
            None => self.buffer.append(&mut self.content),
            Some(gzip) => gzip.write_full_block(&mut self.content, &mut self.buffer).map_err(compression_error)?,
        }
        Ok(())
    }

    fn gzip_state(&self) -> GzipState {
        self.gzip.as_ref().map_or_else(GzipState::default, GzipWriter::state)
    }

    fn is_workbook(&self) -> bool {
        self.context.job.request.output.format == Format::Xlsx
    }

    fn is_full(&self) -> bool {
        let limits = &self.context.limits;
        match &self.workbook {
            Some(workbook) => workbook.is_full(),
            None => self.rows == limits.rows || self.part_count() >= limits.parts,
        }
    }

    /// Returns the number of parts of the current file, with those on their way.
    fn part_count(&self) -> usize {
        self.checkpoint.file.parts.len() + self.parts.len()
    }

    /// Writes the start of a file, unless the file has one.
    pub(crate) fn start_file(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_started, true) {
            return Ok(());
        }
        self.file_started_at = self.context.run.now();
        if self.gzip.is_some() {
            self.gzip = Some(GzipWriter::new(GzipState::default()));
            GzipWriter::start_file(&mut self.buffer);
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.start_file(&mut self.content).map_err(encoding_error)?;
            self.compress()
        } else {
            let WriterContext { partner, job, subscriptions, limits, .. } = self.context;
            let through = job.complete_through();
            let workbook = Workbook::new(partner, &job.request, through, subscriptions, limits.workbook);
            self.workbook = Some(workbook.map_err(|error| Error::permanent("starting a workbook", error))?);
            Ok(())
        }
    }

    /// Completes a workbook on a scratch file and sends that file in parts.
    async fn upload_workbook(&mut self, workbook: Workbook) -> Result<(), Stop> {
        self.report_progress(true).await?;
        let mut scratch =
            workbook.save_to_scratch().await.map_err(|error| Error::permanent("saving a workbook", error))?;
        loop {
            let read = (&mut scratch).take(BLOCK_BYTES as u64).read_to_end(&mut self.content);
            if read.map_err(|error| Error::permanent("reading a workbook", error))? == 0 {
                return Ok(());
            }
            self.compress()?;
            if self.content.is_empty() && self.buffer.len() >= self.context.limits.part_bytes {
                self.send_part().await?;
            }
        }
    }

    fn file_name(&self) -> String {
        self.context.job.file_name(self.context.partner, self.checkpoint.files.len())
    }

    fn key(&self) -> String {
        self.context.job.object_key(self.context.partner, &self.file_name())
    }

    fn media_type(&self) -> &'static str {
        self.context.job.request.output.media_type()
    }

    /// Sends the buffer as the next part.
    async fn send_part(&mut self) -> Result<(), Stop> {
        let (key, upload, number) = self.next_part().await?;
        let body = std::mem::replace(&mut self.buffer, empty_part(self.context.limits));
        self.parts.update_digest(&body);
        let (bytes, files) = (body.len() as u64, self.context.files.clone());
        let sending = tokio::spawn(async move { files.upload_part(&key, &upload, number, body).await });
        self.push_part(sending, bytes);
        Ok(())
    }

    /// Waits until few parts are on their way; returns the key, the upload and the number of the next part.
    async fn next_part(&mut self) -> Result<(String, String, usize), Stop> {
        while self.parts.len() >= UPLOADS {
            self.checkpoint_part().await?;
        }
        let key = self.key();
        let upload = match &self.checkpoint.file.upload {
            Some(upload) => upload.clone(),
            None => {
                let upload = self.context.files.start_upload(&key, self.media_type()).await?;
                // Stored at once, because nobody could abort an upload that no checkpoint names.
                self.checkpoint.file.upload = Some(upload.clone());
                self.report_progress(true).await?;
                upload
            }
        };
        Ok((key, upload, self.part_count() + 1))
    }

    fn push_part(&mut self, task: JoinHandle<Result<String, Error>>, bytes: u64) {
        let part = Part { bytes, rows: self.rows, gzip: self.gzip_state(), position: self.position.clone() };
        self.parts.push(task, part);
    }

    /// Waits for all parts on their way and stores the checkpoint behind them.
    async fn checkpoint_parts(&mut self) -> Result<(), Stop> {
        while self.parts.len() > 0 {
            self.checkpoint_part().await?;
        }
        Ok(())
    }

    /// Waits for the first part on its way and stores the checkpoint behind the part.
    async fn checkpoint_part(&mut self) -> Result<(), Stop> {
        // No run can continue behind a part of a workbook, so these are stored with the last part.
        if self.add_stored_part().await? && !self.is_workbook() { self.report_progress(true).await } else { Ok(()) }
    }

    /// Waits for the first part on its way, if there is one, and adds it to the checkpoint, which is not stored yet.
    async fn add_stored_part(&mut self) -> Result<bool, Stop> {
        let Some(stored) = self.parts.wait_for_first().await? else { return Ok(false) };
        let file = &mut self.checkpoint.file;
        file.parts.push(stored.tag);
        file.bytes += stored.part.bytes;
        file.rows = stored.part.rows;
        file.hash = stored.digest_state;
        file.gzip = stored.part.gzip;
        self.checkpoint.tail = None;
        stored.part.position.store(&mut self.checkpoint);
        Ok(true)
    }

    /// Ends the current file: in one request if it has no parts, else with its last part. With `more`, a file follows.
    pub(crate) async fn end_file(&mut self, more: bool) -> Result<(), Stop> {
        self.checkpoint_parts().await?;
        if let Some(workbook) = self.workbook.take() {
            self.upload_workbook(workbook).await?;
        }
        match &mut self.gzip {
            None => self.buffer.append(&mut self.content),
            Some(gzip) => gzip.end_file(&mut self.content, &mut self.buffer).map_err(compression_error)?,
        }
        if self.checkpoint.file.upload.is_none() {
            self.put_whole_file().await?;
        } else {
            if !self.buffer.is_empty() {
                self.send_part().await?;
            }
            // The checkpoint marks the last part as the last. Otherwise a worker that takes over would end the file twice.
            while self.add_stored_part().await? {}
            // The last part of a copied month was stored before the rows of the month were counted.
            self.checkpoint.file.rows = self.rows;
            self.checkpoint.file.complete = true;
            if !more {
                WritePosition::default().store(&mut self.checkpoint);
            }
            self.report_progress(true).await?;
            self.complete_file().await?;
        }
        self.checkpoint.file = FileInProgress::default();
        self.checkpoint.tail = None;
        self.is_started = false;
        self.rows = 0;
        self.parts = PartQueue::default();
        if more {
            self.position.store(&mut self.checkpoint);
            self.report_progress(true).await?;
        } else if self.checkpoint.tails > 0 {
            // The worker removes the tails next, so no worker that takes over may look for one.
            self.checkpoint.ended = true;
            self.report_progress(true).await?;
        }
        Ok(())
    }

    /// Writes the buffer as a whole file.
    async fn put_whole_file(&mut self) -> Result<(), Stop> {
        self.parts.update_digest(&self.buffer);
        let body = std::mem::take(&mut self.buffer);
        let (key, sha256) = (self.key(), self.parts.finish_digest());
        let mut file = File { name: self.file_name(), rows: self.rows, bytes: body.len() as u64, sha256 };
        if self.context.files.put(&key, self.media_type(), &file, body).await? == Written::Before {
            // An earlier worker wrote the file and died before it stored the checkpoint.
            let found = self.context.files.find(&key).await?;
            file = found.ok_or_else(|| Error::permanent("HeadObject of an export", "the file is gone"))?;
        }
        self.checkpoint.files.push(file);
        Ok(())
    }

    /// Completes the upload of a file whose parts are all in the checkpoint. Repeating the completion is safe.
    async fn complete_file(&mut self) -> Result<(), Stop> {
        let key = self.key();
        let file = std::mem::take(&mut self.checkpoint.file);
        let upload = file.upload.unwrap_or_default();
        self.context.files.complete_upload(&key, &upload, &file.parts, file.bytes).await?;
        let (name, sha256) = (self.file_name(), digest_of_state(&file.hash)?);
        self.checkpoint.files.push(File { name, rows: file.rows, bytes: file.bytes, sha256 });
        self.is_started = false;
        self.rows = 0;
        self.parts = PartQueue::default();
        Ok(())
    }

    /// Stores the progress, and the checkpoint if it has moved, and extends the lease.
    async fn report_progress(&mut self, has_moved: bool) -> Result<(), Stop> {
        let WriterContext { partner, job, run, control, .. } = self.context;
        self.reported_at = run.now();
        let until = self.reported_at.plus_seconds(self.context.limits.lease_seconds);
        let (checkpoint, progress) = (has_moved.then_some(&self.checkpoint), self.progress());
        if !control.keep_job(partner, job, run.name, checkpoint, &progress, until).await? {
            return Err(Stop::Lost);
        }
        self.hide_message().await;
        Ok(())
    }

    /// Keeps the message of the job invisible a little longer than the lease that was just extended.
    async fn hide_message(&mut self) {
        let WriterContext { run, limits, .. } = self.context;
        let is_hidden = |at: Instant| self.reported_at < at.plus_seconds(limits.seconds_between_hiding());
        let Some(message) = run.message.filter(|_| !self.hidden_at.is_some_and(is_hidden)) else { return };
        self.hidden_at = Some(self.reported_at);
        message.hide_for(limits.message_hidden_for()).await;
    }

    fn progress(&self) -> Progress {
        let Checkpoint { files, file, .. } = &self.checkpoint;
        let unsent = self.parts.bytes() + self.buffer.len() as u64;
        Progress {
            rows: files.iter().map(|file| file.rows).sum::<u64>() + self.rows,
            bytes: files.iter().map(|file| file.bytes).sum::<u64>() + file.bytes + unsent,
            fraction: self.position().map_or(0.0, |position| self.context.job.fraction_at(position.occurred_at())),
        }
    }
}
