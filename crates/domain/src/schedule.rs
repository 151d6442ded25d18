//! What is to be made of a partner's months, and when: decisions only, no I/O. Time is an argument, and so is whatever has
//! to be looked up; the function `monthly` and the simulator of the tests drive the same code.
//!
//! **Which activities a month's export holds.** A month begins where the export of the month before it ended, and ends
//! where the schedule's zone ended it when its first version was decided. So a partner that changes its zone between two
//! months gets neither a gap nor an overlap: the month across the change is up to 26 hours longer or shorter. The first
//! month begins where its zone says; months that are made after their neighbours take the neighbours' bounds.
//!
//! **Versions.** Version 1 holds what was recorded before its cut, version *n* what was recorded from the cut of version
//! *n* − 1 on and before its own. Cuts only move forward and belong to one month each: an activity is in one version of
//! one month, whoever decides, how often, and in whatever order. A cut lies so far back that whatever was recorded before
//! it can be read when the files are made.
//!
//! **Decide, note, carry out.** Every decision is an [`Order`] in the partner's schedule, which is stored under the
//! condition that nobody has stored it since it was read. Only then are the orders carried out, which may be repeated,
//! and only then taken off. Of two who decide at the same time one finds that the other was first.

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    filter::Filter,
    job::{Job, Kind, Output, Request, version_name},
    query::SETTLE_SECONDS,
    recipient::Recipient,
    time::{Instant, Month},
};

/// The most orders of one partner that wait to be carried out: months beyond are for the next run.
pub const MAX_ORDERS: usize = 36;
/// At most one version of a month a day is made by the schedule, and so often late activities are looked for, in seconds.
pub const LOOK_SECONDS: i64 = 86_400;
/// How far back the schedule cuts a version for late activities, in seconds. They are found through an index that follows
/// its table, usually within a second; an hour's patience costs nothing there.
pub const LATE_SETTLE_SECONDS: i64 = 3_600;
/// How long a month is looked at every day, in seconds from its end or its last version; older ones take turns, one a day.
pub const WATCH_SECONDS: i64 = 62 * 86_400;
/// After how many seconds orders that were noted and not taken off are carried out by another run.
const GUARD_SECONDS: i64 = 600;

/// What a partner wants of its months.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Whether months are made.
    pub enabled: bool,
    /// The zone whose calendar counts.
    pub time_zone: Tz,
    /// The form of the files.
    pub output: Output,
    /// The first month to make; the month before the present one, or that of the schedule that is changed, where absent.
    pub from: Option<Month>,
    /// Whom to tell of each export.
    pub notify: Vec<Recipient>,
}

/// A partner's schedule of monthly exports: what it wants, and what was decided so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whether months are made.
    pub enabled: bool,
    /// Whether it was removed. What was decided is kept: a schedule that comes back goes on from there.
    #[serde(default)]
    pub removed: bool,
    /// The zone whose calendar counts.
    pub time_zone: Tz,
    /// The form of the files.
    pub output: Output,
    /// The first month to make.
    pub from: Month,
    /// Whom to tell of each export.
    #[serde(default)]
    pub notify: Vec<Recipient>,
    /// When it was saved.
    pub updated_at: Instant,
    /// By whom.
    pub updated_by: String,
    /// How often it was stored: of two that change what they read, one is refused.
    #[serde(default)]
    pub revision: u64,
    /// The first month not yet decided on.
    pub next: Month,
    /// When that month ends.
    ends: Instant,
    /// The months decided on, in the order of the calendar.
    #[serde(default)]
    made: Vec<Made>,
    /// What is decided and may not be done.
    #[serde(default)]
    orders: Vec<Order>,
    /// When to look for late activities, once there is a month.
    #[serde(default)]
    look_at: Option<Instant>,
    /// Which of the old months was looked at last.
    #[serde(default)]
    turn: usize,
}

/// A month that was decided on: its bounds, and its last version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The month.
    pub month: Month,
    /// The first instant.
    pub from: Instant,
    /// The first instant after.
    pub to: Instant,
    /// The number of its last version, from 1 on.
    pub version: u32,
    /// What was recorded before this instant is in one of its versions.
    pub cut: Instant,
    /// When the last version was decided.
    pub at: Instant,
}

/// Written with every schedule, many of them: as short as it gets, in whole seconds.
type ShortMade = (Month, i64, i64, u32, i64, i64);

