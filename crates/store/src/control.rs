//! The Control table: export jobs, schedules and machine clients; and the queue that jobs are sent through.
//!
//! | what | `pk` | `sk` |
//! |---|---|---|
//! | export on demand | `{partner}` | `export#{ULID}` |
//! | monthly export | `{partner}` | `month#{YYYY-MM}`, `month#{YYYY-MM}_v{six digits}` from version 2 on |
//! | key of an idempotent request | `{partner}` | `key#{SHA-256 of the key}` |
//! | schedule | `{partner}` | `schedule` |
//! | secret of a schedule's webhooks | `{partner}` | `secret` |
//! | delivery of a notification | `{partner}` | `delivery#{the export, as above}#{fingerprint of the recipient}` |
//! | machine client | `client#{client id}` | `client` |
//!
//! No partner's id has a `#`, so that no client's key is a partner's. Of a job, `job` is written once; `state`,
//! `progress`, `files`, `problem` and `checkpoint` change while it is made, and only by the holder of its lease: every
//! change is conditional on it. Schedules stand in the index `due` by the time of their next run, monthly exports in the
//! index `by_month` by their month and state. Both indexes are spread over partitions by a digest of the partner.

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::error::Error;
use domain::{
    activity::PartnerId,
    delivery::{Delivery, Secret, Secrets},
    job::{Checkpoint, File, Job, Kind, Progress, Standing, State},
    schedule::Schedule,
    time::{Instant, Month},
};

/// How many partitions the indexes `due` and `by_month` are spread over.
pub const PARTITIONS: u8 = 16;
/// The most exports of one page of the list.
pub const MAX_LISTED: usize = 100;

/// How long deliveries are kept, in seconds.
const DELIVERY_KEPT_SECONDS: i64 = 400 * 86_400;

type Item = HashMap<String, AttributeValue>;

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

/// A place in the index `due`: a partition, and behind which schedule in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuePlace {
    /// The partition.
    pub partition: u8,
    /// Partner and time of the schedule before the place; none at the beginning of the partition.
    behind: Option<(String, String)>,
}

/// Some of the schedules that are due. One that cannot be read does not hide the others.
pub type DuePage = (Vec<Result<(PartnerId, Schedule), Error>>, Option<DuePlace>);

/// A monthly export, as the index of months has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthEntry {
    /// Whose it is.
    pub partner: PartnerId,
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub problem: Option<String>,
    /// When its files are removed.
    pub expires_at: Instant,
}

/// A place in the index of a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthPlace {
    partition: u8,
    behind: Option<(String, String, String)>,
}

