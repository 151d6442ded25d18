//! Prints the rules of all time zones between two years, for other programs to compare:
//! `cargo run -p domain --example zones -- 2016 2036`.
//!
//! The output is one JSON object: the release of the IANA database, and for each zone its offset from UTC at the beginning of
//! the first year, in seconds, and all changes before the beginning of the last year.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::env;

use domain::time::{Instant, ZONE_RULES, Zone};
use serde_json::{Map, json};

fn main() {
    let start = |year: String| Instant::parse(&format!("{year}-01-01T00:00:00Z")).unwrap().seconds();
    let mut years = env::args().skip(1).map(start);
    let (from, to) = (years.next().unwrap(), years.next().unwrap());
    let zones: Map<_, _> = Zone::all()
        .map(|zone| {
            let changes: Vec<_> = zone.changes_after(from).take_while(|(at, _)| *at < to).collect();
            (zone.name().to_owned(), json!({"offset": zone.offset_at(from), "changes": changes}))
        })
        .collect();
    println!("{}", json!({"release": ZONE_RULES, "zones": zones}));
}
