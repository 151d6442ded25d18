//! Details too large for their activity's item: a twin item up to [`TWIN_BYTES`] compressed, an object in S3 above.
//!
//! Both are named by the digest of their text, so that whatever was left by a recorder that died can neither be taken
//! for another's nor overwrite it, and a reader can tell that it got what was written.

use std::collections::{BTreeMap, HashMap, btree_map::Entry};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{
    Ledger,
    item::{self, NewItem, Place, Row},
};
use crate::error::Error;
use domain::{activity::Activity, text::hex};

/// The most bytes of compressed details that are kept in the table. To write a million items of 8 KB costs what a million
/// objects cost (8 write units at $0.625 a million, one PUT at $5 a million: list prices of us-east-1, to be checked), and
/// to keep them costs eleven times as much ($0.25 against $0.023 per GB and month). But an export reads hundreds of items
/// with one call, and each object with one of its own: only what is rare may be an object. Few details compress to more
/// than this.
const TWIN_BYTES: usize = 32 * 1_024;
/// zstd's level: beyond it, time grows faster than size shrinks.
const LEVEL: i32 = 3;
/// How many objects are fetched at a time.
const FETCHES: usize = 16;
/// How many tries a write has that S3 refuses because the same object is being written at the same moment.
const CONFLICT_TRIES: usize = 3;

