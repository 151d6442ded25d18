//! Verifies the caller's token and passes the caller's identity on to the other functions.
//!
//! The gateway answers 401 to a token that cannot be verified. A verified token that lacks something is let through with its
//! fault, so that `access` can answer 403 and say what is missing.
//!
//! The answer allows the whole stage: the gateway keeps it per token for some minutes, and a policy narrowed to one route
//! would wrongly deny the next. Each function decides what the caller may do.

mod claims;
mod keys;

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest as AuthorizerRequest;
use domain::time::Instant;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use lambda::{Error, host::UNAUTHORIZED, identity};
use serde_json::{Map, Value, json};
use store::control::Control;

use claims::Claims;

pub use claims::ClaimNames;
pub use keys::Keys;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1_024;
/// How far the issuer's clock may be from ours, in seconds.
const LEEWAY_SECONDS: u64 = 10;

/// The issuer and audiences of valid tokens, and the names of their claims.
#[derive(Debug)]
pub struct App {
    /// The issuer's keys.
    pub keys: Keys,
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// The clients whose tokens are valid without a registration.
    pub audiences: Vec<String>,
    /// The names of the claims.
    pub claim_names: ClaimNames,
    /// The store of registered machine clients.
    pub control: Control,
}

/// Answers the gateway with a policy and the caller.
///
/// # Errors
/// `Unauthorized` for a token that cannot be verified; any other error is a fault of ours.
pub async fn handle(app: &App, request: AuthorizerRequest, now: Instant) -> Result<Value, Error> {
    let token = bearer(&request).ok_or(UNAUTHORIZED)?;
    let claims = Claims::new(app.verify(token, now).await?, &app.claim_names);
    let own_client = request.stage_variables.get("client_id").map(String::as_str);
    let is_known = claims
        .audiences()
        .into_iter()
        .filter(|audience| !audience.is_empty())
        .any(|audience| app.audiences.iter().any(|known| known == audience) || own_client == Some(audience));
    // A registration makes only the client's tokens for this service valid, not its tokens for another API.
    if !is_known && !claims.is_for_its_client() {
        return Err(UNAUTHORIZED.into());
    }
    let registration = match claims.client_id() {
        Some(client_id) if !is_known || !claims.names_partner() => app.control.client(client_id).await?,
        _ => None,
    };
    let caller = claims.caller(is_known, registration).ok_or(UNAUTHORIZED)?;
    if let Some(fault) = caller.fault() {
        tracing::warn!(fault = %fault.kind, name = fault.name, "could not find a right in a verified token");
    }
    Ok(json!({
        "principalId": identity::encode(caller.subject()),
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": stage(&request)}],
        },
        "context": identity::write_context(&caller),
    }))
}

impl App {
    async fn verify(&self, token: &str, now: Instant) -> Result<Map<String, Value>, Error> {
        let header = decode_header(token).map_err(|_| UNAUTHORIZED)?;
        // Neither "none" nor HMAC, whose secret could be the public key.
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(UNAUTHORIZED.into());
        }
        let key = self.keys.find(&header.kid.ok_or(UNAUTHORIZED)?, now).await?.ok_or(UNAUTHORIZED)?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        // The caller checks `aud` and `client_id`, because access tokens of Cognito have no `aud`.
        validation.validate_aud = false;
        Ok(decode(token, &key, &validation).map_err(|_| UNAUTHORIZED)?.claims)
    }
}

fn bearer(request: &AuthorizerRequest) -> Option<&str> {
    let header = request.headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.len() <= MAX_TOKEN_BYTES).then_some(token)
}

/// Returns the ARN of all routes of the request's stage.
fn stage(request: &AuthorizerRequest) -> String {
    // arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{method}/{path}
    let arn = request.method_arn.as_deref().unwrap_or_default();
    let mut parts = arn.splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(api), Some(stage)) => format!("{api}/{stage}/*"),
        _ => arn.to_owned(),
    }
}
