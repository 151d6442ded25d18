//! Verifies the caller's token and passes the caller's identity on to the other functions.
//!
//! The answer allows the whole stage: the gateway keeps it per token for some minutes, and a policy narrowed to one route
//! would wrongly deny the next. Each function decides what the caller may do.

mod keys;

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest as AuthorizerRequest;
use domain::{access::Role, activity::MAX_NAME_CHARS, time::Instant};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use lambda::{Error, host::UNAUTHORIZED};
use serde_json::{Map, Value, json};
use store::control::Control;

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
    /// The claim that holds the partner.
    pub partner_claim: String,
    /// The claim that holds a person's roles.
    pub roles_claim: String,
    /// The claim that holds a machine's scopes.
    pub scope_claim: String,
    /// The store of registered machine clients.
    pub control: Control,
}

/// Answers the gateway with a policy and the caller.
///
/// # Errors
/// `Unauthorized` for a token that is not valid; any other error is a fault of ours.
pub async fn handle(app: &App, request: AuthorizerRequest, now: Instant) -> Result<Value, Error> {
    let token = bearer(&request).ok_or(UNAUTHORIZED)?;
    let claims = app.verify(token, now).await?;
    let client_id = text(&claims, "client_id");
    let audiences = audiences(&claims);
    let own_client = request.stage_variables.get("client_id").map(String::as_str);
    let known = audiences
        .iter()
        .filter(|audience| !audience.is_empty())
        .any(|audience| app.audiences.iter().any(|known| known == audience) || own_client == Some(audience));
    let mut partner = text(&claims, &app.partner_claim);
    let mut people = words(claims.get(&app.roles_claim));
    if !known || (partner.is_empty() && !client_id.is_empty()) {
        // A registration makes only the client's tokens for this service valid, not its tokens for another API.
        let registered = match client_id.as_str() {
            "" => None,
            _ if !known && !audiences.contains(&client_id) => None,
            client_id => app.control.client(client_id).await?,
        };
        match registered {
            Some(client) => {
                partner = client.partner;
                // Registered clients are machines. If the operator registered a page's client by mistake, every person who
                // signs in there would otherwise get roles at this partner.
                people.clear();
            }
            None if known => {}
            None => return Err(UNAUTHORIZED.into()),
        }
    }
    let scopes = words(claims.get(&app.scope_claim)).into_iter().filter_map(|scope| Role::of_scope(&scope));
    let people = people.iter().filter_map(|name| Role::of_person(name));
    let roles: Vec<String> = people.chain(scopes).map(|role| role.to_string()).collect();
    let name: String = ["name", "email", "preferred_username", "cognito:username", "username", "client_id"]
        .into_iter()
        .map(|claim| text(&claims, claim))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
        .chars()
        .take(MAX_NAME_CHARS)
        .collect();
    let subject = text(&claims, "sub");
    if subject.is_empty() {
        return Err(UNAUTHORIZED.into());
    }
    Ok(json!({
        "principalId": subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": stage(&request)}],
        },
        "context": {"subject": subject, "name": name, "partner": partner, "roles": roles.join(" ")},
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

/// Returns the audiences of a token: `aud`, one or many, else `client_id`.
fn audiences(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience.clone()],
        Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => vec![text(claims, "client_id")],
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the words of a claim: an array, or a text with spaces or commas.
fn words(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(words)) => {
            words.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
