//! Erasing groups of fields of activities, by a recorded order, and never under a hold.
//!
//! An activity is changed in a transaction with the condition that nobody has changed what is decided about the partner's
//! data. So an activity under a hold that was answered as active is not erased, whenever the hold was placed.
//!
//! Details outside the item go after the item has lost them: the attribute [`PENDING`] says that they are still to be deleted,
//! and every later run deletes them first. What could tell the content goes too: the digest of the content, and the digests
//! of details, which are part of names.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{AttributeValue, ConditionCheck, TransactWriteItem, Update},
};
use domain::{
    activity::{Activity, ActivityId, Details, PartnerId},
    audit::AuditEntry,
    lifecycle::{ErasureOrder, Group, Lifecycle, SelectorKind},
    time::Month,
};
use sha2::{Digest as _, Sha256};

use super::{
    item::{Attributes, CUSTOMER_KEY, DETAILS_SIZE, DIGEST, DetailsLocation, Text},
    keys,
    remove::{Remover, sort_key},
    stored::{ItemBuffer, StoredActivity},
};
use crate::{error::Error, partners::Partners};

/// The attribute of an erased activity whose details are still to be deleted: the digest of an object that it shared with
/// others, or [`NOTHING_SHARED`].
const PENDING: &str = "ep";
/// The value of [`PENDING`] of an activity that shared no object.
const NOTHING_SHARED: &str = "-";
/// The number of tries of a change while holds are placed and released.
const MAX_TRIES: usize = 20;

/// What is erased, and by which order.
pub struct ErasePlan<'a> {
    /// The order.
    pub order: &'a ErasureOrder,
    /// Selects the activities.
    pub selects: &'a (dyn Fn(&Activity<&str>) -> bool + Send + Sync),
    /// The text whose other mentions a dry run counts.
    pub mentioned: Option<&'a str>,
    /// The partners, whose holds count; none if no hold does.
    pub partners: Option<&'a Partners>,
}

impl std::fmt::Debug for ErasePlan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErasePlan").field("order", &self.order.id).finish_non_exhaustive()
    }
}

/// What a run has found and erased in a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonthErasure {
    /// The activities that the order has erased, in this run or before; in a dry run, those that it would erase.
    pub activities: u64,
    /// The selected activities that a hold keeps.
    pub held: u64,
    /// The other activities that mention the text.
    pub mentions: u64,
    /// The names that erased activities gave the actor, customer or target.
    pub names: BTreeSet<String>,
    /// Where the next run goes on, if the time was up.
    pub next: Option<Erased>,
}

/// A position in a month: the shard, and the sort key of the last activity seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Erased {
    /// The shard.
    pub shard: u8,
    /// The sort key of the last activity seen in it.
    pub behind: Option<String>,
}

/// The outcome of one change.
enum Outcome {
    Done,
    /// Something was decided about the partner's data meanwhile.
    Overtaken,
    /// The activity is not there any more.
    Vanished,
}

impl Remover {
    /// Erases in one month what a plan selects, as long as `may_go_on` returns true.
    ///
    /// # Errors
    /// When a store fails; the next call, from the same position, does the rest.
    pub async fn erase_month(
        &self,
        partner: &PartnerId,
        (month, shards): (Month, u8),
        plan: &ErasePlan<'_>,
        from: Erased,
        may_go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<MonthErasure, Error> {
        let mut run =
            Run { remover: self, partner, month, shards, plan, lifecycle: None, found: MonthErasure::default() };
        run.read_lifecycle().await?;
        let mut behind = from.behind;
        for shard in from.shard..shards {
            let partition = keys::partition(partner, month, shard, shards);
            loop {
                if !may_go_on() {
                    run.found.next = Some(Erased { shard, behind });
                    return Ok(run.found);
                }
                let page = self.page(&partition, behind.as_deref()).await?;
                let Some(last) = page.last().map(sort_key) else { break };
                for item in &page {
                    run.visit(item).await?;
                }
                behind = Some(last);
            }
            behind = None;
        }
        if run.found.activities > 0 && !plan.order.dry_run {
            self.delete_copies(partner, month).await?;
        }
        Ok(run.found)
    }

    /// Reads some activities of a partition behind a sort key, with strong consistency.
    async fn page(&self, partition: &str, behind: Option<&str>) -> Result<Vec<Attributes>, Error> {
        let key = |sk: &str| {
            [("pk", partition), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
        };
        let answer = self
            .ledger
            .dynamodb
            .query()
            .table_name(&*self.ledger.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()))
            .set_exclusive_start_key(behind.map(|behind| Attributes::from(key(behind))))
            .consistent_read(true)
            .send();
        let answer = Box::pin(answer).await.map_err(|error| Error::sdk("Query of a month to erase in", error))?;
        Ok(answer.items.unwrap_or_default())
    }
}

/// One run over a month.
struct Run<'a> {
    remover: &'a Remover,
    partner: &'a PartnerId,
    month: Month,
    shards: u8,
    plan: &'a ErasePlan<'a>,
    /// What is decided about the partner's data, as it was read last; none if no hold counts.
    lifecycle: Option<Lifecycle>,
    found: MonthErasure,
}

