//! The keeper: months that end, holds, erasures and partners that leave, with every call failing in turn.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use amounts::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    access::Author,
    activity::{Activity, Details},
    delivery::{Secret, Secrets},
    job::{ExportRequest, Job, Output, State},
    lifecycle::{ErasureOrder, ErasureState, ErasureTally, Group, Hold, Lifecycle, MonthState, Selector},
    partner::{RecordRefusal, Registration, Status},
    query::{Selection, SortOrder},
    stream::{DestinationRules, Stream, StreamChange},
    time::{Instant, Month, Period, Zone},
};
use harness::{
    AUDIT, CONTROL, Fault, Faults, PARTNERS, SECRETS, STREAMS, Sqs, Stores, TABLE, activities, at, contoso, parsed,
    partner, sent,
};
use serde_json::json;
use store::{
    keeping::{Keeper, Run},
    ledger::{RecordError, Recorded},
    queues::KeeperRun,
};

const NOW: &str = "2026-11-02T12:00:00.000Z";
const DAY: i64 = 86_400;

pub(crate) fn author() -> Author {
    Author { subject: Some("op".to_owned()), name: "Operator".to_owned() }
}

pub(crate) async fn register(stores: &Stores, name: &str) {
    let now = at("2020-01-01T00:00:00Z");
    let registration = Registration {
        name: name.to_owned(),
        time_zone: Zone::UTC,
        status: Status::Active,
        created_at: now,
        updated_at: now,
        updated_by: author(),
    };
    assert!(stores.partners().save_registration(&partner(name), None, &registration).await.unwrap());
}

/// Changes what is decided about the data of contoso.
pub(crate) async fn decide(stores: &Stores, mut change: impl FnMut(&mut Lifecycle)) -> Lifecycle {
    let (partners, contoso) = (stores.partners(), contoso());
    let decided = partners
        .change_lifecycle(&contoso, |lifecycle| {
            change(lifecycle);
            Ok::<_, Infallible>(())
        })
        .await;
    let Ok(((), lifecycle)) = decided.unwrap();
    lifecycle
}

pub(crate) fn hold(id: &str, from: &str, to: &str, customers: &[&str]) -> Hold {
    Hold {
        id: id.to_owned(),
        from: at(from),
        to: at(to),
        customers: customers.iter().map(|customer| (*customer).to_owned()).collect(),
        reason: "a court asks".to_owned(),
        left_out: Vec::new(),
        created_at: at(NOW),
        created_by: author(),
        released_at: None,
        released_by: None,
    }
}

pub(crate) fn order(id: &str, selector: Selector, groups: &[Group]) -> ErasureOrder {
    ErasureOrder {
        id: id.to_owned(),
        kind: selector.kind(),
        selector: Some(selector),
        digests: Vec::new(),
        groups: groups.to_vec(),
        reason: "asked for".to_owned(),
        dry_run: false,
        state: ErasureState::Pending,
        tally: ErasureTally::default(),
        created_at: at(NOW),
        created_by: author(),
        finished_at: None,
    }
}

pub(crate) async fn give(stores: &Stores, order: &ErasureOrder) {
    decide(stores, |lifecycle| {
        lifecycle.open_erasures.insert(order.id.clone());
    })
    .await;
    stores.control(None).create_erasure(&contoso(), order).await.unwrap();
}

/// Runs the keeper until nothing is left to do, and returns whether a run failed.
pub(crate) async fn keep(keeper: &Keeper, sqs: &Sqs, now: Instant) -> bool {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let name = format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed));
    let run = Run { name: &name, now, may_go_on: &|| true };
    let summary = keeper.run(&KeeperRun { now: Some(now), ..KeeperRun::default() }, &run).await;
    sqs.take();
    summary.is_ok_and(|summary| summary.failed == 0)
}

/// Every text of every item of a table, and of every object with details or files.
pub(crate) async fn everything(stores: &Stores) -> String {
    let mut texts = String::new();
    let dynamodb = stores.dynamodb(None);
    for table in [TABLE, AUDIT, CONTROL, PARTNERS, STREAMS, SECRETS] {
        #[expect(clippy::disallowed_methods, reason = "the test looks for what must not be there")]
        let mut items = dynamodb.scan().table_name(table).into_paginator().items().send();
        while let Some(item) = items.next().await {
            for (name, value) in item.unwrap() {
                let text = match value {
                    AttributeValue::S(text) | AttributeValue::N(text) => text,
                    AttributeValue::B(bytes) => {
                        let bytes = bytes.into_inner();
                        zstd::decode_all(&*bytes)
                            .map_or_else(|_| format!("{bytes:?}"), |text| String::from_utf8_lossy(&text).into_owned())
                    }
                    other => format!("{other:?}"),
                };
                texts.push_str(&format!("{table} {name}: {text}\n"));
            }
        }
    }
    for key in stores.objects("").await {
        let bytes = stores.object(&key).await.unwrap();
        let text = zstd::decode_all(&*bytes).unwrap_or(bytes);
        texts.push_str(&format!("{key}: {}\n", String::from_utf8_lossy(&text)));
    }
    texts
}

