//! Monthly exports on a test's stores.

use domain::{
    activity::PartnerId,
    filter::Filter,
    job::{Format, Output, State},
    schedule::{Schedule, ScheduleRequest},
    time::{Month, Zone},
};
use store::{
    jobs::MonthCursor,
    ledger::LateIndex,
    months::{Months, Rules},
    queues::{ExportQueue, RunQueue},
};

use crate::{Faults, GRACE_SECONDS, Sqs, Stores, TABLE, at};

/// The retention of files, in seconds.
const RETENTION_SECONDS: i64 = 30 * 86_400;

/// Creates the monthly run.
pub fn months(stores: &Stores, sqs: &Sqs, faults: Option<&Faults>) -> Months {
    Months {
        control: stores.control(faults),
        queue: ExportQueue::new(stores.sqs(sqs, faults), format!("{}/1/exports", sqs.url)),
        late: LateIndex::new(stores.dynamodb(faults), TABLE.to_owned()),
        runs: RunQueue::new(stores.sqs(sqs, faults), format!("{}/1/runs", sqs.url)),
        audit: stores.audit(faults),
        rules: Rules { grace_seconds: GRACE_SECONDS, retention_seconds: RETENTION_SECONDS },
    }
}

/// Saves schedules of several partners that start with a month.
pub async fn save_schedules(stores: &Stores, from: &str, partners: impl Iterator<Item = PartnerId>) {
    let control = stores.control(None);
    let output = Output { format: Format::Jsonl, ..Output::default() };
    let wishes = ScheduleRequest {
        enabled: true,
        time_zone: Zone::parse("UTC").unwrap(),
        output,
        filter: Filter::default(),
        from: Some(Month::parse(from).unwrap()),
        notify: Vec::new(),
    };
    for partner in partners {
        let schedule = Schedule::save(None, wishes.clone(), at("2026-10-15T00:00:00Z"), "Ana".to_owned());
        assert!(control.save_schedule(&partner, &mut schedule.unwrap(), GRACE_SECONDS).await.unwrap());
    }
}

/// Returns the exports of a month, of all partners.
pub async fn exports_of_month(stores: &Stores, month: &str) -> Vec<(String, String, State)> {
    let control = stores.control(None);
    let (mut place, mut found) = (Some(MonthCursor::default()), Vec::new());
    while let Some(from) = place {
        let (page, next) = control.exports_of_month(Month::parse(month).unwrap(), None, 100, from).await.unwrap();
        found.extend(page.into_iter().map(|entry| (entry.partner.to_string(), entry.id, entry.state)));
        place = next;
    }
    found
}
