//! Daybook, the activity log of partner portals: who did what to which customer's account, when.
//!
//! | module | holds |
//! |---|---|
//! | [`activity`] | an activity: parsing, limits, wire form |
//! | [`json`] | JSON kept as it was written |
//! | [`period`] | instants, zones, periods, months |
//! | [`filter`], [`question`] | which activities someone asks for |
//! | [`access`] | who may do what |
//! | [`catalogue`] | actions' names in each language |
//! | [`ledger`] | the Activities table |
//! | [`control`], [`queue`] | jobs, schedules, clients, and the way to the workers |
//! | [`export`], [`months`] | the making of exports, on demand and by the month |
//! | [`http`], [`host`] | what the functions share |
//!
//! The first six do no I/O and read no clock.

pub mod access;
pub mod activity;
pub mod catalogue;
pub mod control;
pub mod export;
pub mod filter;
pub mod host;
pub mod http;
pub mod json;
pub mod ledger;
pub mod months;
pub mod period;
pub mod question;
pub mod queue;
pub mod storage;
