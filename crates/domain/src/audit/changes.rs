//! The values before and after a change: fields that differ, cut at limits, without secrets.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{activity::MAX_NAME_CHARS, text::hex};

/// The most fields of one entry. The rest is counted in a last one.
pub const MAX_FIELDS: usize = 40;
/// The longest value, in characters of its text or JSON. The rest is cut, with a mark.
pub const MAX_VALUE_CHARS: usize = 400;
/// The largest changes of one entry, in bytes of JSON. The rest is counted in a last field.
pub const MAX_CHANGES_BYTES: usize = 8_192;
/// The text in place of a value that the audit does not keep.
pub const HIDDEN: &str = "(hidden)";

/// Names of fields whose values are secrets, wherever such a field stands.
const SECRET_NAMES: [&str; 8] =
    ["authorization", "external_id", "headers", "password", "secret", "secrets", "signature", "token"];
/// The beginning of every secret that signs webhooks.
const WEBHOOK_SECRET: &str = "whsec_";
/// The mark behind a text that was cut.
const CUT: char = '…';
/// The deepest object that has fields of its own. A deeper one is a value.
const MAX_DEPTH: usize = 4;

/// A field that differs.
#[derive(Debug, Serialize)]
struct FieldChange {
    field: String,
    old: Value,
    new: Value,
}

/// Compares two values and returns the fields that differ as JSON, an array of `{"field", "old", "new"}`; none if no field
/// does.
///
/// Members of objects are fields, those of inner objects too: `limits.open_exports`. A member that is absent is null. Secrets
/// are hidden: members with the name of a secret, and texts with a secret of webhooks. Of a URL, the origin is kept, because
/// paths and queries may contain keys; a digest tells whether two of them differ.
pub(super) fn compare(before: &Value, after: &Value) -> Option<String> {
    let mut fields = Vec::new();
    collect(&mut Vec::new(), before, after, &mut fields);
    shorten(fields)
}

fn collect<'a>(path: &mut Vec<&'a str>, before: &'a Value, after: &'a Value, fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let members = |value: &'a Value| value.as_object().into_iter().flat_map(|members| members.keys());
    let is_open = [before, after].into_iter().all(|value| value.is_object() || value.is_null());
    let has_members = members(before).chain(members(after)).next().is_some();
    let is_secret = path.iter().any(|name| is_secret_name(name));
    if is_open && has_members && !is_secret && path.len() < MAX_DEPTH {
        let mut names: Vec<&String> = members(before).chain(members(after)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            path.push(name);
            collect(path, before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null), fields);
            path.pop();
        }
        return;
    }
    let show = |value: &Value| if is_secret { hide(value) } else { shown(value, MAX_DEPTH) };
    let field = if path.is_empty() { "value".to_owned() } else { path.join(".") };
    fields.push(FieldChange { field: cut(&field, MAX_NAME_CHARS), old: show(before), new: show(after) });
}

fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Replaces a value that is there.
fn hide(value: &Value) -> Value {
    if value.is_null() { Value::Null } else { HIDDEN.into() }
}

/// Returns a value without secrets, cut at its limit.
fn shown(value: &Value, depth: usize) -> Value {
    let shown = without_secrets(value, depth);
    match &shown {
        Value::String(text) => cut(text, MAX_VALUE_CHARS).into(),
        Value::Array(_) | Value::Object(_) => {
            let text = shown.to_string();
            if text.chars().count() > MAX_VALUE_CHARS { cut(&text, MAX_VALUE_CHARS).into() } else { shown }
        }
        _ => shown,
    }
}

fn without_secrets(value: &Value, depth: usize) -> Value {
    match value {
        Value::String(text) => shown_text(text).into(),
        Value::Array(_) | Value::Object(_) if depth == 0 => HIDDEN.into(),
        Value::Array(elements) => elements.iter().map(|each| without_secrets(each, depth - 1)).collect(),
        Value::Object(members) => {
            let shown = members.iter().map(|(name, each)| {
                let each = if is_secret_name(name) { hide(each) } else { without_secrets(each, depth - 1) };
                (name.clone(), each)
            });
            Value::Object(shown.collect())
        }
        other => other.clone(),
    }
}

