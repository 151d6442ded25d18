//! Lists the log in the format of Partner Center's REST interface, so that existing clients keep working.
//!
//! `GET /v1/auditrecords?startDate&endDate&filter&size`, paged by `MS-ContinuationToken`. The partner is the token's own.
//! Unlike Partner Center, any period is allowed. Source of parameters, fields and formats: "Get a record of Partner Center
//! activity", learn.microsoft.com/partner-center/developer, and what its SDKs send. `audit_activity` has the newer address.

use chrono::NaiveDateTime;
use domain::{
    access::Operation,
    activity::{Activity, ActorType, MAX_NAME_CHARS},
    fault::{Faults, Rejection},
    filter::{Choice, Filter},
    fold::fold,
    partner_center::{operation_status, operation_type, resource_type},
    query::{Position, Selection, SortOrder},
    text::quoted,
    time::{Instant, Period},
};
use lambda::{
    Answer, HeaderName, Parameters, Problem, Request, StatusCode, cursor, log, metrics::Metric, payload, request,
    response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{
    error::Error,
    ledger::{Condition, MAX_PAGE_ROWS},
};
use utoipa::ToSchema;

use crate::{App, reading::Reading};

pub(crate) const DEFAULT_SIZE: usize = 500;
const DEFAULT_SECONDS: i64 = 30 * 86_400;
const DAY_SECONDS: i64 = 86_400;
const CONTINUATION_TOKEN: HeaderName = HeaderName::from_static("ms-continuationtoken");
/// The headers that identify the caller's request. The answer repeats them.
const ECHOED: [HeaderName; 2] = [HeaderName::from_static("ms-requestid"), HeaderName::from_static("ms-correlationid")];

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecords {
    /// The number of records in this page.
    pub total_count: usize,
    /// The records, newest first.
    #[schema(value_type = Vec<AuditRecord>)]
    pub items: Vec<Box<RawValue>>,
    /// The addresses of this page and of the next one.
    pub links: Links,
    /// Asks for the next page, as the header `MS-ContinuationToken` or at the newer address as the parameter `seek`; absent
    /// at the end. A page may be short, or empty, and have a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub continuation_token: Option<String>,
    /// The kind of this answer.
    pub attributes: Attributes,
}

/// One activity as a record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// The activity's id.
    pub id: String,
    /// The partner.
    pub partner_id: String,
    /// The customer, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub customer_id: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub customer_name: Option<String>,
    /// The actor's id.
    pub user_principal_name: String,
    /// The application that acted, or that recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub application_id: Option<String>,
    /// The kind of the target, in Partner Center's word.
    pub resource_type: String,
    /// The values before, a JSON object of the changed fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource_old_value: Option<String>,
    /// The values after, a JSON object of the changed fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub resource_new_value: Option<String>,
    /// The action, in Partner Center's word or in its own text.
    pub operation_type: String,
    /// The time of the action in UTC, with seven fractional digits.
    pub operation_date: String,
    /// `succeeded`, `failed`, `progress` or `decline`.
    pub operation_status: &'static str,
    /// The correlation id of the recording.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub original_correlation_id: Option<String>,
    /// The values that have no field of their own.
    pub customized_data: Vec<Header>,
    /// The kind of this object.
    pub attributes: Attributes,
}

/// The kind of an object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    /// `Collection` or `AuditRecord`.
    pub object_type: &'static str,
}

/// The addresses of pages.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    /// This page.
    #[serde(rename = "self")]
    pub this: Link,
    /// The next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<Link>,
}

/// A request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Link {
    /// The address below the version.
    pub uri: String,
    /// The method.
    pub method: &'static str,
    /// The headers.
    pub headers: Vec<Header>,
}

/// A name and a value.
#[derive(Debug, Serialize, ToSchema)]
pub struct Header {
    /// The name.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

#[derive(Serialize, Deserialize)]
struct Token {
    after: String,
    from: Instant,
    to: Instant,
    query: String,
}

/// A filter as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FieldFilter {
    #[serde(alias = "field")]
    pub(crate) field: String,
    #[serde(alias = "value")]
    pub(crate) value: String,
    #[serde(alias = "operator")]
    pub(crate) operator: String,
}

