//! Months that the operator asks for: whether a schedule has them, and up to when they are cut.
//!
//! An hourly run cuts a month two minutes back, so that its file can be made at once. The operator often asks right after
//! a backfill, and expects everything that was acknowledged. If something was recorded in the last two minutes, the month is
//! cut at the request, and its file is made two minutes later, once everything recorded before the cut can be read.

use super::{LateCheck, Schedule};
use crate::{
    query::SETTLE_SECONDS,
    time::{Instant, Month},
};

/// The number of seconds by which the clocks of two functions may differ, rounded up. A cut lies so far behind the request
/// that nothing which was acknowledged before the request has a later time of recording.
const CLOCK_SKEW_SECONDS: i64 = 2;

/// The reason why a schedule makes nothing of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDue {
    /// The partner has no schedule.
    #[error(
        "The partner has no export schedule. Check its id, or save one with PUT /v1/partners/{{partner}}/export-schedule."
    )]
    NoSchedule,
    /// The schedule is disabled.
    #[error("The partner's export schedule is off. Save it with \"enabled\": true to export its months.")]
    Disabled,
    /// The schedule begins with a later month.
    #[error(
        "The partner's export schedule begins with {0}. Save it with an earlier \"from\" to export earlier months."
    )]
    BeforeFirst(Month),
    /// The month has not ended, or its grace period has not. The value is the time at which the grace period ends.
    #[error("The month can be exported from {} on, when it has ended and the grace period is over.", .0.to_millis_text())]
    NotEnded(Instant),
}

/// Returns the cut of a file that is made at `now`: everything recorded before the cut can be read.
pub fn settled_cut(now: Instant) -> Instant {
    now.truncated_to_seconds().plus_seconds(-SETTLE_SECONDS)
}

/// Returns the cut behind everything that was acknowledged before `now`. The file must wait until the cut is settled.
pub fn request_cut(now: Instant) -> Instant {
    now.truncated_to_seconds().plus_seconds(CLOCK_SKEW_SECONDS)
}

impl Schedule {
    /// Checks that a month is planned, or could be: it belongs to the schedule and has ended, grace period included.
    ///
    /// # Errors
    /// The reason why the month is not due.
    pub fn check_month(&self, month: Month, grace_seconds: i64, now: Instant) -> Result<(), NotDue> {
        let due_at = self.end_of(month).plus_seconds(grace_seconds);
        if self.removed {
            Err(NotDue::NoSchedule)
        } else if !self.enabled {
            Err(NotDue::Disabled)
        } else if self.find(month).is_ok() {
            Ok(())
        } else if month < self.from {
            Err(NotDue::BeforeFirst(self.from))
        } else if due_at > now {
            Err(NotDue::NotEnded(due_at))
        } else {
            Ok(())
        }
    }

    /// Plans version 1 of a month with a cut and tells whether it did.
    ///
    /// The month must belong to the schedule, have ended, grace period included, and not be planned. Other months do not
    /// matter.
    pub fn plan_month(&mut self, month: Month, grace_seconds: i64, cut: Instant, now: Instant) -> bool {
        let now = now.truncated_to_seconds();
        if self.check_month(month, grace_seconds, now).is_err() || self.find(month).is_ok() {
            return false;
        }
        self.plan_first_version(month, self.end_of(month), cut, now);
        self.move_to(self.next);
        true
    }

    /// Returns the check of a month for activities of the last two minutes. The month need not be planned.
    pub fn recent_check(&self, month: Month, now: Instant) -> LateCheck {
        let (from, to) = match self.find(month) {
            Ok(index) => (self.made[index].from, self.made[index].to),
            Err(index) => (self.start_of(month, index), self.end_of(month)),
        };
        LateCheck { month, from, to, recorded_from: settled_cut(now), recorded_before: request_cut(now) }
    }

    /// Returns the check of one planned month for activities that were recorded since its last cut.
    pub fn late_check(&self, month: Month, recorded_before: Instant) -> Option<LateCheck> {
        self.find(month).ok().and_then(|index| self.made[index].late_check(recorded_before))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ScheduleRequest, *};
    use crate::{filter::Filter, job::Output, time::Zone};

    const GRACE: i64 = 6 * 3_600;
    const NOW: &str = "2026-11-02T00:00:00.700Z";

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    fn schedule(zone: &str, from: &str) -> Schedule {
        save(None, zone, from)
    }

    fn save(before: Option<Schedule>, zone: &str, from: &str) -> Schedule {
        let request = ScheduleRequest {
            enabled: true,
            time_zone: Zone::parse(zone).unwrap(),
            output: Output::default(),
            filter: Filter::default(),
            from: Some(month(from)),
            notify: Vec::new(),
        };
        Schedule::save(before, request, at(NOW), "Ana".to_owned()).unwrap()
    }

