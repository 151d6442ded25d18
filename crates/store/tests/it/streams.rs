//! Streams in their table, and the marks that say which of them have something to deliver.

use std::time::Duration;

use amounts::{amount, report, setting};
use domain::{
    access::Author,
    activity::{ActivityId, PartnerId},
    delivery::{Secret, Secrets},
    query::SETTLE_SECONDS,
    stream::{AttemptFailure, DEFAULT_STOP_HOURS, Destination, DestinationRules, HeaderValue, Stream, StreamChange},
    time::{Instant, seconds_between},
};
use futures_util::future::join_all;
use harness::{Fault, Faults, Random, SECRETS, STREAMS, Stores, at, contoso, parsed, sent};
use serde_json::json;
use store::{
    deliveries::Rotation, due::DueMark, error::Error, ledger::Recorded, partners::Settings, streams::LeasedStream,
};

const NOW: &str = "2026-11-02T12:00:05.5Z";
const JSON: &str =
    r#"{"name":"SIEM","destination":{"kind":"https","url":"https://siem.example/","headers":{"A":"hidden"}}}"#;

fn author() -> Author {
    Author { subject: Some("s".to_owned()), name: "Ana".to_owned() }
}

fn stream(id: &str) -> Stream {
    let change = StreamChange::parse(JSON, None, &DestinationRules::default(), at(NOW)).unwrap();
    Stream::create(id.to_owned(), format!("x-{id}"), change.settings, at(NOW), at(NOW), author())
}

fn secrets() -> Secrets {
    Secrets::new(Secret::new(&[7; 32]), at(NOW))
}

fn paused(stream: Stream) -> Stream {
    let change = r#"{"paused":true}"#;
    let change = StreamChange::parse(change, Some(&stream.settings), &DestinationRules::default(), at(NOW)).unwrap();
    stream.change(change, at(NOW), author())
}

fn failed(stream: Stream) -> Stream {
    let failure = AttemptFailure { detail: "no".to_owned(), status: None, retry_after: None, is_final: false };
    Stream { state: stream.state.after_failure(failure, at(NOW), 0, DEFAULT_STOP_HOURS), ..stream }
}

/// The stream as its table has it: without the values of its headers.
fn hidden(mut stream: Stream) -> Stream {
    if let Destination::Https(https) = &mut stream.settings.destination {
        https.headers.values_mut().for_each(|value| *value = HeaderValue::hidden());
    }
    stream
}

async fn created(stores: &Stores, id: &str) -> Stream {
    assert!(stores.streams(None).create(&contoso(), &stream(id), &secrets(), at(NOW)).await.unwrap());
    stream(id)
}

async fn switch_on(stores: &Stores) {
    let partners = stores.partners();
    let feed = partners.switch_streams_on(&contoso(), at(NOW)).await.unwrap();
    assert_eq!(feed.begins_at, at(NOW).plus_seconds(90));
}

async fn record(stores: &Stores, faults: Option<&Faults>, id: &str, now: Instant) -> bool {
    let activity = parsed(&sent(id, "2026-10-05T00:00:00Z", &json!({})), now).into_activity(contoso(), now);
    stores.recorder(faults).record(activity, Duration::MAX).await.is_ok()
}

fn of_partner(at: Instant) -> DueMark {
    DueMark { partner: contoso(), stream: None, at }
}

fn of_stream(stream: &str, at: Instant) -> DueMark {
    DueMark { partner: contoso(), stream: Some(stream.to_owned()), at }
}

