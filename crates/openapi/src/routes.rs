//! The routes of the API, each as an empty function that carries its description. Tests hold them against the template's
//! routes and against the answers of the running service.
#![expect(dead_code, reason = "nothing here is called: it describes")]

mod audit;
mod streams;

use domain::{
    actions::ListedAction,
    activity::{ActivityId, ActivityJson, BatchJson, NewActivityJson, PartnerId, cloud_events::CloudEvent},
    counts::Facet,
    filter::{ActionFilter, IdFilter, StatusFilter},
    job::Kind,
    time::{Instant, Interval, Month},
};
use lambda::ProblemDocument;
use utoipa::{
    IntoParams, IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Content, Header, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, Server,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

/// The whole document.
pub(crate) fn document() -> Document {
    Api::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Daybook",
        description = "The activity log of partner portals: who did what to which customer's account, when.\n\nTimes are RFC 3339; clients ignore fields of answers that they do not know, requests with unknown fields are refused. Every answer that is not a success is a problem document (RFC 9457).\n\nEvery `GET` route answers `HEAD` with the same status and headers. A request body may count 6,000,000 bytes: each quote, backslash and line break counts twice. Answers count alike, and a list is shorter instead of larger.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "activities", description = "Record and read what was done."),
        (name = "exports", description = "Files of activities, on demand and every month."),
        (name = "streams", description = "Activities sent to your own systems as they are recorded."),
        (name = "data", description = "What becomes of a partner's data: retention, holds, erasure."),
        (name = "audit", description = "Who read, exported, downloaded or changed something."),
        (name = "operator", description = "For who runs the installation."),
        (name = "partner center", description = "The log as clients of Partner Center's REST interface read it."),
        (name = "portal", description = "What a browser loads, without a token."),
    ),
    paths(
        record, list, list_of_customer, count, feed, show, show_details, audit::list_audit, actions, audit_records, audit_activity,
        create_export, list_exports, show_export, cancel_export, download, show_schedule, save_schedule, remove_schedule,
        show_secret, rotate_secret,
        streams::create_stream, streams::list_streams, streams::show_stream, streams::change_stream, streams::remove_stream,
        streams::show_stream_secret, streams::rotate_stream_secret, streams::test_stream, streams::replay_stream,
        list_partners, show_partner, save_partner, remove_partner, show_retention, save_retention,
        list_holds, place_hold, show_hold, release_hold, list_erasures, order_erasure, show_erasure,
        show_settings, save_settings, show_client, save_client, remove_client, run_month, list_month,
        page, asset, config, openapi, docs, health,
    ),
    modifiers(&Common),
)]
struct Api;

/// What all routes have in common: where they are, the token, and the problems that any of them may answer with.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        document.servers = Some(vec![Server::new(".")]);
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A person sends the ID token of the sign-in, which names partner and roles. A machine client sends the \
                 access token of its client, with the scope `daybook/record` to record, `daybook/read` to read and export, \
                 or `daybook/operate` to operate the installation. The operator registers the clients of partners. A person's \
                 claim or a client's registration may list the customers whose activities the caller may see. To such a \
                 caller, other activities, exports that may hold them, the schedule and the streams answer as if they did not exist.",
            ))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
                .into_iter()
                .filter_map(Option::as_mut);
            for operation in operations {
                let mut problems =
                    vec![(404, NOT_FOUND), (500, "Something went wrong on our side; it is logged under `trace_id`.")];
                if path.contains("/v1/") {
                    problems.extend([
                        (400, "The query has a parameter that the route does not read; `errors` names each one."),
                        (401, "There is no token, or it cannot be verified."),
                        (
                            403,
                            "The token lacks something, or its roles do not include this: `detail` says what to send.",
                        ),
                        (429, "Too many requests: try again after the time in `Retry-After`."),
                        (503, "The storage does not answer: try again after the time in `Retry-After`."),
                    ]);
                }
                for (status, description) in problems {
                    let responses = &mut operation.responses.responses;
                    responses.entry(status.to_string()).or_insert_with(|| RefOr::T(problem(status, description)));
                }
            }
        }
    }
}

const NOT_FOUND: &str = "There is nothing here, or nothing that this token can see.";

fn problem(status: u16, description: &str) -> Response {
    let schema = RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem"));
    let response =
        ResponseBuilder::new().description(description).content("application/problem+json", Content::new(Some(schema)));
    let response = match status {
        429 | 503 => response.header("Retry-After", Header::default()),
        _ => response,
    };
    response.build()
}