pub(crate) fn of(period: (&str, &str)) -> Selection {
    Selection {
        period: Period::new(at(period.0), at(period.1)).unwrap(),
        filter: domain::filter::Filter::default(),
        order: SortOrder::Ascending,
        recorded_from: None,
        recorded_before: None,
    }
}

pub(crate) async fn listed(stores: &Stores, now: Instant) -> Vec<Activity> {
    let ledger = stores.ledger(None).hiding_ended_months(stores.partners()).at(now);
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger
            .list_page(&contoso(), &of(("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")), 1_000, after, None)
            .await
            .unwrap();
        all.extend(page.activities().map(|activity| activity.owned()));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// Random text that does not compress, so that details of this size are an object.
fn noise(bytes: usize) -> String {
    let mut random = harness::Random::new(7);
    let mut text = String::new();
    while text.len() < bytes {
        text.push_str(&format!("{:016x}", random.draw()));
    }
    text
}

/// Records activities of three months by two people, with details of every kind.
async fn fill(stores: &Stores) {
    register(stores, "contoso").await;
    let mut json = Vec::new();
    for month in ["2026-07", "2026-08", "2026-09"] {
        for (number, person) in ["ana", "bob", "ana", "bob"].into_iter().enumerate() {
            let details = match number {
                0 => json!({"note": "short"}),
                1 => json!({"note": "twin ".repeat(400)}),
                2 => json!({"note": format!("of {person}"), "rest": noise(80_000)}),
                _ => json!({"note": format!("of {person}"), "rest": "twin ".repeat(400)}),
            };
            let customer = if number < 2 { "fabrikam" } else { "tailspin" };
            json.push(sent(
                &format!("{month}-{number}"),
                &format!("{month}-15T0{number}:00:00Z"),
                &json!({"actor": {"id": format!("{person}@contoso.example"), "name": format!("Name of {person}"), "ip": "203.0.113.7"},
                    "customer": {"id": customer}, "details": details, "changes": [{"field": "by", "new": person}]}),
            ));
        }
    }
    let new = json.iter().map(|json| parsed(json, at(NOW))).collect();
    for outcome in stores.recorder(None).record_all(activities(&contoso(), new, at(NOW)), Duration::MAX).await {
        assert!(matches!(outcome.unwrap(), Recorded::New(_)));
    }
}

#[tokio::test]
async fn only_registered_partners_record_and_a_change_counts_within_a_minute() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None).checking_partners(true);
    let record = |id: &str, now: Instant| {
        let json = sent(id, "2026-11-02T09:30:00Z", &json!({}));
        let (recorder, activity) = (recorder.clone(), parsed(&json, now).into_activity(contoso(), now));
        async move { recorder.record(activity, Duration::MAX).await }
    };
    let refused = |outcome: Result<Recorded, RecordError>, why| matches!(outcome, Err(RecordError::Refused(found)) if found == why);
    let now = at(NOW);
    assert!(refused(record("e-1", now).await, RecordRefusal::NotRegistered));
    register(&stores, "contoso").await;
    assert!(matches!(record("e-1", now).await, Ok(Recorded::New(_))), "before a refusal it is read again");
    let read = stores.partners().read(&contoso()).await.unwrap().registration.unwrap();
    let suspended = Registration { status: Status::Suspended, ..read.clone() };
    assert!(stores.partners().save_registration(&contoso(), Some(&read), &suspended).await.unwrap());
    assert!(!stores.partners().save_registration(&contoso(), Some(&read), &suspended).await.unwrap(), "it has changed");
    assert!(matches!(record("e-2", now.plus_seconds(59)).await, Ok(Recorded::New(_))), "it is remembered");
    assert!(refused(record("e-3", now.plus_seconds(60)).await, RecordRefusal::Suspended));
    assert!(stores.partners().save_registration(&contoso(), Some(&suspended), &read).await.unwrap());
    assert!(matches!(record("e-3", now.plus_seconds(61)).await, Ok(Recorded::New(_))), "it may record again at once");
    let (listed, next) = stores.partners().list(10, None).await.unwrap();
    assert_eq!((listed.len(), listed[0].0.as_str(), next), (1, "contoso", None));
}

