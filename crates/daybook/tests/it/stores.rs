//! Real engines for the tests, in this process: DynamoDB on SQLite, S3 on a temporary folder, each behind a port of its
//! own, and SDK clients whose calls can be made to fail one by one.

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

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
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
use daybook::{
    activity::{NewActivity, PartnerId},
    control::Control,
    export::{
        Files,
        profile::SubscriptionsUrl,
        worker::{Limits, Worker},
    },
    ledger::{INDEXED, Ledger, Recorder},
    period::Instant,
    settings::Partners,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::records::Random;

pub(crate) const TABLE: &str = "activities";
pub(crate) const CONTROL: &str = "control";
pub(crate) const PARTNERS: &str = "partners";
pub(crate) const LIMITS: &str = "limits";
pub(crate) const BUCKET: &str = "data";
/// The grace period of the tests' ledgers.
pub(crate) const GRACE_SECONDS: i64 = 6 * 3_600;

/// The engines; they end with the test.
pub(crate) struct Stores {
    dynamodb_url: String,
    s3_url: String,
    _folder: tempfile::TempDir,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing reaches the store.
    NotSent,
    /// The store does it, the answer is lost.
    AnswerLost,
    /// The store refuses it for now.
    Throttled,
    /// The store does it, and answers after the client's patience has ended.
    Slow,
    /// The store does it, and the process that asked for it ends: [`Faults::killed`].
    Killed,
    /// The store breaks before it does it.
    Failed,
    /// The store does it, and what it answers is cut.
    Garbled,
    /// The store does it, and answers after much else was done.
    Late,
    /// The table has not caught up: a Query of details that is not strongly consistent finds none.
    Stale,
}

/// What calls meet at random: chances in a thousand for each way to fail. Which call fails depends on the seed and on the
/// number of the call alone.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    pub(crate) seed: u64,
    /// For calls to the tables.
    pub(crate) tables: Vec<(Fault, usize)>,
    /// For calls to the bucket.
    pub(crate) objects: Vec<(Fault, usize)>,
    /// Calls that find the tables stopped.
    pub(crate) stopped: Range<usize>,
}

impl Weather {
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

/// The time between the tries of a call, which tests do not wait for.
#[derive(Debug)]
struct NoWait;

impl AsyncSleep for NoWait {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(tokio::task::yield_now())
    }
}

