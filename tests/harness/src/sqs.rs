//! A queue that keeps its messages: as much of SQS as the code under test uses.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::http::read_request;

/// A server of queues that keeps all messages together until a test takes them.
#[derive(Debug)]
pub struct Sqs {
    /// The URL of the server.
    pub url: String,
    calls: Arc<Mutex<Calls>>,
}

/// The calls of the code under test.
#[derive(Debug, Default)]
struct Calls {
    /// The messages that were sent.
    sent: Vec<Value>,
    /// The visibility timeouts that were set: the receipt of the message, and the seconds.
    hidden: Vec<(String, i64)>,
}

impl Sqs {
    /// Starts the server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sqs = Self { url: format!("http://{}", listener.local_addr().unwrap()), calls: Arc::default() };
        let calls = sqs.calls.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let calls = calls.clone();
                // A client that goes away is no failure of the queue.
                tokio::spawn(async move { take_calls(socket, &calls).await.ok() });
            }
        });
        sqs
    }

    /// Returns the messages, in the order of their arrival.
    pub fn bodies(&self) -> Vec<String> {
        self.calls.lock().unwrap().sent.iter().map(body).collect()
    }

    /// Returns the messages of the queue whose URL ends in `queue`, in the order of their arrival.
    pub fn bodies_of(&self, queue: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let is_wanted = |message: &&Value| message["QueueUrl"].as_str().is_some_and(|url| url.ends_with(queue));
        calls.sent.iter().filter(is_wanted).map(body).collect()
    }

    /// Returns the text attributes of the messages, in the order of their arrival.
    pub fn attributes(&self, name: &str) -> Vec<Option<String>> {
        let attribute = |message: &Value| message["MessageAttributes"][name]["StringValue"].as_str().map(str::to_owned);
        self.calls.lock().unwrap().sent.iter().map(attribute).collect()
    }

    /// Returns the seconds for which the queue holds back each message, in the order of their arrival.
    pub fn delays(&self) -> Vec<u64> {
        let delay = |message: &Value| message["DelaySeconds"].as_u64().unwrap_or_default();
        self.calls.lock().unwrap().sent.iter().map(delay).collect()
    }

    /// Removes the messages and returns them, in the order of their arrival.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap().sent).iter().map(body).collect()
    }

    /// Removes the visibility timeouts that were set, and returns the receipts and the seconds, in their order.
    pub fn take_hidden(&self) -> Vec<(String, i64)> {
        std::mem::take(&mut self.calls.lock().unwrap().hidden)
    }
}

fn body(message: &Value) -> String {
    message["MessageBody"].as_str().unwrap().to_owned()
}

async fn take_calls(socket: TcpStream, calls: &Mutex<Calls>) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    while let Some((_, body)) = read_request(&mut socket).await? {
        let call: Value = serde_json::from_slice(&body).unwrap();
        let is_receive = call.get("MaxNumberOfMessages").is_some();
        match call["VisibilityTimeout"].as_i64() {
            // Nobody gets the messages but the test.
            Some(_) if is_receive => {}
            Some(seconds) => {
                let receipt = call["ReceiptHandle"].as_str().unwrap().to_owned();
                calls.lock().unwrap().hidden.push((receipt, seconds));
            }
            None => calls.lock().unwrap().sent.push(call),
        }
        let answer = if is_receive { "{}" } else { r#"{"MessageId":"m","MD5OfMessageBody":"0"}"# };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
        socket.write_all(format!("{head} {}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
    }
    Ok(())
}
