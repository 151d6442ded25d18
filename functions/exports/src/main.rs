//! The Lambda function `exports`.

use domain::{quota::Limits, recipient::Reach};
use export::Files;
use exports::App;
use lambda::{
    Error, aws,
    environment::{flag, number, variable},
};
use store::{audit::Audit, control::Control, months::Rules, partners::Partners, queues::ExportQueue};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let limits = Limits {
        open_exports: Some(number("OPEN_EXPORTS")?),
        export_rows_per_day: Some(number("EXPORT_ROWS_PER_DAY")?),
        ..Limits::default()
    };
    let app = App {
        control: Control::new(dynamodb.clone(), variable("CONTROL_TABLE")?).with_secrets_in(variable("SECRETS_TABLE")?),
        audit: Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?),
        partners: Partners::new(dynamodb, variable("PARTNERS_TABLE")?),
        limits: flag("PARTNER_LIMITS")?.then_some(limits),
        queue: ExportQueue::new(aws_sdk_sqs::Client::new(&config), variable("EXPORT_QUEUE_URL")?),
        files: Files::new(aws_sdk_s3::Client::new(&config), variable("DATA_BUCKET")?),
        rules: Rules {
            grace_seconds: number::<i64>("GRACE_HOURS")? * 3_600,
            retention_seconds: number::<i64>("RETENTION_DAYS")? * 86_400,
        },
        reach: Reach::new(!variable("EMAIL_SENDER")?.is_empty(), &variable("WEBHOOK_TEST_HOSTS")?),
    };
    lambda::serve(app, exports::handle).await
}
