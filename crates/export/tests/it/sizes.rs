//! Measures activities of several sizes in the table, its indexes and the bucket, as DynamoDB counts, for `docs/costs.md`.
//!
//! `infra/sizes.json` has the figures for `make costs`. This test fails when items have become larger or smaller than it says.

use std::{collections::BTreeMap, time::Duration};

use domain::activity::Activity;
use harness::{Random, Stores, TABLE, at, contoso, parsed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::records::real;

const UNIT_BYTES: usize = 1_024;
/// The number of activities of each size.
const ACTIVITIES: usize = 60;
/// How far a figure may be from the file's, in hundredths.
const TOLERANCE: f64 = 5.0;

/// Averages of an activity.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Sizes {
    /// Bytes of the request.
    request_bytes: f64,
    /// Bytes of its item, without what DynamoDB adds.
    item_bytes: f64,
    /// Copies of the item in indexes.
    index_copies: f64,
    /// Bytes of its twin item with details, if it has one.
    twin_bytes: f64,
    /// Twin items.
    twins: f64,
    /// Bytes of its object in the bucket, if it has one.
    object_bytes: f64,
    /// Objects in the bucket.
    objects: f64,
    /// Write units of table and indexes.
    write_units: f64,
}

impl Sizes {
    /// Turns sums into averages, rounded to a thousandth.
    fn divide(&mut self, count: f64) {
        for figure in [
            &mut self.request_bytes,
            &mut self.item_bytes,
            &mut self.index_copies,
            &mut self.twin_bytes,
            &mut self.twins,
            &mut self.object_bytes,
            &mut self.objects,
            &mut self.write_units,
        ] {
            *figure = (*figure / count * 1_000.0).round() / 1_000.0;
        }
    }
}

/// The activities of a size, as a portal would send them.
fn portal_activities(size: &str) -> Vec<Value> {
    let mut random = Random::new(7);
    let lines = match size {
        "order of 5 lines" => 5,
        "order of 100 lines" => 100,
        "order of 3,000 lines" => 3_000,
        _ => 0,
    };
    (0..ACTIVITIES / if lines > 1_000 { 20 } else { 1 })
        .map(|number| {
            let customer = json!({"id": format!("fabrikam-{:04}", random.below(10_000)), "name": "Fabrikam SARL"});
            let id = format!("{:016x}{:016x}", random.draw(), random.draw());
            let mut activity = json!({
                "id": &id[..26],
                "occurred_at": at("2026-11-02T09:00:00Z").plus_seconds(number as i64).to_string(),
                "customer": customer,
                "action": "customer.updated",
                "actor": {"id": "ana.trujillo@contoso.example", "name": "Ana Trujillo", "role": "admin_agent", "ip": "203.0.113.7"},
                "target": {"type": "customer", "id": customer["id"], "name": "Fabrikam SARL"},
                "changes": [{"field": "phone", "old": "+33 1 23 45 67 89", "new": "+33 1 98 76 54 32"}],
                "correlation_id": format!("{:08x}-{:04x}-4000-8000-{:012x}", random.below(1 << 30), random.below(65_536), random.below(1 << 40)),
                "source": "portal",
            });
            if lines > 0 {
                let line = |random: &mut Random| {
                    json!({"product": format!("CFQ7TTC0{:04X}", random.below(65_536)), "name": "Microsoft 365 Business Premium", "quantity": 1 + random.below(300),
                        "unit_price": format!("{}.{:02}", random.below(90), random.below(100)), "currency": "EUR", "term": "P1Y",
                        "subscription_id": format!("{:032x}", u128::from(random.draw()) << 64 | u128::from(random.draw()))})
                };
                activity["action"] = json!("order.created");
                activity["changes"] = json!([]);
                activity["target"] = json!({"type": "order", "id": format!("o-{:08}", random.below(100_000_000)), "name": "Renewal 2026"});
                activity["details"] = json!({"lines": (0..lines).map(|_| line(&mut random)).collect::<Vec<_>>()});
            }
            activity
        })
        .collect()
}

/// Records activities on real engines and measures what is stored.
#[expect(clippy::disallowed_methods, reason = "the test measures a whole table")]
async fn measure(activities: Vec<Activity>, request_bytes: usize) -> Sizes {
    let stores = Stores::start().await;
    let recorder = stores.recorder(None);
    let count = activities.len() as f64;
    for activity in activities {
        recorder.record(activity, Duration::MAX).await.unwrap();
    }
    let mut sizes = Sizes { request_bytes: request_bytes as f64, ..Sizes::default() };
    let mut start = None;
    loop {
        let page = stores.dynamodb(None).scan().table_name(TABLE).set_exclusive_start_key(start).send().await.unwrap();
        for item in page.items() {
            let partition = item["pk"].as_s().unwrap();
            // The directory has an item for each month, which costs nothing that counts.
            if partition.ends_with("#months") {
                continue;
            }
            let bytes = item.iter().map(|(name, value)| {
                let text = value.as_s().map(String::len);
                let number = || value.as_n().map(|digits| digits.len() / 2 + 1);
                name.len()
                    + text.or_else(|_| number()).or_else(|_| value.as_b().map(|blob| blob.as_ref().len())).unwrap()
            });
            let bytes: usize = bytes.sum();
            let copies = ["ck", "lk"].iter().filter(|key| item.contains_key(**key)).count();
            sizes.write_units += ((1 + copies) * bytes.div_ceil(UNIT_BYTES)) as f64;
            sizes.index_copies += copies as f64;
            if partition.ends_with("#details") {
                sizes.twin_bytes += bytes as f64;
                sizes.twins += 1.0;
            } else {
                sizes.item_bytes += bytes as f64;
            }
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    for key in stores.objects("details/").await {
        sizes.objects += 1.0;
        sizes.object_bytes += stores.object(&key).await.unwrap().len() as f64;
    }
    sizes.divide(count);
    sizes
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_those_of_the_cost_tables() {
    let written: BTreeMap<String, Sizes> = serde_json::from_str(include_str!("../../../../infra/sizes.json")).unwrap();
    let mut measured = BTreeMap::new();
    for size in ["short", "order of 5 lines", "order of 100 lines", "order of 3,000 lines"] {
        let sent = portal_activities(size);
        let bytes = sent.iter().map(|activity| activity.to_string().len()).sum();
        let activities = sent
            .iter()
            .map(|activity| {
                let now = at(activity["occurred_at"].as_str().unwrap()).plus_seconds(1);
                parsed(&activity.to_string(), now).into_activity(contoso(), now)
            })
            .collect();
        measured.insert(size.to_owned(), measure(activities, bytes).await);
    }
    if let Some(records) = real() {
        let mut records: Vec<Activity> = records.into_iter().step_by(5).collect();
        let mut bytes = 0;
        for record in &mut records {
            // As if they had been recorded at once, because a late activity is in one index more.
            record.recorded_at = record.occurred_at.plus_seconds(1);
            bytes += usize::try_from(record.details.size()).unwrap();
        }
        measured.insert("audit record of a cloud".to_owned(), measure(records, bytes).await);
    }
    println!("{}", serde_json::to_string_pretty(&measured).unwrap());
    for (size, found) in &measured {
        let (found, written) = (serde_json::to_value(found).unwrap(), serde_json::to_value(&written[size]).unwrap());
        for (figure, value) in found.as_object().unwrap() {
            let (value, wanted) = (value.as_f64().unwrap(), written[figure].as_f64().unwrap());
            assert!(
                (value - wanted).abs() <= wanted * TOLERANCE / 100.0,
                "{figure} of {size} is {value}, and infra/sizes.json says {wanted}"
            );
        }
    }
}
