//! The Lambda function `exports`.

use daybook::{
    control::Control,
    export::Files,
    host,
    ledger::LateIndex,
    limits::Limits,
    months::{Reach, Rules},
    queue::{ExportQueue, RunQueue},
    settings::Partners,
};
use exports::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let has_email = !host::variable("EMAIL_SENDER")?.is_empty();
    let limits = Limits {
        open_exports: Some(u32::try_from(host::number("OPEN_EXPORTS")?)?),
        export_rows_per_day: Some(u64::try_from(host::number("EXPORT_ROWS_PER_DAY")?)?),
        ..Limits::default()
    };
    let app = App {
        limits: (host::variable("PARTNER_LIMITS")? == "true").then_some(limits),
        control: Control::new(dynamodb.clone(), host::variable("CONTROL_TABLE")?),
        partners: Partners::new(dynamodb.clone(), host::variable("PARTNERS_TABLE")?),
        queue: ExportQueue::new(sqs.clone(), host::variable("EXPORT_QUEUE_URL")?),
        files: Files::new(aws_sdk_s3::Client::new(&aws), host::variable("DATA_BUCKET")?),
        late: LateIndex::new(dynamodb, host::variable("ACTIVITIES_TABLE")?),
        runs: RunQueue::new(sqs, host::variable("RUN_QUEUE_URL")?),
        rules: Rules {
            grace_seconds: host::number("GRACE_HOURS")? * 3_600,
            retention_seconds: host::number("RETENTION_DAYS")? * 86_400,
        },
        reach: Reach::new(has_email, &host::variable("WEBHOOK_TEST_HOSTS")?),
    };
    host::serve(app, |app, request, now| Box::pin(exports::handle(app, request, now))).await
}
