//! The Lambda function `query`.

use domain::quota::Limits;
use lambda::{
    Error, aws,
    environment::{flag, number, variable},
};
use query::App;
use store::{
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
    let partners = Partners::new(dynamodb.clone(), variable("PARTNERS_TABLE")?);
    let limits = Limits { read_units_per_second: Some(number("READ_UNITS_PER_SECOND")?), ..Limits::default() };
    let meter = Meter::new(Amounts::ReadUnits, dynamodb, variable("LIMITS_TABLE")?, partners, limits);
    lambda::serve(App { ledger, meter: flag("PARTNER_LIMITS")?.then_some(meter) }, query::handle).await
}