impl Serialize for Made {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { month, from, to, version, cut, at } = *self;
        let seconds = |instant: Instant| instant.micros().div_euclid(1_000_000);
        (month, seconds(from), seconds(to), version, seconds(cut), seconds(at)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Made {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (month, from, to, version, cut, at) = ShortMade::deserialize(deserializer)?;
        let instant = |seconds: i64| Instant::from_micros(seconds.saturating_mul(1_000_000)).unwrap_or(Instant::MAX);
        Ok(Self { month, from: instant(from), to: instant(to), version, cut: instant(cut), at: instant(at) })
    }
}

/// A version of a month's export that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The month.
    pub month: Month,
    /// The version, from 1 on.
    pub version: u32,
    /// The first instant.
    pub from: Instant,
    /// The first instant after.
    pub to: Instant,
    /// The zone of local times in the files.
    pub time_zone: Tz,
    /// Only what was recorded from this instant on; all of it in version 1.
    pub recorded_from: Option<Instant>,
    /// Only what was recorded before this instant.
    pub recorded_before: Instant,
    /// When it was decided.
    pub at: Instant,
}

/// A question to the ledger: was anything that occurred then recorded then?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The month that it is about.
    pub month: Month,
    /// Occurred at this instant or later,
    pub from: Instant,
    /// and before this one;
    pub to: Instant,
    /// recorded at this instant or later,
    pub recorded_from: Instant,
    /// and before this one.
    pub recorded_before: Instant,
}

/// The first month asked for lies too far ahead: at most at this one a schedule may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarAhead(pub Month);

impl Schedule {
    /// The schedule of a partner that wants this, in place of the one before.
    ///
    /// Decisions stay: a month is made once. A schedule that is to begin earlier than before goes back to the months that
    /// are missing.
    ///
    /// # Errors
    /// [`TooFarAhead`] when it is to begin later than the month after the present one.
    pub fn saved(before: Option<Self>, wishes: Wishes, now: Instant, by: String) -> Result<Self, TooFarAhead> {
        let Wishes { enabled, time_zone, output, from, notify } = wishes;
        let current = Month::of(now, time_zone);
        let there = before.as_ref().filter(|before| !before.removed);
        let from = match from {
            Some(from) if from > current.next() => return Err(TooFarAhead(current.next())),
            Some(from) => from,
            None => there.map_or(current.previous(), |before| before.from),
        };
        let next = there.filter(|before| before.from <= from).map_or(from, |before| before.next.max(from));
        let (revision, made, orders, look_at, turn) = match before {
            Some(before) => (before.revision, before.made, before.orders, before.look_at, before.turn),
            None => (0, Vec::new(), Vec::new(), None, 0),
        };
        let mut schedule = Self {
            enabled,
            removed: false,
            time_zone,
            output,
            from,
            notify,
            updated_at: now,
            updated_by: by,
            revision,
            next,
            ends: Instant::MAX,
            made,
            orders,
            look_at,
            turn,
        };
        schedule.move_to(next);
        Ok(schedule)
    }

    /// The schedule, removed: nothing is made any more, nobody is told.
    #[must_use]
    pub fn removed(self, now: Instant, by: String) -> Self {
        Self { enabled: false, removed: true, notify: Vec::new(), updated_at: now, updated_by: by, ..self }
    }

    /// When the next month can be made: its end, and the grace period.
    pub fn next_run(&self, grace_seconds: i64) -> Instant {
        self.ends.plus_seconds(grace_seconds)
    }

    /// When there is something to do for it; never, while it is off.
    pub fn due_at(&self, grace_seconds: i64) -> Option<Instant> {
        if !self.enabled {
            return None;
        }
        if let Some(order) = self.orders.last() {
            return Some(order.at.plus_seconds(GUARD_SECONDS));
        }
        let next = self.next_run(grace_seconds);
        Some(self.look_at.map_or(next, |look_at| look_at.min(next)))
    }

    /// When late activities are looked for next, once there is a month.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// The months decided on, in the order of the calendar.
    pub fn made(&self) -> &[Made] {
        &self.made
    }

    /// What is decided and may not be done.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Orders every month that has ended, grace period included, and is not made.
    pub fn order_months(&mut self, grace_seconds: i64, now: Instant) {
        let now = whole(now);
        while self.orders.len() < MAX_ORDERS && self.next_run(grace_seconds) <= now {
            let month = self.next;
            if self.place(month).is_err() {
                self.order_first(month, self.ends, now);
            }
            let next = month.next();
            if next == month {
                break;
            }
            self.move_to(next);
        }
    }

