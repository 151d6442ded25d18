//! Recording into the ledger, lists of it, and calls that fail.

use std::time::Duration;

use domain::{
    activity::{Activity, Details, NewActivity},
    filter::Filter,
    query::{Position, Selection, SortOrder},
    time::{Instant, Period},
};
use harness::{Fault, Faults, Stores, activities, at, contoso, find_complete, parsed, sent};
use serde_json::json;
use store::ledger::{Ledger, RecordError, Recorded, Recorder};

const NOW: &str = "2026-11-02T12:00:00.987654Z";

fn selection(from: &str, to: &str, order: SortOrder) -> Selection {
    Selection {
        period: Period::new(at(from), at(to)).unwrap(),
        filter: Filter::default(),
        order,
        recorded_from: None,
        recorded_before: None,
    }
}

async fn record(recorder: &Recorder, json: &str) -> Result<Recorded, RecordError> {
    recorder.record(parsed(json, at(NOW)).into_activity(contoso(), at(NOW)), Duration::MAX).await
}

/// Reads a whole list in pages of a size.
async fn pages(ledger: &Ledger, selection: &Selection, limit: usize) -> Vec<Activity> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = ledger.list_page(&contoso(), selection, limit, after, None).await.unwrap();
        assert!(page.activities().len() <= limit);
        all.extend(page.activities().map(|activity| activity.owned()));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn incompressible(bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text
}

#[tokio::test]
async fn an_activity_is_recorded_once_and_a_change_is_a_conflict() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    let json = sent("e-1", "2026-11-02T09:30:00.123456Z", &json!({"details": {"a": 1.50}}));

    let Recorded::New(first) = record(&recorder, &json).await.unwrap() else { panic!("it is new") };
    assert_eq!(first.recorded_at.to_millis_text(), "2026-11-02T12:00:00.987Z");
    // A second process, hours later, with the keys in another order.
    let again = r#"{"details":{"a":1.5},"actor":{"id":"ana@contoso.example"},"action":"order.created","id":"e-1","occurred_at":"2026-11-02T10:30:00.123456+01:00"}"#;
    let later = at("2026-11-02T18:00:00Z");
    let later = stores
        .recorder(None)
        .record(parsed(again, at(NOW)).into_activity(contoso(), later), Duration::MAX)
        .await
        .unwrap();
    let Recorded::Duplicate(second) = later else { panic!("it is a duplicate") };
    assert_eq!(second, first);

    let other = sent("e-1", "2026-11-02T09:30:00.123456Z", &json!({"details": {"a": 2}}));
    assert!(matches!(record(&recorder, &other).await, Err(RecordError::Conflict)));
    let found = find_complete(&ledger, &contoso(), first.occurred_at, &first.id).await.unwrap();
    assert_eq!(found, Some(first));
}

#[tokio::test]
async fn details_of_any_size_come_back_exactly() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    let texts = [
        json!({}),
        json!({"n": 1}),
        json!({"lines": vec![json!({"product": "é", "quantity": 12}); 200]}),
        json!({"noise": incompressible(700 * 1_024)}),
        json!({"noise": incompressible(4 * 1_024 * 1_024)}),
    ];
    for (number, details) in texts.iter().enumerate() {
        let json = sent(&format!("e-{number}"), "2026-11-02T09:30:00Z", &json!({"details": details}));
        assert!(matches!(record(&recorder, &json).await.unwrap(), Recorded::New(_)));
        assert!(matches!(record(&recorder, &json).await.unwrap(), Recorded::Duplicate(_)));
    }
    assert_eq!(stores.objects("details/").await.len(), 2, "two are too large for the table");

    let all = selection("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", SortOrder::Ascending);
    let listed = pages(&ledger, &all, 100).await;
    assert_eq!(listed.len(), texts.len());
    let mut reader = ledger.stream(&contoso(), &all, true, None).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        read.extend(chunk.activities().map(|activity| activity.owned()));
    }
    for ((listed, read), details) in listed.iter().zip(&read).zip(&texts) {
        let text = details.to_string();
        assert_eq!(listed.details, Details::Apart(text.len() as u64));
        assert_eq!(read.details, Details::Here(text.clone()));
        let got = find_complete(&ledger, &contoso(), listed.occurred_at, &listed.id).await.unwrap().unwrap();
        assert_eq!(got.details, Details::Here(text));
    }
}

