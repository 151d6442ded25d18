//! The harness, with a worker.

use daybook::export::{
    Files,
    profile::SubscriptionsUrl,
    worker::{Limits, Worker},
};
pub(crate) use harness::*;

/// Stores that have a worker.
pub(crate) trait HasWorker {
    fn worker(&self, faults: Option<&Faults>, limits: Limits) -> Worker;
}

impl HasWorker for Stores {
    fn worker(&self, faults: Option<&Faults>, limits: Limits) -> Worker {
        Worker {
            ledger: self.ledger(faults),
            control: self.control(faults),
            files: Files::new(self.s3(faults), BUCKET.into()),
            limits,
            subscriptions: SubscriptionsUrl::new(
                "https://portal.example/customers/{customer}/subscriptions".to_owned(),
            ),
        }
    }
}
