//! Generates the requests of a portal's back end from a seed: the same plan gives the same requests.
//!
//! Partners follow Zipf's law with exponent 1.1. Sizes are log-normal with a median of 350 bytes and a 99th percentile of
//! 20 KB; one activity in a thousand has 100 to 350 KB. Two in a hundred contain text that exports must treat with care:
//! other scripts, separators, quotes, line breaks, cells that begin like a formula. [`details`](crate::details) makes the
//! details.

use serde::Deserialize;
use serde_json::json;

use crate::details::{change_of, details_of};

/// The plan of a data set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) activities: u64,
    pub(crate) partners: usize,
    /// The months of the activities, such as `2026-08`. Only the first 28 days of a month are used.
    pub(crate) months: Vec<String>,
    /// Whether sizes vary as described above; otherwise every activity has the median size.
    pub(crate) details: bool,
    /// The maximum bytes of the activities in one request.
    pub(crate) batch_bytes: usize,
}

/// The maximum number of activities in one request.
const BATCH: usize = 500;
const ACTIONS: [&str; 12] = [
    "order.created",
    "order.updated",
    "subscription.created",
    "subscription.quantity_changed",
    "subscription.cancelled",
    "user.created",
    "user.password_reset",
    "user.role_assigned",
    "invoice.downloaded",
    "customer.created",
    "customer.updated",
    "support_ticket.opened",
];
const NAMES: [&str; 10] = [
    "Ana Trujillo",
    "Thomas Hardy",
    "Christina Berglund",
    "Hanna Moos",
    "Martín Sommer",
    "Laurence Lebihans",
    "Elizabeth Lincoln",
    "Victoria Ashworth",
    "Patricio Simpson",
    "Yang Wang",
];
const ROLES: [&str; 5] = ["admin_agent", "sales_agent", "helpdesk_agent", "billing_admin", "global_admin"];
const REASONS: [&str; 4] = [
    "The customer's credit limit is exceeded.",
    "The requested quantity is above the limit of the offer.",
    "The subscription is suspended.",
    "The service did not answer in time.",
];
/// The bytes of an item with neither details nor the fields that only some activities have.
const ITEM_BYTES: usize = 300;
/// Texts that exports must treat with care.
pub(crate) const HARD: [&str; 8] = [
    "Øresund & Søn, A/S",
    "株式会社 東京商事",
    "=HYPERLINK(\"x\")",
    "a \"quoted\" name, with commas",
    "two\nlines",
    "+33 1 70 00 00 00",
    "0042",
    "Ünïcödé; \u{1f4d2} livre",
];

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let at = self.below(of.len() as u64);
        of[usize::try_from(at).unwrap_or_default()]
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    /// Returns a number from 0 to 1, evenly distributed.
    fn part(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        part
    }

    /// Returns a number of the normal distribution with mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        let (a, b) = (self.part().max(f64::MIN_POSITIVE), self.part());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// Iterates over the requests of a plan, in the form of the gateway's events.
