//! Recorders, lists and exports in bad weather: calls that fail at random, tables that throttle and stop, objects that come
//! late, queues that deliver up to ten times and in no order, processes that are killed.
//!
//! What must hold, whatever fails: what was acknowledged can be read, once; what was not is absent, or a duplicate when it
//! is sent again; an export that is ready holds what it must, byte for byte.
//!
//! `FAULT_ACTIVITIES=1000000 cargo test -p daybook --test it weather` tries more; `FAULT_SEED` is another weather, or the
//! same again: the seed is printed.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amounts::{amount, report, setting};
use daybook::{
    activity::{Details, NewActivity, PartnerId},
    export::{
        job::{Compression, ExportRequest, Format, Job, JobStatus, MANIFEST, Output, State},
        profile::{Locale, MAX_LINKS, WorkbookLimits},
        worker::{LEASE_SECONDS, Limits, Outcome, Run},
    },
    filter::Filter,
    ledger::{Ledger, Position, RecordError, Recorded, Selection, SortOrder},
    period::{Instant, Month, Period, Zone},
    queue::TRIES,
    settings::{Settings, ShardsFrom},
    storage::causes,
};
use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use sha2::Digest as _;

use crate::{
    records::Random,
    stores::{Fault, FaultRates, Faults, HasWorker as _, Stores, activities, at, parsed, partner, sent},
};

const NOW: &str = "2026-11-02T12:00:00Z";
const FROM: &str = "2026-09-01T00:00:00Z";
const TO: &str = "2026-11-01T00:00:00Z";
const SECONDS: u64 = 61 * 86_400;
/// Activities of a message.
const BATCH: usize = 10;
/// Messages that a process takes before it ends of itself.
const MESSAGES: usize = 40;
const LIMITS: Limits = Limits {
    part_bytes: 5 * 1_024 * 1_024,
    parts: usize::MAX,
    rows: u64::MAX,
    workbook: WorkbookLimits { rows: 200_000, bytes: u64::MAX, sheet_rows: 1_048_575, links: MAX_LINKS },
};
const ALL: [Fault; 7] =
    [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Slow, Fault::Killed, Fault::Failed, Fault::Garbled];

fn dice(seed: u64, number: u64) -> Random {
    Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
}

/// Activity number so many: always the same for a seed.
fn activity(seed: u64, number: usize) -> String {
    let mut dice = dice(seed, number as u64);
    let time = at(FROM).plus_seconds(dice.below(SECONDS as usize) as i64).to_string();
    // In the item, beside it, in the bucket.
    let length = match dice.below(500) {
        0 => 70_000,
        1..=25 => 2_000,
        _ => dice.below(100),
    };
    let extra = json!({
        "customer": {"id": format!("c-{}", number % 7), "name": "Société « Été »; \"fils\""},
        "target": {"type": "order", "id": format!("o-{number}")},
        "details": {"lines": [{"product": "Été", "quantity": number}], "noise": noise(&mut dice, length)},
    });
    sent(&format!("e-{number:07}"), &time, &extra)
}

/// Digits of which no compressor makes less than half.
fn noise(dice: &mut Random, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(&format!("{:015x}", dice.below(1 << 60)));
    }
    text.truncate(length);
    text
}

fn new(seed: u64, number: usize) -> NewActivity {
    parsed(&activity(seed, number), at(NOW))
}

/// The number of an activity by its id.
fn number_of(id: &str) -> usize {
    id.strip_prefix("e-").unwrap().parse().unwrap()
}

fn all() -> Selection {
    Selection {
        period: Period::new(at(FROM), at(TO)).unwrap(),
        filter: Filter::default(),
        order: SortOrder::Descending,
        recorded_from: None,
        recorded_before: None,
    }
}

fn job(id: &str, output: Output) -> Job {
    let request = ExportRequest {
        from: at(FROM),
        to: at(TO),
        time_zone: Zone::parse("Europe/Paris").unwrap(),
        filter: Filter::default(),
        output,
    };
    Job::on_demand(id.to_owned(), request, "Ana".to_owned(), at(NOW), 86_400)
}

fn csv() -> Output {
    Output { locale: Locale::Fr, ..Output::default() }
}

/// The rest of a process's life, or its death.
async fn until_killed<T>(faults: &Faults, life: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        lived = life => Some(lived),
        () = faults.killed() => None,
    }
}