/// The Control table. Cheap to clone.
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
        if let Some(month) = job.month {
            item.insert("mk".to_owned(), text(&month_partition(month, partition_of(partner))));
            item.insert("ea".to_owned(), text(&job.expires_at.to_string()));
        }
        self.put_new(item, "PutItem of an export").await
    }

    /// Lets a job that failed, was cancelled or has expired be made anew, as it was ordered but for the time until which
    /// its files are kept; tells whether it was one of these.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn renew_job(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<bool, Error> {
        let renewed = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &job_key(&job.id, job.kind))))
            .update_expression(
                "SET #state = :pending, job = :job, ea = :expires REMOVE files, problem, progress, checkpoint, lease, worker",
            )
            .condition_expression("#state IN (:failed, :cancelled) OR (#state = :ready AND ea <= :now)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(State::Pending.as_str()))
            .expression_attribute_values(":failed", text(State::Failed.as_str()))
            .expression_attribute_values(":cancelled", text(State::Cancelled.as_str()))
            .expression_attribute_values(":ready", text(State::Ready.as_str()))
            .expression_attribute_values(":job", json(job)?)
            .expression_attribute_values(":expires", text(&job.expires_at.to_string()))
            .expression_attribute_values(":now", text(&now.to_string()))
            .send()
            .await;
        settle(renewed.map(drop), "UpdateItem of an export")
    }

    /// The exports of a partner's months, all versions, from a month up to another, both included.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn jobs_of_months(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
    ) -> Result<Vec<(Job, Standing)>, Error> {
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":first", text(&format!("month#{first}")))
            // Behind every version: `~` is the last of the printable characters.
            .expression_attribute_values(":last", text(&format!("month#{last}~")))
            .into_paginator()
            .items()
            .send();
        let mut jobs = Vec::new();
        while let Some(item) = pages.next().await {
            jobs.push(read_job(item.map_err(|error| Error::sdk("Query of exports", error))?)?);
        }
        Ok(jobs)
    }

    /// Some of all partners' exports of a month, of one state or of all.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn exports_of_month(
        &self,
        month: Month,
        state: Option<State>,
        limit: usize,
        place: MonthPlace,
    ) -> Result<(Vec<MonthEntry>, Option<MonthPlace>), Error> {
        let mk = month_partition(month, place.partition);
        let start = place.behind.map(|(partner, id, state)| {
            let mut start = key(&partner, &job_key(&id, Kind::Monthly));
            start.extend([("mk".to_owned(), text(&mk)), ("state".to_owned(), text(&state))]);
            start
        });
        let condition = if state.is_some() { "mk = :mk AND #state = :state" } else { "mk = :mk" };
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .index_name("by_month")
            .key_condition_expression(condition)
            .set_expression_attribute_names(state.map(|_| HashMap::from([("#state".to_owned(), "state".to_owned())])))
            .expression_attribute_values(":mk", text(&mk))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let answer = match state {
            Some(state) => answer.expression_attribute_values(":state", text(state.as_str())),
            None => answer,
        };
        let answer = answer.send().await.map_err(|error| Error::sdk("Query of a month", error))?;
        let more = answer.last_evaluated_key.is_some();
        let entries: Vec<MonthEntry> =
            answer.items.unwrap_or_default().into_iter().map(read_month_entry).collect::<Result<_, _>>()?;
        let next = match entries.last() {
            Some(last) if more => {
                let behind = (last.partner.to_string(), last.id.clone(), last.state.as_str().to_owned());
                Some(MonthPlace { partition: place.partition, behind: Some(behind) })
            }
            _ => Some(place.partition + 1)
                .filter(|partition| *partition < PARTITIONS)
                .map(|partition| MonthPlace { partition, behind: None }),
        };
        Ok((entries, next))
    }

    /// The id of the job that a key of an idempotent request belongs to: `id` the first time.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn claim_key(&self, partner: &PartnerId, idempotency_key: &str, id: &str) -> Result<String, Error> {
        let sk = format!("key#{}", domain::text::hex(&Sha256::digest(idempotency_key)));
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
        let mut lists = [VecDeque::new(), VecDeque::new()];
        for ((of_kind, position), list) in
            [(Kind::OnDemand, &after.on_demand), (Kind::Monthly, &after.monthly)].into_iter().zip(&mut lists)
        {
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
                list.push_back(read_job(item)?);
            }
        }
        // Each list keeps its own order, which for months is not quite that of their making: the position in it is what
        // the next page goes on from.
        let mut jobs: Vec<(Job, Standing)> = Vec::new();
        let mut next = after;
        while jobs.len() < limit {
            let newest = |list: &VecDeque<(Job, Standing)>| list.front().map(|(job, _)| job.created_at);
            let [on_demand, monthly] = &mut lists;
            let list = if newest(on_demand) >= newest(monthly) { on_demand } else { monthly };
            let Some((job, standing)) = list.pop_front() else { break };
            match job.kind {
                Kind::OnDemand => next.on_demand = Some(job.id.clone()),
                Kind::Monthly => next.monthly = Some(job.id.clone()),
            }
            jobs.push((job, standing));
        }
        let more = lists.iter().any(|list| !list.is_empty());
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

    /// A partner's schedule, a removed one included.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedule(&self, partner: &PartnerId) -> Result<Option<Schedule>, Error> {
        let found = self.get(key(partner.as_str(), "schedule"), "GetItem of a schedule").await?;
        found.map(|item| field(&item, "schedule")).transpose()
    }

    /// Stores a partner's schedule in place of the revision that it was made from; tells whether that was the last one.
    /// Its own revision is then one more.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_schedule(
        &self,
        partner: &PartnerId,
        schedule: &mut Schedule,
        grace_seconds: i64,
    ) -> Result<bool, Error> {
        let read = schedule.revision;
        schedule.revision += 1;
        let mut item = key(partner.as_str(), "schedule");
        item.insert("schedule".to_owned(), json(schedule)?);
        item.insert("revision".to_owned(), AttributeValue::N(schedule.revision.to_string()));
        if let Some(due_at) = schedule.due_at(grace_seconds) {
            item.insert("dk".to_owned(), text(&due_partition(partition_of(partner))));
            item.insert("nr".to_owned(), text(&due_at.to_string()));
        }
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item));
        let put = match read {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            read => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(read.to_string())),
        };
        settle(put.send().await.map(drop), "PutItem of a schedule")
    }

    /// Some of the enabled schedules that are due by `now`, or of all of them without it, from a place on; and the next
    /// place, until the last partition is read.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedules_due(&self, now: Option<Instant>, limit: usize, place: DuePlace) -> Result<DuePage, Error> {
        let now = now.unwrap_or(Instant::MAX);
        let dk = due_partition(place.partition);
        let start = place.behind.map(|(partner, due_at)| {
            let mut start = key(&partner, "schedule");
            start.extend([("dk".to_owned(), text(&dk)), ("nr".to_owned(), text(&due_at))]);
            start
        });
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .index_name("due")
            .key_condition_expression("dk = :dk AND nr <= :now")
            .expression_attribute_values(":dk", text(&dk))
            .expression_attribute_values(":now", text(&now.to_string()))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Error::sdk("Query of due schedules", error))?;
        let next = match answer.last_evaluated_key {
            Some(last) => {
                let name = |name: &str| last.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
                Some(DuePlace { partition: place.partition, behind: Some((name("pk"), name("nr"))) })
            }
            None => Some(place.partition + 1)
                .filter(|partition| *partition < PARTITIONS)
                .map(|partition| DuePlace { partition, behind: None }),
        };
        let schedules = answer.items.unwrap_or_default().into_iter().map(|item| {
            let partner = item.get("pk").and_then(|value| value.as_s().ok()).and_then(|id| PartnerId::parse(id).ok());
            let partner = partner.ok_or_else(|| Error::broken("reading a schedule", "its key is no partner"))?;
            Ok((partner, field(&item, "schedule")?))
        });
        Ok((schedules.collect(), next))
    }

    // Notifications

    /// The secrets that sign a partner's webhooks, if there are any.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn secrets(&self, partner: &PartnerId) -> Result<Option<Secrets>, Error> {
        let found = self.get(key(partner.as_str(), "secret"), "GetItem of a secret").await?;
        found.map(|item| field(&item, "secrets")).transpose()
    }

    /// Gives a partner a first secret, unless it has one; tells whether it did.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_secrets(&self, partner: &PartnerId, secrets: &Secrets) -> Result<bool, Error> {
        let mut item = key(partner.as_str(), "secret");
        item.insert("secrets".to_owned(), json(secrets)?);
        self.put_new(item, "PutItem of a secret").await
    }

    /// Puts a new secret in the place of a partner's present one; what then counts, or none where there is no secret, or
    /// somebody else has just replaced it.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn rotate_secret(
        &self,
        partner: &PartnerId,
        fresh: Secret,
        now: Instant,
    ) -> Result<Option<Secrets>, Error> {
        let Some(read) = self.secrets(partner).await? else { return Ok(None) };
        let mut item = key(partner.as_str(), "secret");
        let rotated = read.clone().rotated(fresh, now);
        item.insert("secrets".to_owned(), json(&rotated)?);
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item));
        let put = put.condition_expression("secrets = :read").expression_attribute_values(":read", json(&read)?);
        let done = settle(put.send().await.map(drop), "PutItem of a secret")?;
        Ok(done.then_some(rotated))
    }

    /// Removes a partner's secrets, if there are any.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn remove_secrets(&self, partner: &PartnerId) -> Result<(), Error> {
        self.delete(key(partner.as_str(), "secret"), "DeleteItem of a secret").await
    }

    /// Enters a delivery that is not there yet; tells whether it was.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_delivery(&self, partner: &PartnerId, delivery: &Delivery) -> Result<bool, Error> {
        self.put_new(delivery_item(partner, delivery)?, "PutItem of a delivery").await
    }

    /// A delivery, by its export and the fingerprint of its recipient.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn delivery(
        &self,
        partner: &PartnerId,
        export: &str,
        fingerprint: &str,
    ) -> Result<Option<Delivery>, Error> {
        let key = key(partner.as_str(), &delivery_key(export, fingerprint));
        let found = self.get(key, "GetItem of a delivery").await?;
        found.map(|item| field(&item, "delivery")).transpose()
    }

    /// Takes a delivery for a try until `until`; tells whether it could: nobody else tries it, and nobody has since it
    /// was read.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn take_delivery(
        &self,
        partner: &PartnerId,
        delivery: &Delivery,
        now: Instant,
        until: Instant,
    ) -> Result<bool, Error> {
        let sk = delivery_key(&delivery.export, &delivery.recipient.fingerprint());
        let taken = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &sk)))
            .update_expression("SET lease = :until")
            .condition_expression("attempts = :attempts AND (attribute_not_exists(lease) OR lease < :now)")
            .expression_attribute_values(":attempts", AttributeValue::N(delivery.attempts.to_string()))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":until", text(&until.to_string()))
            .send()
            .await;
        settle(taken.map(drop), "UpdateItem of a delivery")
    }

    /// Notes how a try ended; tells whether nobody has noted another one.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn note_delivery(&self, partner: &PartnerId, tried: &Delivery) -> Result<bool, Error> {
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(delivery_item(partner, tried)?));
        let before = AttributeValue::N(tried.attempts.saturating_sub(1).to_string());
        let put = put.condition_expression("attempts = :before").expression_attribute_values(":before", before);
        settle(put.send().await.map(drop), "PutItem of a delivery")
    }

    /// The deliveries of a partner's last exports, those of the latest months first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn deliveries(&self, partner: &PartnerId, limit: usize) -> Result<Vec<Delivery>, Error> {
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":prefix", text("delivery#"))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Error::sdk("Query of deliveries", error))?;
        answer.items.unwrap_or_default().iter().map(|item| field(item, "delivery")).collect()
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
        // With leading zeros: keys are sorted as texts.
        Kind::Monthly => match id.split_once("_v") {
            Some((month, version)) => format!("month#{month}_v{version:0>6}"),
            None => format!("month#{id}"),
        },
    }
}

