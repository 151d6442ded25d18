use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::{Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::SdkError,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{
    connections::{Connections, Server},
    runtime::RuntimeApi,
};
use crate::{log, period::Instant};

const TRUSTED: &[u8] = include_bytes!("testdata/trusted.pem");
const UNKNOWN: &[u8] = include_bytes!("testdata/unknown.pem");
const KEY: &[u8] = include_bytes!("testdata/trusted.key.pem");

/// What a server was asked: on which of its connections, and head and body of the request.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(usize, String)>>>);

impl Asked {
    fn all(&self) -> Vec<(usize, String)> {
        self.0.lock().unwrap().clone()
    }

    fn connections(&self) -> Vec<usize> {
        self.all().into_iter().map(|(connection, _)| connection).collect()
    }
}

/// A server that gives these answers, one after the other, and closes a connection after one that says so; its port.
async fn server(answers: &[&str], is_encrypted: bool) -> (u16, Asked) {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let answers = Arc::new(Mutex::new(answers.iter().rev().map(|answer| (*answer).to_owned()).collect::<Vec<_>>()));
    let tls = TlsAcceptor::from(Arc::new(
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(TRUSTED).unwrap()],
                PrivateKeyDer::from_pem_slice(KEY).unwrap(),
            )
            .unwrap(),
    ));
    let noted = asked.clone();
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (answers, noted, tls) = (answers.clone(), noted.clone(), tls.clone());
            tokio::spawn(async move {
                if !is_encrypted {
                    answer(stream, connection, &answers, &noted).await;
                } else if let Ok(stream) = tls.accept(stream).await {
                    answer(stream, connection, &answers, &noted).await;
                }
            });
        }
    });
    (port, asked)
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    connection: usize,
    answers: &Mutex<Vec<String>>,
    asked: &Asked,
) {
    let mut read = Vec::new();
    loop {
        let complete = String::from_utf8(read.clone()).unwrap().split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            body.len() == length.map_or(0, |length| length.parse().unwrap())
        });
        if complete {
            asked.0.lock().unwrap().push((connection, String::from_utf8(std::mem::take(&mut read)).unwrap()));
            let answer = answers.lock().unwrap().pop().unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains("unannounced end") {
                return;
            }
        } else if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
            return;
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LAST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\nunannounced end";
const BROKEN: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";

fn trusting(authority: &[u8]) -> Connections {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    Connections::new(authorities).unwrap()
}

