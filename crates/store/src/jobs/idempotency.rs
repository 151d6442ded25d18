//! Idempotency keys of requests for exports.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{activity::PartnerId, text::hex, time::Instant};
use sha2::{Digest as _, Sha256};

use crate::{
    control::{Control, is_done, key, text},
    error::Error,
};

/// The time for which an idempotency key is kept, in seconds.
pub const KEY_LIFETIME_SECONDS: i64 = 7 * 86_400;

/// The answer to a claim of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyClaim {
    /// The key belongs to the job with this id: the caller's own, or that of the same request before.
    Job(String),
    /// The caller has used the key for another request.
    OtherRequest,
}

/// A caller's idempotency key, and the request that the caller sent with the key.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey<'a> {
    /// The subject of the caller's token.
    pub subject: &'a str,
    /// The key, as it was sent.
    pub key: &'a str,
    /// A digest of the request.
    pub request: &'a str,
}

impl IdempotencyKey<'_> {
    fn sort_key(&self) -> String {
        // The length comes first, so that no subject and key read like those of somebody else.
        let mut hasher = Sha256::new();
        hasher.update((self.subject.len() as u64).to_be_bytes());
        hasher.update(self.subject);
        hasher.update(self.key);
        format!("key#{}", hex(&hasher.finalize()))
    }
}

impl Control {
    /// Claims a caller's idempotency key for a request, whose job would be `id`.
    ///
    /// Keys of different callers are different keys. A key is free again after [`KEY_LIFETIME_SECONDS`].
    ///
    /// # Errors
    /// When the table fails.
    pub async fn claim_key(
        &self,
        partner: &PartnerId,
        idempotency_key: &IdempotencyKey<'_>,
        id: &str,
        now: Instant,
    ) -> Result<KeyClaim, Error> {
        let sk = idempotency_key.sort_key();
        let mut item = key(partner.as_str(), &sk);
        item.insert("id".to_owned(), text(id));
        item.insert("request".to_owned(), text(idempotency_key.request));
        let ttl = now.plus_seconds(KEY_LIFETIME_SECONDS).seconds();
        item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item));
        let put = put
            // The table removes expired items late, so that the condition looks at the time as well.
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", AttributeValue::N(now.seconds().to_string()));
        if is_done(put.send().await.map(drop), "PutItem of an idempotency key")? {
            return Ok(KeyClaim::Job(id.to_owned()));
        }
        let found = self.get_item(key(partner.as_str(), &sk), "GetItem of an idempotency key").await?;
        let found = found.unwrap_or_default();
        let attribute = |name: &str| found.get(name).and_then(|value| value.as_s().ok());
        match (attribute("id"), attribute("request")) {
            (Some(id), Some(request)) if request == idempotency_key.request => Ok(KeyClaim::Job(id.clone())),
            (Some(_), Some(_)) => Ok(KeyClaim::OtherRequest),
            _ => Err(Error::permanent("reading an idempotency key", "it has no id or no request")),
        }
    }
}
