//! Exports in the Control table: jobs, leases of workers, and idempotency keys of requests.
//!
//! The attribute `job` is written when an export is created or renewed. The attributes `state`, `progress`, `files`,
//! `problem`, `checkpoint`, `tries` and `ended` change while a worker makes the export. Only the holder of the lease changes them, and
//! every change is conditional on the lease. Monthly exports are in the index `by_month`, by their month and state.
//!
//! `tries` is the set of runs that took the lease since a run last stopped in time. A run enters itself when it takes the
//! lease, so a run that dies counts too. The set has names, not a number, so that a repeated write counts once.

mod idempotency;

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue},
};
use domain::{
    activity::PartnerId,
    job::{Checkpoint, File, Job, JobStatus, Kind, Progress, State},
    time::{Instant, Month},
};
use serde::{Deserialize, Serialize};

use crate::{
    control::{
        Control, Item, PARTITIONS, export_sort_key, is_done, json, key, parse_json, partition_of, sort_key_of_kind,
        text,
    },
    error::Error,
};

pub use self::idempotency::{IdempotencyKey, KEY_LIFETIME_SECONDS, KeyClaim};

/// The most exports of one page of the list.
pub const MAX_LISTED: usize = 100;

/// The answer to a worker that wants to work on a job.
#[derive(Debug)]
pub enum Lease {
    /// The job is this worker's until the lease ends.
    Taken(Box<(Job, JobStatus)>),
    /// Nothing is to be done: the job is finished, cancelled or unknown.
    Nothing,
    /// Another worker has the lease.
    Busy {
        /// The end of the lease, unless its holder extends it.
        until: Instant,
    },
}

/// The position in a list of exports: the ids of the last export seen of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPosition {
    on_demand: Option<String>,
    monthly: Option<String>,
}

impl ListPosition {
    /// Returns the position behind these jobs, which follow one another in the list from this position on.
    #[must_use]
    pub fn behind<'a>(mut self, jobs: impl IntoIterator<Item = &'a Job>) -> Self {
        for job in jobs {
            match job.kind {
                Kind::OnDemand => self.on_demand = Some(job.id.clone()),
                Kind::Monthly => self.monthly = Some(job.id.clone()),
            }
        }
        self
    }
}

/// A monthly export, as the index `by_month` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthEntry {
    /// The partner that it belongs to.
    pub partner: PartnerId,
    /// The export's id.
    pub id: String,
    /// The state.
    pub state: State,
    /// The reason of a failure, for people.
    pub problem: Option<String>,
    /// The time at which the files are removed.
    pub expires_at: Instant,
}

/// The position in the index `by_month` of one month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthCursor {
    partition: u8,
    /// The last export seen: its partner, id and state.
    behind: Option<(String, String, String)>,
}

