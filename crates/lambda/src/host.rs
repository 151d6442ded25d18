//! Serving a function: HTTP functions on `lambda_http`, the others on `lambda_runtime`.
//!
//! Both libraries trace each invocation (`TracingLayer`) and turn panics into errors (`CatchPanicService`). Here, each
//! invocation ends with a line in the log, and a request is answered with a problem document even when its handler panics.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, resume_unwind},
};

use domain::time::Instant;
use futures_util::FutureExt as _;
use lambda_http::{Body, RequestExt as _, http::Method};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};
use store::error::causes;

use crate::{
    environment::{now, variable},
    log::{self, InvocationResult},
    metrics,
    problem::Problem,
    request::{self, Request},
    response::{self, Answer, Response},
};

/// The error by which an authorizer refuses a token. API Gateway answers 401 to it, and to no other text.
pub const UNAUTHORIZED: &str = "Unauthorized";

/// Starts the log and the metrics of a function.
///
/// `LOG_LEVEL` names the level (`info` where the variable is not set), `METRICS_NAMESPACE` the namespace in CloudWatch (no
/// metrics where the variable is not set).
///
/// # Errors
/// When the function has started already.
pub fn start(service: &'static str) -> Result<(), Error> {
    log::start(service, &variable("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned()));
    match variable("METRICS_NAMESPACE") {
        Ok(namespace) => metrics::start(service, namespace),
        Err(_) => Ok(()),
    }
}

/// Keeps a value for as long as the process lives.
fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Serves an HTTP function: `handle` answers each request with the help of `app`.
///
/// # Errors
/// When the Lambda Runtime API cannot be reached.
pub async fn serve<A, H, F>(app: A, handle: H) -> Result<(), Error>
where
    A: Sync + 'static,
    H: Fn(&'static A, Request, Instant) -> F + Copy + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let app = keep(app);
    let allowed_origin = keep(variable("ALLOWED_ORIGIN").ok()).as_deref();
    let service = service_fn(move |request: Request| async move {
        Ok::<_, Infallible>(
            answer(request, now(), allowed_origin, move |request, now| Box::pin(handle(app, request, now))).await,
        )
    });
    lambda_http::run(service).await
}

/// Answers one request. `HEAD` gets the status and the headers of `GET`.
async fn answer<H, F>(request: Request, started: Instant, allowed_origin: Option<&str>, handle: H) -> Response
where
    H: FnOnce(Request, Instant) -> F,
    F: Future<Output = Answer>,
{
    let (context, route) = (request.lambda_context(), request::route(&request));
    let trace_id = request::trace_id(&request).to_owned();
    let is_head = request.method() == Method::HEAD;
    log::trace(&context, Some(&trace_id), started, async {
        let answer = AssertUnwindSafe(async { handle(request, started).await }).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| {
            tracing::error!(route, "the handler panicked");
            Err(Problem::internal())
        });
        let mut response = response::complete(answer, &trace_id, allowed_origin);
        if is_head {
            *response.body_mut() = Body::Empty;
        }
        log::end(InvocationResult::Answered { route: &route, status: response.status().as_u16() });
        response
    })
    .await
}

/// Serves a function that another service invokes: `handle` works on each event with the help of `app`.
///
/// # Errors
/// When the Lambda Runtime API cannot be reached.
pub async fn run<A, E, R, H, F>(app: A, handle: H) -> Result<(), Error>
where
    A: Sync + 'static,
    E: DeserializeOwned,
    R: Serialize,
    H: Fn(&'static A, LambdaEvent<E>) -> F + Copy,
    F: Future<Output = Result<R, Error>>,
{
    let app = keep(app);
    // Boxed, because the compiler limits how deeply types of futures may nest.
    let service = service_fn(move |event| Box::pin(work(event, now(), move |event| Box::pin(handle(app, event)))));
    lambda_runtime::run(service).await
}

/// Works on one event.
async fn work<E, R, H, F>(event: LambdaEvent<E>, started: Instant, handle: H) -> Result<R, Error>
where
    H: FnOnce(LambdaEvent<E>) -> F,
    F: Future<Output = Result<R, Error>>,
{
    let context = event.context.clone();
    log::trace(&context, None, started, async {
        match AssertUnwindSafe(async { handle(event).await }).catch_unwind().await {
            Ok(result) => {
                let error = result.as_ref().err().map(|error| causes(&**error));
                log::end(match error.as_deref() {
                    None => InvocationResult::Handled,
                    Some(UNAUTHORIZED) => InvocationResult::Refused(UNAUTHORIZED),
                    Some(error) => InvocationResult::Failed(error),
                });
                result
            }
            Err(panic) => {
                log::end(InvocationResult::Failed("the handler panicked"));
                // The runtime reports the panic to Lambda.
                resume_unwind(panic)
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests;
