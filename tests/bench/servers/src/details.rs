//! Details as portals record them: the lines of an order, or the steps of a request.
//!
//! Names come from a catalogue; ids, prices, quantities and times differ from line to line. So the details compress about as
//! well as records of real services do, and not as well as repeated text.

use serde_json::{Value, json};

use crate::generate::{HARD, Random};

const FAMILIES: [&str; 12] = [
    "Business Basic",
    "Business Standard",
    "Business Premium",
    "Enterprise E3",
    "Enterprise E5",
    "Frontline F1",
    "Exchange Online",
    "Defender for Endpoint",
    "Entra ID",
    "Power BI Pro",
    "Visio",
    "Windows 11",
];
const EDITIONS: [&str; 8] = ["Plan 1", "Plan 2", "(no Teams)", "for Students", "Non-Profit", "Add-on", "Trial", "EEA"];
const TERMS: [&str; 3] = ["P1M", "P1Y", "P3Y"];
const CURRENCIES: [&str; 5] = ["EUR", "USD", "GBP", "CHF", "SEK"];
const CYCLES: [&str; 3] = ["monthly", "annual", "triennial"];
const APPLICATIONS: [&str; 4] = ["partner-portal", "partner-api", "marketplace-sync", "support-desk"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "python-requests/2.32.5",
    "okhttp/5.3.0",
];
const OPERATIONS: [&str; 10] = [
    "validate_domain",
    "assign_license",
    "remove_license",
    "set_usage_location",
    "add_role_member",
    "reset_credentials",
    "send_invitation",
    "update_billing_profile",
    "check_entitlement",
    "notify_customer",
];
const RESULTS: [&str; 4] = ["succeeded", "succeeded", "skipped", "retried"];
/// The least room for a list in details.
const LIST_BYTES: usize = 40;

/// The members of a JSON object.
type Members = Vec<(&'static str, Value)>;

/// Returns the change that an action makes to its target, if its kind changes a field.
pub(crate) fn change_of(random: &mut Random, action: &str) -> Option<Value> {
    let (field, old, new) = match action {
        "subscription.quantity_changed" => ("quantity", json!(quantity(random)), json!(quantity(random))),
        "order.updated" => ("billing_cycle", json!(random.one(&CYCLES)), json!(random.one(&CYCLES))),
        "customer.updated" => (
            "billing_profile.email",
            json!(format!("ap{}@customer.example", random.below(100))),
            json!("invoices@customer.example"),
        ),
        "user.role_assigned" => ("role", json!("user"), json!("license_admin")),
        _ => return None,
    };
    Some(json!({"field": field, "old": old, "new": new}))
}

/// Returns details of about so many bytes of JSON for an activity on a kind of target.
pub(crate) fn details_of(random: &mut Random, kind: &str, bytes: usize, hard: bool) -> String {
    let is_order = matches!(kind, "order" | "subscription" | "invoice");
    let (head, list) = if is_order { (order(random), "lines") } else { (request(random), "steps") };
    let mut text = String::with_capacity(bytes + 64);
    text.push('{');
    push_members(&mut text, &head, bytes);
    if text.len() + LIST_BYTES < bytes {
        text.push_str(&format!(",\"{list}\":["));
        let mut number = 0;
        while text.len() < bytes {
            number += 1;
            text.push_str(if number > 1 { ",{" } else { "{" });
            // The first line alone has the text that exports must treat with care, as a person would type it.
            let hard = hard && number == 1;
            let members = if is_order { order_line(random, number, hard) } else { request_step(random, hard) };
            push_members(&mut text, &members, bytes);
            text.push('}');
        }
        text.push(']');
    }
    text.push('}');
    text
}

/// Appends members while there is room, and at least one.
fn push_members(text: &mut String, members: &[(&str, Value)], bytes: usize) {
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            if text.len() >= bytes {
                return;
            }
            text.push(',');
        }
        text.push_str(&format!("\"{name}\":{value}"));
    }
}

fn order(random: &mut Random) -> Members {
    vec![
        ("currency", json!(random.one(&CURRENCIES))),
        ("order_id", json!(random.uuid())),
        ("billing_cycle", json!(random.one(&CYCLES))),
        ("purchase_order", json!(format!("PO-{:06}", random.below(1_000_000)))),
    ]
}

fn order_line(random: &mut Random, number: u64, hard: bool) -> Members {
    let (family, edition) = (random.one(&FAMILIES), random.one(&EDITIONS));
    let name = if hard { format!("{family} {edition}, {}", random.one(&HARD)) } else { format!("{family} {edition}") };
    let product = family.bytes().chain(edition.bytes()).fold(7_u64, |sum, byte| sum * 31 % 0xf_ffff + u64::from(byte));
    let (quantity, cents) = (quantity(random), 90 + random.below(9_900));
    let amount = quantity * cents;
    vec![
        ("line", json!(number)),
        ("sku", json!(format!("CFQ7TTC{product:05X}:{:04}", 1 + product % 4))),
        ("name", json!(name)),
        ("quantity", json!(quantity)),
        ("subscription_id", json!(random.uuid())),
        ("unit_price", json!(format!("{}.{:02}", cents / 100, cents % 100))),
        ("amount", json!(format!("{}.{:02}", amount / 100, amount % 100))),
        ("term", json!(random.one(&TERMS))),
        ("auto_renew", json!(random.below(4) > 0)),
    ]
}

fn request(random: &mut Random) -> Members {
    vec![
        ("application", json!(random.one(&APPLICATIONS))),
        ("request_id", json!(random.uuid())),
        ("user_agent", json!(random.one(&AGENTS))),
        ("session", json!(format!("{:016x}", random.next()))),
    ]
}

fn request_step(random: &mut Random, hard: bool) -> Members {
    let mut members = vec![
        ("operation", json!(random.one(&OPERATIONS))),
        ("object_id", json!(random.uuid())),
        ("result", json!(random.one(&RESULTS))),
        ("duration_ms", json!(3 + random.below(900))),
        ("trace_id", json!(format!("{:016x}", random.next()))),
        ("attempt", json!(1 + random.below(3))),
    ];
    if hard {
        members.insert(1, ("comment", json!(random.one(&HARD))));
    }
    members
}

/// Returns a number of seats: mostly few, sometimes hundreds.
fn quantity(random: &mut Random) -> u64 {
    let most = 1 + random.below(250);
    1 + random.below(most)
}
