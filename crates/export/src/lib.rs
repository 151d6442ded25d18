//! The export engine: a job is made by a worker that can stop anywhere and go on.

mod making;
mod pack;
pub mod profile;
mod sink;
pub mod worker;

pub use sink::{Files, LINK_SECONDS};
