//! The Streams table: the streams of partners. Their secrets have items of their own in the table of secrets.
//!
//! An item has `pk` = partner and `sk` = id of the stream. The item of its secrets has `pk` = `stream#{partner}`.
//!
//! | attribute | value |
//! |---|---|
//! | `stream_json` | the stream, with the names of its headers and without their values |
//! | `revision` | the number of times that `stream_json` was stored |
//! | `lease`, `owner` | the end of the lease of the run that delivers, and the name of that run |
//!
//! Every write of `stream_json` has the condition that `revision` is the one that was read. So requests and runs never overwrite
//! each other. A run writes only while it has the lease. A request that gives a run something to do puts the due mark of the
//! stream in the same transaction, so that neither is there without the other.

mod secrets;

use std::sync::Arc;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem, Update},
};
use domain::{
    activity::PartnerId,
    delivery::{Secret, Secrets, TooManySecrets},
    stream::Stream,
    time::Instant,
};

use self::secrets::{hide, parse_secrets, reveal, secrets_item, secrets_key};
use crate::{
    control::{Item, is_done, json, key, parse_json, text},
    deliveries::Rotation,
    due::DueMarks,
    error::{Error, retrying_cut_answers},
};

/// The id of the stream of each partner that carries its activities to the bus of the installation. No request reaches it,
/// because no id of a request has this form, and lists leave it out.
pub const INSTALLATION_STREAM: &str = "#installation";
/// The number of times that a stream and its secrets are read until they belong together.
const MAX_READ_TRIES: usize = 5;
/// The number of tries of a removal, of which a run that saves its progress refuses one.
const MAX_REMOVE_TRIES: usize = 20;
/// The number of times that a run saves its progress again after a request has changed the stream.
const MAX_SAVE_TRIES: usize = 20;

/// The Streams table, the secrets of the streams, and their due marks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
    secrets_table: Arc<str>,
    due: DueMarks,
}

/// A stream that a run has the lease of.
#[derive(Clone, Debug)]
pub struct LeasedStream {
    /// The stream, as it was stored last, with the values of its headers.
    pub stream: Stream,
    /// The secrets that sign the requests; none for the installation's own stream, which sends no requests.
    pub secrets: Option<Secrets>,
    owner: String,
}