pub(crate) struct Generator<'a> {
    plan: &'a Plan,
    random: Random,
    /// Running sums of the partners' weights.
    weights: Vec<f64>,
    made: u64,
    /// Generated activities that are not yet in a request, by partner.
    waiting: Vec<Vec<String>>,
    waiting_bytes: Vec<usize>,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let mut sum = 0.0;
        let weights = (1..=plan.partners)
            .map(|rank| {
                #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
                let rank = rank as f64;
                sum += rank.powf(-1.1);
                sum
            })
            .collect();
        Self {
            plan,
            random: Random(plan.seed),
            weights,
            made: 0,
            waiting: vec![Vec::new(); plan.partners],
            waiting_bytes: vec![0; plan.partners],
        }
    }

    fn activity(&mut self) -> String {
        let number = self.made;
        self.made += 1;
        let wanted = self.size();
        let random = &mut self.random;
        let months = self.plan.months.len() as u64;
        let month = &self.plan.months[usize::try_from(random.below(months)).unwrap_or_default()];
        let (day, second, micros) = (1 + random.below(28), random.below(86_400), random.below(1_000_000));
        let occurred_at =
            format!("{month}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z", second / 3_600, second / 60 % 60, second % 60);
        let hard = random.below(100) < 2;
        let customer = random.below(500);
        let customer_name = if hard { random.one(&HARD).to_owned() } else { format!("Customer {customer} GmbH") };
        let person = random.below(40);
        let action = random.one(&ACTIONS);
        let kind = action.split_once('.').map_or(action, |(kind, _)| kind);
        let id = random.below(1 << 32);
        let target = match kind {
            "subscription" => random.uuid(),
            _ => format!("{}-{id:08x}", &kind[..1]),
        };
        let mut activity = json!({
            "id": format!("e-{number:09}"),
            "occurred_at": occurred_at,
            "action": action,
            "actor": {
                "id": format!("person{person}@partner.example"), "name": random.one(&NAMES),
                "role": random.one(&ROLES), "ip": format!("203.0.113.{}", random.below(256)),
            },
            "customer": {"id": format!("c-{customer:05}"), "name": customer_name},
            "target": {"type": kind, "id": target},
        });
        let mut bytes = ITEM_BYTES;
        if random.below(20) == 0 {
            let reason = random.one(&REASONS);
            bytes += reason.len();
            activity["status"] = json!("failed");
            activity["reason"] = json!(reason);
        }
        if let Some(change) = change_of(random, action) {
            let changes = json!([change]);
            bytes += changes.to_string().len();
            activity["changes"] = changes;
        }
        if random.below(3) == 0 && bytes + 40 < wanted {
            bytes += 40;
            activity["correlation_id"] = json!(random.uuid());
        }
        let mut text = activity.to_string();
        let details = wanted.saturating_sub(bytes);
        if details > 40 {
            text.truncate(text.len() - 1);
            text.push_str(",\"details\":");
            text.push_str(&details_of(random, kind, details, hard));
            text.push('}');
        }
        text
    }

    fn size(&mut self) -> usize {
        if !self.plan.details {
            return 350;
        }
        let random = &mut self.random;
        if random.below(1_000) == 0 {
            return usize::try_from(100_000 + random.below(250_000)).unwrap_or_default();
        }
        // 20 KB are e^4.05 medians, and 99 % lie below 2.326 deviations.
        let size = 350.0 * (random.normal() * 4.05 / 2.326).exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and bounded")]
        let size = size.min(100_000.0) as usize;
        size
    }

    fn event(&mut self, partner: usize) -> String {
        let activities = std::mem::take(&mut self.waiting[partner]).join(",");
        self.waiting_bytes[partner] = 0;
        let body = format!("{{\"activities\":[{activities}]}}");
        event(&format!("p{partner:04}"), &body)
    }
}

impl Iterator for Generator<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.made < self.plan.activities {
            let wanted = self.random.part() * self.weights.last().copied().unwrap_or_default();
            let partner = self.weights.partition_point(|sum| *sum < wanted).min(self.plan.partners - 1);
            let activity = self.activity();
            let (bytes, count) = (self.waiting_bytes[partner] + activity.len(), self.waiting[partner].len());
            let full = count == BATCH || (bytes > self.plan.batch_bytes && count > 0);
            let event = full.then(|| self.event(partner));
            self.waiting_bytes[partner] += activity.len();
            self.waiting[partner].push(activity);
            if event.is_some() {
                return event;
            }
        }
        let partner = self.waiting.iter().position(|waiting| !waiting.is_empty())?;
        Some(self.event(partner))
    }
}

/// Returns an event of a request that records activities.
fn event(partner: &str, body: &str) -> String {
    json!({
        "resource": "/v1/partners/{partner}/activities",
        "path": format!("/live/v1/partners/{partner}/activities"),
        "httpMethod": "POST",
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": {"partner": partner},
        "stageVariables": null,
        "requestContext": {
            "resourcePath": "/v1/partners/{partner}/activities",
            "path": format!("/live/v1/partners/{partner}/activities"),
            "httpMethod": "POST",
            "stage": "live",
            "requestId": "00000000-0000-4000-8000-000000000000",
            "authorizer": {"subject": "bench", "name": "bench", "partner": partner, "roles": "recorder"},
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}
