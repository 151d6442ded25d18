//! Lists against a naive reference in memory, with several processes that record and numbers of shards that change.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use amounts::amount;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::{Activity, Details, NewActivity, PartnerId},
    filter::Filter,
    query::{Position, Selection, SortOrder},
    time::{Instant, Month, Period},
};
use harness::{Faults, Stores, TABLE, activities, at, find_complete, partner, sent};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use store::{
    ledger::{Ledger, MAX_QUERIES_PER_PAGE, Recorded, Recorder},
    partners::{Settings, ShardsFrom},
};

use crate::visits::{large, visit_all};

const NOW: &str = "2026-11-02T12:00:00Z";
const SIZES: [usize; 6] = [1, 2, 3, 7, 100, 1_000];

pub(crate) fn selection(from: &str, to: &str, order: SortOrder, filter: Filter) -> Selection {
    Selection {
        period: Period::new(at(from), at(to)).unwrap(),
        filter,
        order,
        recorded_from: None,
        recorded_before: None,
    }
}

async fn record(recorder: &Recorder, partner: &PartnerId, json: &str) -> Recorded {
    let new = NewActivity::parse(json, at(NOW)).unwrap();
    recorder.record(new.into_activity(partner.clone(), at(NOW)), Duration::MAX).await.unwrap()
}

/// Reads a whole list in pages of a size.
async fn listed(ledger: &Ledger, partner: &PartnerId, selection: &Selection, limit: usize) -> Vec<Activity> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.list_page(partner, selection, limit, after, None).await.unwrap();
        assert!(page.activities().len() <= limit);
        all.extend(page.activities().map(|activity| activity.owned()));
        // A cursor holds the position as a text.
        match page.next {
            Some(next) => after = Position::parse(&next.to_text()),
            None => return all,
        }
    }
}

/// A step in the history of a partner.
#[derive(Clone, Debug)]
enum Step {
    /// A process records an activity.
    Record { process: usize, time: u32, id: u16, customer: u8, action: u8, status: u8 },
    /// The operator plans another number of shards.
    Plan { month: u32, shards: u8 },
    /// A process ends, and another one begins without its memory.
    Restart { process: usize },
}

const PROCESSES: usize = 3;
const MONTHS: [&str; 4] = ["2026-06", "2026-07", "2026-09", "2026-10"];
const ACTIONS: [&str; 4] = ["order.created", "order.line.removed", "user.created", "invoice.ready"];
const STATUSES: [&str; 4] = ["succeeded", "failed", "in_progress", "declined"];

fn step() -> impl Strategy<Value = Step> {
    let record = (0..PROCESSES, 0..160u32, 0..400u16, 0..12u8, 0..4u8, 0..4u8).prop_map(
        |(process, time, id, customer, action, status)| Step::Record { process, time, id, customer, action, status },
    );
    prop_oneof![
        30 => record,
        1 => (0..4u32, prop_oneof![Just(1u8), Just(2), Just(8), Just(5)]).prop_map(|(month, shards)| Step::Plan { month, shards }),
        1 => (0..PROCESSES).prop_map(|process| Step::Restart { process }),
    ]
}

/// Few instants, so that many activities share one.
fn time(number: u32) -> String {
    let (month, rest) = (MONTHS[(number % 4) as usize], number / 4);
    format!("{month}-{:02}T{:02}:00:00.00000{}Z", 1 + rest % 5, (rest / 5) % 4, rest % 2)
}

fn filters() -> impl Strategy<Value = Filter> {
    let filter = |value| serde_json::from_value::<Filter>(value).unwrap();
    prop_oneof![
        Just(filter(json!({}))),
        (0..13u8).prop_map(move |c| filter(json!({"customer": [format!("c-{c}")]}))),
        (0..13u8).prop_map(move |c| filter(json!({"customer": [format!("C-{c}"), format!("!c-{}", c / 2)]}))),
        (0..13u8).prop_map(move |c| filter(json!({"customer": [format!("!C-{c}")], "action": ["!order.*"]}))),
        (0..12u8, 0..12u8, 0..4u8).prop_map(move |(a, b, status)| {
            filter(json!({"customer": [format!("c-{a}"), format!("c-{b}")], "status": [STATUSES[usize::from(status)]]}))
        }),
        Just(filter(json!({"customer": (0..10).map(|c| format!("c-{c}")).collect::<Vec<_>>()}))),
        (0..4u8).prop_map(move |action| filter(json!({"action": [ACTIONS[usize::from(action)]]}))),
        Just(filter(json!({"action": ["order.*"], "status": ["failed", "declined"]}))),
        Just(filter(json!({"target_type": ["order"], "target": ["o-1", "o-2"]}))),
        Just(filter(json!({"q": "KUNDE 1"}))),
        Just(filter(json!({"q": "creation commande", "status": ["!failed"]}))),
        Just(filter(json!({"actor": ["nobody"]}))),
    ]
}

