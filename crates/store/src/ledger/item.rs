//! Keys and items of the Activities table: the only place that knows an attribute's name.
//!
//! | attribute | holds |
//! |---|---|
//! | `pk` | `{partner}#{YYYY-MM}`, the UTC month of `occurred_at`; `{partner}#{YYYY-MM}#{shard}` in a month of several |
//! | `sk` | `{occurred_at}#{id}`: time order, equal times in the order of ids |
//! | `r` | `recorded_at`, RFC 3339 with milliseconds |
//! | `a`, `s` | action; status unless succeeded |
//! | `u`, `ut`, `un`, `ur`, `ui`, `ua` | actor: id, type unless user, name, role, ip, user agent |
//! | `c`, `cn` | customer: id, name |
//! | `t`, `tt`, `tn` | target: id, type, name |
//! | `ch`, `co`, `so` | changes (JSON), correlation id, source |
//! | `h` | digest of the content, 16 bytes |
//! | `dz` | size of the details, bytes of JSON |
//! | `d` | the details, where they are in the item |
//! | `dh` | digest of the details' text, where they are in a twin item (`pk` = `…#details`, `sk` = `…#{digest}`) |
//! | `ds` | the same, where they are an object in S3 |
//! | `ck` | key of the index `by_customer`: `{partner}#{customer}#{YYYY-MM}` |
//! | `lk` | key of the index `late`: `{partner}#{YYYY-MM}`, only on what may come after its month was exported |
//!
//! A twin item has one attribute more, `z`: the details, zstd. An entry of the directory of months (`pk` =
//! `{partner}#months`, `sk` = `YYYY-MM`) has `n`, the number of the month's shards. Names are short because they are
//! stored, and billed, with every item.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use domain::{
    activity::{
        Action, Activity, ActivityId, Actor, ActorType, Customer, Details, Digest, Entry, PartnerId, Status, Target,
    },
    time::{Instant, Month},
};

pub(super) type Item = HashMap<String, AttributeValue>;

/// An item larger than this costs another write unit; details that would take it there are compressed and put apart.
pub(super) const INLINE_ITEM_BYTES: usize = 1_024;

/// The length of an instant's text.
const INSTANT_BYTES: usize = 27;

/// What the index `by_customer` holds of an item besides its keys: all that a list or an export shows. Inline details cost
/// no write unit there, since an item that has them is within one anyway.
pub const INDEXED: [&str; 22] = [
    "r", "a", "s", "u", "ut", "un", "ur", "ui", "ua", "c", "cn", "t", "tt", "tn", "ch", "co", "so", "h", "dz", "d",
    "dh", "ds",
];

/// The partition of one shard of a month.
pub(super) fn partition(partner: &PartnerId, month: Month, shard: u8, shards: u8) -> String {
    if shards == 1 { format!("{partner}#{month}") } else { format!("{partner}#{month}#{shard:02}") }
}

/// The shard that an activity belongs to: spread by its id, so that it is the same whenever it is sent again.
pub(super) fn shard_of(id: &ActivityId, shards: u8) -> u8 {
    if shards == 1 { 0 } else { Sha256::digest(id.as_str())[0] % shards }
}

/// Where the twin items of a partition's activities are.
pub(super) fn details_partition(partition: &str) -> String {
    format!("{partition}#details")
}

/// The index `late` knows months, not shards: what is late is little.
pub(super) fn late_partition(partner: &PartnerId, month: Month) -> String {
    format!("{partner}#{month}")
}

pub(super) fn months_partition(partner: &PartnerId) -> String {
    format!("{partner}#months")
}

pub(super) fn customer_partition(partner: &PartnerId, customer: &str, month: Month) -> String {
    format!("{partner}#{customer}#{month}")
}

pub(super) fn sort_key(occurred_at: Instant, id: &ActivityId) -> String {
    format!("{occurred_at}#{id}")
}

/// Where details too large for the item are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<T = String> {
    /// A twin item; the digest of the text, hex.
    Twin(T),
    /// An object in S3; the digest of the text, hex.
    Object(T),
}

