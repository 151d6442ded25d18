//! The ledger and the exports on real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod faults;
mod formats;
mod months;
mod records;
mod stores;
