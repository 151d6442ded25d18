//! One batch on its way to a destination.

use std::{io::Write as _, time::Duration};

use aws_config::{Region, SdkConfig};
use aws_sdk_eventbridge::{primitives::DateTime, types::PutEventsRequestEntry};
use domain::{
    activity::PartnerId,
    delivery::timestamp,
    recipient::Reach,
    stream::{
        AttemptFailure, Destination, EventBridgeDestination, Framing, HttpsDestination, S3Destination,
        batch::{ActivityDocument, EVENT_SOURCE, ObjectHour, take_entries, take_http_batch, take_object_batch},
    },
    text::hex,
    time::Instant,
};
use flate2::{Compression, write::GzEncoder};
use lambda::Error;
use sha2::{Digest as _, Sha256};
use store::streams::LeasedStream;
use url::Url;
use webhook::{PostError, WebhookClient};

use crate::roles::{Roles, describe};

/// How long a server has to answer, name look-up and connection included.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Documents in order, of which a destination takes as many of the first ones as it accepts at a time.
pub(crate) struct Batch<'a> {
    pub(crate) documents: &'a [ActivityDocument],
    /// The position before the first document.
    pub(crate) first_position: &'a str,
    pub(crate) hour: ObjectHour,
}

/// A batch that was not accepted.
#[derive(Debug)]
pub(crate) struct SendFailure {
    pub(crate) failure: AttemptFailure,
    /// The number of activities in the batch.
    pub(crate) count: usize,
}

/// The way to the destinations. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    webhooks: WebhookClient,
    roles: Roles,
    config: SdkConfig,
    host: String,
}

impl Sender {
    /// Makes a sender that reaches public servers only, and the hosts of tests. `api_url` is the address of the API.
    ///
    /// # Errors
    /// When no HTTP client can be made, or the address is not one.
    pub fn new(reach: Reach, config: &SdkConfig, api_url: &str) -> Result<Self, Error> {
        let host = Url::parse(api_url)?.host_str().unwrap_or_default().to_owned();
        let webhooks = WebhookClient::new(reach, TIMEOUT)?;
        Ok(Self { webhooks, roles: Roles::new(aws_sdk_sts::Client::new(config)), config: config.clone(), host })
    }

    /// Sends a batch, and returns the number of activities that the destination has accepted: the first ones.
    pub(crate) async fn send(
        &self,
        leased: &LeasedStream,
        partner: &PartnerId,
        batch: &Batch<'_>,
        now: Instant,
    ) -> Result<usize, SendFailure> {
        match &leased.stream.settings.destination {
            Destination::Https(https) => self.post(leased, https, batch, now).await,
            Destination::EventBridge(bus) => self.put_events(leased, bus, batch, now).await,
            Destination::S3(s3) => self.put_object(leased, partner, s3, batch, now).await,
        }
    }

