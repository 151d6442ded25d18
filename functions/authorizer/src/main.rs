//! The Lambda function `authorizer`.

use authorizer::{App, Keys};
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest as AuthorizerRequest;
use daybook::{
    control::Control,
    host::{self, Invocation},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let aws = host::aws(host::INTERACTIVE).await?;
    let app = App {
        keys: Keys::at(host::variable("JWKS_URL")?)?,
        issuer: host::variable("ISSUER")?,
        audiences: host::variable("AUDIENCES")?
            .split(',')
            .map(|audience| audience.trim().to_owned())
            .filter(|audience| !audience.is_empty())
            .collect(),
        partner_claim: host::variable("PARTNER_CLAIM")?,
        roles_claim: host::variable("ROLES_CLAIM")?,
        scope_claim: host::variable("SCOPE_CLAIM")?,
        control: Control::new(aws_sdk_dynamodb::Client::new(&aws), host::variable("CONTROL_TABLE")?),
    };
    host::run(app, |app, invocation: Invocation<AuthorizerRequest>| {
        Box::pin(authorizer::handle(app, invocation.event, host::now()))
    })
    .await
}
