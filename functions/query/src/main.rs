//! The Lambda function `query`.

use daybook::{host, ledger::Ledger};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let ledger = Ledger::new(
        aws_sdk_dynamodb::Client::new(&aws),
        aws_sdk_s3::Client::new(&aws),
        host::variable("ACTIVITIES_TABLE")?,
        host::variable("DATA_BUCKET")?,
    );
    host::serve(ledger, |ledger, request, now| Box::pin(query::handle(ledger, request, now))).await
}
