//! Due marks: which partners have something to deliver to their streams, and which streams try again.
//!
//! | mark | `pk` | `sk` | put by |
//! |---|---|---|---|
//! | of a partner | `due#{partition}` | `{partner}` | a recorder, *before* the activity, for the minute of `recorded_at` |
//! | of a stream | `due#{partition}` | `{partner}#{stream}` | a request or a run, for the time of the next attempt |
//!
//! A digest of the partner decides the partition. The attribute `at` holds the time. The mark of a partner only moves
//! forward. Such a mark is removed when every recording of its minute has ended and can be read in the feed. So no
//! activity is in the feed without a mark that comes after it, and an idle partner has none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use domain::{activity::PartnerId, query::SETTLE_SECONDS, time::Instant};
use futures_util::future::try_join_all;

use crate::{
    control::{Item, PARTITIONS, is_done, key, partition_of, text},
    error::{Error, retrying_cut_answers},
};

/// The span of recordings that one mark stands for, in seconds.
const SPAN_SECONDS: i64 = 60;
/// The number of partners that a process remembers. Beyond it the process forgets all of them, to bound its memory.
const MAX_REMEMBERED: usize = 10_000;

/// A mark that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueMark {
    /// The partner.
    pub partner: PartnerId,
    /// The stream; none if the mark is for all streams of the partner.
    pub stream: Option<String>,
    /// The time for which the mark was put.
    pub at: Instant,
}

impl DueMark {
    /// Tells whether a partner's mark may be removed: every recording of its minute has ended, and its activity is in the feed.
    pub fn is_over(&self, now: Instant) -> bool {
        self.stream.is_none() && self.at.plus_seconds(SPAN_SECONDS + SETTLE_SECONDS) <= now
    }
}

/// The table of due marks. Cheap to clone; clones remember together.
#[derive(Clone, Debug)]
pub struct DueMarks {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
    /// The last minute for which this process has put a mark, by partner.
    marked: Arc<Mutex<HashMap<PartnerId, Instant>>>,
}

