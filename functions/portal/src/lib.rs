//! Serves the page of the activity log, its web component and its settings. Everybody may load them: they hold no data.

mod site;

use domain::time::Instant;
use lambda::{Answer, Problem, Request, StatusCode, header, request, response};
use serde_json::json;
use site::{extension, site};

/// The settings of the page.
#[derive(Clone, Debug)]
pub struct App {
    /// The issuer of tokens.
    pub issuer: String,
    /// The address below which the issuer's endpoints are found (OpenID Connect Discovery), or nothing for the issuer itself.
    pub discovery_url: String,
    /// The base of the sign-in's own pages.
    pub sign_in_url: String,
    /// The claim that holds a person's partner.
    pub partner_claim: String,
    /// The claim that holds a person's roles.
    pub roles_claim: String,
    /// The claim that holds the customers whose activities a person may see, or nothing.
    pub customers_claim: String,
    /// The page's client id, where the stage does not say it.
    pub client_id: String,
    /// Where a customer's subscriptions are shown: a URL with `{customer}` in it, or nothing.
    pub subscriptions_url: String,
    /// The zone that partners work in, an IANA name, or nothing.
    pub time_zone: String,
    /// Who may show the page in a frame: `'none'`, `'self'` or origins, as in the policy's directive.
    pub frame_ancestors: String,
}

/// Answers a request by its route.
///
/// # Errors
/// 404.
pub async fn handle(app: &App, request: Request, _now: Instant) -> Answer {
    match request::route(&request).as_str() {
        "GET /" => page(app, &request),
        "GET /health" => response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})),
        "GET /config.json" => config(app, &request),
        "GET /docs" => asset(app, &request, "docs.html"),
        "GET /openapi.json" => asset(app, &request, "openapi.json"),
        // The gateway sends here what no other route takes, whatever the method, because its own answer to an unknown path
        // depends on the token.
        "GET /{proxy+}" => asset(app, &request, &request::path(&request, "proxy")?),
        route => asset(app, &request, route.strip_prefix("GET /").ok_or_else(Problem::not_found)?),
    }
}

/// Answers with the page, or redirects to a path that ends in a slash, because the links of the page are relative.
fn page(app: &App, request: &Request) -> Answer {
    let path = request::whole_path(request).filter(|path| !path.ends_with('/'));
    if let Some(stage) = path.and_then(|path| path.rsplit('/').next()) {
        let mut response = response::empty(StatusCode::PERMANENT_REDIRECT);
        response::set_header(&mut response, header::LOCATION, &format!("{stage}/"));
        return Ok(response);
    }
    asset(app, request, "index.html")
}

fn config(app: &App, request: &Request) -> Answer {
    let stage_client = request::stage_variable(request, "client_id");
    response::json(
        StatusCode::OK,
        &json!({
            "issuer": app.issuer,
            "client_id": stage_client.unwrap_or(&app.client_id),
            "api": ".",
            "discovery_url": app.discovery_url,
            "scope": "openid profile email",
            "partner_claim": app.partner_claim,
            "roles_claim": app.roles_claim,
            "customers_claim": app.customers_claim,
            "subscriptions_url": app.subscriptions_url,
            "time_zone": app.time_zone,
        }),
    )
}

fn asset(app: &App, request: &Request, name: &str) -> Answer {
    let file = site().get(name).ok_or_else(Problem::not_found)?;
    let tag = format!("\"{}\"", file.digest);
    let mut response =
        if request::header_text(request, &header::IF_NONE_MATCH).is_some_and(|known| known.contains(&tag)) {
            response::empty(StatusCode::NOT_MODIFIED)
        } else {
            response::text(StatusCode::OK, media_type(name), &*file.text)
        };
    response::set_header(&mut response, header::ETAG, &tag);
    // A name with a digest always means the same content. Other files are revalidated each time.
    let caching = if file.is_named_by_content { "public, max-age=31536000, immutable" } else { "no-cache" };
    response::set_header(&mut response, header::CACHE_CONTROL, caching);
    let policy = if name == "docs.html" { policy_of_docs(&app.frame_ancestors) } else { policy(app) };
    response::set_header(&mut response, header::CONTENT_SECURITY_POLICY, &policy);
    Ok(response)
}

/// Every asset is text: what is served as such needs no decoding by the gateway.
fn media_type(name: &str) -> &'static str {
    match extension(name) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Returns the policy of the page: everything from this origin, except the sign-in and the issuer's endpoints.
fn policy(app: &App) -> String {
    let discovery_url = if app.discovery_url.is_empty() { &app.issuer } else { &app.discovery_url };
    let (sign_in, issuer) = (origin(&app.sign_in_url), origin(discovery_url));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {sign_in} {issuer}; form-action 'self' {sign_in}; frame-ancestors {}; base-uri 'none'",
        app.frame_ancestors
    )
}

/// Returns the policy of the page that shows the API's description. Swagger UI downloads files that somebody tried out as `blob:`.
fn policy_of_docs(frame_ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         connect-src 'self'; form-action 'none'; frame-ancestors {frame_ancestors}; base-uri 'none'"
    )
}

/// Returns scheme, host and port of a URL, or nothing.
fn origin(url: &str) -> String {
    match url.splitn(4, '/').collect::<Vec<_>>().as_slice() {
        [scheme, "", host, ..] => format!("{scheme}//{host}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(sign_in_url: &str, discovery_url: &str) -> App {
        App {
            issuer: "https://issuer.example/pool".to_owned(),
            discovery_url: discovery_url.to_owned(),
            sign_in_url: sign_in_url.to_owned(),
            partner_claim: "partner".to_owned(),
            roles_claim: "roles".to_owned(),
            customers_claim: String::new(),
            client_id: String::new(),
            subscriptions_url: String::new(),
            time_zone: String::new(),
            frame_ancestors: "https://portal.example".to_owned(),
        }
    }

    #[test]
    fn policy_names_the_origins_of_the_sign_in() {
        let shown = policy(&app("https://x.example/base/", ""));
        assert!(shown.contains("connect-src 'self' https://x.example https://issuer.example;"), "{shown}");
        assert!(shown.contains("form-action 'self' https://x.example;"), "{shown}");
        assert!(shown.contains("frame-ancestors https://portal.example;"), "{shown}");
        assert!(!shown.contains("unsafe"), "{shown}");
        let shown = policy(&app("", "http://localhost:4600/pool"));
        assert!(shown.contains("connect-src 'self'  http://localhost:4600;"), "{shown}");
    }

    #[test]
    fn policy_of_docs_allows_nothing_of_others() {
        let shown = policy_of_docs("'none'");
        assert!(!shown.contains("unsafe"), "{shown}");
        assert!(shown.contains("script-src 'self';") && shown.contains("connect-src 'self';"), "{shown}");
    }
}