#[tokio::test]
async fn streams_are_stored_listed_changed_and_removed() {
    let stores = Stores::start().await;
    let streams = stores.streams(None);
    let (first, second) = (hidden(created(&stores, "a").await), hidden(created(&stores, "b").await));
    assert!(!streams.create(&contoso(), &stream("a"), &secrets(), at(NOW)).await.unwrap(), "the id is taken");
    assert_eq!(streams.list(&contoso()).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(streams.get(&contoso(), "a").await.unwrap(), Some(first.clone()));
    assert_eq!(streams.secrets(&contoso(), "a").await.unwrap().unwrap().current, secrets().current);
    let fabrikam = PartnerId::parse("fabrikam").unwrap();
    assert_eq!(streams.get(&fabrikam, "a").await.unwrap(), None);
    assert!(streams.list(&fabrikam).await.unwrap().is_empty());
    // Of two changes of one revision, one is refused.
    let later = at(NOW).plus_seconds(9);
    let (mut one, mut other) = (paused(first.clone()), failed(first));
    assert!(streams.change(&contoso(), &mut one, later).await.unwrap());
    assert!(!streams.change(&contoso(), &mut other, later.plus_seconds(1)).await.unwrap());
    assert_eq!((one.revision, other.revision), (1, 0));
    assert_eq!(streams.get(&contoso(), "a").await.unwrap(), Some(one));
    // Both new streams are marked, and the refused change has moved no mark.
    let due = stores.due_marks(None).due(later).await.unwrap();
    assert_eq!(due, [of_stream("a", later), of_stream("b", at(NOW))]);
    streams.remove(&contoso(), "a").await.unwrap();
    streams.remove(&contoso(), "a").await.unwrap();
    assert_eq!(streams.get(&contoso(), "a").await.unwrap(), None);
    assert!(!streams.change(&contoso(), &mut other, later).await.unwrap(), "a removed stream stays removed");
    assert_eq!(streams.remove_all(&contoso()).await.unwrap(), 1);
    assert!(streams.list(&contoso()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_saves_progress_while_it_has_the_lease() {
    let stores = Stores::start().await;
    let streams = stores.streams(None);
    created(&stores, "a").await;
    let (now, until) = (at(NOW), at(NOW).plus_seconds(60));
    let take = |owner: &'static str, now: Instant, until: Instant| {
        let streams = streams.clone();
        async move { streams.take_lease(&contoso(), "a", owner, (now, until)).await.unwrap() }
    };
    assert!(streams.take_lease(&contoso(), "b", "r-1", (now, until)).await.unwrap().is_none(), "no such stream");
    let mut leased = take("r-1", now, until).await.unwrap();
    assert_eq!(leased.stream, stream("a"));
    assert!(take("r-2", until, until.plus_seconds(60)).await.is_none(), "the lease lasts");
    assert!(take("r-1", now, until).await.is_some(), "its own lease is no obstacle");
    // A request changes the stream meanwhile: both changes hold, and the run sees the other one.
    let mut changed = paused(stream("a"));
    assert!(streams.change(&contoso(), &mut changed, now).await.unwrap());
    let until = until.plus_seconds(60);
    let sent =
        |stream: Stream| Stream { state: stream.state.after_success("p".to_owned(), at(NOW), at(NOW)), ..stream };
    assert!(streams.save_progress(&contoso(), &mut leased, until, sent).await.unwrap());
    assert!(leased.stream.settings.paused);
    assert_eq!(leased.stream.state.position.as_deref(), Some("p"));
    assert_eq!(streams.get(&contoso(), "a").await.unwrap(), Some(hidden(leased.stream.clone())));
    // The save has renewed the lease. After its end another run takes it, and the first one saves nothing more.
    assert!(take("r-2", until, until).await.is_none());
    let mut second = take("r-2", until.plus_seconds(1), until.plus_seconds(60)).await.unwrap();
    assert!(!streams.save_progress(&contoso(), &mut leased, until, failed).await.unwrap());
    streams.release(&contoso(), &leased).await.unwrap();
    assert!(take("r-3", until, until).await.is_none(), "only the owner gives the lease back");
    assert!(streams.save_progress(&contoso(), &mut second, until, failed).await.unwrap());
    streams.release(&contoso(), &second).await.unwrap();
    let mut third = take("r-3", now, until).await.unwrap();
    assert_eq!(third.stream.state.attempts, 1);
    streams.remove(&contoso(), "a").await.unwrap();
    assert!(
        !streams.save_progress(&contoso(), &mut third, until, failed).await.unwrap(),
        "a removed stream stays removed"
    );
    assert_eq!(streams.get(&contoso(), "a").await.unwrap(), None);
}

/// The items of a table, as text.
#[expect(clippy::disallowed_methods, reason = "the test looks for what must not be there")]
async fn text_of(stores: &Stores, table: &str) -> String {
    format!("{:?}", stores.dynamodb(None).scan().table_name(table).send().await.unwrap().items())
}

#[tokio::test]
async fn secrets_are_apart_and_belong_to_the_stream_as_it_is() {
    let stores = Stores::start().await;
    let streams = stores.streams(None);
    created(&stores, "a").await;
    let take = async || {
        let times = (at(NOW), at(NOW).plus_seconds(60));
        streams.take_lease(&contoso(), "a", "r", times).await.unwrap().unwrap()
    };
    let value = |leased: &LeasedStream| match &leased.stream.settings.destination {
        Destination::Https(https) => https.headers.values().map(HeaderValue::reveal).collect::<String>(),
        _ => panic!("a server"),
    };
    assert_eq!(value(&take().await), "hidden");
    let current = secrets().current;
    for secret in ["hidden", current.reveal()] {
        assert!(!text_of(&stores, STREAMS).await.contains(secret) && text_of(&stores, SECRETS).await.contains(secret));
    }
    // A change without headers keeps them, and one with headers replaces them.
    let mut stream = paused(streams.get(&contoso(), "a").await.unwrap().unwrap());
    assert!(streams.change(&contoso(), &mut stream, at(NOW)).await.unwrap());
    assert_eq!(value(&take().await), "hidden");
    let moved = r#"{"destination":{"kind":"https","url":"https://other.example/","headers":{"B":"new"}}}"#;
    let change = StreamChange::parse(moved, Some(&stream.settings), &DestinationRules::default(), at(NOW)).unwrap();
    let mut leased = take().await;
    let mut stream = stream.change(change, at(NOW), author());
    assert!(streams.change(&contoso(), &mut stream, at(NOW)).await.unwrap());
    assert_eq!(value(&take().await), "new");
    // A run that goes on after the change has the new ones as well.
    assert!(streams.save_progress(&contoso(), &mut leased, at(NOW), failed).await.unwrap());
    assert_eq!(value(&leased), "new");
    // Cleaned names leave the secrets as they are.
    let read = streams.get(&contoso(), "a").await.unwrap().unwrap();
    let cleaned = Stream { created_by: Author { subject: None, name: "erased".to_owned() }, ..read.clone() };
    assert!(streams.clean(&contoso(), &cleaned).await.unwrap());
    assert!(!streams.clean(&contoso(), &cleaned).await.unwrap(), "the stream has another revision now");
    let leased = take().await;
    assert_eq!((value(&leased).as_str(), leased.stream.created_by.name.as_str()), ("new", "erased"));
    // A secret is replaced, and the previous one signs for a day.
    let fresh = Secret::new(&[8; 32]);
    let Rotation::Done(rotated) = streams.rotate_secret(&contoso(), "a", fresh.clone(), at(NOW)).await.unwrap() else {
        panic!("replaced")
    };
    assert_eq!((&rotated.current, rotated.previous_valid_until(at(NOW)).is_some()), (&fresh, true));
    assert_eq!(take().await.secrets.unwrap().current, fresh);
    let none = streams.rotate_secret(&contoso(), "b", fresh, at(NOW)).await.unwrap();
    assert!(matches!(none, Rotation::NoSecret), "{none:?}");
    streams.remove(&contoso(), "a").await.unwrap();
    for table in [STREAMS, SECRETS] {
        assert_eq!(text_of(&stores, table).await, "[]");
    }
}

#[tokio::test]
async fn one_of_many_runs_gets_the_lease() {
    let stores = Stores::start().await;
    created(&stores, "a").await;
    let until = at(NOW).plus_seconds(60);
    let owners: Vec<String> = (0..20).map(|number| format!("r-{number}")).collect();
    let taken = join_all(owners.iter().map(|owner| {
        let streams = stores.streams(None);
        async move { streams.take_lease(&contoso(), "a", owner, (at(NOW), until)).await.unwrap() }
    }));
    assert_eq!(taken.await.iter().flatten().count(), 1);
}

/// A run that takes the lease, counts an attempt twice, and gives the lease back.
async fn count_twice(stores: &Stores, faults: &Faults, owner: &str) -> Result<Option<LeasedStream>, Error> {
    let streams = stores.streams(Some(faults));
    let until = at(NOW).plus_seconds(60);
    let Some(mut leased) = streams.take_lease(&contoso(), "a", owner, (at(NOW), until)).await? else { return Ok(None) };
    for _ in 0..2 {
        assert!(streams.save_progress(&contoso(), &mut leased, until, failed).await?);
    }
    streams.release(&contoso(), &leased).await?;
    Ok(Some(leased))
}

#[tokio::test]
async fn progress_is_saved_once_when_any_call_fails() {
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled] {
        for call in 0..5 {
            let stores = Stores::start().await;
            created(&stores, "a").await;
            // The SDK makes a call again: it was done or not, and counts once.
            let leased = count_twice(&stores, &Faults::at(call, fault).with_one_retry(), "r").await.unwrap().unwrap();
            assert_eq!(leased.stream.state.attempts, 2, "{fault:?} of call {call}");
            assert_eq!(stores.streams(None).get(&contoso(), "a").await.unwrap(), Some(hidden(leased.stream)));
            // A lasting failure is told.
            let outcome = count_twice(&stores, &Faults::from(call, fault), "r").await;
            assert!(outcome.is_err(), "{fault:?} from call {call} on");
        }
    }
}

#[tokio::test]
async fn a_change_and_its_mark_are_stored_together_or_not_at_all() {
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed] {
        let stores = Stores::start().await;
        let faults = Faults::from(0, fault);
        let streams = stores.streams(Some(&faults));
        assert!(streams.create(&contoso(), &stream("a"), &secrets(), at(NOW)).await.is_err());
        let stored = stores.streams(None).get(&contoso(), "a").await.unwrap();
        assert_eq!(stored.is_some(), fault == Fault::AnswerLost);
        let marks = stores.due_marks(None).due(at(NOW)).await.unwrap();
        assert_eq!(marks.len(), usize::from(stored.is_some()));
        assert!(streams.list(&contoso()).await.is_err() && streams.remove_all(&contoso()).await.is_err());
    }
}

#[tokio::test]
async fn a_stream_and_its_secrets_go_together_or_not_at_all() {
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed] {
        let stores = Stores::start().await;
        created(&stores, "a").await;
        let faults = Faults::from(0, fault);
        assert!(stores.streams(Some(&faults)).remove(&contoso(), "a").await.is_err(), "{fault:?}");
        let stream = stores.streams(None).get(&contoso(), "a").await.unwrap();
        let secrets = stores.streams(None).secrets(&contoso(), "a").await.unwrap();
        assert_eq!((stream.is_some(), secrets.is_some()), (fault != Fault::AnswerLost, fault != Fault::AnswerLost));
    }
}

