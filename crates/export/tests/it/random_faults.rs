//! Recorders, lists and exports while calls fail: one after the other in every way, and at random.
//!
//! Tables throttle and stop, objects arrive late, queues deliver up to ten times and in any order, processes are killed.
//! Whatever fails, an acknowledged activity can be read, once; any other activity is absent, or a duplicate when it is sent
//! again; and a ready export holds the right bytes.
//!
//! `DAYBOOK_AMOUNT=soak` tries more, `FAULT_ACTIVITIES=1000000` as many as you like. `FAULT_SEED` chooses other faults, or
//! repeats a run, which prints its seed.

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
use domain::{
    activity::{Details, NewActivity, PartnerId},
    filter::Filter,
    job::{Compression, ExportRequest, Format, Job, JobStatus, MANIFEST, Output, State},
    locale::Locale,
    query::{Position, Selection, SortOrder},
    time::{Instant, Month, Period, Zone},
};
use export::{LEASE_SECONDS, Limits, MAX_LINKS, WorkResult, WorkbookLimits, WorkerRun};
use futures_util::{StreamExt as _, future::join_all, stream};
use harness::{Fault, FaultRates, Faults, Random, Stores, activities, at, parsed, partner, sent};
use serde_json::json;
use sha2::Digest as _;
use store::{
    error::causes,
    ledger::{Ledger, RecordError, Recorded},
    partners::{Settings, ShardsFrom},
    queues::TRIES,
};

use crate::support::{failing_calls, fault_step, worker_of};

const NOW: &str = "2026-11-02T12:00:00Z";
const FROM: &str = "2026-09-01T00:00:00Z";
const TO: &str = "2026-11-01T00:00:00Z";
const SECONDS: u64 = 61 * 86_400;
/// The activities of both simulations in `make test`, and in `make soak`.
const ACTIVITIES: (u64, u64) = (1_200, 20_000);
/// The activities of a message.
const BATCH: usize = 10;
/// The messages that a process takes before it ends by itself.
const MESSAGES: usize = 40;
const LIMITS: Limits = Limits {
    lease_seconds: LEASE_SECONDS,
    tries: usize::MAX,
    part_bytes: 5 * 1_024 * 1_024,
    parts: usize::MAX,
    rows: u64::MAX,
    workbook: WorkbookLimits { rows: 200_000, bytes: u64::MAX, sheet_rows: 1_048_575, links: MAX_LINKS },
};
const ALL: [Fault; 7] =
    [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Slow, Fault::Killed, Fault::Failed, Fault::Garbled];

fn random_of(seed: u64, number: u64) -> Random {
    Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
}

/// Returns the activity of a number, as a caller sends it; always the same for a seed.
fn sent_activity(seed: u64, number: usize) -> String {
    let mut random = random_of(seed, number as u64);
    let time = at(FROM).plus_seconds(random.below(SECONDS as usize) as i64).to_string();
    // Details lie in the item, in a second item, or in the bucket.
    let length = match random.below(500) {
        0 => 70_000,
        1..=25 => 2_000,
        _ => random.below(100),
    };
    let extra = json!({
        "customer": {"id": format!("c-{}", number % 7), "name": "Société « Été »; \"fils\""},
        "target": {"type": "order", "id": format!("o-{number}")},
        "details": {"lines": [{"product": "Été", "quantity": number}], "noise": noise(&mut random, length)},
    });
    sent(&format!("e-{number:07}"), &time, &extra)
}

/// Returns digits that no compressor makes smaller than half.
fn noise(random: &mut Random, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(&format!("{:015x}", random.below(1 << 60)));
    }
    text.truncate(length);
    text
}

fn new_activity(seed: u64, number: usize) -> NewActivity {
    parsed(&sent_activity(seed, number), at(NOW))
}

/// Returns the number of an activity from its id.
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

/// Runs a process to its end; none if a fault kills the process.
async fn until_killed<T>(faults: &Faults, process: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = process => Some(result),
        () = faults.killed() => None,
    }
}

