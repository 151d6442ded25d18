//! The Control table: export jobs, schedules and machine clients; and the queue that jobs are sent through.
//!
//! | what | `pk` | `sk` |
//! |---|---|---|
//! | export on demand | `{partner}` | `export#{ULID}` |
//! | monthly export | `{partner}` | `month#{YYYY-MM}` |
//! | key of an idempotent request | `{partner}` | `key#{SHA-256 of the key}` |
//! | schedule | `{partner}` | `schedule` |
//! | machine client | `client#{client id}` | `client` |
//!
//! No partner's id has a `#`, so that no client's key is a partner's. Of a job, `job` is written once; `state`,
//! `progress`, `files`, `problem` and `checkpoint` change while it is made, and only by the holder of its lease: every
//! change is conditional on it. Schedules stand in the index `due` by the time of their next run.

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, sync::Arc};

use crate::{
    activity::PartnerId,
    export::job::{Checkpoint, File, Job, Kind, Output, Progress, Standing, State},
    period::{Instant, Month},
    storage::Error,
};

/// How many partitions the index `due` is spread over.
pub const DUE_PARTITIONS: u8 = 16;
/// The most exports of one page of the list.
pub const MAX_LISTED: usize = 100;

type Item = HashMap<String, AttributeValue>;

/// A partner's schedule of monthly exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Whether months are made.
    pub enabled: bool,
    /// The zone whose calendar counts.
    pub time_zone: chrono_tz::Tz,
    /// The form of the files.
    pub output: Output,
    /// The first month to make.
    pub from: Month,
    /// The first month not yet made.
    pub next: Month,
    /// When it was saved.
    pub updated_at: Instant,
    /// By whom.
    pub updated_by: String,
}

impl Schedule {
    /// When the next month can be made: its end in the schedule's zone, and the grace period.
    pub fn next_run(&self, grace_seconds: i64) -> Instant {
        self.next.period(self.time_zone).to().plus_seconds(grace_seconds)
    }
}

/// A machine client's registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The partner that it acts for.
    pub partner: String,
    /// When it was registered.
    pub updated_at: Instant,
    /// By whom.
    pub updated_by: String,
}

/// What a worker finds when it takes up a job.
#[derive(Debug)]
pub enum Lease {
    /// The job is this worker's until the lease ends.
    Taken(Box<(Job, Standing)>),
    /// There is nothing to do: finished, cancelled, or unknown.
    Nothing,
    /// Another worker has it.
    Busy,
}

/// The place in a list of exports behind one of them: ids of the last one seen of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPosition {
    on_demand: Option<String>,
    monthly: Option<String>,
}

/// The Control table and the queue of export jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
}

