//! What a function's `main` needs of its surroundings: the clock, the environment, the log, the SDK's clients.
//!
//! Only hosts use it; everything else takes what it needs as an argument.

mod connections;
mod runtime;
#[cfg(test)]
mod tests;

use std::{env, future::Future, panic::AssertUnwindSafe, pin::Pin, time::Duration};

use aws_config::{
    BehaviorVersion,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_runtime_api::{client::http::SharedHttpClient, shared::IntoShared as _};
use futures_util::FutureExt as _;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde::{Serialize, de::DeserializeOwned};

use self::{
    connections::Connections,
    runtime::{Event, RuntimeApi},
};
use crate::{
    http::{Answer, Problem, Request, respond},
    log::{self, Outcome},
};
use domain::time::Instant;
use store::error as storage;

/// What ends a function.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The present, by the machine's clock.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    let now = chrono::Utc::now();
    Instant::from_micros(now.timestamp_micros()).unwrap_or(Instant::MAX)
}

/// A variable of the environment.
///
/// # Errors
/// When it is not set.
pub fn variable(name: &str) -> Result<String, Error> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let value = env::var(name);
    value.map_err(|_| format!("the variable {name} is not set").into())
}

/// A variable of the environment that holds a whole number.
///
/// # Errors
/// When it is not set, or no number.
pub fn number(name: &str) -> Result<i64, Error> {
    let text = variable(name)?;
    text.parse().map_err(|_| format!("the variable {name} is no whole number: {text:?}").into())
}

/// Bytes that nobody can guess.
///
/// # Errors
/// When the system has none to give.
pub fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// Starts the log of a function; `LOG_LEVEL` says how much it holds (`info` where it is not set), `METRICS_NAMESPACE` where
/// CloudWatch keeps the metrics (nowhere where it is not set).
pub fn start_log(service: &'static str) {
    let level = variable("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
    log::start(service, variable("METRICS_NAMESPACE").ok(), &level);
}

/// The error by which an authorizer refuses a token. It is what the gateway wants to hear, and no fault.
const UNAUTHORIZED: &str = "Unauthorized";

/// How long one try of a call may take where someone waits for the answer: with the retries, less than the functions have.
pub const INTERACTIVE: Duration = Duration::from_secs(4);
/// How long one try of a call may take that carries megabytes.
pub const BULK: Duration = Duration::from_secs(60);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How often a call is tried in all.
const TRIES: u32 = 5;

/// The roots of Amazon Trust Services (www.amazontrust.com/repository).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The configuration of the SDK's clients: region and credentials are those that Lambda puts into the environment. A call that is throttled or fails in passing is tried again, the more slowly the
/// more is refused (the SDK's adaptive mode); each try may take `try_timeout`.
///
/// # Errors
/// As [`http_client`].
pub async fn aws(try_timeout: Duration) -> Result<aws_config::SdkConfig, Error> {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let region = EnvironmentVariableRegionProvider::new();
    let retries = RetryConfig::adaptive().with_max_attempts(TRIES).with_max_backoff(Duration::from_secs(3));
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(try_timeout).build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(region)
        .http_client(http_client()?)
        .retry_config(retries)
        .timeout_config(timeouts)
        // Every try has its time; to watch the flow of each body besides costs every call.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Ok(config.load().await)
}

/// A client for the SDK's calls. It trusts the authorities that AWS's endpoints have their certificates from; with
/// `SSL_CERT_FILE`, those in that file, for endpoints of one's own. To read all authorities of the system would take most of
/// a cold start.
///
/// # Errors
/// When the authorities cannot be read.
pub fn http_client() -> Result<SharedHttpClient, Error> {
    let read: Vec<CertificateDer<'static>> = match variable("SSL_CERT_FILE") {
        Ok(file) => CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?,
        Err(_) => CertificateDer::pem_slice_iter(AMAZON_ROOTS).collect::<Result<_, _>>()?,
    };
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(read);
    Ok(Connections::new(authorities)?.into_shared())
}

/// What a function that another service invokes works on.
#[derive(Debug)]
pub struct Invocation<E> {
    /// What it was invoked with.
    pub event: E,
    /// The runtime's number of it.
    pub request_id: String,
    /// When the runtime will end it.
    pub deadline: Instant,
}