#[tokio::test]
async fn pages_of_any_size_and_order_are_complete_and_ordered() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    let mut expected: Vec<(Instant, String)> = Vec::new();
    for number in 0..300 {
        // Three months, every tenth in one instant, ids against the order of recording.
        let month = ["07", "08", "10"][number % 3];
        let time = if number % 10 == 0 {
            format!("2026-{month}-05T00:00:00Z")
        } else {
            format!("2026-{month}-{:02}T00:00:{:02}.5Z", 1 + number % 28, number % 60)
        };
        let id = format!("e-{:03}", 999 - number);
        record(&recorder, &sent(&id, &time, &json!({}))).await.unwrap();
        expected.push((at(&time), id));
    }
    expected.sort();
    for order in [SortOrder::Ascending, SortOrder::Descending] {
        let all = selection("2026-07-01T00:00:00Z", "2026-10-29T00:00:00Z", order);
        for limit in [1, 2, 3, 7, 100, 1_000] {
            let mut listed: Vec<(Instant, String)> =
                pages(&ledger, &all, limit).await.into_iter().map(|a| (a.occurred_at, a.id.to_string())).collect();
            if order == SortOrder::Descending {
                listed.reverse();
            }
            assert_eq!(listed, expected, "{order:?} by {limit}");
        }
    }
    // Bounds are half open, to the microsecond.
    let one = selection("2026-08-05T00:00:00Z", "2026-08-05T00:00:00.000001Z", SortOrder::Ascending);
    assert_eq!(
        pages(&ledger, &one, 3).await.len(),
        expected.iter().filter(|(t, _)| *t == at("2026-08-05T00:00:00Z")).count()
    );
    let before = selection("2026-08-04T23:00:00Z", "2026-08-05T00:00:00Z", SortOrder::Ascending);
    assert!(pages(&ledger, &before, 3).await.iter().all(|a| a.occurred_at < at("2026-08-05T00:00:00Z")));
}

