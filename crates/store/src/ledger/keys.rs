//! Keys of the Activities table and of the objects with large details. Nothing else in the workspace builds them.
//!
//! | what | `pk` | `sk` |
//! |---|---|---|
//! | activity | `{partner}#{YYYY-MM}`, the UTC month of `occurred_at`; `{partner}#{YYYY-MM}#{shard}` in a month of several shards | `{occurred_at}#{id}` |
//! | twin item with details | the activity's, then `#details` | the activity's, then `#{digest}` |
//! | month in the directory | `{partner}#months` | `{YYYY-MM}` |
//! | row of the feed | `{partner}#feed#{YYYY-MM-DD}#{shard}`, the UTC day of `recorded_at` | `{recorded_at}#`, in milliseconds, then the activity's |
//!
//! Sort keys are in time order, and activities of one instant in the order of their ids.

use domain::{
    activity::{Activity, ActivityId, PartnerId},
    time::{Instant, Month, Zone},
};
use sha2::{Digest as _, Sha256};

/// The length of an instant's text, in bytes.
const INSTANT_BYTES: usize = 27;
/// The length of an instant's text in milliseconds, in bytes.
pub(super) const MILLIS_BYTES: usize = 24;
/// The length of a date's text, in bytes.
const DATE_BYTES: usize = 10;
const SECONDS_PER_DAY: i64 = 86_400;

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

/// The partition of one shard of a day of the feed.
pub(super) fn feed_partition(partner: &PartnerId, recorded_at: Instant, shard: u8, shards: u8) -> String {
    let day = &recorded_at.to_millis_text()[..DATE_BYTES];
    if shards == 1 { format!("{partner}#feed#{day}") } else { format!("{partner}#feed#{day}#{shard:02}") }
}

/// The partitions of all days of a month of the feed.
pub(super) fn feed_partitions(partner: &PartnerId, month: Month, shards: u8) -> Vec<String> {
    let period = month.period(Zone::UTC);
    let mut day = period.from();
    let mut partitions = Vec::new();
    while day < period.to() {
        partitions.extend((0..shards).map(|shard| feed_partition(partner, day, shard, shards)));
        day = next_day(day);
    }
    partitions
}

/// The beginning of the UTC day after the one of an instant.
pub(super) fn next_day(instant: Instant) -> Instant {
    let seconds = instant.truncated_to_seconds();
    seconds.plus_seconds(SECONDS_PER_DAY - seconds.seconds().rem_euclid(SECONDS_PER_DAY))
}

/// The sort key of a row of the feed.
pub(super) fn feed_sort_key(recorded_at: Instant, occurred_at: Instant, id: &str) -> String {
    format!("{}#{occurred_at}#{id}", recorded_at.to_millis_text())
}

/// Splits the sort key of a row of the feed into the text of the time of recording and the sort key of the activity.
pub(super) fn split_feed_sort_key(sort_key: &str) -> Option<(&str, &str)> {
    let (recorded_at, activity) = sort_key.split_at_checked(MILLIS_BYTES)?;
    Some((recorded_at, activity.strip_prefix('#')?))
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
    let Activity { partner, occurred_at, id, .. } = activity;
    format!("{}{digest}.json.zst", details_of_activity(partner.as_str(), *occurred_at, id.as_str()))
}

/// What the keys of all objects with details of an activity begin with.
pub(super) fn details_of_activity(partner: &str, occurred_at: Instant, id: &str) -> String {
    format!("details/{partner}/{}/{occurred_at}#{id}/", occurred_at.utc_month())
}

/// The key of an object that activities with the same details share: earlier versions wrote these.
pub(super) fn shared_details_object(activity: &Activity<&str>, digest: &str) -> String {
    format!("details/{}/{}/{digest}.json.zst", activity.partner, activity.occurred_at.utc_month())
}

/// What the keys of objects with details of a partner, or of one of its months, begin with: the details themselves, and their
/// copies for downloads.
pub(super) fn details_of(partner: &PartnerId, month: Option<Month>) -> [String; 2] {
    let month = month.map(|month| format!("{month}/")).unwrap_or_default();
    [format!("details/{partner}/{month}"), format!("downloads/{partner}/{month}")]
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
    fn days_of_the_feed_are_those_of_the_month() {
        let (partner, month) = (PartnerId::parse("contoso").unwrap(), Month::parse("2028-02").unwrap());
        let partitions = feed_partitions(&partner, month, 2);
        assert_eq!(
            (partitions.len(), &*partitions[0], &*partitions[57]),
            (58, "contoso#feed#2028-02-01#00", "contoso#feed#2028-02-29#01")
        );
        let late = Instant::parse("2028-02-29T23:59:59.999999Z").unwrap();
        assert_eq!(feed_partition(&partner, late, 0, 1), "contoso#feed#2028-02-29");
        assert_eq!(next_day(late).to_string(), "2028-03-01T00:00:00.000000Z");
        assert_eq!(
            next_day(Instant::parse("1969-12-31T00:00:00Z").unwrap()).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
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
