//! Twin items as they were read: one buffer holds the keys and the packed details of a whole page.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{activity::PartnerId, query::SortOrder};

use super::{
    item::Attributes,
    page_json::PageItems,
    scanner::{Quoted, Scanner, unescape},
    stored::UnreadableItem,
};

/// The attribute with the packed details.
pub(super) const PACKED: &str = "z";

/// The twin items of a page.
#[derive(Debug)]
pub(super) struct TwinBuffer {
    keys: String,
    packed: Vec<u8>,
    /// For each item, the ends of its sort key and of its details in the buffers; the next item begins there.
    ends: Vec<(usize, usize)>,
}

impl PageItems for TwinBuffer {
    fn new(_: &PartnerId, body_bytes: usize) -> Self {
        // Base64 takes four bytes for three.
        Self { keys: String::new(), packed: Vec::with_capacity(body_bytes / 4 * 3), ends: Vec::new() }
    }

    fn read(&mut self, scanner: &mut Scanner<'_>) -> Option<Result<(), UnreadableItem>> {
        let (mut key, mut base64): (Option<Quoted<'_>>, Option<&str>) = (None, None);
        scanner.members(|scanner| {
            match scanner.attribute()? {
                ("pk", b'S', _) => {}
                ("sk", b'S', text) if key.is_none() => key = Some(text),
                (PACKED, b'B', text) if base64.is_none() && !text.has_escapes => base64 = Some(text.raw),
                _ => return None,
            }
            Some(())
        })?;
        let (key, base64) = (key?, base64?);
        let (key_start, packed_start) = (self.keys.len(), self.packed.len());
        let is_read =
            STANDARD.decode_vec(base64, &mut self.packed).is_ok() && unescape(key.raw, &mut self.keys).is_some();
        if !is_read {
            self.keys.truncate(key_start);
            self.packed.truncate(packed_start);
            return None;
        }
        self.ends.push((self.keys.len(), self.packed.len()));
        Some(Ok(()))
    }

    fn add(&mut self, item: &Attributes) -> Result<(), UnreadableItem> {
        let Some(AttributeValue::S(key)) = item.get("sk") else {
            return Err(UnreadableItem { key: String::new(), attribute: "sk" });
        };
        let Some(AttributeValue::B(packed)) = item.get(PACKED) else {
            return Err(UnreadableItem { key: key.clone(), attribute: PACKED });
        };
        self.keys.push_str(key);
        self.packed.extend_from_slice(packed.as_ref());
        self.ends.push((self.keys.len(), self.packed.len()));
        Ok(())
    }

    fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.packed.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

impl TwinBuffer {
    /// Returns the places of an item in the two buffers.
    fn places(&self, index: usize) -> Option<(Range<usize>, Range<usize>)> {
        let (key_end, packed_end) = *self.ends.get(index)?;
        let (key_start, packed_start) =
            index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        Some((key_start..key_end, packed_start..packed_end))
    }
}

/// The twin items of a page in order, without those that were passed.
#[derive(Debug)]
pub(super) struct Twins {
    buffer: Arc<TwinBuffer>,
    index: usize,
}

/// The packed details of one activity.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    buffer: Arc<TwinBuffer>,
    place: Range<usize>,
}

/// The result of looking for a twin item among those of a page.
#[derive(Debug)]
pub(super) enum TwinSearch {
    /// The item is there.
    Found(Packed),
    /// The items go on behind the place where it would be.
    Missing,
    /// All items of the page come before it.
    Behind,
}

impl Twins {
    /// All twin items of a page.
    pub(super) fn of(buffer: TwinBuffer) -> Self {
        Self { buffer: Arc::new(buffer), index: 0 }
    }

    /// Looks for the twin item of an activity, by the activity's sort key and the digest of its details. Passes all items
    /// that come before it: recorders that died have left them behind.
    pub(super) fn find(&mut self, sort_key: &str, digest: &str, order: SortOrder) -> TwinSearch {
        while let Some((key, place)) = self.buffer.places(self.index) {
            let compared = compare_twin(&self.buffer.keys[key], sort_key, digest);
            match if order == SortOrder::Ascending { compared } else { compared.reverse() } {
                Ordering::Less => self.index += 1,
                Ordering::Equal => {
                    self.index += 1;
                    return TwinSearch::Found(Packed { buffer: Arc::clone(&self.buffer), place });
                }
                Ordering::Greater => return TwinSearch::Missing,
            }
        }
        TwinSearch::Behind
    }
}

impl Packed {
    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer.packed[self.place.clone()]
    }
}

