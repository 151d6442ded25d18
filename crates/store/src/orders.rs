//! Orders to erase, in the Control table, and how far each is.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    activity::PartnerId,
    lifecycle::ErasureOrder,
    time::{Instant, Month},
};
use serde::{Deserialize, Serialize};

use crate::{
    control::{Control, is_done, json, key, parse_json, text},
    error::Error,
    ledger::Erased,
};

/// The part of an order that is being carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Activities, month by month.
    #[default]
    Activities,
    /// The audit of the partner.
    Audit,
    /// Exports, the schedule, and the names of who made them.
    Exports,
    /// Messages that could not be recorded.
    DeadLetters,
    /// The files of exports that a worker was making when they were removed.
    Files,
}

/// How far an order is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The part that is being carried out.
    #[serde(default)]
    pub stage: Stage,
    /// The month in which the run goes on; none at the beginning of a stage.
    #[serde(default)]
    pub month: Option<Month>,
    /// The position in the month.
    #[serde(default)]
    pub position: Erased,
    /// The names that erased activities gave what is erased.
    #[serde(default)]
    pub names: BTreeSet<String>,
    /// The months in which activities were erased.
    #[serde(default)]
    pub months: BTreeSet<Month>,
    /// The exports that a worker was making when they were removed.
    #[serde(default)]
    pub interrupted: BTreeSet<String>,
    /// When these workers have stopped.
    #[serde(default)]
    pub wait_until: Option<Instant>,
}

/// An order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// The order.
    pub order: ErasureOrder,
    /// How far it is.
    pub progress: Progress,
    /// The number of changes of this record.
    revision: u64,
}

impl Control {
    /// Stores a new order, unless it is there. Returns whether it was stored.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn create_erasure(&self, partner: &PartnerId, order: &ErasureOrder) -> Result<bool, Error> {
        let mut item = key(partner.as_str(), &erasure_key(&order.id));
        item.insert("order".to_owned(), json(order)?);
        item.insert("progress".to_owned(), json(&Progress::default())?);
        item.insert("revision".to_owned(), AttributeValue::N("1".to_owned()));
        self.put_if_absent(item, "PutItem of an erasure").await
    }

    /// Reads an order.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn erasure(&self, partner: &PartnerId, id: &str) -> Result<Option<StoredOrder>, Error> {
        let found = self.get_item(key(partner.as_str(), &erasure_key(id)), "GetItem of an erasure").await?;
        found.map(|item| parse_order(&item)).transpose()
    }

    /// Saves an order in place of the one that was read, and raises its revision. Returns false if another run has saved it
    /// meanwhile.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_erasure(&self, partner: &PartnerId, stored: &mut StoredOrder) -> Result<bool, Error> {
        let number = |revision: u64| AttributeValue::N(revision.to_string());
        let saved = self
            .dynamodb
            .update_item()
            .table_name(&*self.table)
            .set_key(Some(key(partner.as_str(), &erasure_key(&stored.order.id))))
            .update_expression("SET #order = :order, progress = :progress, revision = :next")
            .condition_expression("revision = :read")
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":order", json(&stored.order)?)
            .expression_attribute_values(":progress", json(&stored.progress)?)
            .expression_attribute_values(":next", number(stored.revision + 1))
            .expression_attribute_values(":read", number(stored.revision))
            .send()
            .await;
        let done = is_done(saved.map(drop), "UpdateItem of an erasure")?;
        stored.revision += u64::from(done);
        Ok(done)
    }

    /// Lists a partner's orders, newest first, at most `limit`, behind `after`. Returns the id behind which the list goes on,
    /// if it does.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn erasures(
        &self,
        partner: &PartnerId,
        limit: usize,
        after: Option<&str>,
    ) -> Result<(Vec<StoredOrder>, Option<String>), Error> {
        let answer = self
            .dynamodb
            .query()
            .table_name(&*self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(partner.as_str()))
            .expression_attribute_values(":prefix", text(&erasure_key("")))
            .scan_index_forward(false)
            .consistent_read(true)
            .set_exclusive_start_key(after.map(|id| key(partner.as_str(), &erasure_key(id))))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| Error::sdk("Query of erasures", error))?;
        let more = answer.last_evaluated_key.is_some();
        let found = answer.items.unwrap_or_default().iter().map(parse_order).collect::<Result<Vec<_>, _>>()?;
        let next = found.last().filter(|_| more).map(|last| last.order.id.clone());
        Ok((found, next))
    }
}

fn erasure_key(id: &str) -> String {
    format!("erasure#{id}")
}

fn parse_order(item: &crate::control::Item) -> Result<StoredOrder, Error> {
    let revision = item.get("revision").and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    let revision = revision.ok_or_else(|| Error::permanent("reading an erasure", "it has no revision"))?;
    Ok(StoredOrder { order: parse_json(item, "order")?, progress: parse_json(item, "progress")?, revision })
}