/// The records that a filter selects.
#[derive(Debug)]
pub(crate) enum RecordFilter {
    All,
    /// Those of customers whose names contain this folded text.
    Company(String),
    /// Those of this customer.
    Customer(String),
    /// Those about this kind of resource.
    Resource(String),
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    let caller = request::caller(request)?;
    let partner = caller.may_at_home(Operation::Read)?;
    log::set_partner(partner);
    log::time_invocation(Metric::ListLatency);
    let mut faults = Faults::default();
    let known = ["startDate", "endDate", "filter", "size", "seekOperation"];
    let parameters = Parameters::read_any_case(request, &known, &mut faults);
    let size = faults.keep_part(parameters.number("size", DEFAULT_SIZE, MAX_PAGE_ROWS));
    let mut one = |name: &str| faults.keep_part(parameters.one(name)).flatten();
    let (start, end, filter) = (one("startDate"), one("endDate"), one("filter"));
    // Pages of one list may have different lengths.
    let restriction = caller.customers().to_key();
    let fingerprint = cursor::fingerprint(&format!("{partner} {start:?} {end:?} {filter:?}{restriction}"));
    let wanted = faults.keep_part(filter.as_deref().map_or(Ok(RecordFilter::All), parse_filter));
    let bounds = [start.as_deref(), end.as_deref()];
    let period = read_period(["startDate", "endDate"], bounds, default_period(now), &mut faults);
    let ((mut period, wanted), size) = faults.finish(period.zip(wanted).zip(size))?;
    let mut after = None;
    if let Some(token) = request::header_text(request, &CONTINUATION_TOKEN) {
        let token: Token = cursor::decode_cursor("MS-ContinuationToken", token)?;
        let foreign = || {
            let detail = "belongs to another request: send it with the same parameters as the page before";
            Problem::field("MS-ContinuationToken", detail)
        };
        if token.query != fingerprint {
            return Err(foreign());
        }
        period = Period::new(token.from, token.to).map_err(|_| foreign())?;
        let position = Position::parse(&token.after).ok_or_else(foreign)?;
        after = Some(position).filter(|position| period.contains(position.occurred_at()));
        if after.is_none() {
            return Err(foreign());
        }
    }
    let reading = app.begin_read(&caller, partner, now).await?;
    let query = read_page(&reading, period, &wanted, size, after);
    let RecordPage { items, next } = app.note_read((request, &caller, now), partner, query).await?;
    let (from, to) = (period.from(), period.to());
    let token = next.map(|next| cursor::encode_cursor(&Token { after: next.to_text(), from, to, query: fingerprint }));
    let token = token.transpose()?;
    let uri = uri("/auditrecords", &parameters);
    let next = token.clone().map(|value| Link {
        uri: uri.clone(),
        method: "GET",
        headers: vec![Header { key: "MS-ContinuationToken", value }],
    });
    answer(request, items, Links { this: Link { uri, method: "GET", headers: Vec::new() }, next }, token)
}

/// A page of records, written as JSON.
pub(crate) struct RecordPage {
    pub(crate) items: Vec<Box<RawValue>>,
    /// The position behind the last record, if there are more.
    pub(crate) next: Option<Position>,
}

/// Reads a page of records from `after` on.
pub(crate) async fn read_page(
    reading: &Reading<'_>,
    period: Period,
    wanted: &RecordFilter,
    size: usize,
    after: Option<Position>,
) -> Result<RecordPage, Problem> {
    let customer = match wanted {
        RecordFilter::Customer(id) => Choice::any_of(vec![id.clone()]),
        _ => Choice::default(),
    };
    let filter = Filter { customer, ..Filter::default() };
    let selection =
        Selection { period, filter, order: SortOrder::Descending, recorded_from: None, recorded_before: None };
    let holds = |activity: &Activity<&str>| match wanted {
        RecordFilter::All | RecordFilter::Customer(_) => true,
        RecordFilter::Company(part) => {
            let name = activity.entry.customer.as_ref().and_then(|customer| customer.name);
            name.is_some_and(|name| fold(name).contains(part))
        }
        RecordFilter::Resource(resource) => resource_type(&activity.entry.action) == resource,
    };
    let also: Option<&Condition<'_>> = match wanted {
        RecordFilter::All | RecordFilter::Customer(_) => None,
        RecordFilter::Company(_) | RecordFilter::Resource(_) => Some(&holds),
    };
    let mut page = reading.list_page(selection, size, after, also).await?;
    let records = page.activities().map(|activity| record(activity.owned())).collect::<Result<Vec<_>, _>>()?;
    let items = payload::write_fitting(&records)?;
    page.truncate(items.len());
    Ok(RecordPage { items, next: page.next })
}

