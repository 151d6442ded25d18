//! The Lambda function `admin`.

use admin::App;
use lambda::{
    Error, aws,
    environment::{flag, number, positive, variable},
};
use store::{
    audit::Audit,
    control::Control,
    ledger::{Directory, LateIndex},
    months::{Months, Rules},
    partners::Partners,
    queues::{ExportQueue, KeeperQueue, RunQueue},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let control = Control::new(dynamodb.clone(), variable("CONTROL_TABLE")?);
    let audit = Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?);
    let app = App {
        control: control.clone(),
        partners: Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
            .with_default_retention(positive("RETENTION_MONTHS")?),
        directory: Directory::new(dynamodb.clone(), variable("ACTIVITIES_TABLE")?),
        keeper_runs: KeeperQueue::new(sqs.clone(), variable("KEEPER_QUEUE_URL")?),
        months: Months {
            control,
            queue: ExportQueue::new(sqs.clone(), variable("EXPORT_QUEUE_URL")?),
            late: LateIndex::new(dynamodb, variable("ACTIVITIES_TABLE")?),
            runs: RunQueue::new(sqs, variable("RUN_QUEUE_URL")?),
            audit: audit.clone(),
            rules: Rules {
                grace_seconds: number::<i64>("GRACE_HOURS")? * 3_600,
                retention_seconds: number::<i64>("RETENTION_DAYS")? * 86_400,
            },
        },
        audit,
        limits_apply: flag("PARTNER_LIMITS")?,
        partners_erase: flag("PARTNERS_ERASE")?,
    };
    lambda::serve(app, admin::handle).await
}
