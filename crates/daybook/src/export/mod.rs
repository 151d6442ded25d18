//! Exports: a job is asked for, made by a worker that can stop anywhere and go on, and downloaded.

pub mod job;
mod making;
mod pack;
pub mod profile;
mod sink;
pub mod worker;

pub use pack::Packed;
pub use sink::{Files, LINK_SECONDS};
