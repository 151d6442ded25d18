//! The Lambda function `keeper`.

use keeper::App;
use lambda::{
    Error, LambdaEvent, aws,
    environment::{deadline, now, number, positive, variable},
};
use store::{
    audit::Audit,
    control::Control,
    due::DueMarks,
    keeping::Keeper,
    ledger::{Ledger, Remover},
    partners::Partners,
    queues::{DeadLetters, ExportQueue, KeeperQueue},
    streams::Streams,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
    let sqs = aws_sdk_sqs::Client::new(&config);
    let ledger = Ledger::new(dynamodb.clone(), s3, variable("ACTIVITIES_TABLE")?, variable("DATA_BUCKET")?);
    let audit = Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?);
    let due = DueMarks::new(dynamodb.clone(), variable("DUE_TABLE")?);
    let keeper = Keeper {
        streams: Streams::new(dynamodb.clone(), variable("STREAMS_TABLE")?, variable("SECRETS_TABLE")?, due),
        partners: Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
            .with_default_retention(positive("RETENTION_MONTHS")?),
        control: Control::new(dynamodb.clone(), variable("CONTROL_TABLE")?).with_secrets_in(variable("SECRETS_TABLE")?),
        activities: Remover::new(ledger.with_details_in(variable("DETAILS_BUCKET")?)),
        audit: Remover::new(audit.ledger().clone()),
        entries: audit,
        exports: ExportQueue::new(sqs.clone(), variable("EXPORT_QUEUE_URL")?),
        runs: KeeperQueue::new(sqs.clone(), variable("KEEPER_QUEUE_URL")?),
        dead_letters: DeadLetters::new(sqs.clone(), variable("INTAKE_DEAD_LETTER_QUEUE_URL")?),
        order_keys: keeper::order_keys(aws_sdk_kms::Client::new(&config), variable("ERASURE_KEY")?),
        retention_seconds: number::<i64>("RETENTION_DAYS")? * 86_400,
        grace_seconds: number::<i64>("GRACE_HOURS")? * 3_600,
    };
    let app = App { keeper, dead_letters: DeadLetters::new(sqs, variable("DEAD_LETTER_QUEUE_URL")?) };
    lambda::run(app, |app, event: LambdaEvent<_>| async move {
        let (name, deadline) = (&event.context.request_id, deadline(&event.context));
        keeper::handle(app, &event.payload, name, deadline, &now).await
    })
    .await
}
