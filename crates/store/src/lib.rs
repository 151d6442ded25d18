//! The tables and queues of Daybook. This crate alone knows keys and attributes.

pub mod control;
pub mod error;
pub mod ledger;
pub mod meter;
pub mod months;
pub mod partners;
pub mod queues;