/// The id of the monthly export with this key.
fn month_id(job_key: &str) -> Option<String> {
    let name = job_key.strip_prefix("month#")?;
    Some(match name.split_once("_v") {
        Some((month, version)) => format!("{month}_v{}", version.trim_start_matches('0')),
        None => name.to_owned(),
    })
}

fn delivery_key(export: &str, fingerprint: &str) -> String {
    format!("delivery#{}#{fingerprint}", job_key_of(export))
}

/// Deliveries are of interest for some time: the table drops them later.
fn delivery_item(partner: &PartnerId, delivery: &Delivery) -> Result<Item, Error> {
    let mut item = key(partner.as_str(), &delivery_key(&delivery.export, &delivery.recipient.fingerprint()));
    item.insert("delivery".to_owned(), json(delivery)?);
    item.insert("attempts".to_owned(), AttributeValue::N(delivery.attempts.to_string()));
    let ttl = delivery.created_at.plus_seconds(DELIVERY_KEPT_SECONDS).micros() / 1_000_000;
    item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    Ok(item)
}

fn partition_of(partner: &PartnerId) -> u8 {
    Sha256::digest(partner.as_str())[0] % PARTITIONS
}

fn due_partition(partition: u8) -> String {
    format!("due#{partition}")
}

fn month_partition(month: Month, partition: u8) -> String {
    format!("{month}#{partition}")
}

