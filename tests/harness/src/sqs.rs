//! A queue that keeps its messages: as much of SQS as the code under test uses.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A server of queues that keeps all messages together until a test takes them.
#[derive(Debug)]
pub struct Sqs {
    /// The URL of the server.
    pub url: String,
    messages: Arc<Mutex<Vec<Message>>>,
}

/// A message, and the seconds for which the queue holds it back.
#[derive(Clone, Debug)]
struct Message {
    body: String,
    delay_seconds: u64,
}

impl Sqs {
    /// Starts the server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sqs = Self { url: format!("http://{}", listener.local_addr().unwrap()), messages: Arc::default() };
        let messages = sqs.messages.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let messages = messages.clone();
                // A client that goes away is no failure of the queue.
                tokio::spawn(async move { take_messages(socket, &messages).await.ok() });
            }
        });
        sqs
    }

    /// Returns the messages, in the order of their arrival.
    pub fn bodies(&self) -> Vec<String> {
        self.messages.lock().unwrap().iter().map(|message| message.body.clone()).collect()
    }

    /// Returns the seconds for which the queue holds back each message, in the order of their arrival.
    pub fn delays(&self) -> Vec<u64> {
        self.messages.lock().unwrap().iter().map(|message| message.delay_seconds).collect()
    }

    /// Removes the messages and returns them, in the order of their arrival.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.messages.lock().unwrap()).into_iter().map(|message| message.body).collect()
    }
}

async fn take_messages(socket: TcpStream, messages: &Mutex<Vec<Message>>) -> std::io::Result<()> {
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
        messages.lock().unwrap().push(Message {
            body: message["MessageBody"].as_str().unwrap().to_owned(),
            delay_seconds: message["DelaySeconds"].as_u64().unwrap_or_default(),
        });
        let answer = r#"{"MessageId":"m","MD5OfMessageBody":"0"}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
        socket.write_all(format!("{head} {}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
    }
}
