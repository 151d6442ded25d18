//! Streams on real engines, with a server that receives them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aws;
mod receiver;

use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use domain::{
    access::Author,
    audit::{AuditAction, AuditActor, AuditEntry},
    delivery::{Secret, Secrets},
    recipient::Reach,
    stream::{DEFAULT_STOP_HOURS, DestinationRules, Stream, StreamChange, StreamStatus},
    time::{Instant, Period},
};
use harness::{Fault, Faults, Sqs, Stores, at, contoso, parsed, sent};
use serde_json::{Value, json};
use store::queues::{DeadLetters, StreamQueue};
use streamer::{AUDIT_SECONDS, App, Sender};

use self::receiver::{Receiver, Reply};

const NOW: &str = "2026-11-02T12:00:00Z";
const API: &str = "https://api.example/v1";

/// The stores, the queue and the server of a test.
struct World {
    stores: Stores,
    sqs: Sqs,
    receiver: Receiver,
    /// The messages that the queue delivers again, and when.
    hidden: Vec<(Instant, String)>,
    now: Instant,
    runs: usize,
}

fn author() -> Author {
    Author { subject: Some("s".to_owned()), name: "Ana".to_owned() }
}

fn secrets() -> Secrets {
    Secrets::new(Secret::new(&[7; 32]), at(NOW))
}

fn rules() -> DestinationRules {
    DestinationRules { reach: Reach::new(false, "127.0.0.1"), ..DestinationRules::default() }
}