/// Problems of a request that is not as it should be.
#[derive(IntoResponses)]
enum Refused {
    /// The request is not valid; `errors` name the fields.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// A part of the request is larger than the limits.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The request is well-formed, but not acceptable.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(ProblemDocument),
}

/// The period and the filters of a list or of counts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Question {
    /// The first instant (RFC 3339) or day (`YYYY-MM-DD` in `time_zone`). Default: one calendar month before `to`.
    #[param(example = "2026-10-01")]
    from: Option<String>,
    /// The instant after the last, or the last day, which is included. Default: now.
    #[param(example = "2026-10-31")]
    to: Option<String>,
    /// An IANA name; it decides how dates are read. Default: UTC.
    #[param(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// Actors' ids: any of them, or with `!` in front none of them. The case of ASCII letters does not count.
    #[param(max_items = 50)]
    actor: Option<Vec<IdFilter>>,
    /// Actions, or their first words followed by `.*`: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    action: Option<Vec<ActionFilter>>,
    /// Statuses: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    status: Option<Vec<StatusFilter>>,
    /// Targets' types: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    target_type: Option<Vec<IdFilter>>,
    /// Targets' ids: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    target: Option<Vec<IdFilter>>,
    /// Correlation ids: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    correlation: Option<Vec<IdFilter>>,
    /// Sources: any of them, or with `!` in front none of them.
    #[param(max_items = 50)]
    source: Option<Vec<IdFilter>>,
    /// Words that the activity contains, all of them: in the customer's or actor's name or id, the actor's role or IP address,
    /// the action, the status, their labels in any language, the target's name, type or id, the activity's id or the
    /// correlation id. Case, accents, Unicode form, invisible characters, and kinds of apostrophes, quotation marks and dashes do
    /// not count.
    #[param(min_length = 1, max_length = 256, pattern = r"\S")]
    q: Option<String>,
}

/// The pages of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Paging {
    /// `desc`, newest first, or `asc`. Default: `desc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// The most activities of a page. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before, with the same other parameters. Only `limit` may change.
    cursor: Option<String>,
}

/// What is counted, and the calls that count it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Counting {
    /// The length of buckets by the clocks of `time_zone`. Weeks begin on Monday. At most 1,000 buckets of a period.
    #[param(example = "day")]
    interval: Option<Interval>,
    /// The fields whose values are counted, each of them once.
    #[param(max_items = 4, example = json!(["status", "customer"]))]
    by: Option<Vec<Facet>>,
    /// Counts only the values of `by` whose id or name contains this text, or whose label in any language does. Case, accents,
    /// Unicode form and kind of apostrophe do not count. It changes neither `total` nor `buckets`.
    #[param(rename = "match", min_length = 1, max_length = 256, pattern = r"\S", example = "societe")]
    matching: Option<String>,
    /// The order in which the calls go through the period: `desc`, newest first, or `asc`. Default: `desc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Where to go on: `next_cursor` of the call before, with the same other parameters.
    cursor: Option<String>,
}

/// Record activities
///
/// One activity, or a batch of up to 500 as `{"activities": […]}`, or CloudEvents: in their JSON format, or one in binary mode
/// with its attributes in the headers `ce-id`, `ce-time`, `ce-type`, `ce-source` and `ce-specversion` and the activity as body.
///
/// An activity's address is its `id` and its `occurred_at` together. Recording is idempotent for the life of the record: the
/// same `id` and `occurred_at` with the same content again records nothing, with other content it is refused (409). The same
/// `id` with another `occurred_at` is another activity. An acknowledged activity is durable and readable at once.
///
/// A request may have 5 MB, and 500 activities. A full batch has room for 10 KB an activity; up to 6 MB, or 12 KB, may
/// pass, because quotation marks and other characters that JSON escapes count twice on the way to the service.
#[utoipa::path(post, path = "/v1/partners/{partner}/activities", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("ce-specversion" = Option<String>, Header, description = "Of a CloudEvent in binary mode: `1.0`"),
        ("ce-id" = Option<String>, Header, description = "Of a CloudEvent in binary mode: the activity's id"),
        ("ce-time" = Option<String>, Header, description = "Of a CloudEvent in binary mode: when the activity occurred"),
        ("ce-type" = Option<String>, Header, description = "Of a CloudEvent in binary mode: the action"),
        ("ce-source" = Option<String>, Header, description = "Of a CloudEvent in binary mode: the system that recorded the activity")),
    request_body(content(
        (Record = "application/json"),
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
    )),
    responses(
        (status = 200, description = "A batch, answered item by item; or one activity that was recorded before", body = inline(Recorded)),
        (status = 201, description = "The activity is recorded", body = ActivityJson, headers(("Location" = String, description = "Its address, relative to this one"))),
        (status = 409, description = "Another activity has this id and time", body = ProblemDocument, content_type = "application/problem+json"),
        Refused,
    ))]
