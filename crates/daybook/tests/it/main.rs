//! The ledger and the exports on real engines.

mod exports;
mod ledger;
mod stores;