impl Run<'_> {
    async fn read_lifecycle(&mut self) -> Result<(), Error> {
        if let Some(partners) = self.plan.partners {
            self.lifecycle = Some(partners.read(self.partner).await?.lifecycle);
        }
        Ok(())
    }

    async fn visit(&mut self, item: &Attributes) -> Result<(), Error> {
        let stored = ItemBuffer::read_one(self.partner, item);
        let stored = stored.map_err(|error| Error::permanent("reading an activity", error))?;
        if let Some(AttributeValue::S(shared)) = item.get(PENDING) {
            self.delete_details(&stored, shared).await?;
        }
        let order = self.plan.order;
        let activity = stored.activity();
        if activity.erased.is_some_and(|marks| marks.contains(&order.id)) {
            self.found.activities += 1;
            return Ok(());
        }
        if !(self.plan.selects)(&activity) {
            if order.dry_run && self.mentions(&stored).await? {
                self.found.mentions += 1;
            }
            return Ok(());
        }
        if order.has_erased(activity.erased) {
            return Ok(());
        }
        for _ in 0..MAX_TRIES {
            if self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.holds_activity(&activity)) {
                self.found.held += 1;
                return Ok(());
            }
            if order.dry_run {
                self.found.activities += 1;
                return Ok(());
            }
            match self.change(item, &stored).await? {
                Outcome::Overtaken => self.read_lifecycle().await?,
                Outcome::Vanished => return Ok(()),
                Outcome::Done => {
                    self.found.activities += 1;
                    self.found.names.extend(name_of(order.kind, &activity).map(str::to_owned));
                    if order.groups.contains(&Group::Details) {
                        self.delete_details(&stored, shared_digest(&stored)).await?;
                    }
                    return Ok(());
                }
            }
        }
        let source = "holds of the partner change again and again".into();
        Err(Error::Unavailable { operation: "TransactWriteItems of an erasure", source })
    }

    /// Takes the groups away from the item of an activity.
    async fn change(&self, item: &Attributes, stored: &StoredActivity) -> Result<Outcome, Error> {
        if self.remover.ledger.is_plain && AuditEntry::has_id_of_hour(&stored.activity()) {
            return self.change_with_id(item, stored).await;
        }
        let mut update = Update::builder()
            .table_name(&*self.remover.ledger.table)
            .key("pk", AttributeValue::S(stored.partition().to_owned()))
            .key("sk", AttributeValue::S(stored.sort_key().to_owned()))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#marks", <&str>::from(Text::Erased))
            .expression_attribute_names("#digest", DIGEST)
            .expression_attribute_values(":marks", AttributeValue::S(self.plan.order.marks(stored.activity().erased)))
            .expression_attribute_values(
                ":digest",
                AttributeValue::B(Blob::new(self.digest(stored, stored.sort_key()))),
            );
        let mut change = "SET #marks = :marks, #digest = :digest".to_owned();
        if self.plan.order.groups.contains(&Group::Details) && stored.details_location().is_some() {
            change.push_str(", #pending = :pending");
            update = update
                .expression_attribute_names("#pending", PENDING)
                .expression_attribute_values(":pending", AttributeValue::S(shared_digest(stored).to_owned()));
        }
        for (index, name) in self.removed().into_iter().enumerate() {
            change.push_str(if index == 0 { " REMOVE " } else { ", " });
            change.push_str(&format!("#a{index}"));
            update = update.expression_attribute_names(format!("#a{index}"), name);
        }
        let update = update.update_expression(change).build();
        let update = update.map_err(|error| Error::permanent("writing an erasure", error))?;
        let mut items = Vec::new();
        if let (Some(partners), Some(lifecycle)) = (self.plan.partners, &self.lifecycle) {
            items
                .push(TransactWriteItem::builder().condition_check(self.nothing_decided(partners, lifecycle)?).build());
        }
        let update_index = items.len();
        items.push(TransactWriteItem::builder().update(update).build());
        self.write(items, update_index).await
    }

    /// Takes the groups away from an entry of the audit, and its id, which was made from them.
    async fn change_with_id(&self, item: &Attributes, stored: &StoredActivity) -> Result<Outcome, Error> {
        let entry = stored.activity();
        let id = ActivityId::generate(entry.recorded_at);
        let sort_key = keys::sort_key(entry.occurred_at, &id);
        let mut erased = item.clone();
        for name in self.removed() {
            erased.remove(name);
        }
        let marks = AttributeValue::S(self.plan.order.marks(entry.erased));
        let digest = AttributeValue::B(Blob::new(self.digest(stored, &sort_key)));
        erased.extend([(<&str>::from(Text::Erased).to_owned(), marks), (DIGEST.to_owned(), digest)]);
        erased.insert("sk".to_owned(), AttributeValue::S(sort_key));
        self.remover.delete_feed_rows(self.partner, stored).await?;
        let writes = self.remover.replacement(self.partner, stored, (&id, erased)).await?;
        self.write(writes, 0).await
    }

    /// Writes all of some changes or none. `update_index` is the one whose condition fails if the activity is not there.
    #[expect(
        clippy::disallowed_methods,
        reason = "a hold that was placed meanwhile must stop the change, and erasures are rare"
    )]
    async fn write(&self, writes: Vec<TransactWriteItem>, update_index: usize) -> Result<Outcome, Error> {
        let written = self.remover.ledger.dynamodb.transact_write_items().set_transact_items(Some(writes)).send();
        match Box::pin(written).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => outcome_of(error, update_index),
        }
    }

    /// The attributes that the order takes away.
    fn removed(&self) -> BTreeSet<&'static str> {
        self.plan.order.groups.iter().flat_map(|group| attributes_of(*group)).collect()
    }

    /// The condition that nobody has changed what is decided about the partner's data.
    fn nothing_decided(&self, partners: &Partners, lifecycle: &Lifecycle) -> Result<ConditionCheck, Error> {
        let check = ConditionCheck::builder()
            .table_name(partners.table())
            .key("pk", AttributeValue::S(self.partner.to_string()));
        let check = if lifecycle.version == 0 {
            check.condition_expression("attribute_not_exists(lv)")
        } else {
            check
                .condition_expression("lv = :version")
                .expression_attribute_values(":version", AttributeValue::N(lifecycle.version.to_string()))
        };
        check.build().map_err(|error| Error::permanent("writing an erasure", error))
    }

    /// The digest of an erased activity with a sort key, which says nothing of its content.
    fn digest(&self, stored: &StoredActivity, sort_key: &str) -> Vec<u8> {
        let mut hasher = Sha256::new();
        for part in ["erased", &self.plan.order.id, stored.partition(), sort_key] {
            hasher.update(part);
        }
        hasher.finalize()[..16].to_vec()
    }

    /// Deletes the details of an activity outside its item, and the mark that they are to be deleted. Entries of a plain ledger
    /// have none.
    async fn delete_details(&self, stored: &StoredActivity, shared: &str) -> Result<(), Error> {
        let remover = self.remover;
        if remover.ledger.is_plain {
            return Ok(());
        }
        let activity = stored.activity();
        let twins = keys::details_partition(stored.partition());
        let mut found = remover
            .ledger
            .dynamodb
            .query()
            .table_name(&*remover.ledger.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(twins.clone()))
            .expression_attribute_values(":sk", AttributeValue::S(keys::twin_sort_key(stored.sort_key(), "")))
            .projection_expression("sk")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        while let Some(twin) = found.next().await {
            let twin = twin.map_err(|error| Error::sdk("Query of details to erase", error))?;
            remover.delete_item(twins.clone(), sort_key(&twin)).await?;
        }
        let (partner, id) = (self.partner.as_str(), activity.id.as_str());
        remover.delete_objects_of(&keys::details_of_activity(partner, activity.occurred_at, id)).await?;
        if shared != NOTHING_SHARED && !self.is_shared(shared).await? {
            remover.delete_shared(&keys::shared_details_object(&activity, shared)).await?;
        }
        let done = remover
            .ledger
            .dynamodb
            .update_item()
            .table_name(&*remover.ledger.table)
            .key("pk", AttributeValue::S(stored.partition().to_owned()))
            .key("sk", AttributeValue::S(stored.sort_key().to_owned()))
            .update_expression("REMOVE #pending")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#pending", PENDING)
            .send();
        match Box::pin(done).await {
            Err(error)
                if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Err(Error::sdk("UpdateItem of an erasure", error))
            }
            _ => Ok(()),
        }
    }

    /// Whether another activity of the month has its details in the same object.
    async fn is_shared(&self, digest: &str) -> Result<bool, Error> {
        for shard in 0..self.shards {
            let mut found = self
                .remover
                .ledger
                .dynamodb
                .query()
                .table_name(&*self.remover.ledger.table)
                .key_condition_expression("pk = :pk")
                .filter_expression("#shared = :digest")
                .expression_attribute_names("#shared", <&str>::from(Text::SharedDigest))
                .expression_attribute_values(
                    ":pk",
                    AttributeValue::S(keys::partition(self.partner, self.month, shard, self.shards)),
                )
                .expression_attribute_values(":digest", AttributeValue::S(digest.to_owned()))
                .consistent_read(true)
                .into_paginator()
                .items()
                .send();
            if let Some(item) = found.next().await {
                item.map_err(|error| Error::sdk("Query of shared details", error))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an activity mentions the text in its changes or details.
    async fn mentions(&self, stored: &StoredActivity) -> Result<bool, Error> {
        let Some(text) = self.plan.mentioned.map(str::to_lowercase) else { return Ok(false) };
        if stored.activity().entry.changes.is_some_and(|changes| changes.to_lowercase().contains(&text)) {
            return Ok(true);
        }
        if matches!(stored.activity().details, Details::None) {
            return Ok(false);
        }
        let complete = self.remover.ledger.load_details(stored.clone()).await?;
        Ok(matches!(&complete.details, Details::Here(details) if details.to_lowercase().contains(&text)))
    }
}

/// Sorts the failure of a change.
fn outcome_of(error: SdkError<TransactWriteItemsError>, update_index: usize) -> Result<Outcome, Error> {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let failed = |index: usize| {
            let reason = cancelled.cancellation_reasons().get(index).and_then(|reason| reason.code());
            reason == Some("ConditionalCheckFailed")
        };
        if failed(update_index) {
            return Ok(Outcome::Vanished);
        }
        if update_index > 0 && failed(0) {
            return Ok(Outcome::Overtaken);
        }
        // Another change of the same items, or throttling: the same transaction may succeed later.
        return Err(Error::Unavailable { operation: "TransactWriteItems of an erasure", source: Box::new(error) });
    }
    Err(Error::sdk("TransactWriteItems of an erasure", error))
}

fn shared_digest(stored: &StoredActivity) -> &str {
    match stored.details_location() {
        Some(DetailsLocation::Shared(digest)) => digest,
        _ => NOTHING_SHARED,
    }
}

fn name_of<'a>(kind: SelectorKind, activity: &Activity<&'a str>) -> Option<&'a str> {
    match kind {
        SelectorKind::Actor => activity.entry.actor.name,
        SelectorKind::Customer => activity.entry.customer.as_ref().and_then(|customer| customer.name),
        SelectorKind::Target => activity.entry.target.as_ref().and_then(|target| target.name),
        SelectorKind::Activities => None,
    }
}