fn record() {}

/// One activity, or a batch.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
enum Record {
    /// One activity.
    One(Box<NewActivityJson<'static>>),
    /// A batch.
    Many(BatchJson<'static>),
}

/// What recording answers with.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum Recorded {
    /// One activity.
    One(Box<ActivityJson<'static>>),
    /// A batch.
    Many(record::BatchAnswer),
}

/// List activities
///
/// Everything but the details, of a period of any length. What one page reads is bounded, so a page may be short, or empty, and
/// have a next one: only a null `next_cursor` means the end. A filter without a value is refused.
#[utoipa::path(get, path = "/v1/partners/{partner}/activities", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), Question, Paging,
        ("customer" = Option<Vec<IdFilter>>, Query, description = "Customers' ids: any of them, or with `!` in front none of them. The case of ASCII letters does not count", max_items = 50)),
    responses((status = 200, description = "A page", body = query::ListAnswer, headers(("Link" = String, description = "The next page, `rel=\"next\"`"))), Refused))]
fn list() {}

/// List a customer's activities
///
/// The same list for one customer, from an index: its cost does not grow with the partner's other activity.
#[utoipa::path(get, path = "/v1/partners/{partner}/customers/{customer}/activities", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("customer" = String, Path, description = "The customer's id"), Question, Paging),
    responses((status = 200, description = "A page", body = query::ListAnswer, headers(("Link" = String, description = "The next page, `rel=\"next\"`"))), Refused))]
fn list_of_customer() {}

/// Count activities
///
/// How many activities the same list has: in all, in buckets of time by status, and by the values of up to four fields. One call
/// reads a bounded amount. Where that does not suffice, `complete` is false, and the call with `next_cursor` counts what comes
/// next. Add up the answers of all calls: the sum equals the list, exactly. Values that differ only in the case of ASCII letters
/// are one value, as they are for filters.
///
/// Every answer has every bucket of the period, with zeroes where this call counted nothing. The first and the last bucket are
/// cut at the period. A day on which clocks change has 23 or 25 hours. An interval that makes more than 1,000 buckets is refused.
///
/// An answer has at most 1,000 values of a field. A call ends before an activity with another value, so that no value is left out.
/// To find values by what people type, ask with `match`: `by=customer&match=societe` finds "Société Été" wherever it stands.
#[utoipa::path(get, path = "/v1/partners/{partner}/counts", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), Question,
        ("customer" = Option<Vec<IdFilter>>, Query, description = "Customers' ids: any of them, or with `!` in front none of them. The case of ASCII letters does not count", max_items = 50),
        Counting),
    responses((status = 200, description = "What this call counted", body = query::CountAnswer,
        headers(("Link" = String, description = "The next call, `rel=\"next\"`")),
        example = json!({
            "range": {"from": "2026-10-24T22:00:00.000000Z", "to": "2026-10-26T23:00:00.000000Z", "time_zone": "Europe/Paris"},
            "total": 54,
            "buckets": [
                {"from": "2026-10-24T22:00:00.000000Z", "to": "2026-10-25T23:00:00.000000Z", "counts": {"succeeded": 0, "failed": 0, "in_progress": 0, "declined": 0}},
                {"from": "2026-10-25T23:00:00.000000Z", "to": "2026-10-26T23:00:00.000000Z", "counts": {"succeeded": 50, "failed": 3, "in_progress": 0, "declined": 1}},
            ],
            "by": {"customer": [{"value": "fabrikam", "name": "Fabrikam SARL", "count": 42}, {"value": null, "name": null, "count": 12}]},
            "complete": true,
            "complete_through": "2026-11-02T11:58:00.000Z",
            "next_cursor": null,
        })), Refused))]
fn count() {}

/// Read the feed
///
/// The activities in the order in which they were recorded, oldest first. So whoever polls misses nothing, however late an activity
/// comes: send the `after` of each answer with the next call, also when the answer is empty. Activities appear two minutes after
/// they were recorded, each once.
///
/// A partner has a feed when the operator switches it on (`PUT /v1/partners/{partner}/settings`); without one the answer is 409. The
/// feed begins at `begins_at`. What was recorded before is in the list and in exports. A position from before the feed was switched
/// off and on again is refused with 410.
#[utoipa::path(get, path = "/v1/partners/{partner}/feed", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("after" = Option<String>, Query, description = "The `after` of the answer before. Default: the beginning of the feed"),
        ("limit" = Option<u16>, Query, description = "The most activities of the page. Default: 100", minimum = 1, maximum = 1000)),
    responses((status = 200, description = "A page", body = query::FeedAnswer,
        example = json!({
            "activities": [],
            "after": "2026-11-02T11:58:00.000Z",
            "complete_through": "2026-11-02T11:58:00.000Z",
            "begins_at": "2026-11-01T09:31:30.000Z",
        })),
        (status = 409, description = "The partner has no feed", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, description = "The position is before the feed began", body = ProblemDocument, content_type = "application/problem+json"),
        Refused))]
