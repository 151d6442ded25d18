//! The Lambda function `streams`.

use domain::{recipient::Reach, stream::DestinationRules};
use lambda::{Error, aws, environment::variable};
use store::{audit::Audit, due::DueMarks, partners::Partners, queues::StreamQueue, streams::Streams};
use streams::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let due = DueMarks::new(dynamodb.clone(), variable("DUE_TABLE")?);
    let app = App {
        streams: Streams::new(dynamodb.clone(), variable("STREAMS_TABLE")?, variable("SECRETS_TABLE")?, due),
        partners: Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?),
        audit: Audit::new(dynamodb, variable("AUDIT_TABLE")?),
        role: variable("STREAMER_ROLE_ARN")?,
        queue: StreamQueue::new(aws_sdk_sqs::Client::new(&config), variable("STREAM_QUEUE_URL")?),
        rules: DestinationRules {
            reach: Reach::new(false, &variable("WEBHOOK_TEST_HOSTS")?),
            account: variable("ACCOUNT_ID")?,
            buckets: vec![variable("DATA_BUCKET")?, variable("DETAILS_BUCKET")?],
        },
    };
    lambda::serve(app, streams::handle).await
}
