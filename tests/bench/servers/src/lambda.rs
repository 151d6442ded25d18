//! The Lambda Runtime API for one function at a time, and calls that send events to the function.
//!
//! A function is idle while it waits at `…/invocation/next`. The benchmark reads CPU time and memory only then.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    Error,
    generate::{Generator, Plan},
    http::{self, Answer, Asked},
};

const INVOCATIONS: &str = "/2018-06-01/runtime/invocation/";
const INITIALIZATION_ERROR: &str = "/2018-06-01/runtime/init/error";

struct Event {
    body: Bytes,
    seconds: u64,
    done: oneshot::Sender<Outcome>,
}

enum Outcome {
    Answered(Bytes),
    Failed(Bytes),
}

/// The one function.
struct Function {
    events: mpsc::Sender<Event>,
    waiting_events: tokio::sync::Mutex<mpsc::Receiver<Event>>,
    running: Mutex<Option<oneshot::Sender<Outcome>>>,
    idle: Mutex<bool>,
    became_idle: Notify,
    next_id: Mutex<u64>,
}

pub(crate) async fn run() -> Result<(), Error> {
    let (listener, address) = http::listen().await?;
    let (events, waiting_events) = mpsc::channel(1);
    let function = Arc::new(Function {
        events,
        waiting_events: tokio::sync::Mutex::new(waiting_events),
        running: Mutex::default(),
        idle: Mutex::new(false),
        became_idle: Notify::new(),
        next_id: Mutex::new(0),
    });
    http::announce(&json!({"api": address.to_string()}))?;
    http::serve(listener, move |asked| {
        let function = function.clone();
        async move { function.answer(asked).await }
    })
    .await
}

#[derive(Deserialize)]
struct Answered {
    #[serde(rename = "statusCode")]
    status: Option<u16>,
    body: Option<String>,
}

/// The results of a number of events.
#[derive(Default)]
struct Tally {
    statuses: BTreeMap<String, u64>,
    last: String,
    bytes: u64,
    count: u64,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        let (status, bytes) = match outcome {
            Outcome::Failed(bytes) => ("failed".to_owned(), bytes),
            Outcome::Answered(bytes) => match serde_json::from_slice::<Answered>(bytes) {
                Ok(Answered { status: Some(status), .. }) => (status.to_string(), bytes),
                _ => ("other".to_owned(), bytes),
            },
        };
        self.count += 1;
        self.bytes += bytes.len() as u64;
        self.last = String::from_utf8_lossy(bytes).into_owned();
        *self.statuses.entry(status).or_default() += 1;
    }

    fn answer(self, started: Instant) -> Answer {
        http::json(&json!({
            "statuses": self.statuses, "last": self.last, "bytes": self.bytes, "count": self.count,
            "seconds": started.elapsed().as_secs_f64(),
        }))
    }
}

impl Function {
    async fn answer(&self, asked: Asked) -> Answer {
        match (asked.head.method.as_str(), asked.path()) {
            ("GET", path) if path.strip_prefix(INVOCATIONS) == Some("next") => self.next().await,
            // A function that fails to start reports its error here and ends.
            ("POST", INITIALIZATION_ERROR) => {
                eprintln!("bench-servers lambda: could not start: {}", String::from_utf8_lossy(&asked.body));
                http::answer(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
            }
            ("POST", path) if path.starts_with(INVOCATIONS) => {
                let outcome = if path.ends_with("/response") { Outcome::Answered } else { Outcome::Failed };
                let running = lock(&self.running).take();
                if let Some(done) = running {
                    // A reset drops the receiver, so the send may fail.
                    done.send(outcome(asked.body)).ok();
                }
                http::answer(StatusCode::ACCEPTED, "application/json", r#"{"status":"OK"}"#)
            }
            ("GET", "/bench/idle") => {
                self.wait_until_idle().await;
                http::json(&json!({"idle": true}))
            }
            // The benchmark resets the server before it starts the next process.
            ("POST", "/bench/reset") => {
                *lock(&self.idle) = false;
                lock(&self.running).take();
                http::json(&json!({}))
            }
            ("POST", "/bench/invoke") => self.invoke(&asked).await.or_else(answer_error),
            ("POST", "/bench/generate") => self.generate(&asked).await.or_else(answer_error),
            _ => http::answer(StatusCode::NOT_FOUND, "text/plain", asked.path().to_owned()),
        }
    }

    async fn next(&self) -> Answer {
        *lock(&self.idle) = true;
        self.became_idle.notify_waiters();
        let event = self.waiting_events.lock().await.recv().await.ok_or("no more events")?;
        *lock(&self.idle) = false;
        *lock(&self.running) = Some(event.done);
        let id = {
            let mut next = lock(&self.next_id);
            *next += 1;
            format!("00000000-0000-4000-8000-{:012x}", *next)
        };
        #[expect(clippy::disallowed_methods, reason = "this is the host of the function")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let deadline = (now + Duration::from_secs(event.seconds)).as_millis();
        Ok(Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", &id)
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
            .header("lambda-runtime-trace-id", "Root=1-65000000-000000000000000000000000;Sampled=0")
            .body(http::full(event.body))?)
    }

    async fn wait_until_idle(&self) {
        loop {
            let became_idle = self.became_idle.notified();
            if *lock(&self.idle) {
                return;
            }
            became_idle.await;
        }
    }

    async fn send(&self, body: Bytes, seconds: u64) -> Result<Outcome, Error> {
        let (done, outcome) = oneshot::channel();
        self.events.send(Event { body, seconds, done }).await.map_err(|_| "the function is gone")?;
        Ok(outcome.await?)
    }

    /// Sends the events of the body, one a line, `times` times, and answers when the function is idle.
    async fn invoke(&self, asked: &Asked) -> Answer {
        let number = |name, default| asked.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let (times, seconds) = (number("times", 1), number("seconds", 29));
        let lines: Vec<Bytes> = asked
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| asked.body.slice_ref(line))
            .collect();
        let started = Instant::now();
        let mut tally = Tally::default();
        for _ in 0..times {
            for line in &lines {
                tally.add(&self.send(line.clone(), seconds).await?);
            }
        }
        self.wait_until_idle().await;
        tally.answer(started)
    }

    /// Sends batches of generated activities.
    async fn generate(&self, asked: &Asked) -> Answer {
        let plan: Plan = serde_json::from_slice(&asked.body)?;
        let started = Instant::now();
        let mut tally = Tally::default();
        let mut recorded = 0;
        for event in Generator::new(&plan) {
            let outcome = self.send(Bytes::from(event), 29).await?;
            if let Outcome::Answered(bytes) = &outcome {
                let answered: Answered = serde_json::from_slice(bytes)?;
                let body: serde_json::Value = serde_json::from_str(&answered.body.unwrap_or_default())?;
                recorded += body["recorded"].as_u64().unwrap_or_default();
            }
            tally.add(&outcome);
        }
        if recorded != plan.activities {
            return Err(format!("{recorded} of {} were recorded: {}", plan.activities, tally.last).into());
        }
        self.wait_until_idle().await;
        tally.last.clear();
        tally.answer(started)
    }
}

/// Returns an error to the benchmark program.
fn answer_error(error: Error) -> Answer {
    http::answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
