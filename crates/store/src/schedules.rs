//! Schedules of monthly exports in the Control table.
//!
//! An enabled schedule is in the index `due`, by the time of its next run.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{activity::PartnerId, schedule::Schedule, time::Instant};
use serde::{Deserialize, Serialize};

use crate::{
    control::{Control, PARTITIONS, is_done, json, key, parse_json, partition_of, text},
    error::Error,
};

/// A position in the index `due`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueCursor {
    /// The partition.
    pub partition: u8,
    /// The last schedule seen, its partner and time; none at the beginning of the partition.
    behind: Option<(String, String)>,
}

/// A page of due schedules. A schedule that cannot be read does not hide the others.
pub type DuePage = (Vec<Result<(PartnerId, Schedule), Error>>, Option<DueCursor>);

impl Control {
    /// Reads a partner's schedule, even if it was removed.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedule(&self, partner: &PartnerId) -> Result<Option<Schedule>, Error> {
        let found = self.get_item(key(partner.as_str(), "schedule"), "GetItem of a schedule").await?;
        found.map(|item| parse_json(&item, "schedule")).transpose()
    }

    /// Saves a partner's schedule in place of the revision that it was made from, and raises its revision by one. Returns
    /// false if another process has saved a revision meanwhile.
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
        is_done(put.send().await.map(drop), "PutItem of a schedule")
    }

    /// Lists a page of the enabled schedules that are due by `now`, or of all enabled schedules if there is no `now`.
    ///
    /// Returns the next cursor as well, until the last partition is read.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn schedules_due(&self, now: Option<Instant>, limit: usize, cursor: DueCursor) -> Result<DuePage, Error> {
        let now = now.unwrap_or(Instant::MAX);
        let dk = due_partition(cursor.partition);
        let start = cursor.behind.map(|(partner, due_at)| {
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
                Some(DueCursor { partition: cursor.partition, behind: Some((name("pk"), name("nr"))) })
            }
            None => Some(cursor.partition + 1)
                .filter(|partition| *partition < PARTITIONS)
                .map(|partition| DueCursor { partition, behind: None }),
        };
        let schedules = answer.items.unwrap_or_default().into_iter().map(|item| {
            let partner = item.get("pk").and_then(|value| value.as_s().ok()).and_then(|id| PartnerId::parse(id).ok());
            let partner = partner.ok_or_else(|| Error::permanent("reading a schedule", "its key has no partner"))?;
            Ok((partner, parse_json(&item, "schedule")?))
        });
        Ok((schedules.collect(), next))
    }
}

/// The partition of the index `due` with a number.
fn due_partition(partition: u8) -> String {
    format!("due#{partition}")
}
