//! Limits of partners: how much of an installation one of them may take, so that the others do not notice.
//!
//! Activities are counted in a table of their own, by partner and spans of ten seconds. A function does not count each: it
//! reserves a block of what is left of the span and hands it out from memory. A block is a sixteenth of what is left, so
//! that many functions share a span, and the last ones of it are reserved one by one. What a function reserved and does not
//! use is lost with the span: a partner that comes close to its limit may be refused a little before it.
//!
//! Exports are not counted apart: the jobs of the last day say how many are open and how many rows they have.
//!
//! Limits protect others, they secure nothing: requests that come at the same moment may exceed them together, and where
//! the table fails nobody is refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{
    control::{Control, ListPosition, MAX_LISTED},
    error::{self as storage, Error},
    partners::Partners,
};
use domain::{
    activity::PartnerId,
    job::{Kind, State},
    quota::{DAY_SECONDS, Limits, Over, over_rows},
    time::Instant,
};

/// How long a span is in which activities are counted, in seconds.
pub const SPAN_SECONDS: i64 = 10;
/// What part of the rest of a span a function reserves at once.
const SHARE: u64 = 16;
/// What part of a span a function hands out without reserving it.
const UNCOUNTED: u64 = 256;
/// How long a function goes by the settings that it has read, in seconds.
const SETTINGS_LAST_SECONDS: i64 = 60;
/// How long a span's count stays in the table, in seconds.
const COUNT_LASTS_SECONDS: i64 = 3_600;
/// How many partners a function remembers; then it begins anew.
const MAX_REMEMBERED: usize = 10_000;
/// How many of a day's exports are looked at, the newest.
const MAX_COUNTED: usize = 1_000;
/// When to ask again for an export where others are open, in seconds.
const OPEN_RETRY_SECONDS: u32 = 30;

/// Counts what partners record. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
    partners: Partners,
    installation: Limits,
    remembered: Arc<Mutex<HashMap<PartnerId, Remembered>>>,
}

/// What a function knows of a partner.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    records_per_second: Option<u32>,
    read_at: Instant,
    span: i64,
    /// What of this span can be handed out.
    left: u64,
    /// How much to reserve next.
    block: u64,
    is_used_up: bool,
}

/// What came of a reservation.
enum Reserved {
    /// It is reserved; so much of the span is in all.
    Yes(u64),
    /// There is not so much left: so much is reserved already.
    No(u64),
}

impl Meter {
    /// A meter that counts in a table, for an installation's limits and those of its partners.
    pub fn new(dynamodb: aws_sdk_dynamodb::Client, table: String, partners: Partners, installation: Limits) -> Self {
        Self { dynamodb, table: table.into(), partners, installation, remembered: Arc::default() }
    }

    /// How many of so many activities the partner may record now; why not all of them.
    pub async fn allow(&self, partner: &PartnerId, wanted: usize, now: Instant) -> (usize, Option<Over>) {
        match self.take(partner, wanted as u64, now).await {
            Ok((allowed, rate)) if allowed < wanted as u64 => {
                let seconds = now.micros().div_euclid(1_000_000);
                let retry_after = u32::try_from(SPAN_SECONDS - seconds.rem_euclid(SPAN_SECONDS)).unwrap_or(1);
                let detail = format!(
                    "This partner records more than its limit, {rate} activities a second over {SPAN_SECONDS} seconds. Send it again in {retry_after} seconds."
                );
                (usize::try_from(allowed).unwrap_or(wanted), Some(Over { detail, retry_after }))
            }
            Ok(_) => (wanted, None),
            Err(error) => {
                tracing::warn!(%partner, error = storage::causes(&error), "a limit was not looked at");
                (wanted, None)
            }
        }
    }

    async fn take(&self, partner: &PartnerId, wanted: u64, now: Instant) -> Result<(u64, u32), Error> {
        let mut known = self.known(partner, now).await?;
        let Some(rate) = known.records_per_second else { return Ok((wanted, 0)) };
        let budget = u64::from(rate) * SPAN_SECONDS.unsigned_abs();
        let span = now.micros().div_euclid(SPAN_SECONDS * 1_000_000);
        if known.span != span {
            known = Remembered { span, left: budget / UNCOUNTED, block: budget / SHARE, is_used_up: false, ..known };
        }
        if known.left < wanted && !known.is_used_up {
            let missing = wanted - known.left;
            let mut asked = missing.max(known.block).min(budget);
            let mut answer = self.reserve(partner, span, asked, budget).await?;
            if let Reserved::No(used) = answer {
                asked = missing.min(budget.saturating_sub(used));
                if asked > 0 {
                    answer = self.reserve(partner, span, asked, budget).await?;
                }
            }
            match answer {
                Reserved::Yes(used) => {
                    known.left += asked;
                    known.block = budget.saturating_sub(used) / SHARE;
                }
                Reserved::No(used) => known.is_used_up = used >= budget,
            }
        }
        let allowed = known.left.min(wanted);
        known.left -= allowed;
        self.remember(partner, known);
        Ok((allowed, rate))
    }