/// Returns a text without secrets: hidden if it contains one, and a URL by its origin and a digest.
fn shown_text(text: &str) -> String {
    if text.contains(WEBHOOK_SECRET) {
        return HIDDEN.to_owned();
    }
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    let Some(url) = is_url.then(|| url::Url::parse(text).ok()).flatten() else { return text.to_owned() };
    let origin = url.origin().ascii_serialization();
    if matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty() && url.password().is_none()
    {
        return origin;
    }
    format!("{origin}/… (SHA-256 {})", hex(&Sha256::digest(text)[..8]))
}

/// Cuts a text at a number of characters, the mark included.
pub(super) fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    text.chars().take(max_chars.saturating_sub(1)).chain([CUT]).collect()
}

/// Writes the fields that the limits allow as JSON; a last field counts the others.
fn shorten(fields: Vec<FieldChange>) -> Option<String> {
    let all = fields.len();
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for field in fields.into_iter().take(MAX_FIELDS) {
        // Three texts and values of JSON can always be written.
        let Ok(text) = serde_json::to_string(&field) else { continue };
        bytes += text.len() + 1;
        if bytes > MAX_CHANGES_BYTES {
            break;
        }
        texts.push(text);
    }
    if texts.len() < all {
        let rest = format!("{} more fields changed", all - texts.len());
        texts.push(format!(r#"{{"field":"{CUT}","old":null,"new":"{rest}"}}"#));
    }
    (!texts.is_empty()).then(|| format!("[{}]", texts.join(",")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn changes(before: &Value, after: &Value) -> Value {
        compare(before, after).map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn only_fields_that_differ_are_kept() {
        let before =
            json!({"enabled": true, "limits": {"open_exports": 5}, "notify": ["mailto:a@b.example"], "same": 1});
        let after =
            json!({"enabled": false, "limits": {"open_exports": 5, "records_per_second": 9}, "notify": [], "same": 1});
        assert_eq!(
            changes(&before, &after),
            json!([
                {"field": "enabled", "old": true, "new": false},
                {"field": "limits.records_per_second", "old": null, "new": 9},
                {"field": "notify", "old": ["mailto:a@b.example"], "new": []},
            ])
        );
        assert_eq!(changes(&before, &before), Value::Null);
        assert_eq!(changes(&Value::Null, &Value::Null), Value::Null);
        let (none, made) = (Value::Null, json!({"months": 84, "filters": {"customer": ["c"]}}));
        assert_eq!(
            changes(&none, &made),
            json!([{"field": "filters.customer", "old": null, "new": ["c"]}, {"field": "months", "old": null, "new": 84}])
        );
        assert_eq!(
            changes(&json!({"a": {}}), &json!({"a": {"b": 1}})),
            json!([{"field": "a.b", "old": null, "new": 1}])
        );
        assert_eq!(changes(&json!({"a": {}}), &Value::Null), json!([{"field": "a", "old": {}, "new": null}]));
        assert_eq!(changes(&json!(1), &json!("x")), json!([{"field": "value", "old": 1, "new": "x"}]));
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let secret = "s3cr3t-bytes";
        for (before, after) in [
            (json!({"secret": secret}), json!({"secret": "other"})),
            (json!({"destination": {"headers": {"X-Key": secret}}}), Value::Null),
            (json!({"destination": {"Headers": [secret]}}), json!({"destination": {"headers": ["other"]}})),
            (Value::Null, json!({"streams": [{"token": secret}]})),
            (json!({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": secret}}}}}}}}}), Value::Null),
            (json!({"notify": [format!("https://hooks.example/{secret}")]}), Value::Null),
            (json!({"notify": [format!("https://hooks.example/?key={secret}")]}), Value::Null),
            (json!({"url": format!("https://user:{secret}@hooks.example/")}), Value::Null),
            (json!({"anything": format!("whsec_{secret}")}), Value::Null),
        ] {
            let text = compare(&before, &after).unwrap();
            assert!(!text.contains(secret), "{text}");
            assert!(text.contains(HIDDEN) || text.contains("https://hooks.example"), "{text}");
        }
        assert_eq!(
            changes(&json!({"token": "a"}), &json!({"token": null})),
            json!([{"field": "token", "old": HIDDEN, "new": null}])
        );
    }

    #[test]
    fn urls_keep_their_origin_and_a_digest() {
        let shown = |url: &str| shown_text(url);
        assert_eq!(shown("https://hooks.example"), "https://hooks.example");
        assert_eq!(shown("https://hooks.example:8443/"), "https://hooks.example:8443");
        let (one, other) = (shown("https://hooks.example/a"), shown("https://hooks.example/b"));
        assert!(one.starts_with("https://hooks.example/… (SHA-256 ") && one != other, "{one} {other}");
        assert_eq!(shown("mailto:finance@contoso.example"), "mailto:finance@contoso.example");
    }

    #[test]
    fn long_values_and_many_fields_are_cut_with_a_mark() {
        let long = changes(&json!({"name": "é".repeat(5_000), "list": vec!["x"; 500]}), &Value::Null);
        for value in [&long[0]["old"], &long[1]["old"]] {
            let text = value.as_str().unwrap();
            assert!(text.ends_with(CUT) && text.chars().count() == MAX_VALUE_CHARS, "{text}");
        }
        let longest = json!(["x".repeat(MAX_VALUE_CHARS - 4)]);
        assert_eq!(changes(&json!({"list": longest}), &Value::Null)[0]["old"], longest);
        let deep = (0..=MAX_DEPTH).fold(json!("x"), |inner, _| json!([inner]));
        let deep = changes(&json!({"list": deep}), &Value::Null)[0]["old"].to_string();
        assert!(deep.contains(HIDDEN) && !deep.contains('x'), "{deep}");
        let many: Value = (0..200)
            .map(|number| (format!("field-{number:03}"), json!(number)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let many = changes(&many, &Value::Null);
        assert_eq!(many.as_array().unwrap().len(), MAX_FIELDS + 1);
        assert_eq!(many[MAX_FIELDS], json!({"field": "…", "old": null, "new": "160 more fields changed"}));
    }

    #[test]
    fn as_many_fields_are_kept_as_the_limit_allows() {
        let change = |new: &str| FieldChange { field: "f".to_owned(), old: Value::Null, new: new.into() };
        let least = serde_json::to_string(&change("")).unwrap().len();
        // Each field takes its JSON and a comma.
        for (bytes, count, kept) in [(256, 32, 32), (256, 33, 32), (205, 40, 39)] {
            let fields = (0..count).map(|_| change(&"x".repeat(bytes - 1 - least))).collect();
            let text = shorten(fields).unwrap();
            assert_eq!(text.matches(r#""field":"f""#).count(), kept, "{count} fields of {bytes} bytes");
            assert_eq!(text.contains("more fields"), kept < count);
        }
    }

    proptest! {
        #[test]
        fn changes_stay_below_their_limit(names in prop::collection::vec(".{0,300}", 0..60), text in ".{0,900}") {
            let before: serde_json::Map<String, Value> = names.iter().map(|name| (name.clone(), json!(text))).collect();
            if let Some(text) = compare(&before.into(), &Value::Null) {
                prop_assert!(text.len() <= MAX_CHANGES_BYTES + 200, "{}", text.len());
                prop_assert!(serde_json::from_str::<Vec<Value>>(&text).is_ok());
            }
        }
    }
}
