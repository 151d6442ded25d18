//! The domain of Daybook, the activity log of partner portals. Nothing here does I/O, and time is always an argument.

pub mod access;
pub mod actions;
pub mod activity;
pub mod cloud_events;
pub mod delivery;
pub mod filter;
pub mod job;
pub mod json;
pub mod locale;
pub mod partner_center;
pub mod query;
pub mod quota;
pub mod recipient;
pub mod schedule;
pub mod schema;
pub mod text;
pub mod time;
