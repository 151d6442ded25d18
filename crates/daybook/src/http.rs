//! What all functions share of HTTP: who calls, what is asked, and how it is answered.
//!
//! Every answer that is not a success is a problem document (RFC 9457). Our own faults are logged here, with their
//! causes, and told to the caller in general words only.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    io,
    marker::PhantomData,
    time::Duration,
};

use ::http::HeaderValue;
pub use ::http::{HeaderName, StatusCode, header};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::log;
use domain::{
    access::{Caller, Operation, Refusal},
    activity::{Fault, PartnerId, Rejection},
    locale::Locale,
    quota::Over,
    text::hex,
};
use store::error as storage;

/// The largest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 6_000_000;

/// When to ask again what the storage did not answer, in seconds.
const STORAGE_RETRY_SECONDS: u32 = 2;

/// What went wrong, as the caller is told.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
    /// In how many seconds to ask again, where that is known.
    retry_after: Option<u32>,
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
    /// 429
    Throttled,
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
            Self::Throttled => ("throttled", "Too many requests", 429),
            Self::Internal => ("internal", "Something went wrong on our side", 500),
            Self::Unavailable => ("unavailable", "The service is briefly unavailable", 503),
        }
    }
}

impl Problem {
    /// A problem with a sentence that says what is wrong and what to do.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// What every caller gets that asks for what it cannot see, whether it exists or not.
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "No such resource, or none that this token can see.")
    }

    /// A fault of ours, which the log tells of.
    pub(crate) fn broken() -> Self {
        Self::new(
            ProblemKind::Internal,
            "The fault is logged under this trace. Sending the request again will not mend it.",
        )
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
        Self { kind, detail, errors, retry_after: None }
    }
}

impl From<Over> for Problem {
    fn from(over: Over) -> Self {
        Self { retry_after: Some(over.retry_after), ..Self::new(ProblemKind::Throttled, over.detail) }
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        tracing::error!(error = storage::causes(&error), "storage");
        if error.is_transient() {
            let detail = "The storage does not answer. Send the same request again in a moment.";
            Self { retry_after: Some(STORAGE_RETRY_SECONDS), ..Self::new(ProblemKind::Unavailable, detail) }
        } else {
            Self::broken()
        }
    }
}

/// A request as the gateway's proxy integration hands it on; of its event, what the functions read. Its texts are those of
/// the event where they stand there as they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Request<'a> {
    http_method: Text<'a>,
    #[serde(default)]
    path_parameters: Pairs<'a, Text<'a>>,
    /// All of them; the event has besides the last of each name.
    #[serde(default)]
    multi_value_query_string_parameters: Pairs<'a, Vec<Text<'a>>>,
    #[serde(default)]
    multi_value_headers: Pairs<'a, Vec<Text<'a>>>,
    #[serde(default)]
    stage_variables: Pairs<'a, Text<'a>>,
    request_context: Context<'a>,
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
    /// How long the runtime lets the invocation go on.
    #[serde(skip)]
    pub(crate) time: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Context<'a> {
    #[serde(default)]
    request_id: Text<'a>,
    resource_path: Option<Text<'a>>,
    path: Option<Text<'a>>,
    /// What the authorizer passed on; numbers among it are the gateway's own.
    #[serde(default)]
    authorizer: Pairs<'a, Passed<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, bound(deserialize = "'de: 'a"))]
enum Passed<'a> {
    Text(Text<'a>),
    Other(IgnoredAny),
}

/// A text of the event; one of its own where it is escaped there.
#[derive(Debug, Default)]
struct Text<'a>(Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }
        }

        deserializer.deserialize_str(Texts)
    }
}

/// The members of an object, in their order; none of null.
#[derive(Debug)]
struct Pairs<'a, T>(Vec<(Text<'a>, T)>);

impl<T> Default for Pairs<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Pairs<'_, T> {
    fn find(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    fn find_any_case(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Pairs<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Pairs<'de, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or null")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(Members(PhantomData))
    }
}

