//! Faults: which calls of an SDK client fail, and how.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream, retry::RetryConfig, timeout::TimeoutConfig};
use tokio::sync::Notify;

use crate::{names::TABLE, random::Random};

/// A way for a call to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request does not reach the store.
    NotSent,
    /// The store executes the call, and its answer is lost.
    AnswerLost,
    /// The store refuses the call for now.
    Throttled,
    /// The store executes the call, and answers after the client's timeout.
    Slow,
    /// The store executes the call, and the process that made it dies: see [`Faults::killed`].
    Killed,
    /// The store fails before it executes the call.
    Failed,
    /// The store executes the call, and its answer is cut.
    Garbled,
    /// The store executes the call, and answers after many other calls.
    Late,
    /// The call waits until [`Faults::go_on`], so that a test can do something at this moment: see [`Faults::paused`].
    Paused,
    /// The table lags behind: a Query of details without strong consistency finds none.
    Stale,
}

/// Random faults, with the number of failing calls in a thousand for each fault.
///
/// Whether a call fails depends on the seed and on the number of the call alone.
#[derive(Clone, Debug)]
pub struct FaultRates {
    /// The seed.
    pub seed: u64,
    /// The rates of calls to the tables.
    pub tables: Vec<(Fault, usize)>,
    /// The rates of calls to the bucket.
    pub objects: Vec<(Fault, usize)>,
    /// The numbers of the calls that find the tables stopped.
    pub stopped: Range<usize>,
}

impl FaultRates {
    fn fault(&self, number: usize, request: &HttpRequest) -> Option<Fault> {
        let is_table = request.headers().contains_key("x-amz-target");
        if is_table && self.stopped.contains(&number) {
            return Some(Fault::NotSent);
        }
        let mut drawn = Random::new(self.seed ^ (number as u64) << 20).below(1_000);
        for (fault, chances) in if is_table { &self.tables } else { &self.objects } {
            match drawn.checked_sub(*chances) {
                Some(rest) => drawn = rest,
                None => return Some(*fault),
            }
        }
        None
    }
}

/// The timeout of a client that meets a slow store.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of times that a late answer yields to other tasks.
const LATE_YIELDS: usize = 500;
/// The tries of a call in the functions.
const FUNCTION_ATTEMPTS: u32 = 5;

/// Counts the calls of some clients and makes some of them fail.
#[derive(Clone, Debug)]
pub struct Faults {
    calls: Arc<AtomicUsize>,
    copies: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    plan: Plan,
    attempts: u32,
    killed: Arc<Notify>,
    paused: Arc<Notify>,
    goes_on: Arc<Notify>,
    cache: Option<ReadCache>,
}

/// The calls that fail, and how.
#[derive(Clone, Debug)]
enum Plan {
    Within(Range<usize>, Fault),
    Random(Arc<FaultRates>),
}

/// Answers to reads of activities, by their requests.
///
/// While the table does not change, many exports of many rows cost the engine as much as one.
pub type ReadCache = Arc<Mutex<HashMap<String, String>>>;

impl Faults {
    /// Makes the call with this number fail; the first call has number 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Self::within(at..at.saturating_add(1), fault)
    }

    /// Makes the call with this number and all later calls fail.
    pub fn from(at: usize, fault: Fault) -> Self {
        Self::within(at..usize::MAX, fault)
    }

    /// Makes calls fail at random. The SDK retries them as in the functions, without waiting.
    pub fn random(rates: FaultRates) -> Self {
        Self { plan: Plan::Random(Arc::new(rates)), attempts: FUNCTION_ATTEMPTS, ..Self::none() }
    }

    /// Lets the SDK retry each call once, without waiting. Otherwise a fault reaches the code under test at once.
    #[must_use]
    pub fn with_one_retry(self) -> Self {
        Self { attempts: 2, ..self }
    }

    fn within(failing: Range<usize>, fault: Fault) -> Self {
        Self {
            calls: Arc::default(),
            copies: Arc::default(),
            failed: Arc::default(),
            plan: Plan::Within(failing, fault),
            attempts: 1,
            killed: Arc::default(),
            paused: Arc::default(),
            goes_on: Arc::default(),
            cache: None,
        }
    }

    /// Answers repeated reads from a cache.
    #[must_use]
    pub fn with_cache(self, cache: &ReadCache) -> Self {
        Self { cache: Some(Arc::clone(cache)), ..self }
    }

    /// Waits until a call kills the process.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Waits until a call is paused.
    pub async fn paused(&self) {
        self.paused.notified().await;
    }

    /// Lets the paused call go on.
    pub fn go_on(&self) {
        self.goes_on.notify_one();
    }

    /// Makes no call fail, and counts the calls.
    pub fn none() -> Self {
        Self::within(0..0, Fault::NotSent)
    }

    /// The number of calls that copied an object inside the bucket.
    pub fn copies(&self) -> usize {
        self.copies.load(Ordering::SeqCst)
    }

    /// The number of calls that failed.
    pub fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// The number of calls.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Wraps an HTTP client so that its calls are counted and fail.
    pub(crate) fn wrap(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(FaultyClient { client, faults: self.clone() })
    }

    /// The retries of the SDK.
    pub(crate) fn retries(&self) -> RetryConfig {
        match self.attempts {
            1 => RetryConfig::disabled(),
            attempts => RetryConfig::standard().with_max_attempts(attempts),
        }
    }

    /// The timer of the SDK, which waits only if calls are slow.
    pub(crate) fn timer(&self) -> Option<SharedAsyncSleep> {
        match self.timeout() {
            Some(_) => Some(SharedAsyncSleep::new(TokioSleep::new())),
            None => (self.attempts > 1).then(|| SharedAsyncSleep::new(NoWait)),
        }
    }

    /// The timeout of clients, if calls are slow.
    pub(crate) fn timeout(&self) -> Option<TimeoutConfig> {
        let is_slow = matches!(self.plan, Plan::Within(_, Fault::Slow));
        is_slow.then(|| TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
    }
}

