//! What the description of the API must hold.

use serde_json::Value;

/// Calls `visit` with each text of a JSON value, and with the name of the member that holds the text.
fn visit_texts<'a>(value: &'a Value, name: &'a str, visit: &mut dyn FnMut(&'a str, &'a str)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| visit_texts(value, name, visit)),
        Value::Array(elements) => elements.iter().for_each(|value| visit_texts(value, name, visit)),
        Value::String(text) => visit(name, text),
        _ => {}
    }
}

fn document() -> Value {
    serde_json::to_value(super::document()).unwrap()
}

#[test]
fn every_operation_has_a_description() {
    let document = document();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let text = |name: &str| operation[name].as_str().unwrap_or_default();
            assert!(text("summary").len() >= 10, "{method} {path} has no summary");
            assert!(text("description").len() >= 40, "{method} {path} has no description");
        }
    }
    assert!(operations >= 29, "{operations}");
}

#[test]
fn every_parameter_and_field_has_a_description() {
    fn check(value: &Value, place: &str) {
        if let Value::Object(members) = value {
            if members.contains_key("in") && members.contains_key("name") {
                assert!(members["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
            }
            members.iter().for_each(|(name, value)| check(value, &format!("{place}/{name}")));
        } else if let Value::Array(elements) = value {
            elements.iter().enumerate().for_each(|(index, value)| check(value, &format!("{place}/{index}")));
        }
    }
    let document = document();
    check(&document["paths"], "");
    for (schema, description) in document["components"]["schemas"].as_object().unwrap() {
        for (field, property) in description["properties"].as_object().into_iter().flatten() {
            // A field that may be null has its description in one of two alternatives.
            let alternatives = property["oneOf"].as_array().into_iter().flatten();
            let mut texts = alternatives.chain([property]).filter_map(|each| each["description"].as_str());
            assert!(texts.any(|text| !text.is_empty()), "{schema}.{field} has no description");
        }
    }
}

#[test]
fn texts_hold_nothing_that_only_rustdoc_reads() {
    let document = document();
    visit_texts(&document, "", &mut |name, text| {
        if matches!(name, "description" | "summary" | "title") {
            for mark in ["[`", "`]", "::", "# Errors", "Self", "pub fn"] {
                assert!(!text.contains(mark), "{text}");
            }
        }
    });
}

#[test]
fn limits_of_a_request_are_told() {
    let document = document();
    let record = &document["paths"]["/v1/partners/{partner}/activities"]["post"]["description"];
    let record = record.as_str().unwrap();
    for limit in ["5 MB", "500", "12 KB", "ce-id", "`id` and its `occurred_at` together"] {
        assert!(record.contains(limit), "{limit}");
    }
}
