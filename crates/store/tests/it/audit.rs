//! The audit on real engines: what it promises when calls fail, and its lists.

use std::cell::Cell;

use domain::{
    access::{Caller, Customers, Role},
    activity::{Activity, PartnerId, Status},
    audit::{AuditAction, AuditActor, AuditEntry},
    filter::{Choice, Filter},
    lifecycle::{Group, Selector},
    query::{Selection, SortOrder},
    search::Search,
    time::{Instant, Period},
};
use harness::{AUDIT, Fault, Faults, Sqs, Stores, at, contoso, partner};
use serde_json::json;
use store::{
    audit::Audit,
    ledger::{FeedPosition, Remover},
};

use crate::keeper::{everything, give, keep, order, register};

const NOW: &str = "2026-11-02T12:34:56.789012Z";

fn ana() -> AuditActor {
    AuditActor::of_caller(&Caller::new(
        "s-1".into(),
        "Ana".into(),
        Some(contoso()),
        vec![Role::GlobalAdmin],
        Customers::ALL,
    ))
}

fn settings_saved() -> AuditEntry {
    AuditEntry::new(AuditAction::SettingsSaved).about("settings", "contoso").changed(&json!({"a": 1}), &json!({"a": 2}))
}

fn selection(filter: Filter) -> Selection {
    let period = Period::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")).unwrap();
    Selection { period, filter, order: SortOrder::Descending, recorded_from: None, recorded_before: None }
}

