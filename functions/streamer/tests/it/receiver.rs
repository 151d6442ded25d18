//! A server that answers as a test says, and keeps what it receives.

use std::{
    collections::VecDeque,
    io::Read as _,
    sync::{Arc, Mutex},
};

use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// An answer of the server.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, and further headers.
    Status(u16, &'static str),
    /// A status with a body.
    Body(u16, String),
    /// 413 to more than this number of activities, and success otherwise.
    AtMost(usize),
    /// Text that is not HTTP.
    Garbage,
    /// No answer: the connection ends.
    Dies,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the answer was a success.
    pub(crate) is_accepted: bool,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").map(|(key, value)| (key.to_lowercase(), value.len()));
        let line = self.head.lines().find(|line| of(line).is_some_and(|(key, _)| key == name))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    /// The body, unpacked.
    pub(crate) fn text(&self) -> String {
        if self.header("content-encoding") != Some("gzip") && !self.body.starts_with(&[0x1f, 0x8b]) {
            return String::from_utf8(self.body.clone()).unwrap();
        }
        let mut text = String::new();
        GzDecoder::new(&*self.body).read_to_string(&mut text).unwrap();
        text
    }

    /// The ids of the activities, of an array or of lines.
    pub(crate) fn ids(&self) -> Vec<String> {
        let text = self.text();
        let id = |activity: &Value| activity["id"].as_str().unwrap_or_default().to_owned();
        match serde_json::from_str::<Vec<Value>>(&text) {
            Ok(array) => array.iter().map(id).collect(),
            Err(_) => text.lines().map(|line| id(&serde_json::from_str(line).unwrap())).collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Kept {
    replies: VecDeque<Reply>,
    received: Vec<Received>,
}

/// The server. It answers 200 when no other reply is left.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let receiver = Self { url, kept: Arc::default() };
        let kept = Arc::clone(&receiver.kept);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                // A client that goes away is no failure of the server.
                tokio::spawn(async move { serve(socket, &kept).await.ok() });
            }
        });
        receiver
    }

    pub(crate) fn reply(&self, replies: &[Reply]) {
        self.kept.lock().unwrap().replies.extend(replies.iter().cloned());
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.kept.lock().unwrap().received.clone()
    }

    /// The ids of accepted activities, in the order of their arrival.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.received().iter().filter(|one| one.is_accepted).flat_map(Received::ids).collect()
    }
}

async fn serve(mut socket: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        let mut buffer = [0; 65_536];
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            break (head, bytes[end + 4..].to_vec());
        }
    };
    let mut received = Received { head, body, is_accepted: false };
    let reply = kept.lock().unwrap().replies.pop_front().unwrap_or(Reply::Status(200, ""));
    let answer = |status: u16, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} Answer\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match reply {
        Reply::Status(status, headers) => answer(status, headers, ""),
        Reply::Body(status, body) => answer(status, "", &body),
        Reply::AtMost(count) if received.ids().len() > count => {
            kept.lock().unwrap().replies.push_front(Reply::AtMost(count));
            answer(413, "", "")
        }
        Reply::AtMost(count) => {
            kept.lock().unwrap().replies.push_front(Reply::AtMost(count));
            answer(200, "", "")
        }
        Reply::Garbage => "this is no HTTP\r\n\r\n".to_owned(),
        Reply::Dies => String::new(),
    };
    received.is_accepted = answer.starts_with("HTTP/1.1 2");
    kept.lock().unwrap().received.push(received);
    socket.write_all(answer.as_bytes()).await
}
