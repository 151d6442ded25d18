//! A change of a schedule, member by member: what a request leaves out stays as it is.

use super::{Schedule, ScheduleRequest};
use crate::{
    filter::Filter,
    job::{Compression, Format, Output, Rows},
    locale::Locale,
    recipient::Recipient,
    request_json::Update,
    time::{Instant, Month, Zone},
};

/// A change of a partner's schedule, or a new schedule.
#[derive(Clone, Debug, Default)]
pub struct ScheduleUpdate {
    /// Whether months are made. Default: true.
    pub enabled: Update<bool>,
    /// The zone whose calendar counts. Default: UTC.
    pub time_zone: Update<Zone>,
    /// The format of the files. Default: CSV.
    pub format: Update<Format>,
    /// The language of the files. Default: [`Self::language`].
    pub locale: Update<Locale>,
    /// The compression of the files. Default: none.
    pub compression: Update<Compression>,
    /// The meaning of a row. Default: an activity.
    pub rows: Update<Rows>,
    /// Whether the files hold the details. Default: true.
    pub details: Update<bool>,
    /// The conditions that the activities meet. Default: none.
    pub filter: Update<Filter>,
    /// The first month to make. Default: the month before the present one.
    pub from: Update<Month>,
    /// The recipients of notifications. Default: nobody.
    pub notify: Update<Vec<Recipient>>,
    /// The language that the caller prefers.
    pub language: Locale,
}

impl ScheduleUpdate {
    /// Fills what is absent from the stored schedule. A removed schedule counts as none.
    pub fn resolve(self, stored: Option<&Schedule>, now: Instant) -> ScheduleRequest {
        let active = stored.filter(|stored| !stored.removed);
        let output = active.map(|active| active.output);
        let default = Output { locale: self.language, ..Output::default() };
        let time_zone = self.time_zone.resolve(active.map(|active| active.time_zone), Zone::UTC);
        ScheduleRequest {
            enabled: self.enabled.resolve(active.map(|active| active.enabled), true),
            time_zone,
            output: Output {
                format: self.format.resolve(output.map(|output| output.format), default.format),
                locale: self.locale.resolve(output.map(|output| output.locale), default.locale),
                details: self.details.resolve(output.map(|output| output.details), default.details),
                compression: self.compression.resolve(output.map(|output| output.compression), default.compression),
                rows: self.rows.resolve(output.map(|output| output.rows), default.rows),
            },
            filter: self.filter.resolve(active.map(|active| active.filter.clone()), Filter::default()),
            from: match self.from {
                Update::Keep => None,
                Update::Reset => Some(Month::of(now, time_zone).previous()),
                Update::Set(from) => Some(from),
            },
            notify: self.notify.resolve(active.map(|active| active.notify.clone()), Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        Instant::parse("2026-11-02T00:00:00Z").unwrap()
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    fn saved(stored: Option<Schedule>, update: ScheduleUpdate) -> Schedule {
        let request = update.resolve(stored.as_ref(), now());
        Schedule::save(stored, request, now(), "Ana".to_owned()).unwrap()
    }

    fn failed() -> Filter {
        serde_json::from_str(r#"{"status":["failed"]}"#).unwrap()
    }

    /// A schedule that differs from the default in every member.
    fn unusual() -> Schedule {
        saved(
            None,
            ScheduleUpdate {
                enabled: Update::Set(false),
                time_zone: Update::Set(Zone::parse("Europe/Paris").unwrap()),
                format: Update::Set(Format::Jsonl),
                locale: Update::Set(Locale::Fr),
                compression: Update::Set(Compression::Gzip),
                rows: Update::Set(Rows::Lines),
                details: Update::Set(false),
                filter: Update::Set(failed()),
                from: Update::Set(month("2026-01")),
                notify: Update::Set(vec![Recipient::Email("a@b.example".to_owned())]),
                language: Locale::En,
            },
        )
    }

    /// The members that a request can change.
    fn members(schedule: &Schedule) -> (bool, Zone, Output, &Filter, Month, usize) {
        let Schedule { enabled, time_zone, output, filter, from, notify, .. } = schedule;
        (*enabled, *time_zone, *output, filter, *from, notify.len())
    }

    #[test]
    fn absent_members_of_a_schedule_stay() {
        let before = unusual();
        let after = saved(Some(before.clone()), ScheduleUpdate::default());
        assert_eq!(members(&after), members(&before));
        let resumed = ScheduleUpdate { enabled: Update::Set(true), ..ScheduleUpdate::default() };
        let resumed = saved(Some(before.clone()), resumed);
        assert_eq!(members(&resumed), members(&Schedule { enabled: true, ..before }));
    }

    #[test]
    fn null_members_of_a_schedule_are_the_defaults() {
        let reset = ScheduleUpdate {
            enabled: Update::Reset,
            time_zone: Update::Reset,
            format: Update::Reset,
            locale: Update::Reset,
            compression: Update::Reset,
            rows: Update::Reset,
            details: Update::Reset,
            filter: Update::Reset,
            from: Update::Reset,
            notify: Update::Reset,
            language: Locale::Fr,
        };
        let after = saved(Some(unusual()), reset);
        let output = Output { locale: Locale::Fr, ..Output::default() };
        assert_eq!(members(&after), (true, Zone::UTC, output, &Filter::default(), month("2026-10"), 0));
    }

    #[test]
    fn a_removed_schedule_comes_back_with_the_defaults() {
        let removed = unusual().remove(now(), "Ana".to_owned());
        let after = saved(Some(removed), ScheduleUpdate::default());
        let all = Filter::default();
        assert_eq!(members(&after), (true, Zone::UTC, Output::default(), &all, month("2026-10"), 0));
    }
}