    async fn known(&self, partner: &PartnerId, now: Instant) -> Result<Remembered, Error> {
        let found = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(partner).copied();
        if let Some(known) = found
            && now < known.read_at.plus_seconds(SETTINGS_LAST_SECONDS)
        {
            return Ok(known);
        }
        let limits = self.partners.settings(partner).await?.limits.or(self.installation);
        let known = found.unwrap_or(Remembered {
            records_per_second: None,
            read_at: now,
            span: i64::MIN,
            left: 0,
            block: 0,
            is_used_up: false,
        });
        let known = Remembered { records_per_second: limits.records_per_second, read_at: now, ..known };
        self.remember(partner, known);
        Ok(known)
    }

    fn remember(&self, partner: &PartnerId, known: Remembered) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED && !remembered.contains_key(partner) {
            remembered.clear();
        }
        remembered.insert(partner.clone(), known);
    }

    /// Reserves so much of a span's budget, or nothing. One whose answer is lost is reserved and not used.
    async fn reserve(&self, partner: &PartnerId, span: i64, amount: u64, budget: u64) -> Result<Reserved, Error> {
        let operation = "UpdateItem of a limit";
        let number = |value: u64| AttributeValue::N(value.to_string());
        let ends = (span + 1) * SPAN_SECONDS + COUNT_LASTS_SECONDS;
        let updated = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(format!("{partner}#{}", span * SPAN_SECONDS)))
            .update_expression("ADD used :amount SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(used) OR used <= :most")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":amount", number(amount))
            .expression_attribute_values(":most", number(budget.saturating_sub(amount)))
            .expression_attribute_values(":ttl", AttributeValue::N(ends.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let used = |item: Option<HashMap<String, AttributeValue>>| {
            item.and_then(|item| item.get("used")?.as_n().ok()?.parse().ok())
                .ok_or_else(|| Error::broken(operation, "there is no count in the answer"))
        };
        match updated {
            Ok(updated) => used(updated.attributes).map(Reserved::Yes),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                match service.into_err() {
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                        failed,
                    ) => used(failed.item).map(Reserved::No),
                    other => Err(Error::broken(operation, other)),
                }
            }
            Err(error) => Err(Error::sdk(operation, error)),
        }
    }
}

/// Whether a partner may ask for another export on demand; why not.
///
/// # Errors
/// When a table fails.
pub async fn over_exports(
    control: &Control,
    partners: &Partners,
    installation: Limits,
    partner: &PartnerId,
    now: Instant,
) -> Result<Option<Over>, Error> {
    let limits = partners.settings(partner).await?.limits.or(installation);
    if limits.open_exports.is_none() && limits.export_rows_per_day.is_none() {
        return Ok(None);
    }
    let since = now.plus_seconds(-DAY_SECONDS);
    let (mut open, mut rows) = (0, Vec::new());
    let mut place = Some(ListPosition::default());
    while let Some(from) = place.take().filter(|_| rows.len() < MAX_COUNTED) {
        let (jobs, next) = control.jobs(partner, Some(Kind::OnDemand), MAX_LISTED, from).await?;
        let is_whole_page_recent = jobs.last().is_some_and(|(job, _)| job.created_at >= since);
        for (job, standing) in jobs.into_iter().filter(|(job, _)| job.created_at >= since) {
            open += u32::from(matches!(standing.state_at(&job, now), State::Pending | State::Running));
            let made: u64 = standing.files.iter().map(|file| file.rows).sum();
            rows.push((job.created_at, made.max(standing.progress.rows)));
        }
        place = next.filter(|_| is_whole_page_recent);
    }
    if let Some(limit) = limits.open_exports.filter(|limit| open >= *limit) {
        return Ok(Some(Over {
            detail: format!(
                "This partner has {open} exports that are not ready; its limit is {limit}. Ask again when one is ready or cancelled."
            ),
            retry_after: OPEN_RETRY_SECONDS,
        }));
    }
    Ok(limits.export_rows_per_day.and_then(|limit| over_rows(limit, &rows, now)))
}