fn feed() {}

/// Show an activity
///
/// The whole activity with its details. It never changes: `If-None-Match` with its `ETag` answers 304. Details that do not fit
/// into an answer are null, with their address in `details_url`.
#[utoipa::path(get, path = "/v1/partners/{partner}/activities/{id}", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = inline(ActivityId), Path, description = "The activity's id"),
        ("occurred_at" = inline(Instant), Query, description = "When it occurred: a part of its address"),
        ("If-None-Match" = Option<String>, Header, description = "An `ETag` that the caller has")),
    responses((status = 200, description = "The activity", body = ActivityJson, headers(("ETag" = String, description = "Stands for its content"))),
        (status = 304, description = "The caller has it already"), Refused))]
fn show() {}

/// Download the details of an activity
///
/// Details of any size, as a file of JSON. The answer redirects to a link made at this moment and good for five minutes.
#[utoipa::path(get, path = "/v1/partners/{partner}/activities/{id}/details", tag = "activities", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = inline(ActivityId), Path, description = "The activity's id"),
        ("occurred_at" = inline(Instant), Query, description = "When it occurred: a part of its address"),
        ("redirect" = Option<bool>, Query, description = "With `false`, the link is answered instead of a redirection")),
    responses((status = 200, description = "The link, with `redirect=false`", body = lambda::link::LinkAnswer),
        (status = 303, description = "To the file", headers(("Location" = String, description = "The link"))), Refused))]
fn show_details() {}

/// The catalogue of actions
///
/// The names of known actions and of their categories. The vocabulary is open: an unknown action is shown by its own text. That of
/// the audit is closed.
#[utoipa::path(get, path = "/v1/actions", tag = "activities", security(("token" = [])),
    params(("locale" = Option<String>, Query, description = "The language, `en` or `fr`; that of `Accept-Language` where it is absent", pattern = "^(en|fr)([-_].*)?$"),
        ("log" = Option<String>, Query, description = "`audit` lists the acts that the audit keeps; `activities` where it is absent", pattern = "^(activities|audit)$")),
    responses((status = 200, description = "The known actions", body = Vec<ListedAction>), Refused))]
fn actions() {}

/// Partner Center's audit records
///
/// The log of the token's own partner, for clients of Partner Center's REST interface. Any period may be asked for.
#[utoipa::path(get, path = "/v1/auditrecords", tag = "partner center", security(("token" = [])),
    params(
        ("startDate" = Option<String>, Query, description = "First day, `yyyy-mm-dd` or `M/d/yyyy h:mm:ss tt`, in UTC. Default: 30 days ago", example = "2026-10-01"),
        ("endDate" = Option<String>, Query, description = "Last day, included. Default: now", example = "2026-10-31"),
        ("filter" = Option<String>, Query, description = "JSON with `Field`, `Value` and `Operator`: CompanyName with substring, CustomerId or ResourceType with equals",
            example = r#"{"Field":"CompanyName","Value":"fabrikam","Operator":"substring"}"#),
        ("size" = Option<u32>, Query, description = "The most records of a page. Default: 500", minimum = 1, maximum = 1000),
        ("seekOperation" = Option<String>, Query, description = "Sent by some clients; not needed"),
        ("MS-ContinuationToken" = Option<String>, Header, description = "`continuationToken` of the page before"),
        ("MS-RequestId" = Option<String>, Header, description = "Comes back"),
        ("MS-CorrelationId" = Option<String>, Header, description = "Comes back"),
    ),
    responses((status = 200, description = "A page", body = query::AuditRecords), Refused))]
fn audit_records() {}

