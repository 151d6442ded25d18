use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::activity::{NewActivity, PartnerId};

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn activity(extra: serde_json::Value) -> Activity {
    let mut sent =
        json!({"id": "e-1", "occurred_at": "2026-10-15T09:30:00Z", "action": "order.created", "actor": {"id": "ana"}});
    sent.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let now = at("2026-11-02T12:00:00Z");
    NewActivity::parse(&sent.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
}

fn question(interval: Option<&str>, by: &[&str], matching: Option<&str>) -> CountQuestion {
    CountQuestion {
        selected: Question {
            from: Some("2026-10-01".to_owned()),
            to: Some("2026-10-31".to_owned()),
            ..Question::default()
        },
        interval: interval.map(str::to_owned),
        by: by.iter().map(|facet| (*facet).to_owned()).collect(),
        matching: matching.map(str::to_owned),
    }
}

fn tally(interval: Option<&str>, by: &[&str], matching: Option<&str>) -> Tally {
    let (period, zone, _, plan) = question(interval, by, matching).read(at("2026-11-02T12:00:00Z")).unwrap();
    Tally::begin(plan, period, zone).unwrap()
}

fn count(mut tally: Tally, activities: &[Activity]) -> Counts {
    for activity in activities {
        assert!(tally.add(&activity.borrowed()));
    }
    tally.finish()
}

fn shown(values: Option<&Vec<ValueCount>>) -> Vec<(Option<&str>, Option<&str>, u64)> {
    let values = values.unwrap().iter();
    values.map(|one| (one.value.as_deref(), one.name.as_deref(), one.count)).collect()
}

#[test]
fn activities_are_counted_by_time_status_and_values() {
    let counts = count(
        tally(Some("week"), &["customer", "category", "target_type", "source"], None),
        &[
            activity(json!({"customer": {"id": "Fab", "name": "Fabrikam"}, "target": {"type": "order"}})),
            activity(json!({"customer": {"id": "fab"}, "action": "order.shipped", "source": "portal"})),
            activity(
                json!({"occurred_at": "2026-10-04T23:59:59.999999Z", "status": "failed", "action": "kms.decrypt"}),
            ),
            activity(json!({"occurred_at": "2026-10-31T23:00:00Z", "status": "in_progress", "customer": {"id": "x"}})),
        ],
    );
    assert_eq!(counts.total, 4);
    let buckets: Vec<(String, StatusCounts)> =
        counts.buckets.iter().map(|bucket| (bucket.from.to_string()[..10].to_owned(), bucket.counts)).collect();
    let zero = StatusCounts::default();
    assert_eq!(
        buckets,
        [
            ("2026-10-01".to_owned(), StatusCounts { failed: 1, ..zero }),
            ("2026-10-05".to_owned(), zero),
            ("2026-10-12".to_owned(), StatusCounts { succeeded: 2, ..zero }),
            ("2026-10-19".to_owned(), zero),
            ("2026-10-26".to_owned(), StatusCounts { in_progress: 1, ..zero }),
        ]
    );
    let by = &counts.by;
    assert_eq!(
        shown(by.customer.as_ref()),
        [(Some("Fab"), Some("Fabrikam"), 2), (None, None, 1), (Some("x"), None, 1)]
    );
    assert_eq!(shown(by.category.as_ref()), [(Some("order"), None, 3), (Some("other"), None, 1)]);
    assert_eq!(shown(by.target_type.as_ref()), [(None, None, 3), (Some("order"), None, 1)]);
    assert_eq!(shown(by.source.as_ref()), [(None, None, 3), (Some("portal"), None, 1)]);
    assert_eq!((&by.status, &by.action, &by.actor), (&None, &None, &None));
    let json = serde_json::to_value(by).unwrap();
    assert_eq!(json["category"][1], json!({"value": "other", "name": null, "count": 1}));
    assert_eq!(json.as_object().unwrap().len(), 4, "only what was asked for: {json}");
}

#[test]
fn name_is_that_of_the_newest_activity_in_either_order() {
    let named = |day: u8, name: &str| {
        activity(json!({"occurred_at": format!("2026-10-{day:02}T00:00:00Z"), "actor": {"id": "ana", "name": name}}))
    };
    let mut activities = vec![named(3, "Ana Trujillo"), named(2, "Ana"), named(1, "A. much longer name")];
    for _ in 0..2 {
        let counts = count(tally(None, &["actor"], None), &activities);
        assert_eq!(shown(counts.by.actor.as_ref()), [(Some("ana"), Some("Ana Trujillo"), 3)]);
        activities.reverse();
    }
}

#[test]
fn match_chooses_values_by_id_name_or_label() {
    let activities = [
        activity(
            json!({"customer": {"id": "c-51", "name": "Société de l’Été"}, "status": "declined", "target": {"type": "support_request"}}),
        ),
        activity(json!({"customer": {"id": "ETE-2"}, "action": "user.created"})),
        activity(json!({"customer": {"id": "c-3", "name": "Fabrikam"}, "action": "x.y"})),
        activity(json!({})),
    ];
    for (facet, matching, expected) in [
        ("customer", "été", vec!["ETE-2", "c-51"]),
        ("customer", " L'ETE", vec!["c-51"]),
        ("customer", "C-5", vec!["c-51"]),
        ("customer", "c-51\nsoc", vec![]),
        ("customer", "\u{301}", vec![]),
        ("action", "commande", vec!["order.created"]),
        ("action", "creation d'un utilisateur", vec!["user.created"]),
        ("category", "COMMANDE", vec!["order"]),
        ("category", "autre", vec!["other"]),
        ("status", "refus", vec!["declined"]),
        ("target_type", "assistance", vec!["support_request"]),
        ("source", "portal", vec![]),
        ("actor", "AN", vec!["ana"]),
    ] {
        let counts = count(tally(Some("month"), &[facet], Some(matching)), &activities);
        let mut by = counts.by;
        let mut found: Vec<String> =
            by.of(facet.parse().unwrap()).take().unwrap().into_iter().map(|one| one.value.unwrap()).collect();
        found.sort();
        assert_eq!(found, expected, "{facet} {matching:?}");
        assert_eq!(counts.total, 4, "all activities are counted, whatever `match` says");
        assert_eq!(counts.buckets[0].counts.succeeded + counts.buckets[0].counts.declined, 4);
    }
}

#[test]
fn call_ends_before_a_value_that_has_no_room() {
    let customer = |number: usize| activity(json!({"customer": {"id": format!("C-{number}")}}));
    let mut counting = tally(None, &["customer", "status"], None);
    for number in 0..MAX_FACET_VALUES {
        assert!(counting.add(&customer(number).borrowed()));
    }
    assert!(!counting.add(&customer(MAX_FACET_VALUES).borrowed()), "another customer");
    assert!(!counting.add(&activity(json!({})).borrowed()), "no customer is another value");
    assert!(counting.add(&activity(json!({"customer": {"id": "c-7"}})).borrowed()), "a known customer");
    let counts = counting.finish();
    let customers = counts.by.customer.unwrap();
    assert_eq!((counts.total, customers.len()), (1_001, MAX_FACET_VALUES));
    assert_eq!((customers[0].value.as_deref(), customers[0].count), (Some("C-7"), 2));

    // Activities without a value are one of the values.
    let mut counting = tally(None, &["customer"], None);
    assert!(counting.add(&activity(json!({})).borrowed()));
    for number in 1..MAX_FACET_VALUES {
        assert!(counting.add(&customer(number).borrowed()));
    }
    assert!(!counting.add(&customer(MAX_FACET_VALUES).borrowed()), "another customer");
    assert!(counting.add(&activity(json!({})).borrowed()), "no customer is known");

    // With a match, only values that are counted need room.
    let mut counting = tally(None, &["customer"], Some("C-1"));
    for number in 0..MAX_FACET_VALUES + 500 {
        assert!(counting.add(&customer(number).borrowed()));
    }
}

#[test]
fn long_names_end_a_call_earlier() {
    let name = "\u{1}".repeat(256);
    let named = |number: usize| {
        activity(
            json!({"actor": {"id": format!("a-{number}"), "name": name}, "customer": {"id": format!("c-{number}"), "name": name}}),
        )
    };
    let mut counting = tally(Some("hour"), &["actor", "customer"], None);
    let counted = (0..2_000).take_while(|number| counting.add(&named(*number).borrowed())).count();
    assert!((650..700).contains(&counted), "{counted}");
    assert!(!counting.add(&activity(json!({"actor": {"id": "a-0"}, "customer": {"id": "new"}})).borrowed()));
    assert!(counting.add(&named(5).borrowed()), "nothing new");
    let renamed = |name: &str| activity(json!({"actor": {"id": "a-5", "name": name}, "customer": {"id": "c-5"}}));
    assert!(counting.add(&renamed("Ana").borrowed()), "a shorter name");
    assert!(!counting.add(&renamed(&"é".repeat(256)).borrowed()), "a longer name");
    let counts = counting.finish();
    let json = serde_json::to_string(&(counts.by, counts.buckets)).unwrap();
    let carried = serde_json::to_string(&json).unwrap();
    assert!(carried.len() < 5_500_000, "{}", carried.len());
}

#[test]
fn a_text_takes_as_many_bytes_as_its_longest_form_in_json() {
    for (text, bytes) in [("", 2), ("ab", 4), ("é", 4), ("\"\\", 6), ("\u{1}\n", 14)] {
        assert_eq!(json_bytes(text), bytes, "{text:?}");
        assert!(json!(text).to_string().len() <= bytes, "{text:?}");
    }
}

#[test]
fn every_fault_of_a_request_is_named() {
    let mut wrong = question(Some("minute"), &["status", "user", "status", "actor", "action"], Some(" "));
    wrong.selected.from = Some("yesterday".to_owned());
    let rejection = wrong.read(at("2026-11-02T12:00:00Z")).unwrap_err();
    let faults: Vec<(&str, &str)> =
        rejection.faults().iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
    assert_eq!(
        faults.iter().map(|(pointer, _)| *pointer).collect::<Vec<_>>(),
        ["/from", "/interval", "/by", "/by", "/by", "/match"]
    );
    assert_eq!(faults[1].1, "\"minute\" is not one of hour, day, week, month");
    assert_eq!(faults[2].1, "\"user\" is not one of status, action, category, customer, actor, target_type, source");
    assert_eq!(faults[3].1, "\"status\" is given more than once");
    assert_eq!(faults[4].1, "has 5 values: ask for at most 4");

    for (matching, part) in [("x".repeat(257), "longer than 256"), ("x".to_owned(), "needs `by`")] {
        let by: &[&str] = if matching.len() > 1 { &["customer"] } else { &[] };
        let rejection = question(None, by, Some(&matching)).read(at("2026-11-02T12:00:00Z")).unwrap_err();
        assert_eq!(rejection.faults()[0].pointer, "/match");
        assert!(rejection.faults()[0].detail.contains(part), "{rejection:?}");
    }
    assert!(question(None, &["customer"], Some(&"x".repeat(256))).read(at("2026-11-02T12:00:00Z")).is_ok());
}

#[test]
fn too_many_buckets_are_refused_with_advice() {
    let begin = |interval: &str, from: &str| {
        let mut asked = question(Some(interval), &[], None);
        asked.selected.from = Some(from.to_owned());
        let (period, zone, _, plan) = asked.read(at("2026-11-02T12:00:00Z")).unwrap();
        Tally::begin(plan, period, zone).map(|_| ()).map_err(|rejection| rejection.faults()[0].detail.clone())
    };
    assert_eq!(begin("hour", "2026-10-01"), Ok(()));
    let too_many = "makes more than 1000 buckets of this period";
    for (interval, from, advice) in [
        ("hour", "2026-09-01", "choose day, or a shorter period"),
        ("day", "2020-01-01", "choose week, or a shorter period"),
        ("hour", "2000-01-01", "choose month, or a shorter period"),
        ("month", "1900-01-01", "choose a shorter period"),
    ] {
        assert_eq!(begin(interval, from), Err(format!("{interval} {too_many}: {advice}")));
    }
}

proptest! {
    /// However the activities are divided into calls, the sums are the same.
    #[test]
    fn sums_do_not_depend_on_the_calls(
        drawn in prop::collection::vec((0..31u8, 0..24u8, 0..4u8, prop::option::of(0..6u8)), 0..60),
        cuts in prop::collection::vec(0..60usize, 0..4),
    ) {
        const STATUSES: [&str; 4] = ["succeeded", "failed", "in_progress", "declined"];
        let activities: Vec<Activity> = drawn.iter().map(|(day, hour, status, customer)| {
            let mut extra = json!({"occurred_at": format!("2026-10-{:02}T{hour:02}:00:00Z", day + 1), "status": STATUSES[usize::from(*status)]});
            if let Some(customer) = customer {
                extra["customer"] = json!({"id": format!("c-{customer}")});
            }
            activity(extra)
        }).collect();
        let plan = || tally(Some("day"), &["status", "customer"], None);
        let whole = count(plan(), &activities);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(activities.len())).chain([0, activities.len()]).collect();
        cuts.sort_unstable();
        let calls: Vec<Counts> = cuts.windows(2).map(|cut| count(plan(), &activities[cut[0]..cut[1]])).collect();
        prop_assert_eq!(calls.iter().map(|call| call.total).sum::<u64>(), whole.total);
        let in_buckets = |counts: &Counts| counts.buckets.iter().map(|bucket| bucket.counts).fold(StatusCounts::default(), sum);
        let mut customers: HashMap<Option<String>, u64> = HashMap::new();
        for value in calls.iter().flat_map(|call| call.by.customer.iter().flatten()) {
            *customers.entry(value.value.clone()).or_default() += value.count;
        }
        let expected: HashMap<Option<String>, u64> = whole.by.customer.iter().flatten().map(|one| (one.value.clone(), one.count)).collect();
        prop_assert_eq!(customers, expected);
        prop_assert_eq!(calls.iter().map(in_buckets).fold(StatusCounts::default(), sum), in_buckets(&whole));
        for (number, bucket) in whole.buckets.iter().enumerate() {
            let added = calls.iter().map(|call| call.buckets[number].counts).fold(StatusCounts::default(), sum);
            prop_assert_eq!((bucket.counts, bucket.from), (added, calls.first().map_or(bucket.from, |call| call.buckets[number].from)));
        }
        let statuses = whole.by.status.iter().flatten().map(|one| one.count).sum::<u64>();
        prop_assert_eq!(statuses, whole.total);
    }
}

fn sum(one: StatusCounts, other: StatusCounts) -> StatusCounts {
    StatusCounts {
        succeeded: one.succeeded + other.succeeded,
        failed: one.failed + other.failed,
        in_progress: one.in_progress + other.in_progress,
        declined: one.declined + other.declined,
    }
}
