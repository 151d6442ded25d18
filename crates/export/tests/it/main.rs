//! Exports on real engines: DynamoDB and S3 in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checksums;
mod faults;
mod formats;
mod jobs;
mod months;
mod random_faults;
mod records;
mod resume;
mod segments;
mod sizes;
mod support;
mod workbooks;
mod worker;
mod years;