/// Partner Center's audit records, at their newer address
///
/// The same records with the parameters of Partner Center's newer interface. The next page is at `?seek=` with the
/// `continuationToken` of the page before. Any period may be asked for.
#[utoipa::path(get, path = "/auditactivity/v1/auditrecords", tag = "partner center", security(("token" = [])),
    params(
        ("auditRequest.startDate" = Option<String>, Query, description = "First day or instant, in UTC. Default: 30 days ago", example = "2026-10-01T00:00:00Z"),
        ("auditRequest.endDate" = Option<String>, Query, description = "Last day, included, or the instant after the last. Default: now", example = "2026-10-31"),
        ("auditRequest.filter.field" = Option<String>, Query, description = "`CompanyName`, `CustomerId` or `ResourceType`", example = "CustomerId"),
        ("auditRequest.filter.value" = Option<String>, Query, description = "The value to compare with", example = "fabrikam"),
        ("auditRequest.filter.operator" = Option<String>, Query, description = "`Substring` or 6 for CompanyName, `Equals` or 0 for the others. Default: the field's own", example = "0"),
        ("auditRequest.size" = Option<u32>, Query, description = "The most records of a page. Default: 500", minimum = 1, maximum = 1000),
        ("seek" = Option<String>, Query, description = "`continuationToken` of the page before, alone or with the same parameters"),
        ("MS-RequestId" = Option<String>, Header, description = "Comes back"),
        ("MS-CorrelationId" = Option<String>, Header, description = "Comes back"),
    ),
    responses((status = 200, description = "A page", body = query::AuditRecords), Refused))]
fn audit_activity() {}

/// Make an export
///
/// It is made by workers; ask for it until its `status` is `ready`, then download its files. The period may have any length. A
/// filter without a value, `[]`, `""` or `null`, is refused. If the caller may see some customers only, the export holds these, and
/// its `filters` name them.
#[utoipa::path(post, path = "/v1/partners/{partner}/exports", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat of the same request with the same key answers the first export, for a week. Another request with the key is refused (422). Each caller has keys of its own", min_length = 1, max_length = 255)),
    request_body(content = Option<exports::CreateExport>, content_type = "application/json"),
    responses((status = 202, description = "The export", body = exports::ExportAnswer, headers(("Location" = String, description = "Its address, relative to this one"))), Refused))]
fn create_export() {}

/// List exports
///
/// Those on demand and those of the schedule, newest first. A page may be followed by others: send `next_cursor` as `cursor`. A
/// caller who may see some customers only finds the exports on demand that are about these customers; its pages may be short.
#[utoipa::path(get, path = "/v1/partners/{partner}/exports", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("kind" = Option<Kind>, Query, description = "Those of one kind"),
        ("limit" = Option<u32>, Query, description = "The most exports of a page. Default: 50", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where to go on: `next_cursor` of the page before")),
    responses((status = 200, description = "A page, newest first", body = exports::ExportListAnswer), Refused))]
fn list_exports() {}

/// Show an export
///
/// Its status, how far it is, and, once it is `ready`, the names of its files with size and SHA-256. Ask again while it is
/// `pending` or `running`.
#[utoipa::path(get, path = "/v1/partners/{partner}/exports/{id}", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The export's id")),
    responses((status = 200, description = "The export", body = exports::ExportAnswer)))]
fn show_export() {}

/// Cancel an export
///
/// A pending or running one is not made, a ready one loses its files. It may be repeated. Allowed to the caller that
/// requested the export, and to the roles that may change the schedule.
#[utoipa::path(delete, path = "/v1/partners/{partner}/exports/{id}", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The export's id")),
    responses((status = 204, description = "It is cancelled")))]
fn cancel_export() {}

