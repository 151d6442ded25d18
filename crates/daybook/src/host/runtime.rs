//! The Lambda Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html): where a function's events come from, and
//! where its answers go.
//!
//! It is on the same machine, and while a function waits for it there is nothing else to do: Lambda stops the process
//! until there is an event. So its calls block, over one connection: two system calls each, and no scheduler.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, IoSlice, Read as _, Write as _},
    net::TcpStream,
};

use httparse::{EMPTY_HEADER, Status, parse_chunk_size};
use serde::Serialize;

use super::Error;
use domain::time::Instant;

/// More headers than the Runtime API sends.
const MAX_HEADERS: usize = 64;

/// An event that waits for its answer.
#[derive(Debug)]
pub(super) struct Event {
    /// JSON.
    pub(super) body: Vec<u8>,
    /// The number under which it is answered.
    pub(super) request_id: String,
    /// When the function is ended if it did not answer.
    pub(super) deadline: Instant,
    /// X-Ray's header.
    pub(super) trace: Option<String>,
    /// By which the Runtime API tells answers to an event from those to earlier ones.
    invocation: Option<String>,
}

/// The Runtime API.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl RuntimeApi {
    /// The Runtime API at an address: host and port.
    pub(super) fn at(address: String) -> Self {
        Self { address, connection: None }
    }

    /// The next event, as soon as there is one.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached or hands out none.
    pub(super) fn next(&mut self) -> Result<Event, Error> {
        let Answer { status, headers, body } = self.ask("GET", "next", "", &[])?;
        if status != 200 {
            return Err(format!("the Runtime API hands out no event: {status}").into());
        }
        let deadline =
            headers.deadline.and_then(|milliseconds| Instant::from_micros(milliseconds.saturating_mul(1_000)));
        Ok(Event {
            body,
            request_id: headers.request_id.ok_or("the Runtime API hands out an event without a number")?,
            deadline: deadline.unwrap_or(Instant::MAX),
            trace: headers.trace,
            invocation: headers.invocation,
        })
    }

    /// Answers an event.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub(super) fn answer(&mut self, event: &Event, payload: &[u8]) -> Result<(), Error> {
        self.end(event, "response", "", payload)
    }

    /// Says why there is no answer to an event.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub(super) fn fail(&mut self, event: &Event, error: &str) -> Result<(), Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Failure<'a> {
            error_type: &'static str,
            error_message: &'a str,
        }

        let failure = Failure { error_type: "Error", error_message: error };
        let headers = "Lambda-Runtime-Function-Error-Type: unhandled\r\n";
        self.end(event, "error", headers, &serde_json::to_vec(&failure)?)
    }

    /// An end that the Runtime API does not want any more, as the event's time was over, is logged.
    fn end(&mut self, event: &Event, how: &str, headers: &str, body: &[u8]) -> Result<(), Error> {
        let invocation = event.invocation.as_deref();
        let invocation =
            invocation.map(|id| ["Lambda-Runtime-Invocation-Id: ", id, "\r\n"].concat()).unwrap_or_default();
        let headers = [&invocation, headers].concat();
        let taken = self.ask("POST", &[&*event.request_id, "/", how].concat(), &headers, body)?;
        if !(200..300).contains(&taken.status) {
            tracing::error!(status = taken.status, "the Runtime API did not take the answer");
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Result<Answer, Error> {
        let length = body.len().to_string();
        let address = &*self.address;
        let head = [method, " /2018-06-01/runtime/invocation/", path, " HTTP/1.1\r\nHost: ", address, "\r\n", headers];
        let head = [&head.concat(), "Content-Length: ", &length, "\r\n\r\n"].concat();
        // One that was closed since its last use shows it by no answer at all: another takes its place.
        if let Some(kept) = self.connection.take()
            && let Some(answer) = self.over(kept, &head, body)?
        {
            return Ok(answer);
        }
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        let answer = self.over(BufReader::new(stream), &head, body)?;
        Ok(answer.ok_or("the Runtime API does not answer")?)
    }

    /// Asks over a connection, which is kept; no answer where it ends before one begins.
    fn over(&mut self, mut connection: BufReader<TcpStream>, head: &str, body: &[u8]) -> Result<Option<Answer>, Error> {
        let begun = send(connection.get_mut(), head.as_bytes(), body).and_then(|()| connection.fill_buf());
        match begun {
            Ok([]) => return Ok(None),
            Ok(_) => {}
            Err(error) if is_closed(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let answer = Answer::read(&mut connection)?;
        if !answer.headers.closes {
            self.connection = Some(connection);
        }
        Ok(Some(answer))
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

/// Sends a request, all at once where the system takes it so.
fn send(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let sent = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
    stream.write_all(head.get(sent..).unwrap_or_default())?;
    stream.write_all(body.get(sent.saturating_sub(head.len())..).unwrap_or_default())
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Headers,
    body: Vec<u8>,
}

/// Of an answer's headers, those that matter.
#[derive(Debug, Default)]
struct Headers {
    length: Option<u64>,
    is_chunked: bool,
    closes: bool,
    request_id: Option<String>,
    /// Milliseconds since 1970.
    deadline: Option<i64>,
    trace: Option<String>,
    invocation: Option<String>,
}

impl Answer {
    fn read(stream: &mut BufReader<TcpStream>) -> Result<Self, Error> {
        let mut head = Vec::with_capacity(1_024);
        while !head.ends_with(b"\r\n\r\n") {
            line(stream, &mut head)?;
        }
        let mut parts = [EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut parts);
        parsed.parse(&head)?;
        let status = parsed.code.unwrap_or_default();
        let mut headers = Headers::default();
        for header in parsed.headers.iter() {
            let value = std::str::from_utf8(header.value)?;
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                headers.length = Some(value.parse()?);
            } else if is("transfer-encoding") {
                headers.is_chunked = value.eq_ignore_ascii_case("chunked");
            } else if is("connection") {
                headers.closes = value.eq_ignore_ascii_case("close");
            } else if is("lambda-runtime-aws-request-id") {
                headers.request_id = Some(value.to_owned());
            } else if is("lambda-runtime-deadline-ms") {
                headers.deadline = value.parse().ok();
            } else if is("lambda-runtime-trace-id") {
                headers.trace = Some(value.to_owned());
            } else if is("lambda-runtime-invocation-id") {
                headers.invocation = Some(value.to_owned());
            }
        }
        let mut body = Vec::new();
        if headers.is_chunked {
            while chunk(stream, &mut body)? {}
        } else if let Some(length) = headers.length {
            exactly(stream, length, &mut body)?;
        } else {
            // It goes to the end of the connection (RFC 9112, section 6.3).
            stream.read_to_end(&mut body)?;
            headers.closes = true;
        }
        Ok(Self { status, headers, body })
    }
}

/// Takes a chunk of a body (RFC 9112, section 7.1); false after the last.
fn chunk(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<bool, Error> {
    let mut size = Vec::new();
    line(stream, &mut size)?;
    let Ok(Status::Complete((_, size))) = parse_chunk_size(&size) else { return Err("a chunk without a size".into()) };
    exactly(stream, size, body)?;
    // Behind each one is an empty line, behind the last one there may be trailers.
    let mut end = Vec::new();
    while end != b"\r\n" {
        end.clear();
        line(stream, &mut end)?;
    }
    Ok(size > 0)
}

fn line(stream: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> io::Result<()> {
    stream.read_until(b'\n', line)?;
    if line.ends_with(b"\n") { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn exactly(stream: &mut BufReader<TcpStream>, bytes: u64, body: &mut Vec<u8>) -> Result<(), Error> {
    body.reserve(usize::try_from(bytes)?);
    let read = stream.take(bytes).read_to_end(body)?;
    if read as u64 == bytes { Ok(()) } else { Err("an answer of the Runtime API was cut".into()) }
}
