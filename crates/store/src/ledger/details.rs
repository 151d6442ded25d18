//! Details too large for their activity's item: a twin item up to [`MAX_TWIN_BYTES`] compressed, an object in S3 above.
//!
//! The digest of the text is part of the name of both. So what a dead recorder left behind is neither overwritten nor
//! taken for another activity's details, and a reader can verify what it has read. Each activity has objects of its own, so
//! that they can be erased; up to 0.1.0, activities with the same details shared one.

use std::{fmt, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Ledger,
    item::{DetailsLocation, NewItem},
    keys,
    partition::FoundActivity,
    stored::StoredActivity,
    twins::PACKED,
};
use crate::{
    error::Error,
    links::{LinkMethod, sign_link},
};
use domain::{activity::Activity, text::hex};

/// The most bytes of compressed details in the table.
///
/// A million writes cost the same for items of 8 KB and for objects (8 write units at $0.625 a million, one PUT at $5 a
/// million; list prices of us-east-1). Storage costs eleven times as much in the table ($0.25 against $0.023 per GB and
/// month). But an export reads hundreds of items with one call, and every object with a call of its own, so objects must
/// be rare. Few details compress to more than this.
const MAX_TWIN_BYTES: usize = 32 * 1_024;
/// The level of zstd. Above this level, time grows faster than size shrinks.
const LEVEL: i32 = 3;
/// The number of details that are fetched at a time.
pub(super) const CONCURRENCY: usize = 16;
/// The number of tries of a write that S3 refuses because the same object is being written at the same moment.
const MAX_CONFLICT_TRIES: usize = 3;

impl Ledger {
    /// Stores details outside their item and returns their location. Stored again, they are the same.
    pub(super) async fn put_details(
        &self,
        activity: &Activity,
        partition: &str,
        text: &str,
    ) -> Result<DetailsLocation, Error> {
        let digest = hex(&Sha256::digest(text));
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL)
            .map_err(|error| Error::permanent("compressing details", error))?;
        if packed.len() > MAX_TWIN_BYTES {
            self.put_object(&keys::details_object(&activity.borrowed(), &digest), packed).await?;
            return Ok(DetailsLocation::Object(digest));
        }
        let sort_key = keys::twin_sort_key(&keys::sort_key(activity.occurred_at, &activity.id), &digest);
        let twin = NewItem::default();
        let twin = twin.text("pk", keys::details_partition(partition)).text("sk", sort_key).bytes(PACKED, packed);
        // A stored item with this name has the same details, because the name has their digest.
        self.put_if_absent(twin, "PutItem of details").await?;
        Ok(DetailsLocation::Twin(digest))
    }

    async fn put_object(&self, key: &str, packed: Vec<u8>) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let put = self
                .s3
                .put_object()
                .bucket(&*self.details_bucket)
                .key(key)
                .if_none_match("*")
                .content_type("application/zstd")
                .body(packed.clone().into())
                .send()
                .await;
            match put {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some("PreconditionFailed") => return Ok(()),
                Err(error) if error.code() == Some("ConditionalRequestConflict") && tries < MAX_CONFLICT_TRIES => {}
                Err(error) => return Err(Error::sdk("PutObject of details", error)),
            }
        }
    }

    /// Reads the details of one activity.
    pub(super) async fn get_details(
        &self,
        stored: &StoredActivity,
        location: DetailsLocation<&str>,
    ) -> Result<String, Error> {
        match location {
            DetailsLocation::Object(digest) => {
                let key = keys::details_object(&stored.activity(), digest);
                self.get_object(stored, &self.details_bucket, key, digest).await
            }
            DetailsLocation::Shared(digest) => {
                let key = keys::shared_details_object(&stored.activity(), digest);
                self.get_object(stored, &self.bucket, key, digest).await
            }
            DetailsLocation::Twin(digest) => {
                let partition = keys::details_partition(stored.partition());
                let sort_key = keys::twin_sort_key(stored.sort_key(), digest);
                let found = self
                    .dynamodb
                    .get_item()
                    .table_name(&*self.table)
                    .key("pk", AttributeValue::S(partition))
                    .key("sk", AttributeValue::S(sort_key))
                    .consistent_read(true)
                    .set_return_consumed_capacity(self.wanted_capacity())
                    .send()
                    .await
                    .map_err(|error| Error::sdk("GetItem of details", error))?;
                self.count_capacity(found.consumed_capacity());
                let packed = found.item.and_then(|mut item| item.remove(PACKED));
                Unpacker::new()?.unpack(
                    stored,
                    digest,
                    packed.as_ref().and_then(|value| value.as_b().ok()).map(AsRef::as_ref),
                )
            }
        }
    }

    async fn get_object(
        &self,
        stored: &StoredActivity,
        bucket: &str,
        key: String,
        digest: &str,
    ) -> Result<String, Error> {
        let got = self
            .s3
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| Error::sdk("GetObject of details", error))?;
        let packed = got
            .body
            .collect()
            .await
            .map_err(|error| Error::Unavailable { operation: "GetObject of details", source: Box::new(error) })?;
        Unpacker::new()?.unpack(stored, digest, Some(&packed.into_bytes()))
    }

    /// Writes details as plain JSON to an object that lives for a day, and signs a link to the object.
    ///
    /// The object is written for each link, so that its day begins anew and no link outlives the object. The name has the
    /// digest of the details, so another write changes nothing else.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn publish_details(
        &self,
        activity: &Activity,
        details: String,
        method: LinkMethod,
    ) -> Result<String, Error> {
        let key = keys::published_details(&activity.borrowed(), &hex(&Sha256::digest(&details)));
        self.s3
            .put_object()
            .bucket(&*self.bucket)
            .key(&key)
            .content_type("application/json")
            .body(details.into_bytes().into())
            .send()
            .await
            .map_err(|error| Error::sdk("PutObject of details for a download", error))?;
        let file_name = format!("details_{}.json", activity.id);
        sign_link(&self.s3, &self.bucket, &key, &file_name, "application/json", method).await
    }

    /// Begins to fetch the details that are neither in the activities' items nor read beside them, as many at a time as
    /// `room` allows. The tasks end with the index of the activity and its details.
    pub(super) fn fetch_missing(&self, activities: &[FoundActivity], room: &Arc<Semaphore>) -> DetailsFetched {
        let mut fetching = JoinSet::new();
        for (index, FoundActivity { stored, packed }) in activities.iter().enumerate() {
            if packed.is_some() || stored.details_location().is_none() {
                continue;
            }
            let (ledger, stored, room) = (self.clone(), stored.clone(), Arc::clone(room));
            fetching.spawn(async move {
                let _place = room.acquire().await;
                let Some(location) = stored.details_location() else { return Ok((index, None)) };
                let text = ledger.get_details(&stored, location).await?;
                Ok((index, Some(text)))
            });
        }
        fetching
    }
}