#[tokio::test]
async fn what_a_partner_costs_a_recording() {
    let stores = Stores::start().await;
    register(&stores, "contoso").await;
    let faults = Faults::none();
    let recorder = stores.recorder(Some(&faults)).checking_partners(true);
    let mut seen = 0;
    let mut calls = async |id: &str, now: Instant| {
        let json = sent(id, "2026-11-02T09:30:00Z", &json!({}));
        recorder.record(parsed(&json, now).into_activity(contoso(), now), Duration::MAX).await.unwrap();
        let made = faults.calls() - seen;
        seen = faults.calls();
        made
    };
    let now = at(NOW);
    // The partner, the month's entry twice because nobody has made it, and the activity.
    assert_eq!(calls("e-1", now).await, 4);
    assert_eq!(calls("e-2", now.plus_seconds(59)).await, 1, "warm");
    // Seen once a day: the partner and the month's entry are read again, at half a read unit each.
    assert_eq!(calls("e-3", now.plus_seconds(DAY)).await, 3);
}

#[tokio::test]
async fn months_end_and_go_and_what_is_sent_again_stays_away() {
    let stores = Stores::start().await;
    fill(&stores).await;
    let (sqs, now) = (Sqs::start().await, at(NOW));
    let keeper = stores.keeper(&sqs, None);
    assert_eq!(listed(&stores, now).await.len(), 12);
    decide(&stores, |lifecycle| lifecycle.save_retention(Some(2), None, now, author())).await;
    assert_eq!(listed(&stores, now.plus_seconds(29 * DAY)).await.len(), 12, "a shorter retention waits");
    // In December, months up to September are older than two months.
    let december = now.plus_seconds(31 * DAY);
    assert_eq!(listed(&stores, december).await.len(), 0);
    assert!(keep(&keeper, &sqs, december).await);
    let state = |month: &str, now| {
        let (stores, month) = (&stores, Month::parse(month).unwrap());
        async move { stores.partners().read(&contoso()).await.unwrap().lifecycle.month_state(month, now, None) }
    };
    assert_eq!(state("2026-09", december).await, MonthState::Ended);
    let count = async || everything(&stores).await.matches("\"note\"").count();
    assert_eq!(count().await, 12, "nothing is deleted before its time");
    // A longer retention brings them back.
    decide(&stores, |lifecycle| lifecycle.save_retention(None, None, december, author())).await;
    assert_eq!(listed(&stores, december).await.len(), 12);
    decide(&stores, |lifecycle| lifecycle.save_retention(Some(2), None, december, author())).await;
    let later = december.plus_seconds(31 * DAY);
    assert!(keep(&keeper, &sqs, later).await);
    let last = later.plus_seconds(30 * DAY);
    assert!(keep(&keeper, &sqs, last).await);
    assert_eq!(state("2026-07", last).await, MonthState::Deleted);
    let rest = everything(&stores).await;
    assert!(!rest.contains("ana@contoso") && !rest.contains("\"note\"") && !rest.contains("contoso#2026"), "{rest}");
    assert!(stores.objects("details/").await.is_empty());
    let again = sent("2026-07-0", "2026-07-15T00:00:00Z", &json!({}));
    let recorder = stores.recorder(None).checking_partners(true);
    let outcome = recorder.record(parsed(&again, last).into_activity(contoso(), last), Duration::MAX).await;
    assert!(matches!(outcome, Err(RecordError::Refused(RecordRefusal::Gone))), "{outcome:?}");
}

/// The state in which three months are about to be deleted.
async fn about_to_delete(stores: &Stores, sqs: &Sqs) -> Instant {
    fill(stores).await;
    let now = at(NOW);
    let keeper = stores.keeper(sqs, None).with_retention(1);
    assert!(keep(&keeper, sqs, now).await);
    now.plus_seconds(30 * DAY)
}

