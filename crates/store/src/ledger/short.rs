//! The short way to the table: a call's first try, without what the SDK does around every call.
//!
//! A call through the SDK costs several times what its request, signature and answer cost. So the SDK shows the way, once:
//! a [`Guide`] on one of its calls notes the request as it is sent (endpoint, headers, credentials, connector, time-out).
//! Later calls of the same operation send the same headers with a body and a signature of their own, through the same
//! connector. Ours signs the guide's request as well, and where the signature is not the SDK's own, there is no short way.
//!
//! Whatever is not plainly answered (not sent, no answer in time, cut, throttled, refused, garbled, credentials about to
//! expire) goes the SDK's way, with its retries and its rate of sending; and so do the [`CAUTION`] calls after it, since a
//! store that throttles is to be asked more slowly. Nothing is taken for done that the store has not said to be done.
//! That a try may have been carried out unseen does no harm: reads change nothing, and every put is conditional.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_dynamodb::config::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::AuthSchemeId,
        http::{HttpClient as _, HttpConnector as _, HttpConnectorSettings, SharedHttpConnector},
        identity::ResolveCachedIdentity as _,
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef},
        orchestrator::HttpRequest,
        runtime_components::{GetIdentityResolver as _, RuntimeComponents},
    },
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream, config_bag::ConfigBag, timeout::TimeoutConfig};
use futures_util::FutureExt as _;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use domain::{text::hex, time::Instant};

/// How many calls go the SDK's way after one that was not plainly answered.
pub(super) const CAUTION: u32 = 100;
/// How long before their end credentials are used no more.
const MARGIN: Duration = Duration::from_secs(60);
/// The most bytes that an answer's length is believed: a page of 1 MB, in JSON with all escaped.
const MAX_ANSWER_BYTES: usize = 8 * 1_024 * 1_024;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The short way of one operation.
#[derive(Debug, Default)]
pub(super) struct ShortWay(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    way: Option<Arc<Way>>,
    caution: u32,
}

impl ShortWay {
    /// Sends a body as the operation's request; the status and the body of the answer. None where the SDK is to make
    /// the call: whether this one was carried out is not known.
    pub(super) async fn call(&self, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let way = self.way()?;
        let answer = way.send(body).await;
        if answer.is_none() {
            self.mistrust();
        }
        answer
    }

    /// Sends the next calls the SDK's way.
    pub(super) fn mistrust(&self) {
        *self.state() = State { way: None, caution: CAUTION };
    }

    /// Whether a call of the SDK's is to show the way.
    pub(super) fn guide(&self) -> Guide {
        Guide::default()
    }

    /// Takes the way of a call that succeeded.
    pub(super) fn learn(&self, guide: &Guide) {
        if let Some(way) = lock(&guide.0).take() {
            self.state().way = Some(Arc::new(way));
        }
    }

    fn way(&self) -> Option<Arc<Way>> {
        let mut state = self.state();
        if state.caution > 0 {
            state.caution -= 1;
            return None;
        }
        state.way.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// Notes the way of one of the SDK's calls, to which it is given as an interceptor.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide(Arc<Mutex<Option<Way>>>);

impl Intercept for Guide {
    fn name(&self) -> &'static str {
        "Guide"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *lock(&self.0) = Way::of(context.request(), components, cfg);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What requests of one operation have in common.
struct Way {
    /// The request without a body, and without the headers that are each request's own.
    request: HttpRequest,
    signer: Signer,
    connector: SharedHttpConnector,
    clock: SharedTimeSource,
    expires: Option<SystemTime>,
    try_timeout: Duration,
}

/// It holds credentials.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way")
    }
}

impl Way {
    /// The way that a request of the SDK's shows; none where ours would go another.
    fn of(request: &HttpRequest, components: &RuntimeComponents, cfg: &ConfigBag) -> Option<Self> {
        let resolver = components.identity_resolver(AuthSchemeId::from("sigv4"))?;
        // The call has just used it: it is in the cache.
        let cache = components.identity_cache();
        let identity = cache.resolve_cached_identity(resolver, components, cfg).now_or_never()?.ok()?;
        let authorization = Authorization::parse(request.headers().get("authorization")?)?;
        let (body, date) = (request.body().bytes()?, request.headers().get("x-amz-date")?);
        let credentials: &Credentials = identity.data()?;
        let all = Signer::new(request, &authorization, credentials, |_| true)?;
        if all.sign(date, all.key(date)?, body) != request.headers().get("authorization")? {
            return None;
        }
        // Of this request alone: its number, the trace that it is part of, its length.
        let own = |name: &str| {
            name.starts_with("amz-sdk-") || matches!(name, "x-amzn-trace-id" | "content-length" | "authorization")
        };
        let signer = Signer::new(request, &authorization, credentials, |name| !own(name))?;
        let mut template = HttpRequest::new(SdkBody::empty());
        template.set_method(request.method()).ok()?;
        template.set_uri(request.uri()).ok()?;
        for (name, value) in request.headers().iter().filter(|(name, _)| !own(name)) {
            template.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        let timeouts = cfg.load::<TimeoutConfig>()?;
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.connect_timeout()).set_read_timeout(timeouts.read_timeout());
        Some(Self {
            request: template,
            signer,
            connector: components.http_client()?.http_connector(&settings.build(), components),
            clock: components.time_source()?,
            expires: identity.expiration(),
            try_timeout: timeouts.operation_attempt_timeout().unwrap_or(Duration::MAX),
        })
    }

