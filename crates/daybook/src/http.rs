//! What all functions share of HTTP: who calls, what is asked, and how it is answered.
//!
//! Every answer that is not a success is a problem document (RFC 9457). Our own faults are logged here, with their
//! causes, and told to the caller in general words only.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use lambda_http::{
    Body, Request, RequestExt as _, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
    request::RequestContext,
};
use percent_encoding::percent_decode_str;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::{
    access::{Caller, Operation, Refusal},
    activity::{Fault, PartnerId, Rejection, hex},
    export::profile::Locale,
    host,
    period::Instant,
    storage,
};

/// The largest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 6_000_000;

/// What went wrong, as the caller is told.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
}

/// The kinds of problems: each has a slug, a title and a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// 400
    InvalidRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 410
    Gone,
    /// 413
    TooLarge,
    /// 422
    Unprocessable,
    /// 500
    Internal,
    /// 503
    Unavailable,
}

impl ProblemKind {
    fn parts(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::InvalidRequest => ("invalid-request", "The request is not valid", 400),
            Self::Unauthorized => ("unauthorized", "A valid token is needed", 401),
            Self::Forbidden => ("forbidden", "Your role does not allow this", 403),
            Self::NotFound => ("not-found", "There is nothing here", 404),
            Self::Conflict => ("conflict", "This conflicts with what is stored", 409),
            Self::Gone => ("gone", "This is no longer available", 410),
            Self::TooLarge => ("too-large", "The request is too large", 413),
            Self::Unprocessable => ("unprocessable", "The request cannot be accepted", 422),
            Self::Internal => ("internal", "Something went wrong on our side", 500),
            Self::Unavailable => ("unavailable", "The service is briefly unavailable", 503),
        }
    }
}

impl Problem {
    /// A problem with a sentence that says what is wrong and what to do.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new() }
    }

    /// What every caller gets that asks for what it cannot see, whether it exists or not.
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "No such resource, or none that this token can see.")
    }

    /// A single field that is not valid.
    pub fn field(name: &str, detail: impl Into<String>) -> Self {
        Rejection::Invalid(vec![Fault { pointer: format!("/{name}"), detail: detail.into() }]).into()
    }

    /// What kind of problem it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The document, without the trace.
    pub fn document(self) -> ProblemDocument {
        let (slug, title, status) = self.kind.parts();
        let kind = format!("urn:daybook:problem:{slug}");
        ProblemDocument { kind, title, status, detail: self.detail, errors: self.errors, trace_id: None }
    }
}

/// A problem as it is sent (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// The kind of problem: a URI that ends in its slug.
    #[serde(rename = "type")]
    #[schema(example = "urn:daybook:problem:invalid-request")]
    pub kind: String,
    /// The kind, in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
    /// Each fault with the field that it is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// Under which the request stands in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trace_id: Option<String>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::not_found(),
            Refusal::Forbidden => Self::new(
                ProblemKind::Forbidden,
                "The roles of this token do not include this operation. Ask an administrator of the partner.",
            ),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (kind, errors) = match rejection {
            Rejection::Invalid(errors) => (ProblemKind::InvalidRequest, errors),
            Rejection::TooLarge(errors) => (ProblemKind::TooLarge, errors),
            Rejection::Unprocessable(errors) => (ProblemKind::Unprocessable, errors),
        };
        let mut detail = String::new();
        for Fault { pointer, detail: what } in &errors {
            let separator = if detail.is_empty() { "" } else { "; " };
            let field = if pointer.is_empty() { "the body" } else { pointer };
            // Writing to a string cannot fail.
            write!(detail, "{separator}{field}: {what}").ok();
        }
        Self { kind, detail, errors }
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        tracing::error!(error = storage::causes(&error), "storage");
        if error.is_passing() {
            Self::new(ProblemKind::Unavailable, "The storage does not answer. Send the same request again in a moment.")
        } else {
            Self::new(
                ProblemKind::Internal,
                "The fault is logged under this trace. Sending the request again will not mend it.",
            )
        }
    }
}