#[tokio::test]
async fn a_deletion_survives_the_failure_of_every_call() {
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled] {
        let mut number = 0;
        loop {
            let (stores, sqs) = (Stores::start().await, Sqs::start().await);
            let now = about_to_delete(&stores, &sqs).await;
            let faults = Faults::at(number, fault);
            keep(&stores.keeper(&sqs, Some(&faults)).with_retention(1), &sqs, now).await;
            let is_over = faults.failed() == 0;
            assert!(keep(&stores.keeper(&sqs, None).with_retention(1), &sqs, now).await);
            let rest = everything(&stores).await;
            assert!(!rest.contains("@contoso") && !rest.contains("\"note\""), "{fault:?} {number}");
            if is_over {
                break;
            }
            number += usize::try_from(amount("FAULT_STEP", 27, 3)).unwrap();
        }
        assert!(number > 20, "{number}");
    }
}

#[tokio::test]
async fn a_hold_at_every_call_of_a_deletion_keeps_what_it_was_answered_for() {
    let mut number = 0;
    let (mut kept, mut refused) = (0, 0);
    loop {
        let (stores, sqs) = (Stores::start().await, Sqs::start().await);
        let now = about_to_delete(&stores, &sqs).await;
        let faults = Faults::at(number, Fault::Paused);
        let keeper = stores.keeper(&sqs, Some(&faults)).with_retention(1);
        let running = tokio::spawn({
            let sqs_url = sqs.url.clone();
            async move {
                let run = Run { name: "run", now, may_go_on: &|| true };
                let done = keeper.run(&KeeperRun { now: Some(now), ..KeeperRun::default() }, &run).await;
                drop(sqs_url);
                done
            }
        });
        tokio::select! {
            () = faults.paused() => {}
            () = async { while !running.is_finished() { tokio::time::sleep(Duration::from_millis(1)).await } } => break,
        }
        // On the month before the place where the deletion stands, on that place, and behind it.
        let mut placed = Vec::new();
        for (id, month) in [("h-7", "2026-07"), ("h-8", "2026-08"), ("h-9", "2026-09")] {
            let wanted = hold(id, &format!("{month}-01T00:00:00Z"), &format!("{month}-20T00:00:00Z"), &["fabrikam"]);
            let (partners, contoso) = (stores.partners(), contoso());
            let answer = partners
                .change_lifecycle(&contoso, |lifecycle| lifecycle.place_hold(wanted.clone(), false).map(|_| ()))
                .await;
            match answer.unwrap() {
                Ok(_) => placed.push(month),
                Err(_) => refused += 1,
            }
        }
        faults.go_on();
        // A run that was overtaken by the hold fails or stops; the next one goes on.
        running.await.unwrap().ok();
        keep(&stores.keeper(&sqs, None).with_retention(1), &sqs, now).await;
        let left = listed(&stores, now).await;
        for month in placed {
            kept += 1;
            let held = left.iter().filter(|activity| activity.id.as_str().starts_with(month)).count();
            assert_eq!(held, 4, "call {number}: the hold on {month} was answered as active");
        }
        number += usize::try_from(amount("FAULT_STEP", 27, 3)).unwrap() / 3 + 1;
    }
    assert!(kept > 0 && refused > 0, "{kept} {refused}");
}

