//! Keeps partners' data as it is decided: ends and deletes months, carries out orders to erase, and deletes the data of
//! partners that leave. Every hour for all partners, and for one partner when something is ordered.

use std::sync::Arc;

use aws_sdk_kms::{primitives::Blob, types::MacAlgorithmSpec};
use domain::time::Instant;
use lambda::{
    Error,
    metrics::{self, Metric},
};
use serde_json::Value;
use store::{
    error,
    keeping::{Keeper, KeeperSummary, OrderKeys, Run},
    queues::{DeadLetters, DeadReason, KeeperRun},
};

/// The part of the function's time that is kept to finish a page of activities, in seconds.
pub const MARGIN_SECONDS: i64 = 60;

/// The keeper, and the queue that the function works with.
#[derive(Clone, Debug)]
pub struct App {
    /// Does the work.
    pub keeper: Keeper,
    /// Takes the messages that nobody can read.
    pub dead_letters: DeadLetters,
}

/// Does what is to be done for all partners, or what the messages of the queue ask for.
///
/// An event `{"now": "…"}` sets the time of the run; the scheduler sends none, and the run reads `clock`. `name` is that of the
/// invocation, which no other one has.
///
/// # Errors
/// When the event cannot be read, partners cannot be listed, or something failed for one of them. The next run tries again.
pub async fn handle(
    app: &App,
    event: &Value,
    name: &str,
    deadline: Instant,
    clock: &(dyn Fn() -> Instant + Send + Sync),
) -> Result<KeeperSummary, Error> {
    let stop_at = deadline.plus_seconds(-MARGIN_SECONDS);
    let may_go_on = || clock() < stop_at;
    let mut sum = KeeperSummary { complete: true, ..KeeperSummary::default() };
    for (number, asked) in runs(app, event).await?.into_iter().enumerate() {
        let name = format!("{name}/{number}");
        let run = Run { name: &name, now: asked.now.unwrap_or_else(clock), may_go_on: &may_go_on };
        let KeeperSummary { partners, failed, complete } = app.keeper.run(&asked, &run).await?;
        tracing::info!(partners, failed, complete, "data kept as decided");
        sum.partners += partners;
        sum.failed += failed;
        sum.complete &= complete;
    }
    if sum.failed > 0 {
        return Err(format!("{} of {} partners failed", sum.failed, sum.partners).into());
    }
    Ok(sum)
}

/// Returns the runs that an event asks for. A message that nobody can read goes to the dead letters.
async fn runs(app: &App, event: &Value) -> Result<Vec<KeeperRun>, Error> {
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        // Fields of the scheduler's event other than these are its own.
        let now = event.get("now").and_then(Value::as_str).map(Instant::parse).transpose()?;
        let partner = event.get("partner").and_then(Value::as_str).map(str::to_owned);
        let again = event.get("again").and_then(Value::as_bool).unwrap_or_default();
        return Ok(vec![KeeperRun { now, partner, again, behind: None }]);
    };
    let mut runs = Vec::with_capacity(records.len());
    for record in records {
        let body = record["body"].as_str().unwrap_or_default();
        match serde_json::from_str::<KeeperRun>(body) {
            Ok(run) => runs.push(run),
            Err(error) => {
                tracing::error!(message_id = record["messageId"].as_str(), "could not read a message: it is no run");
                if !app.dead_letters.bury(body, &DeadReason::unreadable(error.to_string())).await {
                    return Err(error.into());
                }
                metrics::add(Metric::DeadLetters, 1);
            }
        }
    }
    Ok(runs)
}

/// Returns the keys of orders, which KMS makes: nobody but this function can make them again.
pub fn order_keys(kms: aws_sdk_kms::Client, key_id: String) -> OrderKeys {
    Arc::new(move |order| {
        let made = kms
            .generate_mac()
            .key_id(&key_id)
            .mac_algorithm(MacAlgorithmSpec::HmacSha256)
            .message(Blob::new(format!("order to erase {order}")))
            .send();
        Box::pin(async move {
            let answer = made.await.map_err(|error| error::Error::sdk("GenerateMac of an order", error))?;
            let mac = answer.mac.map(Blob::into_inner).filter(|mac| !mac.is_empty());
            mac.ok_or_else(|| error::Error::permanent("GenerateMac of an order", "the answer has no digest"))
        })
    })
}
