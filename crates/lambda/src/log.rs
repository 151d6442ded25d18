//! Log lines: JSON objects on standard output.
//!
//! Each line names the invocation that it is about in the object `span`. An invocation ends with one line that says how it
//! went, whatever the log level. Lines hold no token, body, e-mail address or presigned URL.

use std::{
    cell::Cell,
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{activity::PartnerId, time::Instant};
use lambda_runtime::Context;
use tracing::{Instrument as _, Span, Subscriber, field};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    environment::now,
    metrics::{self, Metric},
};

/// The target of lines that are written at any level.
const TARGET: &str = "invocation";
/// The crates of this workspace, besides the function's own, whose lines the log level selects.
const OWN_CRATES: [&str; 4] = ["domain", "store", "export", "lambda"];

static SERVICE: OnceLock<&'static str> = OnceLock::new();
static IS_COLD: AtomicBool = AtomicBool::new(true);

tokio::task_local! {
    static INVOCATION: Invocation;
}

/// The invocation that a task works on.
struct Invocation {
    started: Instant,
    /// The metric that takes the duration, too.
    timed: Cell<Option<Metric>>,
}

/// How an invocation went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InvocationResult<'a> {
    /// A request was answered.
    Answered {
        /// The route, such as `GET /v1/actions`.
        route: &'a str,
        /// The HTTP status.
        status: u16,
    },
    /// An event was handled.
    Handled,
    /// An event was refused, as the authorizer refuses a token. Nobody has to act on that.
    Refused(&'a str),
    /// An event could not be handled.
    Failed(&'a str),
}

/// Starts the log of a function with a level: `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) fn start(service: &'static str, level: &str) {
    SERVICE.get_or_init(|| service);
    if tracing::subscriber::set_global_default(subscriber(service, level, io::stdout)).is_err() {
        tracing::warn!(service, "could not start the log: it runs already");
    }
}

fn subscriber<W>(service: &str, level: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Libraries write requests and bodies below the level info.
    let of_libraries = if matches!(level, "debug" | "trace") { "info" } else { level };
    // The last line of an invocation is always written. The runtime would log an error or a panic a second time. The runtime's
    // libraries are named, because a directive for `lambda` counts for every target that begins with this word.
    let mut directives = format!(
        "{of_libraries},{TARGET}=info,lambda_runtime={of_libraries},lambda_http={of_libraries},lambda_runtime::layers::panic=off"
    );
    for own in OWN_CRATES.into_iter().chain([&*service.replace('-', "_")]) {
        directives.push_str(&format!(",{own}={level}"));
    }
    let filter = EnvFilter::new(directives);
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false).without_time();
    lines.with_env_filter(filter).with_writer(writer).finish()
}

/// Works on an invocation, in a span that names it. The log shows it under `trace_id`, else under X-Ray's id.
pub(crate) async fn trace<F: Future>(
    context: &Context,
    trace_id: Option<&str>,
    started: Instant,
    work: F,
) -> F::Output {
    let service = SERVICE.get().copied().unwrap_or_default();
    let cold_start = IS_COLD.swap(false, Ordering::Relaxed);
    let function_request_id = context.request_id.as_str();
    let header = context.xray_trace_id.as_deref();
    let xray = header.and_then(|header| header.split(';').find_map(|part| part.strip_prefix("Root=")));
    let trace_id = trace_id.or(xray).unwrap_or(function_request_id);
    let span = tracing::info_span!(
        target: TARGET, "invocation", service, cold_start, function_request_id, trace_id,
        xray_trace_id = xray.filter(|xray| *xray != trace_id), partner = field::Empty,
    );
    metrics::remove_field("partner");
    metrics::set_field("cold_start", cold_start);
    metrics::set_field("function_request_id", function_request_id);
    metrics::set_field("trace_id", trace_id);
    INVOCATION.scope(Invocation { started, timed: Cell::new(None) }, work.instrument(span)).await
}

/// Records the duration of the invocation as a metric, too.
pub fn time_invocation(metric: Metric) {
    // Outside of an invocation, as in tests, there is nothing to time.
    INVOCATION.try_with(|invocation| invocation.timed.set(Some(metric))).ok();
}

/// Names the partner that the invocation is about, once its caller is known to have access.
pub fn set_partner(partner: &PartnerId) {
    Span::current().record("partner", partner.as_str());
    metrics::set_field("partner", partner.as_str());
}

/// Ends the invocation: writes its last line and its metrics.
pub(crate) fn end(result: InvocationResult<'_>) {
    let (started, timed) =
        INVOCATION.try_with(|invocation| (Some(invocation.started), invocation.timed.get())).unwrap_or_default();
    let duration_ms = started.map_or(0, |started| (now().micros() - started.micros()) / 1_000);
    if let Some(metric) = timed {
        metrics::add(metric, usize::try_from(duration_ms).unwrap_or_default());
    }
    match result {
        InvocationResult::Answered { route, status } => {
            tracing::info!(target: TARGET, route, status, duration_ms, "answered");
        }
        InvocationResult::Handled => tracing::info!(target: TARGET, duration_ms, "handled"),
        InvocationResult::Refused(error) => tracing::info!(target: TARGET, error, duration_ms, "handled"),
        InvocationResult::Failed(error) => tracing::error!(target: TARGET, error, duration_ms, "handled"),
    }
    metrics::flush();
}

#[cfg(test)]
pub(crate) mod tests;
