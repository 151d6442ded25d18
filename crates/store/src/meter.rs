//! The meter of partners' limits: how much of an installation one partner may take, so that the others do not notice.
//!
//! The table Limits counts activities, and read units, by partner and spans of ten seconds. A function does not count every
//! activity: it reserves a block of what is left of the span, and hands the block out from memory. A block is a sixteenth of
//! the rest, so that many functions share a span, and the last activities are reserved one by one. The unused rest of a block
//! is lost with the span, so a partner may be refused shortly below its limit.
//!
//! The cost of a read is known after the read. So a read begins when one unit is left, and what it consumed beyond that is a
//! debt that the same function reserves before the partner's next read.
//!
//! Exports have no counter: the jobs of the last day show how many are open and how many rows they have.
//!
//! Limits are no security boundary. Requests that come at the same moment may exceed them together, and if the table fails
//! no partner is refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use crate::{
    control::Control,
    error::{Error, causes},
    jobs::{ListPosition, MAX_LISTED},
    partners::Partners,
};
use domain::{
    activity::PartnerId,
    job::{Kind, State},
    quota::{DAY_SECONDS, LimitExceeded, Limits, check_daily_rows},
    time::Instant,
};

/// The length of a span in which activities are counted, in seconds.
pub const SPAN_SECONDS: i64 = 10;
/// The divisor of the rest of a span that gives the block which a function reserves.
const SHARE: i64 = 16;
/// The divisor of a span's budget that gives what a function hands out without a reservation.
const UNCOUNTED: i64 = 256;
/// The time for which a function uses the settings that it has read, in seconds.
const SETTINGS_LIFETIME_SECONDS: i64 = 60;
/// The time for which a span's count stays in the table, in seconds.
const COUNT_LIFETIME_SECONDS: i64 = 3_600;
/// The number of partners that a function remembers. Beyond it the function forgets all of them, to bound its memory.
const MAX_REMEMBERED: usize = 10_000;
/// The number of a day's exports that are counted, newest first.
const MAX_COUNTED: usize = 1_000;
/// The time after which a caller may retry while other exports are open, in seconds.
const OPEN_RETRY_SECONDS: u32 = 30;

/// The amounts that a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amounts {
    /// Recorded activities.
    Activities,
    /// Consumed read units.
    ReadUnits,
}

impl Amounts {
    fn rate(self, limits: Limits) -> Option<u32> {
        match self {
            Self::Activities => limits.records_per_second,
            Self::ReadUnits => limits.read_units_per_second,
        }
    }

    /// The key of a span's count.
    fn key(self, partner: &PartnerId, span: i64) -> String {
        let begins = span * SPAN_SECONDS;
        match self {
            Self::Activities => format!("{partner}#{begins}"),
            Self::ReadUnits => format!("{partner}#reads#{begins}"),
        }
    }

    fn refusal(self, rate: u32, retry_after: u32) -> String {
        match self {
            Self::Activities => format!(
                "This partner records more than its limit, {rate} activities a second over {SPAN_SECONDS} seconds. Send it again in {retry_after} seconds."
            ),
            Self::ReadUnits => format!(
                "This partner reads more than its limit, {rate} read units a second over {SPAN_SECONDS} seconds. A read unit is 4 KB that is looked through, found or not. Ask again in {retry_after} seconds, for a shorter period or by customer."
            ),
        }
    }
}

/// Counts amounts against partners' limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meter {
    amounts: Amounts,
    dynamodb: aws_sdk_dynamodb::Client,
    table: Arc<str>,
    partners: Partners,
    installation: Limits,
    remembered: Arc<Mutex<HashMap<PartnerId, Remembered>>>,
}

/// The state of a partner's current span in this function.
#[derive(Clone, Copy, Debug)]
struct Remembered {
    rate: Option<u32>,
    read_at: Instant,
    span: i64,
    /// The amount that can be handed out; below zero, a debt.
    left: i64,
    /// The amount to reserve next.
    block: i64,
    is_used_up: bool,
}

/// The result of a reservation.
enum Reserved {
    /// The block is reserved; the total that is reserved in the span.
    Yes(i64),
    /// Less than the block is left; the total that is reserved in the span.
    No(i64),
}

impl Meter {
    /// Creates a meter that counts in a table, for the limits of an installation and of its partners.
    pub fn new(
        amounts: Amounts,
        dynamodb: aws_sdk_dynamodb::Client,
        table: String,
        partners: Partners,
        installation: Limits,
    ) -> Self {
        Self { amounts, dynamodb, table: table.into(), partners, installation, remembered: Arc::default() }
    }

    /// Returns how much of `wanted` the partner may use now, and the exceeded limit if that is not all.
    pub async fn allow(&self, partner: &PartnerId, wanted: usize, now: Instant) -> (usize, Option<LimitExceeded>) {
        match self.take(partner, i64::try_from(wanted).unwrap_or(i64::MAX), now).await {
            Ok((allowed, rate)) if allowed < wanted => {
                let seconds = now.micros().div_euclid(1_000_000);
                let retry_after = u32::try_from(SPAN_SECONDS - seconds.rem_euclid(SPAN_SECONDS)).unwrap_or(1);
                let detail = self.amounts.refusal(rate, retry_after);
                (allowed, Some(LimitExceeded { detail, retry_after }))
            }
            Ok(_) => (wanted, None),
            Err(error) => {
                tracing::warn!(%partner, error = causes(&error), "could not check a limit");
                (wanted, None)
            }
        }
    }