/// The caller, as the authorizer found it.
///
/// # Errors
/// 401 when the request came without an authorizer's answer.
pub fn caller(request: &Request) -> Result<Caller, Problem> {
    let unauthorized = || Problem::new(ProblemKind::Unauthorized, "Send a valid token: Authorization: Bearer …");
    let Some(RequestContext::ApiGatewayV1(context)) = request.request_context_ref() else { return Err(unauthorized()) };
    let field = |name: &str| {
        context.authorizer.fields.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let subject = field("subject");
    if subject.is_empty() {
        return Err(unauthorized());
    }
    let partner = PartnerId::parse(&field("partner")).ok();
    let roles = field("roles").split(' ').filter_map(|role| role.parse().ok()).collect();
    Ok(Caller::new(subject, field("name"), partner, roles))
}

/// The partner of the path, if the caller may do this to it.
///
/// # Errors
/// 401, 403 or 404.
pub fn partner_for(request: &Request, operation: Operation) -> Result<(Caller, PartnerId), Problem> {
    let caller = caller(request)?;
    let partner = PartnerId::parse(&path(request, "partner")?).map_err(|_| Problem::not_found())?;
    caller.may(operation, &partner)?;
    Ok((caller, partner))
}

/// The route that a request took, such as `GET /v1/partners/{partner}/exports`.
pub fn route(request: &Request) -> String {
    let resource = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => context.resource_path.as_deref().unwrap_or_default(),
        _ => "",
    };
    format!("{} {resource}", request.method())
}

/// A parameter of the path. The gateway hands it on as it was sent, percent-encoded.
///
/// # Errors
/// 404 when it is missing or not UTF-8.
pub fn path(request: &Request, name: &str) -> Result<String, Problem> {
    let parameters = request.path_parameters_ref();
    let raw = parameters.and_then(|parameters| parameters.first(name)).ok_or_else(Problem::not_found)?;
    percent_decode_str(raw).decode_utf8().map(Into::into).map_err(|_| Problem::not_found())
}

/// The body as text.
///
/// # Errors
/// 413 over [`MAX_BODY_BYTES`], 400 when it is not UTF-8.
pub fn body(request: &Request) -> Result<&str, Problem> {
    let body: &[u8] = request.body();
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("The body has {} bytes; send at most {MAX_BODY_BYTES}.", body.len());
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    std::str::from_utf8(body).map_err(|_| Problem::new(ProblemKind::InvalidRequest, "The body is not UTF-8."))
}

/// The body's media type, without parameters, in lower case; empty where the request does not say it.
pub fn media_type(request: &Request) -> String {
    let header = header_text(request, &header::CONTENT_TYPE).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How long the runtime lets this invocation go on.
pub fn time_left(request: &Request, now: Instant) -> Duration {
    request.lambda_context_ref().map_or(Duration::MAX, |context| host::time_left(context, now))
}

/// The parameters of the query.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query, in which only these names may stand.
    ///
    /// # Errors
    /// 400 that names an unknown parameter.
    pub fn read(request: &Request, known: &[&str]) -> Result<Self, Problem> {
        Self::read_if(request, known, |name, known| name == known)
    }

    /// As [`Self::read`], whatever the case of the names: they are then spelled as in `known`.
    ///
    /// # Errors
    /// 400 that names an unknown parameter.
    pub fn read_any_case(request: &Request, known: &[&str]) -> Result<Self, Problem> {
        Self::read_if(request, known, str::eq_ignore_ascii_case)
    }

    fn read_if(request: &Request, known: &[&str], same: impl Fn(&str, &str) -> bool) -> Result<Self, Problem> {
        let mut parameters = Vec::new();
        for (name, value) in request.query_string_parameters_ref().iter().flat_map(|query| query.iter()) {
            let Some(known) = known.iter().find(|known| same(name, known)) else {
                let shown: String = name.chars().take(60).collect();
                return Err(Problem::field(&shown, format!("unknown parameter; known are {}", known.join(", "))));
            };
            parameters.push(((*known).to_owned(), value.to_owned()));
        }
        Ok(Self(parameters))
    }

    /// All parameters with their values, in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    /// The one value of a parameter; an empty one counts as absent.
    ///
    /// # Errors
    /// 400 when it is given twice.
    pub fn one(&self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.all(name);
        values.retain(|value| !value.is_empty());
        let first = values.pop();
        if values.is_empty() { Ok(first) } else { Err(Problem::field(name, "is given more than once")) }
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// 400 when it is not.
    pub fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.one(name)? else { return Ok(default) };
        text.parse().ok().filter(|number| (1..=max).contains(number)).ok_or_else(|| {
            Problem::field(name, format!("{} is not a whole number from 1 to {max}", crate::period::quoted(&text)))
        })
    }
}

