//! The months of a schedule: planned months, the jobs that make them, and checks for late activities.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    filter::Filter,
    job::{ExportRequest, FORM_VERSION, Job, Kind, Output, version_name},
    time::{Instant, Month, Zone},
};

/// The time for which a month is checked every day, in seconds from its end or its last version. Older months are checked in
/// turn, one a day.
pub const DAILY_CHECK_SECONDS: i64 = 62 * 86_400;

/// A planned month: its bounds and its last version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeMonth {
    /// The month.
    pub month: Month,
    /// The first instant.
    pub from: Instant,
    /// The first instant after the month.
    pub to: Instant,
    /// The number of the last version, from 1.
    pub version: u32,
    /// The cut of the last version: activities recorded before are in one of the versions.
    pub cut: Instant,
    /// When the last version was planned.
    pub at: Instant,
}

/// The stored form of [`MadeMonth`], short because schedules hold many: month, from, to, version, cut, at; times in whole
/// seconds.
type StoredMadeMonth = (Month, i64, i64, u32, i64, i64);

impl Serialize for MadeMonth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { month, from, to, version, cut, at } = *self;
        let stored: StoredMadeMonth = (month, from.seconds(), to.seconds(), version, cut.seconds(), at.seconds());
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MadeMonth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (month, from, to, version, cut, at) = StoredMadeMonth::deserialize(deserializer)?;
        let instant = |seconds: i64| Instant::from_micros(seconds.saturating_mul(1_000_000)).unwrap_or(Instant::MAX);
        Ok(Self { month, from: instant(from), to: instant(to), version, cut: instant(cut), at: instant(at) })
    }
}

impl MadeMonth {
    /// Tells whether the month is checked every day.
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        self.to.max(self.at).plus_seconds(DAILY_CHECK_SECONDS) > now
    }

    /// Returns the check for activities that were recorded since the last cut.
    pub(super) fn late_check(&self, recorded_before: Instant) -> Option<LateCheck> {
        let Self { month, from, to, cut, .. } = *self;
        (recorded_before > cut).then_some(LateCheck { month, from, to, recorded_from: cut, recorded_before })
    }
}

/// A planned job: one version of a month's export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthJob {
    /// The month.
    pub month: Month,
    /// The version, from 1.
    pub version: u32,
    /// The first instant.
    pub from: Instant,
    /// The first instant after the month.
    pub to: Instant,
    /// The zone of local times in the files.
    pub time_zone: Zone,
    /// Excludes activities recorded before this instant; absent in version 1.
    pub recorded_from: Option<Instant>,
    /// Excludes activities recorded at this instant or later.
    pub recorded_before: Instant,
    /// When the job was planned.
    pub at: Instant,
}

impl MonthJob {
    /// Makes the export job of a schedule with this form and filter. The same arguments always give the same export job.
    pub fn job(&self, output: Output, filter: Filter, retention_seconds: i64) -> Job {
        Job {
            id: version_name(self.month, self.version),
            kind: Kind::Monthly,
            created_at: self.at,
            created_by: "schedule".to_owned(),
            created_by_subject: None,
            request: ExportRequest { from: self.from, to: self.to, time_zone: self.time_zone, filter, output },
            month: Some(self.month),
            version: self.version,
            recorded_from: self.recorded_from,
            recorded_before: Some(self.recorded_before),
            expires_at: self.at.plus_seconds(retention_seconds),
            renewed_at: None,
            manifest: true,
            erasures: Vec::new(),
            form_version: FORM_VERSION,
        }
    }
}

/// A question to the ledger: is there a late activity, one in both of these ranges?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateCheck {
    /// The month to check.
    pub month: Month,
    /// The activity occurred at this instant or later.
    pub from: Instant,
    /// The activity occurred before this instant.
    pub to: Instant,
    /// The activity was recorded at this instant or later.
    pub recorded_from: Instant,
    /// The activity was recorded before this instant.
    pub recorded_before: Instant,
}

#[cfg(test)]
mod tests {
    use super::{super::Schedule, *};

    #[test]
    fn a_planned_job_becomes_an_export_of_its_version() {
        let at = |text: &str| Instant::parse(text).unwrap();
        let planned = MonthJob {
            month: Month::parse("2026-10").unwrap(),
            version: 2,
            from: at("2026-10-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            recorded_from: Some(at("2026-11-01T05:58:00Z")),
            recorded_before: at("2026-11-02T05:00:00Z"),
            at: at("2026-11-02T06:00:00Z"),
        };
        let filter: Filter = serde_json::from_str(r#"{"status":["failed"]}"#).unwrap();
        let job = planned.job(Output::default(), filter.clone(), 60);
        assert_eq!(
            (job.id.as_str(), job.kind, job.version, job.month),
            ("2026-10_v2", Kind::Monthly, 2, Some(planned.month))
        );
        assert_eq!((job.request.from, job.request.to), (planned.from, planned.to));
        assert_eq!((job.recorded_from, job.recorded_before), (planned.recorded_from, Some(planned.recorded_before)));
        assert_eq!((job.created_at, job.expires_at), (planned.at, at("2026-11-02T06:01:00Z")));
        assert!(job.manifest);
        assert_eq!(job.request.filter, filter);
    }

    #[test]
    fn a_stored_month_is_read_in_whole_seconds() {
        let json = r#"["2026-10",1790812800,1793491200,3,1793512680,1793512800]"#;
        let made: MadeMonth = serde_json::from_str(json).unwrap();
        assert_eq!(made.from.to_string(), "2026-10-01T00:00:00.000000Z");
        assert_eq!(
            (made.to.seconds(), made.version, made.cut.seconds(), made.at.seconds()),
            (1_793_491_200, 3, 1_793_512_680, 1_793_512_800)
        );
        assert_eq!(serde_json::to_string(&made).unwrap(), json);
    }

    #[test]
    fn months_that_are_cut_keep_their_bounds_when_rules_change() {
        // Stored when British Columbia was expected to set its clocks back in November 2026.
        let stored = serde_json::json!({
            "enabled": true, "time_zone": "America/Vancouver", "from": "2026-10",
            "output": serde_json::to_value(Output::default()).unwrap(),
            "updated_at": "2026-10-01T00:00:00Z", "updated_by": "Ana", "revision": 7,
            "made": [["2026-11", 1793516400, 1796112000, 1, 1796133600, 1796133600]],
            "next": "2026-12", "ends": "2027-01-01T08:00:00Z",
        });
        let mut schedule: Schedule = serde_json::from_value(stored).unwrap();
        let at = |text: &str| Instant::parse(text).unwrap();
        assert_eq!(schedule.next_run_at(0), at("2027-01-01T07:00:00Z"), "the month to come follows the new rules");
        schedule.plan_ended_months(0, at("2027-01-01T07:00:00Z"));
        let bounds: Vec<_> = schedule.made().iter().map(|made| (made.from, made.to)).collect();
        assert_eq!(
            bounds,
            [
                (at("2026-11-01T07:00:00Z"), at("2026-12-01T08:00:00Z")),
                (at("2026-12-01T08:00:00Z"), at("2027-01-01T07:00:00Z")),
            ]
        );
    }
}