/// The files of an export, which must be what the job and the manifest say of them.
async fn files(stores: &Stores, of: &PartnerId, id: &str) -> (JobStatus, Vec<Vec<u8>>) {
    let (job, standing) = stores.control(None).job(of, id).await.unwrap().unwrap();
    assert_eq!(standing.state, State::Ready, "{id}");
    let mut contents = Vec::new();
    for file in &standing.files {
        let bytes = stores.object(&job.object_key(of, &file.name)).await.unwrap();
        let digest: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &digest), "{id}");
        contents.push(bytes);
    }
    let manifest = stores.object(&job.object_key(of, MANIFEST)).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["files"], serde_json::to_value(&standing.files).unwrap(), "{id}");
    (standing, contents)
}

/// Makes an export in good weather.
async fn undisturbed(stores: &Stores, of: &PartnerId, id: &str, output: Output) -> Vec<Vec<u8>> {
    assert!(stores.control(None).create_job(of, &job(id, output)).await.unwrap());
    let clock = || at(NOW);
    let run = Run { name: "undisturbed", stop_at: Instant::MAX, clock: &clock };
    assert_eq!(stores.worker(None, LIMITS).work(of, id, &run).await.unwrap(), Outcome::Done);
    files(stores, of, id).await.1
}

/// What is recorded, listed and exported, each call of it failing in turn, each in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_from_the_recording_to_the_export_fails_in_whichever_way_all_is_there_once() {
    const COUNT: usize = 6;
    const SEED: u64 = 1;
    let stores = &Stores::start().await;
    let expected = {
        let of = partner("undisturbed");
        let outcomes = record(stores, &of, &Faults::none(), COUNT).await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Recorded::New(_)))));
        undisturbed(stores, &of, "x", csv()).await
    };
    let expected = &expected;

    async fn record(
        stores: &Stores,
        of: &PartnerId,
        faults: &Faults,
        count: usize,
    ) -> Option<Vec<Result<Recorded, RecordError>>> {
        let batch = (0..count).map(|number| large(SEED, number)).collect();
        let recorder = stores.recorder(Some(faults));
        until_killed(faults, recorder.record_all(activities(of, batch, at(NOW)), Duration::MAX)).await
    }

    /// Of each size: details in the item, beside it, in the bucket.
    fn large(seed: u64, number: usize) -> NewActivity {
        let length = [100, 2_000, 70_000][if number == 3 { 2 } else { number % 2 }];
        let details = json!({"noise": noise(&mut dice(seed, number as u64), length)});
        let time = at(FROM).plus_seconds(number as i64 * 800_000).to_string();
        parsed(&sent(&format!("e-{number:07}"), &time, &json!({"details": details})), at(NOW))
    }

    // A service whose call so many fails, once; whoever called it asks again.
    let case = async |fault: Fault, call: usize| {
        let faults = Faults::at(call, fault);
        let of = partner(&format!("{fault:?}-{call}").to_lowercase());
        let mut acknowledged = HashSet::new();
        for tries in 1.. {
            assert!(tries < 4, "{of}");
            let outcomes = record(stores, &of, &faults, COUNT).await.unwrap_or_default();
            let done = outcomes.len() == COUNT && outcomes.iter().all(Result::is_ok);
            for outcome in outcomes {
                match outcome {
                    Ok(Recorded::New(activity)) => assert!(acknowledged.insert(activity.id.to_string()), "{of}"),
                    Ok(Recorded::Duplicate(_)) | Err(RecordError::Storage(_)) => {}
                    Err(error) => panic!("{of}: {error}"),
                }
            }
            if done {
                break;
            }
        }
        let ledger = stores.ledger(Some(&faults));
        let (mut listed, mut after, mut failures) = (Vec::new(), None::<Position>, 0);
        loop {
            match until_killed(&faults, ledger.list_page(&of, &all(), 4, after.clone(), None)).await {
                Some(Ok(page)) => {
                    listed.extend(page.activities().map(|activity| number_of(activity.id.as_str())));
                    match page.next {
                        Some(next) => after = Some(next),
                        None => break,
                    }
                }
                _ => failures += 1,
            }
            assert!(failures < 2, "{of}");
        }
        assert_eq!(listed, (0..COUNT).rev().collect::<Vec<_>>(), "{of}");

        let mut finished = false;
        for tries in 0..4_i64 {
            let now = at(NOW).plus_seconds(tries * (LEASE_SECONDS + 1));
            let clock = move || now;
            let run = Run { name: &format!("w{tries}"), stop_at: Instant::MAX, clock: &clock };
            let control = stores.control(Some(&faults));
            let ordered = until_killed(&faults, control.create_job(&of, &job("x", csv()))).await;
            if !matches!(ordered, Some(Ok(_))) {
                continue;
            }
            let worker = stores.worker(Some(&faults), LIMITS);
            if let Some(Ok(Outcome::Done)) = until_killed(&faults, worker.work(&of, "x", &run)).await {
                finished = true;
                break;
            }
        }
        assert!(finished, "{of}");
        assert!(files(stores, &of, "x").await.1 == *expected, "{of}: other bytes");
        faults.calls() > call
    };
    for fault in ALL {
        // Side by side, so that those that wait for an answer in vain wait together.
        let mut found = stream::iter(0..).map(|call| case(fault, call)).buffered(16);
        let mut calls = 0;
        while found.next().await == Some(true) {
            calls += 1;
        }
        assert!(calls > 20, "{fault:?}: {calls}");
        assert_eq!(stores.objects("details/undisturbed/").await.len(), 1, "one is too large for the table");
        println!("{fault:?}: each of {calls} calls");
    }
}