impl Control {
    /// The Control table by its name.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String) -> Self {
        Self { dynamodb, table: table.into() }
    }

    // Jobs

    /// Writes a job that is not there yet; tells whether it was.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_job(&self, partner: &PartnerId, job: &Job) -> Result<bool, Error> {
        let mut item = key(partner.as_str(), &job_key(&job.id, job.kind));
        item.insert("job".to_owned(), json(job)?);
        item.insert("state".to_owned(), text(State::Pending.as_str()));
        self.put_new(item, "PutItem of an export").await
    }

    /// The id of the job that a key of an idempotent request belongs to: `id` the first time.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn claim_key(&self, partner: &PartnerId, idempotency_key: &str, id: &str) -> Result<String, Error> {
        let sk = format!("key#{}", crate::activity::hex(&Sha256::digest(idempotency_key)));
        let mut item = key(partner.as_str(), &sk);
        item.insert("id".to_owned(), text(id));
        if self.put_new(item, "PutItem of an idempotency key").await? {
            return Ok(id.to_owned());
        }
        let found = self.get(key(partner.as_str(), &sk), "GetItem of an idempotency key").await?;
        let id = found.as_ref().and_then(|item| item.get("id")).and_then(|value| value.as_s().ok());
        id.cloned().ok_or_else(|| Error::broken("reading an idempotency key", "it has no id"))
    }

    /// A job by its id.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn job(&self, partner: &PartnerId, id: &str) -> Result<Option<(Job, Standing)>, Error> {
        let found = self.get(key(partner.as_str(), &job_key_of(id)), "GetItem of an export").await?;
        found.map(read_job).transpose()
    }

    /// A page of a partner's jobs, newest first: of one kind, or of both.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn jobs(
        &self,
        partner: &PartnerId,
        kind: Option<Kind>,
        limit: usize,
        after: ListPosition,
    ) -> Result<(Vec<(Job, Standing)>, Option<ListPosition>), Error> {
        let limit = limit.clamp(1, MAX_LISTED);
        let mut jobs = Vec::new();
        let mut more = false;
        for (of_kind, position) in [(Kind::OnDemand, &after.on_demand), (Kind::Monthly, &after.monthly)] {
            if kind.is_some_and(|kind| kind != of_kind) {
                continue;
            }
            let prefix = job_key("", of_kind);
            let start = position.as_ref().map(|id| key(partner.as_str(), &job_key(id, of_kind)));
            let answer = self
                .dynamodb
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(partner.as_str()))
                .expression_attribute_values(":prefix", text(&prefix))
                .scan_index_forward(false)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| Error::sdk("Query of exports", error))?;
            for item in answer.items.unwrap_or_default() {
                jobs.push(read_job(item)?);
            }
        }
        // Sorting is stable and both lists are sorted: what is cut off is the tail of each.
        jobs.sort_by_key(|(job, _)| std::cmp::Reverse(job.created_at));
        let mut next = after;
        if jobs.len() > limit {
            more = true;
            jobs.truncate(limit);
        }
        for (job, _) in &jobs {
            match job.kind {
                Kind::OnDemand => next.on_demand = Some(job.id.clone()),
                Kind::Monthly => next.monthly = Some(job.id.clone()),
            }
        }
        Ok((jobs, more.then_some(next)))
    }

    /// Takes a job for a worker until `until`, unless it is finished or another's.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn take_job(
        &self,
        partner: &PartnerId,
        id: &str,
        worker: &str,
        now: Instant,
        until: Instant,
    ) -> Result<Lease, Error> {
        let taken = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &job_key_of(id))))
            .update_expression("SET #state = :running, worker = :worker, lease = :until")
            .condition_expression(
                "#state IN (:pending, :running) AND (attribute_not_exists(lease) OR lease < :now OR worker = :worker)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(State::Pending.as_str()))
            .expression_attribute_values(":running", text(State::Running.as_str()))
            .expression_attribute_values(":worker", text(worker))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":until", text(&until.to_string()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match taken {
            Ok(answer) => Ok(Lease::Taken(Box::new(read_job(answer.attributes.unwrap_or_default())?))),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                match self.job(partner, id).await? {
                    Some((_, standing)) if matches!(standing.state, State::Pending | State::Running) => Ok(Lease::Busy),
                    _ => Ok(Lease::Nothing),
                }
            }
            Err(error) => Err(Error::sdk("UpdateItem of an export", error)),
        }
    }

    /// Notes how far a worker is, where another could go on if that has changed, and prolongs its lease; tells whether the
    /// job is still its own.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn keep_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        worker: &str,
        checkpoint: Option<&Checkpoint>,
        progress: &Progress,
        until: Instant,
    ) -> Result<bool, Error> {
        let mut change = "SET progress = :progress, lease = :until".to_owned();
        let mut values = vec![(":progress", json(progress)?), (":until", text(&until.to_string()))];
        if let Some(checkpoint) = checkpoint {
            change.push_str(", checkpoint = :checkpoint");
            values.push((":checkpoint", json(checkpoint)?));
        }
        self.change_job(partner, &job.id, worker, &change, values).await
    }

    /// Lets a job go that is to be continued; tells whether it was still the worker's.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn release_job(&self, partner: &PartnerId, job: &Job, worker: &str) -> Result<bool, Error> {
        self.change_job(partner, &job.id, worker, "REMOVE lease, worker", Vec::new()).await
    }

    /// Makes a job ready; tells whether it was still the worker's.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn finish_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        worker: &str,
        files: &[File],
    ) -> Result<bool, Error> {
        let progress = Progress {
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            fraction: 1.0,
        };
        let change = "SET #state = :ready, files = :files, progress = :progress REMOVE lease, worker, checkpoint";
        let values =
            [(":ready", text(State::Ready.as_str())), (":files", json(files)?), (":progress", json(&progress)?)];
        self.change_job(partner, &job.id, worker, change, values.into()).await
    }

    /// Gives a job up, with a reason for people; tells whether it was still the worker's.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn fail_job(&self, partner: &PartnerId, job: &Job, worker: &str, problem: &str) -> Result<bool, Error> {
        let change = "SET #state = :failed, problem = :problem REMOVE lease, worker, checkpoint";
        let values = [(":failed", text(State::Failed.as_str())), (":problem", text(problem))];
        self.change_job(partner, &job.id, worker, change, values.into()).await
    }

    async fn change_job(
        &self,
        partner: &PartnerId,
        id: &str,
        worker: &str,
        change: &str,
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<bool, Error> {
        let mut update = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &job_key_of(id))))
            .update_expression(change)
            .condition_expression("#state = :running AND worker = :worker")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":running", text(State::Running.as_str()))
            .expression_attribute_values(":worker", text(worker));
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        settle(update.send().await.map(drop), "UpdateItem of an export")
    }

    /// Cancels a job, whatever it is doing; what it had, or none when it is not there. Repeating it changes nothing.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn cancel_job(&self, partner: &PartnerId, id: &str) -> Result<Option<(Job, Standing)>, Error> {
        let cancelled = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &job_key_of(id))))
            .update_expression("SET #state = :cancelled REMOVE lease, worker")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":cancelled", text(State::Cancelled.as_str()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match cancelled {
            Ok(answer) => Ok(Some(read_job(answer.attributes.unwrap_or_default())?)),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(None),
            Err(error) => Err(Error::sdk("UpdateItem of an export", error)),
        }
    }

    // Schedules

    /// A partner's schedule.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedule(&self, partner: &PartnerId) -> Result<Option<Schedule>, Error> {
        let found = self.get(key(partner.as_str(), "schedule"), "GetItem of a schedule").await?;
        found.map(|item| field(&item, "schedule")).transpose()
    }

    /// Saves a partner's schedule.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_schedule(
        &self,
        partner: &PartnerId,
        schedule: &Schedule,
        grace_seconds: i64,
    ) -> Result<(), Error> {
        let item = schedule_item(partner, schedule, grace_seconds)?;
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| Error::sdk("PutItem of a schedule", error))
    }

    /// Moves a schedule on to its next month, if it still is as it was read; tells whether it was.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn advance_schedule(
        &self,
        partner: &PartnerId,
        read: &Schedule,
        next: Month,
        grace_seconds: i64,
    ) -> Result<bool, Error> {
        let advanced = Schedule { next, ..read.clone() };
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(schedule_item(partner, &advanced, grace_seconds)?))
            .condition_expression("schedule = :read")
            .expression_attribute_values(":read", json(read)?)
            .send()
            .await;
        settle(put.map(drop), "PutItem of a schedule")
    }

    /// Removes a partner's schedule, if there is one.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn remove_schedule(&self, partner: &PartnerId) -> Result<(), Error> {
        self.delete(key(partner.as_str(), "schedule"), "DeleteItem of a schedule").await
    }

    /// The enabled schedules of one partition of the index that are due by `now`; all of them without it.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedules_due(
        &self,
        partition: u8,
        now: Option<Instant>,
    ) -> Result<Vec<(PartnerId, Schedule)>, Error> {
        let now = now.unwrap_or(Instant::MAX);
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .index_name("due")
            .key_condition_expression("dk = :dk AND nr <= :now")
            .expression_attribute_values(":dk", text(&format!("due#{partition}")))
            .expression_attribute_values(":now", text(&now.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut due = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| Error::sdk("Query of due schedules", error))?;
            let partner = item.get("pk").and_then(|value| value.as_s().ok()).and_then(|id| PartnerId::parse(id).ok());
            let partner = partner.ok_or_else(|| Error::broken("reading a schedule", "its key is no partner"))?;
            due.push((partner, field(&item, "schedule")?));
        }
        Ok(due)
    }

    // Machine clients

    /// A client's registration.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, Error> {
        let found = self.get(client_key(client_id), "GetItem of a client").await?;
        found.map(|item| field(&item, "client")).transpose()
    }

    /// Registers a client, in place of what was registered for it.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_client(&self, client_id: &str, client: &Client) -> Result<(), Error> {
        let mut item = client_key(client_id);
        item.insert("client".to_owned(), json(client)?);
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| Error::sdk("PutItem of a client", error))
    }

    /// Removes a client's registration, if there is one.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn remove_client(&self, client_id: &str) -> Result<(), Error> {
        self.delete(client_key(client_id), "DeleteItem of a client").await
    }

    // The table

    async fn get(&self, key: Item, operation: &'static str) -> Result<Option<Item>, Error> {
        let got =
            self.dynamodb.get_item().table_name(&*self.table).set_key(Some(key)).consistent_read(true).send().await;
        got.map(|answer| answer.item).map_err(|error| Error::sdk(operation, error))
    }

    async fn put_new(&self, item: Item, operation: &'static str) -> Result<bool, Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item));
        settle(put.condition_expression("attribute_not_exists(pk)").send().await.map(drop), operation)
    }

    async fn delete(&self, key: Item, operation: &'static str) -> Result<(), Error> {
        let deleted = self.dynamodb.delete_item().table_name(&*self.table).set_key(Some(key)).send().await;
        deleted.map(drop).map_err(|error| Error::sdk(operation, error))
    }
}

