//! The Lambda function `export-worker`.

use aws_lambda_events::sqs::SqsEvent;
use daybook::{
    control::Control,
    export::{
        Files,
        profile::SubscriptionsUrl,
        worker::{Limits, Worker},
    },
    host::{self, Invocation},
    ledger::Ledger,
    notify::NoticeQueue,
    queue::ExportQueue,
};
use export_worker::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::BULK).await?;
    let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&aws), aws_sdk_s3::Client::new(&aws));
    let (activities, bucket) = (host::variable("ACTIVITIES_TABLE")?, host::variable("DATA_BUCKET")?);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let app = App {
        worker: Worker {
            ledger: Ledger::new(dynamodb.clone(), s3.clone(), activities, bucket.clone()),
            control: Control::new(dynamodb, host::variable("CONTROL_TABLE")?),
            files: Files::new(s3, bucket),
            limits: Limits::default(),
            subscriptions: SubscriptionsUrl::new(host::variable("SUBSCRIPTIONS_URL")?),
        },
        queue: ExportQueue::new(sqs.clone(), host::variable("EXPORT_QUEUE_URL")?),
        notices: NoticeQueue::new(sqs, host::variable("NOTICE_QUEUE_URL")?),
    };
    host::run(app, |app, Invocation { event, request_id, deadline }: Invocation<SqsEvent>| {
        Box::pin(async move { export_worker::handle(app, event, &request_id, deadline, &host::now).await })
    })
    .await
}
