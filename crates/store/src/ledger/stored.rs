//! Activities as they were read: one buffer holds the texts of a whole page, and activities borrow from it.
//!
//! An export reads millions of items. A page costs a few copies and no allocation per item.

use std::{cmp::Ordering, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    activity::{
        Action, Activity, ActivityId, Actor, ActorType, Customer, Details, Digest, Entry, PartnerId, Status, Target,
    },
    time::Instant,
};
use strum::EnumCount as _;

use super::{
    item::{Attributes, CUSTOMER_KEY, DETAILS_SIZE, DIGEST, DetailsLocation, LATE_KEY, Text},
    keys,
};

/// The items of a page, with their texts in one buffer.
#[derive(Debug)]
pub(super) struct ItemBuffer {
    partner: PartnerId,
    texts: String,
    /// The positions of the texts in the buffer, item by item.
    spans: Vec<Span>,
    items: Vec<StoredItem>,
}

/// An item whose texts are in a [`ItemBuffer`].
#[derive(Clone, Copy, Debug)]
struct StoredItem {
    /// The index of the item's first span in [`ItemBuffer::spans`].
    first_span: u32,
    /// For each [`Text`], its offset from the first span, or [`ABSENT`]. Most items have half of the texts, and a page has
    /// thousands of items, so one byte each is worth it.
    offsets: [u8; Text::COUNT],
    occurred_at: Instant,
    recorded_at: Instant,
    status: Status,
    actor_type: ActorType,
    digest: Digest,
    details_size: Option<u64>,
}

/// The position of a text in the buffer. A page of Query has at most 1 MB, so 32 bits are enough.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// The offset of a text that an item does not have.
const ABSENT: u8 = u8::MAX;

/// An item whose attributes are being read into a [`ItemBuffer`].
#[derive(Debug)]
pub(super) struct DraftItem {
    first_span: usize,
    offsets: [u8; Text::COUNT],
    digest: Option<Digest>,
    details_size: Option<u64>,
    /// The length of the buffer before this item.
    buffer_start: usize,
}

/// An item that this version of the ledger cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("the item {key:?} has no readable {attribute}")]
pub(super) struct UnreadableItem {
    pub(super) key: String,
    pub(super) attribute: &'static str,
}

impl ItemBuffer {
    /// Creates an empty buffer for about `bytes` of texts.
    pub(super) fn with_capacity(partner: &PartnerId, bytes: usize) -> Self {
        // Texts have about 24 bytes on average.
        let spans = Vec::with_capacity(bytes / 24);
        Self { partner: partner.clone(), texts: String::with_capacity(bytes), spans, items: Vec::new() }
    }

    /// Reads one item that the SDK has decoded.
    pub(super) fn read_one(partner: &PartnerId, item: &Attributes) -> Result<StoredActivity, UnreadableItem> {
        let mut buffer = Self::with_capacity(partner, size(item));
        buffer.add_decoded(item)?;
        Ok(StoredActivity { buffer: Arc::new(buffer), index: 0 })
    }

    /// Adds an item that the SDK has decoded. Unknown attributes are left out.
    pub(super) fn add_decoded(&mut self, item: &Attributes) -> Result<(), UnreadableItem> {
        let mut draft = self.begin();
        for (name, value) in item {
            match (value, Text::named(name)) {
                (AttributeValue::S(text), Some(attribute)) => {
                    self.push_text(&mut draft, attribute, |texts| texts.push_str(text));
                }
                (AttributeValue::B(bytes), _) if name == DIGEST => draft.digest = bytes.as_ref().try_into().ok(),
                (AttributeValue::N(digits), _) if name == DETAILS_SIZE => draft.details_size = digits.parse().ok(),
                _ => {}
            }
        }
        self.finish(draft)
    }

    /// Gives back unused memory.
    pub(super) fn shrink_to_fit(&mut self) {
        self.texts.shrink_to_fit();
        self.spans.shrink_to_fit();
        self.items.shrink_to_fit();
    }