impl Request<'_> {
    /// The route that the request took, such as `GET /v1/partners/{partner}/exports`.
    pub fn route(&self) -> String {
        format!("{} {}", &*self.http_method, self.request_context.resource_path.as_deref().unwrap_or_default())
    }

    /// The path as the gateway was asked for it, stage included.
    pub fn whole_path(&self) -> Option<&str> {
        self.request_context.path.as_deref()
    }

    /// The gateway's number of the request, under which it stands in the logs.
    pub fn id(&self) -> &str {
        &self.request_context.request_id
    }

    /// A variable of the gateway's stage.
    pub fn stage_variable(&self, name: &str) -> Option<&str> {
        self.stage_variables.find(name).map(|value| &**value)
    }

    fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        let many = self.multi_value_query_string_parameters.0.iter();
        many.flat_map(|(name, values)| values.iter().map(move |value| (&**name, &**value)))
    }
}

/// The caller, as the authorizer found it.
///
/// # Errors
/// 401 when the request came without an authorizer's answer.
pub fn caller(request: &Request<'_>) -> Result<Caller, Problem> {
    let found = &request.request_context.authorizer;
    let field = |name: &str| match found.find(name) {
        Some(Passed::Text(text)) => &**text,
        _ => "",
    };
    let subject = field("subject");
    if subject.is_empty() {
        return Err(Problem::new(ProblemKind::Unauthorized, "Send a valid token: Authorization: Bearer …"));
    }
    let partner = PartnerId::parse(field("partner")).ok();
    let roles = field("roles").split(' ').filter_map(|role| role.parse().ok()).collect();
    Ok(Caller::new(subject.to_owned(), field("name").to_owned(), partner, roles))
}

/// The partner of the path, if the caller may do this to it.
///
/// # Errors
/// 401, 403 or 404.
pub fn partner_for(request: &Request<'_>, operation: Operation) -> Result<(Caller, PartnerId), Problem> {
    let caller = caller(request)?;
    let partner = PartnerId::parse(&path(request, "partner")?).map_err(|_| Problem::not_found())?;
    caller.may(operation, &partner)?;
    log::about(&partner);
    Ok((caller, partner))
}

/// A parameter of the path. The gateway hands it on as it was sent, percent-encoded.
///
/// # Errors
/// 404 when it is missing or not UTF-8.
pub fn path(request: &Request<'_>, name: &str) -> Result<String, Problem> {
    let raw = request.path_parameters.find(name).ok_or_else(Problem::not_found)?;
    percent_decode_str(raw).decode_utf8().map(Into::into).map_err(|_| Problem::not_found())
}

/// The body as text.
///
/// A gateway that takes bodies for text puts a replacement character where bytes are not UTF-8. One of them in a body that
/// has another length than was sent is its mark; a body that was sent with one is taken.
///
/// # Errors
/// 413 over [`MAX_BODY_BYTES`], 400 when it is not UTF-8.
pub fn body<'a>(request: &'a Request<'_>) -> Result<Cow<'a, str>, Problem> {
    let text = request.body.as_deref().unwrap_or_default();
    let body = match request.is_base64_encoded {
        false => Some(Cow::Borrowed(text)),
        true => STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Cow::Owned),
    };
    let sent = header_text(request, &header::CONTENT_LENGTH).and_then(|length| length.trim().parse::<usize>().ok());
    let is_encoded = header_text(request, &header::CONTENT_ENCODING).is_some();
    let body = body
        .filter(|body| is_encoded || sent.is_none_or(|sent| sent == body.len()) || !body.contains('\u{fffd}'))
        .ok_or_else(|| Problem::new(ProblemKind::InvalidRequest, "The body is not UTF-8."))?;
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("The body has {} bytes; send at most {MAX_BODY_BYTES}.", body.len());
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    Ok(body)
}

