//! Serves the activity log page, its web component and its settings, to anybody: it holds no one's data.

use daybook::{
    http::{self, Answer, Problem, Request, StatusCode, header},
    period::Instant,
};
use rust_embed::RustEmbed;
use serde_json::json;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The settings of the page.
#[derive(Clone, Debug)]
pub struct App {
    /// The issuer of tokens.
    pub issuer: String,
    /// The base of the sign-in's own pages.
    pub sign_in_url: String,
    /// The page's client id, where the stage does not say it.
    pub client_id: String,
    /// Where a customer's subscriptions are shown: a URL with `{customer}` in it, or nothing.
    pub subscriptions_url: String,
}

/// The routes of this function.
///
/// # Errors
/// 404.
pub async fn handle(app: &App, request: Request, _now: Instant) -> Answer {
    match request.route().as_str() {
        "GET /" => page(app, &request),
        "GET /health" => http::ok(StatusCode::OK, &json!({"status": "ok"})),
        "GET /config.json" => config(app, &request),
        "GET /docs" => asset(app, &request, "docs.html"),
        "GET /openapi.json" => asset(app, &request, "openapi.json"),
        "GET /{asset}" => asset(app, &request, &http::path(&request, "asset")?),
        route => asset(app, &request, route.strip_prefix("GET /").ok_or_else(Problem::not_found)?),
    }
}

/// The page, below a path that ends in a slash: its links are relative.
fn page(app: &App, request: &Request) -> Answer {
    let path = request.whole_path().filter(|path| !path.ends_with('/'));
    if let Some(stage) = path.and_then(|path| path.rsplit('/').next()) {
        let mut response = http::empty(StatusCode::PERMANENT_REDIRECT);
        http::add_header(&mut response, header::LOCATION, &format!("{stage}/"));
        return Ok(response);
    }
    asset(app, request, "index.html")
}

fn config(app: &App, request: &Request) -> Answer {
    let stage_client = request.stage_variable("client_id");
    let sign_in = app.sign_in_url.trim_end_matches('/');
    http::ok(
        StatusCode::OK,
        &json!({
            "issuer": app.issuer,
            "client_id": stage_client.unwrap_or(&app.client_id),
            "api": ".",
            "authorization_endpoint": format!("{sign_in}/oauth2/authorize"),
            "token_endpoint": format!("{sign_in}/oauth2/token"),
            "end_session_endpoint": format!("{sign_in}/logout"),
            "scope": "openid profile email",
            "subscriptions_url": app.subscriptions_url,
        }),
    )
}

fn asset(app: &App, request: &Request, name: &str) -> Answer {
    let file = Assets::get(name).ok_or_else(Problem::not_found)?;
    let digest: String = file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{digest}\"");
    let mut response = if http::header_text(request, &header::IF_NONE_MATCH).is_some_and(|known| known.contains(&tag)) {
        http::empty(StatusCode::NOT_MODIFIED)
    } else {
        let text = String::from_utf8(file.data.into_owned()).map_err(|_| Problem::not_found())?;
        http::with_body(StatusCode::OK, media_type(name), text)
    };
    http::add_header(&mut response, header::ETAG, &tag);
    http::add_header(&mut response, header::CACHE_CONTROL, "no-cache");
    http::add_header(&mut response, header::CONTENT_SECURITY_POLICY, &policy(&app.sign_in_url));
    Ok(response)
}

/// Every asset is text: what is served as such needs no decoding by the gateway.
fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

/// Everything from here, but for the sign-in's own pages.
fn policy(sign_in_url: &str) -> String {
    let origin: String = match sign_in_url.splitn(4, '/').collect::<Vec<_>>().as_slice() {
        [scheme, "", host, ..] => format!("{scheme}//{host}"),
        _ => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {origin}; form-action 'self' {origin}; frame-ancestors 'none'; base-uri 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_sign_in_by_its_origin() {
        assert!(policy("https://x.example/base/").contains("connect-src 'self' https://x.example;"));
        assert!(policy("").contains("connect-src 'self' ;"));
    }

    #[test]
    fn every_asset_is_text_with_a_type_of_its_own() {
        for name in Assets::iter() {
            assert!(!media_type(&name).starts_with("text/plain"), "{name}");
            assert!(String::from_utf8(Assets::get(&name).unwrap().data.into_owned()).is_ok(), "{name}");
        }
    }
}
