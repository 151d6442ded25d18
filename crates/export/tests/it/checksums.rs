//! The checksums of uploads in parts.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use domain::{
    job::{Format, Output},
    time::Instant,
};
use export::{Files, WorkResult, Worker, WorkerRun};
use harness::{BUCKET, Stores, at, contoso};

use crate::support::*;

/// The requests of a client, each with the checksum that it names.
#[derive(Clone, Debug, Default)]
struct NamedChecksums(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Intercept for NamedChecksums {
    fn name(&self) -> &'static str {
        "NamedChecksums"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let operation = match (request.method(), request.uri()) {
            ("POST", uri) if uri.contains("?uploads") => "create",
            ("PUT", uri) if uri.contains("partNumber=") => "part",
            _ => return Ok(()),
        };
        let algorithm = request.headers().get("x-amz-checksum-algorithm").map(str::to_ascii_lowercase);
        // A checksum is a header, or stands behind the body and is announced by a header.
        let values = request.headers().iter().filter_map(|(name, _)| name.strip_prefix("x-amz-checksum-"));
        let announced = request.headers().get("x-amz-trailer").and_then(|name| name.strip_prefix("x-amz-checksum-"));
        let named = algorithm.or_else(|| values.chain(announced).next().map(str::to_owned));
        self.0.lock().unwrap().push((operation, named.unwrap_or_default()));
        Ok(())
    }
}

#[tokio::test]
async fn upload_and_its_parts_name_the_same_checksum() {
    let stores = Stores::start().await;
    fill(&stores, ROWS).await;
    let named = NamedChecksums::default();
    let config = stores.s3(None).config().to_builder().interceptor(named.clone()).build();
    let output = Output { format: Format::Jsonl, ..csv() };
    assert!(stores.control(None).create_job(&contoso(), &job("parts", output)).await.unwrap());
    let files = Files::new(aws_sdk_s3::Client::from_conf(config), BUCKET.to_owned());
    let worker = Worker { files, ..worker_of(&stores, None, LIMITS) };
    let clock = || at(NOW);
    let run = WorkerRun { name: "w", stop_at: Instant::MAX, clock: &clock, message: None };
    assert_eq!(worker.work(&contoso(), "parts", &run).await.result.unwrap(), WorkResult::Done);
    let named = named.0.lock().unwrap();
    assert!(named.iter().filter(|(operation, _)| *operation == "part").count() > 1, "{named:?}");
    assert_eq!(named.first(), Some(&("create", "crc32".to_owned())));
    assert!(named.iter().all(|(_, checksum)| checksum == "crc32"), "{named:?}");
}