/// An item to be put, as its attributes: for the SDK, or as the JSON that it would make of it.
#[derive(Debug, Default)]
pub(super) struct NewItem<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

#[derive(Debug)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> NewItem<'a> {
    pub(super) fn text(mut self, name: &'static str, text: impl Into<Cow<'a, str>>) -> Self {
        self.0.push((name.into(), Value::Text(text.into())));
        self
    }

    pub(super) fn number(mut self, name: &'static str, number: u64) -> Self {
        self.0.push((name.into(), Value::Number(number)));
        self
    }

    pub(super) fn bytes(mut self, name: &'static str, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        self.0.push((name.into(), Value::Bytes(bytes.into())));
        self
    }

    /// An item of texts, such as a key.
    pub(super) fn of_texts(item: &'a Item) -> Self {
        let text = |(name, value): (&'a String, &'a AttributeValue)| {
            Some((Cow::Borrowed(name.as_str()), Value::Text(value.as_s().ok()?.into())))
        };
        Self(item.iter().filter_map(text).collect())
    }

    fn maybe(self, name: &'static str, text: Option<&'a String>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// The size that DynamoDB bills: the bytes of names and values.
    pub(super) fn size(&self) -> usize {
        let value = |value: &Value<'_>| match value {
            Value::Text(text) => text.len(),
            Value::Number(number) => number.to_string().len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        self.0.iter().map(|(name, of)| name.len() + value(of)).sum()
    }

    /// The item as the SDK takes it.
    pub(super) fn to_item(&self) -> Item {
        let value = |value: &Value<'_>| match value {
            Value::Text(text) => AttributeValue::S(text.to_string()),
            Value::Number(number) => AttributeValue::N(number.to_string()),
            Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.to_vec())),
        };
        self.0.iter().map(|(name, of)| (name.to_string(), value(of))).collect()
    }
}

impl Serialize for NewItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        enum Wire<'a> {
            S(&'a str),
            N(String),
            B(String),
        }
        serializer.collect_map(self.0.iter().map(|(name, value)| {
            let wire = match value {
                Value::Text(text) => Wire::S(text),
                Value::Number(number) => Wire::N(number.to_string()),
                Value::Bytes(bytes) => Wire::B(STANDARD.encode(bytes)),
            };
            (name, wire)
        }))
    }
}

/// Writes an activity's item; `place` says where the details are, if they are not to be in it.
pub(super) fn write<'a>(
    activity: &'a Activity,
    partition: &'a str,
    digest: &'a Digest,
    place: Option<&'a Place>,
    late: bool,
) -> NewItem<'a> {
    let Activity { partner, id, occurred_at, recorded_at, entry, details } = activity;
    let Entry { customer, action, status, actor, target, changes, correlation_id, source } = entry;
    let month = occurred_at.utc_month();
    let (customer, target) = (customer.as_ref(), target.as_ref());
    let mut item = NewItem(Vec::with_capacity(26))
        .text("pk", partition)
        .text("sk", sort_key(*occurred_at, id))
        .text("r", recorded_at.to_millis_text())
        .text("a", action.as_str())
        .text("u", &actor.id)
        .maybe("un", actor.name.as_ref())
        .maybe("ur", actor.role.as_ref())
        .maybe("ui", actor.ip.as_ref())
        .maybe("ua", actor.user_agent.as_ref())
        .maybe("c", customer.map(|customer| &customer.id))
        .maybe("cn", customer.and_then(|customer| customer.name.as_ref()))
        .maybe("t", target.and_then(|target| target.id.as_ref()))
        .maybe("tt", target.and_then(|target| target.kind.as_ref()))
        .maybe("tn", target.and_then(|target| target.name.as_ref()))
        .maybe("ch", changes.as_ref())
        .maybe("co", correlation_id.as_ref())
        .maybe("so", source.as_ref())
        .bytes("h", digest.as_slice());
    if *status != Status::Succeeded {
        item = item.text("s", status.as_str());
    }
    if actor.kind != ActorType::User {
        item = item.text("ut", actor.kind.as_str());
    }
    if let Some(customer) = customer {
        item = item.text("ck", customer_partition(partner, &customer.id, month));
    }
    if late {
        item = item.text("lk", late_partition(partner, month));
    }
    item = match (place, details) {
        (Some(Place::Twin(digest)), _) => item.text("dh", digest),
        (Some(Place::Object(digest)), _) => item.text("ds", digest),
        (None, Details::Here(text)) => item.text("d", text),
        (None, _) => item,
    };
    if *details != Details::None { item.number("dz", details.size()) } else { item }
}

