//! The stores on real engines: DynamoDB, S3 and a queue in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod ledger;
mod limits;
mod lists;
mod months;
mod simulation;
mod visits;