/// Download a file
///
/// A link made at this moment and good for five minutes. To resume a download, get a new link, and send `Range` and, with
/// the `ETag` of the first answer, `If-Match`. `HEAD` redirects to a link for `HEAD`.
#[utoipa::path(get, path = "/v1/partners/{partner}/exports/{id}/files/{name}", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The export's id"),
        ("name" = String, Path, description = "The file's name"),
        ("redirect" = Option<bool>, Query, description = "With `false`, the link is answered instead of a redirection")),
    responses((status = 200, description = "The link, with `redirect=false`", body = lambda::link::LinkAnswer),
        (status = 303, description = "To the file", headers(("Location" = String, description = "The link"))),
        (status = 409, description = "The export is not ready", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, description = "Its files are gone", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn download() {}

/// Show the schedule of monthly exports
///
/// What was saved, when the next month is made, and the last results with the notifications about them. 404 if there is no
/// schedule.
#[utoipa::path(get, path = "/v1/partners/{partner}/export-schedule", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The schedule", body = exports::ScheduleAnswer)))]
fn show_schedule() {}

/// Save the schedule of monthly exports
///
/// Makes a schedule, or changes the one that is there. A member that is absent stays as it is; `null` sets the default. So
/// `{"enabled": false}` pauses a schedule, and `{"enabled": true}` resumes it unchanged.
#[utoipa::path(put, path = "/v1/partners/{partner}/export-schedule", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body = exports::SaveSchedule,
    responses((status = 200, description = "The schedule", body = exports::ScheduleAnswer),
        (status = 409, description = "Someone else is changing it", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn save_schedule() {}

/// Remove the schedule of monthly exports
///
/// No further month is made and nobody is notified. Exports that exist stay. The secret that signs notifications is removed,
/// too. It may be repeated. To stop for a while, save `{"enabled": false}` instead.
#[utoipa::path(delete, path = "/v1/partners/{partner}/export-schedule", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 204, description = "There is none"),
        (status = 409, description = "Someone else is changing it", body = ProblemDocument, content_type = "application/problem+json")))]
fn remove_schedule() {}

/// Show the secret that signs notifications
///
/// Webhooks are signed in the form of Standard Webhooks: `webhook-signature` holds `v1,` and the HMAC-SHA256, in base64,
/// over `{webhook-id}.{webhook-timestamp}.{body}`.
#[utoipa::path(get, path = "/v1/partners/{partner}/export-schedule/secret", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The secret", body = lambda::secret::SecretAnswer)))]
fn show_secret() {}

/// Replace the secret that signs notifications
///
/// Each replaced secret signs as well for a day, so that the receiver can be changed meanwhile: a message is good if one of
/// its signatures, separated by spaces, is. At most ten replaced secrets sign at a time.
#[utoipa::path(post, path = "/v1/partners/{partner}/export-schedule/secret", tag = "exports", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The new secret", body = lambda::secret::SecretAnswer),
        (status = 409, description = "Someone else has just replaced it", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Ten replaced secrets sign already", body = ProblemDocument, content_type = "application/problem+json")))]
fn rotate_secret() {}

/// List all partners' exports of a month
///
/// For the operator: which partners have the month, and which do not. The first page also counts the exports by status.
#[utoipa::path(get, path = "/v1/exports", tag = "operator", security(("token" = [])),
    params(("kind" = String, Query, description = "`monthly`", pattern = "^monthly$"),
        ("month" = inline(Month), Query, description = "The month"),
        ("status" = Option<String>, Query, description = "One status only", pattern = "^(pending|running|ready|failed|cancelled)$"),
        ("limit" = Option<u32>, Query, description = "The most of one page, 50 where it is absent", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the page before")),
    responses((status = 200, description = "How many there are, and a page of them", body = admin::MonthAnswer), Refused))]
fn list_month() {}

/// List the registered partners
///
/// For the operator: the partners in the order of their ids, each with its months, retention and holds.
#[utoipa::path(get, path = "/v1/partners", tag = "operator", security(("token" = [])),
    params(("limit" = Option<u32>, Query, description = "The most of one page, 50 where it is absent", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the page before")),
    responses((status = 200, description = "A page of partners", body = admin::PartnerListAnswer), Refused))]
fn list_partners() {}

/// Show a partner
///
/// For the operator: the registration, the months with activities, and what becomes of the data. Once a partner's data are
/// deleted, the record of that stays.
#[utoipa::path(get, path = "/v1/partners/{partner}", tag = "operator", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The partner", body = admin::PartnerAnswer)))]
fn show_partner() {}

/// Register a partner, or change its registration
///
/// For the operator. A member that is absent stays as it is; `null` sets the default. A suspended partner reads and does not
/// record. `"status": "active"` also takes back the order to delete all data, until the deletion has begun. A change takes
/// effect within a minute.
#[utoipa::path(put, path = "/v1/partners/{partner}", tag = "operator", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body(content = Option<admin::SavePartner>, content_type = "application/json"),
    responses((status = 200, description = "The partner", body = admin::PartnerAnswer),
        (status = 201, description = "The partner, which is registered now", body = admin::PartnerAnswer),
        (status = 409, description = "Someone else has just changed it, or its data are being deleted", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn save_partner() {}

/// Delete all data of a partner
///
/// For the operator. Recording ends within a minute. An export of everything is made, for the partner to download. After the
/// days all data are deleted, unless a hold is active then; until the deletion begins it can be taken back. Ordered again, the
/// days count anew.
#[utoipa::path(delete, path = "/v1/partners/{partner}", tag = "operator", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("days" = Option<u32>, Query, description = "The days until the deletion, 30 where it is absent", minimum = 1, maximum = 3650),
        ("export" = Option<bool>, Query, description = "With `false`, no export is made")),
    responses((status = 202, description = "The partner, and when its data are deleted", body = admin::PartnerAnswer),
        (status = 409, description = "The deletion has begun", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn remove_partner() {}

/// Show the retention
///
/// How many months the partner keeps, which have ended, and which are deleted. For global admins and the operator.
#[utoipa::path(get, path = "/v1/partners/{partner}/retention", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The retention", body = admin::RetentionAnswer)))]
fn show_retention() {}

/// Change the retention
///
/// Whole months in UTC end when they are older: within a minute they are in no list, count or new export, and their data are
/// deleted 30 days later at the earliest. A shorter retention takes effect after 30 days. With `dry_run=true` nothing changes,
/// and the answer counts what would end. For the operator; for global admins where the installation allows it.
#[utoipa::path(put, path = "/v1/partners/{partner}/retention", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("dry_run" = Option<bool>, Query, description = "With `true`, the answer counts what would end, and nothing changes")),
    request_body = admin::SaveRetention,
    responses((status = 200, description = "The retention, or with `dry_run=true` what would end", body = RetentionOrDryRun), Refused))]
fn save_retention() {}

/// The answer to a change of the retention.
#[derive(ToSchema)]
#[schema(as = RetentionOrDryRun)]
#[serde(untagged)]
enum RetentionOrDryRun {
    Saved(admin::RetentionAnswer),
    DryRun(admin::RetentionDryRun),
}

/// List the holds
///
/// The newest first. For global admins and the operator.
#[utoipa::path(get, path = "/v1/partners/{partner}/holds", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The holds", body = admin::HoldListAnswer)))]
fn list_holds() {}

/// Place a hold
///
/// From this answer on, nothing under the hold is ended, deleted or erased. A hold that covers a month whose deletion has begun
/// is refused, unless `partial` is true. For the operator; for global admins where the installation allows it.
#[utoipa::path(post, path = "/v1/partners/{partner}/holds", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body = admin::PlaceHold,
    responses((status = 201, description = "The hold, which is active", body = admin::HoldAnswer, headers(("Location" = String, description = "Its address"))),
        (status = 409, description = "The deletion of a month has begun", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn place_hold() {}

/// Show a hold
///
/// Active, or released. For global admins and the operator.
#[utoipa::path(get, path = "/v1/partners/{partner}/holds/{id}", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The hold's id")),
    responses((status = 200, description = "The hold", body = admin::HoldAnswer)))]
fn show_hold() {}

/// Release a hold
///
/// What waited for it goes on. It may be repeated. For the operator; for global admins where the installation allows it.
#[utoipa::path(delete, path = "/v1/partners/{partner}/holds/{id}", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The hold's id")),
    responses((status = 204, description = "It is released")))]
fn release_hold() {}

/// List the orders to erase
///
/// The newest first. For global admins and the operator.
#[utoipa::path(get, path = "/v1/partners/{partner}/erasures", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("limit" = Option<u32>, Query, description = "The most of one page, 50 where it is absent", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "Where the page begins, from the page before")),
    responses((status = 200, description = "A page of orders", body = admin::ErasureListAnswer), Refused))]
