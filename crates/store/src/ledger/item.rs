//! Items of the Activities table: the names of their attributes, and how an activity is written.
//!
//! Attribute names are short because DynamoDB stores and bills them with every item. A twin item has the attribute `z`, the
//! details compressed with zstd. A month in the directory has the attribute `n`, the number of its shards.

use std::{collections::HashMap, sync::LazyLock};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::activity::{Activity, ActorType, Entry, Status};
use strum::VariantArray as _;

use super::keys;

/// Attributes as the SDK has them.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// An item larger than this costs a second write unit. Larger details are compressed and stored outside the item.
const INLINE_ITEM_BYTES: usize = 1_024;

/// A text attribute of an activity's item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumCount, strum::IntoStaticStr, strum::VariantArray)]
pub(super) enum Text {
    /// The partition key: see [`keys`].
    #[strum(serialize = "pk")]
    PartitionKey,
    /// The sort key: see [`keys`].
    #[strum(serialize = "sk")]
    SortKey,
    /// `recorded_at`, RFC 3339 with milliseconds.
    #[strum(serialize = "r")]
    RecordedAt,
    /// The action.
    #[strum(serialize = "a")]
    Action,
    /// The status, unless the action succeeded.
    #[strum(serialize = "s")]
    Status,
    /// The actor's id.
    #[strum(serialize = "u")]
    ActorId,
    /// The actor's type, unless it is a user.
    #[strum(serialize = "ut")]
    ActorType,
    /// The actor's name.
    #[strum(serialize = "un")]
    ActorName,
    /// The actor's role.
    #[strum(serialize = "ur")]
    ActorRole,
    /// The actor's IP address.
    #[strum(serialize = "ui")]
    ActorIp,
    /// The actor's user agent.
    #[strum(serialize = "ua")]
    ActorUserAgent,
    /// The customer's id.
    #[strum(serialize = "c")]
    CustomerId,
    /// The customer's name.
    #[strum(serialize = "cn")]
    CustomerName,
    /// The target's id.
    #[strum(serialize = "t")]
    TargetId,
    /// The target's type.
    #[strum(serialize = "tt")]
    TargetType,
    /// The target's name.
    #[strum(serialize = "tn")]
    TargetName,
    /// The reason for the status.
    #[strum(serialize = "re")]
    Reason,
    /// The changes, JSON.
    #[strum(serialize = "ch")]
    Changes,
    /// The correlation id.
    #[strum(serialize = "co")]
    CorrelationId,
    /// The source.
    #[strum(serialize = "so")]
    Source,
    /// What the lines of an order add up to, JSON.
    #[strum(serialize = "ls")]
    Lines,
    /// The details, if they are in the item.
    #[strum(serialize = "d")]
    Details,
    /// The digest of the details, if they are in a twin item.
    #[strum(serialize = "dh")]
    TwinDigest,
    /// The digest of the details, if they are in an object in S3 that other activities with the same details share: earlier
    /// versions wrote these.
    #[strum(serialize = "ds")]
    SharedDigest,
    /// The digest of the details, if they are in an object in S3 of their own.
    #[strum(serialize = "do")]
    ObjectDigest,
    /// The groups that were erased, each with the id of the order, JSON.
    #[strum(serialize = "er")]
    Erased,
}

impl Text {
    /// Finds an attribute by its name: one or two lower-case letters. A page has tens of thousands of names, and a table needs no
    /// comparisons of texts.
    pub(super) fn named(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<[Option<Text>; 27 * 27]> = LazyLock::new(|| {
            let mut by_name = [None; 27 * 27];
            for text in Text::VARIANTS {
                if let Some(place) = place_of((*text).into()) {
                    by_name[place] = Some(*text);
                }
            }
            by_name
        });
        BY_NAME[place_of(name)?]
    }
}

/// Returns the place of a name of one or two lower-case letters among all of these.
fn place_of(name: &str) -> Option<usize> {
    let letter = |byte: &u8| byte.is_ascii_lowercase().then(|| usize::from(byte - b'a') + 1);
    match name.as_bytes() {
        [first] => letter(first),
        [first, second] => Some(letter(first)? + 27 * letter(second)?),
        _ => None,
    }
}

/// The attribute with the digest of the content, 16 bytes.
pub(super) const DIGEST: &str = "h";
/// The attribute with the size of the details, in bytes of JSON.
pub(super) const DETAILS_SIZE: &str = "dz";
/// The index of customers.
pub(super) const CUSTOMER_INDEX: &str = "by_customer_id";
/// The key of the index of customers.
pub(super) const CUSTOMER_KEY: &str = "ck";
/// The key of the index `late`, which only an activity has that may come after its month was exported.
pub(super) const LATE_KEY: &str = "lk";

/// The location of details that are too large for the activity's own item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DetailsLocation<T = String> {
    /// A twin item; the digest of the text, hex.
    Twin(T),
    /// An object in S3; the digest of the text, hex.
    Object(T),
    /// An object in S3 that activities with the same details share; the digest of the text, hex.
    Shared(T),
}

