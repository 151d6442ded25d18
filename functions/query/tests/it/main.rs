//! The function's binary on a Runtime API of Lambda, with real engines.

mod answers;
mod audit_activity;
mod support;
