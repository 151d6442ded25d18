//! Keys of the Activities table and of the objects with large details. Nothing else in the workspace builds them.
//!
//! | what | `pk` | `sk` |
//! |---|---|---|
//! | activity | `{partner}#{YYYY-MM}`, the UTC month of `occurred_at`; `{partner}#{YYYY-MM}#{shard}` in a month of several shards | `{occurred_at}#{id}` |
//! | twin item with details | the activity's, then `#details` | the activity's, then `#{digest}` |
//! | month in the directory | `{partner}#months` | `{YYYY-MM}` |
//!
//! Sort keys are in time order, and activities of one instant in the order of their ids.

use domain::{
    activity::{Activity, ActivityId, PartnerId},
    time::{Instant, Month},
};
use sha2::{Digest as _, Sha256};

/// The length of an instant's text, in bytes.
const INSTANT_BYTES: usize = 27;

/// The partition of one shard of a month.
pub(super) fn partition(partner: &PartnerId, month: Month, shard: u8, shards: u8) -> String {
    if shards == 1 { format!("{partner}#{month}") } else { format!("{partner}#{month}#{shard:02}") }
}

/// The shard of an activity. It depends on the id alone, so that a repeated activity meets the first one.
pub(super) fn shard_of(id: &ActivityId, shards: u8) -> u8 {
    if shards == 1 { 0 } else { Sha256::digest(id.as_str())[0] % shards }
}

/// The partition of the twin items of a partition's activities.
pub(super) fn details_partition(partition: &str) -> String {
    format!("{partition}#details")
}

/// The partition of a month in the index `late`, which has no shards because few activities are late.
pub(super) fn late_partition(partner: &PartnerId, month: Month) -> String {
    format!("{partner}#{month}")
}

/// The partition of a partner's directory of months.
pub(super) fn months_partition(partner: &PartnerId) -> String {
    format!("{partner}#months")
}

/// The partition of a customer's month in the index of customers. `spelling` is one of [`customer_spellings`].
pub(super) fn customer_partition(partner: &PartnerId, spelling: &str, month: Month) -> String {
    format!("{partner}#{spelling}#{month}")
}

/// The spelling of a customer's id in new keys: without capital letters of ASCII, because filters ignore their case.
pub(super) fn customer_spelling(customer: &str) -> String {
    customer.to_ascii_lowercase()
}

/// The spellings under which a customer's activities may be found.
///
/// Up to 0.1.0, the key had the id as it was recorded. Those activities are found by the recorded spelling only.
pub(super) fn customer_spellings(customer: &str) -> [String; 2] {
    [customer_spelling(customer), customer.to_owned()]
}

/// The sort key of an activity.
pub(super) fn sort_key(occurred_at: Instant, id: &ActivityId) -> String {
    format!("{occurred_at}#{id}")
}

/// Splits the sort key of an activity into the texts of its instant and its id.
pub(super) fn split_sort_key(sort_key: &str) -> Option<(&str, &str)> {
    let (instant, id) = sort_key.split_at_checked(INSTANT_BYTES)?;
    Some((instant, id.strip_prefix('#')?))
}

/// The sort key of a twin item. The digest comes last, so that twin items are in the order of their activities.
pub(super) fn twin_sort_key(sort_key: &str, digest: &str) -> String {
    format!("{sort_key}#{digest}")
}

/// The key of the object in S3 with the details of an activity.
pub(super) fn details_object(activity: &Activity<&str>, digest: &str) -> String {
    format!("details/{}/{}/{digest}.json.zst", activity.partner, activity.occurred_at.utc_month())
}

/// The key of the object in S3 with details that are too large for an answer, as plain JSON. The object lives for a day.
pub(super) fn published_details(activity: &Activity<&str>, digest: &str) -> String {
    format!("downloads/{}/{}/{digest}.json", activity.partner, activity.occurred_at.utc_month())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_customer_have_no_capital_letters() {
        assert_eq!(customer_spellings("ÉTÉ-Fabrikam"), ["ÉtÉ-fabrikam", "ÉTÉ-Fabrikam"]);
        assert_eq!(customer_spellings("fabrikam"), ["fabrikam", "fabrikam"]);
        let (partner, month) = (PartnerId::parse("contoso").unwrap(), Month::parse("2026-11").unwrap());
        assert_eq!(customer_partition(&partner, "f#1", month), "contoso#f#1#2026-11");
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
        // A change here would hide recorded activities.
        assert_eq!(shard_of(&ActivityId::parse("evt-1").unwrap(), 8), 3);
    }
}
