//! The Lambda function `notifier`.

use aws_lambda_events::sqs::SqsEvent;
use domain::recipient::Reach;
use lambda::{
    Error, LambdaEvent, aws,
    environment::{list, now, variable},
};
use notifier::{App, Mail, Webhooks};
use store::{
    control::Control,
    queues::{DeadLetters, NoticeQueue},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let app = App {
        control: Control::new(aws_sdk_dynamodb::Client::new(&config), variable("CONTROL_TABLE")?)
            .with_secrets_in(variable("SECRETS_TABLE")?),
        queue: NoticeQueue::new(sqs.clone(), variable("NOTICE_QUEUE_URL")?),
        dead_letters: DeadLetters::new(sqs, variable("DEAD_LETTER_QUEUE_URL")?),
        webhooks: Webhooks::new(Reach::new(false, &variable("WEBHOOK_TEST_HOSTS")?))?,
        mail: Mail::new(aws_sdk_sesv2::Client::new(&config), variable("EMAIL_SENDER")?),
        portal_url: variable("PORTAL_URL")?,
        waits: list("NOTIFY_WAITS")?.iter().map(|wait| wait.parse()).collect::<Result<_, _>>()?,
    };
    lambda::run(app, |app, event: LambdaEvent<SqsEvent>| notifier::handle(app, event.payload, &now)).await
}