#[test]
fn every_list_is_complete_however_the_shards_changed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stores = runtime.block_on(Stores::start());
    let cases = AtomicUsize::new(0);
    let tried = u32::try_from(amount("LIST_CASES", 5, 50)).unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: tried, max_shrink_iters: 64, ..ProptestConfig::default() });
    let strategy = (prop::collection::vec(step(), 1..220), prop::collection::vec(filters(), 2));
    runner
        .run(&strategy, |(steps, filters)| {
            let partner = partner(&format!("p-{}", cases.fetch_add(1, Ordering::SeqCst)));
            runtime.block_on(replay(&stores, &partner, &steps, &filters));
            Ok(())
        })
        .unwrap();
}

async fn replay(stores: &Stores, partner: &PartnerId, steps: &[Step], filters: &[Filter]) {
    let mut processes: Vec<Recorder> = (0..PROCESSES).map(|_| stores.recorder(None)).collect();
    let mut reference: BTreeMap<(Instant, String), String> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Plan { month, shards } => {
                let partners = stores.partners();
                let read = partners.settings(partner).await.unwrap();
                let from = Month::parse(MONTHS[*month as usize]).unwrap();
                let planned: Settings = read.clone().with_shards(ShardsFrom { from, shards: *shards });
                assert!(partners.save(partner, &read, &planned).await.unwrap());
            }
            Step::Restart { process } => processes[*process] = stores.recorder(None),
            Step::Record { process, time: number, id, customer, action, status } => {
                let time = time(*number);
                let extra = json!({
                    "customer": {"id": format!("{}-{customer}", if id % 2 == 0 { "c" } else { "C" }), "name": format!("Kunde {customer}")},
                    "target": {"type": if action % 2 == 0 { "order" } else { "user" }, "id": format!("o-{}", customer % 3)},
                    "action": ACTIONS[usize::from(*action)], "status": STATUSES[usize::from(*status)],
                });
                let id = format!("e-{id}");
                let json = sent(&id, &time, &extra);
                let new = NewActivity::parse(&json, at(NOW)).unwrap();
                let key = (new.occurred_at, id);
                let outcome =
                    processes[*process].record(new.into_activity(partner.clone(), at(NOW)), Duration::MAX).await;
                match reference.get(&key) {
                    None => {
                        assert!(matches!(outcome, Ok(Recorded::New(_))));
                        reference.insert(key, json);
                    }
                    Some(first) if *first == json => assert!(matches!(outcome, Ok(Recorded::Duplicate(_)))),
                    Some(_) => assert!(outcome.is_err(), "another content"),
                }
            }
        }
    }
    let everything: Vec<Activity> = reference
        .into_values()
        .map(|json| NewActivity::parse(&json, at(NOW)).unwrap().into_activity(partner.clone(), at(NOW)))
        .collect();
    let ledger = stores.ledger(None);
    for (number, filter) in filters.iter().enumerate() {
        for order in [SortOrder::Descending, SortOrder::Ascending] {
            let (from, to) =
                [("2026-06-02T00:00:00Z", "2026-10-03T01:00:00Z"), ("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z")]
                    [number % 2];
            let selection = selection(from, to, order, filter.clone());
            let mut expected: Vec<(Instant, &str)> = everything
                .iter()
                .filter(|one| selection.period.contains(one.occurred_at) && filter.matches(&one.borrowed()))
                .map(|one| (one.occurred_at, one.id.as_str()))
                .collect();
            if order == SortOrder::Descending {
                expected.reverse();
            }
            for limit in SIZES {
                let found = listed(&ledger, partner, &selection, limit).await;
                let found: Vec<(Instant, &str)> = found.iter().map(|one| (one.occurred_at, one.id.as_str())).collect();
                assert_eq!(found, expected, "{filter:?} {order:?} by {limit}");
                if !matches!(limit, 3 | 1_000) {
                    continue;
                }
                let visited = visit_all(&ledger, partner, &selection, limit, Duration::MAX).await;
                let visited = visited.iter().map(|(time, id)| (*time, id.as_str()));
                assert!(visited.eq(expected.iter().copied()), "visits: {filter:?} {order:?} by {limit}");
            }
        }
    }
    for one in everything.iter().step_by(17) {
        let found = find_complete(&ledger, partner, one.occurred_at, &one.id).await.unwrap().unwrap();
        assert_eq!(found.entry, one.entry);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_activities_of_one_millisecond_are_listed() {
    let count = usize::try_from(amount("LISTED", 2_000, 10_000)).unwrap();
    let stores = Stores::start().await;
    let (recorder, ledger, partner) = (stores.recorder(None), stores.ledger(None), partner("busy"));
    let settings = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-02").unwrap(), shards: 4 });
    assert!(stores.partners().save(&partner, &Settings::default(), &settings).await.unwrap());
    // Once in a month of one shard, and once in a month of four.
    for month in ["2026-01", "2026-03"] {
        let times: Vec<(String, String)> = (0..count)
            .map(|number| {
                (format!("{month}-05T00:00:00.000{:03}Z", number % 1_000), format!("e-{:05}", (number * 7_919) % count))
            })
            .collect();
        let mut expected: Vec<(Instant, String)> = times.iter().map(|(time, id)| (at(time), id.clone())).collect();
        expected.sort();
        for batch in times.chunks(500) {
            let batch =
                batch.iter().map(|(time, id)| NewActivity::parse(&sent(id, time, &json!({})), at(NOW)).unwrap());
            let outcomes = recorder.record_all(activities(&partner, batch.collect(), at(NOW)), Duration::MAX).await;
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Recorded::New(_)))));
        }
        let whole = (format!("{month}-05T00:00:00Z"), format!("{month}-05T00:00:00.001Z"));
        let few = (format!("{month}-05T00:00:00.000100Z"), format!("{month}-05T00:00:00.000120Z"));
        for ((from, to), sizes) in [(&whole, &SIZES[4..]), (&few, &SIZES[..])] {
            let expected: Vec<&(Instant, String)> =
                expected.iter().filter(|(time, _)| at(from) <= *time && *time < at(to)).collect();
            assert!(expected.len() >= count / 50);
            for order in [SortOrder::Ascending, SortOrder::Descending] {
                for limit in sizes {
                    let mut found: Vec<(Instant, String)> =
                        listed(&ledger, &partner, &selection(from, to, order, Filter::default()), *limit)
                            .await
                            .into_iter()
                            .map(|one| (one.occurred_at, one.id.to_string()))
                            .collect();
                    if order == SortOrder::Descending {
                        found.reverse();
                    }
                    assert!(found.iter().eq(expected.iter().copied()), "{month} {order:?} by {limit}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_activities_stay_listed_once_while_others_record() {
    let stores = Stores::start().await;
    let ledger = stores.ledger(None);
    for (name, shards) in [("one", 1), ("eight", 8)] {
        let partner = partner(name);
        let settings = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-01").unwrap(), shards });
        stores.partners().save(&partner, &Settings::default(), &settings).await.unwrap();
        let recorder = stores.recorder(None);
        let time = |number: u32| format!("2026-11-01T00:00:{:02}.000000Z", number % 60);
        let mut before = Vec::new();
        for number in 0..250 {
            let (id, time) = (format!("m-{number:04}"), time(number));
            record(&recorder, &partner, &sent(&id, &time, &json!({}))).await;
            before.push((at(&time), id));
        }
        before.sort();
        let writing = {
            let (recorder, partner) = (recorder.clone(), partner.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    // Before, between and behind those that were there.
                    let id = format!("{}-{number:06}", ["a", "m-0125x", "z"][number as usize % 3]);
                    record(&recorder, &partner, &sent(&id, &time(number * 7), &json!({}))).await;
                }
            })
        };
        for order in [SortOrder::Ascending, SortOrder::Descending] {
            for limit in [7, 100, 1_000] {
                let selection = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", order, Filter::default());
                let mut found: Vec<(Instant, String)> = listed(&ledger, &partner, &selection, limit)
                    .await
                    .into_iter()
                    .map(|one| (one.occurred_at, one.id.to_string()))
                    .collect();
                if order == SortOrder::Descending {
                    found.reverse();
                }
                assert!(found.is_sorted_by(|a, b| a < b), "in order, without repeats");
                let of_before: Vec<_> = found.into_iter().filter(|entry| before.binary_search(entry).is_ok()).collect();
                assert!(of_before == before, "{name} {order:?} by {limit}: something of before is missing");
            }
        }
        writing.abort();
    }
}

#[tokio::test]
async fn a_filter_without_matches_stops_at_the_query_budget() {
    let stores = Stores::start().await;
    let (recorder, partner) = (stores.recorder(None), partner("large"));
    // Some 20 pages of Query, each of 1 MB.
    for batch in 0..6 {
        let batch = (0..400).map(|number| {
            let id = format!("e-{batch}-{number}");
            NewActivity::parse(&sent(&id, "2026-11-01T00:00:00Z", &large(number)), at(NOW)).unwrap()
        });
        recorder.record_all(activities(&partner, batch.collect(), at(NOW)), Duration::MAX).await;
    }
    let filter: Filter = serde_json::from_value(json!({"actor": ["nobody"]})).unwrap();
    let selection = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", SortOrder::Descending, filter);
    let faults = Faults::none();
    let ledger = stores.ledger(Some(&faults));
    let page = ledger.list_page(&partner, &selection, 10, None, None).await.unwrap();
    assert!(page.activities().len() == 0 && page.next.is_some(), "short, and there is more");
    assert_eq!(faults.calls(), MAX_QUERIES_PER_PAGE, "the directory is one of them");
    let rest = ledger.list_page(&partner, &selection, 10, page.next, None).await.unwrap();
    assert!(rest.activities().len() == 0 && rest.next.is_none());
}

#[tokio::test]
async fn rounds_that_find_nothing_count_as_queries() {
    let stores = Stores::start().await;
    let (recorder, partner) = (stores.recorder(None), partner("old"));
    let months: Vec<String> = (0..200).map(|number| format!("{}-{:02}", 2000 + number / 12, number % 12 + 1)).collect();
    for month in &months {
        let extra = json!({"customer": {"id": "c-1"}});
        record(&recorder, &partner, &sent(month, &format!("{month}-15T00:00:00Z"), &extra)).await;
    }
    let (first, last) = (&months[0], &months[199]);
    // A page takes the directory and fifteen months, or seven months of a customer with two spellings.
    for (filter, expected, pages_needed) in [
        (json!({"customer": ["nobody"]}), vec![], 14),
        (json!({"actor": ["nobody"]}), vec![], 14),
        (json!({"customer": ["C-1"], "q": first}), vec![first.as_str()], 29),
        (json!({"q": format!("{first} ana")}), vec![first.as_str()], 14),
        (json!({"q": last}), vec![last.as_str()], 14),
        (json!({}), months.iter().map(String::as_str).collect(), 14),
    ] {
        for order in [SortOrder::Descending, SortOrder::Ascending] {
            let filter: Filter = serde_json::from_value(filter.clone()).unwrap();
            let selection = selection("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", order, filter);
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                // Each page comes from a process that knows no month.
                let faults = Faults::none();
                let page = stores.ledger(Some(&faults)).list_page(&partner, &selection, 50, after, None).await.unwrap();
                assert!(faults.calls() <= MAX_QUERIES_PER_PAGE, "{} calls", faults.calls());
                found.extend(page.activities().map(|activity| activity.id.to_string()));
                pages += 1;
                match page.next {
                    Some(next) => after = Position::parse(&next.to_text()),
                    None => break,
                }
            }
            found.sort();
            assert_eq!(found, expected, "{selection:?}");
            assert_eq!(pages, pages_needed, "{selection:?}");
        }
    }
}