impl Streams {
    /// Opens the tables of streams and of secrets by their names.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String, secrets_table: String, due: DueMarks) -> Self {
        let dynamodb = retrying_cut_answers(&dynamodb);
        Self { dynamodb, table: table.into(), secrets_table: secrets_table.into(), due }
    }

    /// The due marks.
    pub fn due_marks(&self) -> &DueMarks {
        &self.due
    }

    /// Stores a new stream with its secrets, and marks the stream as due at an instant. Returns false if the id is taken.
    ///
    /// # Errors
    /// When a table fails.
    pub async fn create(
        &self,
        partner: &PartnerId,
        stream: &Stream,
        secrets: &Secrets,
        due_at: Instant,
    ) -> Result<bool, Error> {
        let (stream, headers) = hide(stream);
        let secrets = secrets_item(partner.as_str(), &stream.id, secrets, &headers.unwrap_or_default())?;
        let put = |table: &str, item: Item| {
            let put = Put::builder().table_name(table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").build();
            put.map_err(|error| Error::permanent("writing a stream", error))
        };
        let puts = [
            put(&self.table, new_item(partner, &stream)?)?,
            put(&self.secrets_table, secrets)?,
            self.due.put_of(partner, &stream.id, due_at)?,
        ];
        let writes = puts.map(|put| TransactWriteItem::builder().put(put).build());
        self.write_together(writes.into(), "TransactWriteItems of a new stream").await
    }

    /// Reads a stream, with strong consistency. The values of its headers are hidden.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn get(&self, partner: &PartnerId, id: &str) -> Result<Option<Stream>, Error> {
        self.item(partner, id).await?.map(|item| parse_json(&item, "stream_json")).transpose()
    }

    /// Stores a stream that no request made, unless it is there.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn put_if_absent(&self, partner: &PartnerId, stream: &Stream) -> Result<(), Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(new_item(partner, stream)?));
        let put = put.condition_expression("attribute_not_exists(pk)").send().await;
        is_done(put.map(drop), "PutItem of a stream").map(drop)
    }

    /// Replaces the secret that signs the requests of a stream.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn rotate_secret(
        &self,
        partner: &PartnerId,
        id: &str,
        fresh: Secret,
        now: Instant,
    ) -> Result<Rotation, Error> {
        let Some(item) = self.secrets_of(partner, id).await? else { return Ok(Rotation::NoSecret) };
        let rotated = match parse_json::<Secrets>(&item, "secrets")?.rotate(fresh, now) {
            Ok(rotated) => rotated,
            Err(TooManySecrets(until)) => return Ok(Rotation::TooMany(until)),
        };
        let updated = self
            .dynamodb
            .update_item()
            .table_name(&*self.secrets_table)
            .set_key(Some(secrets_key(partner.as_str(), id)))
            .update_expression("SET secrets = :rotated")
            .condition_expression("secrets = :read")
            .expression_attribute_values(":rotated", json(&rotated)?)
            .expression_attribute_values(":read", item.get("secrets").cloned().unwrap_or_else(|| text("")))
            .send()
            .await;
        let is_rotated = is_done(updated.map(drop), "UpdateItem of a stream's secret")?;
        Ok(if is_rotated { Rotation::Done(rotated) } else { Rotation::Conflict })
    }

    /// Reads the secrets of a stream, with strong consistency.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn secrets(&self, partner: &PartnerId, id: &str) -> Result<Option<Secrets>, Error> {
        self.secrets_of(partner, id).await?.map(|item| parse_json(&item, "secrets")).transpose()
    }

    async fn item(&self, partner: &PartnerId, id: &str) -> Result<Option<Item>, Error> {
        self.get_item(&self.table, key(partner.as_str(), id), "GetItem of a stream").await
    }

    async fn secrets_of(&self, partner: &PartnerId, id: &str) -> Result<Option<Item>, Error> {
        self.get_item(&self.secrets_table, secrets_key(partner.as_str(), id), "GetItem of a stream's secrets").await
    }

    async fn get_item(&self, table: &str, key: Item, operation: &'static str) -> Result<Option<Item>, Error> {
        let got = self.dynamodb.get_item().table_name(table).set_key(Some(key)).consistent_read(true).send().await;
        got.map(|answer| answer.item).map_err(|error| Error::sdk(operation, error))
    }

    /// Completes a stream that was just read by its secrets. If a request changes both between the two reads, both are read
    /// again. Returns none if the stream was removed meanwhile.
    async fn complete(
        &self,
        partner: &PartnerId,
        mut stream: Stream,
    ) -> Result<Option<(Stream, Option<Secrets>)>, Error> {
        if stream.id == INSTALLATION_STREAM {
            return Ok(Some((stream, None)));
        }
        for _ in 0..MAX_READ_TRIES {
            let id = stream.id.clone();
            if let Some(item) = self.secrets_of(partner, &id).await? {
                let (secrets, headers) = parse_secrets(&item)?;
                if let Some(complete) = reveal(stream, &headers) {
                    return Ok(Some((complete, Some(secrets))));
                }
            }
            let Some(item) = self.item(partner, &id).await? else { return Ok(None) };
            stream = parse_json(&item, "stream_json")?;
        }
        let source = "the stream and its secrets do not belong together".into();
        Err(Error::Unavailable { operation: "reading a stream", source })
    }

    /// Lists the streams of a partner in the order of their ids, with strong consistency, without the installation's own.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list(&self, partner: &PartnerId) -> Result<Vec<Stream>, Error> {
        let mut items = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            // Ids of requests begin with a digit or a letter, which come behind this id.
            .key_condition_expression("pk = :pk AND sk > :installation")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":installation", text(INSTALLATION_STREAM))
            .projection_expression("stream_json")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut streams = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| Error::sdk("Query of streams", error))?;
            streams.push(parse_json(&item, "stream_json")?);
        }
        Ok(streams)
    }

    /// Saves a stream in place of the revision that was read, raises its revision by one, and marks the stream as due at an
    /// instant. Hidden values of headers stay as they are stored. Returns false if somebody has saved or removed the stream meanwhile.
    ///
    /// # Errors
    /// When a table fails.
    pub async fn change(&self, partner: &PartnerId, stream: &mut Stream, due_at: Instant) -> Result<bool, Error> {
        let read = stream.revision;
        let (hidden, headers) = hide(stream);
        let changed = Stream { revision: read + 1, ..hidden };
        let update = Update::builder()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &stream.id)))
            .update_expression("SET stream_json = :stream, revision = :next")
            .condition_expression("revision = :read")
            .expression_attribute_values(":stream", json(&changed)?)
            .expression_attribute_values(":next", number(changed.revision))
            .expression_attribute_values(":read", number(read))
            .build();
        let update = update.map_err(|error| Error::permanent("writing a stream", error))?;
        let mark = self.due.put_of(partner, &stream.id, due_at)?;
        let mut writes =
            vec![TransactWriteItem::builder().update(update).build(), TransactWriteItem::builder().put(mark).build()];
        if let Some(headers) = headers {
            let update = Update::builder()
                .table_name(&*self.secrets_table)
                .set_key(Some(secrets_key(partner.as_str(), &stream.id)))
                .update_expression("SET headers = :headers")
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":headers", json(&headers)?)
                .build();
            let update = update.map_err(|error| Error::permanent("writing a stream", error))?;
            writes.push(TransactWriteItem::builder().update(update).build());
        }
        let is_saved = self.write_together(writes, "TransactWriteItems of a stream").await?;
        if is_saved {
            *stream = changed;
        }
        Ok(is_saved)
    }

    /// Replaces a stream by one whose names were cleaned, in place of the revision that was read. Its secrets stay, and no run is
    /// due. Returns false if somebody has saved or removed the stream meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn clean(&self, partner: &PartnerId, stream: &Stream) -> Result<bool, Error> {
        let cleaned = Stream { revision: stream.revision + 1, ..hide(stream).0 };
        let saved = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &stream.id)))
            .update_expression("SET stream_json = :stream, revision = :next")
            .condition_expression("revision = :read")
            .expression_attribute_values(":stream", json(&cleaned)?)
            .expression_attribute_values(":next", number(cleaned.revision))
            .expression_attribute_values(":read", number(stream.revision))
            .send()
            .await;
        is_done(saved.map(drop), "UpdateItem of a stream")
    }

    /// Removes a stream and its secrets together, if they are there. A run that has the lease stops at its next save. The run that
    /// finds no stream removes the due mark.
    ///
    /// # Errors
    /// When a table fails. Then both are still there, or neither is.
    pub async fn remove(&self, partner: &PartnerId, id: &str) -> Result<(), Error> {
        const OPERATION: &str = "TransactWriteItems of a removed stream";
        let places =
            [(&self.table, key(partner.as_str(), id)), (&self.secrets_table, secrets_key(partner.as_str(), id))];
        let mut writes = Vec::with_capacity(places.len());
        for (table, key) in places {
            let delete = Delete::builder().table_name(&**table).set_key(Some(key)).build();
            let delete = delete.map_err(|error| Error::permanent("removing a stream", error))?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        for _ in 0..MAX_REMOVE_TRIES {
            if self.write_together(writes.clone(), OPERATION).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable { operation: OPERATION, source: "a run saves its progress again and again".into() })
    }

    /// Removes all streams of a partner, the installation's own as well. Returns the number of the others.
    ///
    /// # Errors
    /// When the table fails; the next call removes the rest.
    pub async fn remove_all(&self, partner: &PartnerId) -> Result<u64, Error> {
        let streams = self.list(partner).await?;
        for stream in &streams {
            self.remove(partner, &stream.id).await?;
        }
        self.remove(partner, INSTALLATION_STREAM).await?;
        Ok(streams.len() as u64)
    }

    /// Takes the lease of a stream until `until` for the run `owner`. Returns none if there is no such stream, or another run
    /// has the lease.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn take_lease(
        &self,
        partner: &PartnerId,
        id: &str,
        owner: &str,
        (now, until): (Instant, Instant),
    ) -> Result<Option<LeasedStream>, Error> {
        let taken = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), id)))
            .update_expression("SET lease = :until, #owner = :owner")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(lease) OR lease < :now OR #owner = :owner)",
            )
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":until", text(&until.to_string()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match taken {
            Ok(taken) => taken.attributes.unwrap_or_default(),
            Err(error) => {
                return is_done(Err(error), "UpdateItem of a stream's lease").map(|_| None);
            }
        };
        let complete = self.complete(partner, parse_json(&item, "stream_json")?).await?;
        Ok(complete.map(|(stream, secrets)| LeasedStream { stream, secrets, owner: owner.to_owned() }))
    }

    /// Saves the progress of a run and renews its lease until `until`. Returns false if the run has lost the lease, or the
    /// stream was removed; then nothing is saved.
    ///
    /// `progress` makes the next stream from the stored one. It is called again if a request has changed the stream meanwhile,
    /// so the run sees that change in `leased`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_progress(
        &self,
        partner: &PartnerId,
        leased: &mut LeasedStream,
        until: Instant,
        progress: impl Fn(Stream) -> Stream,
    ) -> Result<bool, Error> {
        for _ in 0..MAX_SAVE_TRIES {
            let read = leased.stream.revision;
            let next = Stream { revision: read + 1, ..progress(leased.stream.clone()) };
            let hidden = hide(&next).0;
            let saved = self
                .dynamodb
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key(partner.as_str(), &next.id)))
                .update_expression("SET stream_json = :stream, revision = :next, lease = :until")
                .condition_expression("revision = :read AND #owner = :owner")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":stream", json(&hidden)?)
                .expression_attribute_values(":next", number(next.revision))
                .expression_attribute_values(":read", number(read))
                .expression_attribute_values(":owner", text(&leased.owner))
                .expression_attribute_values(":until", text(&until.to_string()))
                .send()
                .await;
            if is_done(saved.map(drop), "UpdateItem of a stream's progress")? {
                leased.stream = next;
                return Ok(true);
            }
            let Some(item) = self.item(partner, &next.id).await? else { return Ok(false) };
            if item.get("owner") != Some(&text(&leased.owner)) {
                return Ok(false);
            }
            let stored: Stream = parse_json(&item, "stream_json")?;
            if stored == hidden {
                // An earlier try of this call was done, and its answer was lost.
                leased.stream = next;
                return Ok(true);
            }
            let Some((stream, secrets)) = self.complete(partner, stored).await? else { return Ok(false) };
            (leased.stream, leased.secrets) = (stream, secrets);
        }
        let source = "others change the same stream again and again".into();
        Err(Error::Unavailable { operation: "UpdateItem of a stream's progress", source })
    }

    /// Gives the lease back, so that the next run need not wait for its end. A lease that another run has stays.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn release(&self, partner: &PartnerId, leased: &LeasedStream) -> Result<(), Error> {
        let released = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &leased.stream.id)))
            .update_expression("REMOVE lease, #owner")
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&leased.owner))
            .send()
            .await;
        is_done(released.map(drop), "UpdateItem of a stream's lease").map(drop)
    }

    /// Makes writes together or none of them. Returns false if a condition is not met, or somebody else is writing.
    #[expect(
        clippy::disallowed_methods,
        reason = "a stream is never without its mark and its secrets; requests that change streams are rare, and recorded"
    )]
    async fn write_together(&self, writes: Vec<TransactWriteItem>, operation: &'static str) -> Result<bool, Error> {
        let written = self.dynamodb.transact_write_items().set_transact_items(Some(writes)).send().await;
        match written {
            Ok(_) => Ok(true),
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(Error::sdk(operation, error)),
        }
    }
}

/// Tells whether a transaction was refused by a condition, or by another write at the same time.
fn is_refused(error: &SdkError<TransactWriteItemsError>) -> bool {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            codes.into_iter().any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
        }
        _ => false,
    }
}

/// The item of a new stream, whose headers are hidden.
fn new_item(partner: &PartnerId, stream: &Stream) -> Result<Item, Error> {
    let mut item = key(partner.as_str(), &stream.id);
    item.insert("stream_json".to_owned(), json(stream)?);
    item.insert("revision".to_owned(), number(stream.revision));
    Ok(item)
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
