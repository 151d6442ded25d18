//! The Lambda function `portal`.

use lambda::{Error, environment::variable};
use portal::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::start(env!("CARGO_PKG_NAME"))?;
    let app = App {
        issuer: variable("ISSUER")?,
        discovery_url: variable("DISCOVERY_URL")?,
        sign_in_url: variable("SIGN_IN_URL")?,
        partner_claim: variable("PARTNER_CLAIM")?,
        roles_claim: variable("ROLES_CLAIM")?,
        customers_claim: variable("CUSTOMERS_CLAIM")?,
        client_id: variable("CLIENT_ID")?,
        subscriptions_url: variable("SUBSCRIPTIONS_URL")?,
        time_zone: variable("TIME_ZONE")?,
        frame_ancestors: variable("FRAME_ANCESTORS")?,
    };
    lambda::serve(app, portal::handle).await
}
