//! Plain HTTP on the loopback interface, for servers that answer from memory.

use std::{
    convert::Infallible,
    future::Future,
    io::{self, Write as _},
    net::SocketAddr,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpListener,
};

use crate::Error;

/// A body that is complete, or that breaks off.
pub(crate) type Body = BoxBody<Bytes, io::Error>;
/// An answer, or an error that closes the connection without an answer.
pub(crate) type Answer = Result<Response<Body>, Error>;

/// A request with its body read.
pub(crate) struct Asked {
    pub(crate) head: hyper::http::request::Parts,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Returns a parameter of the query: empty if it has no value, none if it is missing.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.head.uri.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }
}

/// Listens on a free port of the loopback interface.
pub(crate) async fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Prints the addresses of the server as a line of JSON.
pub(crate) fn announce(addresses: &serde_json::Value) -> Result<(), Error> {
    let mut out = std::io::stdout();
    writeln!(out, "{addresses}")?;
    out.flush()?;
    Ok(())
}

/// Returns when standard input ends, which is how the benchmark program ends the server.
pub(crate) async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 64];
    while input.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// Serves one connection until the connection closes.
pub(crate) async fn connection<S, H, F>(stream: S, handle: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Asked) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let handle = handle.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            handle(Asked { head, body }).await.map_err(io::Error::other)
        }
    });
    // A client may close its connection at any time, and broken connections are part of some measurements.
    http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await.ok();
}

/// Serves all connections to a port.
pub(crate) async fn serve<H, F>(listener: TcpListener, handle: H) -> Result<(), Error>
where
    H: Fn(Asked) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(stream, handle.clone()));
    }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

pub(crate) fn answer(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Answer {
    Ok(Response::builder().status(status).header(header::CONTENT_TYPE, media_type).body(full(body))?)
}

pub(crate) fn json(value: &serde_json::Value) -> Answer {
    answer(StatusCode::OK, "application/json", value.to_string())
}