    async fn send(&self, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let now = self.clock.now();
        if self.expires.is_some_and(|expires| now + MARGIN >= expires) {
            return None;
        }
        let date = amz_date(now)?;
        let authorization = self.signer.sign(&date, self.signer.key(&date)?, &body);
        let mut request = self.request.try_clone()?;
        request.headers_mut().insert("x-amz-date", date);
        request.headers_mut().insert("authorization", authorization);
        *request.body_mut() = SdkBody::from(body);
        let answered = async {
            let answer = self.connector.call(request).await.ok()?;
            let status = answer.status().as_u16();
            let length = answer.headers().get("content-length").and_then(|length| length.parse().ok());
            let mut body = Vec::with_capacity(usize::min(length.unwrap_or_default(), MAX_ANSWER_BYTES));
            let mut pieces = ByteStream::new(answer.into_body());
            while let Some(piece) = pieces.next().await {
                body.extend_from_slice(&piece.ok()?);
            }
            Some((status, body))
        };
        timeout(self.try_timeout, answered).await.ok()?
    }
}

/// `20261102T093000Z`
fn amz_date(now: SystemTime) -> Option<String> {
    let micros = i64::try_from(now.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()?;
    let text = Instant::from_micros(micros)?.to_string();
    Some(text.bytes().take(19).filter(|byte| !matches!(byte, b'-' | b':')).map(char::from).chain(['Z']).collect())
}

/// The parts of an `Authorization` header (AWS Signature Version 4).
struct Authorization<'a> {
    access_key: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(ALGORITHM)?.strip_prefix(" Credential=")?;
        let (credential, rest) = rest.split_once(", SignedHeaders=")?;
        let (signed, _) = rest.split_once(", Signature=")?;
        let mut parts = credential.split('/');
        let (access_key, _, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { access_key, region, service, signed: signed.split(';').collect() })
    }
}

/// Signs requests that differ in their date and body only (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
struct Signer {
    /// The canonical request up to the value of `x-amz-date`, and from there to the body's digest.
    canonical: (String, String),
    access_key: String,
    secret_key: String,
    region: String,
    service: String,
    signed: String,
    /// The key of a day.
    key: Mutex<Option<(String, Arc<[u8]>)>>,
}

impl Signer {
    fn new(
        request: &HttpRequest,
        authorization: &Authorization<'_>,
        credentials: &Credentials,
        signs: impl Fn(&str) -> bool,
    ) -> Option<Self> {
        let (_, authority) = request.uri().split_once("://")?;
        let (authority, path) = authority.split_once('/').unwrap_or((authority, ""));
        if !path.is_empty() || authorization.access_key != credentials.access_key_id() {
            return None;
        }
        let signed: Vec<&str> = authorization.signed.iter().copied().filter(|name| signs(name)).collect();
        let mut canonical = format!("{}\n/\n\n", request.method());
        let mut before = None;
        for name in &signed {
            canonical.push_str(name);
            canonical.push(':');
            if *name == "x-amz-date" {
                before = Some(std::mem::take(&mut canonical));
            } else {
                let value = request.headers().get(name);
                canonical.push_str(if *name == "host" { value.unwrap_or(authority) } else { value? });
            }
            canonical.push('\n');
        }
        let signed = signed.join(";");
        canonical.push_str(&format!("\n{signed}\n"));
        Some(Self {
            canonical: (before?, canonical),
            access_key: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            region: authorization.region.to_owned(),
            service: authorization.service.to_owned(),
            signed,
            key: Mutex::default(),
        })
    }

    /// The key of a date's day.
    fn key(&self, date: &str) -> Option<Arc<[u8]>> {
        let day = date.get(..8)?;
        let mut known = lock(&self.key);
        if let Some((_, key)) = known.as_ref().filter(|(known, _)| known == day) {
            return Some(key.clone());
        }
        let (year, month, date) = (day.get(..4)?, day.get(4..6)?, day.get(6..)?);
        let midnight = Instant::parse(&format!("{year}-{month}-{date}T00:00:00Z")).ok()?;
        let time = UNIX_EPOCH + Duration::from_micros(u64::try_from(midnight.micros()).ok()?);
        let key = generate_signing_key(&self.secret_key, time, &self.region, &self.service);
        let key: Arc<[u8]> = key.as_ref().into();
        *known = Some((day.to_owned(), key.clone()));
        Some(key)
    }

