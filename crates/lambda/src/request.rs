//! What the functions read of a request.
//!
//! API Gateway hands requests on as `lambda_http` events. The query comes decoded, path parameters come as they were sent.

use std::{borrow::Cow, time::Duration};

use domain::{
    access::{Caller, Operation},
    activity::PartnerId,
    fault::{Fault, Faults, Rejection, push_name},
    locale::Locale,
    request_json::{read_owned, without_byte_order_mark},
    text::quoted,
    time::Instant,
};
use lambda_http::{
    Body, RequestExt as _,
    aws_lambda_events::apigw::ApiGatewayProxyRequestContext,
    http::{HeaderName, Method, header},
    request::RequestContext,
};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::{
    environment, identity, log,
    payload::{MAX_PAYLOAD_BYTES, string_bytes},
    problem::{Problem, ProblemKind},
};

pub use lambda_http::Request;

fn context(request: &Request) -> Option<&ApiGatewayProxyRequestContext> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV1(context) => Some(context),
        _ => None,
    }
}

/// Returns the route that the request took, such as `GET /v1/partners/{partner}/exports`.
///
/// `HEAD` takes the route of `GET`, because only the body of the answer differs, which the host leaves out.
pub fn route(request: &Request) -> String {
    let path = context(request).and_then(|context| context.resource_path.as_deref());
    let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
    format!("{method} {}", path.unwrap_or_default())
}

/// Tells whether the answer is sent without its body.
pub fn is_head(request: &Request) -> bool {
    request.method() == Method::HEAD
}

/// Returns the path as the caller sent it, stage included.
pub fn whole_path(request: &Request) -> Option<&str> {
    context(request)?.path.as_deref()
}

/// Returns the gateway's id of the request, under which the request stands in the logs.
pub fn trace_id(request: &Request) -> &str {
    context(request).and_then(|context| context.request_id.as_deref()).unwrap_or_default()
}

/// Returns the address that the request came from, as the gateway saw it.
pub fn source_ip(request: &Request) -> Option<&str> {
    context(request)?.identity.source_ip.as_deref()
}

/// Returns the user agent of the caller's program, as the gateway saw it.
pub fn user_agent(request: &Request) -> Option<&str> {
    context(request)?.identity.user_agent.as_deref()
}

/// Returns a variable of the gateway's stage.
pub fn stage_variable<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.stage_variables_ref()?.first(name)
}

/// Returns the caller, as the authorizer found them.
///
/// # Errors
/// 401 when the request came without an authorizer's answer; 403 when the caller's client is not registered.
pub fn caller(request: &Request) -> Result<Caller, Problem> {
    let caller = identified(request)
        .ok_or_else(|| Problem::new(ProblemKind::Unauthorized, "Send a current token as Authorization: Bearer."))?;
    caller.may_use_the_service()?;
    Ok(caller)
}

/// Returns the caller, as the authorizer found them, whatever they may do.
pub(crate) fn identified(request: &Request) -> Option<Caller> {
    identity::read_context(&context(request)?.authorizer.fields)
}

/// Returns the caller and the partner of the path, if the caller may do this operation for that partner.
///
/// # Errors
/// 401, 403 or 404.
pub fn partner_for(request: &Request, operation: Operation) -> Result<(Caller, PartnerId), Problem> {
    let caller = caller(request)?;
    let partner = path_partner(request)?;
    caller.may(operation, &partner)?;
    log::set_partner(&partner);
    Ok((caller, partner))
}

/// Returns the partner of the path, if the caller operates the installation.
///
/// # Errors
/// 401, 403 or 404.
pub fn partner_for_operator(request: &Request) -> Result<(Caller, PartnerId), Problem> {
    let caller = caller(request)?;
    caller.may_operate()?;
    let partner = path_partner(request)?;
    log::set_partner(&partner);
    Ok((caller, partner))
}

fn path_partner(request: &Request) -> Result<PartnerId, Problem> {
    PartnerId::parse(&path(request, "partner")?).map_err(|_| Problem::not_found())
}

/// Returns a parameter of the path, percent-decoded.
///
/// # Errors
/// 404 when the parameter is missing or not UTF-8.
pub fn path(request: &Request, name: &str) -> Result<String, Problem> {
    // Decoded here, because the gateway hands path parameters on as they were sent.
    let raw = request.path_parameters_ref().and_then(|parameters| parameters.first(name));
    percent_decode_str(raw.ok_or_else(Problem::not_found)?)
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| Problem::not_found())
}