/// The body's media type, without parameters, in lower case; empty where the request does not say it.
pub fn media_type(request: &Request<'_>) -> String {
    let header = header_text(request, &header::CONTENT_TYPE).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How long the runtime lets this invocation go on.
pub fn time_left(request: &Request<'_>) -> Duration {
    request.time
}

/// The parameters of the query.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads the query, in which only these names may stand.
    ///
    /// # Errors
    /// 400 that names an unknown parameter.
    pub fn read(request: &Request<'_>, known: &[&str]) -> Result<Self, Problem> {
        Self::read_if(request, known, |name, known| name == known)
    }

    /// As [`Self::read`], whatever the case of the names: they are then spelled as in `known`.
    ///
    /// # Errors
    /// 400 that names an unknown parameter.
    pub fn read_any_case(request: &Request<'_>, known: &[&str]) -> Result<Self, Problem> {
        Self::read_if(request, known, str::eq_ignore_ascii_case)
    }

    fn read_if(request: &Request<'_>, known: &[&str], same: impl Fn(&str, &str) -> bool) -> Result<Self, Problem> {
        let mut parameters = Vec::new();
        for (name, value) in request.query() {
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
            Problem::field(name, format!("{} is not a whole number from 1 to {max}", domain::text::quoted(&text)))
        })
    }
}

/// The language asked for by a parameter, else by the `Accept-Language` header.
///
/// # Errors
/// 400 for a language that is not there.
pub fn locale(request: &Request<'_>, asked: Option<&str>) -> Result<Locale, Problem> {
    match asked {
        Some(asked) => Locale::parse(asked).map_err(|fault| Rejection::Invalid(vec![fault]).into()),
        None => Ok(Locale::negotiate(header_text(request, &header::ACCEPT_LANGUAGE))),
    }
}

/// A header's text.
pub fn header_text<'a>(request: &'a Request<'_>, name: &HeaderName) -> Option<&'a str> {
    let values = request.multi_value_headers.find_any_case(name.as_str())?;
    values.first().map(|value| &**value)
}

/// An opaque text that holds a value: a cursor.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn seal<T: Serialize>(value: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(value).map_err(|error| storage::Error::permanent("writing a cursor", error))?;
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
pub fn knows(request: &Request<'_>, tag: &str) -> bool {
    header_text(request, &header::IF_NONE_MATCH).is_some_and(|known| {
        known.split(',').any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
    })
}

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

/// An answer as the gateway's proxy integration takes it.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: Vec<(HeaderName, Cow<'static, str>)>,
    /// The body as it stands in the string of a JSON text, without the quotation marks, behind [`BEGUN`].
    payload: Vec<u8>,
}

/// What most answers fit into that are no page of a list.
const PAYLOAD_BYTES: usize = 4 * 1_024;
/// What most pages of a list fit into.
pub const PAGE_BYTES: usize = 128 * 1_024;
/// What stands before the body in what the gateway is sent.
const BEGUN: &[u8] = br#"{"body":""#;

impl Response {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    /// The JSON text that the gateway is sent. It can be megabytes, which are written once only: in place, and escaped.
    pub fn into_payload(self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Rest<'a> {
            status_code: u16,
            #[serde(serialize_with = "serialize_headers")]
            headers: &'a [(HeaderName, Cow<'static, str>)],
            is_base64_encoded: bool,
        }

        let rest = Rest { status_code: self.status.as_u16(), headers: &self.headers, is_base64_encoded: false };
        let mut payload = self.payload;
        payload.extend_from_slice(b"\",");
        let at = payload.len();
        // Texts and numbers: nothing in it that could not be written.
        serde_json::to_writer(&mut payload, &rest).ok();
        payload.remove(at);
        payload
    }
}

