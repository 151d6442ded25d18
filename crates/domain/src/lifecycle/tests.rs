use proptest::prelude::*;

use super::*;
use crate::{
    access::Author,
    activity::{NewActivity, PartnerId},
};

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn month(text: &str) -> Month {
    Month::parse(text).unwrap()
}

fn author() -> Author {
    Author::from("op".to_owned())
}

fn hold(id: &str, from: &str, to: &str) -> Hold {
    Hold {
        id: id.to_owned(),
        from: at(from),
        to: at(to),
        customers: Vec::new(),
        reason: "a court asks".to_owned(),
        left_out: Vec::new(),
        created_at: at("2026-11-01T00:00:00Z"),
        created_by: author(),
        released_at: None,
        released_by: None,
    }
}

fn days_later(now: Instant, days: i64) -> Instant {
    now.plus_seconds(days * DAY_SECONDS)
}

#[test]
fn whole_months_end_when_they_are_older_than_the_retention() {
    let lifecycle = Lifecycle::default();
    let state = |name: &str, now: &str, kept| lifecycle.month_state(month(name), at(now), kept);
    assert_eq!(state("0001-01", "2026-11-15T00:00:00Z", None), MonthState::Kept);
    // September is a month old at the end of October.
    assert_eq!(state("2026-09", "2026-10-31T23:59:59Z", Some(1)), MonthState::Kept);
    assert_eq!(state("2026-09", "2026-11-01T00:00:00Z", Some(1)), MonthState::Ended);
    assert_eq!(state("2027-02", "2026-11-01T00:00:00Z", Some(1)), MonthState::Kept, "activities may be ahead of time");
}

#[test]
fn a_shorter_retention_waits_and_a_longer_one_does_not() {
    let now = at("2026-11-01T00:00:00Z");
    let mut lifecycle = Lifecycle::default();
    lifecycle.save_retention(Some(12), None, now, author());
    let effective_at = days_later(now, SHORTENING_DAYS);
    assert_eq!(lifecycle.months_kept(now, None), None);
    assert_eq!(lifecycle.months_kept(effective_at.plus_seconds(-1), None), None);
    assert_eq!(lifecycle.months_kept(effective_at, None), Some(12));
    // Asked for again, it does not begin anew.
    lifecycle.save_retention(Some(12), None, days_later(now, 20), author());
    assert_eq!(lifecycle.months_kept(effective_at, None), Some(12));
    // Taken back before it is in effect, nothing has ended.
    lifecycle.save_retention(None, None, days_later(now, 25), author());
    assert_eq!(lifecycle.months_kept(days_later(now, 400), None), None);
    // Another one counts from when it was asked for.
    let mut lifecycle = Lifecycle::default();
    lifecycle.save_retention(Some(12), None, now, author());
    lifecycle.save_retention(Some(6), None, days_later(now, 20), author());
    assert_eq!(lifecycle.months_kept(effective_at, None), None);
    assert_eq!(lifecycle.months_kept(days_later(now, 20 + SHORTENING_DAYS), None), Some(6));
    // The same as before, and longer: at once. The installation's counts as well.
    let mut lifecycle = Lifecycle::default();
    lifecycle.save_retention(Some(12), Some(12), now, author());
    assert_eq!(lifecycle.retention.as_ref().and_then(|retention| retention.pending), None);
    let mut lifecycle = Lifecycle::default();
    lifecycle.save_retention(Some(24), Some(12), now, author());
    assert_eq!(lifecycle.months_kept(now, Some(12)), Some(24));
    lifecycle.save_retention(None, Some(12), now, author());
    assert_eq!(lifecycle.months_kept(now, Some(12)), Some(24));
    assert_eq!(lifecycle.months_kept(effective_at, Some(12)), Some(12));
}

