//! Generated activities, for tests and for the example `ocsf`: every member may be absent, odd, long or erased.

use domain::{
    actions::list_actions,
    activity::{Activity, Details, NewActivity, PartnerId},
    lifecycle::Group,
    locale::Locale,
    time::Instant,
};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// The instant at which all activities are recorded.
const RECORDED_AT: &str = "2026-11-02T12:00:00.789Z";
/// Addresses in many spellings, and texts that are no address.
const ADDRESSES: [&str; 10] = [
    "203.0.113.7",
    "2001:db8::1",
    "2001:0DB8:0000:0000:0000:0000:0000:0001",
    "0000:0000:0000:0000:0000:ffff:255.255.255.255",
    "::",
    "fe80::1%eth0",
    "10.0.0.1:443",
    "10.0.0.1, 10.0.0.2",
    "999.1.1.1",
    "unknown",
];

/// Returns the recorded activity of sent JSON.
pub(crate) fn recorded(sent: &Value) -> Activity {
    let now = Instant::parse(RECORDED_AT).unwrap();
    NewActivity::parse(&sent.to_string(), now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
}

/// Generates a text with quotes, control characters and several scripts.
fn text(most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z]{1,8}".boxed(),
        2 => select(vec!["\"", "\\", "\n", "\u{0}", "\u{1b}[1m", "<b>", "&", "é", "日本", "😀", "\u{202e}", " "]).prop_map(str::to_owned).boxed(),
        1 => any::<char>().prop_map(String::from).boxed(),
    ];
    prop::collection::vec(piece, 1..6).prop_map(move |pieces| pieces.concat().chars().take(most).collect())
}

/// Generates a text of an id or a name, which must not be blank.
fn visible(most: usize) -> impl Strategy<Value = String> {
    text(most - 1).prop_map(|text| format!("x{text}"))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        text(300).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(20), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn action() -> impl Strategy<Value = String> {
    let known: Vec<&str> = list_actions(Locale::En).map(|listed| listed.action).collect();
    prop_oneof![3 => select(known).prop_map(str::to_owned), 1 => "[a-z0-9_]{1,12}(\\.[a-z0-9_]{1,12}){1,3}"]
}

/// Generates an object with some of its members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| {
            proptest::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect())).boxed()
}

fn value(text: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    text.prop_map(Value::from).boxed()
}

/// Generates the JSON of an activity as a caller sends it.
fn sent() -> impl Strategy<Value = Value> {
    let id = || value(visible(128));
    let name = || value(visible(256));
    let ip = prop_oneof![
        select(ADDRESSES.to_vec()).prop_map(str::to_owned),
        any::<std::net::IpAddr>().prop_map(|ip| ip.to_string())
    ];
    let actor = object(vec![
        ("type", value(select(vec!["user", "application", "system", "customer"]).prop_map(str::to_owned))),
        ("name", name()),
        ("role", id()),
        ("ip", value(ip)),
        ("user_agent", value(visible(1_024))),
    ]);
    let change = object(vec![("old", any_json().boxed()), ("new", any_json().boxed())]);
    let change = (change, visible(256)).prop_map(|(change, field)| with(change, "field", field.into()));
    let customer = (object(vec![("name", name())]), id()).prop_map(|(customer, id)| with(customer, "id", id));
    let lines = prop::collection::vec(any_json(), 0..4).prop_map(Value::from).boxed();
    let details = object(vec![("lines", lines), ("more", any_json().boxed())]);
    let rest = object(vec![
        ("status", value(select(vec!["succeeded", "failed", "in_progress", "declined"]).prop_map(str::to_owned))),
        ("customer", customer.boxed()),
        ("target", object(vec![("type", id()), ("id", id()), ("name", name())])),
        ("reason", value(visible(1_024))),
        ("changes", prop::collection::vec(change, 0..4).prop_map(Value::from).boxed()),
        ("correlation_id", id()),
        ("source", id()),
        ("details", details),
    ]);
    let time = prop_oneof![
        1 => Just(Instant::MIN.micros()),
        3 => Instant::MIN.micros()..Instant::parse(RECORDED_AT).unwrap().micros(),
        6 => 1_700_000_000_000_000..1_793_620_800_000_000_i64,
    ];
    (rest, actor, id(), "[A-Za-z0-9._:-]{1,128}", time, action()).prop_map(
        |(rest, actor, actor_id, id, time, action)| {
            let activity = with(rest, "actor", with(actor, "id", actor_id));
            let activity = with(with(activity, "id", id.into()), "action", action.into());
            with(activity, "occurred_at", Instant::from_micros(time).unwrap().to_string().into())
        },
    )
}

fn with(object: Value, name: &str, value: Value) -> Value {
    let Value::Object(mut members) = object else { return object };
    members.insert(name.to_owned(), value);
    Value::Object(members)
}

/// Generates a recorded activity, of which some groups may be erased and the details may not have been read.
pub(crate) fn activity() -> impl Strategy<Value = Activity> {
    let groups = prop_oneof![3 => Just(Vec::new()), 1 => proptest::sample::subsequence(<Group as strum::VariantArray>::VARIANTS.to_vec(), 0..=9)];
    (sent(), groups, any::<bool>()).prop_map(|(sent, groups, is_apart)| {
        let mut activity = recorded(&sent);
        if is_apart && !matches!(activity.details, Details::None) {
            activity.details = Details::Apart(activity.details.size());
        }
        erase(&mut activity, &groups);
        activity
    })
}

/// Erases groups of fields, as the ledger stores them.
fn erase(activity: &mut Activity, groups: &[Group]) {
    let entry = &mut activity.entry;
    for group in groups {
        match group {
            Group::Actor => {
                entry.actor.id.clear();
                (entry.actor.name, entry.actor.role, entry.actor.ip, entry.actor.user_agent) = (None, None, None, None);
            }
            Group::Origin => (entry.actor.ip, entry.actor.user_agent) = (None, None),
            Group::Customer => entry.customer = None,
            Group::Target => entry.target = None,
            Group::Reason => entry.reason = None,
            Group::Changes => entry.changes = None,
            Group::Details => (activity.details, activity.lines) = (Details::None, None),
            Group::Correlation => entry.correlation_id = None,
            Group::Source => entry.source = None,
        }
    }
    let marks: Map<String, Value> =
        groups.iter().map(|group| (group.to_string(), json!("01JD7Z6Q3V5W8X9Y0Z1A2B3C4D"))).collect();
    activity.erased = (!groups.is_empty()).then(|| Value::Object(marks).to_string());
}
