//! The Lambda function `authorizer`.

use authorizer::{App, ClaimNames, Keys};
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest as AuthorizerRequest;
use lambda::{
    Error, LambdaEvent, aws,
    environment::{list, now, variable},
};
use store::control::Control;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let config = aws::config(aws::INTERACTIVE).await?;
    let app = App {
        keys: Keys::at(variable("JWKS_URL")?)?,
        issuer: variable("ISSUER")?,
        audiences: list("AUDIENCES")?,
        claim_names: ClaimNames {
            partner: variable("PARTNER_CLAIM")?,
            roles: variable("ROLES_CLAIM")?,
            scope: variable("SCOPE_CLAIM")?,
            customers: Some(variable("CUSTOMERS_CLAIM")?).filter(|name| !name.is_empty()),
        },
        control: Control::new(aws_sdk_dynamodb::Client::new(&config), variable("CONTROL_TABLE")?),
    };
    lambda::run(app, |app, event: LambdaEvent<AuthorizerRequest>| authorizer::handle(app, event.payload, now())).await
}