impl Ledger {
    /// Stores details apart from their item; the same ones again are left as they are.
    pub(super) async fn put_details(&self, activity: &Activity, partition: &str, text: &str) -> Result<Place, Error> {
        let digest = hex(&Sha256::digest(text));
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL)
            .map_err(|error| Error::broken("compressing details", error))?;
        if packed.len() > TWIN_BYTES {
            self.put_object(&object_key(&activity.borrowed(), &digest), packed).await?;
            return Ok(Place::Object(digest));
        }
        let sort_key = twin_key(&item::sort_key(activity.occurred_at, &activity.id), &digest);
        let twin = NewItem::default();
        let twin = twin.text("pk", item::details_partition(partition)).text("sk", sort_key).bytes("z", packed);
        // What is there under this name is the same.
        self.put_new(&twin, "PutItem of details").await?;
        Ok(Place::Twin(digest))
    }

    async fn put_object(&self, key: &str, packed: Vec<u8>) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let put = self
                .s3
                .put_object()
                .bucket(&*self.bucket)
                .key(key)
                .if_none_match("*")
                .content_type("application/zstd")
                .body(packed.clone().into())
                .send()
                .await;
            match put {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some("PreconditionFailed") => return Ok(()),
                Err(error) if error.code() == Some("ConditionalRequestConflict") && tries < CONFLICT_TRIES => {}
                Err(error) => return Err(Error::sdk("PutObject of details", error)),
            }
        }
    }

    /// The details of one activity, at their place.
    pub(super) async fn get_details(&self, row: &Row, place: Place<&str>) -> Result<String, Error> {
        match place {
            Place::Object(digest) => self.get_object(row, digest).await,
            Place::Twin(digest) => {
                let (partition, sort_key) =
                    (item::details_partition(row.partition()), twin_key(row.sort_key(), digest));
                let found = self
                    .dynamodb
                    .get_item()
                    .table_name(&*self.table)
                    .key("pk", AttributeValue::S(partition))
                    .key("sk", AttributeValue::S(sort_key))
                    .consistent_read(true)
                    .send()
                    .await
                    .map_err(|error| Error::sdk("GetItem of details", error))?;
                let packed = found.item.and_then(|mut item| item.remove("z"));
                unpack(row, digest, packed.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref))
            }
        }
    }

    async fn get_object(&self, row: &Row, digest: &str) -> Result<String, Error> {
        let got = self
            .s3
            .get_object()
            .bucket(&*self.bucket)
            .key(object_key(&row.activity(), digest))
            .send()
            .await
            .map_err(|error| Error::sdk("GetObject of details", error))?;
        let packed = got
            .body
            .collect()
            .await
            .map_err(|error| Error::Unavailable { operation: "GetObject of details", source: Box::new(error) })?;
        unpack(row, digest, Some(&packed.into_bytes()))
    }

    /// The details that are apart of activities that follow one another in a list: twins by one range read a partition
    /// where every activity is wanted, one by one where a filter left out others between them.
    pub(super) async fn details_of(&self, rows: &[Row], dense: bool) -> Result<Vec<Option<String>>, Error> {
        let mut twins = if dense { self.twins(rows).await? } else { HashMap::new() };
        stream::iter(rows.to_vec())
            .map(|row| {
                let twin = match row.place() {
                    Some(Place::Twin(digest)) => twins.remove(&twin_key(row.sort_key(), digest)),
                    _ => None,
                };
                async move {
                    match (row.place(), twin) {
                        (None, _) => Ok(None),
                        (Some(Place::Twin(digest)), Some(packed)) => unpack(&row, digest, Some(&packed)).map(Some),
                        (Some(place), _) => self.get_details(&row, place).await.map(Some),
                    }
                }
            })
            .buffered(FETCHES)
            .try_collect()
            .await
    }

    /// The twin items between the first and the last activity that has one, by sort key, partition by partition. They are
    /// read eventually consistent, at half the price: whichever is not there yet is then fetched by itself.
    async fn twins(&self, rows: &[Row]) -> Result<HashMap<String, Vec<u8>>, Error> {
        let mut ranges: BTreeMap<String, (String, String)> = BTreeMap::new();
        for row in rows {
            if let Some(Place::Twin(digest)) = row.place() {
                let sort_key = twin_key(row.sort_key(), digest);
                match ranges.entry(item::details_partition(row.partition())) {
                    Entry::Vacant(range) => {
                        range.insert((sort_key.clone(), sort_key));
                    }
                    Entry::Occupied(mut range) => {
                        let (first, last) = range.get_mut();
                        if sort_key < *first {
                            *first = sort_key;
                        } else if sort_key > *last {
                            *last = sort_key;
                        }
                    }
                }
            }
        }
        let mut twins = HashMap::new();
        for (partition, (first, last)) in ranges {
            let mut pages = self
                .dynamodb
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", AttributeValue::S(partition))
                .expression_attribute_values(":first", AttributeValue::S(first))
                .expression_attribute_values(":last", AttributeValue::S(last))
                .into_paginator()
                .items()
                .send();
            while let Some(twin) = pages.next().await {
                let mut twin = twin.map_err(|error| Error::sdk("Query of details", error))?;
                if let (Some(AttributeValue::S(sk)), Some(AttributeValue::B(z))) = (twin.remove("sk"), twin.remove("z"))
                {
                    twins.insert(sk, z.into_inner());
                }
            }
        }
        Ok(twins)
    }
}

/// The sort key of a twin item. The digest behind the activity's key keeps the order of activities.
fn twin_key(sort_key: &str, digest: &str) -> String {
    format!("{sort_key}#{digest}")
}

fn object_key(activity: &Activity<&str>, digest: &str) -> String {
    format!("details/{}/{}/{digest}.json.zst", activity.partner, activity.occurred_at.utc_month())
}

fn unpack(row: &Row, digest: &str, packed: Option<&[u8]>) -> Result<String, Error> {
    let activity = row.activity();
    let broken = |what: &str| {
        Error::broken(
            "reading details",
            format!("those of activity {} at {} are {what}", activity.id, activity.occurred_at),
        )
    };
    let packed = packed.ok_or_else(|| broken("missing"))?;
    let size = usize::try_from(activity.details.size()).unwrap_or(usize::MAX);
    let text = zstd::bulk::decompress(packed, size).map_err(|_| broken("not readable"))?;
    if hex(&Sha256::digest(&text)) != digest {
        return Err(broken("not what was recorded"));
    }
    String::from_utf8(text).map_err(|_| broken("not UTF-8"))
}
