//! What the Lambda functions share.
//!
//! | module | holds |
//! |---|---|
//! | [`request`] | the caller, path, query and body of a request |
//! | [`identity`] | the caller on the way from the authorizer to the other functions |
//! | [`response`] | the answer to a request, and the headers of every answer |
//! | [`problem`] | errors as the caller reads them (RFC 9457) |
//! | [`audit`] | entries about what a request does |
//! | [`cursor`] | cursors of paged lists |
//! | [`payload`] | the size of requests and answers, as Lambda carries them |
//! | [`secret`] | the secrets that sign webhooks |
//! | [`link`] | answers that lead to a file in the bucket |
//! | [`aws`] | the configuration of the SDK's clients |
//! | [`environment`] | clock, environment variables and randomness |
//! | [`log`], [`metrics`] | log lines and CloudWatch metrics |
//! | [`host`] | serving a function on `lambda_http` or `lambda_runtime` |
//!
//! A function's `main` wires these parts; its library handles one request or event.

pub mod audit;
pub mod aws;
pub mod cursor;
pub mod environment;
pub mod host;
pub mod identity;
pub mod link;
pub mod log;
pub mod metrics;
pub mod payload;
pub mod problem;
pub mod request;
pub mod response;
pub mod secret;

pub use lambda_http::http::{HeaderName, StatusCode, header};
pub use lambda_runtime::{Error, LambdaEvent};

pub use crate::{
    host::{run, serve, start},
    problem::{Problem, ProblemDocument, ProblemKind},
    request::{Parameters, Request},
    response::{Answer, Response},
};