/// What one life has seen.
#[derive(Debug, Default)]
struct Tally {
    deliveries: AtomicUsize,
    processes: AtomicU64,
    killed: AtomicUsize,
    calls: AtomicUsize,
    failed: AtomicUsize,
    new: AtomicUsize,
    duplicates: AtomicUsize,
    unanswered: AtomicUsize,
    lists: AtomicUsize,
    exports: AtomicUsize,
    given_up: AtomicUsize,
}

/// What is known of the recording of an activity.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    sent: bool,
    acknowledged: bool,
    /// How often it was said to be new.
    new: u8,
}

/// A partner's life in some weather.
struct Life<'a> {
    seed: u64,
    stores: &'a Stores,
    of: PartnerId,
    weather: FaultRates,
    known: Mutex<Vec<Known>>,
    tally: Tally,
}

/// Tables that throttle three calls of ten; the rest of what can happen, now and then.
fn storm(seed: u64) -> FaultRates {
    let rest = |killed| {
        [
            (Fault::NotSent, 8),
            (Fault::AnswerLost, 15),
            (Fault::Slow, 8),
            (Fault::Failed, 8),
            (Fault::Garbled, 4),
            (Fault::Killed, killed),
        ]
    };
    FaultRates {
        seed,
        tables: [(Fault::Throttled, 300)].into_iter().chain(rest(1)).collect(),
        objects: [(Fault::Late, 400), (Fault::Throttled, 50)].into_iter().chain(rest(10)).collect(),
        stopped: 0..0,
    }
}

/// Mostly good, so that calls take the short ways.
fn breeze(seed: u64) -> FaultRates {
    let rare: Vec<_> = ALL.into_iter().map(|fault| (fault, 1)).collect();
    FaultRates { seed, tables: rare.clone(), objects: rare, stopped: 0..0 }
}

