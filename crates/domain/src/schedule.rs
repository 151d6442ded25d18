//! Schedules of monthly exports: the decisions, without I/O.
//!
//! Time is an argument, and so is every result of a read. The function `monthly` and the simulation test drive this code.
//!
//! **Bounds.** A month begins where the export of the month before it ended. A month ends where the schedule's zone ended it
//! when version 1 was planned. A change of zone between two months therefore leaves no gap and no overlap: the month across
//! the change is up to 26 hours longer or shorter. The first month begins where its zone says. A month that is made after
//! its neighbours takes their bounds.
//!
//! **Versions.** Version 1 holds the activities recorded before its cut. Version *n* holds those recorded from the cut of
//! version *n* − 1 and before its own cut. Cuts only move forward and belong to one month each, so an activity is in exactly
//! one version of one month, in whatever order months are planned. The files are made once every activity recorded before
//! the cut can be read: at once if the cut lies two minutes back, or else two minutes after the cut.
//!
//! **Plan, store, carry out.** Every decision is a [`MonthJob`] in the partner's schedule. The schedule is stored on the
//! condition that nobody stored it since it was read. Only then are the jobs created, which may be repeated, and only then
//! are they removed from the schedule. If two processes plan at the same time, the second finds that it was too late.

mod months;
mod requested;
mod update;

use serde::{Deserialize, Serialize};

pub use self::{
    months::{DAILY_CHECK_SECONDS, LateCheck, MadeMonth, MonthJob},
    requested::{NotDue, request_cut, settled_cut},
    update::ScheduleUpdate,
};
use crate::{
    access::Author,
    filter::Filter,
    job::Output,
    recipient::Recipient,
    time::{Instant, Month, Zone},
};

/// The most pending jobs of one partner. Later months wait for the next run.
pub const MAX_PENDING_JOBS: usize = 36;
/// The time between two checks for late activities, in seconds. The schedule makes at most one version of a month a day.
pub const CHECK_INTERVAL_SECONDS: i64 = 86_400;
/// The age of a cut for late activities, in seconds. Late activities are found through an index that follows its table,
/// usually within a second; an hour of delay does no harm.
pub const LATE_SETTLE_SECONDS: i64 = 3_600;
/// The time after which another run carries out stored jobs that are still pending, in seconds.
const RETRY_SECONDS: i64 = 600;

/// A partner's request for a schedule, complete. [`ScheduleUpdate`] makes one.
#[derive(Clone, Debug)]
pub struct ScheduleRequest {
    /// Whether months are made.
    pub enabled: bool,
    /// The zone whose calendar counts.
    pub time_zone: Zone,
    /// The form of the files.
    pub output: Output,
    /// The conditions that the activities meet.
    pub filter: Filter,
    /// The first month to make. Default: that of the schedule before, or else the month before the present one.
    pub from: Option<Month>,
    /// The recipients of notifications.
    pub notify: Vec<Recipient>,
}

/// A partner's schedule of monthly exports: the request, and the decisions so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whether months are made.
    pub enabled: bool,
    /// Whether the schedule was removed. Decisions are kept, so that a schedule can be saved again and go on.
    #[serde(default)]
    pub removed: bool,
    /// The zone whose calendar counts.
    pub time_zone: Zone,
    /// The form of the files.
    pub output: Output,
    /// The conditions that the activities of the next months and versions meet.
    #[serde(default)]
    pub filter: Filter,
    /// The first month to make.
    pub from: Month,
    /// The recipients of notifications.
    #[serde(default)]
    pub notify: Vec<Recipient>,
    /// When the schedule was saved.
    pub updated_at: Instant,
    /// The name of the person or machine that saved the schedule.
    pub updated_by: String,
    /// The subject of that person or machine. Earlier versions did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by_subject: Option<String>,
    /// The number of times the schedule was stored. Of two concurrent changes, one is refused by this number.
    #[serde(default)]
    pub revision: u64,
    /// The first month that is not planned.
    pub next: Month,
    /// The end of that month when the schedule was stored. Only older versions of the service read this field, because the
    /// rules of a zone can change before the month ends.
    ends: Instant,
    /// The planned months, sorted.
    #[serde(default)]
    made: Vec<MadeMonth>,
    /// The planned jobs that may not exist yet.
    #[serde(default, rename = "orders")]
    pending: Vec<MonthJob>,
    /// When to check for late activities, once a month is planned.
    #[serde(default, rename = "look_at")]
    check_at: Option<Instant>,
    /// A counter that chooses the next old month to check.
    #[serde(default)]
    turn: usize,
}