impl DueMarks {
    /// Opens the table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb: retrying_cut_answers(&dynamodb), table: table.into(), marked: Arc::default() }
    }

    /// Marks a partner as due, for an activity that is about to be put. A process does this at most once a minute for a
    /// partner, unless several calls come at once.
    ///
    /// # Errors
    /// When the table fails. The activity must not be put then.
    pub async fn mark_recording(&self, partner: &PartnerId, recorded_at: Instant) -> Result<(), Error> {
        let minute = recorded_at.plus_seconds(-recorded_at.seconds().rem_euclid(SPAN_SECONDS)).truncated_to_seconds();
        let is_marked = |marked: &HashMap<PartnerId, Instant>| marked.get(partner).is_some_and(|last| *last >= minute);
        if is_marked(&self.marked.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let put = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(mark_key(partner, None)))
            .update_expression("SET #at = :at")
            .condition_expression("attribute_not_exists(#at) OR #at < :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", text(&minute.to_string()))
            .send();
        // If the condition is not met, another process has put this mark or a later one. Boxed, because the SDK's future is
        // large and every caller would carry it in its own.
        is_done(Box::pin(put).await.map(drop), "UpdateItem of a due mark")?;
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if marked.len() >= MAX_REMEMBERED {
            marked.clear();
        }
        if !is_marked(&marked) {
            marked.insert(partner.clone(), minute);
        }
        Ok(())
    }

    /// Lists the marks that are due, in all partitions. A mark that was just put may be missing; the next call has it.
    ///
    /// # Errors
    /// When the table fails, or holds an unreadable mark.
    pub async fn due(&self, now: Instant) -> Result<Vec<DueMark>, Error> {
        let partitions = (0..PARTITIONS).map(|partition| Box::pin(self.due_of(partition, now)));
        Ok(try_join_all(partitions).await?.into_iter().flatten().collect())
    }

    async fn due_of(&self, partition: u8, now: Instant) -> Result<Vec<DueMark>, Error> {
        let mut items = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk")
            .filter_expression("#at <= :now")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":pk", text(&partition_key(partition)))
            .expression_attribute_values(":now", text(&now.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut marks = Vec::new();
        while let Some(item) = items.next().await {
            marks.push(parse_mark(&item.map_err(|error| Error::sdk("Query of due marks", error))?)?);
        }
        Ok(marks)
    }

    /// Removes a mark, unless it was moved since it was read. Returns whether it was removed.
    ///
    /// # Errors
    /// When the table fails.
    #[expect(clippy::disallowed_methods, reason = "a mark goes when what it stands for is delivered")]
    pub async fn remove(&self, mark: &DueMark) -> Result<bool, Error> {
        let removed = self
            .dynamodb
            .delete_item()
            .table_name(&*self.table)
            .set_key(Some(mark_key(&mark.partner, mark.stream.as_deref())))
            .condition_expression("#at = :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", text(&mark.at.to_string()))
            .send()
            .await;
        is_done(removed.map(drop), "DeleteItem of a due mark")
    }

    /// Reads the mark of a partner, or of one of its streams, with strong consistency.
    ///
    /// # Errors
    /// When the table fails, or the mark is unreadable.
    pub async fn mark(&self, partner: &PartnerId, stream: Option<&str>) -> Result<Option<DueMark>, Error> {
        let got = self
            .dynamodb
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(mark_key(partner, stream)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Error::sdk("GetItem of a due mark", error))?;
        got.item.as_ref().map(parse_mark).transpose()
    }

    /// Puts the mark of a stream, in place of an earlier one: a run is due at an instant.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn mark_stream(&self, partner: &PartnerId, stream: &str, at: Instant) -> Result<(), Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(stream_item(partner, stream, at)));
        put.send().await.map(drop).map_err(|error| Error::sdk("PutItem of a due mark", error))
    }

    /// Puts the mark of a stream for a later time, if the mark is still the one that was read, or is still absent.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn postpone(
        &self,
        partner: &PartnerId,
        stream: &str,
        read: Option<&DueMark>,
        at: Instant,
    ) -> Result<(), Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(stream_item(partner, stream, at)));
        let put = match read {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(mark) => put
                .condition_expression("#at = :at")
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", text(&mark.at.to_string())),
        };
        is_done(put.send().await.map(drop), "PutItem of a due mark").map(drop)
    }

    /// The put of a stream's mark, as a part of a transaction.
    pub(crate) fn put_of(&self, partner: &PartnerId, stream: &str, at: Instant) -> Result<Put, Error> {
        let put = Put::builder().table_name(&*self.table).set_item(Some(stream_item(partner, stream, at))).build();
        put.map_err(|error| Error::permanent("writing a due mark", error))
    }
}

fn partition_key(partition: u8) -> String {
    format!("due#{partition:02}")
}

fn mark_key(partner: &PartnerId, stream: Option<&str>) -> Item {
    let partition = partition_key(partition_of(partner));
    match stream {
        None => key(&partition, partner.as_str()),
        // A partner's id has no `#`.
        Some(stream) => key(&partition, &format!("{partner}#{stream}")),
    }
}

fn stream_item(partner: &PartnerId, stream: &str, at: Instant) -> Item {
    let mut item = mark_key(partner, Some(stream));
    item.insert("at".to_owned(), text(&at.to_string()));
    item
}

fn parse_mark(item: &Item) -> Result<DueMark, Error> {
    let member = |name: &str| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).map(String::as_str);
    let unreadable = || Error::permanent("reading a due mark", format!("the mark {:?} has another form", member("sk")));
    let sort_key = member("sk").ok_or_else(unreadable)?;
    let (partner, stream) = match sort_key.split_once('#') {
        Some((partner, stream)) => (partner, Some(stream.to_owned())),
        None => (sort_key, None),
    };
    let partner = PartnerId::parse(partner).map_err(|_| unreadable())?;
    let at = member("at").and_then(|at| Instant::parse(at).ok()).ok_or_else(unreadable)?;
    Ok(DueMark { partner, stream, at })
}
