use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata as _, SdkError},
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const TRUSTED: &[u8] = include_bytes!("../../testdata/trusted.pem");
const UNKNOWN: &[u8] = include_bytes!("../../testdata/unknown.pem");
const KEY: &[u8] = include_bytes!("../../testdata/trusted.key.pem");

/// The requests that a server has received, each with the number of its connection.
type Received = Arc<Mutex<Vec<(usize, String)>>>;

/// Starts a server with the certificate [`TRUSTED`] that answers every request with `{}`; its port.
async fn serve_tls() -> (u16, Received) {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(TRUSTED).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = Received::default();
    let noted = received.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (noted, tls) = (noted.clone(), tls.clone());
            tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    answer(stream, connection, &noted).await;
                }
            });
        }
    });
    (port, received)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, connection: usize, received: &Received) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.unwrap_or_default() > 0 {
        // The body of such a request is `{}`.
        if request.ends_with(b"\r\n\r\n{}") {
            received.lock().unwrap().push((connection, String::from_utf8(std::mem::take(&mut request)).unwrap()));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
    }
}

fn dynamodb(port: u16, authorities: &[u8]) -> aws_sdk_dynamodb::config::Builder {
    Config::builder()
        .behavior_version_latest()
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new("AKID", "secret", None, None, "tests"))
        .endpoint_url(format!("https://localhost:{port}"))
        .retry_config(RetryConfig::disabled())
        .http_client(trusting(authorities).unwrap())
}

#[tokio::test]
async fn client_trusts_only_the_given_authorities() {
    let (port, received) = serve_tls().await;
    let trusting = Client::from_conf(dynamodb(port, TRUSTED).build());
    trusting.list_tables().send().await.unwrap();
    let error = Client::from_conf(dynamodb(port, UNKNOWN).build()).list_tables().send().await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?} {:?}", error.code());
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn client_uses_a_connection_again() {
    let (port, received) = serve_tls().await;
    let client = Client::from_conf(dynamodb(port, TRUSTED).build());
    for _ in 0..3 {
        client.list_tables().send().await.unwrap();
    }
    let connections: Vec<usize> = received.lock().unwrap().iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [0; 3]);
}

#[tokio::test]
async fn client_accepts_the_authorities_of_amazon() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    // To build the client reads the authorities: one that cannot be read would panic here.
    let error = Client::from_conf(dynamodb(port, AMAZON_ROOTS).build()).list_tables().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
}

#[tokio::test]
async fn client_gives_up_a_connection_without_handshake() {
    // Nobody answers there.
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(50)).build();
    let config = dynamodb(listener.local_addr().unwrap().port(), TRUSTED).timeout_config(timeouts).build();
    let error = Client::from_conf(config).list_tables().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
}

#[tokio::test]
async fn client_gives_up_an_answer_that_does_not_begin() {
    // Nobody answers there.
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(50)).build();
    let config = dynamodb(port, TRUSTED).endpoint_url(format!("http://localhost:{port}")).timeout_config(timeouts);
    let error = Client::from_conf(config.build()).list_tables().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::TimeoutError(_)), "{error:?}");
}
