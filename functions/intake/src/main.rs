//! The Lambda function `intake`.

use aws_lambda_events::sqs::SqsEvent;
use daybook::{
    host::{self, Invocation},
    ledger::{Ledger, Recorder},
    settings::Partners,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let ledger = Ledger::new(
        dynamodb.clone(),
        aws_sdk_s3::Client::new(&aws),
        host::variable("ACTIVITIES_TABLE")?,
        host::variable("DATA_BUCKET")?,
    );
    let partners = Partners::new(dynamodb, host::variable("PARTNERS_TABLE")?);
    let recorder = Recorder::new(ledger, partners, host::number("GRACE_HOURS")? * 3_600);
    host::run(recorder, |recorder, invocation: Invocation<SqsEvent>| {
        let now = host::now();
        let time = host::time_left(invocation.deadline, now).saturating_sub(intake::TIME_TO_ANSWER);
        Box::pin(async move { Ok(intake::handle(recorder, invocation.event, now, time).await) })
    })
    .await
}