#[tokio::test]
async fn a_list_of_as_many_months_as_queries_ends() {
    let stores = Stores::start().await;
    let (recorder, partner) = (stores.recorder(None), partner("sixteen"));
    for number in 0..MAX_QUERIES_PER_PAGE {
        let time = format!("{}-{:02}-15T00:00:00Z", 2024 + number / 12, number % 12 + 1);
        record(&recorder, &partner, &sent(&format!("e-{number}"), &time, &json!({}))).await;
    }
    let ledger = stores.ledger(None);
    for order in [SortOrder::Descending, SortOrder::Ascending] {
        // From the middle of the first month to the middle of the last.
        let selection = selection("2024-01-10T00:00:00Z", "2025-04-20T00:00:00Z", order, Filter::default());
        for _ in 0..2 {
            // The second time, the process knows every month.
            assert_eq!(listed(&ledger, &partner, &selection, 1_000).await.len(), MAX_QUERIES_PER_PAGE);
        }
        let page = ledger.list_page(&partner, &selection, 1_000, None, None).await.unwrap();
        assert!(page.next.is_none_or(|next| selection.period.contains(next.occurred_at())));
    }
}

#[tokio::test]
async fn a_page_of_many_shards_reads_each_of_them_once() {
    let stores = Stores::start().await;
    let (recorder, partner) = (stores.recorder(None), partner("wide"));
    let settings = Settings::default().with_shards(ShardsFrom { from: Month::parse("2026-01").unwrap(), shards: 40 });
    assert!(stores.partners().save(&partner, &Settings::default(), &settings).await.unwrap());
    for number in 0..120 {
        let month = number % 3 + 1;
        record(
            &recorder,
            &partner,
            &sent(&format!("e-{number}"), &format!("2026-{month:02}-15T00:00:00Z"), &json!({})),
        )
        .await;
    }
    let filter: Filter = serde_json::from_value(json!({"actor": ["nobody"]})).unwrap();
    let selection = selection("2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", SortOrder::Descending, filter);
    let (mut after, mut pages) = (None, 0);
    loop {
        let faults = Faults::none();
        let page = stores.ledger(Some(&faults)).list_page(&partner, &selection, 10, after, None).await.unwrap();
        assert_eq!(faults.calls(), 1 + 40, "the directory, and each shard of one month");
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, 3);
}