#[tokio::test]
async fn a_partner_without_streams_pays_nothing() {
    let mut calls = Vec::new();
    for is_on in [false, true] {
        let stores = Stores::start().await;
        if is_on {
            switch_on(&stores).await;
        }
        let recorder = |faults: &Faults| stores.recorder(Some(faults));
        let faults = Faults::none();
        let recorder = recorder(&faults);
        let mut counts = Vec::new();
        for (number, second) in [0, 1, 54, 55].into_iter().enumerate() {
            let now = at(NOW).plus_seconds(second);
            let sent = sent(&format!("e-{number}"), "2026-10-05T00:00:00Z", &json!({}));
            let before = faults.calls();
            let recorded = recorder.record(parsed(&sent, now).into_activity(contoso(), now), Duration::MAX).await;
            assert!(matches!(recorded, Ok(Recorded::New(_))));
            counts.push(faults.calls() - before);
        }
        calls.push(counts);
        assert_eq!(stores.due_marks(None).due(Instant::MAX).await.unwrap().len(), usize::from(is_on));
    }
    // With streams: the row of the feed with each, the months of recording once more, and a mark in the first second of each
    // minute.
    assert_eq!(calls[0][1..], [1, 1, 1]);
    assert_eq!(calls[1][1..], [2, 2, 3]);
}

