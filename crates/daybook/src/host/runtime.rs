//! The Lambda Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): where a function's events come from, and
//! where its answers go.

use aws_smithy_types::body::SdkBody;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use serde::Serialize;

use super::{
    Error,
    connections::{Connections, Server},
};
use crate::period::Instant;

const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
const DEADLINE: &str = "lambda-runtime-deadline-ms";
const TRACE: &str = "lambda-runtime-trace-id";
/// By which the Runtime API tells answers to an event from those to earlier ones.
const INVOCATION: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// An event that waits for its answer.
#[derive(Debug)]
pub(super) struct Event {
    /// JSON.
    pub(super) body: Bytes,
    /// The number under which it is answered.
    pub(super) request_id: String,
    /// When the function is ended if it did not answer.
    pub(super) deadline: Instant,
    /// X-Ray's header.
    pub(super) trace: Option<String>,
    invocation: Option<HeaderValue>,
}

/// The Runtime API.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    connections: Connections,
    server: Server,
    host: HeaderValue,
}

impl RuntimeApi {
    /// The Runtime API at an address: host and port.
    ///
    /// # Errors
    /// When that is none.
    pub(super) fn at(address: &str, connections: Connections) -> Result<Self, Error> {
        let server = Server::new(false, address.parse()?);
        Ok(Self { connections, host: server.host()?, server })
    }

    /// The next event, as soon as there is one.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached or hands out none.
    pub(super) async fn next(&self) -> Result<Event, Error> {
        let answer = self
            .send(Method::GET, Uri::from_static("/2018-06-01/runtime/invocation/next"), HeaderMap::new(), Vec::new())
            .await?;
        let (parts, body) = answer.into_parts();
        if !parts.status.is_success() {
            return Err(format!("the Runtime API hands out no event: {}", parts.status).into());
        }
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let deadline = header(DEADLINE).and_then(|text| text.parse::<i64>().ok());
        let deadline = deadline.and_then(|milliseconds| Instant::from_micros(milliseconds.saturating_mul(1_000)));
        Ok(Event {
            request_id: header(REQUEST_ID).ok_or("the Runtime API hands out an event without a number")?.to_owned(),
            deadline: deadline.unwrap_or(Instant::MAX),
            trace: header(TRACE).map(str::to_owned),
            invocation: parts.headers.get(INVOCATION).cloned(),
            body: body.collect().await?.to_bytes(),
        })
    }

    /// Answers an event.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub(super) async fn answer(&self, event: &Event, payload: Vec<u8>) -> Result<(), Error> {
        self.end(event, "response", HeaderMap::new(), payload).await
    }

    /// Says why there is no answer to an event.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub(super) async fn fail(&self, event: &Event, error: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Failure<'a> {
            error_type: &'static str,
            error_message: &'a str,
        }

        let failure = Failure { error_type: "Error", error_message: error };
        let headers = HeaderMap::from_iter([(ERROR_TYPE, HeaderValue::from_static("unhandled"))]);
        self.end(event, "error", headers, serde_json::to_vec(&failure)?).await
    }

    /// An end that the Runtime API does not want any more, as the event's time was over, is logged.
    async fn end(&self, event: &Event, how: &str, mut headers: HeaderMap, body: Vec<u8>) -> Result<(), Error> {
        headers.extend(event.invocation.clone().map(|invocation| (INVOCATION, invocation)));
        let path = Uri::try_from(format!("/2018-06-01/runtime/invocation/{}/{how}", event.request_id))?;
        let taken = self.send(Method::POST, path, headers, body).await?;
        let status = taken.status();
        // The connection is free for the next event when all of it has come.
        taken.into_body().collect().await?;
        if !status.is_success() {
            tracing::error!(status = status.as_u16(), "the Runtime API did not take the answer");
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: Uri,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Error> {
        headers.insert(header::HOST, self.host.clone());
        let mut request = Request::new(SdkBody::from(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, path, headers);
        Ok(self.connections.send(&self.server, request, None).await?)
    }
}
