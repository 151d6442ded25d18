//! The Lambda function `monthly`.

use daybook::{
    control::Control,
    host::{self, Invocation},
    ledger::LateIndex,
    months::{Months, Rules},
    queue::{ExportQueue, RunQueue},
};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&aws), aws_sdk_sqs::Client::new(&aws));
    let months = Months {
        control: Control::new(dynamodb.clone(), host::variable("CONTROL_TABLE")?),
        queue: ExportQueue::new(sqs.clone(), host::variable("EXPORT_QUEUE_URL")?),
        late: LateIndex::new(dynamodb, host::variable("ACTIVITIES_TABLE")?),
        runs: RunQueue::new(sqs, host::variable("RUN_QUEUE_URL")?),
        rules: Rules {
            grace_seconds: host::number("GRACE_HOURS")? * 3_600,
            retention_seconds: host::number("RETENTION_DAYS")? * 86_400,
        },
    };
    host::run(months, |months, Invocation { event, deadline, .. }: Invocation<Value>| {
        Box::pin(async move { monthly::handle(months, &event, deadline, &host::now).await })
    })
    .await
}