/// The first month of a schedule is too far ahead. The value is the latest month allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarAhead(pub Month);

impl Schedule {
    /// Makes a partner's schedule from a request, in place of the schedule before.
    ///
    /// Decisions are kept, because a month is made once. A schedule that begins earlier than before goes back to the
    /// missing months.
    ///
    /// # Errors
    /// [`TooFarAhead`] if the schedule begins later than the month after the present one.
    pub fn save(
        before: Option<Self>,
        request: ScheduleRequest,
        now: Instant,
        by: impl Into<Author>,
    ) -> Result<Self, TooFarAhead> {
        let Author { subject, name } = by.into();
        let ScheduleRequest { enabled, time_zone, output, filter, from, notify } = request;
        let current = Month::of(now, time_zone);
        let active = before.as_ref().filter(|before| !before.removed);
        let from = match from {
            Some(from) if from > current.next() => return Err(TooFarAhead(current.next())),
            Some(from) => from,
            None => active.map_or(current.previous(), |before| before.from),
        };
        let next = active.filter(|before| before.from <= from).map_or(from, |before| before.next.max(from));
        let (revision, made, pending, check_at, turn) = match before {
            Some(before) => (before.revision, before.made, before.pending, before.check_at, before.turn),
            None => (0, Vec::new(), Vec::new(), None, 0),
        };
        let mut schedule = Self {
            enabled,
            removed: false,
            time_zone,
            output,
            filter,
            from,
            notify,
            updated_at: now,
            updated_by: name,
            updated_by_subject: subject,
            revision,
            next,
            ends: Instant::MAX,
            made,
            pending,
            check_at,
            turn,
        };
        schedule.move_to(next);
        Ok(schedule)
    }

    /// Removes the schedule: no month is made and nobody is notified any more.
    #[must_use]
    pub fn remove(self, now: Instant, by: impl Into<Author>) -> Self {
        let Author { subject, name } = by.into();
        Self {
            enabled: false,
            removed: true,
            notify: Vec::new(),
            updated_at: now,
            updated_by: name,
            updated_by_subject: subject,
            ..self
        }
    }

    /// Returns when the next month can be made: its end plus the grace period.
    pub fn next_run_at(&self, grace_seconds: i64) -> Instant {
        self.end_of(self.next).plus_seconds(grace_seconds)
    }

    /// Returns when the schedule next needs a run. A disabled schedule needs none.
    pub fn due_at(&self, grace_seconds: i64) -> Option<Instant> {
        if !self.enabled {
            return None;
        }
        if let Some(job) = self.pending.last() {
            return Some(job.at.plus_seconds(RETRY_SECONDS));
        }
        let next = self.next_run_at(grace_seconds);
        Some(self.check_at.map_or(next, |check_at| check_at.min(next)))
    }

    /// Returns when late activities are checked next, once a month is planned.
    pub fn check_at(&self) -> Option<Instant> {
        self.check_at
    }

    /// Returns the planned months, sorted.
    pub fn made(&self) -> &[MadeMonth] {
        &self.made
    }

    /// Returns the planned jobs that may not exist yet.
    pub fn pending_jobs(&self) -> &[MonthJob] {
        &self.pending
    }

    /// Plans every month that has ended, grace period included, and is not planned.
    pub fn plan_ended_months(&mut self, grace_seconds: i64, now: Instant) {
        let now = now.truncated_to_seconds();
        while self.pending.len() < MAX_PENDING_JOBS && self.next_run_at(grace_seconds) <= now {
            let month = self.next;
            if self.find(month).is_err() {
                self.plan_first_version(month, self.end_of(month), settled_cut(now), now);
            }
            let next = month.next();
            if next == month {
                break;
            }
            self.move_to(next);
        }
    }

    /// Tells whether anybody is notified.
    pub fn has_recipients(&self) -> bool {
        !self.notify.is_empty()
    }

    /// Tells whether late activities are to be checked.
    pub fn is_check_due(&self, now: Instant) -> bool {
        self.check_at.is_some_and(|check_at| check_at <= now)
    }