#[test]
fn a_month_is_deleted_thirty_days_after_its_end_was_noted() {
    let mut now = at("2026-11-01T00:00:00Z");
    let mut lifecycle = Lifecycle::default();
    let with_data = [month("2026-08"), month("2026-09"), month("2026-10")];
    lifecycle.note_ended(&with_data, now, Some(1));
    assert_eq!(lifecycle.ended().map(|(month, ..)| month).collect::<Vec<_>>(), [month("2026-08"), month("2026-09")]);
    now = days_later(now, DAYS_BEFORE_DELETION).plus_seconds(-1);
    lifecycle.note_ended(&with_data, now, Some(1));
    lifecycle.begin_deletions(now, Some(1));
    assert_eq!(lifecycle.deleting().count(), 0);
    now = now.plus_seconds(1);
    // A longer retention makes one of them kept again, although the keeper has not noted it yet.
    lifecycle.begin_deletions(now, Some(4));
    assert_eq!(lifecycle.deleting().count(), 0);
    lifecycle.begin_deletions(now, Some(3));
    assert_eq!(lifecycle.deleting().collect::<Vec<_>>(), [month("2026-08")]);
    assert_eq!(lifecycle.month_state(month("2026-08"), now, None), MonthState::Deleting);
    lifecycle.note_deleted(month("2026-08"));
    lifecycle.note_deleted(month("2026-09"));
    assert_eq!(lifecycle.deleted().collect::<Vec<_>>(), [month("2026-08")], "only what was being deleted");
    assert!(lifecycle.is_gone(at("2026-08-15T00:00:00Z")) && !lifecycle.is_gone(at("2026-09-01T00:00:00Z")));
    let stored = serde_json::to_string(&lifecycle).unwrap();
    assert_eq!(serde_json::from_str::<Lifecycle>(&stored).unwrap(), lifecycle);
}

#[test]
fn the_keeper_has_something_to_do_where_anything_may_end() {
    let now = at("2026-11-01T00:00:00Z");
    let idle = Lifecycle::default();
    assert!(!idle.needs_keeping(now, None) && idle.needs_keeping(now, Some(1)));
    let (mut ended, mut leaving) = (idle.clone(), idle.clone());
    ended.note_ended(&[month("2026-01")], now, Some(1));
    let mut deleting = ended.clone();
    deleting.begin_deletions(days_later(now, DAYS_BEFORE_DELETION), Some(1));
    assert_eq!((deleting.ended().count(), deleting.deleting().count()), (0, 1));
    leaving.offboard(30, None, now, author()).unwrap();
    let erasing = Lifecycle { open_erasures: BTreeSet::from(["1".to_owned()]), ..idle };
    for lifecycle in [ended, deleting, erasing, leaving] {
        assert!(lifecycle.needs_keeping(now, None), "{lifecycle:?}");
    }
}