/// An item that is being written, and the size that DynamoDB bills for it.
#[derive(Debug, Default)]
pub(super) struct NewItem {
    attributes: Attributes,
    size: usize,
}

impl NewItem {
    /// Adds a text attribute.
    pub(super) fn text(mut self, name: impl Into<&'static str>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        self.size += name.len() + text.len();
        self.attributes.insert(name.to_owned(), AttributeValue::S(text));
        self
    }

    /// Adds a number attribute.
    pub(super) fn number(mut self, name: &'static str, number: u64) -> Self {
        let digits = number.to_string();
        self.size += name.len() + digits.len();
        self.attributes.insert(name.to_owned(), AttributeValue::N(digits));
        self
    }

    /// Adds a binary attribute.
    pub(super) fn bytes(mut self, name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.size += name.len() + bytes.len();
        self.attributes.insert(name.to_owned(), AttributeValue::B(Blob::new(bytes)));
        self
    }

    /// Adds a text attribute if there is a text.
    fn optional(self, name: Text, text: Option<&String>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Whether the item still costs one write unit with these details in it.
    pub(super) fn has_room_for(&self, details: &str) -> bool {
        let name = <&str>::from(Text::Details);
        let added = name.len() + details.len() + DETAILS_SIZE.len() + details.len().to_string().len();
        self.size + added <= INLINE_ITEM_BYTES
    }

    /// Adds the details themselves.
    pub(super) fn details(self, text: &str) -> Self {
        self.text(Text::Details, text).number(DETAILS_SIZE, text.len() as u64)
    }

    /// Adds the location of the details, and their size in bytes of JSON.
    pub(super) fn details_at(self, location: DetailsLocation, size: usize) -> Self {
        let item = match location {
            DetailsLocation::Twin(digest) => self.text(Text::TwinDigest, digest),
            DetailsLocation::Object(digest) => self.text(Text::ObjectDigest, digest),
            DetailsLocation::Shared(digest) => self.text(Text::SharedDigest, digest),
        };
        item.number(DETAILS_SIZE, size as u64)
    }

    /// Returns the attributes, for the SDK.
    pub(super) fn into_attributes(self) -> Attributes {
        self.attributes
    }
}

/// Writes the item of an activity, without its details.
pub(super) fn write_item(activity: &Activity, partition: &str, is_late: bool) -> NewItem {
    let Activity { partner, id, occurred_at, recorded_at, entry, details: _, lines, erased: _, digest } = activity;
    let Entry { customer, action, status, actor, target, reason, changes, correlation_id, source } = entry;
    let month = occurred_at.utc_month();
    let (customer, target) = (customer.as_ref(), target.as_ref());
    let mut item = NewItem { attributes: HashMap::with_capacity(30), size: 0 }
        .text(Text::PartitionKey, partition)
        .text(Text::SortKey, keys::sort_key(*occurred_at, id))
        .text(Text::RecordedAt, recorded_at.to_millis_text())
        .text(Text::Action, action.as_str())
        .text(Text::ActorId, &actor.id)
        .optional(Text::ActorName, actor.name.as_ref())
        .optional(Text::ActorRole, actor.role.as_ref())
        .optional(Text::ActorIp, actor.ip.as_ref())
        .optional(Text::ActorUserAgent, actor.user_agent.as_ref())
        .optional(Text::CustomerId, customer.map(|customer| &customer.id))
        .optional(Text::CustomerName, customer.and_then(|customer| customer.name.as_ref()))
        .optional(Text::TargetId, target.and_then(|target| target.id.as_ref()))
        .optional(Text::TargetType, target.and_then(|target| target.kind.as_ref()))
        .optional(Text::TargetName, target.and_then(|target| target.name.as_ref()))
        .optional(Text::Reason, reason.as_ref())
        .optional(Text::Changes, changes.as_ref())
        .optional(Text::CorrelationId, correlation_id.as_ref())
        .optional(Text::Source, source.as_ref())
        .optional(Text::Lines, lines.as_ref())
        .bytes(DIGEST, *digest);
    if *status != Status::Succeeded {
        item = item.text(Text::Status, status.as_str());
    }
    if actor.kind != ActorType::User {
        item = item.text(Text::ActorType, actor.kind.as_str());
    }
    if let Some(customer) = customer {
        let spelling = keys::customer_spelling(&customer.id);
        item = item.text(CUSTOMER_KEY, keys::customer_partition(partner, &spelling, month));
    }
    if is_late {
        item = item.text(LATE_KEY, keys::late_partition(partner, month));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_found_by_its_name_and_nothing_else() {
        for text in Text::VARIANTS {
            assert_eq!(Text::named((*text).into()), Some(*text));
        }
        for other in ["", "x", "zz", "dz", "h", "ck", "pkk", "PK", "é", "p ", "\0"] {
            assert_eq!(Text::named(other), None, "{other:?}");
        }
    }
}