fn serialize_headers<S: Serializer>(
    headers: &[(HeaderName, Cow<'static, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name.as_str(), value)))
}

/// Writes JSON as it stands in the string of another JSON text.
struct Nested;

impl Formatter for Nested {
    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(br#"\""#)
    }

    fn end_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(br#"\""#)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let mut once = Vec::with_capacity(6);
        CompactFormatter.write_char_escape(&mut once, escape)?;
        for byte in once {
            match byte {
                b'"' | b'\\' => writer.write_all(&[b'\\', byte])?,
                _ => writer.write_all(&[byte])?,
            }
        }
        Ok(())
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }
}

/// Writes a text as it stands in the string of a JSON text.
fn write_escaped<W: ?Sized + io::Write>(writer: &mut W, text: &str) -> io::Result<()> {
    let quoted = serde_json::to_vec(text)?;
    writer.write_all(&quoted[1..quoted.len() - 1])
}

/// An answer with a JSON body.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn ok<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    ok_of_about(PAYLOAD_BYTES, status, value)
}

/// As [`ok`], of a body of about so many bytes: what grows is copied.
///
/// # Errors
/// 500 when the value cannot be written as JSON.
pub fn ok_of_about<T: Serialize>(bytes: usize, status: StatusCode, value: &T) -> Answer {
    let mut response = empty(status);
    response.payload.reserve(bytes);
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut response.payload, Nested))
        .map_err(|error| storage::Error::permanent("writing an answer", error))?;
    response.headers.push((header::CONTENT_TYPE, "application/json".into()));
    Ok(response)
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response {
    Response { status, headers: Vec::with_capacity(10), payload: BEGUN.to_vec() }
}

/// An answer with a text of some type.
pub fn with_body(status: StatusCode, media_type: &'static str, body: &str) -> Response {
    let mut response = empty(status);
    // Into memory: it cannot fail.
    write_escaped(&mut response.payload, body).ok();
    response.headers.push((header::CONTENT_TYPE, media_type.into()));
    response
}

/// Sets a header; a value that no header can carry is left out, and logged.
pub fn add_header(response: &mut Response, name: HeaderName, value: &str) {
    if HeaderValue::from_str(value).is_err() {
        tracing::warn!(%name, "a header's value cannot be sent");
        return;
    }
    response.headers.retain(|(known, _)| *known != name);
    response.headers.push((name, value.to_owned().into()));
}

/// Turns what a handler answers into what is sent, with the headers that every answer has.
pub fn respond(request_id: &str, allowed_origin: Option<&str>, answer: Answer) -> Response {
    let mut response = answer.unwrap_or_else(|problem| {
        let retry_after = problem.retry_after;
        let document = ProblemDocument { trace_id: Some(request_id.to_owned()), ..problem.document() };
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = ok(status, &document).unwrap_or_else(|_| empty(status));
        add_header(&mut response, header::CONTENT_TYPE, "application/problem+json");
        if let Some(seconds) = retry_after {
            add_header(&mut response, header::RETRY_AFTER, &seconds.to_string());
        }
        response
    });
    let defaults = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::REFERRER_POLICY, "no-referrer"),
        // What is no page loads nothing and stands in no frame; pages say what they need.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        if !response.has(&name) {
            response.headers.push((name, value.into()));
        }
    }
    if let Some(origin) = allowed_origin.filter(|origin| !origin.is_empty()) {
        add_header(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers.push((
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "Link, Location, Retry-After, ETag, MS-RequestId, MS-CorrelationId".into(),
        ));
    }
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json, value::RawValue};

    use super::*;

    fn sent(response: Response) -> Value {
        serde_json::from_slice(&response.into_payload()).unwrap()
    }

    proptest! {
        #[test]
        fn a_body_is_the_text_of_its_value(text: String, key: String, number: i64) {
            let value = json!({ key.clone(): [text, { "é\"\\\n": number }], "none": null });
            let raw = RawValue::from_string(serde_json::to_string(&value).unwrap()).unwrap();
            prop_assert_eq!(&sent(ok(StatusCode::OK, &value).unwrap())["body"], &json!(value.to_string()));
            prop_assert_eq!(&sent(ok(StatusCode::OK, &[raw]).unwrap())["body"], &json!(format!("[{value}]")));
        }

        #[test]
        fn a_text_is_sent_as_it_is(text: String) {
            let mut response = with_body(StatusCode::IM_A_TEAPOT, "text/plain", &text);
            add_header(&mut response, header::ETAG, "\"1\"");
            let expected = json!({
                "statusCode": 418, "headers": { "content-type": "text/plain", "etag": "\"1\"" }, "body": text, "isBase64Encoded": false,
            });
            prop_assert_eq!(sent(response), expected);
        }
    }

    #[test]
    fn an_answer_without_a_body_has_an_empty_one() {
        assert_eq!(sent(empty(StatusCode::NO_CONTENT))["body"], "");
    }
}