    /// The `Authorization` header of a request with this `x-amz-date` and body.
    fn sign(&self, date: &str, key: Arc<[u8]>, body: &[u8]) -> String {
        let Self { canonical: (before, after), access_key, region, service, signed, .. } = self;
        let mut request = Sha256::new();
        for part in [before, date, after, &*hex(&Sha256::digest(body))] {
            request.update(part);
        }
        let scope = [date.get(..8).unwrap_or_default(), "/", region, "/", service, "/aws4_request"].concat();
        let to_sign = [ALGORITHM, "\n", date, "\n", &scope, "\n", &hex(&request.finalize())].concat();
        let signature = &*calculate_signature(key, to_sign.as_bytes());
        let signed = [", SignedHeaders=", signed, ", Signature=", signature].concat();
        [ALGORITHM, " Credential=", access_key, "/", &scope, &signed].concat()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Region, retry::RetryConfig};
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_smithy_runtime_api::client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpResponse,
    };
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::ledger::{Ledger, item::NewItem};

    /// A store that notes what it is asked, and says that it is done.
    #[derive(Clone, Debug, Default)]
    struct Noting(Arc<Mutex<Vec<HttpRequest>>>);

    impl HttpConnector for Noting {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            lock(&self.0).push(request);
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from("{}"))))
        }
    }

    fn credentials(session: bool, expires: Option<SystemTime>) -> Credentials {
        Credentials::new("AKID", "secret", session.then(|| "session".to_owned()), expires, "tests")
    }

    fn ledger(noting: &Noting, credentials: Credentials) -> Ledger {
        let connector = SharedHttpConnector::new(noting.clone());
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-3"))
            .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_s3::Client::new(&config));
        Ledger::new(dynamodb, s3, "table".to_owned(), "bucket".to_owned())
    }

    /// What is sent when an item is put several times.
    fn sent(times: usize, item: &NewItem<'_>, credentials: Credentials) -> Vec<HttpRequest> {
        let noting = Noting::default();
        let ledger = ledger(&noting, credentials);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..times {
            assert_eq!(runtime.block_on(ledger.put_new(item, "test")).unwrap(), None);
        }
        let mut sent = lock(&noting.0);
        sent.drain(..).collect()
    }

    fn by_sdk(request: &HttpRequest) -> bool {
        request.headers().contains_key("amz-sdk-request")
    }

    fn headers(request: &HttpRequest) -> Vec<(String, String)> {
        let own = ["amz-sdk-request", "amz-sdk-invocation-id", "x-amz-date", "authorization", "content-length"];
        let shared = request.headers().iter().filter(|(name, _)| !own.contains(name));
        let mut headers: Vec<_> = shared.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.sort();
        headers
    }

    /// The signature of a request as the SDK's own crate makes it.
    fn signature(request: &HttpRequest, credentials: Credentials) -> String {
        let date = request.headers().get("x-amz-date").unwrap();
        let text = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        );
        let micros = u64::try_from(Instant::parse(&text).unwrap().micros()).unwrap();
        let identity = credentials.into();
        let parameters = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-3")
            .name("dynamodb")
            .time(UNIX_EPOCH + Duration::from_micros(micros))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let given = ["authorization", "x-amz-date", "x-amz-security-token", "content-length"];
        let headers = request.headers().iter().filter(|(name, _)| !given.contains(name));
        let body = SignableBody::Bytes(request.body().bytes().unwrap());
        let signable = SignableRequest::new(request.method(), request.uri(), headers, body).unwrap();
        sign(signable, &parameters).unwrap().signature().to_owned()
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,12}", "[\"\\\\\u{0}-\u{1f}\u{7f}é\u{2028}😀]{0,6}", "[a-z.]{1,9}"]
    }

    proptest! {
        #[test]
        fn the_short_way_sends_what_the_sdk_sends(
            texts in prop::collection::vec(text(), 1..8), number: u64, bytes in prop::collection::vec(any::<u8>(), 0..40), session: bool,
        ) {
            let names = ["pk", "sk", "un", "c", "ck", "d", "ch", "so"];
            let item = names.into_iter().zip(&texts).fold(NewItem::default(), |item, (name, text)| item.text(name, text));
            let item = item.number("dz", number).bytes("h", bytes);
            let sent = sent(2, &item, credentials(session, None));
            prop_assert!(by_sdk(&sent[0]) && !by_sdk(&sent[1]));
            let json = |request: &HttpRequest| serde_json::from_slice::<Value>(request.body().bytes().unwrap()).unwrap();
            prop_assert_eq!(json(&sent[0]), json(&sent[1]));
            prop_assert_eq!(headers(&sent[0]), headers(&sent[1]));
            prop_assert_eq!((sent[0].method(), sent[0].uri()), (sent[1].method(), sent[1].uri()));
            let expected = signature(&sent[1], credentials(session, None));
            let authorization = sent[1].headers().get("authorization").unwrap();
            prop_assert!(authorization.ends_with(&format!("Signature={expected}")), "{authorization} {expected}");
        }
    }

    #[test]
    fn credentials_about_to_expire_are_the_sdks_to_renew() {
        let now = SystemTime::now();
        let item = NewItem::default().text("pk", "a");
        let short = |expires| sent(3, &item, credentials(true, Some(expires))).iter().filter(|it| !by_sdk(it)).count();
        assert_eq!(short(now + Duration::from_secs(3_600)), 2);
        assert_eq!(short(now + Duration::from_secs(30)), 0);
    }
}