    /// Begins an item.
    pub(super) fn begin(&self) -> DraftItem {
        DraftItem {
            first_span: self.spans.len(),
            offsets: [ABSENT; Text::COUNT],
            digest: None,
            details_size: None,
            buffer_start: self.texts.len(),
        }
    }

    /// Takes a text attribute, which `push` appends to the buffer. Returns whether items have this attribute and this item
    /// did not have it yet. Keys of indexes are accepted and not kept, because other attributes say the same.
    pub(super) fn take_text(&mut self, draft: &mut DraftItem, name: &str, push: impl FnOnce(&mut String)) -> bool {
        match Text::named(name) {
            Some(attribute) if draft.offsets[attribute as usize] == ABSENT => {
                self.push_text(draft, attribute, push);
                true
            }
            Some(_) => false,
            None => matches!(name, CUSTOMER_KEY | LATE_KEY),
        }
    }

    /// Takes the digest, in base64. Returns whether it is one and this item did not have it yet.
    pub(super) fn take_bytes(draft: &mut DraftItem, name: &str, base64: &str) -> bool {
        // The decoder writes whole groups of three bytes.
        let mut decoded = [0; 18];
        let length = STANDARD.decode_slice(base64, &mut decoded);
        let digest = length.ok().and_then(|length| decoded[..length].try_into().ok());
        name == DIGEST && draft.digest.is_none() && {
            draft.digest = digest;
            digest.is_some()
        }
    }

    /// Takes the size of the details. Returns whether it is one and this item did not have it yet.
    pub(super) fn take_number(draft: &mut DraftItem, name: &str, digits: &str) -> bool {
        name == DETAILS_SIZE && draft.details_size.is_none() && {
            draft.details_size = digits.parse().ok();
            draft.details_size.is_some()
        }
    }

    #[inline]
    fn push_text(&mut self, draft: &mut DraftItem, attribute: Text, push: impl FnOnce(&mut String)) {
        let start = self.texts.len();
        push(&mut self.texts);
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        // Each attribute comes once, so the offset fits into a byte.
        draft.offsets[attribute as usize] = u8::try_from(self.spans.len() - draft.first_span).unwrap_or(ABSENT);
        self.spans.push(Span { start: bound(start), end: bound(self.texts.len()) });
    }

    /// Drops an item that has attributes which the ledger does not write.
    pub(super) fn discard(&mut self, draft: &DraftItem) {
        self.texts.truncate(draft.buffer_start);
        self.spans.truncate(draft.first_span);
    }

    /// Checks an item and keeps it.
    pub(super) fn finish(&mut self, draft: DraftItem) -> Result<(), UnreadableItem> {
        let DraftItem { first_span, offsets, digest, details_size, .. } = draft;
        let text = |attribute: Text| self.text_at(first_span, offsets[attribute as usize]);
        let sort_key = text(Text::SortKey).unwrap_or_default();
        let unreadable = |attribute: &'static str| UnreadableItem { key: sort_key.to_owned(), attribute };
        let no_text = |attribute: Text| unreadable(attribute.into());
        let (instant, id) = keys::split_sort_key(sort_key).ok_or_else(|| no_text(Text::SortKey))?;
        let occurred_at = Instant::parse(instant).map_err(|_| no_text(Text::SortKey))?;
        if !ActivityId::is_valid(id) {
            return Err(no_text(Text::SortKey));
        }
        let recorded_at = text(Text::RecordedAt).and_then(|text| Instant::parse(text).ok());
        let recorded_at = recorded_at.ok_or_else(|| no_text(Text::RecordedAt))?;
        if !text(Text::Action).is_some_and(Action::is_valid) {
            return Err(no_text(Text::Action));
        }
        let status = text(Text::Status).map_or(Ok(Status::default()), Status::parse);
        let status = status.map_err(|_| no_text(Text::Status))?;
        let actor_type = text(Text::ActorType).map_or(Ok(ActorType::default()), ActorType::parse);
        let actor_type = actor_type.map_err(|_| no_text(Text::ActorType))?;
        let digest = digest.ok_or_else(|| unreadable(DIGEST))?;
        text(Text::PartitionKey).ok_or_else(|| no_text(Text::PartitionKey))?;
        // Without an actor's id, the actor was erased.
        if text(Text::Erased).is_none() {
            text(Text::ActorId).ok_or_else(|| no_text(Text::ActorId))?;
        }
        let first_span = u32::try_from(first_span).unwrap_or(u32::MAX);
        self.items.push(StoredItem {
            first_span,
            offsets,
            occurred_at,
            recorded_at,
            status,
            actor_type,
            digest,
            details_size,
        });
        Ok(())
    }

