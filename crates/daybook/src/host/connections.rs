//! HTTP/1.1 over connections that are kept: what the SDK's calls go over.
//!
//! hyper speaks the protocol and rustls encrypts; which connection a request takes is decided here. The clients around
//! hyper that the SDK and the Lambda runtime library bring do far more: on the library, a function that does nothing takes
//! over half of what a whole recorded activity takes here (docs/benchmarks.md, *record and query*).
//!
//! A request takes a connection that nobody uses, else a new one. One that its other end closed while nobody used it costs
//! nothing but another: hyper gives back the request, of which nothing was sent.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    shared::IntoShared as _,
};
use aws_smithy_types::body::SdkBody;
use http::{
    HeaderName, HeaderValue, Request, Response, Uri,
    header::{self, InvalidHeaderValue},
    uri::{Authority, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::log;

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// How much a connection reads at a time at most. Whatever is larger is read into place piece by piece.
const BUFFER_BYTES: usize = 64 * 1_024;

/// Connections to any number of servers. A clone is of the same ones.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    tls: TlsConnector,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that nobody uses, or whose answer is still being read.
struct Idle {
    server: Server,
    sender: SendRequest<SdkBody>,
    since: Instant,
}

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    is_encrypted: bool,
    authority: Authority,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    /// Connections to servers whose certificates come from these authorities.
    ///
    /// # Errors
    /// When the cryptography cannot be set up.
    pub(super) fn new(authorities: RootCertStore) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Self(Arc::new(Inner { tls: Arc::new(config).into(), idle: Mutex::default() })))
    }

    /// Sends a request, which names its server in the header `Host` only; its answer, as soon as it begins. `patience` is
    /// how long a new connection may take to come about.
    ///
    /// # Errors
    /// When there is no connection, or it ends before the answer begins.
    pub(super) async fn send(
        &self,
        server: &Server,
        mut request: Request<SdkBody>,
        patience: Option<Duration>,
    ) -> Result<Response<Incoming>, ConnectorError> {
        loop {
            let (mut sender, is_new) = match self.idle(server) {
                Some(sender) => (sender, false),
                None => (self.open(server, patience).await?, true),
            };
            let mut error = match sender.try_send_request(request).await {
                Ok(answer) => {
                    // One that fails may do better over another.
                    if !answer.status().is_server_error() {
                        let idle = Idle { server: server.clone(), sender, since: Instant::now() };
                        lock(&self.0.idle).push(idle);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            request = match error.take_message() {
                Some(unsent) if !is_new => unsent,
                _ => return Err(failed(error.into_error())),
            };
        }
    }

    /// A connection to a server that nobody uses.
    fn idle(&self, server: &Server) -> Option<SendRequest<SdkBody>> {
        let now = Instant::now();
        let mut idle = lock(&self.0.idle);
        idle.retain(|idle| !idle.sender.is_closed() && now.duration_since(idle.since) < IDLE);
        let place = idle.iter().rposition(|idle| idle.sender.is_ready() && idle.server == *server)?;
        Some(idle.swap_remove(place).sender)
    }

    async fn open(&self, server: &Server, patience: Option<Duration>) -> Result<SendRequest<SdkBody>, ConnectorError> {
        let opened = async {
            let host = server.authority.host().trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, server.port())).await?;
            stream.set_nodelay(true)?;
            if !server.is_encrypted {
                return spoken(stream).await;
            }
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            spoken(self.0.tls.connect(name, stream).await?).await
        };
        let opened = match patience {
            None => opened.await,
            Some(patience) => match timeout(patience, opened).await {
                Ok(opened) => opened,
                Err(elapsed) => return Err(ConnectorError::timeout(elapsed.into())),
            },
        };
        opened.map_err(|error| ConnectorError::io(error.into()))
    }
}

/// HTTP on a stream.
async fn spoken<S>(stream: S) -> io::Result<SendRequest<SdkBody>>
where
    TokioIo<S>: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) =
        Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // How it ends, its sender learns.
    tokio::spawn(connection);
    Ok(sender)
}

impl Server {
    pub(super) fn new(is_encrypted: bool, authority: Authority) -> Self {
        Self { is_encrypted, authority }
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_encrypted { 443 } else { 80 })
    }

    /// Its name in the header `Host`.
    pub(super) fn host(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_str(match (self.is_encrypted, self.port()) {
            (true, 443) | (false, 80) => self.authority.host(),
            _ => self.authority.as_str(),
        })
    }
}

/// Takes the server out of a request's address, which is relative to it then (RFC 9112, section 3.2).
fn server(request: &mut Request<SdkBody>) -> Result<Server, BoxError> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let scheme = parts.scheme.take();
    let server = Server::new(scheme == Some(Scheme::HTTPS), parts.authority.take().ok_or("an address without a host")?);
    *request.uri_mut() = Uri::from_parts(parts)?;
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, server.host()?);
    }
    Ok(server)
}

/// Whether it is for the SDK to try again.
fn failed(error: hyper::Error) -> ConnectorError {
    if error.is_user() { ConnectorError::user(error.into()) } else { ConnectorError::io(error.into()) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        Connector { connections: self.clone(), settings: settings.clone() }.into_shared()
    }
}

/// The connections as one of the SDK's clients uses them.
#[derive(Debug)]
struct Connector {
    connections: Connections,
    settings: HttpConnectorSettings,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connections = self.connections.clone();
        let (connect, read) = (self.settings.connect_timeout(), self.settings.read_timeout());
        HttpConnectorFuture::new(async move {
            let mut request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // What AWS traces calls by, and knows loops by: no part of a signature.
            if let Some(trace) = log::trace().and_then(|trace| HeaderValue::from_str(&trace).ok()) {
                request.headers_mut().insert(TRACE, trace);
            }
            let server = server(&mut request).map_err(ConnectorError::user)?;
            let sent = connections.send(&server, request, connect);
            let answer = match read {
                None => sent.await?,
                Some(read) => {
                    timeout(read, sent).await.map_err(|elapsed| ConnectorError::timeout(elapsed.into()))??
                }
            };
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

const TRACE: HeaderName = HeaderName::from_static("x-amzn-trace-id");
