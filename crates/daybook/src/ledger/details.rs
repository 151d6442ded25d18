//! Details too large for their activity's item: a twin item up to [`TWIN_BYTES`] compressed, an object in S3 above.
//!
//! Both are named by the digest of their text, so that whatever was left by a recorder that died can neither be taken
//! for another's nor overwrite it, and a reader can tell that it got what was written.

use std::collections::HashMap;

use aws_sdk_dynamodb::{error::SdkError, primitives::Blob, types::AttributeValue};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{
    Ledger, Order,
    item::{self, Place},
};
use crate::{
    activity::{Activity, Details, PartnerId},
    storage::Error,
};

/// The most bytes of compressed details that are kept in the table: it bills less than S3 for small ones, and an item
/// must stay below 400 KB.
const TWIN_BYTES: usize = 256 * 1_024;
/// zstd's level: beyond it, time grows faster than size shrinks.
const LEVEL: i32 = 3;
/// How many objects are fetched at a time.
const FETCHES: usize = 16;
/// How many tries a write has that S3 refuses because the same object is being written at the same moment.
const CONFLICT_TRIES: usize = 3;

impl Ledger {
    /// Stores details apart from their item; the same ones again are left as they are.
    pub(super) async fn put_details(&self, activity: &Activity, text: &str) -> Result<Place, Error> {
        let digest = hex(&Sha256::digest(text));
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL)
            .map_err(|error| Error::broken("compressing details", error))?;
        if packed.len() > TWIN_BYTES {
            self.put_object(&object_key(activity, &digest), packed).await?;
            return Ok(Place::Object(digest));
        }
        let (partition, sort_key) = twin_key(activity, &digest);
        let put = self
            .dynamodb
            .put_item()
            .table_name(&*self.table)
            .item("pk", AttributeValue::S(partition))
            .item("sk", AttributeValue::S(sort_key))
            .item("z", AttributeValue::B(Blob::new(packed)))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(Place::Twin(digest)),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                Ok(Place::Twin(digest))
            }
            Err(error) => Err(Error::sdk("PutItem of details", error)),
        }
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

    /// The details of one activity.
    pub(super) async fn get_details(&self, activity: &Activity, place: &Place) -> Result<String, Error> {
        match place {
            Place::Object(digest) => self.get_object(activity, digest).await,
            Place::Twin(digest) => {
                let (partition, sort_key) = twin_key(activity, digest);
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
                unpack(activity, digest, packed.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref))
            }
        }
    }

    async fn get_object(&self, activity: &Activity, digest: &str) -> Result<String, Error> {
        let got = self
            .s3
            .get_object()
            .bucket(&*self.bucket)
            .key(object_key(activity, digest))
            .send()
            .await
            .map_err(|error| Error::sdk("GetObject of details", error))?;
        let packed = got
            .body
            .collect()
            .await
            .map_err(|error| Error::Unavailable { operation: "GetObject of details", source: Box::new(error) })?;
        unpack(activity, digest, Some(&packed.into_bytes()))
    }

    /// Fills in the details of activities that follow one another in a list: twins by one range read, objects side by
    /// side.
    pub(super) async fn fill_details(
        &self,
        partner: &PartnerId,
        chunk: Vec<(Activity, Option<Place>)>,
        order: Order,
    ) -> Result<Vec<Activity>, Error> {
        let mut twins = self.twins(partner, &chunk, order).await?;
        stream::iter(chunk)
            .map(|(mut activity, place)| {
                let twin = match &place {
                    Some(Place::Twin(digest)) => twins.remove(&twin_key(&activity, digest).1),
                    _ => None,
                };
                async move {
                    match &place {
                        None => {}
                        Some(Place::Object(digest)) => {
                            activity.details = Details::Here(self.get_object(&activity, digest).await?)
                        }
                        Some(Place::Twin(digest)) => {
                            activity.details = Details::Here(unpack(&activity, digest, twin.as_deref())?)
                        }
                    }
                    Ok(activity)
                }
            })
            .buffered(FETCHES)
            .try_collect()
            .await
    }

    /// The twin items between the first and the last activity that has one, by sort key, month by month.
    async fn twins(
        &self,
        partner: &PartnerId,
        chunk: &[(Activity, Option<Place>)],
        order: Order,
    ) -> Result<HashMap<String, Vec<u8>>, Error> {
        let mut keys: Vec<(String, String)> = chunk
            .iter()
            .filter_map(|(activity, place)| match place {
                Some(Place::Twin(digest)) => Some(twin_key(activity, digest)),
                _ => None,
            })
            .collect();
        if order == Order::Descending {
            keys.reverse();
        }
        debug_assert!(keys.is_sorted(), "rows follow one another");
        let mut twins = HashMap::with_capacity(keys.len());
        for month in keys.chunk_by(|a, b| a.0 == b.0) {
            let ([first, ..], [.., last]) = (month, month) else { continue };
            let mut pages = self
                .dynamodb
                .query()
                .table_name(&*self.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", AttributeValue::S(first.0.clone()))
                .expression_attribute_values(":first", AttributeValue::S(first.1.clone()))
                .expression_attribute_values(":last", AttributeValue::S(last.1.clone()))
                .consistent_read(true)
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
        tracing::debug!(%partner, twins = twins.len(), "details read");
        Ok(twins)
    }
}

/// The address of a twin item. The digest behind the activity's key keeps the order of activities.
fn twin_key(activity: &Activity, digest: &str) -> (String, String) {
    let partition = item::details_partition(&activity.partner, activity.occurred_at.utc_month());
    (partition, format!("{}#{digest}", item::sort_key(activity.occurred_at, &activity.id)))
}

fn object_key(activity: &Activity, digest: &str) -> String {
    format!("details/{}/{}/{digest}.json.zst", activity.partner, activity.occurred_at.utc_month())
}

fn unpack(activity: &Activity, digest: &str, packed: Option<&[u8]>) -> Result<String, Error> {
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

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
