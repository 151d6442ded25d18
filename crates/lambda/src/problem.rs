//! Errors as the caller reads them: problem documents (RFC 9457).
//!
//! Our own faults are logged here with their causes; the caller reads general words and the trace of the request.

use std::fmt::Write as _;

use domain::{
    access::Refusal,
    fault::{Fault, Rejection},
    quota::LimitExceeded,
};
use lambda_http::http::StatusCode;
use serde::Serialize;
use store::error::{self, causes};
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};
use utoipa::ToSchema;

/// The beginning of the URI of every kind of problem.
pub const PROBLEM_URI: &str = "urn:daybook:problem:";
/// In how many seconds to repeat a request that the store did not answer.
const STORE_RETRY_SECONDS: u32 = 2;
/// How many characters of its detail a shortened problem keeps.
const MAX_SHORT_CHARS: usize = 300;

/// An error that becomes the answer to a request.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<Fault>,
    /// In how many seconds to repeat the request, where that is known.
    retry_after: Option<u32>,
    /// Whether the caller may not do what was asked.
    is_refusal: bool,
}

/// The kinds of problems. Each has a slug, a title and a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
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
    /// Returns all kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// Returns the end of the kind's URI, such as `not-found`.
    pub fn slug(self) -> &'static str {
        self.into()
    }

    /// Returns the title, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not valid",
            Self::Unauthorized => "A valid token is needed",
            Self::Forbidden => "This is not allowed",
            Self::NotFound => "There is nothing here",
            Self::Conflict => "This conflicts with what is stored",
            Self::Gone => "This is no longer available",
            Self::TooLarge => "The request is too large",
            Self::Unprocessable => "The request cannot be accepted",
            Self::Throttled => "Too many requests",
            Self::Internal => "Something went wrong on our side",
            Self::Unavailable => "The service is briefly unavailable",
        }
    }

    /// Returns the HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Problem {
    /// Creates a problem with a sentence that says what is wrong and what to do.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None, is_refusal: false }
    }

    /// Creates the answer to a request for something that the caller cannot see, whether it exists or not.
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, Refusal::NotFound.to_string())
    }

    /// Creates the answer to a fault of ours, which the log describes.
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "The fault is logged under this trace. Sending the request again will not mend it.",
        )
    }

    /// Creates the answer to a request that may succeed when it is sent again in a moment.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(STORE_RETRY_SECONDS), ..Self::new(ProblemKind::Unavailable, detail) }
    }

    /// Creates a problem with one field that is not valid.
    pub fn field(name: &str, detail: impl Into<String>) -> Self {
        Rejection::Invalid(vec![Fault { pointer: format!("/{name}"), detail: detail.into() }]).into()
    }

    /// Returns the kind of problem.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Returns the sentence that says what is wrong and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Tells whether the caller may not do what was asked, whatever the answer says.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Returns in how many seconds to repeat the request, where that is known.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Returns the document, without the trace.
    pub fn document(self) -> ProblemDocument {
        ProblemDocument {
            kind: format!("{PROBLEM_URI}{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail,
            errors: self.errors,
            trace_id: None,
        }
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
    /// The fault, and what to do about it.
    pub detail: String,
    /// Each fault, with its field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The id of the request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trace_id: Option<String>,
}

impl ProblemDocument {
    /// Keeps the beginning of the detail only, because the answer has no room for all faults.
    pub fn shorten(&mut self) {
        self.errors.clear();
        if let Some((end, _)) = self.detail.char_indices().nth(MAX_SHORT_CHARS) {
            self.detail.truncate(end);
            self.detail.push_str("… There are more faults. Correct these, and send it again.");
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = match refusal {
            Refusal::NotFound => Self::not_found(),
            refusal => Self::new(ProblemKind::Forbidden, refusal.to_string()),
        };
        Self { is_refusal: true, ..problem }
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
        Self { kind, detail, errors, retry_after: None, is_refusal: false }
    }
}

impl From<LimitExceeded> for Problem {
    fn from(over: LimitExceeded) -> Self {
        Self { retry_after: Some(over.retry_after), ..Self::new(ProblemKind::Throttled, over.detail) }
    }
}

impl From<error::Error> for Problem {
    fn from(error: error::Error) -> Self {
        tracing::error!(error = causes(&error), "could not reach or use the store");
        if error.is_transient() {
            Self::unavailable("The storage does not answer. Send the same request again in a moment.")
        } else {
            Self::internal()
        }
    }
}