/// Answers with a page, and repeats the headers that identify the request.
pub(crate) fn answer(request: &Request, items: Vec<Box<RawValue>>, links: Links, token: Option<String>) -> Answer {
    let records = AuditRecords {
        total_count: items.len(),
        items,
        links,
        continuation_token: token,
        attributes: Attributes { object_type: "Collection" },
    };
    let mut response = response::json(StatusCode::OK, &records)?;
    for name in ECHOED {
        if let Some(value) = request::header_text(request, &name) {
            response::set_header(&mut response, name, value);
        }
    }
    Ok(response)
}

/// The bounds of a period that a request does not name: the last 30 days.
pub(crate) fn default_period(now: Instant) -> [Instant; 2] {
    [now.plus_seconds(-DEFAULT_SECONDS), now]
}

/// The period of two dates in UTC: from the start of the first day to the end of the last. A time of day other than
/// midnight is an instant.
pub(crate) fn read_period(
    [start_name, end_name]: [&str; 2],
    [start, end]: [Option<&str>; 2],
    [default_start, default_end]: [Instant; 2],
    faults: &mut Faults,
) -> Option<Period> {
    let mut read = |name: &str, text: &str| {
        let read = instant(text).ok_or_else(|| {
            Instant::explain_lost_plus(text.trim()).unwrap_or_else(|| {
                format!("{} is neither a date such as 2026-11-02 nor a time such as 11/2/2026 9:30:00 AM", quoted(text))
            })
        });
        faults.keep(&format!("/{name}"), read)
    };
    let from = start.map_or(Some(default_start), |text| read(start_name, text));
    let to = end.map_or(Some(default_end), |text| {
        let at = read(end_name, text)?;
        let is_midnight = at.micros().rem_euclid(DAY_SECONDS * 1_000_000) == 0;
        Some(if is_midnight { at.plus_seconds(DAY_SECONDS) } else { at })
    });
    let (from, to) = (from?, to?);
    let period = Period::new(from, to).map_err(|_| format!("{from} must be before the end, {to}"));
    faults.keep(&format!("/{start_name}"), period)
}

fn instant(text: &str) -> Option<Instant> {
    let text = text.trim();
    if let Ok(instant) = Instant::parse(text) {
        return Some(instant);
    }
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"];
    // A date without a time means midnight.
    let midnight = format!("{text} 00:00:00");
    let parsed = [text, &midnight]
        .into_iter()
        .find_map(|text| formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()))?;
    Instant::from_micros(parsed.and_utc().timestamp_micros())
}

/// Reads `{"Field": …, "Value": …, "Operator": …}`.
fn parse_filter(text: &str) -> Result<RecordFilter, Rejection> {
    let filter: FieldFilter = serde_json::from_str(text).map_err(|_| {
        let detail = r#"must be JSON such as {"Field":"CompanyName","Value":"fabrikam","Operator":"substring"}"#;
        Rejection::invalid("/filter", detail)
    })?;
    read_filter("filter", &filter)
}

