//! The function's binary on a Runtime API of Lambda, with real engines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod audit;
mod audit_activity;
mod counts;
mod feed;
mod restriction;
mod support;
