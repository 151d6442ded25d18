//! Real engines in the test's own process, each behind a port of its own, and clients of the stores on them.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::{
    config::retry::{RetryPartition, TokenBucket},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType,
    },
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_types::retry::RetryConfig;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use store::{
    audit::Audit,
    control::Control,
    due::DueMarks,
    keeping::Keeper,
    ledger::{Ledger, Recorder, Remover},
    partners::Partners,
    queues::{DeadLetters, ExportQueue, KeeperQueue},
    streams::Streams,
};
use tokio::net::TcpListener;

use crate::{
    faults::Faults,
    names::{AUDIT, BUCKET, CONTROL, DUE, LIMITS, PARTNERS, SECRETS, STREAMS, TABLE},
    sqs::Sqs,
};

/// The time from the end of a month to its export in the tests, in seconds.
pub const GRACE_SECONDS: i64 = 6 * 3_600;

/// The engines. They end with the test's runtime.
#[derive(Debug)]
pub struct Stores {
    dynamodb_url: String,
    s3_url: String,
    _folder: tempfile::TempDir,
}

impl Stores {
    /// Starts the engines and creates the tables and the bucket.
    pub async fn start() -> Self {
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
                    // A client that disconnects is no failure of the server.
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
        let of_month = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(vec!["problem".to_owned(), "ea".to_owned()]))
            .build();
        for (table, keys, indexes) in [
            (
                TABLE,
                key_schema("pk", Some("sk")),
                vec![("by_customer_id", "ck", "sk", all.clone()), ("late", "lk", "r", all.clone())],
            ),
            (
                CONTROL,
                key_schema("pk", Some("sk")),
                vec![("due", "dk", "nr", all.clone()), ("by_month", "mk", "state", of_month)],
            ),
            (AUDIT, key_schema("pk", Some("sk")), vec![]),
            (PARTNERS, key_schema("pk", None), vec![("registered", "g", "pk", all.clone())]),
            (LIMITS, key_schema("pk", None), vec![]),
            (STREAMS, key_schema("pk", Some("sk")), vec![]),
            (SECRETS, key_schema("pk", Some("sk")), vec![]),
            (DUE, key_schema("pk", Some("sk")), vec![]),
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

    /// The configuration of clients of an endpoint.
    pub fn config(&self, url: &str, faults: Option<&Faults>) -> SdkConfig {
        let credentials = Credentials::new("test", "test", None, None, "tests");
        let client = aws_smithy_http_client::Builder::new().build_http();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(url);
        let Some(faults) = faults else {
            return config.retry_config(RetryConfig::disabled()).http_client(client).build();
        };
        let mut config = config.retry_config(faults.retries()).http_client(faults.wrap(client));
        config.set_timeout_config(faults.timeout()).set_sleep_impl(faults.timer());
        config.build()
    }

    /// A client of the bucket.
    pub fn s3(&self, faults: Option<&Faults>) -> aws_sdk_s3::Client {
        let config = self.config(&self.s3_url, faults);
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).retry_partition(of_a_process());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// A client of the tables.
    pub fn dynamodb(&self, faults: Option<&Faults>) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.config(&self.dynamodb_url, faults));
        aws_sdk_dynamodb::Client::from_conf(config.retry_partition(of_a_process()).build())
    }

    /// A client of a queue server.
    pub fn sqs(&self, sqs: &Sqs, faults: Option<&Faults>) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config(&sqs.url, faults))
    }

    /// The ledger.
    pub fn ledger(&self, faults: Option<&Faults>) -> Ledger {
        Ledger::new(self.dynamodb(faults), self.s3(faults), TABLE.into(), BUCKET.into())
    }

    /// The table of partners.
    pub fn partners(&self) -> Partners {
        Partners::new(self.dynamodb(None), PARTNERS.into())
    }

    /// The keeper of partners' data, which sends its messages to `sqs`.
    pub fn keeper(&self, sqs: &Sqs, faults: Option<&Faults>) -> Keeper {
        let queues = self.sqs(sqs, faults);
        let url = |name: &str| format!("{}/{name}", sqs.url);
        Keeper {
            partners: Partners::new(self.dynamodb(faults), PARTNERS.into()),
            control: self.control(faults),
            streams: self.streams(faults),
            activities: Remover::new(self.ledger(faults)),
            audit: Remover::new(self.audit(faults).ledger().clone()),
            entries: self.audit(faults),
            exports: ExportQueue::new(queues.clone(), url("exports")),
            runs: KeeperQueue::new(queues.clone(), url("keeper")),
            dead_letters: DeadLetters::new(queues, url("dead")),
            order_keys: Arc::new(|order| Box::pin(async move { Ok(order.into_bytes()) })),
            retention_seconds: 30 * 86_400,
            grace_seconds: GRACE_SECONDS,
        }
    }

    /// A recorder into the ledger.
    pub fn recorder(&self, faults: Option<&Faults>) -> Recorder {
        let partners = Partners::new(self.dynamodb(faults), PARTNERS.into());
        Recorder::new(self.ledger(faults), partners, GRACE_SECONDS).with_due_marks(self.due_marks(faults), false)
    }

    /// The Control table.
    pub fn control(&self, faults: Option<&Faults>) -> Control {
        Control::new(self.dynamodb(faults), CONTROL.into())
    }

    /// The due marks.
    pub fn due_marks(&self, faults: Option<&Faults>) -> DueMarks {
        DueMarks::new(self.dynamodb(faults), DUE.into())
    }

    /// The table of streams.
    pub fn streams(&self, faults: Option<&Faults>) -> Streams {
        Streams::new(self.dynamodb(faults), STREAMS.into(), SECRETS.into(), self.due_marks(faults))
    }

    /// The audit.
    pub fn audit(&self, faults: Option<&Faults>) -> Audit {
        Audit::new(self.dynamodb(faults), AUDIT.into())
    }

    /// The environment variables with which a function in a process of its own finds the stores.
    pub fn variables(&self) -> [(&'static str, String); 15] {
        [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url.clone()),
            ("AWS_ENDPOINT_URL_S3", self.s3_url.clone()),
            ("ACTIVITIES_TABLE", TABLE.to_owned()),
            ("PARTNERS_TABLE", PARTNERS.to_owned()),
            ("LIMITS_TABLE", LIMITS.to_owned()),
            ("STREAMS_TABLE", STREAMS.to_owned()),
            ("DUE_TABLE", DUE.to_owned()),
            ("AUDIT_TABLE", AUDIT.to_owned()),
            ("DATA_BUCKET", BUCKET.to_owned()),
            ("DETAILS_BUCKET", BUCKET.to_owned()),
            ("RETENTION_MONTHS", "0".to_owned()),
            ("REGISTERED_PARTNERS", "false".to_owned()),
        ]
    }

    /// Reads an object, or nothing if there is none.
    pub async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.s3(None).get_object().bucket(BUCKET).key(key).send().await.ok()?;
        Some(got.body.collect().await.unwrap().into_bytes().to_vec())
    }

    /// Lists the keys of all objects with a prefix.
    pub async fn objects(&self, prefix: &str) -> Vec<String> {
        let listed = self.s3(None).list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }
}

/// A retry budget of its own for a client. By default all clients of a process share one, and here all are in one.
fn of_a_process() -> RetryPartition {
    RetryPartition::custom("tests").token_bucket(TokenBucket::default()).build()
}

fn key_schema(hash: &str, range: Option<&str>) -> Vec<KeySchemaElement> {
    [(hash, KeyType::Hash)]
        .into_iter()
        .chain(range.map(|range| (range, KeyType::Range)))
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap())
        .collect()
}