impl Life<'_> {
    /// The weather of the next process.
    fn process(&self) -> Faults {
        let number = self.tally.processes.fetch_add(1, Ordering::SeqCst);
        let seed = self.weather.seed ^ (number << 40);
        // Every sixteenth finds the tables stopped for a while, and for longer than it may try again.
        let stopped = if number % 16 == 7 { 100..400 } else { 0..0 };
        Faults::random(FaultRates { seed, stopped, ..self.weather.clone() })
    }

    fn ended(&self, faults: &Faults, lived: bool) {
        self.tally.calls.fetch_add(faults.calls(), Ordering::SeqCst);
        self.tally.failed.fetch_add(faults.failed(), Ordering::SeqCst);
        self.tally.killed.fetch_add(usize::from(!lived), Ordering::SeqCst);
    }

    fn note(&self, number: usize, outcome: &Result<Recorded, RecordError>) -> bool {
        let mut known = self.known.lock().unwrap();
        let known = &mut known[number];
        match outcome {
            Ok(Recorded::New(activity)) => {
                assert_eq!(number_of(activity.id.as_str()), number);
                known.new += 1;
                assert_eq!(known.new, 1, "{number} was new twice; seed {}", self.seed);
                self.tally.new.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Recorded::Duplicate(activity)) => {
                assert_eq!(number_of(activity.id.as_str()), number);
                self.tally.duplicates.fetch_add(1, Ordering::SeqCst);
            }
            Err(RecordError::Conflict) => panic!("{number} conflicts with itself; seed {}", self.seed),
            Err(RecordError::Storage(_)) => {
                self.tally.unanswered.fetch_add(1, Ordering::SeqCst);
                return false;
            }
        }
        known.acknowledged = true;
        true
    }

    /// A process takes messages, four at a time, until there are no more or it is killed; those that it finished.
    async fn take(&self, messages: &[Range<usize>]) -> Vec<bool> {
        let faults = self.process();
        let recorder = self.stores.recorder(Some(&faults));
        let done = Mutex::new(vec![false; messages.len()]);
        let work = stream::iter(messages.iter().enumerate()).for_each_concurrent(4, async |(place, message)| {
            self.tally.deliveries.fetch_add(1, Ordering::SeqCst);
            let batch = message.clone().map(|number| new(self.seed, number)).collect();
            message.clone().for_each(|number| self.known.lock().unwrap()[number].sent = true);
            let outcomes = recorder.record_all(activities(&self.of, batch, at(NOW)), Duration::MAX).await;
            let mut all = true;
            for (number, outcome) in message.clone().zip(&outcomes) {
                all &= self.note(number, outcome);
            }
            done.lock().unwrap()[place] = all;
        });
        let lived = until_killed(&faults, work).await.is_some();
        self.ended(&faults, lived);
        done.into_inner().unwrap()
    }

    /// The queue of an intake: each message once to ten times, in no order, again while it is not finished. One of twenty is
    /// of a caller who does not try again.
    async fn record(&self, numbers: Range<usize>) {
        let mut dice = dice(self.seed, 7 + numbers.start as u64);
        let mut queue: Vec<(Range<usize>, bool)> = Vec::new();
        for start in numbers.clone().step_by(BATCH) {
            let message = start..(start + BATCH).min(numbers.end);
            let (copies, again) = match dice.below(20) {
                0 => (1, false),
                1..=2 => (2 + dice.below(9), true),
                _ => (1, true),
            };
            for _ in 0..copies {
                queue.insert(dice.below(queue.len() + 1), (message.clone(), again));
            }
        }
        while !queue.is_empty() {
            // Two processes at a time, each with some of what waits.
            let taken = queue.split_off(queue.len().saturating_sub(2 * MESSAGES));
            let shares = taken.chunks(MESSAGES).map(async |share| {
                let messages: Vec<_> = share.iter().map(|(message, _)| message.clone()).collect();
                self.take(&messages).await
            });
            let done = join_all(shares).await.concat();
            for ((message, again), done) in taken.into_iter().zip(done) {
                if !done && again {
                    queue.insert(dice.below(queue.len() + 1), (message, again));
                }
            }
        }
    }

    /// Lists everything, each page until it is there: all that was acknowledged before, nothing twice.
    async fn list(&self, limit: usize) -> Vec<usize> {
        let before = self.known.lock().unwrap().clone();
        let (mut listed, mut after, mut failures) = (Vec::new(), None::<Position>, 0);
        'processes: loop {
            let faults = self.process();
            let ledger: Ledger = self.stores.ledger(Some(&faults));
            let lived = until_killed(&faults, async {
                loop {
                    match ledger.list_page(&self.of, &all(), limit, after.clone(), None).await {
                        Ok(page) => {
                            listed.extend(page.activities().map(|activity| number_of(activity.id.as_str())));
                            match page.next {
                                Some(next) => after = Some(next),
                                None => return true,
                            }
                        }
                        Err(_) => {
                            failures += 1;
                            return false;
                        }
                    }
                }
            })
            .await;
            self.ended(&faults, lived.is_some());
            assert!(failures < 10_000, "no list in this weather; seed {}", self.seed);
            if lived == Some(true) {
                break 'processes;
            }
        }
        self.tally.lists.fetch_add(1, Ordering::SeqCst);
        self.check(&before, &listed, "the list");
        listed
    }

    fn check(&self, before: &[Known], found: &[usize], what: &str) {
        let seed = self.seed;
        let after = self.known.lock().unwrap();
        let unique: HashSet<usize> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{what} repeats; seed {seed}");
        assert!(unique.iter().all(|number| after[*number].sent), "{what} holds what nobody sent; seed {seed}");
        for (number, known) in before.iter().enumerate() {
            assert!(!known.acknowledged || unique.contains(&number), "{what} has lost {number}; seed {seed}");
        }
    }

    /// Orders an export, and delivers its message up to ten times, to up to three workers at a time whose clocks are a lease
    /// apart, until the queue has none left. With `tries`, as the queue of the workers does it: given up after the last.
    async fn export(&self, id: &str, output: Output, tries: Option<u32>) -> State {
        self.tally.exports.fetch_add(1, Ordering::SeqCst);
        let mut dice = dice(self.seed, id.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)));
        loop {
            let faults = self.process();
            let control = self.stores.control(Some(&faults));
            let made = until_killed(&faults, control.create_job(&self.of, &job(id, output))).await;
            self.ended(&faults, made.is_some());
            if let Some(Ok(_)) = made {
                break;
            }
        }
        // By how often each copy was delivered.
        let mut copies: Vec<u32> = vec![0; 1 + dice.below(10)];
        let (ticks, mut rounds, mut ready, last) = (AtomicI64::new(0), 0, None, Mutex::new(String::new()));
        while !copies.is_empty() {
            rounds += 1;
            assert!(rounds < 300, "{id} does not come to an end: {:?}; seed {}", last.lock().unwrap(), self.seed);
            let side_by_side = (1 + dice.below(3)).min(copies.len());
            let taken = copies.split_off(copies.len() - side_by_side);
            let runs = taken.into_iter().enumerate().map(|(place, count)| {
                // The second finds the first one's lease at its end, whether or not the first one is.
                let ahead = ticks.load(Ordering::SeqCst) + place as i64 * (LEASE_SECONDS + 1);
                let short = dice.below(4) == 0;
                let name = format!("{rounds}-{place}");
                let (ticks, last) = (&ticks, &last);
                async move {
                    let clock = || at(NOW).plus_seconds(ahead + ticks.fetch_add(1, Ordering::SeqCst) % 100);
                    let stop_at = if short { at(NOW).plus_seconds(ahead + 12) } else { Instant::MAX };
                    let run = Run { name: &name, stop_at, clock: &clock };
                    let faults = self.process();
                    let worker = self.stores.worker(Some(&faults), LIMITS);
                    let outcome = until_killed(&faults, worker.work(&self.of, id, &run)).await;
                    let gives_up = matches!(outcome, Some(Err(_))) && tries.is_some_and(|tries| count + 1 >= tries);
                    if gives_up {
                        // Whether it can be given up is no matter: the message is a dead letter now.
                        until_killed(&faults, worker.give_up(&self.of, id, &run)).await;
                    }
                    self.ended(&faults, outcome.is_some());
                    if let Some(Err(error)) = &outcome {
                        *last.lock().unwrap() = causes(error);
                    }
                    match outcome {
                        Some(Ok(Outcome::Done)) => None,
                        Some(Ok(Outcome::Continue)) => Some(0),
                        Some(Ok(Outcome::Busy) | Err(_)) | None => {
                            Some(count + 1).filter(|count| tries.is_none_or(|tries| *count < tries))
                        }
                    }
                }
            });
            let left: Vec<_> = runs.collect();
            copies.extend(join_all(left).await.into_iter().flatten());
            ticks.fetch_add(if dice.below(2) == 0 { 20 } else { 4 * LEASE_SECONDS }, Ordering::SeqCst);
            if ready.is_none() && self.state(id).await == State::Ready {
                ready = Some(files(self.stores, &self.of, id).await.1);
            }
        }
        let state = self.state(id).await;
        if let Some(ready) = ready {
            assert_eq!(state, State::Ready, "{id}; seed {}", self.seed);
            assert!(files(self.stores, &self.of, id).await.1 == ready, "{id} changed; seed {}", self.seed);
        }
        state
    }

    async fn state(&self, id: &str) -> State {
        self.stores.control(None).job(&self.of, id).await.unwrap().unwrap().1.state
    }
}