    fn text_at(&self, first_span: usize, offset: u8) -> Option<&str> {
        if offset == ABSENT {
            return None;
        }
        let Span { start, end } = self.spans[first_span + usize::from(offset)];
        self.texts.get(start as usize..end as usize)
    }

    fn text_of(&self, item: &StoredItem, attribute: Text) -> Option<&str> {
        self.text_at(item.first_span as usize, item.offsets[attribute as usize])
    }

    fn id_of(&self, item: &StoredItem) -> Option<&str> {
        let (_, id) = keys::split_sort_key(self.text_of(item, Text::SortKey)?)?;
        Some(id)
    }
}

/// About how many bytes the attributes of an item have.
fn size(item: &Attributes) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        _ => 0,
    };
    item.iter().map(|(name, of)| name.len() + value(of)).sum()
}

/// The activities of a page in order, without those that were taken.
#[derive(Clone, Debug)]
pub(super) struct StoredActivities {
    buffer: Arc<ItemBuffer>,
    index: u32,
    /// The time of the first activity, if one is left. It is kept here because merging compares it again and again.
    first_time: Option<Instant>,
}

impl StoredActivities {
    /// All activities of a buffer.
    pub(super) fn of(buffer: ItemBuffer) -> Self {
        let mut activities = Self { buffer: Arc::new(buffer), index: 0, first_time: None };
        activities.move_to(0);
        activities
    }

    fn move_to(&mut self, index: u32) {
        self.index = index;
        self.first_time = self.buffer.items.get(index as usize).map(|item| item.occurred_at);
    }

    /// Returns the first activity and leaves it in place.
    pub(super) fn peek(&self) -> Option<StoredActivity> {
        self.clone().next()
    }

    /// Compares the first activities of two pages, in the order of an ascending list.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.first_time.cmp(&other.first_time).then_with(|| self.first_id().cmp(&other.first_id()))
    }

    fn first_id(&self) -> Option<&str> {
        self.buffer.id_of(self.buffer.items.get(self.index as usize)?)
    }

    /// Whether no activity is left.
    pub(super) fn is_empty(&self) -> bool {
        self.first_time.is_none()
    }
}

impl Iterator for StoredActivities {
    type Item = StoredActivity;

    fn next(&mut self) -> Option<StoredActivity> {
        let first =
            (!self.is_empty()).then(|| StoredActivity { buffer: Arc::clone(&self.buffer), index: self.index })?;
        self.move_to(self.index + 1);
        Some(first)
    }
}

/// A recorded activity as it was read. Its details may be stored elsewhere: see [`super::Ledger::load_details`].
#[derive(Clone, Debug)]
pub struct StoredActivity {
    buffer: Arc<ItemBuffer>,
    index: u32,
}

impl StoredActivity {
    fn item(&self) -> &StoredItem {
        &self.buffer.items[self.index as usize]
    }

    fn text(&self, attribute: Text) -> Option<&str> {
        self.buffer.text_of(self.item(), attribute)
    }

    /// The sort key.
    pub(super) fn sort_key(&self) -> &str {
        self.text(Text::SortKey).unwrap_or_default()
    }

    /// The partition that the item was read from.
    pub(super) fn partition(&self) -> &str {
        self.text(Text::PartitionKey).unwrap_or_default()
    }