/// About how many bytes of texts an item has.
fn size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| {
            name.len()
                + match value {
                    AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
                    AttributeValue::B(blob) => blob.as_ref().len(),
                    _ => 0,
                }
        })
        .sum()
}

/// Items as they were read: their texts in one buffer, and for each item where in it they are. What an item costs is a few
/// copies and no allocation, whoever reads it.
#[derive(Debug)]
pub(super) struct Items {
    partner: PartnerId,
    texts: String,
    /// Of one item after the other, the texts that are there.
    spans: Vec<Span>,
    stored: Vec<Stored>,
}

/// The texts of an item.
const TEXTS: [&str; 22] = [
    "pk", "sk", "r", "a", "s", "u", "ut", "un", "ur", "ui", "ua", "c", "cn", "t", "tt", "tn", "ch", "co", "so", "d",
    "dh", "ds",
];
const PK: usize = 0;
const SK: usize = 1;
const R: usize = 2;
const A: usize = 3;
const S: usize = 4;
const U: usize = 5;
const UT: usize = 6;
const UN: usize = 7;
const UR: usize = 8;
const UI: usize = 9;
const UA: usize = 10;
const C: usize = 11;
const CN: usize = 12;
const T: usize = 13;
const TT: usize = 14;
const TN: usize = 15;
const CH: usize = 16;
const CO: usize = 17;
const SO: usize = 18;
const D: usize = 19;
const DH: usize = 20;
const DS: usize = 21;

/// An item, its texts in the buffer of [`Items`].
#[derive(Clone, Copy, Debug)]
struct Stored {
    /// Where its part of [`Items::spans`] begins.
    spans_at: u32,
    /// Where in that part each of [`TEXTS`] is. Most items have half of them, and a page has thousands of items.
    places: [u8; TEXTS.len()],
    occurred_at: Instant,
    recorded_at: Instant,
    status: Status,
    kind: ActorType,
    digest: Digest,
    details_size: Option<u64>,
}

/// From where to where a text goes. A page of Query is 1 MB: 32 bits are plenty.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// The place of a text that is not there.
const NOWHERE: u8 = u8::MAX;

/// An item whose attributes are being read.
#[derive(Debug)]
pub(super) struct Draft {
    /// As in [`Stored`].
    spans_at: usize,
    places: [u8; TEXTS.len()],
    digest: Option<Digest>,
    details_size: Option<u64>,
    /// Where the buffer ended before it.
    begun_at: usize,
}

/// The index of an attribute among [`TEXTS`].
fn index_of(name: &str) -> Option<usize> {
    Some(match name {
        "pk" => PK,
        "sk" => SK,
        "r" => R,
        "a" => A,
        "s" => S,
        "u" => U,
        "ut" => UT,
        "un" => UN,
        "ur" => UR,
        "ui" => UI,
        "ua" => UA,
        "c" => C,
        "cn" => CN,
        "t" => T,
        "tt" => TT,
        "tn" => TN,
        "ch" => CH,
        "co" => CO,
        "so" => SO,
        "d" => D,
        "dh" => DH,
        "ds" => DS,
        _ => return None,
    })
}

/// An item that is not what [`write`] makes: it was altered, or is of a version to come.
#[derive(Debug, thiserror::Error)]
#[error("the item {key:?} has no readable {attribute}")]
pub(super) struct Unreadable {
    key: String,
    attribute: &'static str,
}

