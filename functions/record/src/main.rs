//! The Lambda function `record`.

use daybook::{
    host,
    ledger::{Ledger, Recorder},
    limits::{Limits, Meter},
    settings::Partners,
};
use record::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let ledger = Ledger::new(
        dynamodb.clone(),
        aws_sdk_s3::Client::new(&aws),
        host::variable("ACTIVITIES_TABLE")?,
        host::variable("DATA_BUCKET")?,
    );
    let partners = Partners::new(dynamodb.clone(), host::variable("PARTNERS_TABLE")?);
    let limits =
        Limits { records_per_second: Some(u32::try_from(host::number("RECORDS_PER_SECOND")?)?), ..Limits::default() };
    let limits_table = host::variable("LIMITS_TABLE")?;
    let app = App {
        recorder: Recorder::new(ledger, partners.clone(), host::number("GRACE_HOURS")? * 3_600),
        meter: (host::variable("PARTNER_LIMITS")? == "true")
            .then(|| Meter::new(dynamodb, limits_table, partners, limits)),
    };
    host::serve(app, |app, request, now| Box::pin(record::handle(app, request, now))).await
}
