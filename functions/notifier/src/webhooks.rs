//! Sends webhooks to addresses that partners choose, without reaching anything that partners cannot reach themselves.
//!
//! The function looks a name up once, requires that all addresses of the name are public, and connects to one of those
//! addresses. A second look-up, which could give other addresses, never happens. Redirects are not followed, no proxy is
//! used, and the body of the answer is not read.

use std::{error::Error as StdError, net::SocketAddr, sync::Arc, time::Duration};

use domain::{
    delivery::{Failure, timestamp},
    recipient::{Reach, ip_literal, is_public},
    time::Instant,
};
use lambda::Error;
use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect::Policy,
};

/// How long a receiver has to answer, name look-up and connection included.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A name that leads to an address that is not public.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to an address that is not public")]
struct NotPublic;

/// Sends webhooks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Webhooks {
    client: Client,
    reach: Reach,
}

impl Webhooks {
    /// A sender that reaches public addresses only, and the hosts of tests.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(reach: Reach) -> Result<Self, Error> {
        let client = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // No reuse of connections, because each delivery checks its own address.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(PublicNames { test_hosts: reach.test_hosts.clone() }))
            .build()?;
        Ok(Self { client, reach })
    }

    /// Sends a message; the status of the answer, which is a success.
    ///
    /// # Errors
    /// Why it failed, for people.
    pub async fn send(&self, url: &Url, id: &str, now: Instant, signature: &str, body: String) -> Result<u16, Failure> {
        let failure = |problem: &str| Failure { answer: None, problem: problem.to_owned(), is_final: false };
        // Checked here, because the resolver never sees an IP address in the URL.
        if !self.reach.is_test_host(url) && !ip_literal(url).is_none_or(is_public) {
            return Err(Failure { is_final: true, ..failure("The address is not public; nothing was sent to it.") });
        }
        let request = self
            .client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp(now))
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) => judge(answer.status()),
            Err(error) => Err(if error.is_timeout() {
                failure("The receiver did not answer in time.")
            } else if is_not_public(&error) {
                failure("The name leads to an address that is not public; nothing was sent to it.")
            } else if error.is_connect() {
                failure("No connection to the receiver could be made.")
            } else {
                failure("The receiver broke off, or its answer was not HTTP.")
            }),
        }
    }
}

/// Judges an answer: redirects count as failures, and 410 ends the delivery.
fn judge(status: StatusCode) -> Result<u16, Failure> {
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let problem = match status {
        StatusCode::GONE => "The receiver says that it is gone.".to_owned(),
        _ if status.is_redirection() => "The receiver answered with a redirect, which is not followed.".to_owned(),
        _ => format!("The receiver answered {}.", status.as_u16()),
    };
    Err(Failure { answer: Some(status.as_u16()), problem, is_final: status == StatusCode::GONE })
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

    async fn send(webhooks: &Webhooks, url: &str) -> Result<u16, Failure> {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        webhooks.send(&Url::parse(url).unwrap(), "msg_1", now, "v1,x", "{\"a\":1}".to_owned()).await
    }

    fn webhooks(test_hosts: &str) -> Webhooks {
        Webhooks::new(Reach::new(false, test_hosts)).unwrap()
    }

    #[tokio::test]
    async fn webhook_arrives_as_it_was_signed() {
        let (url, mut requests) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(send(&webhooks("127.0.0.1"), &url).await, Ok(204));
        let request = requests.recv().await.unwrap();
        for line in [
            "POST /hook HTTP/1.1",
            "webhook-id: msg_1",
            "webhook-timestamp: 1793620800",
            "webhook-signature: v1,x",
            "content-type: application/json",
        ] {
            assert!(request.contains(line), "{line} is not in {request}");
        }
    }

    #[tokio::test]
    async fn answer_without_success_is_a_failure() {
        let (elsewhere, mut reached) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        for (answer, status, is_final) in [
            ("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", Some(500), false),
            ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", Some(410), true),
            (&*redirect.leak(), Some(307), false),
            ("not HTTP\r\n\r\n", None, false),
        ] {
            let (url, _requests) = receiver(answer).await;
            let failure = send(&webhooks("127.0.0.1"), &url).await.unwrap_err();
            assert_eq!((failure.answer, failure.is_final), (status, is_final), "{answer}");
        }
        assert!(reached.try_recv().is_err());
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_is_not_public() {
        let (url, mut requests) = receiver("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let failure = send(&webhooks(""), &url).await.unwrap_err();
        assert!(failure.is_final && failure.problem.contains("not public"), "{failure:?}");
        // By name, so that the resolver refuses the address.
        let by_name = url.replace("127.0.0.1", "localhost");
        let failure = send(&webhooks("127.0.0.1"), &by_name).await.unwrap_err();
        assert!(failure.problem.contains("not public"), "{failure:?}");
        assert!(requests.try_recv().is_err());
        // The same name is reached if it is a host of tests.
        assert_eq!(send(&webhooks("localhost"), &by_name).await, Ok(200));
    }

    #[test]
    fn name_is_refused_when_one_address_is_private() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(check(&[address("8.8.8.8:0"), address("[2600::1]:0")]).is_ok());
        assert!(check(&[address("8.8.8.8:0"), address("10.0.0.1:0")]).is_err());
    }
}
