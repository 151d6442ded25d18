//! A table in memory: items as JSON text in the order of their keys, and Query by DynamoDB's rules.
//!
//! A page ends at 1 MB of items or at the limit; a position is the key of an item.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use crate::Error;

/// The bytes of items that end a page of Query.
const PAGE_BYTES: u64 = 1_024 * 1_024;
/// The bytes that one unit reads with strong consistency.
const UNIT_BYTES: u64 = 4_096;

/// The keys of a table and of its indexes: hash and range.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Schema {
    pub(crate) table: String,
    keys: (String, String),
    indexes: HashMap<String, (String, String)>,
}

struct Item {
    text: Box<str>,
    bytes: u64,
}

struct Entry {
    range: Box<str>,
    item: usize,
}

/// The items of one hash key in the order of their range keys.
#[derive(Default)]
struct Partition {
    entries: Vec<Entry>,
    sorted: bool,
}

/// Details in one kind of place: in their items, in twin items, or in objects.
#[derive(Clone, Copy, Default, Serialize)]
struct Place {
    count: u64,
    /// The bytes of JSON.
    bytes: u64,
    /// The bytes that are stored: those of JSON, or the compressed ones. The table does not know those of objects.
    stored: u64,
}

/// The details of all items that were put.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct DetailsSizes {
    inline: Place,
    twins: Place,
    objects: Place,
}

impl DetailsSizes {
    fn add(&mut self, item: &Map<String, Value>) {
        if let Some(packed) = item.get("z") {
            self.twins.stored += value_bytes(packed);
        }
        let size = item.get("dz").and_then(|size| size["N"].as_str()?.parse().ok()).unwrap_or_default();
        for (name, place) in [("d", &mut self.inline), ("dh", &mut self.twins), ("do", &mut self.objects)] {
            if item.contains_key(name) {
                place.count += 1;
                place.bytes += size;
                place.stored += if name == "d" { size } else { 0 };
            }
        }
    }
}

/// The items, by the keys of the table and of each index.
pub(crate) struct Table {
    schema: Schema,
    items: Vec<Item>,
    details: DetailsSizes,
    /// By index, then by hash key; the empty name stands for the keys of the table.
    partitions: HashMap<String, HashMap<String, Partition>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Query<'a> {
    index_name: Option<String>,
    key_condition_expression: String,
    #[serde(default)]
    expression_attribute_names: HashMap<String, String>,
    #[serde(default)]
    expression_attribute_values: HashMap<String, HashMap<String, Value>>,
    #[serde(default)]
    exclusive_start_key: Option<HashMap<String, HashMap<String, String>>>,
    limit: Option<usize>,
    scan_index_forward: Option<bool>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    #[serde(borrow)]
    filter_expression: Option<&'a RawValue>,
}

/// A page and the cost of reading it.
pub(crate) struct Page {
    pub(crate) body: String,
    pub(crate) hash: String,
    pub(crate) bytes: u64,
    pub(crate) units: f64,
}

enum Range {
    All,
    Between(String, String),
    Prefix(String),
    Compared(String, String),
}

impl Range {
    fn admits(&self, range: &str) -> bool {
        match self {
            Self::All => true,
            Self::Between(from, to) => from.as_str() <= range && range <= to.as_str(),
            Self::Prefix(prefix) => range.starts_with(prefix.as_str()),
            Self::Compared(operator, with) => match operator.as_str() {
                "=" => range == with,
                "<" => range < with.as_str(),
                "<=" => range <= with.as_str(),
                ">" => range > with.as_str(),
                _ => range >= with.as_str(),
            },
        }
    }

    /// Returns the first index of sorted entries that the condition can admit.
    fn start(&self, entries: &[Entry]) -> usize {
        let from = match self {
            Self::Between(from, _) | Self::Prefix(from) => from,
            Self::Compared(operator, with) if operator != "<" && operator != "<=" => with,
            Self::All | Self::Compared(..) => return 0,
        };
        entries.partition_point(|entry| &*entry.range < from.as_str())
    }
}

