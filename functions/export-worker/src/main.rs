//! The Lambda function `export-worker`.

use aws_lambda_events::sqs::SqsEvent;
use export::{Files, Limits, SubscriptionsUrl, Worker};
use export_worker::App;
use lambda::{
    Error, LambdaEvent, aws,
    environment::{deadline, now, number, positive, variable},
};
use store::{
    audit::Audit,
    control::Control,
    ledger::Ledger,
    partners::Partners,
    queues::{DeadLetters, ExportQueue, NoticeQueue},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::BULK).await?;
    let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
    let sqs = aws_sdk_sqs::Client::new(&config);
    let (activities, bucket) = (variable("ACTIVITIES_TABLE")?, variable("DATA_BUCKET")?);
    let partners = Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
        .with_default_retention(positive("RETENTION_MONTHS")?);
    let app = App {
        audit: Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?),
        worker: Worker {
            ledger: Ledger::new(dynamodb.clone(), s3.clone(), activities, bucket.clone())
                .with_details_in(variable("DETAILS_BUCKET")?)
                .hiding_ended_months(partners),
            control: Control::new(dynamodb, variable("CONTROL_TABLE")?),
            files: Files::new(s3, bucket),
            limits: Limits { lease_seconds: number("LEASE_SECONDS")?, ..Limits::default() },
            subscriptions: SubscriptionsUrl::new(variable("SUBSCRIPTIONS_URL")?),
        },
        queue: ExportQueue::new(sqs.clone(), variable("EXPORT_QUEUE_URL")?),
        notices: NoticeQueue::new(sqs.clone(), variable("NOTICE_QUEUE_URL")?),
        dead_letters: DeadLetters::new(sqs, variable("DEAD_LETTER_QUEUE_URL")?),
    };
    lambda::run(app, |app, LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| async move {
        export_worker::handle(app, payload, &context.request_id, deadline(&context), &now).await
    })
    .await
}