/// Reads a filter that was sent in the parameter `name`. Of the many combinations that could be written, Partner Center
/// documents three.
pub(crate) fn read_filter(name: &str, filter: &FieldFilter) -> Result<RecordFilter, Rejection> {
    let refuse = |detail: String| Err(Rejection::invalid(format!("/{name}"), detail));
    if filter.value.trim().is_empty() {
        return refuse("has an empty value; leave the filter out to list all records, or name a value".to_owned());
    }
    if filter.value.chars().count() > MAX_NAME_CHARS {
        return refuse(format!("has a value longer than {MAX_NAME_CHARS} characters"));
    }
    match (filter.field.to_lowercase().as_str(), filter.operator.to_lowercase().as_str()) {
        ("companyname", "substring") => Ok(RecordFilter::Company(fold(&filter.value))),
        ("customerid", "equals") => Ok(RecordFilter::Customer(filter.value.clone())),
        ("resourcetype", "equals") => Ok(RecordFilter::Resource(snake_case(&filter.value))),
        _ => {
            let detail = "has a field or operator that is not known; known are CompanyName with substring, CustomerId with equals, ResourceType with equals";
            refuse(detail.to_owned())
        }
    }
}

/// `CustomerUser` and `customer_user` alike.
fn snake_case(text: &str) -> String {
    let mut snake = String::with_capacity(text.len() + 4);
    let mut after_lower = false;
    for char in text.chars() {
        if char.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = char.is_ascii_lowercase() || char.is_ascii_digit();
        snake.extend(char.to_lowercase());
    }
    snake
}

/// Returns a path with the parameters of a request.
pub(crate) fn uri(path: &str, parameters: &Parameters) -> String {
    let mut uri = path.to_owned();
    for (number, (name, value)) in parameters.iter().enumerate() {
        uri.push(if number == 0 { '?' } else { '&' });
        uri.push_str(name);
        uri.push('=');
        uri.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    uri
}

fn record(activity: Activity) -> Result<AuditRecord, Problem> {
    let url = activity.url();
    let entry = activity.entry;
    let (resource_old_value, resource_new_value) = match &entry.changes {
        Some(changes) => values(changes)?,
        None => (None, None),
    };
    let (customer_id, customer_name) =
        entry.customer.map_or((None, None), |customer| (Some(customer.id), customer.name));
    let target = entry.target.unwrap_or_default();
    let customized_data = [
        ("UserName", entry.actor.name),
        ("Role", entry.actor.role),
        ("IpAddress", entry.actor.ip),
        ("TargetType", target.kind),
        ("TargetId", target.id),
        ("TargetName", target.name),
        ("Reason", entry.reason),
        ("DetailsUrl", (activity.details.size() > 0).then_some(url)),
    ];
    let application_id = match entry.actor.kind {
        ActorType::Application => Some(entry.actor.id.clone()),
        _ => entry.source,
    };
    // Six digits come from microseconds; the seventh is always 0.
    let date = activity.occurred_at.to_string();
    Ok(AuditRecord {
        id: activity.id.to_string(),
        partner_id: activity.partner.to_string(),
        customer_id,
        customer_name,
        user_principal_name: entry.actor.id,
        application_id,
        resource_type: resource_type(&entry.action).to_owned(),
        resource_old_value,
        resource_new_value,
        operation_type: operation_type(&entry.action).to_owned(),
        operation_date: format!("{}0Z", date.trim_end_matches('Z')),
        operation_status: operation_status(entry.status),
        original_correlation_id: entry.correlation_id,
        customized_data: customized_data
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| Header { key, value }))
            .collect(),
        attributes: Attributes { object_type: "AuditRecord" },
    })
}

