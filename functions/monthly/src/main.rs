//! The Lambda function `monthly`.

use daybook::{
    control::Control,
    host::{self, LambdaEvent, service_fn},
    months::Months,
    queue::ExportQueue,
};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log();
    let aws = host::aws(host::INTERACTIVE).await;
    let months = Months {
        control: Control::new(aws_sdk_dynamodb::Client::new(&aws), host::variable("CONTROL_TABLE")?),
        queue: ExportQueue::new(aws_sdk_sqs::Client::new(&aws), host::variable("EXPORT_QUEUE_URL")?),
        grace_seconds: host::number("GRACE_HOURS")? * 3_600,
        retention_seconds: host::number("RETENTION_DAYS")? * 86_400,
    };
    let months = &months;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        monthly::handle(months, &event.payload, host::now()).await
    }))
    .await
}