/// Whether a conditional write was done; an unmet condition is no error.
fn settle<E>(result: Result<(), SdkError<E>>, operation: &'static str) -> Result<bool, Error>
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(()) => Ok(true),
        Err(SdkError::ServiceError(service)) if service.err().code() == Some("ConditionalCheckFailedException") => {
            Ok(false)
        }
        Err(error) => Err(Error::sdk(operation, error)),
    }
}

fn job_key(id: &str, kind: Kind) -> String {
    match kind {
        Kind::OnDemand => format!("export#{id}"),
        Kind::Monthly => format!("month#{id}"),
    }
}

/// Only a month's id has a hyphen.
fn job_key_of(id: &str) -> String {
    job_key(id, if id.contains('-') { Kind::Monthly } else { Kind::OnDemand })
}

fn client_key(client_id: &str) -> Item {
    key(&format!("client#{client_id}"), "client")
}

fn schedule_item(partner: &PartnerId, schedule: &Schedule, grace_seconds: i64) -> Result<Item, Error> {
    let mut item = key(partner.as_str(), "schedule");
    item.insert("schedule".to_owned(), json(schedule)?);
    if schedule.enabled {
        let partition = Sha256::digest(partner.as_str())[0] % DUE_PARTITIONS;
        item.insert("dk".to_owned(), text(&format!("due#{partition}")));
        item.insert("nr".to_owned(), text(&schedule.next_run(grace_seconds).to_string()));
    }
    Ok(item)
}

