//! The Lambda function `streamer`.

use domain::{recipient::Reach, text::parse_word};
use lambda::{
    Error, LambdaEvent, aws,
    environment::{deadline, now, number, positive, variable},
};
use store::{
    audit::Audit,
    due::DueMarks,
    ledger::Ledger,
    partners::Partners,
    queues::{DeadLetters, StreamQueue},
    streams::Streams,
};
use streamer::{App, InstallationBus, Sender};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let ledger = Ledger::new(
        dynamodb.clone(),
        aws_sdk_s3::Client::new(&config),
        variable("ACTIVITIES_TABLE")?,
        variable("DATA_BUCKET")?,
    );
    let partners = Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
        .with_default_retention(positive("RETENTION_MONTHS")?);
    let due = DueMarks::new(dynamodb.clone(), variable("DUE_TABLE")?);
    let api_url = variable("API_URL")?;
    let audit = Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?).ledger().clone();
    // Empty without a bus for all activities.
    let format = variable("STREAM_ALL_FORMAT")?;
    let installation = if format.is_empty() {
        None
    } else {
        Some(InstallationBus::new(&variable("STREAM_ALL_BUS")?, parse_word(&format)?)?)
    };
    let app = App {
        ledger: ledger.with_details_in(variable("DETAILS_BUCKET")?).hiding_ended_months(partners),
        audit,
        installation,
        streams: Streams::new(dynamodb, variable("STREAMS_TABLE")?, variable("SECRETS_TABLE")?, due),
        queue: StreamQueue::new(sqs.clone(), variable("STREAM_QUEUE_URL")?),
        dead_letters: DeadLetters::new(sqs, variable("DEAD_LETTER_QUEUE_URL")?),
        sender: Sender::new(Reach::new(false, &variable("WEBHOOK_TEST_HOSTS")?), &config, &api_url)?,
        api_url,
        stop_hours: number("STREAM_STOP_HOURS")?,
    };
    lambda::run(app, |app, event: LambdaEvent<_>| async move {
        let (name, deadline) = (&event.context.request_id, deadline(&event.context));
        streamer::handle(app, &event.payload, name, deadline, &now).await
    })
    .await
}