/// Only a month's id has a hyphen.
fn job_key_of(id: &str) -> String {
    job_key(id, if id.contains('-') { Kind::Monthly } else { Kind::OnDemand })
}

fn client_key(client_id: &str) -> Item {
    key(&format!("client#{client_id}"), "client")
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

fn read_state(item: &Item) -> Result<State, Error> {
    let word = item.get("state").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    let states = [State::Pending, State::Running, State::Ready, State::Failed, State::Cancelled];
    let state = states.into_iter().find(|state| state.as_str() == word);
    state.ok_or_else(|| Error::broken("reading an export", format!("its state is {word:?}")))
}

fn read_month_entry(item: Item) -> Result<MonthEntry, Error> {
    let name = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let entry =
        || Some((PartnerId::parse(name("pk")?).ok()?, month_id(name("sk")?)?, Instant::parse(name("ea")?).ok()?));
    let (partner, id, expires_at) =
        entry().ok_or_else(|| Error::broken("reading an export of a month", "its keys are none"))?;
    Ok(MonthEntry { partner, id, state: read_state(&item)?, problem: name("problem").cloned(), expires_at })
}

fn read_job(item: Item) -> Result<(Job, Standing), Error> {
    let optional = |name: &str| item.contains_key(name);
    let standing = Standing {
        state: read_state(&item)?,
        progress: if optional("progress") { field(&item, "progress")? } else { Progress::default() },
        files: if optional("files") { field(&item, "files")? } else { Vec::new() },
        problem: item.get("problem").and_then(|value| value.as_s().ok()).cloned(),
        checkpoint: if optional("checkpoint") { Some(field(&item, "checkpoint")?) } else { None },
    };
    Ok((field(&item, "job")?, standing))
}