/// The language asked for by a parameter, else by the `Accept-Language` header.
///
/// # Errors
/// 400 for a language that is not there.
pub fn locale(request: &Request, asked: Option<&str>) -> Result<Locale, Problem> {
    match asked {
        Some(asked) => Locale::parse(asked).map_err(|fault| Rejection::Invalid(vec![fault]).into()),
        None => Ok(Locale::negotiate(header_text(request, &header::ACCEPT_LANGUAGE))),
    }
}

/// A header's text.
pub fn header_text<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// An opaque text that holds a value: a cursor.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn seal<T: Serialize>(value: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(value).map_err(|error| storage::Error::broken("writing a cursor", error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The value in a cursor that came in the field `name`.
///
/// # Errors
/// 400 when it is none of ours.
pub fn unseal<T: DeserializeOwned>(name: &str, cursor: &str) -> Result<T, Problem> {
    let value = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok());
    value.ok_or_else(|| Problem::field(name, "is not a cursor of this list; start again without it"))
}

/// Tells queries apart, so that a cursor is used with its own only.
pub fn fingerprint(query: &str) -> String {
    hex(&Sha256::digest(query)[..8])
}

/// Whether the caller says (`If-None-Match`, RFC 9110, section 13.1.2) that it has what `tag` stands for.
pub fn knows(request: &Request, tag: &str) -> bool {
    header_text(request, &header::IF_NONE_MATCH).is_some_and(|known| {
        known.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
    })
}

/// What a handler answers.
pub type Answer = Result<Response<Body>, Problem>;

/// An answer with a JSON body.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn ok<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let json = serde_json::to_string(value).map_err(|error| storage::Error::broken("writing an answer", error))?;
    Ok(with_body(status, "application/json", Body::Text(json)))
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// An answer with a body of some type.
pub fn with_body(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Adds a header; a value that no header can carry is left out, and logged.
pub fn add_header(response: &mut Response<Body>, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => {
            response.headers_mut().insert(name, value);
        }
        Err(_) => tracing::warn!(%name, "a header's value cannot be sent"),
    }
}

/// Turns what a handler answers into what is sent, with the headers that every answer has.
pub fn respond(request_id: &str, allowed_origin: Option<&str>, answer: Answer) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|problem| {
        let kind = problem.kind;
        let document = ProblemDocument { trace_id: Some(request_id.to_owned()), ..problem.document() };
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Texts and numbers: nothing in it that could not be written.
        let text = serde_json::to_string(&document).unwrap_or_default();
        let mut response = with_body(status, "application/problem+json", Body::Text(text));
        if kind == ProblemKind::Unavailable {
            add_header(&mut response, header::RETRY_AFTER, "2");
        }
        response
    });
    let defaults = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(origin) = allowed_origin.filter(|origin| !origin.is_empty()) {
        add_header(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        add_header(
            &mut response,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Link, Location, Retry-After, ETag, MS-RequestId, MS-CorrelationId",
        );
    }
    response
}
