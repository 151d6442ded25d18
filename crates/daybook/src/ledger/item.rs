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

use std::{borrow::Cow, collections::HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};

use crate::{
    activity::{
        Action, Activity, ActivityId, Actor, ActorType, Customer, Details, Digest, Entry, PartnerId, Status, Target,
    },
    period::{Instant, Month},
};

pub(super) type Item = HashMap<String, AttributeValue>;

/// An item larger than this costs another write unit; details that would take it there are compressed and put apart.
pub(super) const INLINE_ITEM_BYTES: usize = 1_024;

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

/// An item as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) activity: Activity,
    /// The partition that it was read from.
    pub(super) partition: String,
    pub(super) digest: Digest,
    /// About what it takes in the table, in bytes.
    pub(super) size: usize,
    /// Where its details are, if they are apart.
    pub(super) place: Option<Place>,
}

/// Where details too large for the item are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A twin item; the digest of the text, hex.
    Twin(String),
    /// An object in S3; the digest of the text, hex.
    Object(String),
}

/// Writes an activity's item; `place` says where the details are, if they are not to be in it.
pub(super) fn write(activity: &Activity, partition: &str, digest: &Digest, place: Option<&Place>, late: bool) -> Item {
    let Activity { partner, id, occurred_at, recorded_at, entry, details } = activity;
    let month = occurred_at.utc_month();
    let mut item = Item::new();
    let mut put = |name: &str, value: String| {
        item.insert(name.to_owned(), AttributeValue::S(value));
    };
    put("pk", partition.to_owned());
    put("sk", sort_key(*occurred_at, id));
    put("r", recorded_at.to_millis_text());
    put("a", entry.action.to_string());
    if entry.status != Status::Succeeded {
        put("s", entry.status.as_str().to_owned());
    }
    put("u", entry.actor.id.clone());
    if entry.actor.kind != ActorType::User {
        put("ut", entry.actor.kind.as_str().to_owned());
    }
    if let Some(customer) = &entry.customer {
        put("c", customer.id.clone());
        put("ck", customer_partition(partner, &customer.id, month));
    }
    if late {
        put("lk", late_partition(partner, month));
    }
    let target = entry.target.as_ref();
    for (name, value) in [
        ("un", entry.actor.name.as_ref()),
        ("ur", entry.actor.role.as_ref()),
        ("ui", entry.actor.ip.as_ref()),
        ("ua", entry.actor.user_agent.as_ref()),
        ("cn", entry.customer.as_ref().and_then(|customer| customer.name.as_ref())),
        ("t", target.and_then(|target| target.id.as_ref())),
        ("tt", target.and_then(|target| target.kind.as_ref())),
        ("tn", target.and_then(|target| target.name.as_ref())),
        ("ch", entry.changes.as_ref()),
        ("co", entry.correlation_id.as_ref()),
        ("so", entry.source.as_ref()),
    ] {
        if let Some(value) = value {
            put(name, value.clone());
        }
    }
    match (place, details) {
        (Some(Place::Twin(digest)), _) => put("dh", digest.clone()),
        (Some(Place::Object(digest)), _) => put("ds", digest.clone()),
        (None, Details::Here(text)) => put("d", text.clone()),
        (None, _) => {}
    }
    if *details != Details::None {
        item.insert("dz".to_owned(), AttributeValue::N(details.size().to_string()));
    }
    item.insert("h".to_owned(), AttributeValue::B(Blob::new(digest.as_slice())));
    item
}

/// The size that DynamoDB bills: the bytes of names and values.
pub(super) fn size(item: &Item) -> usize {
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

/// A text of an item, in the JSON of DynamoDB.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text<'a> {
    #[serde(rename = "S", borrow)]
    text: Cow<'a, str>,
}

impl Text<'_> {
    pub(super) fn into_string(self) -> String {
        self.text.into_owned()
    }
}

/// What [`read`] reads of an item: exactly the attributes that [`write`] writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pk: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    sk: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    r: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    a: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    s: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    u: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ut: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    un: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ur: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ui: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ua: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    c: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    cn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    t: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    tt: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    tn: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ch: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    co: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    so: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    d: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    dh: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ds: Option<Text<'a>>,
    #[serde(default, deserialize_with = "digest_of_bytes")]
    h: Option<Digest>,
    #[serde(default, deserialize_with = "size_of_number")]
    dz: Option<u64>,
    /// Keys of indexes are made of what is there already.
    #[serde(rename = "ck", borrow, default, deserialize_with = "present")]
    _ck: Option<Text<'a>>,
    #[serde(rename = "lk", borrow, default, deserialize_with = "present")]
    _lk: Option<Text<'a>>,
}

/// An attribute may be absent, but is never null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    Text::deserialize(deserializer).map(Some)
}

fn digest_of_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Digest>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bytes<'a> {
        #[serde(rename = "B", borrow)]
        base64: Cow<'a, str>,
    }
    let Bytes { base64 } = Bytes::deserialize(deserializer)?;
    let mut digest = Digest::default();
    // The decoder wants room for whole groups.
    let mut decoded = [0; 18];
    match STANDARD.decode_slice(&*base64, &mut decoded) {
        Ok(length) if length == digest.len() => digest.copy_from_slice(&decoded[..length]),
        _ => return Err(serde::de::Error::custom("not a digest")),
    }
    Ok(Some(digest))
}