/// How long the runtime lets an invocation go on.
pub fn time_left(deadline: Instant, now: Instant) -> Duration {
    let micros = deadline.micros().saturating_sub(now.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// What works on an event, apart from the process: it is put aside while it waits.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a function has for as long as its process lives.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Serves an HTTP function that works with `app`: every request is answered, timed and logged in one line.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn serve<A, H>(app: A, handle: H) -> Result<(), Error>
where
    A: Sync + 'static,
    H: for<'a> Fn(&'static A, Request<'a>, Instant) -> Work<'a, Answer> + Copy + Send + Sync + 'static,
{
    let app = forever(app);
    let allowed_origin = forever(variable("ALLOWED_ORIGIN").ok()).as_deref();
    work(move |event, started| {
        Box::pin(async move {
            let Ok(mut request) = serde_json::from_slice::<Request<'_>>(&event.body) else {
                log::begin(&event.request_id, event.trace.as_deref(), None);
                return Err("this is no request of the gateway".into());
            };
            request.time = time_left(event.deadline, started);
            let (route, trace_id) = (request.route(), request.id().to_owned());
            log::begin(&event.request_id, event.trace.as_deref(), Some(&trace_id));
            let answer = AssertUnwindSafe(async { handle(app, request, started).await }).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Err(Problem::broken()));
            let response = respond(&trace_id, allowed_origin, answer);
            let answered = Some((route, response.status().as_u16()));
            Ok(Done { payload: response.into_payload(), answered })
        })
    })
    .await
}

/// Serves a function that another service invokes: every invocation is timed and logged in one line.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<A, E, H, R>(app: A, handle: H) -> Result<(), Error>
where
    A: Sync + 'static,
    E: DeserializeOwned + Send,
    H: Fn(&'static A, Invocation<E>) -> Work<'static, Result<R, Error>> + Copy + Send + Sync + 'static,
    R: Serialize,
{
    let app = forever(app);
    work(move |event, _| {
        Box::pin(async move {
            log::begin(&event.request_id, event.trace.as_deref(), None);
            let (request_id, deadline) = (event.request_id.clone(), event.deadline);
            let invocation = Invocation { event: serde_json::from_slice(&event.body)?, request_id, deadline };
            let answer = handle(app, invocation).await?;
            Ok(Done { payload: serde_json::to_vec(&answer)?, answered: None })
        })
    })
    .await
}

/// What came of an event.
struct Done {
    payload: Vec<u8>,
    /// What a request asked for, and the status that it was answered with.
    answered: Option<(String, u16)>,
}

/// Less than any time-out.
const TICK: Duration = Duration::from_secs(1);

/// Works on one event after the other.
async fn work<H>(handle: H) -> Result<(), Error>
where
    H: for<'a> Fn(&'a Event, Instant) -> Work<'a, Result<Done, Error>> + Send + Sync + 'static,
{
    let mut runtime = RuntimeApi::at(variable("AWS_LAMBDA_RUNTIME_API")?);
    // tokio wakes its driver by a system call for a timer that ends before all others; behind this one, a call's time-outs
    // need none.
    tokio::spawn(async {
        loop {
            tokio::time::sleep(TICK).await;
        }
    });
    // A task as those of the connections are: what they bring wakes it without a look at the system in between.
    tokio::spawn(async move {
        loop {
            let event = runtime.next()?;
            let started = now();
            // What was closed while it waited is known to be so before anything is sent over it.
            tokio::task::yield_now().await;
            let done = AssertUnwindSafe(async { handle(&event, started).await }).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err("it panicked".into()));
            let ended = now();
            let error = done.as_ref().err().map(|error| storage::causes(&**error));
            let is_fault = error.as_deref().is_some_and(|error| error != UNAUTHORIZED);
            let answered = done.as_ref().ok().and_then(|done| done.answered.as_ref());
            let answered = answered.map(|(route, status)| (route.as_str(), *status));
            let duration_ms = (ended.micros() - started.micros()) / 1_000;
            log::end(&Outcome { answered, error: error.as_deref(), is_fault, duration_ms }, ended);
            match done {
                Ok(done) => runtime.answer(&event, &done.payload)?,
                Err(error) => runtime.fail(&event, &error.to_string())?,
            }
        }
    })
    .await?
}