/// A timer that does not wait between the tries of a call.
#[derive(Debug)]
struct NoWait;

impl AsyncSleep for NoWait {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(tokio::task::yield_now())
    }
}

struct FaultyClient {
    client: SharedHttpClient,
    faults: Faults,
}

impl fmt::Debug for FaultyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyClient")
    }
}

impl HttpClient for FaultyClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(FaultyConnector { connector, faults: self.faults.clone() })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    connector: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let number = self.faults.calls.fetch_add(1, Ordering::SeqCst);
        let fault = match &self.faults.plan {
            Plan::Within(failing, fault) => failing.contains(&number).then_some(*fault),
            Plan::Random(rates) => rates.fault(number, &request),
        };
        if fault.is_some() {
            self.faults.failed.fetch_add(1, Ordering::SeqCst);
        }
        if request.headers().contains_key("x-amz-copy-source") {
            self.faults.copies.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            Some(Fault::NotSent) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::io("injected: not sent".into())));
            }
            Some(Fault::Throttled) => return HttpConnectorFuture::ready(Ok(throttled(&request))),
            Some(Fault::Failed) => return HttpConnectorFuture::ready(Ok(failed())),
            Some(Fault::Stale) if may_be_stale(&request) => {
                let body = SdkBody::from(r#"{"Count":0,"Items":[],"ScannedCount":0}"#);
                return HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)));
            }
            _ => {}
        }
        let cache = self.faults.cache.clone().zip(read_of_activities(&request));
        let cached = cache.as_ref().and_then(|(answers, asked)| answers.lock().unwrap().get(asked).cloned());
        if fault == Some(Fault::Paused) {
            let (paused, goes_on) = (Arc::clone(&self.faults.paused), Arc::clone(&self.faults.goes_on));
            let connector = self.connector.clone();
            return HttpConnectorFuture::new(async move {
                paused.notify_one();
                goes_on.notified().await;
                connector.call(request).await
            });
        }
        let sent = match cached {
            Some(body) => HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body.into()))),
            None => self.connector.call(request),
        };
        let Faults { plan, killed, .. } = self.faults.clone();
        HttpConnectorFuture::new(async move {
            let mut answer = sent.await?;
            if let Some((answers, asked)) = cache {
                let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
                let body = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?;
                let body = body.into_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                *answer.body_mut() = SdkBody::from(body.clone());
                // The checksum is of the body that was just read.
                answer.headers_mut().remove("x-amz-crc32");
                answers.lock().unwrap().insert(asked, body);
            }
            match fault {
                None | Some(Fault::Stale) => Ok(answer),
                Some(Fault::Late) => {
                    for _ in 0..LATE_YIELDS {
                        tokio::task::yield_now().await;
                    }
                    Ok(answer)
                }
                Some(Fault::Slow) if matches!(plan, Plan::Random(_)) => {
                    Err(ConnectorError::timeout("injected: too slow".into()))
                }
                Some(Fault::Slow) => std::future::pending().await,
                Some(Fault::Killed) => {
                    killed.notify_one();
                    std::future::pending().await
                }
                Some(Fault::Garbled) => {
                    // The status is kept, because a refusal never becomes a success on its way.
                    Ok(HttpResponse::new(answer.status(), SdkBody::from("{\"Ite")))
                }
                _ => Err(ConnectorError::io("injected: the answer is lost".into())),
            }
        })
    }
}

/// The answer of a store that is throttled.
fn throttled(request: &HttpRequest) -> HttpResponse {
    let (status, body) = match request.headers().get("x-amz-target") {
        Some(_) => (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"injected"}"#),
        None => (503, "<Error><Code>SlowDown</Code><Message>injected</Message></Error>"),
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// The answer of a table that fails.
fn failed() -> HttpResponse {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#;
    HttpResponse::new(500.try_into().unwrap(), SdkBody::from(body))
}

/// The body of a request that reads activities.
fn read_of_activities(request: &HttpRequest) -> Option<String> {
    let is_query = request.headers().get("x-amz-target") == Some("DynamoDB_20120810.Query");
    let asked: serde_json::Value = serde_json::from_slice(request.body().bytes().filter(|_| is_query)?).ok()?;
    (asked["TableName"] == TABLE).then(|| asked.to_string())
}

/// Whether a request is a Query of details that may miss what was just written.
fn may_be_stale(request: &HttpRequest) -> bool {
    read_of_activities(request)
        .is_some_and(|asked| asked.contains("#details") && !asked.contains(r#""ConsistentRead":true"#))
}