/// Asks a server so many times, one after the other.
async fn ask(connections: &Connections, port: u16, is_encrypted: bool, times: usize) {
    let server = Server::new(is_encrypted, format!("localhost:{port}").parse().unwrap());
    for _ in 0..times {
        let request = http::Request::get("/").header("host", "localhost").body(SdkBody::empty()).unwrap();
        let answer = connections.send(&server, request, None).await.unwrap();
        answer.into_body().collect().await.unwrap();
        // What closes a connection is noticed by the task that has it.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (port, asked) = server(&[OK; 4], false).await;
    ask(&trusting(TRUSTED), port, false, 4).await;
    assert_eq!(asked.connections(), [0; 4]);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nothing_but_another() {
    let (port, asked) = server(&[OK, LAST, OK, LAST, OK], false).await;
    ask(&trusting(TRUSTED), port, false, 5).await;
    assert_eq!(asked.connections(), [0, 0, 1, 1, 2]);
}

#[tokio::test]
async fn a_server_that_fails_is_asked_over_another_connection() {
    let (port, asked) = server(&[OK, BROKEN, OK, OK], false).await;
    ask(&trusting(TRUSTED), port, false, 4).await;
    assert_eq!(asked.connections(), [0, 0, 1, 1]);
}

#[tokio::test]
async fn requests_side_by_side_have_connections_of_their_own() {
    let (port, asked) = server(&[OK; 8], false).await;
    let connections = trusting(TRUSTED);
    futures_util::future::join_all((0..4).map(|_| ask(&connections, port, false, 1))).await;
    let mut used = asked.connections();
    used.sort_unstable();
    assert_eq!(used, [0, 1, 2, 3]);
    ask(&connections, port, false, 4).await;
    assert!(asked.connections().iter().all(|connection| *connection < 4));
}

#[tokio::test]
async fn only_known_authorities_are_trusted() {
    let (port, asked) = server(&[OK; 2], true).await;
    ask(&trusting(TRUSTED), port, true, 2).await;
    assert_eq!(asked.connections(), [0; 2]);
    let server = Server::new(true, format!("localhost:{port}").parse().unwrap());
    let request = http::Request::get("/").body(SdkBody::empty()).unwrap();
    let error = trusting(UNKNOWN).send(&server, request, None).await.unwrap_err();
    assert!(error.is_io() && format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
    assert_eq!(asked.all().len(), 2);
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_is_given_up() {
    // Nobody answers there.
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let server = Server::new(true, format!("localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap());
    let request = http::Request::get("/").body(SdkBody::empty()).unwrap();
    let error = trusting(TRUSTED).send(&server, request, Some(Duration::from_millis(50))).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

fn dynamodb(port: u16) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder()
        .behavior_version_latest()
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new("AKID", "secret", None, None, "tests"))
        .endpoint_url(format!("http://localhost:{port}"))
        .http_client(trusting(TRUSTED))
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_given_up() {
    // Nobody answers there.
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_millis(50)).build();
    let config = dynamodb(listener.local_addr().unwrap().port()).timeout_config(timeouts);
    let config = config.retry_config(RetryConfig::disabled()).build();
    let error = aws_sdk_dynamodb::Client::from_conf(config).list_tables().send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_timeout()), "{error:?}");
}

#[tokio::test]
async fn the_sdks_calls_name_their_server_and_their_trace() {
    let (port, asked) = server(&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], false).await;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=1:0:0";
    log::begin("1", Some(trace), None);
    aws_sdk_dynamodb::Client::from_conf(dynamodb(port).build()).list_tables().send().await.unwrap();
    let [(_, request)] = &asked.all()[..] else { panic!("{:?}", asked.all()) };
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: localhost:{port}\r\n")), "{request}");
    assert!(request.contains(&format!("x-amzn-trace-id: {trace}\r\n")), "{request}");
}

/// An event in pieces, as the Runtime API may send one.
const EVENT: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nLambda-Runtime-Deadline-Ms: 1790000000000\r\nLambda-Runtime-Trace-Id: Root=1\r\nLambda-Runtime-Invocation-Id: i-1\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
const TAKEN: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 15\r\n\r\n{\"status\":\"OK\"}";
const NOT_TAKEN: &str = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn events_are_answered_under_their_number_over_one_connection() {
    let (port, asked) = server(&[EVENT, TAKEN, EVENT, TAKEN, EVENT, NOT_TAKEN, BROKEN], false).await;
    let runtime = RuntimeApi::at(&format!("localhost:{port}"), trusting(TRUSTED)).unwrap();
    let event = runtime.next().await.unwrap();
    assert_eq!((&*event.body, &*event.request_id, event.trace.as_deref()), (&br#"{"a":1}"#[..], "r-1", Some("Root=1")));
    assert_eq!(event.deadline, Instant::parse("2026-09-21T14:13:20Z").unwrap());
    runtime.answer(&event, b"[]".to_vec()).await.unwrap();
    let event = runtime.next().await.unwrap();
    runtime.fail(&event, "it \"broke\"").await.unwrap();
    // An answer that comes too late is not taken: nothing to end a process for.
    let event = runtime.next().await.unwrap();
    runtime.answer(&event, b"[]".to_vec()).await.unwrap();
    assert!(runtime.next().await.unwrap_err().to_string().contains("500"));

    let asked = asked.all();
    assert!(asked.iter().all(|(connection, _)| *connection == 0));
    let lines: Vec<&str> = asked.iter().map(|(_, request)| request.lines().next().unwrap()).collect();
    let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1";
    let response = "POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1";
    let error = "POST /2018-06-01/runtime/invocation/r-1/error HTTP/1.1";
    assert_eq!(lines, [next, response, next, error, next, response, next]);
    let (answered, failed) = (&asked[1].1, &asked[3].1);
    assert!(answered.contains("\r\nlambda-runtime-invocation-id: i-1\r\n") && answered.ends_with("\r\n\r\n[]"));
    assert!(failed.contains("\r\nlambda-runtime-function-error-type: unhandled\r\n"), "{failed}");
    assert!(failed.ends_with(r#"{"errorType":"Error","errorMessage":"it \"broke\""}"#), "{failed}");
}

#[tokio::test]
async fn an_event_without_a_number_is_none() {
    let (port, _) = server(&[OK], false).await;
    let runtime = RuntimeApi::at(&format!("localhost:{port}"), trusting(TRUSTED)).unwrap();
    assert!(runtime.next().await.unwrap_err().to_string().contains("without a number"));
}
