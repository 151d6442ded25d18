//! What a function's `main` needs of its surroundings: the clock, the environment, the log, the SDK's clients.
//!
//! Only hosts use it; everything else takes what it needs as an argument.

use std::{env, future::Future, panic::AssertUnwindSafe, sync::Arc, task, time::Duration};

use aws_config::{
    BehaviorVersion,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use http::Method;
use lambda_runtime::{Context, LambdaInvocation, Runtime, Service, service_fn, tower::Layer};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::{
    http::{Answer, Problem, Request, respond},
    log::{self, Outcome},
    period::Instant,
    storage,
};

pub use lambda_runtime::{Error, LambdaEvent};

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
pub async fn aws(try_timeout: Duration) -> aws_config::SdkConfig {
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let region = EnvironmentVariableRegionProvider::new();
    let retries = RetryConfig::adaptive().with_max_attempts(TRIES).with_max_backoff(Duration::from_secs(3));
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(try_timeout).build();
    aws_config::defaults(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .region(region)
        .http_client(http_client())
        .retry_config(retries)
        .timeout_config(timeouts)
        // Every try has its time; to watch the flow of each body besides costs every call.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// A client that trusts the authorities that AWS's endpoints have their certificates from; with `SSL_CERT_FILE`, those in
/// that file, for endpoints of one's own. To read all authorities of the system would take most of a cold start.
fn http_client() -> SharedHttpClient {
    let trusted = match variable("SSL_CERT_FILE") {
        Ok(_) => TrustStore::default(),
        Err(_) => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
    };
    let tls = TlsContext::builder().with_trust_store(trusted).build();
    let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match tls {
        Ok(tls) => client.tls_context(tls).build_https(),
        Err(error) => {
            tracing::error!(error = error.to_string(), "the trusted authorities cannot be read");
            client.build_https()
        }
    }
}

/// When the runtime will end this invocation.
pub fn deadline(context: &Context) -> Instant {
    let micros = i64::try_from(context.deadline).unwrap_or(i64::MAX).saturating_mul(1_000);
    Instant::from_micros(micros).unwrap_or(Instant::MAX)
}

/// How long the runtime lets an invocation go on.
pub fn time_left(context: &Context, now: Instant) -> Duration {
    let micros = deadline(context).micros().saturating_sub(now.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Serves an HTTP function: every request is answered, timed and logged in one line.
///
/// # Errors
/// When the runtime ends.
pub async fn serve<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Request, Instant) -> F,
    F: Future<Output = Answer>,
{
    let allowed_origin = variable("ALLOWED_ORIGIN").ok();
    let answered = Answered {
        handle: &handle,
        allowed_origin: allowed_origin.as_deref(),
        client: Arc::new(lambda_runtime_api_client::Client::builder().build()?),
    };
    let other =
        service_fn(async |_: LambdaEvent<IgnoredAny>| Err::<(), Error>("this is no request of the gateway".into()));
    Runtime::new(other).layer(answered).run().await
}

/// The layer between the Runtime API and an HTTP function. The library's own way through it costs a small call a fifth of
/// its time, and a page of a list as much: it reads events so that it can tell the path of a fault in them, and writes
/// answers, which are JSON in a string, twice. What is no request goes that way all the same, and is reported as it does it.
struct Answered<'a, H> {
    handle: &'a H,
    allowed_origin: Option<&'a str>,
    client: Arc<lambda_runtime_api_client::Client>,
}

impl<'a, H, S> Layer<S> for Answered<'a, H> {
    type Service = AnsweredService<'a, H, S>;

    fn layer(&self, other: S) -> Self::Service {
        let Self { handle, allowed_origin, client } = self;
        AnsweredService { handle, allowed_origin: *allowed_origin, client: Arc::clone(client), other }
    }
}

struct AnsweredService<'a, H, S> {
    handle: &'a H,
    allowed_origin: Option<&'a str>,
    client: Arc<lambda_runtime_api_client::Client>,
    other: S,
}

impl<'a, H, F, S> Service<LambdaInvocation> for AnsweredService<'a, H, S>
where
    H: Fn(Request, Instant) -> F,
    F: Future<Output = Answer> + 'a,
    S: Service<LambdaInvocation, Response = (), Error = Error, Future: 'a>,
{
    type Response = ();
    type Error = Error;
    type Future = LocalBoxFuture<'a, Result<(), Error>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> task::Poll<Result<(), Error>> {
        self.other.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let Ok(mut request) = serde_json::from_slice::<Request>(&invocation.body) else {
            return Box::pin(self.other.call(invocation));
        };
        let started = now();
        request.time = time_left(&invocation.context, started);
        let (route, trace_id) = (request.route(), request.id().to_owned());
        log::begin(&invocation.context.request_id, invocation.context.xray_trace_id.as_deref(), Some(&trace_id));
        let (allowed_origin, client) = (self.allowed_origin, Arc::clone(&self.client));
        let answer = AssertUnwindSafe((self.handle)(request, started)).catch_unwind();
        Box::pin(async move {
            let answer = answer.await.unwrap_or_else(|_| Err(Problem::broken()));
            let response = respond(&trace_id, allowed_origin, answer);
            let ended = now();
            let answered = Some((route.as_str(), response.status().as_u16()));
            let duration_ms = milliseconds(started, ended);
            log::end(&Outcome { answered, error: None, is_fault: false, duration_ms }, ended);
            send(&client, &invocation, response.into_payload()).await
        })
    }
}

/// Sends an answer to the Runtime API. One that it does not want any more, as the invocation's time was over, is logged.
///
/// # Errors
/// When the Runtime API cannot be reached.
async fn send(
    client: &lambda_runtime_api_client::Client,
    LambdaInvocation { parts, context, .. }: &LambdaInvocation,
    payload: Vec<u8>,
) -> Result<(), Error> {
    /// By which the Runtime API tells answers to invocations from those to earlier ones.
    const INVOCATION: &str = "lambda-runtime-invocation-id";

    let path = format!("/2018-06-01/runtime/invocation/{}/response", context.request_id);
    let mut request = lambda_runtime_api_client::build_request().method(Method::POST).uri(path);
    if let Some(invocation) = parts.headers.get(INVOCATION) {
        request = request.header(INVOCATION, invocation);
    }
    let taken = client.call(request.body(payload.into())?).await?;
    if !taken.status().is_success() {
        tracing::error!(status = taken.status().as_u16(), "the Runtime API did not take the answer");
    }
    Ok(())
}

/// Serves a function that another service invokes: every invocation is timed and logged in one line.
///
/// # Errors
/// When the runtime ends.
pub async fn run<E, H, F, R>(handle: H) -> Result<(), Error>
where
    E: DeserializeOwned,
    H: Fn(LambdaEvent<E>) -> F,
    F: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<E>| async move {
        let started = now();
        log::begin(&event.context.request_id, event.context.xray_trace_id.as_deref(), None);
        let outcome = Box::pin(handle(event)).await;
        let ended = now();
        let error = outcome.as_ref().err().map(|error| storage::causes(&**error));
        let duration_ms = milliseconds(started, ended);
        let is_fault = error.as_deref().is_some_and(|error| error != UNAUTHORIZED);
        log::end(&Outcome { answered: None, error: error.as_deref(), is_fault, duration_ms }, ended);
        outcome
    }))
    .await
}

fn milliseconds(started: Instant, ended: Instant) -> i64 {
    (ended.micros() - started.micros()) / 1_000
}