/// Lists the entries of a partner that a filter selects, newest first, in pages of two.
async fn listed(audit: &Audit, partner: &PartnerId, filter: Filter) -> Vec<Activity> {
    let (mut all, mut after, selection) = (Vec::new(), None, selection(filter));
    loop {
        let page = audit.ledger().list_page(partner, &selection, 2, after, None).await.unwrap();
        all.extend(page.activities().map(|entry| entry.owned()));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn entries(stores: &Stores) -> Vec<Activity> {
    listed(&stores.audit(None), &contoso(), Filter::default()).await
}

/// Makes a change that counts how often it is made. Returns whether its entry could be begun.
async fn change(audit: &Audit, made: &Cell<u32>, outcome: Result<(), &str>) -> bool {
    let Ok(begun) = audit.begin(&contoso(), &ana(), settings_saved(), at(NOW)).await else { return false };
    made.set(made.get() + 1);
    // A failure to store the outcome is no failure of the change.
    begun.end(outcome).await.ok();
    true
}

#[tokio::test]
async fn change_has_one_entry_with_its_outcome() {
    let stores = Stores::start().await;
    let audit = stores.audit(None);
    let begun = audit.begin(&contoso(), &ana(), settings_saved(), at(NOW)).await.unwrap();
    let [entry] = &entries(&stores).await[..] else { panic!("one entry") };
    assert_eq!(entry.entry.status, Status::InProgress);
    begun.end(Ok(())).await.unwrap();
    let [ended] = &entries(&stores).await[..] else { panic!("one entry") };
    assert_eq!((ended.entry.status, &ended.id, ended.occurred_at), (Status::Succeeded, &entry.id, at(NOW)));
    assert_eq!(ended.entry.changes.as_deref(), Some(r#"[{"field":"a","old":1,"new":2}]"#));

    assert!(change(&audit, &Cell::new(0), Err("Somebody else was faster.")).await);
    let all = entries(&stores).await;
    let failed = all.iter().find(|entry| entry.entry.status == Status::Failed).unwrap();
    assert_eq!((all.len(), failed.entry.reason.as_deref()), (2, Some("Somebody else was faster.")));
}

/// Every call of a change, one after the other, fails in each way.
#[tokio::test]
async fn no_change_is_made_without_its_entry_when_calls_fail() {
    let faults = [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled];
    let mut tried = 0;
    for fault in faults {
        for one_retry in [false, true] {
            for call in 0..3 {
                let stores = Stores::start().await;
                let failing = Faults::at(call, fault);
                let failing = if one_retry { failing.with_one_retry() } else { failing };
                let made = Cell::new(0);
                let is_begun = change(&stores.audit(Some(&failing)), &made, Ok(())).await;
                let found = entries(&stores).await;
                let statuses: Vec<Status> = found.iter().map(|entry| entry.entry.status).collect();
                let context = format!("{fault:?} at {call}, retry {one_retry}: {statuses:?}");
                assert!(statuses.len() <= 1, "{context}");
                if made.get() > 0 {
                    assert!(matches!(statuses[..], [Status::InProgress | Status::Succeeded]), "{context}");
                } else {
                    // An entry may be stored although its answer was lost, but none that says it was done.
                    assert!(!statuses.contains(&Status::Succeeded), "{context}");
                }
                if one_retry {
                    assert!(is_begun && statuses == [Status::Succeeded], "a retry repairs it: {context}");
                }
                tried += failing.failed();
            }
        }
    }
    assert_eq!(tried, faults.len() * 2 * 3);
}

#[tokio::test]
async fn repeated_work_stores_one_entry() {
    let stores = Stores::start().await;
    let entry = AuditEntry::new(AuditAction::ExportFinished).about("export", "2026-10");
    for now in [NOW, "2026-11-02T13:00:00Z"] {
        let (by, address) = (AuditActor::system("export-worker"), ("2026-10", at(NOW)));
        let stored = stores.audit(None);
        stored.store_once(&contoso(), &by, &entry, Status::Succeeded, address, at(now)).await.unwrap();
    }
    assert_eq!(entries(&stores).await.len(), 1);
}

#[tokio::test]
async fn reads_of_an_hour_have_one_entry_and_are_written_once() {
    let stores = Stores::start().await;
    let faults = Faults::none();
    let processes = [stores.audit(Some(&faults)), stores.audit(Some(&faults))];
    let read = async |audit: &Audit, by: &AuditActor, now: &str| {
        let entry = AuditEntry::new(AuditAction::LogRead);
        audit.store_of_hour(&contoso(), by, &entry, Status::Succeeded, at(now)).await.unwrap();
    };
    for audit in &processes {
        for minute in 0..30 {
            read(audit, &ana(), &format!("2026-11-02T12:{minute:02}:00Z")).await;
        }
    }
    assert_eq!(faults.calls(), 6, "each process enters the month and puts the row of the feed and the entry once");
    read(&processes[0], &ana(), "2026-11-02T13:00:00Z").await;
    let bob = AuditActor::of_caller(&Caller::new(
        "s-2".into(),
        "Bob".into(),
        Some(contoso()),
        vec![Role::Reader],
        Customers::ALL,
    ));
    read(&processes[0], &bob, "2026-11-02T13:00:00Z").await;
    let found = entries(&stores).await;
    let shown: Vec<(String, &str)> =
        found.iter().map(|entry| (entry.occurred_at.to_string(), entry.entry.actor.id.as_str())).collect();
    let hour = |text: &str| at(text).to_string();
    assert_eq!(shown.len(), 3);
    for expected in [
        (hour("2026-11-02T12:00:00Z"), "s-1"),
        (hour("2026-11-02T13:00:00Z"), "s-1"),
        (hour("2026-11-02T13:00:00Z"), "s-2"),
    ] {
        assert!(shown.contains(&expected), "{shown:?}");
    }
}

#[tokio::test]
async fn failed_entry_of_a_read_is_tried_again() {
    let stores = Stores::start().await;
    let audit = stores.audit(Some(&Faults::at(1, Fault::NotSent)));
    let read = async |now: Instant| {
        let entry = AuditEntry::new(AuditAction::LogRead);
        audit.store_of_hour(&contoso(), &ana(), &entry, Status::Succeeded, now).await
    };
    assert!(read(at(NOW)).await.is_err());
    assert!(read(at(NOW)).await.is_ok());
    assert_eq!(entries(&stores).await.len(), 1);
}

#[tokio::test]
async fn list_takes_the_filters_of_activities() {
    let stores = Stores::start().await;
    let audit = stores.audit(None);
    for (number, action) in
        [AuditAction::ExportRequested, AuditAction::ExportDownloaded, AuditAction::SecretShown].into_iter().enumerate()
    {
        let now = at(NOW).plus_seconds(i64::try_from(number).unwrap());
        let entry = AuditEntry::new(action).about("export", &format!("e-{number}"));
        audit.store(&contoso(), &ana(), &entry, now).await.unwrap();
        audit.store(&partner("fabrikam"), &ana(), &entry, now).await.unwrap();
    }
    let found = async |filter: Filter| {
        let found = listed(&audit, &contoso(), filter).await;
        found.iter().map(|entry| entry.entry.action.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(Filter::default()).await, ["secret.shown", "export.downloaded", "export.requested"]);
    let texts = |text: &str| Choice::parse(&[text.to_owned()]).unwrap();
    let action = Filter { action: Choice::parse(&["export.*".to_owned()]).unwrap(), ..Filter::default() };
    assert_eq!(found(action).await, ["export.downloaded", "export.requested"]);
    let target = Filter { target: texts("e-0"), actor: texts("S-1"), ..Filter::default() };
    assert_eq!(found(target).await, ["export.requested"]);
    let search = |text: &str| Filter { q: Some(Search::parse(text).unwrap()), ..Filter::default() };
    assert_eq!(found(search("telechargement")).await, ["export.downloaded"], "by its French label");
    // The table has no index of customers, and no entry has a customer.
    for customer in ["fabrikam", "!fabrikam"] {
        let filter = Filter { customer: texts(customer), ..Filter::default() };
        assert_eq!(found(filter).await.len(), if customer.starts_with('!') { 3 } else { 0 });
    }
}

/// The entries of the feed of contoso from `NOW` on, in pages of two.
async fn fed(audit: &Audit) -> Vec<Activity> {
    let through = at(NOW).plus_seconds(300);
    let (ledger, end) = (audit.ledger().at(through), FeedPosition::before(through));
    let (mut after, mut found) = (FeedPosition::before(at(NOW).plus_seconds(-60)), Vec::new());
    while after < end {
        let page = ledger.feed_page(&contoso(), &after, through, 2, &|_| true).await.unwrap();
        found.extend(page.activities().map(|entry| entry.owned()));
        after = page.next;
    }
    found
}

#[tokio::test]
async fn an_erased_read_has_an_id_that_nobody_can_calculate() {
    let read = AuditEntry::new(AuditAction::LogRead);
    let before = read.record_of_hour(&contoso(), &ana(), Status::Succeeded, at(NOW)).unwrap();
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        for number in 0.. {
            let (stores, sqs) = (Stores::start().await, Sqs::start().await);
            register(&stores, "contoso").await;
            // Two processes store the read, each with a row of the feed. A change of the same person has an id of chance already.
            for seconds in [0, 30] {
                let (process, now) = (stores.audit(None), at(NOW).plus_seconds(seconds));
                process.store_of_hour(&contoso(), &ana(), &read, Status::Succeeded, now).await.unwrap();
            }
            assert!(change(&stores.audit(None), &Cell::new(0), Ok(())).await);
            assert_eq!(everything(&stores).await.matches(before.id.as_str()).count(), 3);
            let ordered = order("01JD7Z6Q3V5W8X9Y0Z1A2B3C4D", Selector::Actor("s-1".to_owned()), &[Group::Actor]);
            give(&stores, &ordered).await;
            let faults = Faults::at(number, fault);
            keep(&stores.keeper(&sqs, Some(&faults)), &sqs, at(NOW)).await;
            for _ in 0..2 {
                assert!(keep(&stores.keeper(&sqs, None), &sqs, at(NOW)).await, "{fault:?} {number}");
            }
            let rest = everything(&stores).await;
            assert!(!rest.contains(before.id.as_str()) && !rest.contains("Ana"), "{fault:?} {number}: {rest}");
            let of_people = |entry: &Activity| matches!(entry.entry.action.as_str(), "log.read" | "settings.saved");
            let left: Vec<Activity> = entries(&stores).await.into_iter().filter(of_people).collect();
            assert_eq!(left.len(), 2, "{fault:?} {number}: {left:?}");
            for entry in &left {
                assert!(entry.erased.is_some() && entry.id != before.id, "{fault:?} {number}: {entry:?}");
                let rows = fed(&stores.audit(None)).await.iter().filter(|row| row.id == entry.id).count();
                assert_eq!(rows, 1, "{fault:?} {number}: {entry:?}");
            }
            if faults.failed() == 0 {
                assert!(number > 10, "{number}");
                break;
            }
        }
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test looks for what must not be there")]
async fn entries_come_in_the_order_in_which_they_were_stored() {
    let stores = Stores::start().await;
    let (audit, now) = (stores.audit(None), at(NOW));
    let begun = audit.begin(&contoso(), &ana(), settings_saved(), now).await.unwrap();
    // An entry of the hour has the time of its beginning. Another process that stores it again adds nothing.
    let read = AuditEntry::new(AuditAction::LogRead);
    for (number, seconds) in [60, 90].into_iter().enumerate() {
        let process = stores.audit(None);
        let stored =
            process.store_of_hour(&contoso(), &ana(), &read, Status::Succeeded, now.plus_seconds(seconds)).await;
        assert!(stored.is_ok(), "process {number}");
    }
    // So has one of the last month.
    let address = ("e-1", at("2026-10-31T23:59:59Z"));
    let finished = AuditEntry::new(AuditAction::ExportFinished);
    audit
        .store_once(
            &contoso(),
            &AuditActor::system("export-worker"),
            &finished,
            Status::Succeeded,
            address,
            now.plus_seconds(120),
        )
        .await
        .unwrap();
    begun.end(Ok(())).await.unwrap();
    let found: Vec<_> = fed(&audit)
        .await
        .into_iter()
        .map(|entry| (entry.entry.action.as_str().to_owned(), entry.entry.status))
        .collect();
    let expected = ["settings.saved", "log.read", "export.finished"].map(|act| (act.to_owned(), Status::Succeeded));
    assert_eq!(found, expected);
    // The rows go with their month.
    let remover = Remover::new(audit.ledger().clone());
    for (month, _) in remover.months(&contoso()).await.unwrap() {
        assert!(remover.delete_month(&contoso(), month, &|| true).await.unwrap().complete);
    }
    assert_eq!(stores.dynamodb(None).scan().table_name(AUDIT).send().await.unwrap().count(), 0);
}
