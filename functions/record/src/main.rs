//! The Lambda function `record`.

use domain::quota::Limits;
use lambda::{
    Error, aws,
    environment::{flag, number, positive, variable},
};
use record::App;
use store::{
    audit::Audit,
    due::DueMarks,
    ledger::{Ledger, Recorder},
    meter::{Amounts, Meter},
    partners::Partners,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let ledger = Ledger::new(
        dynamodb.clone(),
        aws_sdk_s3::Client::new(&config),
        variable("ACTIVITIES_TABLE")?,
        variable("DATA_BUCKET")?,
    )
    .with_details_in(variable("DETAILS_BUCKET")?);
    let audit = Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?);
    let partners = Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
        .with_default_retention(positive("RETENTION_MONTHS")?);
    let due = DueMarks::new(dynamodb.clone(), variable("DUE_TABLE")?);
    let limits = Limits { records_per_second: Some(number("RECORDS_PER_SECOND")?), ..Limits::default() };
    let meter = Meter::new(Amounts::Activities, dynamodb, variable("LIMITS_TABLE")?, partners.clone(), limits);
    let app = App {
        recorder: Recorder::new(ledger, partners, number::<i64>("GRACE_HOURS")? * 3_600)
            .checking_partners(flag("REGISTERED_PARTNERS")?)
            .with_due_marks(due, flag("STREAM_ALL")?),
        meter: flag("PARTNER_LIMITS")?.then_some(meter),
        audit,
    };
    lambda::serve(app, record::handle).await
}
