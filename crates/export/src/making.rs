//! The writing of one export's files: rows and copied months become parts, parts become files, and each step is noted.

use std::{
    collections::VecDeque,
    io::{Read as _, Seek as _},
    ops::Range,
    time::Duration,
};

use sha2::{
    Digest as _, Sha256,
    digest::common::hazmat::{SerializableState as _, SerializedState},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, yield_now},
    time::timeout,
};

use super::{
    pack::{BLOCK_BYTES, Packing},
    profile::{Encoder, Lines, Workbook},
    sink::Written,
    worker::{LEASE_SECONDS, Run, Stop, Worker},
};
use domain::{
    activity::{Activity, PartnerId},
    job::{Checkpoint, File, FileInProgress, Format, GzipState, Job, Progress, Segment, UnsentTail},
    query::Position,
    text::hex,
    time::{Instant, seconds_between},
};
use store::{error::Error, ledger::Chunk};

/// How many parts are on their way while the next is filled.
const UPLOADS: usize = 2;
/// How many bytes of a segment one call copies; S3 allows 5 GiB.
const COPY_BYTES: u64 = 64 * 1_024 * 1_024;
/// How often it is said how far the export is, and the lease prolonged.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// A part on its way, and where the export stands once it has arrived.
struct Upload {
    sending: JoinHandle<Result<String, Error>>,
    bytes: u64,
    rows: u64,
    hash: String,
    packed: GzipState,
    place: Place,
}

/// How far the making is: behind the last activity written whole, and so many lines of the next, or so many bytes of the
/// segment that follows.
#[derive(Clone, Debug, Default)]
struct Place {
    position: Option<Position>,
    lines: usize,
    segment_bytes: u64,
}

impl Place {
    /// Behind a row of an activity.
    fn step(&mut self, activity: &Activity<&str>, row: usize, rows: usize) {
        if row + 1 < rows {
            self.lines = row + 1;
            return;
        }
        match &mut self.position {
            Some(position) => position.step_behind(activity),
            None => self.position = Some(Position::behind(activity)),
        }
        self.lines = 0;
    }
}

/// An export in the making, by a worker that holds its lease.
pub(super) struct Making<'a> {
    worker: &'a Worker,
    pub(super) partner: &'a PartnerId,
    pub(super) job: &'a Job,
    run: &'a Run<'a>,
    encoder: Encoder,
    /// What is stored and noted.
    checkpoint: Checkpoint,
    /// Whether the current file has its beginning.
    begun: bool,
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
    /// When it was last said how far the export is, and the lease prolonged.
    said_at: Instant,
    /// When the current file was begun in this run.
    file_begun_at: Instant,
    /// How many files were finished before this run.
    files_before: usize,
    is_done: bool,
}

impl<'a> Making<'a> {
    /// Goes on where a checkpoint stands.
    pub(super) async fn resume(
        worker: &'a Worker,
        partner: &'a PartnerId,
        job: &'a Job,
        run: &'a Run<'a>,
        checkpoint: Checkpoint,
    ) -> Result<Self, Stop> {
        let now = (run.clock)();
        let file = &checkpoint.file;
        let mut making = Self {
            worker,
            partner,
            job,
            run,
            encoder: Encoder::new(job.request.output, job.request.time_zone),
            begun: !file.parts.is_empty(),
            hash: restore(&file.hash)?,
            packing: Packing::new(job.request.output.compression, file.gzip),
            book: None,
            content: Vec::new(),
            buffer: Vec::with_capacity(worker.limits.part_bytes + worker.limits.part_bytes / 4),
            rows: file.rows,
            place: Place {
                position: checkpoint.position.as_deref().and_then(Position::parse),
                lines: checkpoint.lines,
                segment_bytes: checkpoint.segment_bytes,
            },
            uploads: VecDeque::new(),
            said_at: now,
            file_begun_at: now,
            files_before: checkpoint.files.len(),
            is_done: checkpoint.ended,
            checkpoint,
        };
        if making.checkpoint.file.complete {
            making.complete_file().await?;
            making.checkpoint.tail = None;
            making.is_done = making.checkpoint.is_at_start();
        } else if let Some(rest) = making.checkpoint.tail.clone() {
            making.take_up(&rest).await?;
        }
        Ok(making)
    }