    /// The activity. Details that are not in the item are [`Details::Apart`].
    pub fn activity(&self) -> Activity<&str> {
        let item = self.item();
        let text = |attribute: Text| self.text(attribute);
        let customer = text(Text::CustomerId).map(|id| Customer { id, name: text(Text::CustomerName) });
        let target = Target { kind: text(Text::TargetType), id: text(Text::TargetId), name: text(Text::TargetName) };
        let entry = Entry {
            customer,
            action: Action::trusted(text(Text::Action).unwrap_or_default()),
            status: item.status,
            actor: Actor {
                kind: item.actor_type,
                id: text(Text::ActorId).unwrap_or_default(),
                name: text(Text::ActorName),
                role: text(Text::ActorRole),
                ip: text(Text::ActorIp),
                user_agent: text(Text::ActorUserAgent),
            },
            target: Some(target).filter(|target| *target != Target::default()),
            reason: text(Text::Reason),
            changes: text(Text::Changes),
            correlation_id: text(Text::CorrelationId),
            source: text(Text::Source),
        };
        Activity {
            partner: self.buffer.partner.borrowed(),
            id: ActivityId::trusted(self.buffer.id_of(item).unwrap_or_default()),
            occurred_at: item.occurred_at,
            recorded_at: item.recorded_at,
            entry,
            details: match (text(Text::Details), item.details_size) {
                (Some(text), _) => Details::Here(text),
                (None, Some(size)) => Details::Apart(size),
                (None, None) => Details::None,
            },
            lines: text(Text::Lines),
            erased: text(Text::Erased),
            digest: item.digest,
        }
    }

    /// The location of the details, if they are not in the item.
    pub(super) fn details_location(&self) -> Option<DetailsLocation<&str>> {
        let twin = self.text(Text::TwinDigest).map(DetailsLocation::Twin);
        let object = || self.text(Text::ObjectDigest).map(DetailsLocation::Object);
        twin.or_else(object).or_else(|| self.text(Text::SharedDigest).map(DetailsLocation::Shared))
    }

    /// About how many bytes DynamoDB bills for the item.
    pub(super) fn size(&self) -> usize {
        let item = self.item();
        let texts = item.offsets.iter().filter_map(|offset| self.buffer.text_at(item.first_span as usize, *offset));
        texts.map(|text| text.len() + 2).sum()
    }
}

#[cfg(test)]
mod tests {
    use domain::activity::NewActivity;

    use super::*;
    use crate::ledger::item::write_item;

    #[test]
    fn an_item_reads_back_as_the_activity_that_was_written() {
        let now = Instant::parse("2026-11-02T12:00:00.5Z").unwrap();
        let full = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","customer":{"id":"f#1","name":"Fabrikam"},
            "action":"order.created","status":"failed","actor":{"type":"system","id":"ana","name":"Ana","role":"admin_agent","ip":"::1","user_agent":"x"},
            "target":{"type":"order","id":"o-1","name":"n"},"reason":"no credit","changes":[{"field":"q","old":5,"new":12}],"correlation_id":"c","source":"portal",
            "details":{"a":1}}"#;
        let least =
            r#"{"id":"e-2","occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"}}"#;
        for sent in [full, least] {
            let partner = PartnerId::parse("contoso").unwrap();
            let activity = NewActivity::parse(sent, now).unwrap().into_activity(partner, now);
            let item = write_item(&activity, "contoso#2026-11#03", true);
            let item = match &activity.details {
                Details::Here(text) => item.details(text),
                _ => item,
            };
            let item = item.into_attributes();
            let is_known = |name: &String| {
                matches!(&**name, CUSTOMER_KEY | LATE_KEY | DIGEST | DETAILS_SIZE) || Text::named(name).is_some()
            };
            assert!(item.keys().all(is_known), "{:?}", item.keys());
            let row = ItemBuffer::read_one(&activity.partner, &item).unwrap();
            assert_eq!(row.activity().owned(), activity);
            assert_eq!((row.partition(), row.details_location()), ("contoso#2026-11#03", None));
        }
    }
}
