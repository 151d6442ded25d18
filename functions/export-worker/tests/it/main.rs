//! The function on real engines. The queue records what the function does to its messages.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use aws_lambda_events::sqs::SqsEvent;
use domain::{
    activity::{ActorType, Status},
    filter::Filter,
    job::{ExportRequest, Job, JobStatus, Output, State},
    query::{Selection, SortOrder},
    time::{Instant, Period, Zone},
};
use export::{Files, LEASE_SECONDS, Limits, SubscriptionsUrl, Worker};
use export_worker::App;
use harness::{BUCKET, Fault, Faults, Sqs, Stores, at, contoso, parsed, sent};
use serde_json::json;
use store::queues::{DeadLetters, ExportQueue, NoticeQueue, TRIES};

const NOW: &str = "2026-11-02T12:00:00Z";
const MESSAGE: &str = r#"{"partner":"contoso","export":"J","notify":true}"#;

/// The function with its stores and queues, and an export that waits.
struct Function {
    app: App,
    stores: Stores,
    sqs: Sqs,
}

impl Function {
    /// Starts the function; its bucket may fail.
    async fn start(faults: Option<&Faults>) -> Self {
        let (stores, sqs) = (Stores::start().await, Sqs::start().await);
        let (client, url) = (stores.sqs(&sqs, None), |name: &str| format!("{}/1/{name}", sqs.url));
        let app = App {
            worker: Worker {
                ledger: stores.ledger(None),
                control: stores.control(None),
                files: Files::new(stores.s3(faults), BUCKET.to_owned()),
                limits: Limits::default(),
                subscriptions: SubscriptionsUrl::new("https://portal.example/{customer}".to_owned()),
            },
            queue: ExportQueue::new(client.clone(), url("jobs")),
            dead_letters: DeadLetters::new(client.clone(), url("dead")),
            notices: NoticeQueue::new(client, url("notices")),
            audit: stores.audit(None),
        };
        let request = ExportRequest {
            from: at("2026-01-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            filter: Filter::default(),
            output: Output::default(),
        };
        let job = Job::on_demand("J".to_owned(), request, "Ana".to_owned(), at(NOW), 86_400);
        assert!(app.worker.control.create_job(&contoso(), &job).await.unwrap());
        Self { app, stores, sqs }
    }

    /// Delivers a message for the n-th time. Returns whether the queue deletes it.
    async fn deliver(&self, body: &str, receives: u32, clock: &(dyn Fn() -> Instant + Send + Sync)) -> bool {
        let event: SqsEvent = serde_json::from_value(json!({"Records": [{
            "messageId": "m", "receiptHandle": format!("r{receives}"), "body": body, "messageAttributes": {},
            "attributes": {"ApproximateReceiveCount": receives.to_string()}, "md5OfBody": "", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs", "awsRegion": "us-east-1",
        }]}))
        .unwrap();
        let answer =
            export_worker::handle(&self.app, event, &format!("run {receives}"), Instant::MAX, clock).await.unwrap();
        answer.batch_item_failures.is_empty()
    }

    /// Returns the entries of the audit: action, status and reason.
    async fn audited(&self) -> Vec<(String, Status, Option<String>)> {
        let period = Period::new(at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")).unwrap();
        let (filter, order) = (Filter::default(), SortOrder::Ascending);
        let selection = Selection { period, filter, order, recorded_from: None, recorded_before: None };
        let audit = self.stores.audit(None);
        let page = audit.ledger().list_page(&contoso(), &selection, 100, None, None).await.unwrap();
        page.activities()
            .map(|entry| {
                assert_eq!((entry.entry.actor.kind, entry.entry.source), (ActorType::System, Some("export-worker")));
                let entry = entry.owned().entry;
                (entry.action.to_string(), entry.status, entry.reason)
            })
            .collect()
    }

    async fn status(&self) -> JobStatus {
        self.app.worker.control.job(&contoso(), "J").await.unwrap().unwrap().1
    }
}

#[tokio::test]
async fn message_stays_hidden_while_its_worker_keeps_the_lease() {
    let function = Function::start(None).await;
    let recorder = function.stores.recorder(None);
    for number in 0..40 {
        // The worker looks at the clock after each month.
        let time = at("2026-01-01T00:00:00Z").plus_seconds(number * 7 * 86_400).to_string();
        let new = parsed(&sent(&format!("e-{number}"), &time, &json!({})), at(NOW));
        recorder.record(new.into_activity(contoso(), at(NOW)), Duration::MAX).await.unwrap();
    }
    let looks = AtomicI64::new(0);
    let clock = || at(NOW).plus_seconds(50 * looks.fetch_add(1, Ordering::SeqCst));
    assert!(function.deliver(MESSAGE, 1, &clock).await);
    assert_eq!(function.status().await.state, State::Ready);
    let hidden = function.sqs.take_hidden();
    assert!(hidden.len() > 3, "{hidden:?}");
    assert!(hidden.iter().all(|(receipt, seconds)| receipt == "r1" && *seconds == 330), "{hidden:?}");
    assert_eq!(function.sqs.bodies_of("notices").len(), 1);
}

#[tokio::test]
async fn message_waits_for_the_lease_of_another_worker() {
    let function = Function::start(None).await;
    let (control, until) = (&function.app.worker.control, at(NOW).plus_seconds(120));
    control.take_job(&contoso(), "J", "other", at(NOW), until).await.unwrap();
    let clock = || at(NOW);
    // More deliveries than a job has tries.
    for receives in 1..=2 * TRIES {
        assert!(!function.deliver(MESSAGE, receives, &clock).await, "the other worker may be dead");
        let receipt = format!("r{receives}");
        assert_eq!(function.sqs.take_hidden(), [(receipt.clone(), 330), (receipt, 150)]);
    }
    assert_eq!(function.status().await.state, State::Running);
    assert_eq!(function.sqs.bodies(), [""; 0], "nothing was tried, so nothing has failed");
    let clock = || until.plus_seconds(1);
    assert!(function.deliver(MESSAGE, 2 * TRIES + 1, &clock).await);
    assert_eq!(function.status().await.state, State::Ready);
}

#[tokio::test]
async fn ended_export_has_one_entry_however_often_its_message_comes() {
    let mut function = Function::start(None).await;
    let clock = || at(NOW).plus_seconds(60);
    let whole = function.app.audit.clone();
    // The message stays while the audit does not answer, and the next one finds the export ended.
    for fault in [Fault::NotSent, Fault::AnswerLost] {
        function.app.audit = function.stores.audit(Some(&Faults::from(0, fault)));
        assert!(!function.deliver(MESSAGE, 1, &clock).await);
        assert_eq!(function.status().await.state, State::Ready);
        assert!(function.sqs.bodies_of("notices").is_empty(), "nobody hears of it before the audit");
    }
    function.app.audit = whole;
    for receives in 2..5 {
        assert!(function.deliver(MESSAGE, receives, &clock).await);
    }
    assert_eq!(function.audited().await, [("export.finished".to_owned(), Status::Succeeded, None)]);
    assert_eq!(function.status().await.ended_at, Some(clock()));
}

#[tokio::test]
async fn export_is_a_dead_letter_when_its_last_try_fails() {
    let function = Function::start(Some(&Faults::from(0, Fault::NotSent))).await;
    let clock = || at(NOW);
    // Deliveries that were no tries, because another worker was at work.
    let before = 7;
    for number in 1..TRIES {
        assert!(!function.deliver(MESSAGE, before + number, &clock).await);
        assert_eq!(function.status().await.state, State::Running);
        let waits: Vec<i64> = function.sqs.take_hidden().into_iter().map(|(_, seconds)| seconds).collect();
        assert_eq!(waits, [330, 20 * i64::from(before + number)]);
        assert_eq!(function.sqs.bodies(), [""; 0]);
    }
    assert!(!function.deliver(MESSAGE, 100, &clock).await, "the bucket fails, so the files cannot be removed");
    assert_eq!(function.sqs.bodies_of("dead"), [MESSAGE]);
    let status = function.status().await;
    assert_eq!(status.state, State::Failed);
    assert!(status.problem.is_some());
    assert!(function.deliver(MESSAGE, 101, &clock).await, "nothing is left to do");
    assert_eq!(function.audited().await, [("export.failed".to_owned(), Status::Failed, status.problem)]);
    assert_eq!(function.sqs.bodies_of("dead").len(), 1);
}

#[tokio::test]
async fn export_is_a_dead_letter_when_its_workers_keep_dying() {
    let function = Function::start(None).await;
    let control = &function.app.worker.control;
    let mut now = at(NOW);
    for number in 0..TRIES {
        // A worker that takes the lease and dies.
        control.take_job(&contoso(), "J", &format!("w{number}"), now, now.plus_seconds(LEASE_SECONDS)).await.unwrap();
        now = now.plus_seconds(LEASE_SECONDS + 30);
    }
    let clock = || now;
    assert!(function.deliver(MESSAGE, TRIES + 1, &clock).await);
    assert_eq!(function.status().await.state, State::Failed);
    assert_eq!(function.sqs.bodies_of("dead"), [MESSAGE]);
}

#[tokio::test]
async fn unreadable_message_is_a_dead_letter_at_once() {
    let function = Function::start(None).await;
    let clock = || at(NOW);
    for body in ["", "{}", r#"{"partner":"a b","export":"J"}"#] {
        assert!(function.deliver(body, 1, &clock).await);
        assert_eq!(function.sqs.take(), [body]);
    }
}
