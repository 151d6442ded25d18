//! Limits of partners, on a real table.

use std::time::Duration;

use domain::{
    activity::ActivityId,
    filter::Filter,
    job::{ExportRequest, File, Job, Output},
    query::{Selection, SortOrder},
    quota::Limits,
    time::{Instant, Period, Zone},
};
use harness::{Fault, Faults, LIMITS, Stores, at, contoso, parsed, partner, sent};
use serde_json::json;
use store::{
    control::Control,
    ledger::ReadUnits,
    meter::{Amounts, Meter, check_exports},
    partners::Settings,
};

fn records(limit: u32) -> Limits {
    Limits { records_per_second: Some(limit), ..Limits::default() }
}

fn meter(stores: &Stores, faults: &Faults, installation: Limits) -> Meter {
    let dynamodb = stores.dynamodb(Some(faults));
    Meter::new(Amounts::Activities, dynamodb, LIMITS.to_owned(), stores.partners(), installation)
}

fn read_meter(stores: &Stores, rate: u32) -> Meter {
    let limits = Limits { read_units_per_second: Some(rate), ..Limits::default() };
    Meter::new(Amounts::ReadUnits, stores.dynamodb(None), LIMITS.to_owned(), stores.partners(), limits)
}

#[tokio::test]
async fn processes_share_a_span_and_allow_no_activity_twice() {
    let stores = Stores::start().await;
    let processes: Vec<Meter> = (0..8).map(|_| meter(&stores, &Faults::none(), records(20))).collect();
    let now = at("2026-11-02T09:30:04Z");
    let mut allowed = 0;
    for turn in 0..400 {
        let (granted, over) = processes[turn % 8].allow(&contoso(), 1, now).await;
        assert_eq!(over.is_none(), granted == 1);
        allowed += granted;
    }
    assert_eq!(allowed, 200);

    let (granted, over) = processes[0].allow(&contoso(), 1, now).await;
    assert_eq!((granted, over.unwrap().retry_after), (0, 6));
    assert_eq!(
        processes[0].allow(&partner("fabrikam"), 200, now).await,
        (200, None),
        "another partner is not affected"
    );
    assert_eq!(
        processes[0].allow(&contoso(), 150, now.plus_seconds(6)).await,
        (150, None),
        "the next span begins anew"
    );
    let (granted, over) = processes[1].allow(&contoso(), 150, now.plus_seconds(15)).await;
    assert_eq!((granted, over.unwrap().retry_after), (50, 1), "of a batch, as many as there is room for");
}

#[tokio::test]
async fn counting_makes_few_requests_and_none_below_the_limit() {
    let stores = Stores::start().await;
    let now = at("2026-11-02T09:30:00Z");
    for (activities, requests) in [(39, 0), (1_000, 2), (10_000, 90)] {
        let counted = Faults::none();
        let meter = meter(&stores, &counted, records(1_000));
        let partner = partner(&format!("p-{activities}"));
        for _ in 0..activities {
            assert_eq!(meter.allow(&partner, 1, now).await, (1, None));
        }
        assert_eq!(counted.calls(), requests, "for {activities} activities");
    }
}

#[tokio::test]
async fn a_partner_is_not_refused_when_the_table_fails() {
    let stores = Stores::start().await;
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed] {
        let meter = meter(&stores, &Faults::from(0, fault), records(1));
        assert_eq!(meter.allow(&contoso(), 500, at("2026-11-02T09:30:00Z")).await, (500, None), "{fault:?}");
    }
}

#[tokio::test]
async fn a_new_limit_holds_a_minute_after_it_was_saved() {
    let stores = Stores::start().await;
    let meter = meter(&stores, &Faults::none(), Limits::default());
    let now = at("2026-11-02T09:30:00Z");
    assert_eq!(meter.allow(&contoso(), 500, now).await, (500, None));
    let read = stores.partners().settings(&contoso()).await.unwrap();
    let limited = Settings { limits: records(3), ..read.clone() };
    assert!(stores.partners().save(&contoso(), &read, &limited).await.unwrap());
    assert_eq!(stores.partners().settings(&contoso()).await.unwrap(), limited);
    assert_eq!(meter.allow(&contoso(), 500, now.plus_seconds(59)).await, (500, None));
    assert_eq!(meter.allow(&contoso(), 500, now.plus_seconds(60)).await.0, 30);
}

#[tokio::test]
async fn a_read_is_refused_until_what_was_read_is_paid() {
    let stores = Stores::start().await;
    let (one, other) = (read_meter(&stores, 10), read_meter(&stores, 10));
    let now = at("2026-11-02T09:30:04Z");
    assert_eq!(one.allow(&contoso(), 1, now).await, (1, None));
    // The first read costs two and a half spans.
    one.charge(&contoso(), 249);
    let (granted, over) = one.allow(&contoso(), 1, now).await;
    let over = over.unwrap();
    assert_eq!((granted, over.retry_after), (0, 6));
    assert!(over.detail.contains("10 read units a second"), "{}", over.detail);
    assert_eq!(other.allow(&contoso(), 1, now).await.0, 0, "the debt is reserved for all functions");
    assert_eq!(other.allow(&partner("fabrikam"), 1, now).await, (1, None), "another partner is not affected");
    assert_eq!(one.allow(&contoso(), 1, now.plus_seconds(10)).await.0, 0);
    assert_eq!(one.allow(&contoso(), 1, now.plus_seconds(20)).await, (1, None), "the debt is paid");
}