    async fn post(
        &self,
        leased: &LeasedStream,
        https: &HttpsDestination,
        batch: &Batch<'_>,
        now: Instant,
    ) -> Result<usize, SendFailure> {
        let settings = &leased.stream.settings;
        let Some(framed) = take_http_batch(batch.documents, settings, https.framing, &self.host) else { return Ok(0) };
        let count = framed.count;
        let id = message_id(&leased.stream.id, batch.first_position, count);
        // Over the body before compression, because frameworks hand the body over unpacked.
        let Some(secrets) = &leased.secrets else { return Err(fail(&"The stream has no secret.", count)) };
        let signature = secrets.signature(&id, now, &framed.body);
        let timestamp = timestamp(now).to_string();
        let mut headers = vec![
            ("content-type", framed.content_type),
            ("webhook-id", &id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", &signature),
        ];
        headers.extend(https.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())));
        let body = match https.framing {
            Framing::Array | Framing::Lines | Framing::SplunkHec => {
                headers.push(("content-encoding", "gzip"));
                compress(&framed.body).map_err(|error| fail(&error, count))?
            }
            // Chat services take no compressed messages.
            Framing::Slack | Framing::Teams => framed.body.into_bytes(),
        };
        match self.webhooks.post(&https.url, &headers, body).await {
            Ok(_) => Ok(count),
            Err(error) => {
                let retry_after = if let PostError::Status { retry_after, .. } = error { retry_after } else { None };
                let (status, is_final) = (error.status(), error.is_gone());
                let failure = AttemptFailure { detail: error.to_string(), status, retry_after, is_final };
                Err(SendFailure { failure, count })
            }
        }
    }

    async fn put_events(
        &self,
        leased: &LeasedStream,
        bus: &EventBridgeDestination,
        batch: &Batch<'_>,
        now: Instant,
    ) -> Result<usize, SendFailure> {
        let entries = take_entries(batch.documents);
        let count = entries.len();
        let mut config = aws_sdk_eventbridge::config::Builder::from(&self.config)
            .region(Region::new(bus.bus_arn.region().to_owned()));
        if let Some(role) = &bus.role_arn {
            let credentials = self.roles.assume(role, &leased.stream, now).await;
            config = config.credentials_provider(credentials.map_err(|failure| SendFailure { failure, count })?);
        }
        let mut call = aws_sdk_eventbridge::Client::from_conf(config.build()).put_events();
        for entry in &entries {
            let entry = PutEventsRequestEntry::builder()
                .event_bus_name(bus.bus_arn.as_str())
                .source(EVENT_SOURCE)
                .detail_type(entry.detail_type)
                .detail(entry.detail)
                .time(DateTime::from_secs(entry.time.seconds()));
            call = call.entries(entry.build());
        }
        let answer = call.send().await.map_err(|error| SendFailure { failure: describe(&error), count })?;
        if answer.failed_entry_count() == 0 {
            return Ok(count);
        }
        // The events behind the first refused one are sent again, because the order counts.
        let accepted = answer.entries().iter().take_while(|entry| entry.error_code().is_none()).count();
        if accepted > 0 {
            return Ok(accepted.min(count));
        }
        let refused = answer.entries().first();
        let code = refused.and_then(|entry| entry.error_code()).unwrap_or("an unknown error");
        let message = refused.and_then(|entry| entry.error_message()).unwrap_or_default();
        Err(fail(&format!("EventBridge refused the events: {code} {message}"), count))
    }

    async fn put_object(
        &self,
        leased: &LeasedStream,
        partner: &PartnerId,
        s3: &S3Destination,
        batch: &Batch<'_>,
        now: Instant,
    ) -> Result<usize, SendFailure> {
        let object = take_object_batch(batch.documents, s3, partner, batch.first_position, batch.hour);
        let Some(object) = object else { return Ok(0) };
        let count = object.count;
        let credentials = self.roles.assume(&s3.role_arn, &leased.stream, now).await;
        let credentials = credentials.map_err(|failure| SendFailure { failure, count })?;
        let body = compress(&object.lines).map_err(|error| fail(&error, count))?;
        let mut region = self.roles.region_of(&s3.bucket).or_else(|| self.config.region().cloned());
        // The bucket may be in another region, which S3 names in the answer to the first try.
        for is_last in [false, true] {
            let mut config = aws_sdk_s3::config::Builder::from(&self.config).credentials_provider(credentials.clone());
            config.set_region(region.clone());
            let put = aws_sdk_s3::Client::from_conf(config.build())
                .put_object()
                .bucket(&s3.bucket)
                .key(&object.key)
                .content_type("application/gzip")
                .body(body.clone().into());
            let Err(error) = put.send().await else { return Ok(count) };
            let named = error.raw_response().and_then(|answer| answer.headers().get("x-amz-bucket-region"));
            match named.map(|name| Region::new(name.to_owned())) {
                Some(named) if !is_last && region.as_ref() != Some(&named) => {
                    self.roles.remember_region(&s3.bucket, named.clone());
                    region = Some(named);
                }
                _ => return Err(SendFailure { failure: describe(&error), count }),
            }
        }
        Err(fail(&"The bucket is in no region that S3 names.", count))
    }
}

fn compress(text: &str) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Returns the id of a request, the same for all attempts with the same activities.
fn message_id(stream: &str, first_position: &str, count: usize) -> String {
    // A digest, because the signed text separates its parts by dots and an id must have none.
    let digest = Sha256::digest(format!("{stream}#{first_position}#{count}"));
    format!("msg_{}", hex(digest.get(..16).unwrap_or_default()))
}

fn fail(detail: &dyn std::fmt::Display, count: usize) -> SendFailure {
    let failure = AttemptFailure { detail: detail.to_string(), status: None, retry_after: None, is_final: false };
    SendFailure { failure, count }
}