/// Details that are being fetched, by the index of their activity.
pub(super) type DetailsFetched = JoinSet<Result<(usize, Option<String>), Error>>;

/// Returns the details that are not in the items: unpacks those that were read beside their activities, and waits for those
/// that are being fetched.
pub(super) async fn collect_details(
    activities: &[FoundActivity],
    mut fetching: DetailsFetched,
    unpacker: &mut Unpacker,
) -> Result<Vec<Option<String>>, Error> {
    let unpack = |FoundActivity { stored, packed }: &FoundActivity| match (stored.details_location(), packed) {
        (Some(DetailsLocation::Twin(digest)), Some(packed)) => {
            unpacker.unpack(stored, digest, Some(packed.bytes())).map(Some)
        }
        _ => Ok(None),
    };
    let mut details = activities.iter().map(unpack).collect::<Result<Vec<_>, _>>()?;
    while let Some(fetched) = fetching.join_next().await {
        let (index, text) = fetched.map_err(|error| Error::permanent("reading details", error))??;
        details[index] = text;
    }
    Ok(details)
}

/// Unpacks details. An unpacker keeps its memory, which costs more than to unpack one activity's details.
pub(super) struct Unpacker(zstd::bulk::Decompressor<'static>);

impl fmt::Debug for Unpacker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unpacker")
    }
}

impl Unpacker {
    /// Creates an unpacker.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub(super) fn new() -> Result<Self, Error> {
        let decompressor = zstd::bulk::Decompressor::new();
        decompressor.map(Self).map_err(|error| Error::permanent("preparing to read details", error))
    }

    /// Decompresses details and verifies them.
    fn unpack(&mut self, stored: &StoredActivity, digest: &str, packed: Option<&[u8]>) -> Result<String, Error> {
        let activity = stored.activity();
        let fail = |cause: &str| {
            let cause = format!("the details of activity {} at {} are {cause}", activity.id, activity.occurred_at);
            Error::permanent("reading details", cause)
        };
        let packed = packed.ok_or_else(|| fail("missing"))?;
        let size = usize::try_from(activity.details.size()).unwrap_or(usize::MAX);
        let text = self.0.decompress(packed, size).map_err(|_| fail("not readable"))?;
        if hex(&Sha256::digest(&text)) != digest {
            return Err(fail("not what was recorded"));
        }
        String::from_utf8(text).map_err(|_| fail("not UTF-8"))
    }
}