#[tokio::test]
async fn erased_groups_are_nowhere_and_do_not_come_back() {
    let stores = Stores::start().await;
    fill(&stores).await;
    let (sqs, now) = (Sqs::start().await, at(NOW));
    let ana = order(
        "01JD7Z6Q3V5W8X9Y0Z1A2B3C4D",
        Selector::Actor("Ana@contoso.example".to_owned()),
        &[Group::Actor, Group::Changes, Group::Details],
    );
    // An export by a person of that name, with a filter on the person.
    let asked = ExportRequest {
        from: at("2026-07-01T00:00:00Z"),
        to: at("2026-08-01T00:00:00Z"),
        time_zone: Zone::UTC,
        filter: serde_json::from_str(r#"{"actor":["ana@contoso.example"]}"#).unwrap(),
        output: Output::default(),
    };
    let by = Author { subject: Some("s-ana".to_owned()), name: "Name of ana".to_owned() };
    let job = Job::on_demand("01JD7Z6Q3V5W8X9Y0Z1A2B3C4E".to_owned(), asked, by, now, DAY);
    stores.control(None).create_job(&contoso(), &job).await.unwrap();
    // A stream of that person, with the same filter and a secret that stays.
    let wanted = r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/","headers":{"A":"key"}},
        "filters":{"actor":"ana@contoso.example"}}"#;
    let wanted = StreamChange::parse(wanted, None, &DestinationRules::default(), now).unwrap().settings;
    let stream = Stream::create("s-1".to_owned(), "x-1".to_owned(), wanted, now, now, job.author());
    let secrets = Secrets::new(Secret::new(&[7; 32]), now);
    assert!(stores.streams(None).create(&contoso(), &stream, &secrets, now).await.unwrap());
    give(&stores, &ana).await;
    assert!(keep(&stores.keeper(&sqs, None), &sqs, now).await);
    let left = stores.streams(None).get(&contoso(), "s-1").await.unwrap().unwrap();
    assert!(!left.settings.filter.is_empty(), "the stream sends nothing more, instead of everything");
    let stored = stores.control(None).erasure(&contoso(), &ana.id).await.unwrap().unwrap();
    assert_eq!(stored.order.state, ErasureState::Done);
    assert_eq!((stored.order.tally.activities, stored.order.tally.held, stored.order.tally.exports), (6, 0, 1));
    assert_eq!(stored.order.selector, None);
    let rest = everything(&stores).await;
    for gone in ["ana@", "Ana@", "Name of ana", "of ana", "s-ana", "\"new\":\"ana\""] {
        assert!(!rest.contains(gone), "{gone}: {rest}");
    }
    assert_eq!(rest.matches("bob@contoso.example").count(), 6, "others stay");
    let (_, status) = stores.control(None).job(&contoso(), &job.id).await.unwrap().unwrap();
    assert!(status.state == State::Cancelled && status.problem.unwrap().contains(&ana.id));
    let erased: Vec<Activity> = listed(&stores, now).await.into_iter().filter(|one| one.erased.is_some()).collect();
    assert_eq!(erased.len(), 6);
    let shown = serde_json::to_value(&erased[0]).unwrap();
    assert_eq!((&shown["actor"], &shown["changes"], &shown["details"]), (&json!(null), &json!(null), &json!(null)));
    assert_eq!(shown["erased"], json!({"actor": ana.id, "changes": ana.id, "details": ana.id}));
    assert_eq!((&shown["status"], &shown["customer"]["id"]), (&json!("succeeded"), &json!("fabrikam")));
    // Sent again, with the same content or another one, the activity stays as it is.
    let recorder = stores.recorder(None).checking_partners(true);
    for extra in [json!({"actor": {"id": "ana@contoso.example"}}), json!({"actor": {"id": "eve"}, "details": {"a": 1}})]
    {
        let again = sent("2026-07-0", "2026-07-15T00:00:00Z", &extra);
        let outcome = recorder.record(parsed(&again, now).into_activity(contoso(), now), Duration::MAX).await.unwrap();
        let Recorded::Duplicate(first) = outcome else { panic!("{outcome:?}") };
        assert!(first.erased.is_some() && first.entry.actor.id.is_empty() && first.details == Details::None);
    }
    assert!(!everything(&stores).await.contains("ana@"));
    // Carried out again it changes nothing, and after a restore it finds the same activities.
    let before = everything(&stores).await.len();
    assert!(keep(&stores.keeper(&sqs, None), &sqs, now).await);
    assert_eq!(everything(&stores).await.len(), before);
}

#[tokio::test]
async fn an_erasure_survives_the_failure_of_every_call() {
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        let mut number = 0;
        loop {
            let (stores, sqs) = (Stores::start().await, Sqs::start().await);
            fill(&stores).await;
            let order = order(
                "01JD7Z6Q3V5W8X9Y0Z1A2B3C4D",
                Selector::Actor("ana@contoso.example".to_owned()),
                &[Group::Actor, Group::Changes, Group::Details],
            );
            give(&stores, &order).await;
            let faults = Faults::at(number, fault);
            keep(&stores.keeper(&sqs, Some(&faults)), &sqs, at(NOW)).await;
            for _ in 0..2 {
                assert!(keep(&stores.keeper(&sqs, None), &sqs, at(NOW)).await, "{fault:?} {number}");
            }
            let stored = stores.control(None).erasure(&contoso(), &order.id).await.unwrap().unwrap();
            assert_eq!(
                (stored.order.state, stored.order.tally.activities),
                (ErasureState::Done, 6),
                "{fault:?} {number}"
            );
            let rest = everything(&stores).await;
            assert!(!rest.contains("ana@") && !rest.contains("of ana"), "{fault:?} {number}: {rest}");
            if faults.failed() == 0 {
                break;
            }
            number += usize::try_from(amount("FAULT_STEP", 27, 3)).unwrap();
        }
        assert!(number > 20, "{number}");
    }
}

