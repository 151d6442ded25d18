//! The Lambda function `query`.

use domain::quota::Limits;
use lambda::{
    Error, aws,
    environment::{flag, number, positive, variable},
};
use query::App;
use store::{
    audit::Audit,
    ledger::Ledger,
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
    );
    let audit = Audit::new(dynamodb.clone(), variable("AUDIT_TABLE")?);
    let partners = Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?)
        .with_default_retention(positive("RETENTION_MONTHS")?);
    let ledger = ledger.with_details_in(variable("DETAILS_BUCKET")?).hiding_ended_months(partners.clone());
    let limits = Limits { read_units_per_second: Some(number("READ_UNITS_PER_SECOND")?), ..Limits::default() };
    let meter = Meter::new(Amounts::ReadUnits, dynamodb, variable("LIMITS_TABLE")?, partners.clone(), limits);
    let meter = flag("PARTNER_LIMITS")?.then_some(meter);
    lambda::serve(App { ledger, audit, partners, meter }, query::handle).await
}