/// The values of the changed fields before and after, each as the text of a JSON object.
fn values(changes: &str) -> Result<(Option<String>, Option<String>), Problem> {
    #[derive(Deserialize)]
    struct Change<'a> {
        field: String,
        #[serde(borrow)]
        old: Option<&'a RawValue>,
        #[serde(borrow)]
        new: Option<&'a RawValue>,
    }
    let unreadable = |error| Error::permanent("reading the changes of an activity", error);
    let changes: Vec<Change<'_>> = serde_json::from_str(changes).map_err(unreadable)?;
    let object = |value: fn(&Change<'_>) -> Option<String>| -> Result<Option<String>, Problem> {
        let mut text = String::new();
        for change in &changes {
            if let Some(value) = value(change) {
                text.push(if text.is_empty() { '{' } else { ',' });
                text.push_str(&serde_json::to_string(&change.field).map_err(unreadable)?);
                text.push(':');
                text.push_str(&value);
            }
        }
        Ok((!text.is_empty()).then(|| text + "}"))
    };
    Ok((
        object(|change| change.old.map(|old| old.get().to_owned()))?,
        object(|change| change.new.map(|new| new.get().to_owned()))?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_format_of_clients() {
        for (text, expected) in [
            ("2026-11-02", "2026-11-02T00:00:00.000000Z"),
            ("11/2/2026 12:00:00 AM", "2026-11-02T00:00:00.000000Z"),
            ("6/1/2017 1:02:03 PM", "2017-06-01T13:02:03.000000Z"),
            ("06/01/2017", "2017-06-01T00:00:00.000000Z"),
            ("2026-11-02T09:30:00", "2026-11-02T09:30:00.000000Z"),
            ("2026-11-02T09:30:00+01:00", "2026-11-02T08:30:00.000000Z"),
        ] {
            assert_eq!(instant(text).map(|instant| instant.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "13/1/2026 1:00:00 AM", "2026-13-01", "44"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn period_includes_the_last_day_and_defaults_to_thirty_days() {
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        let bounds = |start, end| {
            let mut faults = Faults::default();
            let period = read_period(["startDate", "endDate"], [start, end], default_period(now), &mut faults).unwrap();
            (period.from().to_millis_text(), period.to().to_millis_text())
        };
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(bounds(None, None), pair("2026-10-03T12:00:00.000Z", "2026-11-02T12:00:00.000Z"));
        assert_eq!(
            bounds(Some("2020-01-01"), Some("2020-01-31")),
            pair("2020-01-01T00:00:00.000Z", "2020-02-01T00:00:00.000Z")
        );
        assert_eq!(
            bounds(Some("1/1/2020 12:00:00 AM"), Some("1/31/2020 1:00:00 AM")),
            pair("2020-01-01T00:00:00.000Z", "2020-01-31T01:00:00.000Z")
        );
        let reversed = [Some("2026-02-01"), Some("2026-01-01")];
        let mut faults = Faults::default();
        assert!(read_period(["startDate", "endDate"], reversed, default_period(now), &mut faults).is_none());
        assert_ne!(faults, Faults::default());
    }

    #[test]
    fn only_the_three_documented_filters_are_accepted() {
        assert!(matches!(
            parse_filter(r#"{"Field":"CompanyName","Value":"FABRI","Operator":"substring"}"#),
            Ok(RecordFilter::Company(part)) if part == "fabri"
        ));
        assert!(matches!(
            parse_filter(r#"{"field":"customerid","value":"aB","operator":"EQUALS"}"#),
            Ok(RecordFilter::Customer(id)) if id == "aB"
        ));
        for value in ["CustomerUser", "customer_user", "CUSTOMER_USER"] {
            let filter = format!(r#"{{"Field":"ResourceType","Value":"{value}","Operator":"equals"}}"#);
            assert!(
                matches!(parse_filter(&filter), Ok(RecordFilter::Resource(resource)) if resource == "customer_user"),
                "{value}"
            );
        }
        for filter in [
            "",
            "{}",
            "[]",
            r#"{"Field":"ResourceType","Value":"order","Operator":"substring"}"#,
            r#"{"Field":"CompanyName","Value":"","Operator":"substring"}"#,
            r#"{"Field":"CustomerId","Value":" ","Operator":"equals"}"#,
            r#"{"Field":"ResourceType","Value":"","Operator":"equals"}"#,
        ] {
            assert!(parse_filter(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn changes_become_two_objects_with_unchanged_digits() {
        let (old, new) =
            values(r#"[{"field":"quantity","old":5.00,"new":12},{"field":"note","new":"é \"x\""}]"#).unwrap();
        assert_eq!(old.as_deref(), Some(r#"{"quantity":5.00}"#));
        assert_eq!(new.as_deref(), Some(r#"{"quantity":12,"note":"é \"x\""}"#));
        assert_eq!(values("[]").unwrap(), (None, None));
    }
}