#[tokio::test]
async fn a_batch_marks_its_partner_once() {
    let stores = Stores::start().await;
    switch_on(&stores).await;
    let faults = Faults::none();
    let activities = |count: usize| {
        let one = |number| sent(&format!("e-{count}-{number}"), "2026-10-05T00:00:00Z", &json!({}));
        (0..count).map(|number| parsed(&one(number), at(NOW)).into_activity(contoso(), at(NOW))).collect::<Vec<_>>()
    };
    let recorder = stores.recorder(Some(&faults));
    let mut counts = Vec::new();
    for count in [1, 20, 40] {
        let before = faults.calls();
        let recorded = recorder.record_all(activities(count), Duration::MAX).await;
        assert!(recorded.iter().all(Result::is_ok));
        counts.push(faults.calls() - before);
    }
    // A row and an activity each, and nothing more.
    assert_eq!(counts[1..], [40, 80]);
}

#[tokio::test]
async fn a_mark_moves_forward_only_and_goes_when_its_minute_is_over() {
    let stores = Stores::start().await;
    let minute = at("2026-11-02T12:00:00Z");
    let put = async |now: Instant| stores.due_marks(None).mark_recording(&contoso(), now).await.unwrap();
    let due = async |now: Instant| stores.due_marks(None).due(now).await.unwrap();
    put(at(NOW)).await;
    put(at(NOW).plus_seconds(-60)).await;
    assert!(due(minute.plus_seconds(-1)).await.is_empty());
    assert_eq!(due(minute).await, [of_partner(minute)]);
    let end = minute.plus_seconds(60 + SETTLE_SECONDS);
    assert!(!of_partner(minute).is_over(end.plus_seconds(-1)) && of_partner(minute).is_over(end));
    assert!(!of_stream("a", minute).is_over(end), "the mark of a stream goes with its run");
    put(minute.plus_seconds(60)).await;
    let marks = stores.due_marks(None);
    assert!(!marks.remove(&of_partner(minute)).await.unwrap(), "a mark that moved stays");
    assert!(marks.remove(&of_partner(minute.plus_seconds(60))).await.unwrap());
    assert!(!marks.remove(&of_partner(minute.plus_seconds(60))).await.unwrap());
    assert!(due(Instant::MAX).await.is_empty());
    marks.mark_stream(&contoso(), "a", minute).await.unwrap();
    marks.mark_stream(&contoso(), "a", minute.plus_seconds(-1)).await.unwrap();
    let moved = of_stream("a", minute.plus_seconds(-1));
    assert_eq!(marks.mark(&contoso(), Some("a")).await.unwrap(), Some(moved.clone()));
    assert!(!marks.remove(&of_stream("a", minute)).await.unwrap());
    assert!(marks.remove(&moved).await.unwrap());
    assert_eq!(marks.mark(&contoso(), Some("a")).await.unwrap(), None);
    // A mark is postponed unless it was put or moved since it was read.
    let later = minute.plus_seconds(300);
    marks.postpone(&contoso(), "a", None, minute).await.unwrap();
    marks.postpone(&contoso(), "a", None, later).await.unwrap();
    assert_eq!(marks.mark(&contoso(), Some("a")).await.unwrap(), Some(of_stream("a", minute)));
    marks.postpone(&contoso(), "a", Some(&moved), later).await.unwrap();
    assert_eq!(marks.mark(&contoso(), Some("a")).await.unwrap(), Some(of_stream("a", minute)));
    marks.postpone(&contoso(), "a", Some(&of_stream("a", minute)), later).await.unwrap();
    assert_eq!(marks.mark(&contoso(), Some("a")).await.unwrap(), Some(of_stream("a", later)));
}