#[tokio::test]
async fn customers_recorded_under_older_keys_are_found() {
    let stores = Stores::start().await;
    let (recorder, ledger, partner) = (stores.recorder(None), stores.ledger(None), partner("upgraded"));
    for id in ["before", "after"] {
        let extra = json!({"customer": {"id": "Fab-1"}});
        record(&recorder, &partner, &sent(id, "2026-11-01T00:00:00Z", &extra)).await;
    }
    // Up to 0.1.0, the key of the index had the id as it was recorded.
    let dynamodb = stores.dynamodb(None);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let (pk, sk) = (text("upgraded#2026-11"), text("2026-11-01T00:00:00.000000Z#before"));
    let found = dynamodb.get_item().table_name(TABLE).key("pk", pk).key("sk", sk).send().await.unwrap();
    let mut item = found.item.unwrap();
    assert_eq!(item.insert("ck".to_owned(), text("upgraded#Fab-1#2026-11")), Some(text("upgraded#fab-1#2026-11")));
    dynamodb.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();

    for (asked, expected) in [("Fab-1", vec!["before", "after"]), ("FAB-1", vec!["after"]), ("fab-1", vec!["after"])] {
        let filter: Filter = serde_json::from_value(json!({"customer": [asked]})).unwrap();
        let selection = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", SortOrder::Descending, filter);
        let found = listed(&ledger, &partner, &selection, 10).await;
        let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, expected, "{asked}");
    }
}

#[tokio::test]
async fn details_are_streamed_from_the_customer_index() {
    let stores = Stores::start().await;
    let (recorder, ledger, partner) = (stores.recorder(None), stores.ledger(None), partner("details"));
    let large = "x".repeat(3_000);
    for (id, text) in [("small", "y"), ("large", large.as_str())] {
        let extra = json!({"customer": {"id": "c-1"}, "details": {"text": text}});
        record(&recorder, &partner, &sent(id, "2026-11-01T00:00:00Z", &extra)).await;
        record(
            &recorder,
            &partner,
            &sent(&format!("{id}-2"), "2026-11-01T00:00:00Z", &json!({"details": {"text": text}})),
        )
        .await;
    }
    let filter: Filter = serde_json::from_value(json!({"customer": ["c-1"]})).unwrap();
    let selection = selection("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", SortOrder::Ascending, filter);
    let mut reader = ledger.stream(&partner, &selection, true, None).await.unwrap();
    let mut details = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        details.extend(chunk.activities().map(|activity| activity.owned().details));
    }
    let expected = [large.as_str(), "y"].map(|text| Details::Here(json!({"text": text}).to_string()));
    assert_eq!(details, expected);
}