fn list_erasures() {}

/// Order an erasure
///
/// Erases groups of fields of the activities of an actor, a customer or a target, or of some activities, wherever the service
/// has them: lists, details, exports, the audit. Action, status and times stay. What a hold keeps waits for its release. With
/// `dry_run` the order counts only, other mentions in details and changes included. For the operator; for global admins where
/// the installation allows it.
#[utoipa::path(post, path = "/v1/partners/{partner}/erasures", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body = admin::OrderErasure,
    responses((status = 202, description = "The order", body = admin::ErasureAnswer, headers(("Location" = String, description = "Its address"))), Refused))]
fn order_erasure() {}

/// Show an order to erase
///
/// How far it is, with counts. For global admins and the operator.
#[utoipa::path(get, path = "/v1/partners/{partner}/erasures/{id}", tag = "data", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"), ("id" = String, Path, description = "The order's id")),
    responses((status = 200, description = "The order", body = admin::ErasureAnswer)))]
fn show_erasure() {}

/// Show a partner's settings
///
/// For the operator: the number of partitions of the partner's months, and the limits that differ from those of the
/// installation. A partner without settings has the defaults.
#[utoipa::path(get, path = "/v1/partners/{partner}/settings", tag = "operator", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "The settings", body = admin::SettingsAnswer)))]
fn show_settings() {}