impl Stores {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dynamodb_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));

        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3_url = format!("http://{}", listener.local_addr().unwrap());
        let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(s3s::auth::SimpleAuth::from_single("test", "test"));
        let service = service.build();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no failure of the server.
                    server.serve_connection(TokioIo::new(socket), service).await.ok();
                });
            }
        });

        let stores = Self { dynamodb_url, s3_url, _folder: folder };
        stores.create().await;
        stores
    }

    async fn create(&self) {
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.config(&self.dynamodb_url, None));
        let all = Projection::builder().projection_type(ProjectionType::All).build();
        let listed = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(INDEXED.map(str::to_owned).to_vec()))
            .build();
        let of_month = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(vec!["problem".to_owned(), "ea".to_owned()]))
            .build();
        for (table, keys, indexes) in [
            (
                TABLE,
                key_schema("pk", Some("sk")),
                vec![("by_customer", "ck", "sk", listed), ("late", "lk", "r", all.clone())],
            ),
            (
                CONTROL,
                key_schema("pk", Some("sk")),
                vec![("due", "dk", "nr", all), ("by_month", "mk", "state", of_month)],
            ),
            (PARTNERS, key_schema("pk", None), vec![]),
            (LIMITS, key_schema("pk", None), vec![]),
        ] {
            let mut names: Vec<String> = keys.iter().map(|key| key.attribute_name.clone()).collect();
            let mut create = dynamodb.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
            create = create.set_key_schema(Some(keys));
            for (index, hash, range, projection) in indexes {
                names.extend([hash.to_owned(), range.to_owned()]);
                create = create.global_secondary_indexes(
                    GlobalSecondaryIndex::builder()
                        .index_name(index)
                        .set_key_schema(Some(key_schema(hash, Some(range))))
                        .projection(projection)
                        .build()
                        .unwrap(),
                );
            }
            names.sort_unstable();
            names.dedup();
            for name in names {
                let definition =
                    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
                create = create.attribute_definitions(definition.build().unwrap());
            }
            create.send().await.unwrap();
        }
        self.s3(None).create_bucket().bucket(BUCKET).send().await.unwrap();
    }

    fn config(&self, url: &str, faults: Option<&Faults>) -> SdkConfig {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests_like("test")))
            .endpoint_url(url)
            // A fault is to be seen by our code, not mended below it.
            .retry_config(RetryConfig::disabled());
        match faults.map(|faults| &faults.plan) {
            Some(Plan::Within(_, Fault::Slow)) => {
                let patience = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).build();
                config = config.timeout_config(patience).sleep_impl(SharedAsyncSleep::new(TokioSleep::new()));
            }
            // As often as in the functions. Their mode also sends less for a while, by the clock.
            Some(Plan::Drawn(_)) => {
                let retries = RetryConfig::standard().with_max_attempts(5);
                config = config.retry_config(retries).sleep_impl(SharedAsyncSleep::new(NoWait));
            }
            _ => {}
        }
        let client = daybook::host::http_client().unwrap();
        config = match faults {
            Some(faults) => config.http_client(SharedHttpClient::new(Faulty { client, faults: faults.clone() })),
            None => config.http_client(client),
        };
        config.build()
    }

    pub(crate) fn s3(&self, faults: Option<&Faults>) -> aws_sdk_s3::Client {
        let config = self.config(&self.s3_url, faults);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).retry_partition(of_a_process());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub(crate) fn dynamodb(&self, faults: Option<&Faults>) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config(&self.dynamodb_url, faults));
        aws_sdk_dynamodb::Client::from_conf(config.retry_partition(of_a_process()).build())
    }

    pub(crate) fn sqs(&self, sqs: &Sqs, faults: Option<&Faults>) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config(&sqs.url, faults))
    }

    pub(crate) fn ledger(&self, faults: Option<&Faults>) -> Ledger {
        Ledger::new(self.dynamodb(faults), self.s3(faults), TABLE.into(), BUCKET.into())
    }

    pub(crate) fn partners(&self) -> Partners {
        Partners::new(self.dynamodb(None), PARTNERS.into())
    }

    pub(crate) fn recorder(&self, faults: Option<&Faults>) -> Recorder {
        let partners = Partners::new(self.dynamodb(faults), PARTNERS.into());
        Recorder::new(self.ledger(faults), partners, GRACE_SECONDS)
    }

    pub(crate) fn control(&self, faults: Option<&Faults>) -> Control {
        Control::new(self.dynamodb(faults), CONTROL.into())
    }

    pub(crate) fn worker(&self, faults: Option<&Faults>, limits: Limits) -> Worker {
        Worker {
            ledger: self.ledger(faults),
            control: self.control(faults),
            files: Files::new(self.s3(faults), BUCKET.into()),
            limits,
            subscriptions: SubscriptionsUrl::new(
                "https://portal.example/customers/{customer}/subscriptions".to_owned(),
            ),
        }
    }

    /// The bytes of an object, or none.
    pub(crate) async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.s3(None).get_object().bucket(BUCKET).key(key).send().await.ok()?;
        Some(got.body.collect().await.unwrap().into_bytes().to_vec())
    }

    /// The keys of all objects below a prefix.
    pub(crate) async fn objects(&self, prefix: &str) -> Vec<String> {
        let listed = self.s3(None).list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }
}

/// What a client may try again. Where nothing is said, all clients of a process share it, and here all are in one.
fn of_a_process() -> RetryPartition {
    RetryPartition::custom("tests").token_bucket(TokenBucket::default()).build()
}

/// A queue that takes messages and keeps them until they are looked at.
pub(crate) struct Sqs {
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Sqs {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sqs = Self { url: format!("http://{}", listener.local_addr().unwrap()), bodies: Arc::default() };
        let bodies = sqs.bodies.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let bodies = bodies.clone();
                // A client that goes away is no failure of the queue.
                tokio::spawn(async move { take_messages(socket, &bodies).await.ok() });
            }
        });
        sqs
    }

    /// The messages, in the order of their coming.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// The messages, which are then gone.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

