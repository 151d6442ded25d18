//! The Lambda function `monthly`.

use lambda::{
    Error, LambdaEvent, aws,
    environment::{deadline, now, number, variable},
};
use monthly::App;
use store::{
    audit::Audit,
    control::Control,
    ledger::LateIndex,
    months::{Months, Rules},
    queues::{DeadLetters, ExportQueue, RunQueue},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let months = Months {
        control: Control::new(dynamodb.clone(), variable("CONTROL_TABLE")?),
        queue: ExportQueue::new(sqs.clone(), variable("EXPORT_QUEUE_URL")?),
        audit: Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?),
        late: LateIndex::new(dynamodb, variable("ACTIVITIES_TABLE")?),
        runs: RunQueue::new(sqs.clone(), variable("RUN_QUEUE_URL")?),
        rules: Rules {
            grace_seconds: number::<i64>("GRACE_HOURS")? * 3_600,
            retention_seconds: number::<i64>("RETENTION_DAYS")? * 86_400,
        },
    };
    let app = App { months, dead_letters: DeadLetters::new(sqs, variable("DEAD_LETTER_QUEUE_URL")?) };
    lambda::run(app, |app, event: LambdaEvent<_>| async move {
        monthly::handle(app, &event.payload, deadline(&event.context), &now).await
    })
    .await
}