    #[test]
    fn a_month_that_is_not_due_has_a_reason() {
        let found = |schedule: &Schedule, text| schedule.check_month(month(text), GRACE, at(NOW)).unwrap_err();
        let mut schedule = schedule("America/Vancouver", "2026-10");
        assert_eq!(found(&schedule, "2026-09"), NotDue::BeforeFirst(month("2026-10")));
        let reason = found(&schedule, "2026-11");
        assert_eq!(reason, NotDue::NotEnded(at("2026-12-01T13:00:00Z")));
        assert!(
            reason.to_string().starts_with("The month can be exported from 2026-12-01T13:00:00.000Z on"),
            "{reason}"
        );
        assert!(schedule.plan_month(month("2026-10"), GRACE, request_cut(at(NOW)), at(NOW)));
        schedule.enabled = false;
        assert_eq!(found(&schedule, "2026-10"), NotDue::Disabled);
        let removed = schedule.remove(at(NOW), "Ana".to_owned());
        assert_eq!(found(&removed, "2026-10"), NotDue::NoSchedule);
    }

    #[test]
    fn a_requested_month_holds_what_was_acknowledged() {
        let (mut schedule, now) = (schedule("UTC", "2026-10"), at(NOW));
        let check = schedule.recent_check(month("2026-10"), now);
        assert_eq!((check.from, check.to), (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z")));
        assert_eq!(check.recorded_from, at("2026-11-01T23:58:00Z"));
        assert!(check.recorded_before > now.plus_seconds(1));
        assert!(schedule.plan_month(month("2026-10"), GRACE, check.recorded_before, now));
        assert_eq!(schedule.recent_check(month("2026-10"), now), check, "also when the month is planned");
        let [planned] = schedule.pending_jobs() else { panic!("not one job") };
        let job = planned.job(Output::default(), Filter::default(), 60);
        assert_eq!(job.recorded_before, Some(check.recorded_before));
        assert_eq!(job.readable_at(), check.recorded_before.plus_seconds(SETTLE_SECONDS));
        assert_eq!(schedule.late_check(month("2026-10"), check.recorded_before), None);
    }

    #[test]
    fn the_next_month_is_the_first_one_that_is_not_planned() {
        let now = at(NOW);
        let mut schedule = schedule("UTC", "2026-08");
        let plan = |schedule: &mut Schedule, text| {
            assert!(schedule.plan_month(month(text), GRACE, settled_cut(now), now));
            (schedule.next.to_string(), schedule.next_run_at(GRACE))
        };
        assert_eq!(plan(&mut schedule, "2026-10"), ("2026-08".to_owned(), at("2026-09-01T06:00:00Z")));
        assert_eq!(plan(&mut schedule, "2026-08"), ("2026-09".to_owned(), at("2026-10-01T06:00:00Z")));
        assert_eq!(plan(&mut schedule, "2026-09"), ("2026-11".to_owned(), at("2026-12-01T06:00:00Z")));
        // A schedule that is saved again does not go back to planned months either.
        let request = ScheduleRequest {
            enabled: true,
            time_zone: Zone::UTC,
            output: Output::default(),
            filter: Filter::default(),
            from: Some(month("2026-09")),
            notify: Vec::new(),
        };
        let removed = schedule.remove(now, "Ana".to_owned());
        let again = Schedule::save(Some(removed), request, now, "Ana".to_owned()).unwrap();
        assert_eq!(again.next, month("2026-11"));
    }

    #[test]
    fn a_month_is_covered_if_planned_or_ended() {
        let now = at(NOW);
        let schedule = schedule("UTC", "2026-10");
        for (text, covered) in [("2026-09", false), ("2026-10", true), ("2026-11", false)] {
            assert_eq!(schedule.check_month(month(text), GRACE, now).is_ok(), covered, "{text}");
        }
        let ended = at("2026-11-01T06:00:00Z");
        assert!(schedule.check_month(month("2026-10"), GRACE, ended).is_ok());
        assert!(schedule.check_month(month("2026-10"), GRACE, ended.plus_seconds(-1)).is_err());
        let mut planned = schedule.clone();
        assert!(!planned.plan_month(month("2026-10"), GRACE, settled_cut(ended), ended.plus_seconds(-1)));
        assert!(planned.plan_month(month("2026-10"), GRACE, settled_cut(ended), ended));
        let later = save(Some(planned), "UTC", "2026-11");
        assert!(later.check_month(month("2026-10"), GRACE, now).is_ok(), "planned before the schedule was changed");
    }
}
