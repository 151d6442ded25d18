//! Posts to addresses that partners choose, without reaching anything that partners cannot reach themselves.
//!
//! The client looks a name up once, requires that all addresses of the name are public, and connects to one of those
//! addresses. A second look-up, which could give other addresses, never happens. Redirects are not followed, no proxy is
//! used, and the body of the answer is not read.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc, time::Duration};

use chrono::DateTime;
use domain::recipient::{Reach, ip_literal, is_public};
use reqwest::{
    Body, Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{DATE, HeaderMap, RETRY_AFTER},
    redirect::Policy,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A name that leads to an address that is not public.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to an address that is not public")]
struct NotPublic;

/// A request that failed. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The address in the URL is not public.
    #[error("The address is not public; nothing was sent to it.")]
    PrivateAddress,
    /// The name in the URL leads to an address that is not public.
    #[error("The name leads to an address that is not public; nothing was sent to it.")]
    PrivateName,
    /// There was no answer in time.
    #[error("The receiver did not answer in time.")]
    Timeout,
    /// No connection could be made.
    #[error("No connection to the receiver could be made.")]
    NoConnection,
    /// The connection ended early, or the answer is not HTTP.
    #[error("The receiver broke off, or its answer was not HTTP.")]
    BrokenOff,
    /// The answer is a redirect, an error of the client or an error of the server.
    #[error("{}", describe(*status))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The seconds that the receiver asks to wait (`Retry-After`), if it does.
        retry_after: Option<i64>,
    },
}

fn describe(status: u16) -> String {
    match status {
        410 => "The receiver says that it is gone.".to_owned(),
        300..400 => "The receiver answered with a redirect, which is not followed.".to_owned(),
        _ => format!("The receiver answered {status}."),
    }
}

impl PostError {
    /// Returns the HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Tells whether the receiver says that it is gone for good (HTTP 410).
    pub fn is_gone(&self) -> bool {
        self.status() == Some(StatusCode::GONE.as_u16())
    }
}

/// Posts to public addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebhookClient {
    client: Client,
    reach: Reach,
}

impl WebhookClient {
    /// Makes a client that reaches public addresses only, and the hosts of tests. A receiver has `timeout` to answer, name
    /// look-up and connection included.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(reach: Reach, timeout: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            // No reuse of connections, because each request checks its own address.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(PublicNames { test_hosts: reach.test_hosts.clone() }))
            .build()?;
        Ok(Self { client, reach })
    }

    /// Posts a body with headers, and returns the status of the answer, which is a success.
    ///
    /// # Errors
    /// Every other answer, and every failure on the way.
    pub async fn post(&self, url: &Url, headers: &[(&str, &str)], body: impl Into<Body>) -> Result<u16, PostError> {
        // Checked here, because the resolver never sees an IP address in the URL.
        if !self.reach.is_test_host(url) && !ip_literal(url).is_none_or(is_public) {
            return Err(PostError::PrivateAddress);
        }
        let request =
            headers.iter().fold(self.client.post(url.clone()), |request, (name, value)| request.header(*name, *value));
        match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => Ok(answer.status().as_u16()),
            Ok(answer) => {
                let retry_after = retry_after(answer.headers());
                Err(PostError::Status { status: answer.status().as_u16(), retry_after })
            }
            Err(error) => Err(if error.is_timeout() {
                PostError::Timeout
            } else if is_not_public(&error) {
                PostError::PrivateName
            } else if error.is_connect() {
                PostError::NoConnection
            } else {
                PostError::BrokenOff
            }),
        }
    }
}

/// Returns the seconds that an answer asks to wait: a number, or a date, which counts from the date of the answer so that the
/// two clocks need not agree (RFC 9110, sections 6.6.1 and 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<i64> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(seconds);
    }
    let wait = date(wanted)?.signed_duration_since(date(text(DATE)?)?);
    Some(wait.num_seconds().max(0))
}

