//! The monthly run on real engines: its cost, how it continues, and the index of late activities.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use amounts::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::{ActorType, PartnerId},
    filter::Filter,
    query::{Selection, SortOrder},
    time::{Month, Period},
};
use harness::{
    CONTROL, Fault, Faults, Sqs, Stores, TABLE, at, contoso, exports_of_month, months, parsed, save_schedules, sent,
};
use serde_json::json;
use store::{ledger::LateIndex, months::RunSummary, queues::MonthlyRun};

const NOW: &str = "2026-11-01T07:00:00Z";

fn partner(number: usize) -> PartnerId {
    PartnerId::parse(&format!("p{number}")).unwrap()
}

/// The processor time that this thread has spent.
fn cpu() -> Option<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(spent.split(' ').next()?.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_makes_no_request_for_a_schedule_that_is_not_due() {
    let many = usize::try_from(amount("MONTHS_SCHEDULES", 1_000, 20_000)).unwrap();
    let mut calls = Vec::new();
    for count in [10, many] {
        let stores = Stores::start().await;
        let sqs = Sqs::start().await;
        save_schedules(&stores, "2026-11", (0..count).map(partner)).await;
        let faults = Faults::none();
        let outcome =
            months(&stores, &sqs, Some(&faults)).run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
        assert_eq!((outcome.due, outcome.created, outcome.complete), (0, 0, true));
        calls.push(faults.calls());
    }
    println!("a run with 10 and with {many} schedules, none of them due: {calls:?} requests");
    assert_eq!(calls, [16, 16], "one question for each partition of the index");
}

/// `MONTHS_DUE=10000` gives the figures of docs/months.md.
#[test]
fn a_run_makes_seven_requests_for_each_due_partner() {
    let due = usize::try_from(amount("MONTHS_DUE", 200, 5_000)).unwrap();
    let engines = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stores, sqs) = engines.block_on(async {
        let stores = Stores::start().await;
        save_schedules(&stores, "2026-10", (0..due).map(partner)).await;
        (stores, Sqs::start().await)
    });
    // The run has a thread of its own, whose processor time is the function's.
    let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let faults = Faults::none();
    let before = cpu();
    let months = months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(months.run(&MonthlyRun::default(), at(NOW), &|| true)).unwrap();
    let spent = cpu().zip(before).map(|(after, before)| after - before);
    assert_eq!(outcome, RunSummary { due, created: due, failed: 0, complete: true });
    // Three of them for the audit: the month in its directory, the row of the feed, and the entry.
    let questions = faults.calls() - 7 * due;
    println!("{due} due partners: {} requests ({questions} of them questions), {spent:?} of CPU", faults.calls());
    assert!((16..=16 + due / 100).contains(&questions), "{questions}");
    assert_eq!(sqs.bodies().len(), due);
    let made = engines.block_on(exports_of_month(&stores, "2026-10"));
    assert_eq!(made.iter().map(|(partner, ..)| partner).collect::<BTreeSet<_>>().len(), due);
    let faults = Faults::none();
    let again = self::months(&stores, &sqs, Some(&faults));
    let outcome = own.block_on(again.run(&MonthlyRun::default(), at(NOW), &|| true)).unwrap();
    assert_eq!((outcome.due, faults.calls()), (0, 16), "a finished month is no longer due");
}

#[tokio::test]
async fn each_scheduled_export_has_one_entry_in_the_audit() {
    let (stores, sqs) = (Stores::start().await, Sqs::start().await);
    save_schedules(&stores, "2026-10", [contoso()].into_iter()).await;
    let audit = stores.audit(None);
    let period = Period::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")).unwrap();
    let selection = selection_of(period);
    // A run dies after its first call, then after its second one, and so on, until one comes to its end.
    for call in 0..40 {
        let (faults, now) =
            (Faults::from(call, Fault::NotSent), at(NOW).plus_seconds(3_600 * i64::try_from(call).unwrap()));
        let run = months(&stores, &sqs, Some(&faults)).run(&MonthlyRun::default(), now, &|| true).await;
        let sent = sqs.bodies().len();
        let page = audit.ledger().list_page(&contoso(), &selection, 10, None, None).await.unwrap();
        let entries: Vec<_> = page.activities().map(|entry| entry.owned()).collect();
        assert!(entries.len() <= 1 && (sent == 0 || entries.len() == 1), "no export is sent without its entry");
        if run.is_ok_and(|run| run.failed == 0) {
            let entry = &entries[0].entry;
            assert_eq!((entry.action.as_str(), entry.actor.kind), ("export.requested", ActorType::System));
            assert_eq!(entry.target.as_ref().and_then(|target| target.id.as_deref()), Some("2026-10"));
            return;
        }
    }
    panic!("no run came to its end");
}