    /// Counts an amount that was used beyond what [`Self::allow`] returned.
    pub fn charge(&self, partner: &PartnerId, amount: u64) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.get_mut(partner).filter(|known| known.rate.is_some()) {
            known.left = known.left.saturating_sub(i64::try_from(amount).unwrap_or(i64::MAX));
        }
    }

    async fn take(&self, partner: &PartnerId, wanted: i64, now: Instant) -> Result<(usize, u32), Error> {
        let size = |amount: i64| usize::try_from(amount).unwrap_or(usize::MAX);
        let mut known = self.known(partner, now).await?;
        let Some(rate) = known.rate else { return Ok((size(wanted), 0)) };
        let budget = i64::from(rate) * SPAN_SECONDS;
        let span = now.micros().div_euclid(SPAN_SECONDS * 1_000_000);
        if known.span != span {
            let debt = known.left.min(0);
            let left = budget / UNCOUNTED + debt;
            known = Remembered { span, left, block: budget / SHARE, is_used_up: false, ..known };
        }
        if known.left < wanted && !known.is_used_up {
            let missing = wanted - known.left;
            let mut asked = missing.max(known.block).min(budget);
            let mut answer = self.reserve(partner, span, asked, budget).await?;
            if let Reserved::No(used) = answer {
                asked = missing.min((budget - used).max(0));
                if asked > 0 {
                    answer = self.reserve(partner, span, asked, budget).await?;
                }
            }
            match answer {
                Reserved::Yes(used) => {
                    known.left += asked;
                    known.block = (budget - used).max(0) / SHARE;
                }
                Reserved::No(used) => known.is_used_up = used >= budget,
            }
        }
        let allowed = known.left.clamp(0, wanted);
        known.left -= allowed;
        self.remember(partner, known);
        Ok((size(allowed), rate))
    }

    async fn known(&self, partner: &PartnerId, now: Instant) -> Result<Remembered, Error> {
        let found = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(partner).copied();
        if let Some(known) = found
            && now < known.read_at.plus_seconds(SETTINGS_LIFETIME_SECONDS)
        {
            return Ok(known);
        }
        let limits = self.partners.settings(partner).await?.limits.or(self.installation);
        let known = found.unwrap_or(Remembered {
            rate: None,
            read_at: now,
            span: i64::MIN,
            left: 0,
            block: 0,
            is_used_up: false,
        });
        let known = Remembered { rate: self.amounts.rate(limits), read_at: now, ..known };
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

    /// Reserves a block of a span's budget, or nothing. A block whose answer is lost stays reserved and unused.
    async fn reserve(&self, partner: &PartnerId, span: i64, amount: i64, budget: i64) -> Result<Reserved, Error> {
        let operation = "UpdateItem of a limit";
        let number = |value: i64| AttributeValue::N(value.to_string());
        let ends = (span + 1) * SPAN_SECONDS + COUNT_LIFETIME_SECONDS;
        let updated = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .key("pk", AttributeValue::S(self.amounts.key(partner, span)))
            .update_expression("ADD used :amount SET #ttl = :ttl")
            .condition_expression("attribute_not_exists(used) OR used <= :most")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":amount", number(amount))
            .expression_attribute_values(":most", number(budget - amount))
            .expression_attribute_values(":ttl", AttributeValue::N(ends.to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let used = |item: Option<HashMap<String, AttributeValue>>| {
            item.and_then(|item| item.get("used")?.as_n().ok()?.parse().ok())
                .ok_or_else(|| Error::permanent(operation, "the answer has no count"))
        };
        match updated {
            Ok(updated) => used(updated.attributes).map(Reserved::Yes),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                match service.into_err() {
                    aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                        failed,
                    ) => used(failed.item).map(Reserved::No),
                    other => Err(Error::permanent(operation, other)),
                }
            }
            Err(error) => Err(Error::sdk(operation, error)),
        }
    }
}

/// Checks whether a partner may request another export on demand. Returns the exceeded limit if not.
///
/// # Errors
/// When a table fails.
pub async fn check_exports(
    control: &Control,
    partners: &Partners,
    installation: Limits,
    partner: &PartnerId,
    now: Instant,
) -> Result<Option<LimitExceeded>, Error> {
    let limits = partners.settings(partner).await?.limits.or(installation);
    if limits.open_exports.is_none() && limits.export_rows_per_day.is_none() {
        return Ok(None);
    }
    let since = now.plus_seconds(-DAY_SECONDS);
    let (mut open, mut rows) = (0, Vec::new());
    let mut position = Some(ListPosition::default());
    while let Some(from) = position.take().filter(|_| rows.len() < MAX_COUNTED) {
        let (jobs, next) = control.jobs(partner, Some(Kind::OnDemand), MAX_LISTED, from).await?;
        let is_whole_page_recent = jobs.last().is_some_and(|(job, _)| job.created_at >= since);
        for (job, status) in jobs.into_iter().filter(|(job, _)| job.created_at >= since) {
            open += u32::from(matches!(status.state_at(&job, now), State::Pending | State::Running));
            let made: u64 = status.files.iter().map(|file| file.rows).sum();
            rows.push((job.created_at, made.max(status.progress.rows)));
        }
        position = next.filter(|_| is_whole_page_recent);
    }
    if let Some(limit) = limits.open_exports.filter(|limit| open >= *limit) {
        return Ok(Some(LimitExceeded {
            detail: format!(
                "This partner has {open} exports that are not ready; its limit is {limit}. Ask again when one is ready or cancelled."
            ),
            retry_after: OPEN_RETRY_SECONDS,
        }));
    }
    Ok(limits.export_rows_per_day.and_then(|limit| check_daily_rows(limit, &rows, now)))
}