impl Items {
    /// No items yet; there will be about `bytes` of texts.
    pub(super) fn new(partner: &PartnerId, bytes: usize) -> Self {
        // A text has about so many on average.
        let spans = Vec::with_capacity(bytes / 24);
        Self { partner: partner.clone(), texts: String::with_capacity(bytes), spans, stored: Vec::new() }
    }

    /// One item that the SDK has read.
    pub(super) fn one(partner: &PartnerId, item: &Item) -> Result<Row, Unreadable> {
        let mut items = Self::new(partner, size(item));
        items.add(item)?;
        Ok(Row { items: Arc::new(items), index: 0 })
    }

    /// Adds an item that the SDK has read. What is no attribute of ours is left out.
    pub(super) fn add(&mut self, item: &Item) -> Result<(), Unreadable> {
        let mut draft = self.draft();
        for (name, value) in item {
            match (value, index_of(name)) {
                (AttributeValue::S(text), Some(index)) => self.text(&mut draft, index, |texts| texts.push_str(text)),
                (AttributeValue::B(bytes), _) if name == "h" => draft.digest = bytes.as_ref().try_into().ok(),
                (AttributeValue::N(digits), _) if name == "dz" => draft.details_size = digits.parse().ok(),
                _ => {}
            }
        }
        self.finish(draft)
    }

    /// Gives back the memory that is not needed once all are read: many pages wait at a time.
    pub(super) fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.spans.shrink_to_fit();
        self.stored.shrink_to_fit();
    }

    /// Begins an item.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            spans_at: self.spans.len(),
            places: [NOWHERE; TEXTS.len()],
            digest: None,
            details_size: None,
            begun_at: self.texts.len(),
        }
    }

    /// Takes a text attribute, which `push` appends to the buffer. Tells whether it is one that items have, and new to
    /// this one; keys of indexes are made of what is there already and not kept.
    pub(super) fn take_text(&mut self, draft: &mut Draft, name: &str, push: impl FnOnce(&mut String)) -> bool {
        match index_of(name) {
            Some(index) if draft.places[index] == NOWHERE => {
                self.text(draft, index, push);
                true
            }
            Some(_) => false,
            None => matches!(name, "ck" | "lk"),
        }
    }

    /// Takes the digest, in base64; tells whether it is one, and new to this item.
    pub(super) fn take_bytes(draft: &mut Draft, name: &str, base64: &str) -> bool {
        // The decoder wants room for whole groups.
        let mut decoded = [0; 18];
        let length = STANDARD.decode_slice(base64, &mut decoded);
        let digest = length.ok().and_then(|length| decoded[..length].try_into().ok());
        name == "h" && draft.digest.is_none() && {
            draft.digest = digest;
            digest.is_some()
        }
    }

    /// Takes the size of details; tells whether it is one, and new to this item.
    pub(super) fn take_number(draft: &mut Draft, name: &str, digits: &str) -> bool {
        name == "dz" && draft.details_size.is_none() && {
            draft.details_size = digits.parse().ok();
            draft.details_size.is_some()
        }
    }

    #[inline]
    fn text(&mut self, draft: &mut Draft, index: usize, push: impl FnOnce(&mut String)) {
        let start = self.texts.len();
        push(&mut self.texts);
        let bound = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        // Each of the texts comes once.
        draft.places[index] = u8::try_from(self.spans.len() - draft.spans_at).unwrap_or(NOWHERE);
        self.spans.push(Span { start: bound(start), end: bound(self.texts.len()) });
    }

    /// Drops an item whose attributes are not all ours.
    pub(super) fn forget(&mut self, draft: &Draft) {
        self.texts.truncate(draft.begun_at);
        self.spans.truncate(draft.spans_at);
    }

    /// Checks an item and keeps it.
    pub(super) fn finish(&mut self, draft: Draft) -> Result<(), Unreadable> {
        let Draft { spans_at, places, digest, details_size, .. } = draft;
        let text = |index: usize| self.text_at(spans_at, places[index]);
        let sort_key = text(SK).unwrap_or_default();
        let unreadable = |index: usize| Unreadable { key: sort_key.to_owned(), attribute: TEXTS[index] };
        let (time, id) = sort_key.split_at_checked(INSTANT_BYTES).ok_or_else(|| unreadable(SK))?;
        let id = id.strip_prefix('#').ok_or_else(|| unreadable(SK))?;
        let occurred_at = Instant::parse(time).map_err(|_| unreadable(SK))?;
        if !ActivityId::allows(id) {
            return Err(unreadable(SK));
        }
        let recorded_at = text(R).and_then(|text| Instant::parse(text).ok()).ok_or_else(|| unreadable(R))?;
        if !text(A).is_some_and(Action::allows) {
            return Err(unreadable(A));
        }
        let status = text(S).map_or(Ok(Status::default()), Status::parse).map_err(|_| unreadable(S))?;
        let kind = text(UT).map_or(Ok(ActorType::default()), ActorType::parse).map_err(|_| unreadable(UT))?;
        let digest = digest.ok_or_else(|| Unreadable { key: sort_key.to_owned(), attribute: "h" })?;
        for index in [PK, U] {
            text(index).ok_or_else(|| unreadable(index))?;
        }
        let spans_at = u32::try_from(spans_at).unwrap_or(u32::MAX);
        self.stored.push(Stored { spans_at, places, occurred_at, recorded_at, status, kind, digest, details_size });
        Ok(())
    }

    /// A text of the item whose spans begin there.
    fn text_at(&self, spans_at: usize, place: u8) -> Option<&str> {
        if place == NOWHERE {
            return None;
        }
        let Span { start, end } = self.spans[spans_at + usize::from(place)];
        self.texts.get(start as usize..end as usize)
    }

    fn text_of(&self, stored: &Stored, index: usize) -> Option<&str> {
        self.text_at(stored.spans_at as usize, stored.places[index])
    }

    /// An item's id, as its sort key has it.
    fn id_of(&self, stored: &Stored) -> Option<&str> {
        self.text_of(stored, SK)?.get(INSTANT_BYTES + 1..)
    }
}

