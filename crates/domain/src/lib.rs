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
//! | [`partner`], [`lifecycle`] | registration of partners; retention, holds, erasure, the end of a partner |
//! | [`quota`] | limits of partners |
//! | [`stream`], [`ocsf`] | streams of activities to a partner's own systems; activities as OCSF events |
//! | [`audit`] | who read, exported, downloaded or changed something |

pub mod access;
pub mod actions;
pub mod activity;
pub mod audit;
pub mod counts;
pub mod delivery;
pub mod fault;
pub mod filter;
pub mod fold;
pub mod job;
pub mod json;
pub mod lifecycle;
pub mod locale;
pub mod ocsf;
pub mod partner;
pub mod partner_center;
pub mod query;
pub mod quota;
pub mod recipient;
pub mod request_json;
pub mod schedule;
pub mod search;
pub mod stream;
pub mod text;
pub mod time;
