//! Prints activities as OCSF events, one a line, for other programs to validate:
//! `cargo run --example ocsf -- 2000 1`.
//!
//! The first events have each known action once, those of the audit included. As many events follow as the first argument
//! says, which are generated from the second argument. The tests use the same generator.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::env;

use domain::{
    actions::{list_actions, list_audit_actions},
    activity::Activity,
    locale::Locale,
    ocsf::ApiActivity,
};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;

#[path = "../tests/streams/activities.rs"]
mod activities;

fn main() {
    let number = |text: String| text.parse::<u64>().unwrap();
    let mut numbers = env::args().skip(1).map(number);
    let (count, seed) = (numbers.next().unwrap(), numbers.next().unwrap());
    for listed in list_actions(Locale::En).chain(list_audit_actions(Locale::En)) {
        print(&activities::recorded(&json!({
            "occurred_at": "2026-11-02T09:30:00Z", "action": listed.action, "actor": {"id": "ana"}, "target": {"id": "t"},
        })));
    }
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = activities::activity();
    for _ in 0..count {
        print(&strategy.new_tree(&mut runner).unwrap().current());
    }
}

fn print(activity: &Activity) {
    println!("{}", serde_json::to_string(&ApiActivity::of(&activity.borrowed(), None).unwrap()).unwrap());
}
