//! Random histories of records, holds, erasures, deletions and restores, against a reference in memory.

use std::{collections::BTreeMap, time::Duration};

use amounts::{amount, report, setting};
use domain::{
    lifecycle::{DAYS_BEFORE_DELETION, ErasureState, Group, Selector},
    time::{Instant, Month, Zone},
};
use harness::{Random, Sqs, Stores, TABLE, at, contoso, parsed, sent};
use serde_json::json;
use store::{
    keeping::Run,
    ledger::{RecordError, Recorded},
    queues::KeeperRun,
};

use crate::keeper::{author, decide, everything, give, hold, keep, listed, order, register};

const DAY: i64 = 86_400;
const PEOPLE: [&str; 3] = ["ana", "bob", "eve"];
const STEPS: usize = 14;

/// An activity of the reference.
#[derive(Clone, Debug)]
struct Known {
    occurred_at: Instant,
    person: &'static str,
    is_erased: bool,
    is_deleted: bool,
}

/// A hold of the reference.
#[derive(Clone, Debug)]
struct KnownHold {
    id: String,
    from: Instant,
    to: Instant,
    is_active: bool,
}

/// A copy of the items of the table.
type Copy = Vec<std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>>;

struct World {
    stores: Stores,
    sqs: Sqs,
    random: Random,
    now: Instant,
    known: BTreeMap<String, Known>,
    holds: Vec<KnownHold>,
    /// People whose erasure was ordered, by the order's id.
    orders: BTreeMap<String, &'static str>,
    ended: BTreeMap<Month, Instant>,
    copy: Option<Copy>,
}

const KEPT_MONTHS: u32 = 2;

impl World {
    async fn begin(seed: u64) -> Self {
        let stores = Stores::start().await;
        register(&stores, "contoso").await;
        let sqs = Sqs::start().await;
        Self {
            stores,
            sqs,
            random: Random::new(seed),
            now: at("2026-11-02T12:00:00Z"),
            known: BTreeMap::new(),
            holds: Vec::new(),
            orders: BTreeMap::new(),
            ended: BTreeMap::new(),
            copy: None,
        }
    }

    fn partners(&self) -> store::partners::Partners {
        self.stores.partners().with_default_retention(Some(KEPT_MONTHS))
    }

    fn has_ended(&self, month: Month) -> bool {
        let is_held = self.holds.iter().any(|hold| {
            let period = month.period(Zone::UTC);
            hold.is_active && hold.from < period.to() && period.from() < hold.to
        });
        !is_held && month.months_until(self.now.utc_month()) > i64::from(KEPT_MONTHS)
    }

    fn is_held(&self, known: &Known) -> bool {
        self.holds.iter().any(|hold| hold.is_active && (hold.from..hold.to).contains(&known.occurred_at))
    }

    async fn record(&mut self) {
        let days = i64::try_from(self.random.below(100)).unwrap();
        let person = PEOPLE[self.random.below(PEOPLE.len())];
        let id = format!("e-{}", self.random.below(40));
        let occurred_at =
            self.known.get(&id).map_or_else(|| self.now.plus_seconds(-days * DAY), |known| known.occurred_at);
        let details = json!({"by": person, "text": "twin ".repeat(if self.random.below(2) == 0 { 1 } else { 400 })});
        let json = sent(
            &id,
            &occurred_at.to_string(),
            &json!({"actor": {"id": format!("{person}@x"), "name": person}, "details": details}),
        );
        let ledger = self.stores.ledger(None);
        let recorder = store::ledger::Recorder::new(ledger, self.partners(), 0).checking_partners(true);
        let activity = parsed(&json, self.now).into_activity(contoso(), self.now);
        let outcome = recorder.record(activity, Duration::MAX).await;
        let month = occurred_at.utc_month();
        let is_gone = self.known.values().any(|known| known.is_deleted && known.occurred_at.utc_month() == month);
        match (self.known.get(&id).cloned(), outcome) {
            (_, Err(RecordError::Refused(_))) => assert!(is_gone || self.has_ended(month), "{id} at {occurred_at}"),
            (None, Ok(Recorded::New(_))) => {
                self.known.insert(id, Known { occurred_at, person, is_erased: false, is_deleted: false });
            }
            (Some(known), Ok(Recorded::Duplicate(first))) => {
                assert_eq!(first.erased.is_some(), known.is_erased, "{id}");
                assert!(known.is_erased || known.person == person, "{id}");
            }
            (Some(known), Err(RecordError::Conflict)) => assert!(!known.is_erased, "{id}"),
            (known, outcome) => panic!("{id}: {known:?} {outcome:?}"),
        }
    }

