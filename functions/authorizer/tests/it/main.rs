//! The issuer's keys, fetched from a server that answers, changes, is silent or lies.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::{Arc, Mutex};

use authorizer::Keys;
use domain::time::Instant;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// The next answer of the issuer.
#[derive(Clone)]
enum Answer {
    Says(&'static str, String),
    /// The issuer takes the request and never answers.
    Silence,
}

/// An issuer on the loopback interface.
struct Issuer {
    url: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<usize>>,
}

impl Issuer {
    async fn with(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/jwks.json", listener.local_addr().unwrap().port());
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::new(Mutex::new(0)));
        let issuer = Self { url, answer: answer.clone(), asked: asked.clone() };
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    socket.read_buf(&mut request).await.unwrap();
                }
                *asked.lock().unwrap() += 1;
                let answer = answer.lock().unwrap().clone();
                match answer {
                    Answer::Says(status, body) => {
                        let length = body.len();
                        let text =
                            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                        // The client may hang up when it has read enough.
                        socket.write_all(text.as_bytes()).await.ok();
                    }
                    Answer::Silence => open.push(socket),
                }
            }
        });
        issuer
    }

    async fn with_keys(ids: &[&str]) -> Self {
        Self::with(Answer::Says("200 OK", set(ids))).await
    }

    fn now_says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn now_has(&self, ids: &[&str]) {
        self.now_says(Answer::Says("200 OK", set(ids)));
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn keys(&self) -> Keys {
        Keys::at(self.url.clone()).unwrap()
    }
}

fn key(id: &str) -> String {
    format!(r#"{{"kid":"{id}","kty":"RSA","alg":"RS256","use":"sig","n":"sXch","e":"AQAB"}}"#)
}

fn set(ids: &[&str]) -> String {
    let keys: Vec<_> = ids.iter().map(|id| key(id)).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn broken() -> Answer {
    Answer::Says("503 Service Unavailable", String::new())
}

/// Returns noon plus so many seconds.
fn at(seconds: i64) -> Instant {
    Instant::parse("2026-11-02T12:00:00Z").unwrap().plus_seconds(seconds)
}

/// Tells whether a key is known; none if no key can be looked up.
async fn has(keys: &Keys, id: &str, seconds: i64) -> Option<bool> {
    keys.find(id, at(seconds)).await.ok().map(|found| found.is_some())
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let issuer = Issuer::with_keys(&["a", "b"]).await;
    let keys = issuer.keys();
    for seconds in 0..60 {
        assert_eq!(has(&keys, "a", seconds).await, Some(true));
        assert_eq!(has(&keys, "b", seconds).await, Some(true));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn new_key_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::with_keys(&["a"]).await;
    let keys = issuer.keys();
    assert_eq!(has(&keys, "a", 0).await, Some(true));
    issuer.now_has(&["b"]);
    assert_eq!(has(&keys, "b", 10).await, Some(true));
    assert_eq!(has(&keys, "a", 10).await, Some(false), "the issuer has withdrawn it");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn unknown_keys_cause_one_fetch_in_ten_seconds() {
    let issuer = Issuer::with_keys(&["a"]).await;
    let keys = issuer.keys();
    for number in 0..300 {
        assert_eq!(has(&keys, &format!("made-up-{number}"), number / 10).await, Some(false));
    }
    assert_eq!(issuer.asked(), 3, "within 30 seconds");
}

#[tokio::test]
async fn withdrawn_key_is_forgotten_after_fifteen_minutes() {
    let issuer = Issuer::with_keys(&["stolen", "a"]).await;
    let keys = issuer.keys();
    assert_eq!(has(&keys, "stolen", 0).await, Some(true));
    issuer.now_has(&["a"]);
    assert_eq!(has(&keys, "stolen", 15 * 60 - 1).await, Some(true));
    assert_eq!(has(&keys, "stolen", 15 * 60).await, Some(false));
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn known_keys_stay_valid_while_the_issuer_fails() {
    let lies = [
        broken(),
        Answer::Says("200 OK", "not JSON".to_owned()),
        Answer::Says("200 OK", r#"{"keys":[]}"#.to_owned()),
        Answer::Says("200 OK", format!(r#"{{"keys":[{},{}]}}"#, key("b"), " ".repeat(300_000))),
        Answer::Says("302 Found\r\nlocation: http://127.0.0.1:1/", String::new()),
    ];
    for lie in lies {
        let issuer = Issuer::with_keys(&["a"]).await;
        let keys = issuer.keys();
        assert_eq!(has(&keys, "a", 0).await, Some(true));
        issuer.now_says(lie);
        for hours in 1..5 {
            assert_eq!(has(&keys, "a", hours * 3_600).await, Some(true));
            assert_eq!(has(&keys, "b", hours * 3_600).await, Some(false));
        }
        assert_eq!(issuer.asked(), 5);
        issuer.now_has(&["b"]);
        assert_eq!(has(&keys, "b", 5 * 3_600).await, Some(true));
    }
}

#[tokio::test]
async fn issuer_is_asked_once_a_second_while_no_key_is_known() {
    let issuer = Issuer::with(broken()).await;
    let keys = issuer.keys();
    for _ in 0..50 {
        assert_eq!(has(&keys, "a", 0).await, None);
    }
    assert_eq!(issuer.asked(), 1);
    issuer.now_has(&["a"]);
    assert_eq!(has(&keys, "a", 1).await, Some(true));
}

#[tokio::test]
async fn silent_issuer_delays_a_token_by_the_timeout_only() {
    let issuer = Issuer::with_keys(&["a"]).await;
    let keys = issuer.keys();
    assert_eq!(has(&keys, "a", 0).await, Some(true));
    issuer.now_says(Answer::Silence);
    // This returns, because the fetch has a timeout, and the known key stays valid.
    assert_eq!(has(&keys, "a", 3_600).await, Some(true));
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn only_public_signature_keys_are_accepted() {
    let others = [
        r#"{"kid":"secret","kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#,
        r#"{"kid":"encrypts","kty":"RSA","use":"enc","n":"sXch","e":"AQAB"}"#,
        r#"{"kty":"RSA","n":"sXch","e":"AQAB"}"#,
    ];
    let answer = format!(r#"{{"keys":[{},{}]}}"#, others.join(","), key("a"));
    let issuer = Issuer::with(Answer::Says("200 OK", answer)).await;
    let keys = issuer.keys();
    assert_eq!(has(&keys, "a", 0).await, Some(true));
    assert_eq!(has(&keys, "secret", 0).await, Some(false));
    assert_eq!(has(&keys, "encrypts", 0).await, Some(false));
}