/// A stream to an address.
fn https(url: &str, more: &str) -> String {
    let destination = format!(r#"{{"kind":"https","url":"{url}/in","headers":{{"x-key":"k"}}}}"#);
    format!(r#"{{"name":"SIEM","destination":{destination}{more}}}"#)
}

impl World {
    async fn start() -> Self {
        let (stores, sqs, receiver) = (Stores::start().await, Sqs::start().await, Receiver::start().await);
        stores.partners().switch_streams_on(&contoso(), at(NOW).plus_seconds(-90)).await.unwrap();
        Self { stores, sqs, receiver, hidden: Vec::new(), now: at(NOW), runs: 0 }
    }

    /// The same, with a stream to the server.
    async fn with_stream(more: &str) -> Self {
        let world = Self::start().await;
        world.create("a", &https(&world.receiver.url, more)).await;
        world
    }

    async fn create(&self, id: &str, json: &str) {
        let change = StreamChange::parse(json, None, &rules(), at(NOW)).unwrap();
        let stream = Stream::create(id.to_owned(), format!("x-{id}"), change.settings, at(NOW), at(NOW), author());
        assert!(self.stores.streams(None).create(&contoso(), &stream, &secrets(), at(NOW)).await.unwrap());
    }

    fn app(&self, faults: Option<&Faults>) -> App {
        let queue = |name: &str| (self.stores.sqs(&self.sqs, faults), format!("{}/1/{name}", self.sqs.url));
        let ((runs, runs_url), (dead, dead_url)) = (queue("streams"), queue("dead"));
        let config = self.stores.config(&self.receiver.url, None);
        App {
            ledger: self.stores.ledger(faults),
            streams: self.stores.streams(faults),
            queue: StreamQueue::new(runs, runs_url),
            dead_letters: DeadLetters::new(dead, dead_url),
            sender: Sender::new(Reach::new(false, "127.0.0.1"), &config, API).unwrap(),
            api_url: API.to_owned(),
            stop_hours: DEFAULT_STOP_HOURS,
            audit: self.stores.audit(faults).ledger().clone(),
            installation: None,
        }
    }

    /// Records activities, a second apart, and returns their ids.
    async fn record(&mut self, names: &str, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..count {
            let id = format!("{names}-{number}");
            self.now = self.now.plus_seconds(1);
            let activity = parsed(&sent(&id, "2026-10-05T00:00:00Z", &json!({})), self.now);
            let activity = activity.into_activity(contoso(), self.now);
            self.stores.recorder(None).record(activity, Duration::MAX).await.unwrap();
            ids.push(id);
        }
        // So that a minute has all of them in the feed, or none.
        self.now = self.now.plus_seconds(5);
        ids
    }

    async fn handle(&mut self, app: &App, event: &Value) -> bool {
        self.runs += 1;
        let (name, now) = (format!("r-{}", self.runs), self.now);
        streamer::handle(app, event, &name, now.plus_seconds(120), &|| now).await.is_ok()
    }

    /// Lets a minute pass: the schedule, and the messages of the queue until none is left.
    async fn minute(&mut self, app: &App) {
        self.now = self.now.plus_seconds(60);
        self.handle(app, &json!({})).await;
        let (ready, hidden) = self.hidden.drain(..).partition(|(until, _)| *until <= self.now);
        self.hidden = hidden;
        let mut messages: Vec<String> = ready.into_iter().map(|(_, body): (Instant, String)| body).collect();
        for _ in 0..1_000 {
            messages.extend(self.sqs.take());
            if messages.is_empty() {
                return;
            }
            let body = messages.remove(0);
            if !self.handle(app, &message(&body)).await {
                self.hidden.push((self.now.plus_seconds(180), body));
            }
        }
        panic!("the messages have no end");
    }

    async fn minutes(&mut self, app: &App, count: usize) {
        for _ in 0..count {
            self.minute(app).await;
        }
    }

    async fn stream(&self) -> Stream {
        self.stores.streams(None).get(&contoso(), "a").await.unwrap().unwrap()
    }

    async fn marks(&self) -> usize {
        self.stores.due_marks(None).due(Instant::MAX).await.unwrap().len()
    }

    /// Checks that everything arrived in order, and returns the number of repeats.
    fn arrived(&self, expected: &[String], why: &str) -> usize {
        let ids = self.receiver.ids();
        let mut seen = HashSet::new();
        let first: Vec<&String> = ids.iter().filter(|id| seen.insert((*id).clone())).collect();
        assert_eq!(first, expected.iter().collect::<Vec<_>>(), "{why}");
        ids.len() - first.len()
    }
}

fn message(body: &str) -> Value {
    json!({"Records": [{"messageId": "m", "body": body}]})
}

#[tokio::test]
async fn activities_are_sent_once_in_the_order_of_recording() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    let mut ids = world.record("a", 5).await;
    world.minutes(&app, 5).await;
    assert_eq!(world.arrived(&ids, "sent"), 0);
    assert_eq!(world.receiver.received().len(), 1, "one request for all of them");
    let request = &world.receiver.received()[0];
    for (name, value) in [("content-type", "application/json"), ("content-encoding", "gzip"), ("x-key", "k")] {
        assert_eq!(request.header(name), Some(value));
    }
    let (id, timestamp) = (request.header("webhook-id").unwrap(), request.header("webhook-timestamp").unwrap());
    let signed_at = Instant::from_micros(timestamp.parse::<i64>().unwrap() * 1_000_000).unwrap();
    let signature = secrets().signature(id, signed_at, &request.text());
    assert_eq!(request.header("webhook-signature"), Some(&*signature));
    assert_eq!(world.marks().await, 0, "an idle stream has no mark");
    let stream = world.stream().await;
    assert_eq!(stream.status(), StreamStatus::Active);
    // An idle stream costs no request and no write.
    world.minutes(&app, 5).await;
    assert_eq!(world.stream().await, stream);
    // What is recorded later follows, also when many minutes have something.
    for names in ["b", "c", "d"] {
        ids.extend(world.record(names, 3).await);
        world.minute(&app).await;
    }
    world.minutes(&app, 5).await;
    assert_eq!(world.arrived(&ids, "sent"), 0);
    assert_eq!((world.marks().await, world.sqs.take().len()), (0, 0));
}

#[tokio::test]
async fn filters_masks_and_formats_are_those_of_the_stream() {
    let more = r#","filters":{"actor":"nobody"},"format":"ocsf","mask":["actor.ip"]"#;
    let mut world = World::with_stream(more).await;
    world.create("b", &https(&world.receiver.url, r#","format":"ocsf","details":true"#)).await;
    let app = world.app(None);
    world.record("a", 2).await;
    world.minutes(&app, 5).await;
    let received = world.receiver.received();
    assert_eq!(received.len(), 1, "the filter of the other stream leaves everything out");
    let events: Vec<Value> = serde_json::from_str(&received[0].text()).unwrap();
    assert_eq!((events.len(), &events[0]["class_uid"]), (2, &json!(6003)));
    assert_eq!(world.marks().await, 0);
    let stream = world.stream().await;
    assert_eq!(stream.state.last_success_at, None);
    assert!(stream.state.delivered_through > world.now.plus_seconds(-400), "nothing is outstanding");
}

/// How many calls apart the calls are that fail.
fn step() -> usize {
    usize::try_from(amounts::amount("STREAMER_FAULT_STEP", 4, 1)).unwrap()
}

#[tokio::test]
async fn nothing_is_lost_or_out_of_order_when_any_call_fails() {
    for (first, fault) in [Fault::NotSent, Fault::AnswerLost].into_iter().enumerate() {
        for call in (first..).step_by(step()) {
            let mut world = World::with_stream("").await;
            let mut ids = world.record("a", 3).await;
            let faults = Faults::at(call, fault);
            let app = world.app(Some(&faults));
            world.minutes(&app, 5).await;
            ids.extend(world.record("b", 2).await);
            world.minutes(&app, 9).await;
            world.arrived(&ids, &format!("{fault:?} of call {call}"));
            assert_eq!(world.marks().await, 0, "{fault:?} of call {call}");
            if faults.calls() <= call || call > 60 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_run_that_dies_after_sending_repeats_and_loses_nothing() {
    for call in (0..).step_by(step()) {
        let mut world = World::with_stream("").await;
        let ids = world.record("a", 3).await;
        // Without the calls after this one, nothing that was sent is saved.
        let faults = Faults::from(call, Fault::NotSent);
        let dying = world.app(Some(&faults));
        world.minutes(&dying, 4).await;
        world.now = world.now.plus_seconds(200);
        let app = world.app(None);
        world.minutes(&app, 9).await;
        world.arrived(&ids, &format!("dead from call {call} on"));
        assert_eq!(world.marks().await, 0, "dead from call {call} on");
        if faults.calls() <= call {
            return;
        }
    }
}

#[tokio::test]
async fn a_failing_destination_gets_everything_later() {
    let busy = Reply::Status(429, "retry-after: 600\r\n");
    for (replies, errors) in [
        (vec![Reply::Status(500, ""), Reply::Status(302, "location: http://127.0.0.1/\r\n")], 2),
        (vec![Reply::Garbage, Reply::Dies], 2),
        (vec![busy], 1),
    ] {
        let mut world = World::with_stream("").await;
        let app = world.app(None);
        world.receiver.reply(&replies);
        let mut ids = world.record("a", 3).await;
        world.minutes(&app, 3).await;
        let stream = world.stream().await;
        assert_eq!(stream.status(), StreamStatus::Failing, "{replies:?}");
        let mark = world.stores.due_marks(None).mark(&contoso(), Some("a")).await.unwrap().unwrap();
        assert_eq!(Some(mark.at), stream.state.next_try_at, "{replies:?}");
        ids.extend(world.record("b", 2).await);
        world.minutes(&app, 15).await;
        assert_eq!(world.arrived(&ids, &format!("{replies:?}")), 0);
        let stream = world.stream().await;
        assert_eq!((stream.status(), stream.state.attempts), (StreamStatus::Active, 0));
        assert!(stream.state.last_error.is_some());
        let failed = world.receiver.received().iter().filter(|one| !one.is_accepted).count();
        assert_eq!((failed, world.marks().await), (errors, 0), "{replies:?}");
    }
}

#[tokio::test]
async fn a_destination_that_is_gone_gets_nothing_until_it_is_resumed() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    world.receiver.reply(&[Reply::Status(410, "")]);
    let ids = world.record("a", 3).await;
    world.minutes(&app, 9).await;
    assert_eq!(world.stream().await.status(), StreamStatus::Stopped);
    assert_eq!((world.receiver.received().len(), world.marks().await), (1, 0));
    let stream = world.stream().await;
    let change = StreamChange::parse(r#"{"paused":false}"#, Some(&stream.settings), &rules(), world.now).unwrap();
    let mut stream = stream.change(change, world.now, author());
    assert!(world.stores.streams(None).change(&contoso(), &mut stream, world.now).await.unwrap());
    world.minutes(&app, 2).await;
    assert_eq!(world.arrived(&ids, "resumed"), 0);
    assert_eq!(world.marks().await, 0);
}

#[tokio::test]
async fn requests_become_smaller_until_the_destination_takes_them() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    world.receiver.reply(&[Reply::AtMost(3)]);
    let ids = world.record("a", 20).await;
    world.minutes(&app, 6).await;
    assert_eq!(world.arrived(&ids, "smaller"), 0);
    assert_eq!(world.stream().await.status(), StreamStatus::Active);
}

#[tokio::test]
async fn an_activity_that_is_too_large_comes_without_its_details() {
    let mut world = World::with_stream(r#","details":true"#).await;
    let app = world.app(None);
    // The page, and then the first activity with its details.
    world.receiver.reply(&[Reply::Status(413, ""), Reply::Status(413, "")]);
    for number in 0..2 {
        let id = format!("a-{number}");
        let activity = parsed(&sent(&id, "2026-10-05T00:00:00Z", &json!({"details": {"lines": [1, 2]}})), world.now);
        world.stores.recorder(None).record(activity.into_activity(contoso(), world.now), Duration::MAX).await.unwrap();
        world.now = world.now.plus_seconds(1);
    }
    world.minutes(&app, 6).await;
    let sent: Vec<Value> = world
        .receiver
        .received()
        .iter()
        .filter(|one| one.is_accepted)
        .map(|one| {
            let batch: Vec<Value> = serde_json::from_str(&one.text()).unwrap();
            batch[0].clone()
        })
        .collect();
    let url =
        "https://api.example/v1/v1/partners/contoso/activities/a-0/details?occurred_at=2026-10-05T00:00:00.000000Z";
    assert_eq!((&sent[0]["details_url"], &sent[0]["details"]), (&json!(url), &Value::Null), "{sent:?}");
    assert_eq!(sent[1]["details"], json!({"lines": [1, 2]}));
    assert_eq!(world.stream().await.status(), StreamStatus::Active);
}

#[tokio::test]
async fn the_audit_is_sent_in_the_order_of_its_entries() {
    let mut world = World::start().await;
    world.create("a", &https(&world.receiver.url, r#","source":"audit""#)).await;
    let app = world.app(None);
    let audit = world.stores.audit(None);
    let ana = AuditActor::system("test");
    for number in 0..3 {
        world.now = world.now.plus_seconds(1);
        let entry = AuditEntry::new(AuditAction::SettingsSaved).about("settings", &format!("s-{number}"));
        let begun = audit.begin(&contoso(), &ana, entry, world.now).await.unwrap();
        begun.end(Ok(())).await.unwrap();
    }
    world.record("not-sent", 2).await;
    world.minutes(&app, 9).await;
    let sent: Vec<Value> = world
        .receiver
        .received()
        .iter()
        .flat_map(|one| serde_json::from_str::<Vec<Value>>(&one.text()).unwrap())
        .collect();
    let targets: Vec<&str> = sent.iter().map(|entry| entry["target"]["id"].as_str().unwrap()).collect();
    assert_eq!(targets, ["s-0", "s-1", "s-2"]);
    assert!(sent.iter().all(|entry| entry["status"] == "succeeded"), "{sent:?}");
    // Nobody marks it, so it comes back by itself.
    let mark = world.stores.due_marks(None).mark(&contoso(), Some("a")).await.unwrap().unwrap();
    assert!(mark.at > world.now && mark.at <= world.now.plus_seconds(AUDIT_SECONDS), "{mark:?}");
    let entry = AuditEntry::new(AuditAction::SettingsSaved).about("settings", "s-3");
    audit.store(&contoso(), &ana, &entry, world.now).await.unwrap();
    world.minutes(&app, 9).await;
    assert_eq!(world.receiver.received().len(), 2);
}

#[tokio::test]
async fn runs_that_overlap_send_once() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    let ids = world.record("a", 3).await;
    world.now = world.now.plus_seconds(300);
    let now = world.now;
    let event = message(r#"{"partner":"contoso","stream":"a"}"#);
    let runs = (0..5).map(|number| {
        let (app, event, name) = (&app, &event, format!("o-{number}"));
        async move { streamer::handle(app, event, &name, now.plus_seconds(120), &|| now).await.is_ok() }
    });
    assert!(futures_util::future::join_all(runs).await.into_iter().all(|is_done| is_done));
    assert_eq!(world.arrived(&ids, "overlap"), 0);
    // The runs that found the stream busy come back.
    assert_eq!(world.marks().await, 2);
    world.minutes(&app, 5).await;
    assert_eq!((world.arrived(&ids, "overlap"), world.marks().await), (0, 0));
}

#[tokio::test]
async fn a_run_comes_to_an_end_while_the_clock_goes_on() {
    let mut world = World::with_stream("").await;
    let faults = Faults::none();
    let app = world.app(Some(&faults));
    let ids = world.record("a", 3).await;
    let begin = world.now.plus_seconds(300);
    // Each look at the clock takes a millisecond.
    let looks = AtomicI64::new(0);
    let clock = || Instant::from_micros(begin.micros() + 1_000 * looks.fetch_add(1, Ordering::Relaxed)).unwrap();
    streamer::handle(&app, &message(r#"{"partner":"contoso"}"#), "r", begin.plus_seconds(120), &clock).await.unwrap();
    assert_eq!((world.arrived(&ids, "sent"), world.sqs.take()), (0, Vec::<String>::new()));
    assert!(faults.calls() < 30, "{} calls", faults.calls());
}

#[tokio::test]
async fn a_run_whose_time_is_up_goes_on_in_the_next_one() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    world.record("a", 2).await;
    world.now = world.now.plus_seconds(300);
    let now = world.now;
    let event = message(r#"{"partner":"contoso"}"#);
    streamer::handle(&app, &event, "r", now.plus_seconds(10), &|| now).await.unwrap();
    assert_eq!(world.sqs.bodies(), [r#"{"partner":"contoso","stream":"a"}"#]);
    assert_eq!(world.receiver.ids().len(), 2);
}

#[tokio::test]
async fn a_test_sends_one_marked_activity_and_moves_nothing() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    let event = message(r#"{"partner":"contoso","stream":"a","test":true}"#);
    world.receiver.reply(&[Reply::Status(401, "")]);
    assert!(world.handle(&app, &event).await);
    let stream = world.stream().await;
    assert_eq!(stream.state.last_error.as_ref().and_then(|error| error.status), Some(401));
    assert_eq!((stream.status(), stream.state.position), (StreamStatus::Active, None));
    assert!(world.handle(&app, &event).await);
    let stream = world.stream().await;
    assert_eq!((stream.state.last_success_at, stream.state.position), (Some(world.now), None));
    let sent: Vec<Value> = serde_json::from_str(&world.receiver.received()[1].text()).unwrap();
    assert_eq!((sent.len(), &sent[0]["action"]), (1, &json!("stream.tested")));
}

#[tokio::test]
async fn idle_streams_cost_no_call() {
    let mut counts = Vec::new();
    for number in [0, 100] {
        let mut world = World::start().await;
        for number in 0..number {
            let id = format!("s-{number}");
            world.create(&id, &https(&world.receiver.url, "")).await;
            let marks = world.stores.due_marks(None);
            let mark = marks.mark(&contoso(), Some(&id)).await.unwrap().unwrap();
            assert!(marks.remove(&mark).await.unwrap());
        }
        let faults = Faults::none();
        let app = world.app(Some(&faults));
        world.minute(&app).await;
        counts.push((faults.calls(), world.receiver.received().len(), world.sqs.take().len()));
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0].0, 16, "one query for each partition of the marks");
}

#[tokio::test]
async fn a_replay_sends_a_period_again_beside_the_feed() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    let mut ids = world.record("a", 4).await;
    world.minutes(&app, 5).await;
    let period = Period::new(at("2026-10-01T00:00:00Z"), at("2026-10-06T00:00:00Z")).unwrap();
    let mut stream = world.stream().await.begin_replay(period, world.now).unwrap();
    assert!(world.stores.streams(None).change(&contoso(), &mut stream, world.now).await.unwrap());
    world.receiver.reply(&[Reply::Status(500, "")]);
    ids.extend(world.record("b", 1).await);
    world.minutes(&app, 8).await;
    assert!(world.arrived(&ids, "replayed") >= 4);
    let stream = world.stream().await;
    let replay = stream.replay.as_ref().unwrap();
    assert!(!replay.is_running() && replay.activities >= 4, "{replay:?}");
    assert_eq!((stream.status(), world.marks().await), (StreamStatus::Active, 0));
}

#[tokio::test]
async fn a_message_that_names_no_stream_is_buried_or_does_nothing() {
    let mut world = World::with_stream("").await;
    let app = world.app(None);
    assert!(world.handle(&app, &message("no JSON")).await);
    assert_eq!(world.sqs.take(), ["no JSON"]);
    for body in [r#"{"partner":"contoso","stream":"b"}"#, r#"{"partner":"contoso","stream":"b","test":true}"#] {
        assert!(world.handle(&app, &message(body)).await);
    }
    // A mark of a stream that was removed goes with the first run.
    world.stores.streams(None).remove(&contoso(), "a").await.unwrap();
    world.minute(&app).await;
    assert_eq!(world.marks().await, 0);
}