#[tokio::test]
async fn read_units_do_not_count_as_activities() {
    let stores = Stores::start().await;
    let (reads, records) = (read_meter(&stores, 1), meter(&stores, &Faults::none(), records(1)));
    let now = at("2026-11-02T09:30:00Z");
    assert_eq!(reads.allow(&contoso(), 10, now).await, (10, None));
    assert_eq!(records.allow(&contoso(), 10, now).await, (10, None));
    assert_eq!(reads.allow(&contoso(), 1, now).await.0, 0);
}

#[tokio::test]
async fn lists_and_look_ups_count_the_read_units_they_consume() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    let (noise, time) = ("x".repeat(700), "2026-11-01T00:00:00Z");
    for number in 0..120 {
        let extra = json!({"customer": {"id": "c-1"}, "details": {"text": noise}});
        let new = parsed(&sent(&format!("e-{number}"), time, &extra), at(time));
        recorder.record(new.into_activity(contoso(), at(time)), Duration::MAX).await.unwrap();
    }
    let everything = json!({});
    let of_customer = json!({"customer": ["c-1"]});
    for filter in [everything, of_customer] {
        let units = ReadUnits::default();
        let ledger = stores.ledger(None).count_reads(&units);
        let selection = Selection {
            period: Period::new(at(time), at("2026-12-01T00:00:00Z")).unwrap(),
            filter: serde_json::from_value(filter).unwrap(),
            order: SortOrder::Descending,
            recorded_from: None,
            recorded_before: None,
        };
        ledger.list_page(&contoso(), &selection, 1_000, None, None).await.unwrap();
        let whole = units.total();
        // 120 items of about 1 KB: half a unit for 4 KB, or one with strong consistency.
        assert!((10..60).contains(&whole), "{whole}");
        let id = ActivityId::parse("e-1").unwrap();
        ledger.find(&contoso(), at(time), &id).await.unwrap().unwrap();
        assert_eq!(units.total(), whole + 1);
    }
}

async fn export(control: &Control, number: u32, created_at: Instant) -> Job {
    let request = ExportRequest {
        from: at("2026-10-01T00:00:00Z"),
        to: at("2026-11-01T00:00:00Z"),
        time_zone: Zone::UTC,
        filter: Filter::default(),
        output: Output::default(),
    };
    let job =
        Job::on_demand(format!("01JD7Z6Q3V5W8X9Y0Z1A2B{number:04}"), request, "ana".to_owned(), created_at, 86_400);
    assert!(control.create_job(&contoso(), &job).await.unwrap());
    job
}

#[tokio::test]
async fn exports_are_refused_when_a_limit_is_reached() {
    let stores = Stores::start().await;
    let (control, partners) = (stores.control(None), stores.partners());
    let now = at("2026-11-02T09:30:00Z");
    let open = |limit| Limits { open_exports: Some(limit), ..Limits::default() };
    let rows = |limit| Limits { export_rows_per_day: Some(limit), ..Limits::default() };
    let over = async |limits| check_exports(&control, &partners, limits, &contoso(), now).await.unwrap();

    export(&control, 0, now.plus_seconds(-90_000)).await;
    let second = export(&control, 1, now.plus_seconds(-7_200)).await;
    export(&control, 2, now.plus_seconds(-60)).await;
    assert_eq!(over(open(3)).await, None, "an export of a day ago does not count");
    assert_eq!(over(open(2)).await.unwrap().retry_after, 30);
    assert_eq!(over(Limits::default()).await, None);

    let until = now.plus_seconds(300);
    control.take_job(&contoso(), &second.id, "worker", now, until).await.unwrap();
    let file = File { name: "a.csv".to_owned(), rows: 100, bytes: 1, sha256: String::new() };
    assert!(control.finish_job(&contoso(), &second, "worker", &[file], at("2026-11-02T12:00:00Z")).await.unwrap());
    assert_eq!(over(open(2)).await, None, "one is ready");
    assert_eq!(over(rows(101)).await, None);
    assert_eq!(over(rows(100)).await.unwrap().retry_after, 22 * 3_600 + 1);
}

#[tokio::test]
async fn counting_exports_of_a_busy_day_has_a_bound() {
    let stores = Stores::start().await;
    let control = stores.control(None);
    let now = at("2026-11-02T09:30:00Z");
    for number in 0..1_100 {
        export(&control, number, now.plus_seconds(-60)).await;
    }
    let counted = Faults::none();
    let limits = Limits { open_exports: Some(5_000), ..Limits::default() };
    let looked = check_exports(&stores.control(Some(&counted)), &stores.partners(), limits, &contoso(), now).await;
    assert_eq!((looked.unwrap(), counted.calls()), (None, 10));
}