impl Query<'_> {
    fn value(&self, name: &str) -> Result<String, Error> {
        let value = self.expression_attribute_values.get(name).and_then(|value| value.get("S"));
        Ok(value.and_then(Value::as_str).ok_or_else(|| format!("{name} is no text"))?.to_owned())
    }

    fn name<'n>(&'n self, name: &'n str) -> &'n str {
        self.expression_attribute_names.get(name).map_or(name, String::as_str)
    }

    /// Parses the conditions on the hash key and on the range key.
    fn condition(&self, hash: &str) -> Result<(String, Range), Error> {
        let mut spaced = String::new();
        for character in self.key_condition_expression.chars() {
            match character {
                '(' | ')' | ',' => spaced.push(' '),
                _ => spaced.push(character),
            }
        }
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut wanted = None;
        let mut range = Range::All;
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            rest = match rest {
                ["AND" | "and", rest @ ..] => rest,
                ["begins_with", _, prefix, rest @ ..] => {
                    range = Range::Prefix(self.value(prefix)?);
                    rest
                }
                [_, "BETWEEN" | "between", from, "AND" | "and", to, rest @ ..] => {
                    range = Range::Between(self.value(from)?, self.value(to)?);
                    rest
                }
                [name, "=", value, rest @ ..] if self.name(name) == hash => {
                    wanted = Some(self.value(value)?);
                    rest
                }
                [_, operator @ ("=" | "<" | "<=" | ">" | ">="), value, rest @ ..] => {
                    range = Range::Compared((*operator).to_owned(), self.value(value)?);
                    rest
                }
                _ => return Err(format!("cannot read {:?}", self.key_condition_expression).into()),
            };
        }
        Ok((wanted.ok_or("no condition on the hash key")?, range))
    }

    /// Returns the hash key of the condition: its first value, whatever the attribute.
    pub(crate) fn hash_key(&self) -> Result<String, Error> {
        let words = self.key_condition_expression.split([' ', '(', ')', '=']);
        self.value(words.into_iter().find(|word| word.starts_with(':')).ok_or("no condition")?)
    }

    pub(crate) fn units(&self, bytes: u64) -> f64 {
        read_units(bytes, self.consistent_read == Some(true))
    }
}

