use std::{
    io::{Read as _, Write as _},
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
use crate::log;
use domain::time::Instant;

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
        let complete = memchr::memmem::find(&read, b"\r\n\r\n").is_some_and(|end| {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            read.len() == end + 4 + length.map_or(0, |length| length.parse().unwrap())
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

/// As happens while a function waits for its next event.
#[tokio::test]
async fn a_connection_that_was_closed_while_nothing_ran_is_known_to_be_after_one_look_at_the_system() {
    let listener = std::net::TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1_024]).unwrap() > 0);
            stream.write_all(OK.as_bytes()).unwrap();
            // The end is not to come with the answer.
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let (connections, server) = (trusting(TRUSTED), Server::new(false, format!("localhost:{port}").parse().unwrap()));
    for _ in 0..2 {
        let request = http::Request::get("/").header("host", "localhost").body(SdkBody::empty()).unwrap();
        let answer = connections.send(&server, request, None).await.unwrap();
        answer.into_body().collect().await.unwrap();
        std::thread::sleep(Duration::from_millis(100));
        tokio::task::yield_now().await;
    }
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

/// What blocks, beside the server of the test.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn events_are_answered_under_their_number_over_one_connection() {
    let (port, asked) = server(&[EVENT, TAKEN, EVENT, TAKEN, EVENT, NOT_TAKEN, BROKEN], false).await;
    apart(move || {
        let mut runtime = RuntimeApi::at(format!("localhost:{port}"));
        let event = runtime.next().unwrap();
        assert_eq!((&*event.body, &*event.request_id), (&br#"{"a":1}"#[..], "r-1"));
        assert_eq!(event.trace.as_deref(), Some("Root=1"));
        assert_eq!(event.deadline, Instant::parse("2026-09-21T14:13:20Z").unwrap());
        runtime.answer(&event, b"[]").unwrap();
        let event = runtime.next().unwrap();
        runtime.fail(&event, "it \"broke\"").unwrap();
        // An answer that comes too late is not taken: nothing to end a process for.
        let event = runtime.next().unwrap();
        runtime.answer(&event, b"[]").unwrap();
        assert!(runtime.next().unwrap_err().to_string().contains("500"));
    })
    .await;

    let asked = asked.all();
    assert!(asked.iter().all(|(connection, _)| *connection == 0));
    let lines: Vec<&str> = asked.iter().map(|(_, request)| request.lines().next().unwrap()).collect();
    let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1";
    let response = "POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1";
    let error = "POST /2018-06-01/runtime/invocation/r-1/error HTTP/1.1";
    assert_eq!(lines, [next, response, next, error, next, response, next]);
    let (answered, failed) = (&asked[1].1, &asked[3].1);
    assert!(answered.contains("\r\nLambda-Runtime-Invocation-Id: i-1\r\n") && answered.ends_with("\r\n\r\n[]"));
    assert!(failed.contains("\r\nLambda-Runtime-Function-Error-Type: unhandled\r\n"), "{failed}");
    assert!(failed.ends_with(r#"{"errorType":"Error","errorMessage":"it \"broke\""}"#), "{failed}");
}

#[tokio::test]
async fn an_event_of_megabytes_and_its_answer_come_whole() {
    let body = "é".repeat(3_000_000);
    let head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nContent-Length: 6000000\r\n\r\n";
    let (port, asked) = server(&[&[head, &body].concat(), TAKEN], false).await;
    let sent = body.clone();
    apart(move || {
        let mut runtime = RuntimeApi::at(format!("localhost:{port}"));
        let event = runtime.next().unwrap();
        assert!(event.body == sent.as_bytes());
        runtime.answer(&event, &event.body).unwrap();
    })
    .await;
    assert!(asked.all()[1].1.ends_with(&["\r\n\r\n", &body].concat()));
}

#[tokio::test]
async fn a_runtime_api_that_closes_its_connection_is_asked_over_another() {
    let closing = TAKEN.replace("content-length", "Connection: close\r\ncontent-length");
    let endless = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\n\r\nunannounced end";
    // Closed without a word: known by the next request only.
    let last = TAKEN.replace(r#"{"status":"OK"}"#, "unannounced end");
    let (port, asked) = server(&[EVENT, &closing, endless, &last, EVENT, TAKEN], false).await;
    apart(move || {
        let mut runtime = RuntimeApi::at(format!("localhost:{port}"));
        for body in ["{\"a\":1}", "unannounced end", "{\"a\":1}"] {
            let event = runtime.next().unwrap();
            assert_eq!(event.body, body.as_bytes());
            runtime.answer(&event, b"[]").unwrap();
        }
    })
    .await;
    assert_eq!(asked.connections(), [0, 0, 1, 2, 3, 3]);
}

#[tokio::test]
async fn what_the_runtime_api_cuts_or_garbles_is_an_error() {
    let events = [
        "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nunannounced end",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf\r\nunannounced end\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nunannounced end\r\n",
        "HTTP/1.1 200 OK\r\nunannounced end",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ];
    for (event, error) in
        events.into_iter().zip(["cut", "end of file", "without a size", "end of file", "without a number"])
    {
        let (port, _) = server(&[event], false).await;
        let found = apart(move || RuntimeApi::at(format!("localhost:{port}")).next().unwrap_err().to_string()).await;
        assert!(found.contains(error), "{event}: {found}");
    }
}
