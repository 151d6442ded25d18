//! The Lambda function `admin`.

use admin::App;
use lambda::{
    Error, aws,
    environment::{flag, number, variable},
};
use store::{
    control::Control,
    ledger::LateIndex,
    months::{Months, Rules},
    partners::Partners,
    queues::{ExportQueue, RunQueue},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let control = Control::new(dynamodb.clone(), variable("CONTROL_TABLE")?);
    let app = App {
        control: control.clone(),
        partners: Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?),
        months: Months {
            control,
            queue: ExportQueue::new(sqs.clone(), variable("EXPORT_QUEUE_URL")?),
            late: LateIndex::new(dynamodb, variable("ACTIVITIES_TABLE")?),
            runs: RunQueue::new(sqs, variable("RUN_QUEUE_URL")?),
            rules: Rules {
                grace_seconds: number::<i64>("GRACE_HOURS")? * 3_600,
                retention_seconds: number::<i64>("RETENTION_DAYS")? * 86_400,
            },
        },
        limits_apply: flag("PARTNER_LIMITS")?,
    };
    lambda::serve(app, admin::handle).await
}
