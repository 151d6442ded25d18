//! The stores on real engines: DynamoDB, S3 and a queue in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod exports;
mod feed;
mod histories;
mod keeper;
mod ledger;
mod limits;
mod lists;
mod months;
mod simulation;
mod streams;
mod visits;