/// Compares the sort key of a twin item with [`super::keys::twin_sort_key`] of an activity.
fn compare_twin(twin: &str, sort_key: &str, digest: &str) -> Ordering {
    match twin.strip_prefix(sort_key) {
        Some(rest) => rest.strip_prefix('#').map_or_else(|| rest.cmp("#"), |rest| rest.cmp(digest)),
        None => twin.cmp(sort_key),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::primitives::Blob;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::keys::twin_sort_key;

    fn buffer(keys: &[String]) -> TwinBuffer {
        let mut buffer = TwinBuffer::new(&PartnerId::parse("contoso").unwrap(), 0);
        for key in keys {
            let item = HashMap::from([
                ("sk".to_owned(), AttributeValue::S(key.clone())),
                (PACKED.to_owned(), AttributeValue::B(Blob::new(key.as_bytes()))),
            ]);
            buffer.add(&item).unwrap();
        }
        buffer
    }

    #[test]
    fn twin_items_are_read_as_the_ledger_writes_them() {
        let mut twins = TwinBuffer::new(&PartnerId::parse("contoso").unwrap(), 0);
        let mut read = |text: &str| twins.read(&mut Scanner { text, at: 0 }).map(Result::unwrap);
        assert_eq!(read(r#"{"pk":{"S":"p"},"sk":{"S":"a#1"},"z":{"B":"AQI="}}"#), Some(()));
        assert_eq!(read(r##"{ "z": {"B": ""}, "sk": {"S": "b\"#2"}, "pk": {"S": "p"} }"##), Some(()));
        for other in [
            r#"{"pk":{"S":"p"},"sk":{"S":"c#3"}}"#,
            r#"{"pk":{"S":"p"},"sk":{"S":"c#3"},"z":{"B":"?"}}"#,
            r#"{"pk":{"S":"p"},"sk":{"S":"c#3"},"z":{"B":"AQI="},"x":{"S":"y"}}"#,
            r#"{"sk":{"S":"\ud800"},"z":{"B":"AQI="}}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        let mut twins = Twins::of(twins);
        let TwinSearch::Found(packed) = twins.find("a", "1", SortOrder::Ascending) else { panic!("not found") };
        assert_eq!(packed.bytes(), [1, 2]);
        let TwinSearch::Found(packed) = twins.find("b\"", "2", SortOrder::Ascending) else { panic!("not found") };
        assert!(packed.bytes().is_empty());
    }

    proptest! {
        #[test]
        fn each_activity_finds_its_own_twin_item_in_one_pass(
            items in prop::collection::btree_map(("[a-c.:-]{1,3}", "[0-9]{1,2}"), (any::<bool>(), any::<bool>()), 0..12),
            descending in any::<bool>(),
        ) {
            let order = if descending { SortOrder::Descending } else { SortOrder::Ascending };
            let mut keys: Vec<_> = items.iter().filter(|(_, (exists, _))| *exists).map(|((id, digest), _)| twin_sort_key(id, digest)).collect();
            let mut wanted: Vec<_> = items.iter().filter(|(_, (_, wanted))| *wanted).collect();
            keys.sort_unstable();
            wanted.sort_unstable_by_key(|((id, digest), _)| twin_sort_key(id, digest));
            if descending {
                keys.reverse();
                wanted.reverse();
            }
            let mut twins = Twins::of(buffer(&keys));
            for ((id, digest), (exists, _)) in wanted {
                match twins.find(id, digest, order) {
                    TwinSearch::Found(packed) => {
                        prop_assert!(*exists);
                        let key = twin_sort_key(id, digest);
                        prop_assert_eq!(packed.bytes(), key.as_bytes());
                    }
                    TwinSearch::Missing | TwinSearch::Behind => prop_assert!(!exists),
                }
            }
        }
    }
}
