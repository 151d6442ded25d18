//! The ledger and the exports on real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod faults;
mod formats;
mod ledger;
mod limits;
mod lists;
mod months;
mod periods;
mod records;
mod simulation;
mod stores;
