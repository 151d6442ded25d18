//! Sends notifications as webhooks.

use std::time::Duration;

use domain::{
    delivery::{Failure, timestamp},
    recipient::Reach,
    time::Instant,
};
use lambda::Error;
use reqwest::Url;
use webhook::{PostError, WebhookClient};

/// How long a receiver has to answer, name look-up and connection included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends webhooks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Webhooks(WebhookClient);

impl Webhooks {
    /// A sender that reaches public addresses only, and the hosts of tests.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(reach: Reach) -> Result<Self, Error> {
        Ok(Self(WebhookClient::new(reach, TIMEOUT)?))
    }

    /// Sends a message; the status of the answer, which is a success.
    ///
    /// # Errors
    /// Why it failed, for people. A receiver that is gone, and an address that is not public, end the delivery.
    pub async fn send(&self, url: &Url, id: &str, now: Instant, signature: &str, body: String) -> Result<u16, Failure> {
        let timestamp = timestamp(now).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", signature),
        ];
        self.0.post(url, &headers, body).await.map_err(|error| Failure {
            answer: error.status(),
            is_final: error.is_gone() || error == PostError::PrivateAddress,
            problem: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn send(test_hosts: &str, url: &str) -> Result<u16, Failure> {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let webhooks = Webhooks::new(Reach::new(false, test_hosts)).unwrap();
        webhooks.send(&Url::parse(url).unwrap(), "msg_1", now, "v1,x", "{\"a\":1}".to_owned()).await
    }

    #[tokio::test]
    async fn webhook_arrives_as_it_was_signed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port());
        let receiver = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.contains("{\"a\":1}") {
                let mut buffer = [0; 4_096];
                let count = socket.read(&mut buffer).await.unwrap();
                request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            socket.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            request
        });
        let failure = send("127.0.0.1", &url).await.unwrap_err();
        assert_eq!((failure.answer, failure.is_final), (Some(410), true));
        let request = receiver.await.unwrap();
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
    async fn an_address_that_is_not_public_ends_the_delivery() {
        let failure = send("", "http://127.0.0.1:9/hook").await.unwrap_err();
        assert!(failure.is_final && failure.problem.contains("not public"), "{failure:?}");
    }
}
