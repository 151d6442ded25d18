//! A function that does nothing, on the same runtime library as the product: the least cost of a function in Rust.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| {
        Ok::<_, Error>(json!({"statusCode": 200, "headers": {}, "body": "hello", "isBase64Encoded": false}))
    }))
    .await
}
