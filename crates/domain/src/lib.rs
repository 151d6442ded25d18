//! The domain of Daybook, the activity log of partner portals. Nothing here does I/O; the present is always an argument.
//!
//! | module | subject |
//! |---|---|
//! | [`activity`] | one activity: JSON, checks, ids, digest |
//! | [`json`], [`text`] | JSON kept as written; quoting and hexadecimal digits |
//! | [`request_json`], [`fault`] | reading of requests, and their faults |
//! | [`time`] | instants, zones, periods, months |
//! | [`query`], [`filter`], [`search`], [`fold`] | which activities a list or an export covers |
//! | [`counts`] | counts of activities by time and by values |
//! | [`access`] | which role may do what |
//! | [`actions`], [`partner_center`], [`locale`] | names of actions in each language, and in Partner Center's words |
//! | [`job`] | export jobs |
//! | [`schedule`], [`recipient`], [`delivery`] | monthly exports and their notifications |
//! | [`quota`] | limits of partners |

pub mod access;
pub mod actions;
pub mod activity;
pub mod counts;
pub mod delivery;
pub mod fault;
pub mod filter;
pub mod fold;
pub mod job;
pub mod json;
pub mod locale;
pub mod partner_center;
pub mod query;
pub mod quota;
pub mod recipient;
pub mod request_json;
pub mod schedule;
pub mod search;
pub mod text;
pub mod time;