/// Items in order, from the first that is not yet taken.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    items: Arc<Items>,
    index: u32,
    /// When the first one occurred, if there is one: it is compared with others' over and over.
    time: Option<Instant>,
}

impl Rows {
    /// All of them.
    pub(super) fn of(items: Items) -> Self {
        let mut rows = Self { items: Arc::new(items), index: 0, time: None };
        rows.stand_at(0);
        rows
    }

    fn stand_at(&mut self, index: u32) {
        self.index = index;
        self.time = self.items.stored.get(index as usize).map(|stored| stored.occurred_at);
    }

    /// The next one, which stays there.
    pub(super) fn peek(&self) -> Option<Row> {
        self.clone().next()
    }

    /// Which of two comes first in an ascending list, by the next one of each.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then_with(|| self.id().cmp(&other.id()))
    }

    fn id(&self) -> Option<&str> {
        self.items.id_of(self.items.stored.get(self.index as usize)?)
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.time.is_none()
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let row = (!self.is_empty()).then(|| Row { items: Arc::clone(&self.items), index: self.index })?;
        self.stand_at(self.index + 1);
        Some(row)
    }
}

/// An item among others.
#[derive(Clone, Debug)]
pub(super) struct Row {
    items: Arc<Items>,
    index: u32,
}

impl Row {
    fn stored(&self) -> &Stored {
        &self.items.stored[self.index as usize]
    }

    fn text(&self, index: usize) -> Option<&str> {
        self.items.text_of(self.stored(), index)
    }

    /// The sort key: the place of the activity in its partner's list.
    pub(super) fn sort_key(&self) -> &str {
        self.text(SK).unwrap_or_default()
    }