    /// Whether nothing is left to write.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Where to read on.
    pub(super) fn position(&self) -> Option<Position> {
        self.place.position.clone()
    }

    /// Everything in front of a position is written, or there was nothing.
    pub(super) fn stand_behind(&mut self, position: &Position) {
        self.place = Place { position: Some(position.clone()), ..Place::default() };
    }

    /// Whether some of a segment is stored and the rest of it is next.
    pub(super) fn is_inside_a_segment(&self) -> bool {
        self.place.segment_bytes > 0
    }

    /// Waits until nothing of this run is under way, whatever comes of it, so that another may take over; what is noted.
    pub(super) async fn settle(self) -> Checkpoint {
        for upload in self.uploads {
            upload.sending.await.ok();
        }
        self.checkpoint
    }

    /// Writes rows until they end.
    pub(super) async fn write(&mut self, rows: &mut mpsc::Receiver<Result<Chunk, Error>>) -> Result<(), Stop> {
        let output = self.job.request.output;
        while let Some(chunk) = self.wait_for(rows).await? {
            for activity in chunk.activities() {
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
            if let Some(reached) = chunk.reached() {
                // What the filter left out need not be read again either.
                self.stand_behind(&reached);
            }
            self.check_time().await?;
        }
        Ok(())
    }

    /// The next rows. The wait for them may be long, where they are few among many.
    async fn wait_for(&mut self, rows: &mut mpsc::Receiver<Result<Chunk, Error>>) -> Result<Option<Chunk>, Stop> {
        loop {
            match timeout(SAY_EVERY, rows.recv()).await {
                Ok(chunk) => {
                    // What is to be asked for and to be sent goes out before the rows are encoded, which takes a while.
                    yield_now().await;
                    return Ok(chunk.transpose()?);
                }
                Err(_) => self.check_time().await?,
            }
        }
    }

    /// Says how far the export is, if it is time to; stops, if it is time for that.
    async fn check_time(&mut self) -> Result<(), Stop> {
        let now = (self.run.clock)();
        if now >= self.run.stop_at {
            self.stop().await?;
            return Err(Stop::Time);
        }
        if now >= self.said_at.plus_seconds(SAY_EVERY.as_secs().cast_signed()) {
            self.say(false).await?;
        }
        Ok(())
    }

    /// Leaves everything so that another run goes on from here.
    async fn stop(&mut self) -> Result<(), Stop> {
        self.note_parts().await?;
        if self.book.is_some() {
            if self.checkpoint.files.len() == self.files_before {
                // Going on would go on for ever: the next run has no more time than this one.
                return Err(Error::permanent("making a workbook", "it takes longer than a run").into());
            }
            return Ok(());
        }
        self.put_aside().await
    }

    /// Stores what is encoded and not sent.
    async fn put_aside(&mut self) -> Result<(), Stop> {
        let rest = loop {
            self.checkpoint.tails += 1;
            let number = self.checkpoint.tails;
            let body = [&*self.buffer, &*self.content].concat();
            let file = File {
                name: UnsentTail::name(number),
                rows: self.rows,
                bytes: body.len() as u64,
                sha256: hex(&Sha256::digest(&body)),
            };
            let key = self.job.object_key(self.partner, &file.name);
            // One that is there is of a run that died before it could say so, or lives and has lost the job.
            if self.worker.files.put(&key, "application/octet-stream", &file, body).await? == Written::Now {
                let (rows, packed) = (self.rows, self.packing.packed());
                break UnsentTail {
                    number,
                    packed_bytes: self.buffer.len() as u64,
                    content_bytes: self.content.len() as u64,
                    rows,
                    gzip: packed,
                };
            }
        };
        self.checkpoint.tail = Some(rest);
        self.stand_at(self.place.clone());
        self.say(true).await
    }

    /// Takes up what was stored so.
    async fn take_up(&mut self, rest: &UnsentTail) -> Result<(), Stop> {
        let key = self.job.object_key(self.partner, &UnsentTail::name(rest.number));
        let whole = rest.packed_bytes + rest.content_bytes;
        let mut body = Vec::new();
        if whole > 0 {
            self.worker.files.read(&key, 0..whole, |piece| body.extend_from_slice(piece)).await?;
        }
        self.content = body.split_off(usize::try_from(rest.packed_bytes).unwrap_or(usize::MAX).min(body.len()));
        self.buffer.append(&mut body);
        self.packing = Packing::new(self.job.request.output.compression, rest.gzip);
        self.rows = rest.rows;
        self.begun = true;
        Ok(())
    }

    /// Whether a segment fits into the current file.
    pub(super) fn has_room_for(&self, segment: &Segment) -> bool {
        let limits = &self.worker.limits;
        let parts = usize::try_from(segment.bytes / COPY_BYTES).unwrap_or(usize::MAX).saturating_add(4);
        self.rows + segment.rows <= limits.rows
            && (self.checkpoint.file.parts.len() + self.uploads.len()).saturating_add(parts) <= limits.parts
    }

    /// Takes a segment over into the current file: S3 copies what makes whole parts, the bytes at its ends go through the
    /// buffer. They are read all the same, for the file's digest.
    pub(super) async fn take_over(&mut self, segment: &Segment) -> Result<(), Stop> {
        let mut header = Vec::new();
        self.encoder.start(&mut header);
        let (start, part_bytes) = (header.len() as u64, self.worker.limits.part_bytes as u64);
        loop {
            let at = start + self.place.segment_bytes;
            let (left, filled) = (segment.bytes.saturating_sub(at), self.buffer.len() as u64);
            if left == 0 {
                break;
            }
            if filled >= part_bytes {
                self.send_part().await?;
            } else if filled == 0 && left >= part_bytes {
                // What is left behind a copy must be a part, or nothing.
                let bytes = if left < COPY_BYTES + part_bytes { left } else { COPY_BYTES };
                self.copy_part(segment, at..at + bytes).await?;
            } else {
                let bytes = left.min(part_bytes - filled);
                let buffer = &mut self.buffer;
                let read =
                    self.worker.files.read(&segment.key, at..at + bytes, |piece| buffer.extend_from_slice(piece));
                read.await?;
                self.place.segment_bytes += bytes;
            }
            self.check_time().await?;
        }
        self.rows += segment.rows;
        self.stand_behind(&Position::below(segment.from));
        Ok(())
    }

    async fn copy_part(&mut self, segment: &Segment, bytes: Range<u64>) -> Result<(), Stop> {
        let (key, upload, number) = self.next_part().await?;
        let (files, source, range) = (self.worker.files.clone(), segment.key.clone(), bytes.clone());
        let copying = tokio::spawn(async move { files.copy(&key, &upload, number, &source, range).await });
        let hash = &mut self.hash;
        let read = self.worker.files.read(&segment.key, bytes.clone(), |piece| hash.update(piece)).await;
        let length = bytes.end - bytes.start;
        self.place.segment_bytes += length;
        self.sent(copying, length);
        Ok(read?)
    }

    /// Stops where another workbook would take as long as the one before and not be finished in time.
    fn check_time_for_a_workbook(&self) -> Result<(), Stop> {
        let now = (self.run.clock)();
        let another = now.plus_seconds(seconds_between(self.file_begun_at, now));
        let fits = self.job.request.output.format != Format::Xlsx || another < self.run.stop_at;
        if fits { Ok(()) } else { Err(Stop::Time) }
    }

    fn row<'b>(&mut self, activity: &'b Activity<&'b str>, lines: &Lines<'b>, number: usize) -> Result<(), Error> {
        if let Some(book) = &mut self.book {
            book.row(activity, lines, number).map_err(|error| Error::permanent("writing a workbook", error))?;
        } else {
            let encoded = self.encoder.row(&mut self.content, activity, lines, number);
            encoded.map_err(|error| Error::permanent("encoding an activity", error))?;
            self.pack()?;
        }
        self.rows += 1;
        self.place.step(activity, number, lines.rows());
        Ok(())
    }

