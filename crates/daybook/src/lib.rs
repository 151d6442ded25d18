//! Daybook, the activity log of partner portals: who did what to which customer's account, when.
//!
//! | module | holds |
//! |---|---|
//! | [`activity`], [`cloud_events`] | an activity: parsing, limits, wire form |
//! | [`json`] | JSON kept as it was written |
//! | [`period`] | instants, zones, periods, months |
//! | [`filter`], [`question`] | which activities someone asks for |
//! | [`access`] | who may do what |
//! | [`catalogue`], [`partner_center`] | actions' names in each language, and in Partner Center's |
//! | [`ledger`] | the Activities table |
//! | [`settings`], [`limits`] | the Partners table, and what one partner may take |
//! | [`control`], [`queue`] | jobs, schedules, clients, and the way to the workers |
//! | [`export`], [`months`] | the making of exports, on demand and by the month |
//! | [`notify`] | telling people of a month's export |
//! | [`http`], [`host`], [`log`], [`schema`] | what the functions share |
//!
//! The first six do no I/O and read no clock.

pub mod access;
pub mod activity;
pub mod catalogue;
pub mod cloud_events;
pub mod control;
pub mod export;
pub mod filter;
pub mod host;
pub mod http;
pub mod json;
pub mod ledger;
pub mod limits;
pub mod log;
pub mod months;
pub mod notify;
pub mod partner_center;
pub mod period;
pub mod question;
pub mod queue;
pub mod schema;
pub mod settings;
pub mod storage;