fn key(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<AttributeValue, Error> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(|error| Error::broken("writing a record", error))
}

fn field<T: DeserializeOwned>(item: &Item, name: &'static str) -> Result<T, Error> {
    let text = item.get(name).and_then(|value| value.as_s().ok());
    let text = text.ok_or_else(|| Error::broken("reading a record", format!("it has no {name}")))?;
    serde_json::from_str(text).map_err(|error| Error::broken("reading a record", error))
}

fn read_job(item: Item) -> Result<(Job, Standing), Error> {
    let word = item.get("state").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    let states = [State::Pending, State::Running, State::Ready, State::Failed, State::Cancelled];
    let state = states.into_iter().find(|state| state.as_str() == word);
    let optional = |name: &str| item.contains_key(name);
    let standing = Standing {
        state: state.ok_or_else(|| Error::broken("reading an export", format!("its state is {word:?}")))?,
        progress: if optional("progress") { field(&item, "progress")? } else { Progress::default() },
        files: if optional("files") { field(&item, "files")? } else { Vec::new() },
        problem: item.get("problem").and_then(|value| value.as_s().ok()).cloned(),
        checkpoint: if optional("checkpoint") { Some(field(&item, "checkpoint")?) } else { None },
    };
    Ok((field(&item, "job")?, standing))
}