    /// The activity; details that are not in the item are apart.
    pub(super) fn activity(&self) -> Activity<&str> {
        let stored = self.stored();
        let text = |index: usize| self.text(index);
        let customer = text(C).map(|id| Customer { id, name: text(CN) });
        let target = Target { kind: text(TT), id: text(T), name: text(TN) };
        let entry = Entry {
            customer,
            action: Action::known(text(A).unwrap_or_default()),
            status: stored.status,
            actor: Actor {
                kind: stored.kind,
                id: text(U).unwrap_or_default(),
                name: text(UN),
                role: text(UR),
                ip: text(UI),
                user_agent: text(UA),
            },
            target: Some(target).filter(|target| *target != Target::default()),
            changes: text(CH),
            correlation_id: text(CO),
            source: text(SO),
        };
        Activity {
            partner: self.items.partner.borrowed(),
            id: ActivityId::known(self.items.id_of(stored).unwrap_or_default()),
            occurred_at: stored.occurred_at,
            recorded_at: stored.recorded_at,
            entry,
            details: match (text(D), stored.details_size) {
                (Some(text), _) => Details::Here(text),
                (None, Some(size)) => Details::Apart(size),
                (None, None) => Details::None,
            },
        }
    }

    /// The partition that it was read from.
    pub(super) fn partition(&self) -> &str {
        self.text(PK).unwrap_or_default()
    }

    /// The digest of the activity's content.
    pub(super) fn digest(&self) -> &Digest {
        &self.stored().digest
    }

    /// Where its details are, if they are apart.
    pub(super) fn place(&self) -> Option<Place<&str>> {
        self.text(DH).map(Place::Twin).or_else(|| self.text(DS).map(Place::Object))
    }

    /// About what DynamoDB bills, in bytes.
    pub(super) fn size(&self) -> usize {
        (0..TEXTS.len()).filter_map(|index| self.text(index)).map(|text| text.len() + 2).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::activity::NewActivity;

    #[test]
    fn an_item_reads_back_as_the_activity_that_it_was_written_from() {
        let now = Instant::parse("2026-11-02T12:00:00.5Z").unwrap();
        let full = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z","customer":{"id":"f#1","name":"Fabrikam"},
            "action":"order.created","status":"failed","actor":{"type":"system","id":"ana","name":"Ana","role":"admin_agent","ip":"::1","user_agent":"x"},
            "target":{"type":"order","id":"o-1","name":"n"},"changes":[{"field":"q","old":5,"new":12}],"correlation_id":"c","source":"portal",
            "details":{"a":1}}"#;
        let least =
            r#"{"id":"e-2","occurred_at":"2026-11-02T09:30:00Z","action":"order.created","actor":{"id":"ana"}}"#;
        for sent in [full, least] {
            let new = NewActivity::parse(sent, now).unwrap();
            let activity = Activity {
                partner: PartnerId::parse("contoso").unwrap(),
                id: new.id.unwrap(),
                occurred_at: new.occurred_at,
                recorded_at: now,
                entry: new.entry,
                details: new.details.map_or(Details::None, Details::Here),
            };
            let item = write(&activity, "contoso#2026-11#03", &new.digest, None, true).to_item();
            assert!(item.keys().all(|name| matches!(&**name, "pk" | "sk" | "ck" | "lk") || INDEXED.contains(&&**name)));
            let row = Items::one(&activity.partner, &item).unwrap();
            assert_eq!(row.activity().owned(), activity);
            assert_eq!((row.partition(), row.digest(), row.place()), ("contoso#2026-11#03", &new.digest, None));
        }
    }

    #[test]
    fn ids_spread_over_all_shards_and_always_the_same_way() {
        let mut counts = [0; 8];
        for number in 0..8_000 {
            let id = ActivityId::parse(&format!("evt-{number}")).unwrap();
            counts[usize::from(shard_of(&id, 8))] += 1;
            assert_eq!(shard_of(&id, 1), 0);
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        // A change here would make old activities unfindable.
        assert_eq!(shard_of(&ActivityId::parse("evt-1").unwrap(), 8), 3);
    }
}