/// Returns the bytes of a ready export's files, once they match the job and the manifest.
async fn files(stores: &Stores, of: &PartnerId, id: &str) -> (JobStatus, Vec<Vec<u8>>) {
    let (job, status) = stores.control(None).job(of, id).await.unwrap().unwrap();
    assert_eq!(status.state, State::Ready, "{id}");
    let mut contents = Vec::new();
    for file in &status.files {
        let bytes = stores.object(&job.object_key(of, &file.name)).await.unwrap();
        let digest: String = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &digest), "{id}");
        contents.push(bytes);
    }
    let manifest = stores.object(&job.object_key(of, MANIFEST)).await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["files"], serde_json::to_value(&status.files).unwrap(), "{id}");
    (status, contents)
}

/// Writes an export without faults.
async fn write_without_faults(stores: &Stores, of: &PartnerId, id: &str, output: Output) -> Vec<Vec<u8>> {
    assert!(stores.control(None).create_job(of, &job(id, output)).await.unwrap());
    let clock = || at(NOW);
    let run = WorkerRun { name: "undisturbed", stop_at: Instant::MAX, clock: &clock, message: None };
    assert_eq!(worker_of(stores, None, LIMITS).work(of, id, &run).await.result.unwrap(), WorkResult::Done);
    files(stores, of, id).await.1
}

/// Calls of recording, listing and exporting fail in turn, in every way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activities_are_exported_once_when_any_call_fails() {
    const COUNT: usize = 6;
    const SEED: u64 = 1;
    let stores = &Stores::start().await;
    let expected = {
        let of = partner("undisturbed");
        let outcomes = record(stores, &of, &Faults::none(), COUNT).await.unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Recorded::New(_)))));
        write_without_faults(stores, &of, "x", csv()).await
    };
    let expected = &expected;

    async fn record(
        stores: &Stores,
        of: &PartnerId,
        faults: &Faults,
        count: usize,
    ) -> Option<Vec<Result<Recorded, RecordError>>> {
        let batch = (0..count).map(|number| sized_activity(SEED, number)).collect();
        let recorder = stores.recorder(Some(faults));
        until_killed(faults, recorder.record_all(activities(of, batch, at(NOW)), Duration::MAX)).await
    }

    /// Returns an activity with details of each size: in the item, in a second item, in the bucket.
    fn sized_activity(seed: u64, number: usize) -> NewActivity {
        let length = [100, 2_000, 70_000][if number == 3 { 2 } else { number % 2 }];
        let details = json!({"noise": noise(&mut random_of(seed, number as u64), length)});
        let time = at(FROM).plus_seconds(number as i64 * 800_000).to_string();
        parsed(&sent(&format!("e-{number:07}"), &time, &json!({"details": details})), at(NOW))
    }

    // The call of this number fails once, and the caller tries again.
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
            let run = WorkerRun { name: &format!("w{tries}"), stop_at: Instant::MAX, clock: &clock, message: None };
            let control = stores.control(Some(&faults));
            let ordered = until_killed(&faults, control.create_job(&of, &job("x", csv()))).await;
            if !matches!(ordered, Some(Ok(_))) {
                continue;
            }
            let worker = worker_of(stores, Some(&faults), LIMITS);
            if let Some(Ok(WorkResult::Done)) =
                until_killed(&faults, async { worker.work(&of, "x", &run).await.result }).await
            {
                finished = true;
                break;
            }
        }
        assert!(finished, "{of}");
        assert!(files(stores, &of, "x").await.1 == *expected, "{of}: other bytes");
        faults.calls() > call
    };
    for fault in ALL {
        // Cases run side by side, because some wait for a time-out.
        let mut found = stream::iter(failing_calls(fault)).map(|call| case(fault, call)).buffered(16);
        let mut calls = 0;
        while found.next().await == Some(true) {
            calls += 1;
        }
        assert!(calls * fault_step() > 20, "{fault:?}: {calls}");
        assert_eq!(stores.objects("details/undisturbed/").await.len(), 1, "one activity has details in the bucket");
        println!("{fault:?}: {calls} calls failed in turn");
    }
}