    async fn place_hold(&mut self) {
        let from = self.now.plus_seconds(-DAY * i64::try_from(self.random.below(120)).unwrap());
        let to = from.plus_seconds(DAY * i64::try_from(1 + self.random.below(20)).unwrap());
        let id = format!("h-{}", self.holds.len());
        let wanted = hold(&id, &from.to_string(), &to.to_string(), &[]);
        let (partners, contoso) = (self.partners(), contoso());
        let placed = partners
            .change_lifecycle(&contoso, |lifecycle| lifecycle.place_hold(wanted.clone(), false).map(|_| ()))
            .await
            .unwrap();
        if placed.is_ok() {
            self.holds.push(KnownHold { id, from, to, is_active: true });
            let held: Vec<Month> = self.ended.keys().copied().filter(|month| !self.has_ended(*month)).collect();
            self.ended.retain(|month, _| !held.contains(month));
        }
    }

    async fn release_hold(&mut self) {
        if self.holds.is_empty() {
            return;
        }
        let index = self.random.below(self.holds.len());
        self.holds[index].is_active = false;
        let (id, now) = (self.holds[index].id.clone(), self.now);
        decide(&self.stores, |lifecycle| {
            lifecycle.release_hold(&id, now, author());
        })
        .await;
    }

    async fn erase(&mut self) {
        let person = PEOPLE[self.random.below(PEOPLE.len())];
        let id = format!("01JD7Z6Q3V5W8X9Y0Z1A2B3C{:02}", self.orders.len());
        give(&self.stores, &order(&id, Selector::Actor(format!("{person}@x")), &[Group::Actor, Group::Details])).await;
        self.orders.insert(id, person);
    }

    /// Runs the keeper, and notes in the reference what it must have done.
    async fn run(&mut self) {
        let mut keeper = self.stores.keeper(&self.sqs, None);
        keeper.partners = self.partners();
        // Orders first take what they find; then the reference follows the same order as the keeper: months, then orders.
        let months: Vec<Month> =
            self.known.values().filter(|known| !known.is_deleted).map(|known| known.occurred_at.utc_month()).collect();
        for month in months {
            if self.has_ended(month) {
                let ended_at = *self.ended.entry(month).or_insert(self.now);
                if ended_at.plus_seconds(DAYS_BEFORE_DELETION * DAY) <= self.now {
                    for known in self.known.values_mut().filter(|known| known.occurred_at.utc_month() == month) {
                        known.is_deleted = true;
                    }
                }
            } else {
                self.ended.remove(&month);
            }
        }
        let lifecycle = self.stores.partners().read(&contoso()).await.unwrap().lifecycle;
        let mut carried_out = Vec::new();
        for id in lifecycle.open_erasures {
            let stored = self.stores.control(None).erasure(&contoso(), &id).await.unwrap().unwrap();
            // An order that waits for a hold goes on once any hold is released.
            let since = stored.progress.wait_until;
            let is_released = lifecycle
                .holds
                .iter()
                .any(|hold| hold.released_at.is_some_and(|at| since.is_none_or(|since| at >= since)));
            if stored.order.state != ErasureState::Held || is_released {
                carried_out.push(id);
            }
        }
        assert!(keep(&keeper, &self.sqs, self.now).await);
        for id in carried_out {
            let stored = self.stores.control(None).erasure(&contoso(), &id).await.unwrap().unwrap();
            let person = self.orders[&id];
            let held: Vec<bool> = self.known.values().map(|known| self.is_held(known)).collect();
            let mut waits = false;
            for (known, is_held) in self.known.values_mut().zip(held) {
                if known.person == person && !known.is_deleted && !known.is_erased {
                    known.is_erased = !is_held;
                    waits |= is_held;
                }
            }
            if stored.order.state == ErasureState::Done {
                assert!(!waits, "{id} is done although a hold keeps something");
            }
        }
    }

    async fn take_copy(&mut self) {
        self.copy = Some(self.items().await);
    }