fn selection_of(period: Period) -> Selection {
    let order = SortOrder::Ascending;
    Selection { period, filter: Filter::default(), order, recorded_from: None, recorded_before: None }
}

#[tokio::test]
async fn a_run_without_time_continues_at_its_position() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save_schedules(&stores, "2026-10", (0..100).map(partner)).await;
    let months = months(&stores, &sqs, None);
    for month in [None, Some(Month::parse("2026-09").unwrap()), Some(Month::parse("2026-10").unwrap())] {
        let mut run = MonthlyRun { month, ..MonthlyRun::default() };
        let (mut runs, mut due) = (0, 0);
        loop {
            let pages = AtomicUsize::new(0);
            let outcome = months.run(&run, at(NOW), &|| pages.fetch_add(1, Ordering::SeqCst) < 3).await.unwrap();
            runs += 1;
            due += outcome.due;
            if outcome.complete {
                break;
            }
            run = serde_json::from_str(sqs.bodies().last().unwrap()).unwrap();
            assert_eq!((run.now, run.month), (Some(at(NOW)), month), "the run keeps the time at which it began");
        }
        assert_eq!(runs, 6, "16 partitions, three at a time");
        // September is before all schedules; October was made by the first run.
        assert_eq!(due, if month == Some(Month::parse("2026-09").unwrap()) { 0 } else { 100 });
    }
    assert_eq!(exports_of_month(&stores, "2026-10").await.len(), 100);
}

#[tokio::test]
async fn an_unreadable_schedule_does_not_hold_up_others() {
    let stores = Stores::start().await;
    let sqs = Sqs::start().await;
    save_schedules(&stores, "2026-10", (0..40).map(partner)).await;
    for partition in 0..16 {
        let text = |text: String| AttributeValue::S(text);
        let put = stores.dynamodb(None).put_item().table_name(CONTROL);
        let put = put.item("pk", text(format!("broken{partition}"))).item("sk", text("schedule".to_owned()));
        let put = put.item("dk", text(format!("due#{partition}"))).item("nr", text("2026-01-01".to_owned()));
        put.item("schedule", text("{}".to_owned())).send().await.unwrap();
    }
    let outcome = months(&stores, &sqs, None).run(&MonthlyRun::default(), at(NOW), &|| true).await.unwrap();
    assert_eq!((outcome.created, outcome.failed, outcome.complete), (40, 16, true));
}

/// Records activities by their ids, times of occurrence and times of recording.
async fn record(stores: &Stores, activities: &[(&str, &str, &str)]) {
    let recorder = stores.recorder(None);
    for (id, occurred_at, recorded_at) in activities {
        let new = parsed(&sent(id, occurred_at, &json!({})), at(recorded_at));
        recorder.record(new.into_activity(contoso(), at(recorded_at)), Duration::MAX).await.unwrap();
    }
}

#[tokio::test]
async fn the_late_index_finds_activities_by_both_of_their_times() {
    let stores = Stores::start().await;
    record(
        &stores,
        &[
            ("in-time", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z"),
            ("late", "2026-10-05T00:00:00Z", "2026-11-03T00:00:00.500Z"),
            ("next", "2026-11-01T05:00:00Z", "2026-11-03T00:00:00Z"),
        ],
    )
    .await;
    let late = LateIndex::new(stores.dynamodb(None), TABLE.to_owned());
    let has = async |from, to, recorded_from, recorded_before| {
        let period = Period::new(at(from), at(to)).unwrap();
        late.has_late_activity(&contoso(), period, at(recorded_from), at(recorded_before)).await.unwrap()
    };
    let (begin, end) = ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert!(has(begin, end, "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(has(begin, end, "2026-11-03T00:00:00.500Z", "2026-11-03T00:00:00.501Z").await);
    assert!(!has(begin, end, "2026-11-03T00:00:00.501Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(begin, end, "2026-11-01T00:00:00Z", "2026-11-03T00:00:00.500Z").await, "before, not at");
    assert!(
        !has(begin, end, "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z").await,
        "an activity in time is not in the index"
    );
    // In a zone behind UTC, October lasts into November.
    assert!(has(end, "2026-11-01T11:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
    assert!(!has(end, "2026-11-01T05:00:00Z", "2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z").await);
}