/// Returns the body as text.
///
/// # Errors
/// 413 over [`MAX_PAYLOAD_BYTES`], as Lambda carries the body; 400 when the body is not UTF-8.
pub fn body(request: &Request) -> Result<&str, Problem> {
    let body = match request.body() {
        Body::Text(text) => Some(text.as_str()),
        Body::Binary(bytes) => str::from_utf8(bytes).ok(),
        _ => Some(""),
    };
    // A gateway that takes bodies for text replaces bytes that are not UTF-8 by U+FFFD, which changes the length. A body
    // that was sent with U+FFFD keeps its length, and is accepted.
    let sent = header_text(request, &header::CONTENT_LENGTH).and_then(|length| length.trim().parse::<usize>().ok());
    let is_encoded = header_text(request, &header::CONTENT_ENCODING).is_some();
    let body = body
        .filter(|body| is_encoded || sent.is_none_or(|sent| sent == body.len()) || !body.contains('\u{fffd}'))
        .ok_or_else(|| Problem::new(ProblemKind::InvalidRequest, "The body is not UTF-8."))?;
    let counted = string_bytes(body);
    if counted > MAX_PAYLOAD_BYTES {
        let detail = format!(
            "The body counts {counted} bytes of at most {MAX_PAYLOAD_BYTES}: each quote, backslash and line break counts twice. Send fewer activities at a time, or smaller details."
        );
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(body)
}

/// Returns the body, or an empty JSON object where the body is blank.
///
/// # Errors
/// As [`body`].
pub fn body_or_empty_object(request: &Request) -> Result<&str, Problem> {
    let body = without_byte_order_mark(body(request)?);
    Ok(if body.trim().is_empty() { "{}" } else { body })
}

/// Returns the body's media type in lower case, without parameters; empty where the request has none.
pub fn media_type(request: &Request) -> String {
    let header = header_text(request, &header::CONTENT_TYPE).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns how long Lambda lets this invocation continue after `now`.
pub fn time_left(request: &Request, now: Instant) -> Duration {
    let deadline = request.lambda_context_ref().map_or(Instant::MAX, environment::deadline);
    environment::time_left(deadline, now)
}

/// Returns the text of a header; none where the header is absent or not UTF-8.
pub fn header_text<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    str::from_utf8(request.headers().get(name)?.as_bytes()).ok()
}

/// Returns the language that a parameter asks for, else the `Accept-Language` header.
///
/// # Errors
/// 400 for a language that is not available.
pub fn locale(request: &Request, asked: Option<&str>) -> Result<Locale, Problem> {
    parse_locale(request, asked).map_err(|fault| Rejection::Invalid(vec![fault]).into())
}

/// Returns the language that a field of the body asks for, else the `Accept-Language` header.
///
/// # Errors
/// A fault of the field for a language that is not available.
pub fn parse_locale(request: &Request, asked: Option<&str>) -> Result<Locale, Fault> {
    asked.map_or_else(|| Ok(preferred_locale(request)), Locale::parse)
}

/// Returns the language that the `Accept-Language` header prefers.
pub fn preferred_locale(request: &Request) -> Locale {
    Locale::negotiate(header_text(request, &header::ACCEPT_LANGUAGE))
}

/// Tells whether the caller already has what `tag` stands for (`If-None-Match`, RFC 9110, section 13.1.2).
pub fn has_current(request: &Request, tag: &str) -> bool {
    header_text(request, &header::IF_NONE_MATCH).is_some_and(|known| {
        known.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
    })
}

/// Refuses a query at a route that has no parameters.
///
/// A filter that stands in the query instead of the body would be ignored, and the answer would hold everything.
///
/// # Errors
/// 400 that names the parameters.
pub fn refuse_parameters(request: &Request) -> Result<(), Problem> {
    Parameters::read(request, &[]).map(drop).map_err(Problem::from)
}

/// Refuses a body with fields at a route that reads none.
///
/// # Errors
/// 400 that names the fields, or says that the body is no JSON object.
pub fn refuse_fields(request: &Request) -> Result<(), Problem> {
    /// A body without fields.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoFields {}

    let mut faults = Faults::default();
    let body: Option<NoFields> = read_owned(body_or_empty_object(request)?, &mut faults);
    faults.finish(body).map(drop).map_err(Problem::from)
}

/// The parameters of the query, in the order of the names that the route knows.
#[derive(Debug)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads the query, which may hold only these names.
    ///
    /// # Errors
    /// The unknown parameters.
    pub fn read(request: &Request, known: &[&'static str]) -> Result<Self, Rejection> {
        let mut faults = Faults::default();
        let parameters = Self::read_known(request, known, &mut faults);
        faults.finish(Some(parameters))
    }

    /// Reads the known parameters of the query, and adds a fault for each other one.
    pub fn read_known(request: &Request, known: &[&'static str], faults: &mut Faults) -> Self {
        Self::read_if(request, known, faults, |name, known| name == known)
    }

    /// Reads the known parameters as [`Self::read_known`] does, whatever the case of their names.
    pub fn read_any_case(request: &Request, known: &[&'static str], faults: &mut Faults) -> Self {
        Self::read_if(request, known, faults, str::eq_ignore_ascii_case)
    }

    fn read_if(
        request: &Request,
        known: &[&'static str],
        faults: &mut Faults,
        is_same: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let (mut parameters, mut unknown) = (Vec::new(), Vec::new());
        for (name, value) in request.query_string_parameters_ref().into_iter().flat_map(|query| query.iter()) {
            match known.iter().position(|known| is_same(name, known)) {
                Some(place) => parameters.push((place, value.to_owned())),
                None => unknown.push(name),
            }
        }
        // Sorted, because the event's map has no order; the values of one name keep theirs.
        parameters.sort_by_key(|(place, _)| *place);
        unknown.sort_unstable();
        for name in unknown {
            let mut pointer = String::new();
            push_name(&mut pointer, name);
            faults.invalid(&pointer, explain_unknown(known));
        }
        Self(parameters.into_iter().filter_map(|(place, value)| Some((*known.get(place)?, value))).collect())
    }

    /// Iterates over names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns all values of a parameter.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.clone()).collect()
    }

    /// Returns the one value of a parameter.
    ///
    /// An empty value is refused, because a caller whose variable is not set would be answered something else than it asked.
    ///
    /// # Errors
    /// A fault when the parameter is empty or sent more than once.
    pub fn one(&self, name: &str) -> Result<Option<String>, Rejection> {
        let mut values = self.all(name);
        let first = values.pop();
        if !values.is_empty() {
            return Err(fault(name, "is given more than once"));
        }
        match first {
            Some(value) if value.is_empty() => Err(fault(name, "is empty: leave it out, or give it a value")),
            first => Ok(first),
        }
    }

    /// Reads the one value of a parameter with a function whose error says what is wrong.
    ///
    /// # Errors
    /// As [`Self::one`], and the function's.
    pub fn parse<T>(&self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Option<T>, Rejection> {
        let value = self.one(name)?;
        value.map(|text| read(&text)).transpose().map_err(|detail| fault(name, detail))
    }

    /// Returns the parameter `cursor`. An empty cursor asks for the first page, as an absent one does.
    ///
    /// # Errors
    /// A fault when the parameter is sent more than once.
    pub fn cursor(&self) -> Result<Option<String>, Rejection> {
        match self.0.iter().any(|(name, value)| *name == "cursor" && !value.is_empty()) {
            true => self.one("cursor"),
            false => Ok(None),
        }
    }

    /// Returns a whole number from 1 to `max`.
    ///
    /// # Errors
    /// A fault when the value is no such number.
    pub fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Rejection> {
        let number = self.parse(name, |text| {
            let number = text.parse::<usize>().ok().filter(|number| (1..=max).contains(number));
            number.ok_or_else(|| format!("{} is not a whole number from 1 to {max}", quoted(text)))
        })?;
        Ok(number.unwrap_or(default))
    }
}

fn fault(name: &str, detail: impl Into<String>) -> Rejection {
    Rejection::invalid(format!("/{name}"), detail)
}

fn explain_unknown(known: &[&str]) -> String {
    match known {
        [] => "unknown parameter: this route has none in its query".to_owned(),
        known => format!("unknown parameter; known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests;
