//! The Lambda function `portal`.

use daybook::host;
use portal::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), host::Error> {
    host::start_log(env!("CARGO_PKG_NAME"));
    let app = App {
        issuer: host::variable("ISSUER")?,
        sign_in_url: host::variable("SIGN_IN_URL")?,
        client_id: host::variable("CLIENT_ID")?,
        subscriptions_url: host::variable("SUBSCRIPTIONS_URL")?,
        time_zone: host::variable("TIME_ZONE")?,
        frame_ancestors: host::variable("FRAME_ANCESTORS")?,
    };
    host::serve(app, |app, request, now| Box::pin(portal::handle(app, request, now))).await
}