impl Table {
    pub(crate) fn new(schema: Schema) -> Self {
        Self { schema, items: Vec::new(), details: DetailsSizes::default(), partitions: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn details(&self) -> DetailsSizes {
        self.details
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| &*item.text)
    }

    /// Adds an item.
    pub(crate) fn put(&mut self, text: &str) -> Result<(), Error> {
        let item: Map<String, Value> = serde_json::from_str(text)?;
        let index = self.items.len();
        let own = (String::new(), self.schema.keys.clone());
        let indexes = self.schema.indexes.clone();
        for (name, (hash, range)) in std::iter::once(own).chain(indexes) {
            if let (Some(hash), Some(range)) = (text_of(&item, &hash), text_of(&item, &range)) {
                let partition = self.partitions.entry(name).or_default().entry(hash.to_owned()).or_default();
                partition.entries.push(Entry { range: range.into(), item: index });
                partition.sorted = false;
            }
        }
        self.details.add(&item);
        self.items.push(Item { bytes: billed(&item), text: text.into() });
        Ok(())
    }

    /// Returns the partition key and the sort key of an item.
    pub(crate) fn key(&self, item: &Map<String, Value>) -> Option<(String, String)> {
        let (hash, range) = &self.schema.keys;
        Some((text_of(item, hash)?.to_owned(), text_of(item, range)?.to_owned()))
    }

    /// Returns the number of indexes that copy an item. A copy counts as the whole item.
    pub(crate) fn copies(&self, item: &Map<String, Value>) -> u64 {
        let copies =
            |(hash, range): &&(String, String)| text_of(item, hash).is_some() && text_of(item, range).is_some();
        self.schema.indexes.values().filter(copies).count() as u64
    }

    /// Sorts the items that were put since the last read.
    fn sort(&mut self, index: &str, hash: &str) {
        let partition = self.partitions.get_mut(index).and_then(|partitions| partitions.get_mut(hash));
        if let Some(partition) = partition
            && !partition.sorted
        {
            partition.entries.sort_unstable_by(|a, b| (&a.range, a.item).cmp(&(&b.range, b.item)));
            if index.is_empty() {
                partition.entries.dedup_by(|later, first| later.range == first.range);
            }
            partition.sorted = true;
        }
    }

    fn partition(&self, index: &str, hash: &str) -> Option<&Partition> {
        self.partitions.get(index)?.get(hash)
    }

    /// Answers a Query.
    pub(crate) fn query(&mut self, query: &Query<'_>) -> Result<Page, Error> {
        if query.filter_expression.is_some() {
            return Err("filter expressions are not known here".into());
        }
        let index = query.index_name.clone().unwrap_or_default();
        let (hash_name, range_name) = match query.index_name.as_deref() {
            None => self.schema.keys.clone(),
            Some(index) => self.schema.indexes.get(index).cloned().ok_or("no such index")?,
        };
        let own = self.schema.keys.clone();
        let (hash, range) = query.condition(&hash_name)?;
        let after = match &query.exclusive_start_key {
            None => None,
            Some(key) => Some(key.get(&range_name).and_then(|value| value.get("S")).ok_or("no range key to start at")?),
        };
        let limit = query.limit.unwrap_or(usize::MAX);
        let forward = query.scan_index_forward != Some(false);
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut more = false;
        self.sort(&index, &hash);
        if let Some(partition) = self.partition(&index, &hash) {
            let entries = &partition.entries;
            let first = range.start(entries);
            let last = first + entries[first..].partition_point(|entry| range.admits(&entry.range));
            let mut span = &entries[first..last];
            if let Some(after) = after {
                span = if forward {
                    &span[span.partition_point(|entry| *entry.range <= **after)..]
                } else {
                    &span[..span.partition_point(|entry| *entry.range < **after)]
                };
            }
            let mut walk: Box<dyn Iterator<Item = &Entry>> =
                if forward { Box::new(span.iter()) } else { Box::new(span.iter().rev()) };
            for entry in walk.by_ref() {
                found.push(entry.item);
                bytes += self.items[entry.item].bytes;
                if found.len() == limit || bytes >= PAGE_BYTES {
                    more = true;
                    break;
                }
            }
        }
        let mut body = String::with_capacity(usize::try_from(bytes).unwrap_or_default() * 2 + 1_024);
        body.push_str(&format!("{{\"Count\":{0},\"ScannedCount\":{0},\"Items\":[", found.len()));
        for (number, item) in found.iter().enumerate() {
            if number > 0 {
                body.push(',');
            }
            let text = &self.items[*item].text;
            match &query.projection_expression {
                None => body.push_str(text),
                Some(projection) => {
                    let mut item: Map<String, Value> = serde_json::from_str(text)?;
                    let names: Vec<&str> = projection.split(',').map(|name| query.name(name.trim())).collect();
                    item.retain(|name, _| names.contains(&name.as_str()));
                    body.push_str(&serde_json::to_string(&item)?);
                }
            }
        }
        body.push(']');
        if let (true, Some(last)) = (more, found.last()) {
            let mut item: Map<String, Value> = serde_json::from_str(&self.items[*last].text)?;
            item.retain(|name, _| [&own.0, &own.1, &hash_name, &range_name].contains(&name));
            body.push_str(&format!(",\"LastEvaluatedKey\":{}", Value::Object(item)));
        }
        body.push('}');
        Ok(Page { body, hash, bytes, units: query.units(bytes) })
    }

    /// Returns the hash key of a GetItem, and the text and the bytes of its item.
    pub(crate) fn get(
        &mut self,
        key: &HashMap<String, HashMap<String, String>>,
    ) -> Result<(String, Option<TextAndBytes<'_>>), Error> {
        let (hash, range) = self.schema.keys.clone();
        let part = |name: &str| key.get(name).and_then(|value| value.get("S")).cloned().ok_or("no such key");
        let (hash, range) = (part(&hash)?, part(&range)?);
        self.sort("", &hash);
        let item = self.partition("", &hash).and_then(|partition| {
            let at = partition.entries.binary_search_by(|entry| (*entry.range).cmp(&*range)).ok()?;
            Some(partition.entries[at].item)
        });
        Ok((hash, item.map(|item| (&*self.items[item].text, self.items[item].bytes))))
    }

    /// Returns the number of items and their bytes by hash key.
    pub(crate) fn sizes(&self) -> Value {
        let partitions = self.partitions.get("").into_iter().flatten();
        let sizes = partitions.map(|(hash, partition)| {
            let bytes: u64 = partition.entries.iter().map(|entry| self.items[entry.item].bytes).sum();
            (hash.clone(), json!([partition.entries.len(), bytes]))
        });
        Value::Object(sizes.collect())
    }
}

fn text_of<'a>(item: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    item.get(name)?.get("S")?.as_str()
}

/// The JSON of an item, and the bytes that DynamoDB bills for it.
type TextAndBytes<'a> = (&'a str, u64);

/// Returns the units of one read of so many bytes.
pub(crate) fn read_units(bytes: u64, consistent: bool) -> f64 {
    let units = bytes.div_ceil(UNIT_BYTES).max(1);
    #[expect(clippy::cast_precision_loss, reason = "far below what a double counts")]
    let units = units as f64;
    if consistent { units } else { units / 2.0 }
}

/// Returns the size that DynamoDB bills: the bytes of names and values.
pub(crate) fn billed(item: &Map<String, Value>) -> u64 {
    item.iter().map(|(name, typed)| name.len() as u64 + value_bytes(typed)).sum()
}

fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Object(typed) => typed
            .iter()
            .map(|(kind, value)| match (kind.as_str(), value) {
                ("S", Value::String(text)) => text.len() as u64,
                ("N", Value::String(digits)) => digits.len() as u64 / 2 + 1,
                ("B", Value::String(encoded)) => encoded.trim_end_matches('=').len() as u64 * 3 / 4,
                _ => 1,
            })
            .sum(),
        _ => 0,
    }
}
