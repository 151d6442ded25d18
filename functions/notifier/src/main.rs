//! The Lambda function `notifier`.

use aws_lambda_events::sqs::SqsEvent;
use daybook::{
    control::Control,
    host::{self, Invocation},
    months::Reach,
    notify::NoticeQueue,
};
use notifier::{App, Mail, Webhooks};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let waits = host::variable("NOTIFY_WAITS")?;
    let app = App {
        control: Control::new(aws_sdk_dynamodb::Client::new(&aws), host::variable("CONTROL_TABLE")?),
        queue: NoticeQueue::new(aws_sdk_sqs::Client::new(&aws), host::variable("NOTICE_QUEUE_URL")?),
        webhooks: Webhooks::new(Reach::new(false, &host::variable("WEBHOOK_TEST_HOSTS")?))?,
        mail: Mail::new(aws_sdk_sesv2::Client::new(&aws), host::variable("EMAIL_SENDER")?),
        portal_url: host::variable("PORTAL_URL")?,
        waits: waits.split(',').map(|wait| wait.trim().parse()).collect::<Result<_, _>>()?,
    };
    host::run(app, |app, invocation: Invocation<SqsEvent>| {
        Box::pin(notifier::handle(app, invocation.event, &host::now))
    })
    .await
}
