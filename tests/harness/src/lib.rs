//! What the integration tests share: real engines in the test's own process, calls that fail on demand, and test data.
//!
//! | module | holds |
//! |---|---|
//! | [`engines`] | DynamoDB on SQLite, S3 on a temporary folder, and clients of the stores on them |
//! | [`faults`] | which calls of a client fail, and how |
//! | [`runtime_api`] | the binary of a function, on a Runtime API of Lambda |
//! | [`sqs`] | a queue that keeps its messages |
//! | [`data`] | activities in short form |
//! | [`mod@months`] | monthly runs and their exports |
//! | [`names`] | names of tables and of the bucket |
//! | [`random`] | numbers that depend on a seed |
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod data;
pub mod engines;
pub mod faults;
mod http;
pub mod months;
pub mod names;
pub mod random;
pub mod runtime_api;
pub mod sqs;

pub use self::{
    data::{activities, at, contoso, find_complete, parsed, partner, sent},
    engines::{GRACE_SECONDS, Stores},
    faults::{Fault, FaultRates, Faults, ReadCache},
    months::{exports_of_month, months, save_schedules},
    names::{AUDIT, BUCKET, CONTROL, DUE, LIMITS, PARTNERS, SECRETS, STREAMS, TABLE},
    random::Random,
    runtime_api::{Function, by, request_event},
    sqs::Sqs,
};