    /// Orders the first version of one month, whichever is next, if it belongs to the schedule, has ended, grace period
    /// included, and is not made; tells whether it did.
    pub fn order_month(&mut self, month: Month, grace_seconds: i64, now: Instant) -> bool {
        let now = whole(now);
        let ends = self.end_of(month);
        if month < self.from || ends.plus_seconds(grace_seconds) > now || self.place(month).is_ok() {
            return false;
        }
        self.order_first(month, ends, now);
        true
    }

    /// Whether a month belongs to the schedule and has ended, grace period included, or is made.
    pub fn has(&self, month: Month, grace_seconds: i64, now: Instant) -> bool {
        let ended = self.end_of(month).plus_seconds(grace_seconds) <= now;
        self.place(month).is_ok() || (month >= self.from && ended)
    }

    /// Whether anybody is to be told.
    pub fn notifies(&self) -> bool {
        !self.notify.is_empty()
    }

    /// Whether it is time to look for late activities.
    pub fn is_to_look(&self, now: Instant) -> bool {
        self.look_at.is_some_and(|look_at| look_at <= now)
    }

    /// Where to look for late activities today: in every month that ended or got a version lately, and in one of the older
    /// ones in turn. A month that has had a version today is left for tomorrow.
    pub fn looks(&self, now: Instant) -> impl Iterator<Item = Look> + '_ {
        let now = whole(now);
        let rested = move |made: &&Made| made.at.plus_seconds(LOOK_SECONDS) <= now;
        let watched = self.made.iter().filter(move |made| made.is_watched(now));
        watched.chain(self.in_turn(now)).filter(rested).filter_map(move |made| made.look(now, LATE_SETTLE_SECONDS))
    }

    /// Where to look for late activities of one month at once, if it is made.
    pub fn look(&self, month: Month, now: Instant) -> Option<Look> {
        let made = self.place(month).ok().map(|place| self.made[place])?;
        made.look(whole(now), SETTLE_SECONDS)
    }

    /// Notes that it was looked for late activities: the next time is tomorrow.
    pub fn looked(&mut self, now: Instant) {
        self.turn = self.turn.wrapping_add(1);
        self.look_at = Some(whole(now).plus_seconds(LOOK_SECONDS));
    }

    /// Orders the next version of a month, for what a look has found.
    pub fn order_version(&mut self, look: &Look, now: Instant) {
        let Ok(place) = self.place(look.month) else { return };
        let at = whole(now);
        let made = &mut self.made[place];
        made.version += 1;
        (made.cut, made.at) = (look.recorded_before, at);
        self.orders.push(Order {
            month: look.month,
            version: made.version,
            from: look.from,
            to: look.to,
            time_zone: self.time_zone,
            recorded_from: Some(look.recorded_from),
            recorded_before: look.recorded_before,
            at,
        });
    }

    /// The months whose exports are looked after today, first and last of each span: those that are looked at every day, and
    /// the old one whose turn it is. Without the latter, what failed just before a schedule was off for long would stay so.
    pub fn spans(&self, now: Instant) -> impl Iterator<Item = (Month, Month)> {
        let now = whole(now);
        let watched = self.made.iter().find(|made| made.is_watched(now)).map(|made| (made.month, self.next));
        let in_turn = self.in_turn(now).map(|made| (made.month, made.month));
        watched.into_iter().chain(in_turn)
    }

    /// The month whose turn it is among those that are no longer looked at every day.
    fn in_turn(&self, now: Instant) -> Option<&Made> {
        let mut old = self.made.iter().filter(|made| !made.is_watched(now));
        let count = old.clone().count();
        old.nth(self.turn % count.max(1))
    }

    /// Takes the orders off: they are carried out.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    fn order_first(&mut self, month: Month, to: Instant, now: Instant) {
        let Err(place) = self.place(month) else { return };
        let before = place.checked_sub(1).map(|place| &self.made[place]);
        let from = match before.filter(|before| before.month.next() == month) {
            Some(before) => before.to,
            None => month.period(self.time_zone).from(),
        };
        let cut = now.plus_seconds(-SETTLE_SECONDS);
        self.made.insert(place, Made { month, from, to, version: 1, cut, at: now });
        self.orders.push(Order {
            month,
            version: 1,
            from,
            to,
            time_zone: self.time_zone,
            recorded_from: None,
            recorded_before: cut,
            at: now,
        });
        let look_at = now.plus_seconds(LOOK_SECONDS);
        self.look_at = Some(self.look_at.map_or(look_at, |earlier| earlier.min(look_at)));
    }

    fn move_to(&mut self, month: Month) {
        self.next = month;
        self.ends = self.end_of(month);
    }

    fn end_of(&self, month: Month) -> Instant {
        match self.place(month.next()) {
            Ok(after) if month.next() != month => self.made[after].from,
            _ => month.period(self.time_zone).to(),
        }
    }

    fn place(&self, month: Month) -> Result<usize, usize> {
        match self.made.last() {
            // By far the usual question.
            Some(last) if last.month < month => Err(self.made.len()),
            _ => self.made.binary_search_by_key(&month, |made| made.month),
        }
    }
}