impl Control {
    /// Creates a job, unless it is there. Returns whether it was created.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_job(&self, partner: &PartnerId, job: &Job) -> Result<bool, Error> {
        let mut item = key(partner.as_str(), &sort_key_of_kind(&job.id, job.kind));
        item.insert("job".to_owned(), json(job)?);
        item.insert("state".to_owned(), text(State::Pending.as_str()));
        if let Some(month) = job.month {
            item.insert("mk".to_owned(), text(&month_partition(month, partition_of(partner))));
            item.insert("ea".to_owned(), text(&job.expires_at.to_string()));
        }
        self.put_if_absent(item, "PutItem of an export").await
    }

    /// Renews a job that failed, was cancelled or has expired, so that a worker makes it again. Returns whether it was one
    /// of these.
    ///
    /// The job is the stored one after [`Job::renew`].
    ///
    /// # Errors
    /// When the table fails.
    pub async fn renew_job(&self, partner: &PartnerId, job: &Job, now: Instant) -> Result<bool, Error> {
        let renewed = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &sort_key_of_kind(&job.id, job.kind))))
            .update_expression(
                "SET #state = :pending, job = :job, ea = :expires \
                 REMOVE files, problem, progress, checkpoint, lease, worker, tries, ended",
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
        is_done(renewed.map(drop), "UpdateItem of an export")
    }

    /// Lists a partner's monthly exports, in all versions, from `first` to `last`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn jobs_of_months(
        &self,
        partner: &PartnerId,
        first: Month,
        last: Month,
    ) -> Result<Vec<(Job, JobStatus)>, Error> {
        let mut pages = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":first", text(&format!("month#{first}")))
            // `~` is the last printable character, so this key comes after every version.
            .expression_attribute_values(":last", text(&format!("month#{last}~")))
            .into_paginator()
            .items()
            .send();
        let mut jobs = Vec::new();
        while let Some(item) = pages.next().await {
            jobs.push(parse_job(item.map_err(|error| Error::sdk("Query of exports", error))?)?);
        }
        Ok(jobs)
    }

    /// Lists a page of all partners' exports of a month, of one state or of all states.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn exports_of_month(
        &self,
        month: Month,
        state: Option<State>,
        limit: usize,
        cursor: MonthCursor,
    ) -> Result<(Vec<MonthEntry>, Option<MonthCursor>), Error> {
        let mk = month_partition(month, cursor.partition);
        let start = cursor.behind.map(|(partner, id, state)| {
            let mut start = key(&partner, &sort_key_of_kind(&id, Kind::Monthly));
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
            answer.items.unwrap_or_default().into_iter().map(parse_month_entry).collect::<Result<_, _>>()?;
        let next = match entries.last() {
            Some(last) if more => {
                let behind = (last.partner.to_string(), last.id.clone(), last.state.as_str().to_owned());
                Some(MonthCursor { partition: cursor.partition, behind: Some(behind) })
            }
            _ => Some(cursor.partition + 1)
                .filter(|partition| *partition < PARTITIONS)
                .map(|partition| MonthCursor { partition, behind: None }),
        };
        Ok((entries, next))
    }

    /// Reads a job by its id.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn job(&self, partner: &PartnerId, id: &str) -> Result<Option<(Job, JobStatus)>, Error> {
        let found = self.get_item(key(partner.as_str(), &export_sort_key(id)), "GetItem of an export").await?;
        found.map(parse_job).transpose()
    }

    /// Lists a page of a partner's jobs, newest first, of one kind or of both.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn jobs(
        &self,
        partner: &PartnerId,
        kind: Option<Kind>,
        limit: usize,
        after: ListPosition,
    ) -> Result<(Vec<(Job, JobStatus)>, Option<ListPosition>), Error> {
        let limit = limit.clamp(1, MAX_LISTED);
        let mut lists = [VecDeque::new(), VecDeque::new()];
        // DynamoDB answers 1 MB at most, so a list may go on although it has fewer jobs than were asked for.
        let mut goes_on = [false, false];
        for (((of_kind, position), list), goes_on) in
            [(Kind::OnDemand, &after.on_demand), (Kind::Monthly, &after.monthly)]
                .into_iter()
                .zip(&mut lists)
                .zip(&mut goes_on)
        {
            if kind.is_some_and(|kind| kind != of_kind) {
                continue;
            }
            let prefix = sort_key_of_kind("", of_kind);
            let start = position.as_ref().map(|id| key(partner.as_str(), &sort_key_of_kind(id, of_kind)));
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
            *goes_on = answer.last_evaluated_key.is_some();
            for item in answer.items.unwrap_or_default() {
                list.push_back(parse_job(item)?);
            }
        }
        // Each list keeps its own order, because the position in it is where the next page goes on. Monthly exports are in
        // the order of their months, not of their creation.
        let mut jobs: Vec<(Job, JobStatus)> = Vec::new();
        while jobs.len() < limit {
            // The next job of a list that goes on is not known here, so none may come before it.
            if lists.iter().zip(goes_on).any(|(list, goes_on)| list.is_empty() && goes_on) {
                break;
            }
            let newest = |list: &VecDeque<(Job, JobStatus)>| list.front().map(|(job, _)| job.created_at);
            let [on_demand, monthly] = &mut lists;
            let list = if newest(on_demand) >= newest(monthly) { on_demand } else { monthly };
            let Some(job) = list.pop_front() else { break };
            jobs.push(job);
        }
        let more = goes_on.contains(&true) || lists.iter().any(|list| !list.is_empty());
        let next = more.then(|| after.behind(jobs.iter().map(|(job, _)| job)));
        Ok((jobs, next))
    }

    /// Takes the lease on a job for a worker until `until`, unless the job is finished or another worker has the lease.
    ///
    /// Taking the lease counts as a try of this worker, and as one however often the worker takes it.
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
            .set_key(Some(key(partner.as_str(), &export_sort_key(id))))
            .update_expression("SET #state = :running, worker = :worker, lease = :until ADD tries :run")
            .condition_expression(
                "#state IN (:pending, :running) AND (attribute_not_exists(lease) OR lease < :now OR worker = :worker)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":pending", text(State::Pending.as_str()))
            .expression_attribute_values(":running", text(State::Running.as_str()))
            .expression_attribute_values(":worker", text(worker))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":until", text(&until.to_string()))
            .expression_attribute_values(":run", AttributeValue::Ss(vec![worker.to_owned()]))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match taken {
            Ok(answer) => Ok(Lease::Taken(Box::new(parse_job(answer.attributes.unwrap_or_default())?))),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let found = self.get_item(key(partner.as_str(), &export_sort_key(id)), "GetItem of an export").await?;
                match found {
                    Some(item) if matches!(parse_state(&item)?, State::Pending | State::Running) => {
                        Ok(Lease::Busy { until: parse_instant(&item, "lease").unwrap_or(now) })
                    }
                    _ => Ok(Lease::Nothing),
                }
            }
            Err(error) => Err(Error::sdk("UpdateItem of an export", error)),
        }
    }

    /// Replaces a job by one that starts again, for the worker that has the lease. Returns whether the worker still has it.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn restart_job(&self, partner: &PartnerId, job: &Job, worker: &str) -> Result<bool, Error> {
        let change = "SET job = :job REMOVE progress, checkpoint";
        self.change_job(partner, &job.id, worker, change, vec![(":job", json(job)?)]).await
    }

    /// Extends a worker's lease and stores its progress, and its checkpoint if that has changed. Returns whether the worker
    /// still has the lease.
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

    /// Releases the lease on a job that another worker is to continue. Returns whether the worker still had the lease.
    ///
    /// The run stopped in time, so the tries before it do not count any more.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn release_job(&self, partner: &PartnerId, job: &Job, worker: &str) -> Result<bool, Error> {
        self.change_job(partner, &job.id, worker, "REMOVE lease, worker, tries", Vec::new()).await
    }

    /// Releases the lease on a job whose run failed. Returns whether the worker still had the lease.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn release_failed_job(&self, partner: &PartnerId, job: &Job, worker: &str) -> Result<bool, Error> {
        self.change_job(partner, &job.id, worker, "REMOVE lease, worker", Vec::new()).await
    }

    /// Makes a job ready, at `now`. Returns whether the worker still had the lease.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn finish_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        worker: &str,
        files: &[File],
        now: Instant,
    ) -> Result<bool, Error> {
        let progress = Progress {
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            fraction: 1.0,
        };
        let change = "files = :files, progress = :progress";
        let values = vec![(":files", json(files)?), (":progress", json(&progress)?)];
        self.end_job(partner, job, worker, State::Ready, (change, values), now).await
    }

    /// Makes a job failed, at `now`, with a reason for people. Returns whether the worker still had the lease.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn fail_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        worker: &str,
        problem: &str,
        now: Instant,
    ) -> Result<bool, Error> {
        let change = ("problem = :problem", vec![(":problem", text(problem))]);
        self.end_job(partner, job, worker, State::Failed, change, now).await
    }

    async fn end_job(
        &self,
        partner: &PartnerId,
        job: &Job,
        worker: &str,
        state: State,
        (change, mut values): (&str, Vec<(&str, AttributeValue)>),
        now: Instant,
    ) -> Result<bool, Error> {
        let change = format!("SET #state = :ended, ended = :now, {change} REMOVE lease, worker, checkpoint, tries");
        values.extend([(":ended", text(state.as_str())), (":now", text(&now.to_string()))]);
        self.change_job(partner, &job.id, worker, &change, values).await
    }

    /// Takes a job back, in any state but failed or cancelled, with the reason for people. Returns whether it was in such a
    /// state.
    ///
    /// A worker that makes its files loses the lease.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn withdraw_job(&self, partner: &PartnerId, job: &Job, problem: &str) -> Result<bool, Error> {
        let withdrawn = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &sort_key_of_kind(&job.id, job.kind))))
            .update_expression(
                "SET #state = :cancelled, problem = :problem REMOVE files, checkpoint, lease, worker, tries",
            )
            .condition_expression("#state IN (:pending, :running, :ready)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":cancelled", text(State::Cancelled.as_str()))
            .expression_attribute_values(":pending", text(State::Pending.as_str()))
            .expression_attribute_values(":running", text(State::Running.as_str()))
            .expression_attribute_values(":ready", text(State::Ready.as_str()))
            .expression_attribute_values(":problem", text(problem))
            .send()
            .await;
        is_done(withdrawn.map(drop), "UpdateItem of an export")
    }

    /// Stores a changed job in place of the one that was read. Returns false if it was changed meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn replace_job(&self, partner: &PartnerId, read: &Job, job: &Job) -> Result<bool, Error> {
        let replaced = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &sort_key_of_kind(&job.id, job.kind))))
            .update_expression("SET job = :job")
            .condition_expression("job = :read")
            .expression_attribute_values(":job", json(job)?)
            .expression_attribute_values(":read", json(read)?)
            .send()
            .await;
        is_done(replaced.map(drop), "UpdateItem of an export")
    }

    /// Deletes a job whose files are gone.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn delete_job(&self, partner: &PartnerId, job: &Job) -> Result<(), Error> {
        self.delete_item(key(partner.as_str(), &sort_key_of_kind(&job.id, job.kind)), "DeleteItem of an export").await
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
            .set_key(Some(key(partner.as_str(), &export_sort_key(id))))
            .update_expression(change)
            .condition_expression("#state = :running AND worker = :worker")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":running", text(State::Running.as_str()))
            .expression_attribute_values(":worker", text(worker));
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        is_done(update.send().await.map(drop), "UpdateItem of an export")
    }

    /// Cancels a job in any state. Returns the job, or nothing if it is unknown. Cancelling twice changes nothing.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn cancel_job(&self, partner: &PartnerId, id: &str) -> Result<Option<(Job, JobStatus)>, Error> {
        let cancelled = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &export_sort_key(id))))
            .update_expression("SET #state = :cancelled REMOVE lease, worker, tries")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":cancelled", text(State::Cancelled.as_str()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match cancelled {
            Ok(answer) => Ok(Some(parse_job(answer.attributes.unwrap_or_default())?)),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(None),
            Err(error) => Err(Error::sdk("UpdateItem of an export", error)),
        }
    }
}