    fn pack(&mut self) -> Result<(), Error> {
        let taken = self.packing.take(&mut self.content, &mut self.buffer);
        taken.map_err(|error| Error::permanent("compressing an export", error))
    }

    fn is_full(&self) -> bool {
        let limits = &self.worker.limits;
        let parts = self.checkpoint.file.parts.len() + self.uploads.len();
        self.book.as_ref().map_or(self.rows == limits.rows || parts >= limits.parts, Workbook::is_full)
    }

    /// Writes what a file starts with, unless that is done.
    pub(super) fn start_file(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.file_begun_at = (self.run.clock)();
        self.packing = Packing::new(self.job.request.output.compression, GzipState::default());
        self.packing.start(&mut self.buffer);
        let request = &self.job.request;
        if request.output.format == Format::Xlsx {
            let (subscriptions, limits) = (&self.worker.subscriptions, self.worker.limits.workbook);
            let book = Workbook::new(request.output, request.time_zone, request.to, subscriptions, limits);
            self.book = Some(book.map_err(|error| Error::permanent("beginning a workbook", error))?);
        } else {
            self.encoder.start(&mut self.content);
            self.pack()?;
        }
        Ok(())
    }

    /// Completes the workbook on a scratch file and moves that into the buffer, sending parts.
    async fn pour(&mut self, book: Workbook) -> Result<(), Stop> {
        self.say(true).await?;
        let broken = |error: std::io::Error| Error::permanent("reading a workbook", error);
        // Compressing takes seconds: what else the process has to do goes on meanwhile.
        let saved =
            tokio::task::spawn_blocking(move || -> Result<std::fs::File, Box<dyn std::error::Error + Send + Sync>> {
                let mut scratch = tempfile::tempfile()?;
                book.save(&mut scratch)?;
                scratch.rewind()?;
                Ok(scratch)
            });
        let saved = saved.await.map_err(|error| Error::permanent("saving a workbook", error))?;
        let mut scratch = saved.map_err(|error| Error::permanent("saving a workbook", error))?;
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

    /// Sends what is in the buffer as the next part.
    async fn send_part(&mut self) -> Result<(), Stop> {
        let (key, upload, number) = self.next_part().await?;
        let body = std::mem::replace(
            &mut self.buffer,
            Vec::with_capacity(self.worker.limits.part_bytes + self.worker.limits.part_bytes / 4),
        );
        self.hash.update(&body);
        let (bytes, files) = (body.len() as u64, self.worker.files.clone());
        let sending = tokio::spawn(async move { files.part(&key, &upload, number, body).await });
        self.sent(sending, bytes);
        Ok(())
    }

    /// Where the next part goes, once few are on their way: key, upload, number.
    async fn next_part(&mut self) -> Result<(String, String, usize), Stop> {
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
                self.say(true).await?;
                upload
            }
        };
        Ok((key, upload, self.checkpoint.file.parts.len() + self.uploads.len() + 1))
    }

    fn sent(&mut self, sending: JoinHandle<Result<String, Error>>, bytes: u64) {
        self.uploads.push_back(Upload {
            sending,
            bytes,
            rows: self.rows,
            hash: hex(&self.hash.serialize()),
            packed: self.packing.packed(),
            place: self.place.clone(),
        });
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
        if noted { self.say(true).await } else { Ok(()) }
    }

    /// Waits for the first part on its way, if there is one, and says so; what is noted does not change.
    async fn take_in_part(&mut self) -> Result<bool, Stop> {
        let Some(upload) = self.uploads.pop_front() else { return Ok(false) };
        let tag = upload.sending.await.map_err(|error| Error::permanent("UploadPart of an export", error))??;
        let file = &mut self.checkpoint.file;
        file.parts.push(tag);
        file.bytes += upload.bytes;
        file.rows = upload.rows;
        file.hash = upload.hash;
        file.gzip = upload.packed;
        self.checkpoint.tail = None;
        self.stand_at(upload.place);
        Ok(true)
    }

    fn stand_at(&mut self, place: Place) {
        self.checkpoint.position = place.position.as_ref().map(Position::to_text);
        self.checkpoint.lines = place.lines;
        self.checkpoint.segment_bytes = place.segment_bytes;
    }

    /// Ends the current file: whole where it has no parts yet, else with its last part. `more` files follow it.
    pub(super) async fn end_file(&mut self, more: bool) -> Result<(), Stop> {
        self.note_parts().await?;
        if let Some(book) = self.book.take() {
            self.pour(book).await?;
        }
        self.packing
            .finish(&mut self.content, &mut self.buffer)
            .map_err(|error| Error::permanent("compressing an export", error))?;
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
                    .ok_or_else(|| Error::permanent("HeadObject of an export", "it is gone"))?;
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
            self.say(true).await?;
            self.complete_file().await?;
        }
        self.checkpoint.file = FileInProgress::default();
        self.checkpoint.tail = None;
        self.begun = false;
        self.rows = 0;
        self.hash = Sha256::new();
        if more {
            self.stand_at(self.place.clone());
            self.say(true).await?;
        } else if self.checkpoint.tails > 0 {
            // The rests are removed next: nobody who takes over may look for them.
            self.checkpoint.ended = true;
            self.say(true).await?;
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
        self.begun = false;
        self.rows = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Says how far the export is and prolongs the lease; notes the checkpoint, if it has moved.
    async fn say(&mut self, has_moved: bool) -> Result<(), Stop> {
        self.said_at = (self.run.clock)();
        let until = self.said_at.plus_seconds(LEASE_SECONDS);
        let (checkpoint, progress) = (has_moved.then_some(&self.checkpoint), self.progress());
        let control = &self.worker.control;
        let kept = control.keep_job(self.partner, self.job, self.run.name, checkpoint, &progress, until).await?;
        if kept { Ok(()) } else { Err(Stop::Lost) }
    }

    fn progress(&self) -> Progress {
        let Checkpoint { files, file, .. } = &self.checkpoint;
        let sent: u64 = self.uploads.iter().map(|upload| upload.bytes).sum();
        Progress {
            rows: files.iter().map(|file| file.rows).sum::<u64>() + self.rows,
            bytes: files.iter().map(|file| file.bytes).sum::<u64>() + file.bytes + sent + self.buffer.len() as u64,
            fraction: self.position().map_or(0.0, |position| self.job.fraction_at(position.occurred_at())),
        }
    }
}

/// A running hash from its saved state; a new one from none.
fn restore(saved: &str) -> Result<Sha256, Error> {
    if saved.is_empty() {
        return Ok(Sha256::new());
    }
    let unreadable = || Error::permanent("reading a checkpoint", "the state of the hash is not readable");
    let mut state = SerializedState::<Sha256>::default();
    if saved.len() != state.len() * 2 || !saved.is_ascii() {
        return Err(unreadable());
    }
    for (index, byte) in state.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&saved[index * 2..index * 2 + 2], 16).map_err(|_| unreadable())?;
    }
    Sha256::deserialize(&state).map_err(|_| unreadable())
}