fn is_not_public(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<NotPublic>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Looks up names that lead to public addresses only.
struct PublicNames {
    test_hosts: Vec<String>,
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let is_test_host = self.test_hosts.iter().any(|host| host == name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !is_test_host {
                check(&found)?;
            }
            Ok::<Addrs, Box<dyn StdError + Send + Sync>>(Box::new(found.into_iter()))
        })
    }
}

/// Refuses a name if one of its addresses is not public, because such a name is meant to deceive.
fn check(found: &[SocketAddr]) -> Result<(), NotPublic> {
    if found.iter().all(|address| is_public(address.ip())) { Ok(()) } else { Err(NotPublic) }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Starts a receiver that answers each connection once; its address and the requests that it receives.
    async fn receiver(answer: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !request.contains("{\"a\":1}") {
                    let mut buffer = [0; 4_096];
                    let count = socket.read(&mut buffer).await.unwrap();
                    request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
                }
                sender.send(request).unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, requests)
    }

    async fn post(client: &WebhookClient, url: &str) -> Result<u16, PostError> {
        client.post(&Url::parse(url).unwrap(), &[("webhook-id", "msg_1"), ("x-team", "a b")], "{\"a\":1}").await
    }

    fn client(test_hosts: &str) -> WebhookClient {
        WebhookClient::new(Reach::new(false, test_hosts), Duration::from_secs(10)).unwrap()
    }

    #[tokio::test]
    async fn a_request_has_its_headers_and_its_body() {
        let (url, mut requests) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(post(&client("127.0.0.1"), &url).await, Ok(204));
        let request = requests.recv().await.unwrap();
        for line in ["POST /hook HTTP/1.1", "webhook-id: msg_1", "x-team: a b", "user-agent: Daybook/"] {
            assert!(request.contains(line), "{line} is not in {request}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_success_is_a_failure() {
        let (elsewhere, mut reached) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        for (answer, status, retry_after) in [
            ("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", Some(500), None),
            ("HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", Some(429), Some(7)),
            ("HTTP/1.1 503 Busy\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", Some(503), None),
            (
                "HTTP/1.1 503 Busy\r\ndate: Mon, 30 Nov 2026 10:00:00 GMT\r\nretry-after: Mon, 30 Nov 2026 10:02:05 GMT\r\ncontent-length: 0\r\n\r\n",
                Some(503),
                Some(125),
            ),
            (
                "HTTP/1.1 429 Later\r\ndate: Mon, 30 Nov 2026 10:00:00 GMT\r\nretry-after: Mon, 30 Nov 2026 09:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
                Some(429),
                Some(0),
            ),
            (
                "HTTP/1.1 429 Later\r\nretry-after: Mon, 30 Nov 2026 10:02:05 GMT\r\ncontent-length: 0\r\n\r\n",
                Some(429),
                None,
            ),
            ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", Some(410), None),
            (&*redirect.leak(), Some(307), None),
            ("not HTTP\r\n\r\n", None, None),
        ] {
            let (url, _requests) = receiver(answer).await;
            let error = post(&client("127.0.0.1"), &url).await.unwrap_err();
            assert_eq!((error.status(), error.is_gone()), (status, status == Some(410)), "{answer}");
            let wait = if let PostError::Status { retry_after, .. } = error { retry_after } else { None };
            assert_eq!(wait, retry_after, "{answer}");
        }
        assert!(reached.try_recv().is_err());
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_is_not_public() {
        let (url, mut requests) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(post(&client(""), &url).await, Err(PostError::PrivateAddress));
        // By name, so that the resolver refuses the address.
        let by_name = url.replace("127.0.0.1", "localhost");
        assert_eq!(post(&client("127.0.0.1"), &by_name).await, Err(PostError::PrivateName));
        assert!(requests.try_recv().is_err());
        // The same name is reached if it is a host of tests.
        assert_eq!(post(&client("localhost"), &by_name).await, Ok(200));
    }

    #[test]
    fn name_is_refused_when_one_address_is_private() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(check(&[address("8.8.8.8:0"), address("[2600::1]:0")]).is_ok());
        assert!(check(&[address("8.8.8.8:0"), address("10.0.0.1:0")]).is_err());
    }
}