async fn take_messages(socket: TcpStream, bodies: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
        bodies.lock().unwrap().push(message["MessageBody"].as_str().unwrap().to_owned());
        let answer = r#"{"MessageId":"m","MD5OfMessageBody":"0"}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
        socket.write_all(format!("{head} {}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
    }
}

fn key_schema(hash: &str, range: Option<&str>) -> Vec<KeySchemaElement> {
    [(hash, KeyType::Hash)]
        .into_iter()
        .chain(range.map(|range| (range, KeyType::Range)))
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        .collect()
}

trait ForTests {
    fn for_tests_like(word: &str) -> Self;
}

impl ForTests for Credentials {
    fn for_tests_like(word: &str) -> Self {
        Credentials::new(word, word, None, None, "tests")
    }
}

/// How long the clients wait that meet a slow store.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a late answer lets others go first.
const LATE: usize = 500;

/// Counts the calls of some clients and lets some of them fail.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    calls: Arc<AtomicUsize>,
    copies: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    plan: Plan,
    killed: Arc<Notify>,
    reads: Option<Reads>,
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
enum Plan {
    Within(Range<usize>, Fault),
    Drawn(Arc<Weather>),
}

/// Answers to reads of activities, by what was asked: of a table that does not change, the same again. So that many exports
/// of many rows cost the engine one.
pub(crate) type Reads = Arc<Mutex<HashMap<String, String>>>;

impl Faults {
    /// Lets the call with this number, from 0 on, fail.
    pub(crate) fn at(at: usize, fault: Fault) -> Self {
        Self::within(at..at.saturating_add(1), fault)
    }

    /// Lets the call with this number and all later ones fail.
    pub(crate) fn from(at: usize, fault: Fault) -> Self {
        Self::within(at..usize::MAX, fault)
    }

    /// Lets calls fail at random. What the SDK tries again it tries as often as in the functions, without waiting.
    pub(crate) fn drawn(weather: Weather) -> Self {
        Self { plan: Plan::Drawn(Arc::new(weather)), ..Self::none() }
    }

    fn within(failing: Range<usize>, fault: Fault) -> Self {
        Self {
            calls: Arc::default(),
            copies: Arc::default(),
            failed: Arc::default(),
            plan: Plan::Within(failing, fault),
            killed: Arc::default(),
            reads: None,
        }
    }

    /// The same, with reads answered from memory where they were answered before.
    pub(crate) fn remembering(self, reads: &Reads) -> Self {
        Self { reads: Some(Arc::clone(reads)), ..self }
    }

    /// Ends when the process is to die.
    pub(crate) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Lets none fail.
    pub(crate) fn none() -> Self {
        Self::within(0..0, Fault::NotSent)
    }

    /// How many of the calls copied what is stored already.
    pub(crate) fn copies(&self) -> usize {
        self.copies.load(Ordering::SeqCst)
    }

    /// How many of the calls failed.
    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Faulty {
    client: SharedHttpClient,
    faults: Faults,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl HttpClient for Faulty {
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
            Plan::Drawn(weather) => weather.fault(number, &request),
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
        let memory = self.faults.reads.clone().zip(read_of_activities(&request));
        let remembered = memory.as_ref().and_then(|(reads, asked)| reads.lock().unwrap().get(asked).cloned());
        let sent = match remembered {
            Some(body) => HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body.into()))),
            None => self.connector.call(request),
        };
        let Faults { plan, killed, .. } = self.faults.clone();
        HttpConnectorFuture::new(async move {
            let mut answer = sent.await?;
            if let Some((reads, asked)) = memory {
                let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
                let body = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?;
                let body = body.into_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                *answer.body_mut() = SdkBody::from(body.clone());
                // A checksum of what is already checked.
                answer.headers_mut().remove("x-amz-crc32");
                reads.lock().unwrap().insert(asked, body);
            }
            match fault {
                None | Some(Fault::Stale) => Ok(answer),
                Some(Fault::Late) => {
                    for _ in 0..LATE {
                        tokio::task::yield_now().await;
                    }
                    Ok(answer)
                }
                Some(Fault::Slow) if matches!(plan, Plan::Drawn(_)) => {
                    Err(ConnectorError::timeout("injected: too slow".into()))
                }
                Some(Fault::Slow) => std::future::pending().await,
                Some(Fault::Killed) => {
                    killed.notify_one();
                    std::future::pending().await
                }
                Some(Fault::Garbled) => {
                    // What was done keeps its status: a refusal does not become a success on its way.
                    Ok(HttpResponse::new(answer.status(), SdkBody::from("{\"Ite")))
                }
                _ => Err(ConnectorError::io("injected: the answer is lost".into())),
            }
        })
    }
}

/// How either store says that it has too much to do.
fn throttled(request: &HttpRequest) -> HttpResponse {
    let (status, body) = match request.headers().get("x-amz-target") {
        Some(_) => (400, r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"injected"}"#),
        None => (503, "<Error><Code>SlowDown</Code><Message>injected</Message></Error>"),
    };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn failed() -> HttpResponse {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#;
    HttpResponse::new(500.try_into().unwrap(), SdkBody::from(body))
}

/// What a request asks of the activities, if it only reads them.
fn read_of_activities(request: &HttpRequest) -> Option<String> {
    let is_query = request.headers().get("x-amz-target") == Some("DynamoDB_20120810.Query");
    let asked: serde_json::Value = serde_json::from_slice(request.body().bytes().filter(|_| is_query)?).ok()?;
    (asked["TableName"] == TABLE).then(|| asked.to_string())
}

/// Whether it is a Query of details that need not find what was just written.
fn may_be_stale(request: &HttpRequest) -> bool {
    read_of_activities(request)
        .is_some_and(|asked| asked.contains("#details") && !asked.contains(r#""ConsistentRead":true"#))
}

pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(crate) fn partner(name: &str) -> PartnerId {
    PartnerId::parse(name).unwrap()
}

pub(crate) fn contoso() -> PartnerId {
    PartnerId::parse("contoso").unwrap()
}

/// An activity as sent, with more fields if wanted.
pub(crate) fn sent(id: &str, occurred_at: &str, extra: &serde_json::Value) -> String {
    let mut json = serde_json::json!({
        "id": id, "occurred_at": occurred_at, "action": "order.created", "actor": {"id": "ana@contoso.example"},
    });
    json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json.to_string()
}

pub(crate) fn parsed(json: &str, now: Instant) -> NewActivity {
    NewActivity::parse(json, now).unwrap()
}