impl Made {
    fn is_watched(&self, now: Instant) -> bool {
        self.to.max(self.at).plus_seconds(WATCH_SECONDS) > now
    }

    fn look(&self, now: Instant, settle_seconds: i64) -> Option<Look> {
        let Self { month, from, to, cut, .. } = *self;
        let recorded_before = now.plus_seconds(-settle_seconds);
        (recorded_before > cut).then_some(Look { month, from, to, recorded_from: cut, recorded_before })
    }
}

/// In whole seconds, as instants are stored.
fn whole(instant: Instant) -> Instant {
    Instant::from_micros(instant.micros().div_euclid(1_000_000) * 1_000_000).unwrap_or(instant)
}

impl Order {
    /// The job that carries the order out. The same order makes the same job, whoever carries it out.
    pub fn job(&self, output: Output, retention_seconds: i64) -> Job {
        Job {
            id: version_name(self.month, self.version),
            kind: Kind::Monthly,
            created_at: self.at,
            created_by: "schedule".to_owned(),
            request: Request {
                from: self.from,
                to: self.to,
                time_zone: self.time_zone,
                filter: Filter::default(),
                output,
            },
            month: Some(self.month),
            version: self.version,
            recorded_from: self.recorded_from,
            recorded_before: Some(self.recorded_before),
            expires_at: self.at.plus_seconds(retention_seconds),
            manifest: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_zone;

    const GRACE: i64 = 6 * 3_600;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    fn wishes(zone: &str, from: Option<&str>) -> Wishes {
        Wishes {
            enabled: true,
            time_zone: parse_zone(zone).unwrap(),
            output: Output::default(),
            from: from.map(month),
            notify: Vec::new(),
        }
    }

    fn saved(before: Option<Schedule>, zone: &str, from: Option<&str>, now: &str) -> Schedule {
        Schedule::saved(before, wishes(zone, from), at(now), "Ana".to_owned()).unwrap()
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
        let mut schedule = saved(None, "Pacific/Kiritimati", Some("2026-09"), "2026-10-10T00:00:00Z");
        schedule.order_months(GRACE, at("2026-10-10T00:00:00Z"));
        let mut schedule = saved(Some(schedule), "Pacific/Pago_Pago", None, "2026-10-11T00:00:00Z");
        assert_eq!(schedule.next_run(0), at("2026-11-01T11:00:00Z"));
        schedule.order_months(GRACE, at("2026-11-02T00:00:00Z"));
        let mut schedule = saved(Some(schedule), "Europe/Paris", None, "2026-11-11T00:00:00Z");
        schedule.order_months(GRACE, at("2026-12-02T00:00:00Z"));
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
    fn months_made_after_their_neighbours_take_the_neighbours_bounds() {
        let now = "2026-11-10T00:00:00Z";
        let mut schedule = saved(None, "Pacific/Kiritimati", Some("2026-08"), now);
        assert!(schedule.order_month(month("2026-10"), GRACE, at(now)));
        let mut schedule = saved(Some(schedule), "Pacific/Pago_Pago", Some("2026-08"), now);
        schedule.order_months(GRACE, at(now));
        assert_eq!(
            bounds(&schedule),
            [
                triple("2026-08", "2026-08-01T11:00", "2026-09-01T11:00"),
                triple("2026-09", "2026-09-01T11:00", "2026-09-30T10:00"),
                triple("2026-10", "2026-09-30T10:00", "2026-10-31T10:00"),
            ]
        );
        assert_eq!(schedule.next, month("2026-11"));
        assert!(!schedule.order_month(month("2026-10"), GRACE, at(now)), "once");
        assert!(!schedule.order_month(month("2026-07"), GRACE, at(now)), "before the schedule begins");
        assert!(!schedule.order_month(month("2026-11"), GRACE, at(now)), "not ended");
    }

    #[test]
    fn a_month_is_due_when_it_has_ended_and_the_grace_is_over() {
        let mut schedule = saved(None, "UTC", Some("2026-10"), "2026-10-10T00:00:00Z");
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-01T06:00:00Z")));
        schedule.order_months(GRACE, at("2026-11-01T05:59:59.999Z"));
        assert!(schedule.orders().is_empty());
        schedule.order_months(GRACE, at("2026-11-01T06:00:00Z"));
        let [order] = schedule.orders() else { panic!("one order") };
        assert_eq!((order.version, order.recorded_before), (1, at("2026-11-01T05:58:00Z")));
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-01T06:10:00Z")), "for whoever goes on with what was noted");
        schedule.take_orders();
        assert_eq!(schedule.due_at(GRACE), Some(at("2026-11-02T06:00:00Z")), "to look for late activities");
    }

    #[test]
    fn versions_follow_one_another_without_gap_and_at_most_one_a_day() {
        let mut schedule = saved(None, "UTC", Some("2026-10"), "2026-11-01T00:00:00Z");
        let first = at("2026-11-01T06:00:00Z");
        schedule.order_months(GRACE, first);
        schedule.take_orders();
        assert_eq!(schedule.looks(first.plus_seconds(LOOK_SECONDS - 1)).count(), 0);
        let second = first.plus_seconds(LOOK_SECONDS);
        assert!(schedule.is_to_look(second));
        let look = schedule.looks(second).next().unwrap();
        assert_eq!(
            (look.recorded_from, look.recorded_before),
            (at("2026-11-01T05:58:00Z"), at("2026-11-02T05:00:00Z"))
        );
        schedule.order_version(&look, second);
        schedule.looked(second);
        // The operator's, in the same hour.
        let at_once = schedule.look(month("2026-10"), second.plus_seconds(60)).unwrap();
        assert_eq!(at_once.recorded_from, look.recorded_before);
        assert_eq!(schedule.looks(second.plus_seconds(3_600)).count(), 0);
        schedule.order_version(&at_once, second.plus_seconds(60));
        let cuts: Vec<_> = schedule.orders().iter().map(|order| (order.version, order.recorded_from)).collect();
        assert_eq!(cuts, [(2, Some(look.recorded_from)), (3, Some(look.recorded_before))]);
        assert_eq!(schedule.look(month("2026-10"), second), None, "nothing before the last cut is looked at again");
    }

    #[test]
    fn old_months_are_looked_at_in_turn() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = saved(None, "UTC", Some("2026-01"), "2026-11-01T00:00:00Z");
        schedule.order_months(GRACE, now);
        let much_later = now.plus_seconds(WATCH_SECONDS);
        let mut seen = Vec::new();
        for day in 0..10 {
            let day = much_later.plus_seconds(day * LOOK_SECONDS);
            seen.extend(schedule.looks(day).map(|look| look.month.to_string()));
            schedule.looked(day);
        }
        seen.sort();
        let all: Vec<_> = (1..=10).map(|number| format!("2026-{number:02}")).collect();
        assert_eq!(seen, all);
    }

    #[test]
    fn a_removed_schedule_remembers_what_was_made() {
        let now = at("2026-11-02T00:00:00Z");
        let mut schedule = saved(None, "UTC", Some("2026-09"), "2026-11-01T00:00:00Z");
        schedule.order_months(GRACE, now);
        schedule.take_orders();
        let removed = schedule.removed(now, "Ana".to_owned());
        assert_eq!(removed.due_at(GRACE), None);
        let mut again = saved(Some(removed), "UTC", Some("2026-08"), "2026-11-03T00:00:00Z");
        again.order_months(GRACE, now);
        let ordered: Vec<_> = again.orders().iter().map(|order| order.month.to_string()).collect();
        assert_eq!(ordered, ["2026-08"]);
    }

    #[test]
    fn a_schedule_begins_a_month_ahead_at_the_latest() {
        let ahead = |from| Schedule::saved(None, wishes("UTC", Some(from)), at("2026-11-02T00:00:00Z"), String::new());
        assert!(ahead("2026-12").is_ok());
        assert_eq!(ahead("2027-01").unwrap_err(), TooFarAhead(month("2026-12")));
    }

    #[test]
    fn a_schedule_is_stored_as_it_is() {
        let mut schedule = saved(None, "Australia/Lord_Howe", Some("2026-01"), "2026-11-01T00:00:00Z");
        schedule.order_months(GRACE, at("2026-11-02T00:00:00.123456Z"));
        schedule.looked(at("2026-11-02T00:00:00.123456Z"));
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
    }
}