    async fn items(&self) -> Copy {
        #[expect(clippy::disallowed_methods, reason = "the test copies the whole table")]
        let items = self.stores.dynamodb(None).scan().table_name(TABLE).into_paginator().items().send();
        items.collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// Brings back what an earlier copy of the table had of months that are still there, then carries out the orders again.
    async fn restore(&mut self) {
        let Some(copy) = self.copy.take() else { return };
        let deleted: Vec<String> = self
            .known
            .values()
            .filter(|known| known.is_deleted)
            .map(|known| known.occurred_at.utc_month().to_string())
            .collect();
        for item in copy {
            let key = item["pk"].as_s().unwrap();
            if !key.ends_with("#months") && !deleted.iter().any(|month| key.contains(month)) {
                self.stores.dynamodb(None).put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
            }
        }
        let mut keeper = self.stores.keeper(&self.sqs, None);
        keeper.partners = self.partners();
        let asked = KeeperRun { partner: Some("contoso".to_owned()), again: true, ..KeeperRun::default() };
        let run = Run { name: "again", now: self.now, may_go_on: &|| true };
        assert_eq!(keeper.run(&asked, &run).await.unwrap().failed, 0);
        // A restored activity under a hold comes back whole, and stays until the hold is released.
        let known: Vec<_> = self.known.iter().map(|(id, known)| (id.clone(), self.is_held(known))).collect();
        let present = self.present().await;
        for (id, is_held) in known {
            if let (true, Some(is_erased)) = (is_held, present.get(&id)) {
                self.known.get_mut(&id).unwrap().is_erased = *is_erased;
            }
        }
    }

    async fn present(&self) -> BTreeMap<String, bool> {
        let ledger_sees_all = listed(&self.stores, self.now).await;
        ledger_sees_all.into_iter().map(|activity| (activity.id.to_string(), activity.erased.is_some())).collect()
    }

    async fn check(&self, seed: u64, step: usize) {
        // `listed` knows no retention of the installation, so ended months that are not deleted are seen.
        let present = self.present().await;
        for (id, known) in &self.known {
            let expected = (!known.is_deleted).then_some(known.is_erased);
            assert_eq!(present.get(id).copied(), expected, "seed {seed}, step {step}: {id} {known:?} at {}", self.now);
        }
        assert_eq!(
            present.len(),
            self.known.values().filter(|known| !known.is_deleted).count(),
            "seed {seed}, step {step}"
        );
        if step + 1 < STEPS {
            return;
        }
        let rest = everything(&self.stores).await;
        for person in PEOPLE {
            let is_named =
                self.known.values().any(|known| known.person == person && !known.is_erased && !known.is_deleted);
            if !is_named && !self.orders.values().any(|ordered| *ordered == person) {
                assert!(!rest.contains(&format!("{person}@x")), "seed {seed}, step {step}: {person}");
            }
        }
    }
}

/// Plays the history of a seed to its end. Returns its steps.
async fn play(seed: u64) -> usize {
    let mut world = World::begin(seed).await;
    for step in 0..STEPS {
        // An order does not concern what is recorded after it is done, so no two steps are at the same time.
        world.now = world.now.plus_seconds(1);
        match world.random.below(12) {
            0..5 => {
                for _ in 0..4 {
                    world.record().await;
                }
            }
            5 => world.place_hold().await,
            6 => world.release_hold().await,
            7 => world.erase().await,
            8 => world.now = world.now.plus_seconds(DAY * i64::try_from(1 + world.random.below(40)).unwrap()),
            9 => world.take_copy().await,
            10 => world.restore().await,
            _ => {}
        }
        world.run().await;
        world.check(seed, step).await;
    }
    STEPS
}

#[test]
fn random_histories_agree_with_a_reference() {
    let (first, count) = (setting("HISTORY_SEED", 1), amount("HISTORIES", 100, 4_000));
    let threads = std::thread::available_parallelism().unwrap().get();
    let steps: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (first..)
            .take(threads)
            .map(|begin| {
                scope.spawn(move || {
                    // A runtime of its own for each history ends its engines with it.
                    let play = |seed| {
                        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                        runtime.block_on(play(seed))
                    };
                    (begin..first + count).step_by(threads).map(play).sum::<usize>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    report(
        "histories of records, holds, erasures, deletions and restores",
        &format!("{count} histories, {steps} steps"),
        first,
    );
}
