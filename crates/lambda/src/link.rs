//! Answers that lead to a file in the bucket, by a link that works for minutes.

use domain::{fault::Rejection, text::quoted, time::Instant};
use lambda_http::http::{Method, StatusCode, header};
use serde::Serialize;
use store::links::{LINK_SECONDS, LinkMethod};
use utoipa::ToSchema;

use crate::{
    request::{Parameters, Request},
    response::{self, Answer},
};

/// A link to a file. Keep the link secret: anyone with the link can download the file without a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileLink)]
pub struct LinkAnswer {
    /// The address.
    pub url: String,
    /// The time at which the link expires.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Tells whether the caller wants a redirect, which is the default, or the link as JSON.
///
/// # Errors
/// A fault when `redirect` is neither `true` nor `false`.
pub fn wants_redirect(parameters: &Parameters) -> Result<bool, Rejection> {
    let asked = parameters.parse("redirect", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{} is neither true nor false", quoted(other))),
    })?;
    Ok(asked.unwrap_or(true))
}

/// Returns the method to sign a link for: the client repeats its own method at the link.
///
/// A link as JSON is for a download, whatever the method that asked for the link.
pub fn method(request: &Request, is_redirect: bool) -> LinkMethod {
    if is_redirect && request.method() == Method::HEAD { LinkMethod::Head } else { LinkMethod::Get }
}

/// Answers with a link that was signed at `now`.
///
/// # Errors
/// 500 when the answer cannot be written as JSON.
pub fn answer(url: String, is_redirect: bool, now: Instant) -> Answer {
    if is_redirect {
        let mut response = response::empty(StatusCode::SEE_OTHER);
        response::set_header(&mut response, header::LOCATION, &url);
        return Ok(response);
    }
    let expires_at = now.plus_seconds(i64::try_from(LINK_SECONDS).unwrap_or(i64::MAX)).to_millis_text();
    response::json(StatusCode::OK, &LinkAnswer { url, expires_at })
}