#[tokio::test]
async fn no_activity_is_recorded_without_a_mark_when_any_call_fails() {
    for fault in [Fault::NotSent, Fault::AnswerLost, Fault::Throttled, Fault::Failed, Fault::Garbled] {
        for call in 0.. {
            let stores = Stores::start().await;
            switch_on(&stores).await;
            let is_recorded = record(&stores, Some(&Faults::at(call, fault)), "e", at(NOW)).await;
            let (ledger, id) = (stores.ledger(None), ActivityId::parse("e").unwrap());
            let is_there = ledger.find(&contoso(), at("2026-10-05T00:00:00Z"), &id).await.unwrap().is_some();
            let marks = stores.due_marks(None).due(Instant::MAX).await.unwrap();
            assert!(!is_there || !marks.is_empty(), "{fault:?} of call {call}");
            if is_recorded && call > 8 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn settings_know_whether_a_partner_has_streams() {
    let stores = Stores::start().await;
    switch_on(&stores).await;
    let partners = stores.partners();
    let on = partners.settings(&contoso()).await.unwrap();
    assert!(on.streams);
    // Switched on again, the feed goes on.
    let feed = partners.switch_streams_on(&contoso(), at(NOW).plus_seconds(900)).await.unwrap();
    assert_eq!(Some(feed), on.feed);
    assert!(
        !partners.switch_streams_off(&contoso(), &Settings { shards: vec![], feed: None, ..on.clone() }).await.unwrap()
    );
    assert!(partners.switch_streams_off(&contoso(), &on).await.unwrap());
    let off = partners.settings(&contoso()).await.unwrap();
    assert_eq!((off.streams, off.feed), (false, on.feed));
    assert!(partners.switch_streams_off(&contoso(), &off).await.unwrap());
}

/// Processes record and die, a schedule visits the marks, and in the end every activity was in the feed at a visit.
#[tokio::test]
async fn every_recording_is_visited_after_it_can_be_read() {
    let (seed, histories) = (setting("DUE_SEED", 1), amount("DUE_HISTORIES", 8, 500));
    let mut recordings = 0;
    for number in 0..histories {
        recordings += history(seed + number).await;
    }
    report("histories of due marks", &format!("{histories} histories, {recordings} recordings"), seed);
}

async fn history(seed: u64) -> usize {
    let stores = Stores::start().await;
    let mut random = Random::new(seed);
    let mut processes: Vec<_> = (0..3).map(|_| stores.due_marks(None)).collect();
    let schedule = stores.due_marks(None);
    let begin = at(NOW);
    // The recordings that wait for their put: the time of recording, and the time of the put. It is less than the feed's delay.
    let (mut begun, mut put, mut visited) = (Vec::new(), Vec::new(), Instant::MIN);
    let mut next_visit = begin;
    let mut now = begin;
    while seconds_between(begin, now) < 3_600 {
        now = now.plus_seconds(i64::try_from(random.below(40)).unwrap());
        let is_busy = (seconds_between(begin, now) / 600) % 2 == 0 && seconds_between(begin, now) < 3_000;
        if is_busy {
            let process = random.below(processes.len());
            if random.below(10) == 0 {
                processes[process] = stores.due_marks(None);
            }
            // The clocks of processes differ a little.
            let recorded_at = now.plus_seconds(-i64::try_from(random.below(3)).unwrap());
            processes[process].mark_recording(&contoso(), recorded_at).await.unwrap();
            begun.push((recorded_at, now.plus_seconds(i64::try_from(random.below(50)).unwrap())));
        }
        let (done, waiting): (Vec<_>, Vec<_>) = begun.into_iter().partition(|(_, at)| *at <= now);
        put.extend(done.into_iter().map(|(recorded_at, _)| recorded_at));
        begun = waiting;
        while next_visit <= now {
            for mark in schedule.due(next_visit).await.unwrap() {
                // The message of the visit reads up to here.
                visited = visited.max(next_visit.plus_seconds(-SETTLE_SECONDS));
                if mark.is_over(next_visit) {
                    schedule.remove(&mark).await.unwrap();
                }
            }
            next_visit = next_visit.plus_seconds(60);
        }
    }
    assert!(begun.is_empty() && put.iter().all(|recorded_at| *recorded_at < visited), "seed {seed}");
    assert!(schedule.due(Instant::MAX).await.unwrap().is_empty(), "seed {seed}");
    put.len()
}