async fn live(seed: u64, name: &str, count: usize, weather: FaultRates) -> String {
    let stores = &Stores::start().await;
    let of = partner(name);
    let three = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-10").unwrap(), shards: 3 });
    assert!(stores.partners().save(&of, &Settings::default(), &three).await.unwrap());
    let known = Mutex::new(vec![Known::default(); count]);
    let life = Life { seed, stores, of: of.clone(), weather, known, tally: Tally::default() };

    // Lists and exports while it is recorded.
    let jsonl = Output { format: Format::Jsonl, ..csv() };
    for (quarter, limit) in [37, 100, 500, 1_000].into_iter().enumerate() {
        let numbers = count * quarter / 4..count * (quarter + 1) / 4;
        let id = format!("meanwhile{quarter}");
        let before = life.known.lock().unwrap().clone();
        let (_, _, state) = tokio::join!(life.record(numbers), life.list(limit), life.export(&id, jsonl, Some(TRIES)));
        match state {
            State::Ready => {
                let (standing, contents) = files(stores, &of, &id).await;
                let text = String::from_utf8(contents.concat()).unwrap();
                let lines: Vec<usize> = text.lines().map(|line| number_of(line_id(line))).collect();
                assert_eq!(lines.len() as u64, standing.files.iter().map(|file| file.rows).sum::<u64>());
                life.check(&before, &lines, &id);
            }
            // As the queue leaves them: given up with a reason, or for the operator to send again.
            State::Failed | State::Pending | State::Running => {
                life.tally.given_up.fetch_add(1, Ordering::SeqCst);
            }
            state => panic!("{id}: {state:?}"),
        }
    }

    // What callers have given up is absent, or a duplicate when it is sent again.
    let listed: HashSet<usize> = life.list(1_000).await.into_iter().collect();
    let recorder = stores.recorder(None);
    let open: Vec<usize> = {
        let known = life.known.lock().unwrap();
        (0..count).filter(|number| !known[*number].acknowledged).collect()
    };
    for numbers in open.chunks(500) {
        let batch = numbers.iter().map(|number| new(seed, *number)).collect();
        let outcomes = recorder.record_all(activities(&of, batch, at(NOW)), Duration::MAX).await;
        for (number, outcome) in numbers.iter().zip(&outcomes) {
            let was_there = matches!(outcome, Ok(Recorded::Duplicate(_)));
            assert_eq!(was_there, listed.contains(number), "{number}; seed {seed}");
            assert!(life.note(*number, outcome));
        }
    }

    // All of it, in good weather, as it was sent.
    let mut reader = stores.ledger(None).stream(&of, &all(), true, None).await.unwrap();
    let (mut read, mut last) = (0, None::<(Instant, String)>);
    while let Some(chunk) = reader.next().await.unwrap() {
        for found in chunk.activities() {
            let found = found.owned();
            let expected = new(seed, number_of(found.id.as_str()));
            let place = (found.occurred_at, found.id.to_string());
            assert!(last.as_ref().is_none_or(|last| *last > place), "{} is out of order; seed {seed}", found.id);
            assert_eq!((found.occurred_at, found.entry), (expected.occurred_at, expected.entry), "seed {seed}");
            assert_eq!(found.details, expected.details.map_or(Details::None, Details::Here), "seed {seed}");
            read += 1;
            last = Some(place);
        }
    }
    assert_eq!(read, count, "seed {seed}");

    // Now that the data stand still: the same bytes.
    for (id, output) in [
        ("csv", csv()),
        ("packed", Output { compression: Compression::Gzip, ..jsonl }),
        ("book", Output { format: Format::Xlsx, ..csv() }),
    ] {
        let expected = undisturbed(stores, &of, &format!("{id}undisturbed"), output).await;
        assert_eq!(life.export(id, output, None).await, State::Ready, "{id}; seed {seed}");
        assert!(files(stores, &of, id).await.1 == expected, "{id}: other bytes; seed {seed}");
    }
    format!("{name}: {count} activities, {} given up by their callers; {:?}", open.len(), life.tally)
}

/// The id in a line of JSON, which stands at its beginning.
fn line_id(line: &str) -> &str {
    line.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_bad_weather_what_was_acknowledged_is_there_once_and_what_is_ready_is_right() {
    let count = usize::try_from(amount("FAULT_ACTIVITIES", 2_000, 200_000)).unwrap();
    let seed = setting("FAULT_SEED", 1);
    println!("FAULT_SEED={seed}");
    println!("{}", live(seed, "storm", count * 2 / 5, storm(seed)).await);
    println!("{}", live(seed, "breeze", count * 3 / 5, breeze(seed)).await);
    report("random faults", &format!("{count} activities"), seed);
}