/// The attributes of a group.
fn attributes_of(group: Group) -> Vec<&'static str> {
    let texts: &[Text] = match group {
        Group::Actor => {
            &[Text::ActorId, Text::ActorType, Text::ActorName, Text::ActorRole, Text::ActorIp, Text::ActorUserAgent]
        }
        Group::Origin => &[Text::ActorIp, Text::ActorUserAgent],
        Group::Customer => &[Text::CustomerId, Text::CustomerName],
        Group::Target => &[Text::TargetId, Text::TargetType, Text::TargetName],
        Group::Reason => &[Text::Reason],
        Group::Changes => &[Text::Changes],
        Group::Details => &[Text::Details, Text::TwinDigest, Text::ObjectDigest, Text::SharedDigest, Text::Lines],
        Group::Correlation => &[Text::CorrelationId],
        Group::Source => &[Text::Source],
    };
    let others: &[&str] = match group {
        Group::Customer => &[CUSTOMER_KEY],
        Group::Details => &[DETAILS_SIZE],
        _ => &[],
    };
    texts.iter().map(|text| <&str>::from(*text)).chain(others.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn every_attribute_of_the_content_belongs_to_a_group() {
        let of_groups: BTreeSet<&str> = Group::VARIANTS.iter().flat_map(|group| attributes_of(*group)).collect();
        // The address, the time of recording, action and status stay.
        let stay = [Text::PartitionKey, Text::SortKey, Text::RecordedAt, Text::Action, Text::Status, Text::Erased];
        for text in Text::VARIANTS {
            assert_ne!(of_groups.contains(<&str>::from(*text)), stay.contains(text), "{text:?}");
        }
    }
}