/// Change a partner's settings
///
/// Spreads a busy partner's months over more partitions, from a month to come on, and sets the partner's own limits. A member
/// that is absent stays as it is; `null` sets the default.
#[utoipa::path(put, path = "/v1/partners/{partner}/settings", tag = "operator", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body = admin::SaveSettings,
    responses((status = 200, description = "The settings", body = admin::SettingsAnswer),
        (status = 409, description = "Someone else has just changed them", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
fn save_settings() {}

/// Show a machine client's registration
///
/// For the operator: the partner that the client acts for, and the customers whose activities it may see. 404 if the client is
/// not registered.
#[utoipa::path(get, path = "/v1/clients/{client_id}", tag = "operator", security(("token" = [])),
    params(("client_id" = String, Path, description = "The client's id at the issuer", min_length = 1, max_length = 128)),
    responses((status = 200, description = "The registration", body = admin::ClientAnswer), Refused))]
fn show_client() {}

/// Register a machine client
///
/// For the operator: says which partner a client of the issuer acts for. A registration that exists is replaced. The scope at
/// the issuer (`daybook/record`, `daybook/read`) decides what the client may do. With `customers`, the client sees the activities
/// of these customers only. A change takes effect within five minutes.
#[utoipa::path(put, path = "/v1/clients/{client_id}", tag = "operator", security(("token" = [])),
    params(("client_id" = String, Path, description = "The client's id at the issuer", min_length = 1, max_length = 128)),
    request_body = admin::SaveClient,
    responses((status = 200, description = "The registration", body = admin::ClientAnswer), Refused))]
fn save_client() {}

/// Remove a machine client's registration
///
/// For the operator: the client acts for nobody from then on, within five minutes. It may be repeated.
#[utoipa::path(delete, path = "/v1/clients/{client_id}", tag = "operator", security(("token" = [])),
    params(("client_id" = String, Path, description = "The client's id at the issuer", min_length = 1, max_length = 128)),
    responses((status = 204, description = "There is none"), Refused))]
fn remove_client() {}

/// Make a month at once
///
/// Makes what that month lacks, for every partner with a schedule, or for one: first versions that are due, next ones for late
/// activities, and those that failed, were deleted or have expired. The files hold everything that was acknowledged before
/// the request, so they may take some two minutes. If nothing is due, `reason` says why.
#[utoipa::path(post, path = "/v1/months/{month}/run", tag = "operator", security(("token" = [])),
    params(("month" = inline(Month), Path, description = "The month")),
    request_body(content = Option<admin::RunMonth>, content_type = "application/json"),
    responses((status = 202, description = "What it began", body = admin::RunAnswer), Refused))]
fn run_month() {}

/// The activity log page
///
/// People sign in here at the installation's issuer, and read and export the log. It needs no token of the API.
#[utoipa::path(get, path = "/", tag = "portal", responses((status = 200, description = "The page", body = String, content_type = "text/html"),
    (status = 308, description = "To the same address with a slash at its end")))]
fn page() {}

/// A file of the page or of its web component
///
/// Such as `activity-log.js`, the web component that shows the log inside other portals. Each file also has a name with its
/// digest, which browsers may cache for a year.
#[utoipa::path(get, path = "/{asset}", tag = "portal", params(("asset" = String, Path, description = "The file's name", example = "activity-log.js")),
    responses((status = 200, description = "The file", content((String = "text/javascript"), (String = "text/css"), (String = "text/html"), (String = "image/svg+xml"), (String = "application/json")))))]
fn asset() {}

/// The page's settings
///
/// What the page needs to sign people in and to call the API. It holds no secret.
#[utoipa::path(get, path = "/config.json", tag = "portal", responses((status = 200, description = "Issuer, client id, and where the API is", body = Object, content_type = "application/json")))]
fn config() {}

/// This document
///
/// The description of the API in OpenAPI 3.1, for programs that make clients or tests of it.
#[utoipa::path(get, path = "/openapi.json", tag = "portal", responses((status = 200, description = "The document", body = Object, content_type = "application/json")))]
fn openapi() {}

/// This document, to read
///
/// The description of the API as a page for people.
#[utoipa::path(get, path = "/docs", tag = "portal", responses((status = 200, description = "The page", body = String, content_type = "text/html")))]
fn docs() {}

/// Whether the service is well
///
/// Answers 200 while the API and its functions run. It reads no table, and needs no token.
#[utoipa::path(get, path = "/health", tag = "portal", responses((status = 200, description = "It is", body = Health)))]
fn health() {}

/// The state of the service.
#[derive(ToSchema)]
struct Health {
    /// `ok`, in every answer.
    status: String,
    /// The version of the software.
    #[schema(example = "0.1.0")]
    version: String,
}

#[cfg(test)]
mod tests;
