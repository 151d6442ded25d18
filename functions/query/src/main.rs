//! The Lambda function `query`.

use lambda::{Error, aws, environment::variable};
use store::ledger::Ledger;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let ledger = Ledger::new(
        aws_sdk_dynamodb::Client::new(&config),
        aws_sdk_s3::Client::new(&config),
        variable("ACTIVITIES_TABLE")?,
        variable("DATA_BUCKET")?,
    );
    lambda::serve(ledger, query::handle).await
}
