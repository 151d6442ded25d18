//! The Runtime API of Lambda, on which the binary of a function runs in a process of its own.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};

use crate::http::read_request;

/// The most bytes of an answer that Lambda takes from a function.
pub const MAX_RESPONSE_BYTES: usize = 6 * 1_024 * 1_024 + 100;

/// A running function.
#[derive(Debug)]
pub struct Function {
    process: Child,
    events: mpsc::UnboundedSender<String>,
    answers: mpsc::UnboundedReceiver<Vec<u8>>,
}

impl Function {
    /// Starts a binary with environment variables. The process ends with this value.
    pub async fn start(binary: &str, variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let (sent, answers) = mpsc::unbounded_channel();
        let waiting = Arc::new(Mutex::new(waiting));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (waiting, sent) = (Arc::clone(&waiting), sent.clone());
                // The process may end at any time, also in the middle of a request.
                tokio::spawn(async move { serve(socket, &waiting, &sent).await.ok() });
            }
        });
        let process = Command::new(binary)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
            .env("LOG_LEVEL", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, events, answers }
    }

    /// Invokes the function with an event, and returns what it answers with.
    ///
    /// # Panics
    /// When Lambda would refuse the answer, or the function fails.
    pub async fn invoke(&mut self, event: &Value) -> Value {
        self.events.send(event.to_string()).unwrap();
        let answer = self.answers.recv().await.unwrap();
        assert!(answer.len() <= MAX_RESPONSE_BYTES, "Lambda refuses an answer of {} bytes", answer.len());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(answer.get("errorType").is_none(), "the function failed: {answer}");
        answer
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Answers one connection of the function: hands out events, and takes answers and errors.
async fn serve(
    socket: TcpStream,
    events: &Mutex<mpsc::UnboundedReceiver<String>>,
    answers: &mpsc::UnboundedSender<Vec<u8>>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    while let Some((request_line, body)) = read_request(&mut socket).await? {
        let answer = if request_line.starts_with("GET ") {
            // No event comes any more once the test is over.
            let Some(event) = events.lock().await.recv().await else { return Ok(()) };
            let head = "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r-1\r\nlambda-runtime-deadline-ms: 4102444800000\r\nlambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:f";
            format!("{head}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{event}", event.len())
        } else {
            answers.send(body).ok();
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
        };
        socket.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Makes the event of a request through the gateway, by somebody of `contoso` who may read.
///
/// `route` is the method and the path with the names of its parameters, as in `GET /v1/partners/{partner}/activities`.
pub fn request_event(route: &str, path_parameters: &Value, query: &[(&str, &str)]) -> Value {
    let (method, path) = route.split_once(' ').unwrap();
    let mut parameters = serde_json::Map::new();
    for (name, value) in query {
        let values = parameters.entry(*name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(json!(value));
    }
    json!({
        "httpMethod": method,
        "path": path,
        "resource": path,
        "pathParameters": path_parameters,
        "multiValueQueryStringParameters": parameters,
        "requestContext": {
            "requestId": "r-1", "resourcePath": path, "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8"},
            "authorizer": {"subject": "s-1", "name": "Ana", "partner": "contoso", "roles": "global_admin", "client": "page"},
        },
    })
}

/// Lets somebody else send the request of an event: a subject with a partner and roles, each separated by a space.
pub fn by(mut event: Value, subject: &str, partner: &str, roles: &str) -> Value {
    event["requestContext"]["authorizer"] =
        json!({"subject": subject, "name": "", "partner": partner, "roles": roles, "client": "page"});
    event
}