#[tokio::test]
async fn a_list_stays_complete_while_activities_are_recorded() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    for number in 0..40 {
        record(&recorder, &sent(&format!("m-{number:03}"), "2026-11-01T00:00:00Z", &json!({}))).await.unwrap();
    }
    let all = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", SortOrder::Descending);
    let mut seen = Vec::new();
    let mut after: Option<Position> = None;
    let mut number = 0;
    loop {
        let page = ledger.list_page(&contoso(), &all, 3, after, None).await.unwrap();
        seen.extend(page.activities().map(|activity| activity.id.to_string()));
        for prefix in ["a", "m-010x", "z"] {
            record(&recorder, &sent(&format!("{prefix}{number:03}"), "2026-11-01T00:00:00Z", &json!({})))
                .await
                .unwrap();
        }
        number += 1;
        // Activities that sort behind the position would continue the list for ever.
        if number == 10 {
            break;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut unique = seen.clone();
    unique.dedup();
    assert_eq!(unique, seen, "no repeats");
    assert!(seen.is_sorted_by(|a, b| a > b));
    let last = seen.last().unwrap().clone();
    for number in 0..40 {
        let id = format!("m-{number:03}");
        assert!(id < last || seen.contains(&id), "{id} is missing");
    }
}

#[tokio::test]
async fn a_filter_selects_what_a_scan_of_everything_selects() {
    let stores = Stores::start().await;
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    let november = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
    for number in 0..120 {
        let extra = json!({
            "customer": {"id": format!("c-{}", number % 3), "name": format!("Kunde {}", number % 3)},
            "status": (["succeeded", "failed"][number % 2]),
            "action": (["order.created", "user.created", "order.line.removed"][number % 3]),
        });
        record(&recorder, &sent(&format!("e-{number}"), &format!("2026-11-01T00:00:{:02}Z", number % 60), &extra))
            .await
            .unwrap();
    }
    let all = pages(&ledger, &selection(november.0, november.1, SortOrder::Descending), 1_000).await;
    for filter in [
        json!({"customer": ["c-1"]}),
        json!({"customer": ["c-1", "c-2"]}),
        json!({"customer": ["c-1"], "status": ["failed"]}),
        json!({"action": ["order.*"]}),
        json!({"q": "kunde 2"}),
        json!({"actor": ["nobody"]}),
    ] {
        let filter: Filter = serde_json::from_value(filter).unwrap();
        let expected: Vec<&str> = all.iter().filter(|a| filter.matches(&a.borrowed())).map(|a| a.id.as_str()).collect();
        for limit in [1, 7, 1_000] {
            let selection =
                Selection { filter: filter.clone(), ..selection(november.0, november.1, SortOrder::Descending) };
            let listed = pages(&ledger, &selection, limit).await;
            assert_eq!(listed.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), expected, "{filter:?} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_list_queries_only_months_with_data() {
    let stores = Stores::start().await;
    record(&stores.recorder(None), &sent("e-1", "2026-02-01T00:00:00Z", &json!({}))).await.unwrap();
    let faults = Faults::none();
    let ledger = stores.ledger(Some(&faults));
    assert_eq!(
        pages(&ledger, &selection("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", SortOrder::Descending), 10)
            .await
            .len(),
        1
    );
    assert_eq!(faults.calls(), 2, "the directory and February");
}

#[tokio::test]
async fn a_retry_records_once_whichever_call_failed() {
    let stores = Stores::start().await;
    let mut number = 0;
    for details in
        [json!({"n": 1}), json!({"lines": vec![json!({"p": "x"}); 500]}), json!({"noise": incompressible(600_000)})]
    {
        for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Failed] {
            for (call, lasting) in (0..).flat_map(|call| [(call, false), (call, true)]) {
                number += 1;
                // Each recording has a month of its own, so that it makes all of its calls.
                let time = format!("{:04}-01-01T00:00:00Z", 1_000 + number);
                let json = sent("e-1", &time, &json!({"details": details}));
                let faults = if lasting { Faults::from(call, fault) } else { Faults::at(call, fault) };
                let faults = faults.with_one_retry();
                let outcome = record(&stores.recorder(Some(&faults)), &json).await;
                if faults.calls() <= call {
                    assert!(matches!(outcome, Ok(Recorded::New(_))), "no call was left to fail");
                    break;
                }
                // The SDK retries a call that fails once.
                match &outcome {
                    Err(RecordError::Storage(error)) => assert!(error.is_transient(), "{error:?}"),
                    Ok(Recorded::New(_)) => assert!(!lasting),
                    Ok(Recorded::Duplicate(_)) => assert!(!lasting && fault == Fault::AnswerLost),
                    Err(error) => panic!("{error:?}"),
                }
                let sound = stores.ledger(None);
                assert!(record(&stores.recorder(None), &json).await.is_ok());
                assert!(matches!(record(&stores.recorder(None), &json).await, Ok(Recorded::Duplicate(_))));
                let to = at(&time).plus_seconds(1).to_string();
                let listed = pages(&sound, &selection(&time, &to, SortOrder::Ascending), 10).await;
                assert_eq!(listed.len(), 1, "call {call} {fault:?}");
                let found =
                    find_complete(&sound, &contoso(), listed[0].occurred_at, &listed[0].id).await.unwrap().unwrap();
                assert_eq!(found.details, Details::Here(details.to_string()));
            }
        }
    }
}

#[tokio::test]
async fn a_batch_reports_the_outcome_of_each_activity() {
    let stores = Stores::start().await;
    let ledger = stores.ledger(None);
    let batch = |year: usize| -> Vec<NewActivity> {
        let time = |number: usize| format!("{year}-01-01T00:00:{:02}Z", number % 60);
        (0..40).map(|number| parsed(&sent(&format!("e-{number}"), &time(number), &json!({})), at(NOW))).collect()
    };
    let is_transient = |outcome: &Result<Recorded, RecordError>| match outcome {
        Err(RecordError::Storage(error)) => error.is_transient(),
        _ => false,
    };
    // Calls 0 to 2 read the partner and enter the month. The SDK retries each call once: if one call fails, every activity is
    // recorded; if all fail from there on, ten are.
    for (number, fault) in
        [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled].into_iter().enumerate()
    {
        for (year, faults) in [(1_950 + number, Faults::at(13, fault)), (1_980 + number, Faults::from(13, fault))] {
            let faults = faults.with_one_retry();
            let outcomes = stores
                .recorder(Some(&faults))
                .record_all(activities(&contoso(), batch(year), at(NOW)), Duration::MAX)
                .await;
            let recorded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            let known = |outcome: &Result<Recorded, RecordError>| match outcome {
                Err(RecordError::Storage(error)) => error.is_transient(),
                other => other.is_ok(),
            };
            assert!(outcomes.iter().all(known), "{fault:?}: {outcomes:?}");
            assert_eq!(recorded, if year < 1_980 { 40 } else { 10 }, "{fault:?}");
            let all =
                selection(&format!("{year}-01-01T00:00:00Z"), &format!("{year}-02-01T00:00:00Z"), SortOrder::Ascending);
            let stored = pages(&ledger, &all, 1_000).await.len();
            let seen_only_by_the_store = matches!(fault, Fault::AnswerLost | Fault::Garbled);
            assert_eq!(stored, if seen_only_by_the_store { 40 } else { recorded });
            let again =
                stores.recorder(None).record_all(activities(&contoso(), batch(year), at(NOW)), Duration::MAX).await;
            let new = again.iter().filter(|outcome| matches!(outcome, Ok(Recorded::New(_)))).count();
            assert!(again.iter().all(Result::is_ok) && new == 40 - stored);
            assert_eq!(pages(&ledger, &all, 1_000).await.len(), 40);
        }
    }
    let late = stores.recorder(None).record_all(activities(&contoso(), batch(1_995), at(NOW)), Duration::ZERO).await;
    assert!(late.len() == 40 && late.iter().all(is_transient), "time is up");
}

#[tokio::test]
async fn a_recording_makes_one_call_once_its_month_is_known() {
    let stores = Stores::start().await;
    let faults = Faults::at(4, Fault::Throttled).with_one_retry();
    let recorder = stores.recorder(Some(&faults));
    let mut calls = Vec::new();
    for number in 0..250 {
        let before = faults.calls();
        let json = sent(&format!("e-{number}"), "2026-11-01T00:00:00Z", &json!({}));
        assert!(matches!(record(&recorder, &json).await, Ok(Recorded::New(_))));
        calls.push(faults.calls() - before);
    }
    // The partner, the month twice and the item; then an item whose first try is refused; then one call for each item.
    assert_eq!(calls[..2], [4, 2]);
    assert!(calls[2..].iter().all(|calls| *calls == 1));
    let again = sent("e-7", "2026-11-01T00:00:00Z", &json!({}));
    let before = faults.calls();
    assert!(matches!(record(&recorder, &again).await, Ok(Recorded::Duplicate(_))));
    assert_eq!(faults.calls() - before, 1, "the refusal has the stored item");
    let other = sent("e-7", "2026-11-01T00:00:00Z", &json!({"status": "failed"}));
    assert!(matches!(record(&recorder, &other).await, Err(RecordError::Conflict)));
}

#[tokio::test]
async fn a_list_is_the_same_when_a_read_fails_once() {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    for number in 0..30 {
        record(&recorder, &sent(&format!("e-{number:02}"), "2026-11-01T00:00:00Z", &json!({}))).await.unwrap();
    }
    let all = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", SortOrder::Ascending);
    let expected = pages(&stores.ledger(None), &all, 7).await;
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled] {
        // Call 0 reads the directory.
        for call in 0..6 {
            let faults = Faults::at(call, fault).with_one_retry();
            assert_eq!(pages(&stores.ledger(Some(&faults)), &all, 7).await, expected, "{fault:?} of call {call}");
            assert!(faults.calls() > call);
        }
    }
}

#[tokio::test]
async fn the_first_of_two_activities_with_one_key_wins() {
    let stores = Stores::start().await;
    let one = |status| parsed(&sent("e-1", "2026-11-01T00:00:00Z", &json!({"status": status})), at(NOW));
    let batch = vec![one("succeeded"), one("failed"), one("succeeded")];
    let outcomes = stores.recorder(None).record_all(activities(&contoso(), batch, at(NOW)), Duration::MAX).await;
    assert!(matches!(outcomes[..], [Ok(Recorded::New(_)), Err(RecordError::Conflict), Ok(Recorded::Duplicate(_))]));
}

#[tokio::test]
async fn details_of_a_dead_recorder_do_not_hinder_another() {
    let stores = Stores::start().await;
    let time = "2026-11-01T00:00:00Z";
    let large = |word: &str| sent("e-1", time, &json!({"details": {"lines": vec![json!({"p": word}); 500]}}));
    // The recorder reads the partner and the month, writes the month and the details, then dies before it writes the item.
    let died = record(&stores.recorder(Some(&Faults::from(4, Fault::NotSent))), &large("first")).await;
    assert!(died.is_err());
    let (ledger, recorder) = (stores.ledger(None), stores.recorder(None));
    assert!(matches!(record(&recorder, &large("second")).await, Ok(Recorded::New(_))));
    let all = selection(time, "2026-11-01T00:00:01Z", SortOrder::Ascending);
    let chunk = ledger.stream(&contoso(), &all, true, None).await.unwrap().next().await.unwrap().unwrap();
    let read: Vec<_> = chunk.activities().collect();
    assert!(matches!(&read[..], [Activity { details: Details::Here(text), .. }] if text.contains("second")));
}

#[tokio::test]
async fn a_failed_stream_has_given_the_first_activities_in_order() {
    let stores = Stores::start().await;
    // Each has a chunk of its own, and an object.
    let noise = incompressible(1_600_000);
    let ids = ["e-3", "e-2", "e-1"];
    for (id, month) in ids.iter().zip(["2026-10", "2026-09", "2026-08"]) {
        let sent = sent(id, &format!("{month}-01T00:00:00Z"), &json!({"details": {"noise": noise}}));
        assert!(matches!(record(&stores.recorder(None), &sent).await, Ok(Recorded::New(_))));
    }
    let all = selection("2026-08-01T00:00:00Z", "2026-11-01T00:00:00Z", SortOrder::Descending);
    let read = async |faults: Option<&Faults>| {
        let mut found = Vec::new();
        let Ok(mut stream) = stores.ledger(faults).stream(&contoso(), &all, true, None).await else {
            return (found, true);
        };
        loop {
            match stream.next().await {
                Ok(Some(chunk)) => found.extend(chunk.activities().map(|one| one.id.to_string())),
                Ok(None) => return (found, false),
                Err(_) => return (found, true),
            }
        }
    };
    assert_eq!(read(None).await, (ids.map(str::to_owned).to_vec(), false));
    let mut lengths = Vec::new();
    for call in 1..16 {
        let (found, has_failed) = read(Some(&Faults::from(call, Fault::NotSent))).await;
        assert_eq!(found, ids[..found.len()], "every call from {call} on fails");
        assert!(has_failed || found.len() == ids.len(), "every call from {call} on fails");
        lengths.push(found.len());
    }
    assert!(lengths.contains(&0) && lengths.contains(&ids.len()), "{lengths:?}");
    // Details are fetched ahead, but their failure comes in their place.
    let keys = stores.objects("details/").await;
    let key = keys.iter().find(|key| key.contains("2026-08")).unwrap();
    stores.s3(None).delete_object().bucket(harness::BUCKET).key(key).send().await.unwrap();
    assert_eq!(read(None).await, (vec!["e-3".to_owned(), "e-2".to_owned()], true));
}