/// The counts of one simulation.
#[derive(Debug, Default)]
struct Counts {
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

impl Counts {
    /// Returns the counts in words.
    fn describe(&self) -> String {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        format!(
            "{} faults in {} calls, {} of {} processes killed, {} messages delivered ({} new, {} duplicate and {} unanswered \
             activities), {} lists, {} exports, {} of these given up",
            of(&self.failed),
            of(&self.calls),
            of(&self.killed),
            self.processes.load(Ordering::SeqCst),
            of(&self.deliveries),
            of(&self.new),
            of(&self.duplicates),
            of(&self.unanswered),
            of(&self.lists),
            of(&self.exports),
            of(&self.given_up),
        )
    }
}

/// The knowledge about the recording of an activity.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Recording {
    sent: bool,
    acknowledged: bool,
    /// How often a response called the activity new.
    new: u8,
}

/// A simulation of a partner whose calls fail at random.
struct Simulation<'a> {
    seed: u64,
    stores: &'a Stores,
    of: PartnerId,
    faults: FaultRates,
    known: Mutex<Vec<Recording>>,
    counts: Counts,
}

/// Tables throttle three calls of ten, and every other fault happens now and then.
fn many_faults(seed: u64) -> FaultRates {
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

/// Faults are rare, so that most calls take the shortest way.
fn rare_faults(seed: u64) -> FaultRates {
    let rare: Vec<_> = ALL.into_iter().map(|fault| (fault, 1)).collect();
    FaultRates { seed, tables: rare.clone(), objects: rare, stopped: 0..0 }
}

impl Simulation<'_> {
    /// Draws the faults of the next process.
    fn next_process(&self) -> Faults {
        let number = self.counts.processes.fetch_add(1, Ordering::SeqCst);
        let seed = self.faults.seed ^ (number << 40);
        // The tables stop for one of sixteen processes, for longer than the SDK tries again.
        let stopped = if number % 16 == 7 { 100..400 } else { 0..0 };
        Faults::random(FaultRates { seed, stopped, ..self.faults.clone() })
    }

    fn count_process(&self, faults: &Faults, survived: bool) {
        self.counts.calls.fetch_add(faults.calls(), Ordering::SeqCst);
        self.counts.failed.fetch_add(faults.failed(), Ordering::SeqCst);
        self.counts.killed.fetch_add(usize::from(!survived), Ordering::SeqCst);
    }

    fn add_outcome(&self, number: usize, outcome: &Result<Recorded, RecordError>) -> bool {
        let mut known = self.known.lock().unwrap();
        let known = &mut known[number];
        match outcome {
            Ok(Recorded::New(activity)) => {
                assert_eq!(number_of(activity.id.as_str()), number);
                known.new += 1;
                assert_eq!(known.new, 1, "{number} was new twice; seed {}", self.seed);
                self.counts.new.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Recorded::Duplicate(activity)) => {
                assert_eq!(number_of(activity.id.as_str()), number);
                self.counts.duplicates.fetch_add(1, Ordering::SeqCst);
            }
            Err(RecordError::Conflict) => panic!("{number} conflicts with itself; seed {}", self.seed),
            Err(RecordError::Refused(refusal)) => panic!("{number} is refused: {refusal}; seed {}", self.seed),
            Err(RecordError::Storage(_)) => {
                self.counts.unanswered.fetch_add(1, Ordering::SeqCst);
                return false;
            }
        }
        known.acknowledged = true;
        true
    }

    /// Runs a process that takes messages, four at a time, until none is left or a fault kills the process; returns which
    /// messages are done.
    async fn take_messages(&self, messages: &[Range<usize>]) -> Vec<bool> {
        let faults = self.next_process();
        let recorder = self.stores.recorder(Some(&faults));
        let done = Mutex::new(vec![false; messages.len()]);
        let work = stream::iter(messages.iter().enumerate()).for_each_concurrent(4, async |(place, message)| {
            self.counts.deliveries.fetch_add(1, Ordering::SeqCst);
            let batch = message.clone().map(|number| new_activity(self.seed, number)).collect();
            message.clone().for_each(|number| self.known.lock().unwrap()[number].sent = true);
            let outcomes = recorder.record_all(activities(&self.of, batch, at(NOW)), Duration::MAX).await;
            let mut all = true;
            for (number, outcome) in message.clone().zip(&outcomes) {
                all &= self.add_outcome(number, outcome);
            }
            done.lock().unwrap()[place] = all;
        });
        let survived = until_killed(&faults, work).await.is_some();
        self.count_process(&faults, survived);
        done.into_inner().unwrap()
    }

    /// Records activities from a queue that delivers each message once to ten times, in any order, and again until it is
    /// done. One of twenty messages has a caller that does not try again.
    async fn record(&self, numbers: Range<usize>) {
        let mut random = random_of(self.seed, 7 + numbers.start as u64);
        let mut queue: Vec<(Range<usize>, bool)> = Vec::new();
        for start in numbers.clone().step_by(BATCH) {
            let message = start..(start + BATCH).min(numbers.end);
            let (copies, again) = match random.below(20) {
                0 => (1, false),
                1..=2 => (2 + random.below(9), true),
                _ => (1, true),
            };
            for _ in 0..copies {
                queue.insert(random.below(queue.len() + 1), (message.clone(), again));
            }
        }
        while !queue.is_empty() {
            // Two processes run at a time, each with some of the messages.
            let taken = queue.split_off(queue.len().saturating_sub(2 * MESSAGES));
            let shares = taken.chunks(MESSAGES).map(async |share| {
                let messages: Vec<_> = share.iter().map(|(message, _)| message.clone()).collect();
                self.take_messages(&messages).await
            });
            let done = join_all(shares).await.concat();
            for ((message, again), done) in taken.into_iter().zip(done) {
                if !done && again {
                    queue.insert(random.below(queue.len() + 1), (message, again));
                }
            }
        }
    }

    /// Lists all activities, trying each page until it succeeds. Each acknowledged activity must be there, none twice.
    async fn list(&self, limit: usize) -> Vec<usize> {
        let before = self.known.lock().unwrap().clone();
        let (mut listed, mut after, mut failures) = (Vec::new(), None::<Position>, 0);
        'processes: loop {
            let faults = self.next_process();
            let ledger: Ledger = self.stores.ledger(Some(&faults));
            let survived = until_killed(&faults, async {
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
            self.count_process(&faults, survived.is_some());
            assert!(failures < 10_000, "the list never succeeds; seed {}", self.seed);
            if survived == Some(true) {
                break 'processes;
            }
        }
        self.counts.lists.fetch_add(1, Ordering::SeqCst);
        self.check(&before, &listed, "the list");
        listed
    }

    fn check(&self, before: &[Recording], found: &[usize], what: &str) {
        let seed = self.seed;
        let after = self.known.lock().unwrap();
        let unique: HashSet<usize> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "{what} holds an activity twice; seed {seed}");
        assert!(
            unique.iter().all(|number| after[*number].sent),
            "{what} holds an activity that nobody sent; seed {seed}"
        );
        for (number, known) in before.iter().enumerate() {
            assert!(!known.acknowledged || unique.contains(&number), "{what} lacks {number}; seed {seed}");
        }
    }

    /// Creates an export and delivers its message up to ten times, to up to three workers at a time whose clocks are a lease
    /// apart, until the queue is empty. With `tries`, the last try gives the export up, as the queue of the workers does.
    async fn export(&self, id: &str, output: Output, tries: Option<u32>) -> State {
        self.counts.exports.fetch_add(1, Ordering::SeqCst);
        let mut random = random_of(self.seed, id.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)));
        loop {
            let faults = self.next_process();
            let control = self.stores.control(Some(&faults));
            let made = until_killed(&faults, control.create_job(&self.of, &job(id, output))).await;
            self.count_process(&faults, made.is_some());
            if let Some(Ok(_)) = made {
                break;
            }
        }
        // Each copy of the message has its number of deliveries.
        let mut copies: Vec<u32> = vec![0; 1 + random.below(10)];
        let (ticks, mut rounds, mut ready, last) = (AtomicI64::new(0), 0, None, Mutex::new(String::new()));
        while !copies.is_empty() {
            rounds += 1;
            assert!(rounds < 300, "{id} does not end: {:?}; seed {}", last.lock().unwrap(), self.seed);
            let side_by_side = (1 + random.below(3)).min(copies.len());
            let taken = copies.split_off(copies.len() - side_by_side);
            let runs = taken.into_iter().enumerate().map(|(place, count)| {
                // The second worker finds that the lease of the first has ended, even if the first still runs.
                let ahead = ticks.load(Ordering::SeqCst) + place as i64 * (LEASE_SECONDS + 1);
                let short = random.below(4) == 0;
                let name = format!("{rounds}-{place}");
                let (ticks, last) = (&ticks, &last);
                async move {
                    let clock = || at(NOW).plus_seconds(ahead + ticks.fetch_add(1, Ordering::SeqCst) % 100);
                    let stop_at = if short { at(NOW).plus_seconds(ahead + 12) } else { Instant::MAX };
                    let run = WorkerRun { name: &name, stop_at, clock: &clock, message: None };
                    let faults = self.next_process();
                    let worker = worker_of(self.stores, Some(&faults), LIMITS);
                    let outcome = until_killed(&faults, async { worker.work(&self.of, id, &run).await.result }).await;
                    let gives_up = matches!(outcome, Some(Err(_))) && tries.is_some_and(|tries| count + 1 >= tries);
                    if gives_up {
                        // The message is a dead letter now, whether or not giving up succeeds.
                        until_killed(&faults, worker.give_up(&self.of, id, &run)).await;
                    }
                    self.count_process(&faults, outcome.is_some());
                    if let Some(Err(error)) = &outcome {
                        *last.lock().unwrap() = causes(error);
                    }
                    match outcome {
                        Some(Ok(WorkResult::Done)) => None,
                        Some(Ok(WorkResult::Continue)) => Some(0),
                        Some(Ok(WorkResult::Busy { .. }) | Err(_)) | None => {
                            Some(count + 1).filter(|count| tries.is_none_or(|tries| *count < tries))
                        }
                    }
                }
            });
            let left: Vec<_> = runs.collect();
            copies.extend(join_all(left).await.into_iter().flatten());
            ticks.fetch_add(if random.below(2) == 0 { 20 } else { 4 * LEASE_SECONDS }, Ordering::SeqCst);
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

async fn simulate(seed: u64, name: &str, count: usize, faults: FaultRates) -> String {
    let stores = &Stores::start().await;
    let of = partner(name);
    let three = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-10").unwrap(), shards: 3 });
    assert!(stores.partners().save(&of, &Settings::default(), &three).await.unwrap());
    let known = Mutex::new(vec![Recording::default(); count]);
    let simulation = Simulation { seed, stores, of: of.clone(), faults, known, counts: Counts::default() };

    // Lists and exports run while activities are recorded.
    let jsonl = Output { format: Format::Jsonl, ..csv() };
    for (quarter, limit) in [37, 100, 500, 1_000].into_iter().enumerate() {
        let numbers = count * quarter / 4..count * (quarter + 1) / 4;
        let id = format!("meanwhile{quarter}");
        let before = simulation.known.lock().unwrap().clone();
        let (_, _, state) = tokio::join!(
            simulation.record(numbers),
            simulation.list(limit),
            simulation.export(&id, jsonl, Some(TRIES))
        );
        match state {
            State::Ready => {
                let (status, contents) = files(stores, &of, &id).await;
                let text = String::from_utf8(contents.concat()).unwrap();
                let lines: Vec<usize> = text.lines().map(|line| number_of(line_id(line))).collect();
                assert_eq!(lines.len() as u64, status.files.iter().map(|file| file.rows).sum::<u64>());
                simulation.check(&before, &lines, &id);
            }
            // The queue gave the export up, with a reason, or left it to the operator.
            State::Failed | State::Pending | State::Running => {
                simulation.counts.given_up.fetch_add(1, Ordering::SeqCst);
            }
            state => panic!("{id}: {state:?}"),
        }
    }

    // An activity whose caller gave up is absent, or a duplicate when it is sent again.
    let listed: HashSet<usize> = simulation.list(1_000).await.into_iter().collect();
    let recorder = stores.recorder(None);
    let open: Vec<usize> = {
        let known = simulation.known.lock().unwrap();
        (0..count).filter(|number| !known[*number].acknowledged).collect()
    };
    for numbers in open.chunks(500) {
        let batch = numbers.iter().map(|number| new_activity(seed, *number)).collect();
        let outcomes = recorder.record_all(activities(&of, batch, at(NOW)), Duration::MAX).await;
        for (number, outcome) in numbers.iter().zip(&outcomes) {
            let was_there = matches!(outcome, Ok(Recorded::Duplicate(_)));
            assert_eq!(was_there, listed.contains(number), "{number}; seed {seed}");
            assert!(simulation.add_outcome(*number, outcome));
        }
    }

    // Without faults, the ledger returns every activity as it was sent.
    let mut reader = stores.ledger(None).stream(&of, &all(), true, None).await.unwrap();
    let (mut read, mut last) = (0, None::<(Instant, String)>);
    while let Some(chunk) = reader.next().await.unwrap() {
        for found in chunk.activities() {
            let found = found.owned();
            let expected = new_activity(seed, number_of(found.id.as_str()));
            let place = (found.occurred_at, found.id.to_string());
            assert!(last.as_ref().is_none_or(|last| *last > place), "{} is out of order; seed {seed}", found.id);
            assert_eq!((found.occurred_at, found.entry), (expected.occurred_at, expected.entry), "seed {seed}");
            assert_eq!(found.details, expected.details.map_or(Details::None, Details::Here), "seed {seed}");
            read += 1;
            last = Some(place);
        }
    }
    assert_eq!(read, count, "seed {seed}");

    // Now that nothing is recorded any more, exports with and without faults have the same bytes.
    for (id, output) in [
        ("csv", csv()),
        ("packed", Output { compression: Compression::Gzip, ..jsonl }),
        ("book", Output { format: Format::Xlsx, ..csv() }),
    ] {
        let expected = write_without_faults(stores, &of, &format!("{id}undisturbed"), output).await;
        assert_eq!(simulation.export(id, output, None).await, State::Ready, "{id}; seed {seed}");
        assert!(files(stores, &of, id).await.1 == expected, "{id}: other bytes; seed {seed}");
    }
    format!("{count} activities, {} given up by their callers; {}", open.len(), simulation.counts.describe())
}

/// Returns the id in a line of JSON, which is its first member.
fn line_id(line: &str) -> &str {
    line.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_activities_survive_random_faults() {
    let count = usize::try_from(amount("FAULT_ACTIVITIES", ACTIVITIES.0, ACTIVITIES.1)).unwrap();
    let seed = setting("FAULT_SEED", 1);
    for (name, activities, faults) in
        [("many-faults", count * 2 / 5, many_faults(seed)), ("rare-faults", count * 3 / 5, rare_faults(seed))]
    {
        let result = simulate(seed, name, activities, faults).await;
        report(&format!("recorders, lists and exports, {name}"), &result, seed);
    }
}