#[test]
fn an_erased_person_is_no_author_of_anything() {
    let now = at("2026-11-01T00:00:00Z");
    let ana = || Author::from("ana".to_owned());
    let mut lifecycle = Lifecycle::default();
    lifecycle.offboard(0, None, now, ana()).unwrap();
    assert!(lifecycle.begin_offboarding(now));
    lifecycle.note_left(now);
    lifecycle.offboard(30, None, now, ana()).unwrap();
    lifecycle.save_retention(Some(12), None, now, ana());
    let placed = hold("h", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    lifecycle.place_hold(Hold { created_by: ana(), ..placed }, false).unwrap();
    lifecycle.release_hold("h", now, ana());
    let named = |lifecycle: &Lifecycle, name: &str| {
        serde_json::to_string(lifecycle).unwrap().matches(&format!("\"{name}\"")).count()
    };
    assert_eq!((named(&lifecycle, "ana"), named(&lifecycle, ERASED_NAME)), (5, 0));
    let selector = Selector::Actor("ana".to_owned());
    lifecycle.clean_authors(&Named { selector: &selector, names: &BTreeSet::new() });
    assert_eq!((named(&lifecycle, "ana"), named(&lifecycle, ERASED_NAME)), (0, 5));
}

#[test]
fn a_hold_keeps_what_is_not_being_deleted() {
    let now = at("2026-12-01T00:00:00Z");
    let mut lifecycle = Lifecycle::default();
    let with_data = [month("2026-07"), month("2026-08"), month("2026-09")];
    lifecycle.note_ended(&with_data[..1], days_later(now, -40), Some(1));
    lifecycle.begin_deletions(now, Some(1));
    lifecycle.note_ended(&with_data, now, Some(1));
    let whole = hold("h-1", "2026-07-15T00:00:00Z", "2026-08-01T00:00:00.000001Z");
    assert_eq!(lifecycle.place_hold(whole.clone(), false), Err(HoldRefusal::DeletionBegun(vec![month("2026-07")])));
    let placed = lifecycle.place_hold(whole, true).unwrap();
    assert_eq!(placed.left_out, [month("2026-07")]);
    assert_eq!(lifecycle.month_state(month("2026-08"), now, Some(1)), MonthState::Kept);
    assert_eq!(lifecycle.month_state(month("2026-09"), now, Some(1)), MonthState::Ended);
    assert_eq!(lifecycle.ended().map(|(month, ..)| month).collect::<Vec<_>>(), [month("2026-09")]);
    lifecycle.begin_deletions(days_later(now, 100), Some(1));
    assert!(!lifecycle.deleting().any(|deleting| deleting == month("2026-08")));
    // Released, the month ends anew, and the days count from then.
    assert!(lifecycle.release_hold("h-1", now, author()) && !lifecycle.release_hold("h-2", now, author()));
    let later = days_later(now, 100);
    lifecycle.note_ended(&with_data, later, Some(1));
    lifecycle.begin_deletions(days_later(later, 29), Some(1));
    assert_eq!(lifecycle.month_state(month("2026-08"), later, Some(1)), MonthState::Ended);
}

#[test]
fn a_hold_is_about_its_period_and_customers() {
    let activity = |occurred_at: &str, customer: &str| {
        let json = format!(
            r#"{{"id":"e","occurred_at":"{occurred_at}","action":"a.b","actor":{{"id":"ana"}}{}}}"#,
            if customer.is_empty() { String::new() } else { format!(r#","customer":{{"id":"{customer}"}}"#) }
        );
        let now = at("2026-11-02T12:00:00Z");
        NewActivity::parse(&json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    };
    let all = hold("h", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let some = Hold { customers: vec!["Fabrikam".to_owned()], ..all.clone() };
    for (occurred_at, customer, by_all, by_some) in [
        ("2026-01-01T00:00:00Z", "fabrikam", true, true),
        ("2026-01-31T23:59:59.999999Z", "other", true, false),
        ("2026-01-15T00:00:00Z", "", true, false),
        ("2026-02-01T00:00:00Z", "fabrikam", false, false),
        ("2025-12-31T23:59:59Z", "fabrikam", false, false),
    ] {
        let activity = activity(occurred_at, customer);
        assert_eq!(all.is_about(&activity.borrowed()), by_all, "{occurred_at} {customer}");
        assert_eq!(some.is_about(&activity.borrowed()), by_some, "{occurred_at} {customer}");
        let lifecycle = Lifecycle { holds: vec![some.clone()], ..Lifecycle::default() };
        assert_eq!(lifecycle.holds_activity(&activity.borrowed()), by_some, "{occurred_at} {customer}");
    }
}

#[test]
fn old_released_holds_are_forgotten_and_active_ones_never() {
    let now = at("2026-11-01T00:00:00Z");
    let mut lifecycle = Lifecycle::default();
    let placed = |id: usize| hold(&id.to_string(), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    lifecycle.place_hold(placed(0), false).unwrap();
    for id in 1..=250 {
        lifecycle.place_hold(placed(id), false).unwrap();
        lifecycle.release_hold(&id.to_string(), now, author());
    }
    assert_eq!(lifecycle.holds.len(), 1 + 100, "the active one, and the newest of those that were released");
    assert!(["0", "151", "250"].iter().all(|id| lifecycle.holds.iter().any(|hold| hold.id == *id)));
    for id in 300..300 + MAX_ACTIVE_HOLDS - 1 {
        lifecycle.place_hold(placed(id), false).unwrap();
    }
    assert_eq!(lifecycle.place_hold(placed(999), false), Err(HoldRefusal::TooMany));
}

#[test]
fn a_partner_leaves_after_its_days_unless_a_hold_or_the_operator_stops_it() {
    let now = at("2026-11-01T00:00:00Z");
    let mut lifecycle = Lifecycle::default();
    lifecycle.offboard(30, None, now, author()).unwrap();
    assert!(lifecycle.is_leaving() && !lifecycle.begin_offboarding(days_later(now, 29)));
    lifecycle.take_back_offboarding().unwrap();
    assert!(!lifecycle.is_leaving() && !lifecycle.begin_offboarding(days_later(now, 31)));
    lifecycle.offboard(1, None, now, author()).unwrap();
    lifecycle.place_hold(hold("h", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), false).unwrap();
    assert!(!lifecycle.begin_offboarding(days_later(now, 31)), "the hold puts it off");
    lifecycle.release_hold("h", now, author());
    assert!(lifecycle.begin_offboarding(days_later(now, 31)));
    assert_eq!(lifecycle.take_back_offboarding(), Err(LeavingError::DeletionBegun));
    assert_eq!(lifecycle.offboard(30, None, now, author()), Err(LeavingError::DeletionBegun));
    let refused = lifecycle.place_hold(hold("h", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), true);
    assert_eq!(refused.unwrap_err(), HoldRefusal::PartnerDeleted);
    assert_eq!(lifecycle.month_state(month("2026-11"), now, None), MonthState::Deleting);
    let counts = DeletedCounts { months: 1, activities: 7, objects: 2, records: 3 };
    for run in ["run-1", "run-1", "run-2"] {
        lifecycle.count_deleted(run, counts);
    }
    let deleted_before = days_later(now, 31);
    lifecycle.version = 7;
    lifecycle.note_left(days_later(now, 32));
    let counts = DeletedCounts { months: 2, activities: 14, objects: 4, records: 6 };
    assert_eq!((lifecycle.left[0].counts, lifecycle.left[0].deleted_before), (counts, deleted_before));
    assert_eq!(lifecycle.version, 7, "the condition of the next change");
    assert!(!lifecycle.is_leaving() && lifecycle.is_gone(now) && !lifecycle.is_gone(deleted_before));
    assert_eq!(lifecycle.month_state(month("2026-12"), deleted_before, None), MonthState::Kept);
    lifecycle.offboard(0, None, deleted_before, author()).unwrap();
    assert!(lifecycle.begin_offboarding(days_later(now, 60)));
    lifecycle.note_left(days_later(now, 61));
    assert_eq!(lifecycle.left.len(), 2, "the record of each deletion stays");
}

#[test]
fn a_hold_covers_a_month_that_it_shares_an_instant_with() {
    let august = hold("h", "2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z");
    for (name, is_covered) in [("2026-07", false), ("2026-08", true), ("2026-09", false)] {
        assert_eq!(august.covers(month(name)), is_covered, "{name}");
    }
}

#[test]
fn a_selector_selects_by_id_in_any_case_or_by_address() {
    let activity = |id: &str, at_second: u8, rest: &str| {
        let json = format!(
            r#"{{"id":"{id}","occurred_at":"2026-11-02T09:30:0{at_second}Z","action":"a.b","actor":{{"id":"Ana"}}{rest}}}"#
        );
        let now = at("2026-11-02T12:00:00Z");
        NewActivity::parse(&json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    };
    let full = activity("e-1", 0, r#","customer":{"id":"Fab"},"target":{"type":"order","id":"O-1"}"#);
    let bare = activity("e-2", 1, r#","target":{"type":"order"}"#);
    let addressed =
        |id: &str, second: u8| Selector::Activities(vec![(at(&format!("2026-11-02T09:30:0{second}Z")), id.to_owned())]);
    for (selector, of_full, of_bare) in [
        (Selector::Actor("aNA".to_owned()), true, true),
        (Selector::Actor("bob".to_owned()), false, false),
        (Selector::Customer("fab".to_owned()), true, false),
        (Selector::Customer("ana".to_owned()), false, false),
        (Selector::Target("o-1".to_owned()), true, false),
        (addressed("e-1", 0), true, false),
        (addressed("e-2", 1), false, true),
        (addressed("e-2", 0), false, false),
        (addressed("E-1", 0), false, false),
    ] {
        for (activity, is_selected) in [(&full, of_full), (&bare, of_bare)] {
            assert_eq!(selector.selects(&activity.borrowed()), is_selected, "{selector:?} {:?}", activity.id);
            let value = selector.kind().value_of(&activity.borrowed());
            assert_eq!(value.is_some_and(|value| selector.values().contains(&value)), is_selected, "{selector:?}");
        }
    }
    let mut erased = full;
    erased.entry.actor.id.clear();
    assert_eq!(SelectorKind::Actor.value_of(&erased.borrowed()), None, "an erased actor is nobody");
}

#[test]
fn erased_groups_are_marked_with_the_first_order() {
    let order = |id: &str, groups: Vec<Group>| ErasureOrder {
        id: id.to_owned(),
        kind: SelectorKind::Actor,
        selector: Some(Selector::Actor("ana".to_owned())),
        digests: Vec::new(),
        groups,
        reason: "asked".to_owned(),
        dry_run: false,
        state: ErasureState::Pending,
        tally: ErasureTally::default(),
        created_at: at("2026-11-01T00:00:00Z"),
        created_by: author(),
        finished_at: None,
    };
    let first = order("1", vec![Group::Actor]);
    let second = order("2", vec![Group::Actor, Group::Details]);
    let marks = first.marks(None);
    assert_eq!(marks, r#"{"actor":"1"}"#);
    assert!(first.has_erased(Some(&marks)) && !second.has_erased(Some(&marks)) && !first.has_erased(None));
    assert_eq!(second.marks(Some(&marks)), r#"{"actor":"1","details":"2"}"#);
}

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Keep(Option<u32>),
    Hold(i64, i64),
    Release(usize),
    Run,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_i64..60).prop_map(Step::Pass),
        prop::option::of(1_u32..6).prop_map(Step::Keep),
        (-300_i64..0, 1_i64..90).prop_map(|(from, days)| Step::Hold(from, days)),
        (0_usize..6).prop_map(Step::Release),
        Just(Step::Run),
    ]
}

proptest! {
    #[test]
    fn nothing_under_an_active_hold_is_ever_deleted(steps in prop::collection::vec(step(), 1..40)) {
        let mut now = at("2026-11-01T00:00:00Z");
        let mut lifecycle = Lifecycle::default();
        let with_data: Vec<Month> = (1..=12).map(|number| month(&format!("2026-{number:02}"))).collect();
        let mut seen_ended: BTreeMap<Month, Instant> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Pass(days) => now = days_later(now, days),
                Step::Keep(months) => lifecycle.save_retention(months, None, now, author()),
                Step::Hold(from, days) => {
                    let from = days_later(now, from);
                    let placed = Hold { from, to: days_later(from, days), ..hold(&number.to_string(), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z") };
                    let covers = |month: &Month| placed.covers(*month);
                    let begun = lifecycle.deleting().any(|month| covers(&month));
                    prop_assert_eq!(lifecycle.place_hold(placed.clone(), false).is_err(), begun);
                }
                Step::Release(index) => {
                    let id = lifecycle.active_holds().nth(index).map(|hold| hold.id.clone());
                    if let Some(id) = id {
                        lifecycle.release_hold(&id, now, author());
                    }
                }
                Step::Run => {
                    let before: Vec<Month> = lifecycle.deleting().collect();
                    lifecycle.note_ended(&with_data, now, None);
                    lifecycle.begin_deletions(now, None);
                    for month in lifecycle.deleting().filter(|month| !before.contains(month)).collect::<Vec<_>>() {
                        prop_assert!(!lifecycle.is_held(month), "{}", month);
                        let ended_at = seen_ended.get(&month).copied();
                        prop_assert!(ended_at.is_some_and(|ended_at| days_later(ended_at, DAYS_BEFORE_DELETION) <= now));
                    }
                    seen_ended = lifecycle.ended().map(|(month, ended_at, _)| (month, ended_at)).collect();
                }
            }
        }
    }
}