/// The partition of a month in the index `by_month`.
fn month_partition(month: Month, partition: u8) -> String {
    format!("{month}#{partition}")
}

/// The id of the monthly export with this sort key.
fn month_id(job_key: &str) -> Option<String> {
    let name = job_key.strip_prefix("month#")?;
    Some(match name.split_once("_v") {
        Some((month, version)) => format!("{month}_v{}", version.trim_start_matches('0')),
        None => name.to_owned(),
    })
}

fn parse_state(item: &Item) -> Result<State, Error> {
    let word = item.get("state").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    let states = [State::Pending, State::Running, State::Ready, State::Failed, State::Cancelled];
    let state = states.into_iter().find(|state| state.as_str() == word);
    state.ok_or_else(|| Error::permanent("reading an export", format!("its state is {word:?}")))
}

fn parse_instant(item: &Item, name: &str) -> Option<Instant> {
    Instant::parse(item.get(name)?.as_s().ok()?).ok()
}

fn parse_month_entry(item: Item) -> Result<MonthEntry, Error> {
    let name = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let entry =
        || Some((PartnerId::parse(name("pk")?).ok()?, month_id(name("sk")?)?, Instant::parse(name("ea")?).ok()?));
    let (partner, id, expires_at) =
        entry().ok_or_else(|| Error::permanent("reading an export of a month", "its keys are unreadable"))?;
    Ok(MonthEntry { partner, id, state: parse_state(&item)?, problem: name("problem").cloned(), expires_at })
}

fn parse_job(item: Item) -> Result<(Job, JobStatus), Error> {
    let optional = |name: &str| item.contains_key(name);
    let status = JobStatus {
        state: parse_state(&item)?,
        progress: if optional("progress") { parse_json(&item, "progress")? } else { Progress::default() },
        files: if optional("files") { parse_json(&item, "files")? } else { Vec::new() },
        problem: item.get("problem").and_then(|value| value.as_s().ok()).cloned(),
        checkpoint: if optional("checkpoint") { Some(parse_json(&item, "checkpoint")?) } else { None },
        tries: item.get("tries").and_then(|value| value.as_ss().ok()).map_or(0, Vec::len),
        ended_at: parse_instant(&item, "ended"),
    };
    Ok((parse_json(&item, "job")?, status))
}