    /// Lists today's checks for late activities: recent months, and one of the older months in turn.
    ///
    /// A month is recent for [`DAILY_CHECK_SECONDS`] after its end or its last version. A month whose last version is less
    /// than a day old is left for tomorrow.
    pub fn late_checks(&self, now: Instant) -> impl Iterator<Item = LateCheck> + '_ {
        let now = now.truncated_to_seconds();
        let is_rested = move |made: &&MadeMonth| made.at.plus_seconds(CHECK_INTERVAL_SECONDS) <= now;
        let recent = self.made.iter().filter(move |made| made.is_recent(now));
        recent
            .chain(self.old_month_in_turn(now))
            .filter(is_rested)
            .filter_map(move |made| made.late_check(now.plus_seconds(-LATE_SETTLE_SECONDS)))
    }

    /// Notes that today's checks are done; the next ones are due a day later.
    pub fn note_checks_done(&mut self, now: Instant) {
        self.turn = self.turn.wrapping_add(1);
        self.check_at = Some(now.truncated_to_seconds().plus_seconds(CHECK_INTERVAL_SECONDS));
    }

    /// Plans the next version of a month for the late activities that a check found.
    pub fn plan_next_version(&mut self, check: &LateCheck, now: Instant) {
        let Ok(index) = self.find(check.month) else { return };
        let at = now.truncated_to_seconds();
        let made = &mut self.made[index];
        made.version += 1;
        (made.cut, made.at) = (check.recorded_before, at);
        self.pending.push(MonthJob {
            month: check.month,
            version: made.version,
            from: check.from,
            to: check.to,
            time_zone: self.time_zone,
            recorded_from: Some(check.recorded_from),
            recorded_before: check.recorded_before,
            at,
        });
    }

    /// Lists the ranges of months, first and last, whose exports are looked after today: recent months, and the old month in
    /// turn.
    ///
    /// The old month is needed because exports that failed just before a long pause of the schedule would stay failed.
    pub fn months_to_repair(&self, now: Instant) -> impl Iterator<Item = (Month, Month)> {
        let now = now.truncated_to_seconds();
        let recent = self.made.iter().find(|made| made.is_recent(now)).map(|made| (made.month, self.next));
        let in_turn = self.old_month_in_turn(now).map(|made| (made.month, made.month));
        recent.into_iter().chain(in_turn)
    }

    /// Returns the month whose turn it is among those that are no longer recent.
    fn old_month_in_turn(&self, now: Instant) -> Option<&MadeMonth> {
        let mut old = self.made.iter().filter(|made| !made.is_recent(now));
        let count = old.clone().count();
        old.nth(self.turn % count.max(1))
    }

    /// Removes the pending jobs, which exist now, and returns them.
    pub fn take_pending_jobs(&mut self) -> Vec<MonthJob> {
        std::mem::take(&mut self.pending)
    }

    fn plan_first_version(&mut self, month: Month, to: Instant, cut: Instant, now: Instant) {
        let Err(index) = self.find(month) else { return };
        let from = self.start_of(month, index);
        self.made.insert(index, MadeMonth { month, from, to, version: 1, cut, at: now });
        self.pending.push(MonthJob {
            month,
            version: 1,
            from,
            to,
            time_zone: self.time_zone,
            recorded_from: None,
            recorded_before: cut,
            at: now,
        });
        let check_at = now.plus_seconds(CHECK_INTERVAL_SECONDS);
        self.check_at = Some(self.check_at.map_or(check_at, |earlier| earlier.min(check_at)));
    }

    /// Makes `month`, or the first month after it that is not planned, the next one.
    fn move_to(&mut self, month: Month) {
        let mut month = month;
        while self.find(month).is_ok() && month.next() != month {
            month = month.next();
        }
        self.next = month;
        self.ends = self.end_of(month);
    }

    /// Returns the first instant of a month that is not planned, by the index where the month would be inserted.
    fn start_of(&self, month: Month, index: usize) -> Instant {
        match index.checked_sub(1).map(|index| &self.made[index]).filter(|before| before.month.next() == month) {
            Some(before) => before.to,
            None => month.period(self.time_zone).from(),
        }
    }

    fn end_of(&self, month: Month) -> Instant {
        match self.find(month.next()) {
            Ok(after) if month.next() != month => self.made[after].from,
            _ => month.period(self.time_zone).to(),
        }
    }

    /// Returns the index of a planned month, or the index where the month would be inserted.
    fn find(&self, month: Month) -> Result<usize, usize> {
        match self.made.last() {
            // Months are mostly planned in order.
            Some(last) if last.month < month => Err(self.made.len()),
            _ => self.made.binary_search_by_key(&month, |made| made.month),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: i64 = 6 * 3_600;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    fn request(zone: &str, from: Option<&str>) -> ScheduleRequest {
        ScheduleRequest {
            enabled: true,
            time_zone: Zone::parse(zone).unwrap(),
            output: Output::default(),
            filter: Filter::default(),
            from: from.map(month),
            notify: Vec::new(),
        }
    }

    fn save(before: Option<Schedule>, zone: &str, from: Option<&str>, now: &str) -> Schedule {
        Schedule::save(before, request(zone, from), at(now), "Ana".to_owned()).unwrap()
    }

    fn bounds(schedule: &Schedule) -> Vec<(String, String, String)> {
        let short = |instant: Instant| instant.to_string()[..16].to_owned();
        schedule.made().iter().map(|made| (made.month.to_string(), short(made.from), short(made.to))).collect()
    }

    fn triple(month: &str, from: &str, to: &str) -> (String, String, String) {
        (month.to_owned(), from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_change_of_zone_leaves_no_gap_and_no_overlap() {
        let mut schedule = save(None, "Pacific/Kiritimati", Some("2026-09"), "2026-10-10T00:00:00Z");
        schedule.plan_ended_months(GRACE, at("2026-10-10T00:00:00Z"));
        let mut schedule = save(Some(schedule), "Pacific/Pago_Pago", None, "2026-10-11T00:00:00Z");
        assert_eq!(schedule.next_run_at(0), at("2026-11-01T11:00:00Z"));
        schedule.plan_ended_months(GRACE, at("2026-11-02T00:00:00Z"));
        let mut schedule = save(Some(schedule), "Europe/Paris", None, "2026-11-11T00:00:00Z");
        schedule.plan_ended_months(GRACE, at("2026-12-02T00:00:00Z"));
        assert_eq!(
            bounds(&schedule),
            [
                triple("2026-09", "2026-08-31T10:00", "2026-09-30T10:00"),
                triple("2026-10", "2026-09-30T10:00", "2026-11-01T11:00"),
                triple("2026-11", "2026-11-01T11:00", "2026-11-30T23:00"),
            ]
        );
    }

    #[test]
    fn months_between_planned_ones_take_their_bounds() {
        let now = "2026-11-10T00:00:00Z";
        let mut schedule = save(None, "Pacific/Kiritimati", Some("2026-08"), now);
        assert!(schedule.plan_month(month("2026-10"), GRACE, settled_cut(at(now)), at(now)));
        let mut schedule = save(Some(schedule), "Pacific/Pago_Pago", Some("2026-08"), now);
        schedule.plan_ended_months(GRACE, at(now));
        assert_eq!(
            bounds(&schedule),
            [
                triple("2026-08", "2026-08-01T11:00", "2026-09-01T11:00"),
                triple("2026-09", "2026-09-01T11:00", "2026-09-30T10:00"),
                triple("2026-10", "2026-09-30T10:00", "2026-10-31T10:00"),
            ]
        );
        assert_eq!(schedule.next, month("2026-11"));
        assert!(!schedule.plan_month(month("2026-10"), GRACE, settled_cut(at(now)), at(now)), "once");
        assert!(
            !schedule.plan_month(month("2026-07"), GRACE, settled_cut(at(now)), at(now)),
            "before the schedule begins"
        );
        assert!(!schedule.plan_month(month("2026-11"), GRACE, settled_cut(at(now)), at(now)), "not ended");
    }

    #[test]
    fn a_month_is_due_after_its_end_and_the_grace_period() {
        let mut schedule = save(None, "UTC", Some("2026-10"), "2026-10-10T00:00:00Z");
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-01T06:00:00Z")));
        schedule.plan_ended_months(GRACE, at("2026-11-01T05:59:59.999Z"));
        assert!(schedule.pending_jobs().is_empty());
        schedule.plan_ended_months(GRACE, at("2026-11-01T06:00:00Z"));
        let [job] = schedule.pending_jobs() else { panic!("not one job") };
        assert_eq!((job.version, job.recorded_before), (1, at("2026-11-01T05:58:00Z")));
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-01T06:10:00Z")), "another run carries out stored jobs");
        schedule.take_pending_jobs();
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-02T06:00:00Z")), "the check for late activities");
    }

    #[test]
    fn versions_follow_without_gap_and_once_a_day() {
        let mut schedule = save(None, "UTC", Some("2026-10"), "2026-11-01T00:00:00Z");
        let first = at("2026-11-01T06:00:00Z");
        schedule.plan_ended_months(GRACE, first);
        schedule.take_pending_jobs();
        assert_eq!(schedule.late_checks(first.plus_seconds(CHECK_INTERVAL_SECONDS - 1)).count(), 0);
        let second = first.plus_seconds(CHECK_INTERVAL_SECONDS);
        assert!(schedule.is_check_due(second));
        let check = schedule.late_checks(second).next().unwrap();
        assert_eq!(
            (check.recorded_from, check.recorded_before),
            (at("2026-11-01T05:58:00Z"), at("2026-11-02T05:00:00Z"))
        );
        schedule.plan_next_version(&check, second);
        schedule.note_checks_done(second);
        // The operator asks for another check in the same hour.
        let at_once = schedule.late_check(month("2026-10"), settled_cut(second.plus_seconds(60))).unwrap();
        assert_eq!(at_once.recorded_from, check.recorded_before);
        assert_eq!(schedule.late_checks(second.plus_seconds(3_600)).count(), 0);
        schedule.plan_next_version(&at_once, second.plus_seconds(60));
        let cuts: Vec<_> = schedule.pending_jobs().iter().map(|job| (job.version, job.recorded_from)).collect();
        assert_eq!(cuts, [(2, Some(check.recorded_from)), (3, Some(check.recorded_before))]);
        assert_eq!(
            schedule.late_check(month("2026-10"), settled_cut(second)),
            None,
            "nothing before the last cut is checked again"
        );
    }

    #[test]
    fn old_months_are_checked_in_turn() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = save(None, "UTC", Some("2026-01"), "2026-11-01T00:00:00Z");
        schedule.plan_ended_months(GRACE, now);
        let much_later = now.plus_seconds(DAILY_CHECK_SECONDS);
        let mut seen = Vec::new();
        for day in 0..10 {
            let day = much_later.plus_seconds(day * CHECK_INTERVAL_SECONDS);
            seen.extend(schedule.late_checks(day).map(|check| check.month.to_string()));
            schedule.note_checks_done(day);
        }
        seen.sort();
        let all: Vec<_> = (1..=10).map(|number| format!("2026-{number:02}")).collect();
        assert_eq!(seen, all);
    }

    #[test]
    fn a_removed_schedule_remembers_its_months() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = save(None, "UTC", Some("2026-09"), "2026-11-01T00:00:00Z");
        schedule.plan_ended_months(GRACE, now);
        schedule.take_pending_jobs();
        let author = Author { subject: Some("b-1".to_owned()), name: "Bob".to_owned() };
        let removed = schedule.remove(now.plus_seconds(1), author);
        assert_eq!(removed.due_at(GRACE), None);
        assert_eq!(
            (removed.updated_at, removed.updated_by.as_str(), removed.updated_by_subject.as_deref()),
            (now.plus_seconds(1), "Bob", Some("b-1"))
        );
        let mut again = save(Some(removed), "UTC", Some("2026-08"), "2026-11-03T00:00:00Z");
        again.plan_ended_months(GRACE, now);
        let ordered: Vec<_> = again.pending_jobs().iter().map(|job| job.month.to_string()).collect();
        assert_eq!(ordered, ["2026-08"]);
    }

    #[test]
    fn a_schedule_begins_at_most_a_month_ahead() {
        let ahead = |from| Schedule::save(None, request("UTC", Some(from)), at("2026-11-02T00:00:00Z"), String::new());
        assert!(ahead("2026-12").is_ok());
        assert_eq!(ahead("2027-01").unwrap_err(), TooFarAhead(month("2026-12")));
    }

    #[test]
    fn a_schedule_is_stored_without_loss() {
        let mut schedule = save(None, "Australia/Lord_Howe", Some("2026-01"), "2026-11-01T00:00:00Z");
        schedule.plan_ended_months(GRACE, at("2026-11-02T00:00:00.123456Z"));
        schedule.note_checks_done(at("2026-11-02T00:00:00.123456Z"));
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
    }

    #[test]
    fn a_run_plans_a_limited_number_of_months() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = save(None, "UTC", Some("2020-01"), "2026-11-02T00:00:00Z");
        schedule.plan_ended_months(GRACE, now);
        assert_eq!((schedule.pending_jobs().len(), schedule.next), (MAX_PENDING_JOBS, month("2023-01")));
        schedule.plan_ended_months(GRACE, now);
        assert_eq!(schedule.take_pending_jobs().len(), MAX_PENDING_JOBS);
        assert_eq!(schedule.pending_jobs(), []);
    }

    #[test]
    fn exports_of_recent_months_are_looked_after() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = save(None, "UTC", Some("2026-09"), "2026-11-02T00:00:00Z");
        schedule.plan_ended_months(GRACE, now);
        assert_eq!(schedule.months_to_repair(now).collect::<Vec<_>>(), [(month("2026-09"), month("2026-11"))]);
        let later = now.plus_seconds(DAILY_CHECK_SECONDS);
        assert_eq!(DAILY_CHECK_SECONDS, 5_356_800, "62 days");
        assert_eq!(schedule.months_to_repair(later.plus_seconds(-1)).count(), 1);
        assert_eq!(schedule.months_to_repair(later).collect::<Vec<_>>(), [(month("2026-09"), month("2026-09"))]);
        schedule.note_checks_done(later);
        assert_eq!(schedule.months_to_repair(later).collect::<Vec<_>>(), [(month("2026-10"), month("2026-10"))]);
    }

    #[test]
    fn checks_are_due_once_a_month_is_planned() {
        let first = at("2026-11-01T06:00:00Z");
        let mut schedule = save(None, "UTC", Some("2026-10"), "2026-11-01T00:00:00Z");
        assert_eq!((schedule.check_at(), schedule.is_check_due(Instant::MAX)), (None, false));
        schedule.plan_ended_months(GRACE, first);
        let due = first.plus_seconds(CHECK_INTERVAL_SECONDS);
        assert_eq!(schedule.check_at(), Some(due));
        assert!(!schedule.is_check_due(due.plus_seconds(-1)) && schedule.is_check_due(due));
        schedule.note_checks_done(due);
        assert_eq!(schedule.check_at(), Some(due.plus_seconds(CHECK_INTERVAL_SECONDS)));
        assert!(schedule.late_check(month("2026-09"), due).is_none(), "not planned");
    }

    #[test]
    fn saving_again_keeps_the_first_month_and_the_decisions() {
        let now = "2026-11-02T00:00:00Z";
        let mut schedule = save(None, "UTC", None, now);
        assert_eq!((schedule.from, schedule.next), (month("2026-10"), month("2026-10")));
        schedule.plan_ended_months(GRACE, at(now));
        let again = save(Some(schedule.clone()), "UTC", None, now);
        assert_eq!((again.from, again.next, again.made().len()), (month("2026-10"), month("2026-11"), 1));
        let later = save(Some(schedule.clone()), "UTC", Some("2026-12"), now);
        assert_eq!(later.next, month("2026-12"));
        let earlier = save(Some(schedule.clone()), "UTC", Some("2026-08"), now);
        assert_eq!(earlier.next, month("2026-08"));
        assert!(!schedule.has_recipients());
        schedule.notify = vec![Recipient::Email("a@b.example".to_owned())];
        assert!(schedule.has_recipients());
        let removed = schedule.remove(at(now), "Bob".to_owned());
        assert!(!removed.has_recipients() && removed.removed && !removed.enabled);
        assert_eq!(
            save(Some(removed), "UTC", None, "2027-01-02T00:00:00Z").from,
            month("2026-12"),
            "as a new schedule"
        );
    }

    #[test]
    fn the_stored_form_keeps_its_names() {
        let mut schedule = save(None, "UTC", Some("2026-10"), "2026-11-01T00:00:00Z");
        schedule.plan_ended_months(GRACE, at("2026-11-01T06:00:00Z"));
        let stored = serde_json::to_value(&schedule).unwrap();
        assert_eq!(stored["made"], serde_json::json!([["2026-10", 1790812800, 1793491200, 1, 1793512680, 1793512800]]));
        assert_eq!(stored["orders"][0]["month"], "2026-10");
        assert_eq!(stored["look_at"], "2026-11-02T06:00:00.000000Z");
    }
}
