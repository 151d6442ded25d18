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

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
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
fn late_partition(partner: &PartnerId, month: Month) -> String {
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

/// An item that is not what [`write`] makes: it was altered, or is of a version to come.
#[derive(Debug, thiserror::Error)]
#[error("the item {key:?} has no readable {attribute}")]
pub(super) struct Unreadable {
    key: String,
    attribute: &'static str,
}

/// Reads an item back.
pub(super) fn read(partner: &PartnerId, mut item: Item) -> Result<Row, Unreadable> {
    let key = text(&mut item, "sk").unwrap_or_default();
    let unreadable = |attribute| Unreadable { key: key.clone(), attribute };
    let (occurred_at, id) = key.split_once('#').ok_or_else(|| unreadable("sk"))?;
    let occurred_at = Instant::parse(occurred_at).map_err(|_| unreadable("sk"))?;
    let id = ActivityId::parse(id).map_err(|_| unreadable("sk"))?;
    let recorded_at =
        text(&mut item, "r").and_then(|text| Instant::parse(&text).ok()).ok_or_else(|| unreadable("r"))?;
    let action = text(&mut item, "a").and_then(|text| Action::parse(&text).ok()).ok_or_else(|| unreadable("a"))?;
    let status =
        text(&mut item, "s").map_or(Ok(Status::default()), |text| Status::parse(&text)).map_err(|_| unreadable("s"))?;
    let kind = text(&mut item, "ut")
        .map_or(Ok(ActorType::default()), |text| ActorType::parse(&text))
        .map_err(|_| unreadable("ut"))?;
    let size = match item.get("dz") {
        None => None,
        Some(value) => Some(value.as_n().ok().and_then(|n| n.parse::<u64>().ok()).ok_or_else(|| unreadable("dz"))?),
    };
    let digest = digest(&item).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| unreadable("h"))?;
    let mut take = |name| text(&mut item, name);
    let partition = take("pk").ok_or_else(|| unreadable("pk"))?;
    let place = take("dh").map(Place::Twin).or_else(|| take("ds").map(Place::Object));
    let details = match (take("d"), size) {
        (Some(text), _) => Details::Here(text),
        (None, Some(size)) => Details::Apart(size),
        (None, None) => Details::None,
    };
    let customer_name = take("cn");
    let target = Target { kind: take("tt"), id: take("t"), name: take("tn") };
    let entry = Entry {
        customer: take("c").map(|id| Customer { id, name: customer_name }),
        action,
        status,
        actor: Actor {
            kind,
            id: take("u").ok_or_else(|| unreadable("u"))?,
            name: take("un"),
            role: take("ur"),
            ip: take("ui"),
            user_agent: take("ua"),
        },
        target: Some(target).filter(|target| *target != Target::default()),
        changes: take("ch"),
        correlation_id: take("co"),
        source: take("so"),
    };
    let activity = Activity { partner: partner.clone(), id, occurred_at, recorded_at, entry, details };
    Ok(Row { activity, partition, digest, place })
}

/// The digest of the content that an item holds.
pub(super) fn digest(item: &Item) -> Option<&[u8]> {
    item.get("h").and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
}

fn text(item: &mut Item, name: &str) -> Option<String> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
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
            let row = read(&activity.partner, item).unwrap();
            assert_eq!(row, Row { activity, partition, digest: new.digest, place: None });
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
