//! The Lambda function `exports`.

use daybook::{control::Control, export::Files, host, queue::ExportQueue, settings::Partners};
use exports::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log();
    let aws = host::aws(host::INTERACTIVE).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let app = App {
        control: Control::new(dynamodb.clone(), host::variable("CONTROL_TABLE")?),
        partners: Partners::new(dynamodb, host::variable("PARTNERS_TABLE")?),
        queue: ExportQueue::new(aws_sdk_sqs::Client::new(&aws), host::variable("EXPORT_QUEUE_URL")?),
        files: Files::new(aws_sdk_s3::Client::new(&aws), host::variable("DATA_BUCKET")?),
        retention_seconds: host::number("RETENTION_DAYS")? * 86_400,
        grace_seconds: host::number("GRACE_HOURS")? * 3_600,
    };
    host::serve(async |request, now| exports::handle(&app, request, now).await).await
}
