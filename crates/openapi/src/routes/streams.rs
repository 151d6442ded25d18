//! The routes of streams.

use domain::{
    activity::PartnerId,
    stream::{ReplayRequest, SaveStream, StreamAnswer},
};
use lambda::{ProblemDocument, secret::SecretAnswer};

use super::Refused;

/// Create a stream
///
/// Activities are sent to your own system as they are recorded: to an HTTPS server, to an event bus or into a bucket. They come in the
/// order of the feed, at least once: `id`, or `metadata.uid` of OCSF, tells repeats. The stream begins with the feed, which is
/// switched on for the first stream. A partner has at most ten streams.
///
/// Requests to an HTTPS server are signed in the form of Standard Webhooks: `webhook-signature` covers
/// `{webhook-id}.{webhook-timestamp}.{body}`, with the body before compression. Bodies are compressed with gzip, except for Slack
/// and Teams. A request that fails is tried again for three days, with growing waits; `Retry-After` is obeyed.
/// Demand `external_id` of the answer in the trust policy of a role.
#[utoipa::path(post, path = "/v1/partners/{partner}/streams", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    request_body = SaveStream,
    responses((status = 201, description = "The stream", body = StreamAnswer), Refused))]
pub(super) fn create_stream() {}

/// List the streams
///
/// All of them, each with its state, so that one request shows which destinations fail.
#[utoipa::path(get, path = "/v1/partners/{partner}/streams", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner")),
    responses((status = 200, description = "All streams, oldest first", body = streams::StreamListAnswer)))]
pub(super) fn list_streams() {}

/// Show a stream
///
/// The settings, how far the stream has delivered, and the last failure. Header values are never shown.
#[utoipa::path(get, path = "/v1/partners/{partner}/streams/{id}", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    responses((status = 200, description = "The stream", body = StreamAnswer)))]
pub(super) fn show_stream() {}

/// Change a stream
///
/// A member that is absent stays as it is; `null` sets the default. `{"paused": true}` pauses the stream. `{"paused": false}` lets
/// it go on where it was, also after it has stopped.
#[utoipa::path(patch, path = "/v1/partners/{partner}/streams/{id}", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    request_body = SaveStream,
    responses((status = 200, description = "The stream", body = StreamAnswer),
        (status = 409, description = "Someone else is changing it", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
pub(super) fn change_stream() {}

/// Remove a stream
///
/// Nothing more is sent. It may be repeated. The feed stays on.
#[utoipa::path(delete, path = "/v1/partners/{partner}/streams/{id}", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    responses((status = 204, description = "There is no such stream")))]
pub(super) fn remove_stream() {}

/// Show the secret that signs the requests of a stream
///
/// Requests are signed in the form of Standard Webhooks: `webhook-signature` holds `v1,` and the HMAC-SHA256, in base64, over
/// `{webhook-id}.{webhook-timestamp}.{body}`, with the body before compression.
#[utoipa::path(get, path = "/v1/partners/{partner}/streams/{id}/secret", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    responses((status = 200, description = "The secret", body = SecretAnswer)))]
pub(super) fn show_stream_secret() {}

/// Replace the secret that signs the requests of a stream
///
/// The previous secret signs as well for a day: each request then has two signatures, separated by a space.
#[utoipa::path(post, path = "/v1/partners/{partner}/streams/{id}/secret", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    responses((status = 200, description = "The new secret", body = SecretAnswer),
        (status = 409, description = "Someone else has just replaced it", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
pub(super) fn rotate_stream_secret() {}

/// Test a stream
///
/// Sends one activity with the action `stream.tested`, within seconds. `state` of the stream says how that went: `last_success_at`
/// or `last_error`. A test that succeeds lets a stopped stream go on.
#[utoipa::path(post, path = "/v1/partners/{partner}/streams/{id}/test", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    responses((status = 202, description = "The test will be made", body = StreamAnswer)))]
pub(super) fn test_stream() {}

/// Send a period again
///
/// Sends what occurred in the period, in the order of time, beside what is recorded meanwhile: also what was recorded before the
/// stream was created. One replay of a stream runs at a time; `replay` of the stream says how far it is.
#[utoipa::path(post, path = "/v1/partners/{partner}/streams/{id}/replay", tag = "streams", security(("token" = [])),
    params(("partner" = inline(PartnerId), Path, description = "The partner"),
        ("id" = String, Path, description = "The stream's id")),
    request_body = ReplayRequest,
    responses((status = 202, description = "The period will be sent", body = StreamAnswer),
        (status = 409, description = "Another replay runs, or the stream is paused or stopped", body = ProblemDocument, content_type = "application/problem+json"), Refused))]
pub(super) fn replay_stream() {}
