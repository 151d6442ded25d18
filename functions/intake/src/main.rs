//! The Lambda function `intake`.

use aws_lambda_events::sqs::SqsEvent;
use intake::App;
use lambda::{
    Error, LambdaEvent, aws,
    environment::{deadline, flag, now, number, positive, time_left, variable},
};
use store::{
    due::DueMarks,
    ledger::{Ledger, Recorder},
    partners::Partners,
    queues::DeadLetters,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let ledger = Ledger::new(
        dynamodb.clone(),
        aws_sdk_s3::Client::new(&config),
        variable("ACTIVITIES_TABLE")?,
        variable("DATA_BUCKET")?,
    )
    .with_details_in(variable("DETAILS_BUCKET")?);
    let due = DueMarks::new(dynamodb.clone(), variable("DUE_TABLE")?);
    let partners =
        Partners::new(dynamodb, variable("PARTNERS_TABLE")?).with_default_retention(positive("RETENTION_MONTHS")?);
    let app = App {
        recorder: Recorder::new(ledger, partners, number::<i64>("GRACE_HOURS")? * 3_600)
            .checking_partners(flag("REGISTERED_PARTNERS")?)
            .with_due_marks(due, flag("STREAM_ALL")?),
        dead_letters: DeadLetters::new(aws_sdk_sqs::Client::new(&config), variable("DEAD_LETTER_QUEUE_URL")?),
    };
    lambda::run(app, |app, event: LambdaEvent<SqsEvent>| {
        let now = now();
        let time = time_left(deadline(&event.context), now).saturating_sub(intake::TIME_TO_ANSWER);
        intake::handle(app, event.payload, now, time)
    })
    .await
}