#[tokio::test]
async fn a_hold_at_every_call_of_an_erasure_keeps_what_is_not_erased_yet() {
    let mut number = 0;
    loop {
        let (stores, sqs) = (Stores::start().await, Sqs::start().await);
        fill(&stores).await;
        let order = order(
            "01JD7Z6Q3V5W8X9Y0Z1A2B3C4D",
            Selector::Actor("ana@contoso.example".to_owned()),
            &[Group::Actor, Group::Details],
        );
        give(&stores, &order).await;
        let faults = Faults::at(number, Fault::Paused);
        let keeper = stores.keeper(&sqs, Some(&faults));
        let running = tokio::spawn(async move {
            let run = Run { name: "run", now: at(NOW), may_go_on: &|| true };
            keeper.run(&KeeperRun { now: Some(at(NOW)), ..KeeperRun::default() }, &run).await
        });
        tokio::select! {
            () = faults.paused() => {}
            () = async { while !running.is_finished() { tokio::time::sleep(Duration::from_millis(1)).await } } => break,
        }
        let is_whole = |activity: &Activity| activity.erased.is_none();
        decide(&stores, |lifecycle| {
            if lifecycle.holds.is_empty() {
                lifecycle.place_hold(hold("h", "2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z", &[]), false).unwrap();
            }
        })
        .await;
        let before = listed(&stores, at(NOW)).await;
        faults.go_on();
        running.await.unwrap().ok();
        keep(&stores.keeper(&sqs, None), &sqs, at(NOW)).await;
        let held = |all: &[Activity]| {
            all.iter()
                .filter(|one| one.id.as_str().starts_with("2026-08") && is_whole(one))
                .map(|one| one.id.to_string())
                .collect::<Vec<_>>()
        };
        let after = listed(&stores, at(NOW)).await;
        assert_eq!(held(&before), held(&after), "call {number}");
        for id in held(&after) {
            let found = after.iter().find(|one| one.id.as_str() == id).unwrap();
            let ledger = stores.ledger(None);
            let complete = ledger
                .load_details(ledger.find(&contoso(), found.occurred_at, &found.id).await.unwrap().unwrap())
                .await
                .unwrap();
            assert!(
                matches!(complete.details, Details::Here(_)),
                "call {number}: {id} is under a hold and has its details"
            );
        }
        // Released, the rest goes.
        decide(&stores, |lifecycle| {
            lifecycle.release_hold("h", at(NOW).plus_seconds(1), author());
        })
        .await;
        assert!(keep(&stores.keeper(&sqs, None), &sqs, at(NOW).plus_seconds(2)).await);
        assert!(!everything(&stores).await.contains("ana@"), "call {number}");
        number += usize::try_from(amount("FAULT_STEP", 27, 3)).unwrap() / 3 + 1;
    }
    assert!(number > 20, "{number}");
}

#[tokio::test]
async fn a_partner_leaves_and_a_record_stays() {
    let stores = Stores::start().await;
    fill(&stores).await;
    register(&stores, "fabrikam").await;
    let (sqs, now) = (Sqs::start().await, at(NOW));
    decide(&stores, |lifecycle| lifecycle.offboard(1, None, now, author()).unwrap()).await;
    let later = now.plus_seconds(DAY);
    let keeper = stores.keeper(&sqs, None);
    assert!(keep(&keeper, &sqs, later.plus_seconds(-1)).await);
    assert_eq!(listed(&stores, later.plus_seconds(-1)).await.len(), 12);
    // A run that dies in the middle, then one that ends.
    let faults = Faults::at(20, Fault::NotSent);
    keep(&stores.keeper(&sqs, Some(&faults)), &sqs, later).await;
    assert_eq!((faults.failed(), listed(&stores, later).await.len()), (1, 0));
    assert!(keep(&keeper, &sqs, later).await);
    let record = stores.partners().read(&contoso()).await.unwrap();
    assert_eq!((record.registration, record.lifecycle.left.len()), (None, 1));
    assert!(record.lifecycle.left[0].counts.activities > 0);
    let rest = everything(&stores).await;
    assert!(!rest.contains("@contoso") && !rest.contains("contoso#") && !rest.contains("\"note\""), "{rest}");
    assert_eq!(stores.partners().list(10, None).await.unwrap().0.len(), 1, "others stay");
}

/// A keeper of an installation that keeps so many months.
trait WithRetention {
    fn with_retention(self, months: u32) -> Self;
}

impl WithRetention for Keeper {
    fn with_retention(self, months: u32) -> Self {
        Self { partners: self.partners.with_default_retention(Some(months)), ..self }
    }
}