fn size_of_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Number<'a> {
        #[serde(rename = "N", borrow)]
        digits: Cow<'a, str>,
    }
    let Number { digits } = Number::deserialize(deserializer)?;
    digits.parse().map(Some).map_err(serde::de::Error::custom)
}

impl<'a> Fields<'a> {
    /// The same, of an item that the SDK has read.
    pub(super) fn of(item: &'a Item) -> Self {
        let text = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => Some(Text { text: Cow::Borrowed(text) }),
            _ => None,
        };
        Self {
            pk: text("pk"),
            sk: text("sk"),
            r: text("r"),
            a: text("a"),
            s: text("s"),
            u: text("u"),
            ut: text("ut"),
            un: text("un"),
            ur: text("ur"),
            ui: text("ui"),
            ua: text("ua"),
            c: text("c"),
            cn: text("cn"),
            t: text("t"),
            tt: text("tt"),
            tn: text("tn"),
            ch: text("ch"),
            co: text("co"),
            so: text("so"),
            d: text("d"),
            dh: text("dh"),
            ds: text("ds"),
            h: item.get("h").and_then(|value| value.as_b().ok()).and_then(|bytes| bytes.as_ref().try_into().ok()),
            dz: item.get("dz").and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok()),
            _ck: None,
            _lk: None,
        }
    }

    /// About what DynamoDB bills.
    fn size(&self) -> usize {
        let Self { pk, sk, r, a, s, u, ut, un, ur, ui, ua, c, cn, t, tt, tn, ch, co, so, d, dh, ds, .. } = self;
        let texts = [pk, sk, r, a, s, u, ut, un, ur, ui, ua, c, cn, t, tt, tn, ch, co, so, d, dh, ds];
        texts.into_iter().flatten().map(|text| text.text.len() + 2).sum()
    }
}

/// An item that is not what [`write`] makes: it was altered, or is of a version to come.
#[derive(Debug, thiserror::Error)]
#[error("the item {key:?} has no readable {attribute}")]
pub(super) struct Unreadable {
    key: String,
    attribute: &'static str,
}

/// Reads an item back.
pub(super) fn read(partner: &PartnerId, fields: Fields<'_>) -> Result<Row, Unreadable> {
    let size = fields.size();
    let sort_key = fields.sk.as_ref().map_or("", |text| &*text.text);
    let unreadable = |attribute| Unreadable { key: sort_key.to_owned(), attribute };
    let (occurred_at, id) = sort_key.split_once('#').ok_or_else(|| unreadable("sk"))?;
    let occurred_at = Instant::parse(occurred_at).map_err(|_| unreadable("sk"))?;
    let id = ActivityId::parse(id).map_err(|_| unreadable("sk"))?;
    let recorded_at = fields.r.as_ref().and_then(|text| Instant::parse(&text.text).ok());
    let recorded_at = recorded_at.ok_or_else(|| unreadable("r"))?;
    let action = fields.a.as_ref().and_then(|text| Action::parse(&text.text).ok()).ok_or_else(|| unreadable("a"))?;
    let status = fields.s.as_ref().map_or(Ok(Status::default()), |text| Status::parse(&text.text));
    let status = status.map_err(|_| unreadable("s"))?;
    let kind = fields.ut.as_ref().map_or(Ok(ActorType::default()), |text| ActorType::parse(&text.text));
    let kind = kind.map_err(|_| unreadable("ut"))?;
    let digest = fields.h.ok_or_else(|| unreadable("h"))?;
    let own = |text: Option<Text<'_>>| text.map(Text::into_string);
    let partition = own(fields.pk).ok_or_else(|| unreadable("pk"))?;
    let actor_id = own(fields.u).ok_or_else(|| unreadable("u"))?;
    let place = own(fields.dh).map(Place::Twin).or_else(|| own(fields.ds).map(Place::Object));
    let details = match (own(fields.d), fields.dz) {
        (Some(text), _) => Details::Here(text),
        (None, Some(size)) => Details::Apart(size),
        (None, None) => Details::None,
    };
    let customer_name = own(fields.cn);
    let target = Target { kind: own(fields.tt), id: own(fields.t), name: own(fields.tn) };
    let entry = Entry {
        customer: own(fields.c).map(|id| Customer { id, name: customer_name }),
        action,
        status,
        actor: Actor {
            kind,
            id: actor_id,
            name: own(fields.un),
            role: own(fields.ur),
            ip: own(fields.ui),
            user_agent: own(fields.ua),
        },
        target: Some(target).filter(|target| *target != Target::default()),
        changes: own(fields.ch),
        correlation_id: own(fields.co),
        source: own(fields.so),
    };
    let activity = Activity { partner: partner.clone(), id, occurred_at, recorded_at, entry, details };
    Ok(Row { activity, partition, digest, place, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::NewActivity;

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
            let item = write(&activity, "contoso#2026-11#03", &new.digest, None, true);
            assert!(item.keys().all(|name| matches!(&**name, "pk" | "sk" | "ck" | "lk") || INDEXED.contains(&&**name)));
            let partition = "contoso#2026-11#03".to_owned();
            let row = read(&activity.partner, Fields::of(&item)).unwrap();
            let size = row.size;
            assert_eq!(row, Row { activity, partition, digest: new.digest, place: None, size });
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
