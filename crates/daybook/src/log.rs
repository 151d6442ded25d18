//! What the functions say: log lines, and metrics.
//!
//! Every line is a JSON object on standard output and names the function and the invocation that it is about. An invocation
//! ends with one line that says how it went; that line also holds the invocation's metrics, in CloudWatch's embedded metric
//! format, so that a metric costs neither a call nor a process beside the function. It is written at any level.
//!
//! Metrics have one dimension, the function: a partner is a field of the line, which can be searched and counted, since
//! every value of a dimension is a metric that is paid for.
//!
//! What belongs to an invocation is kept by thread, since a function works on one at a time and on one thread. A library that
//! calls [`add`] outside of a function counts what nobody reads.

use std::{cell::RefCell, fmt, io::Write as _, sync::OnceLock};

use serde::Serialize;
use tracing::{Event, Subscriber, field};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use domain::{activity::PartnerId, time::Instant};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Activities that are new.
    Recorded,
    /// Activities that were recorded before.
    Duplicates,
    /// Activities that are not recorded.
    Rejected,
    /// Requests refused for their partner's limits.
    Refused,
    /// How long a list took, in milliseconds.
    ListLatency,
    /// Rows of exports that became ready.
    RowsExported,
    /// How long ago an export was asked for when a run left it, in seconds.
    ExportAge,
    /// Schedules that had something to do.
    MonthsDue,
    /// Monthly exports that were ordered.
    MonthsMade,
    /// Exports of the last month that are not ready a day after its end.
    MonthsUnmade,
    /// Messages that failed for the last time.
    DeadLetters,
}

/// Names and units, in the order of [`Metric`].
const METRICS: [(&str, &str); 11] = [
    ("recorded", "Count"),
    ("duplicates", "Count"),
    ("rejected", "Count"),
    ("refused", "Count"),
    ("list_latency", "Milliseconds"),
    ("rows_exported", "Count"),
    ("export_age", "Seconds"),
    ("months_due", "Count"),
    ("months_made", "Count"),
    ("months_unmade", "Count"),
    ("dead_letters", "Count"),
];

/// The function, as its lines name it.
#[derive(Debug)]
struct Function {
    service: &'static str,
    /// Where CloudWatch keeps its metrics; it makes none without.
    namespace: Option<String>,
}

static FUNCTION: OnceLock<Function> = OnceLock::new();

/// The invocation at hand.
#[derive(Debug)]
struct Invocation {
    is_first: bool,
    request_id: String,
    trace_id: String,
    xray_trace_id: Option<String>,
    /// X-Ray's header.
    trace: Option<String>,
    partner: Option<PartnerId>,
    times_list: bool,
    metrics: [Option<u64>; METRICS.len()],
}

thread_local! {
    static INVOCATION: RefCell<Invocation> = const {
        RefCell::new(Invocation {
            is_first: true,
            request_id: String::new(),
            trace_id: String::new(),
            xray_trace_id: None,
            trace: None,
            partner: None,
            times_list: false,
            metrics: [None; METRICS.len()],
        })
    };
}

/// Adds to a metric of the invocation.
pub fn add(metric: Metric, amount: usize) {
    INVOCATION.with_borrow_mut(|invocation| {
        let sum = invocation.metrics[metric as usize].unwrap_or_default();
        invocation.metrics[metric as usize] = Some(sum.saturating_add(amount as u64));
    });
}

/// Takes the time of the invocation as that of a list.
pub fn time_list() {
    INVOCATION.with_borrow_mut(|invocation| invocation.times_list = true);
}

/// Names the partner that the invocation is about, once it is known that its caller may.
pub fn about(partner: &PartnerId) {
    INVOCATION.with_borrow_mut(|invocation| invocation.partner = Some(partner.clone()));
}

/// Starts the log of a function.
pub(crate) fn start(service: &'static str, namespace: Option<String>, level: &str) {
    let function = FUNCTION.get_or_init(|| Function { service, namespace });
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).event_format(Lines).finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::warn!(service = function.service, "the log was started before");
    }
}

/// Begins an invocation: the runtime's number of it, and X-Ray's header where it is traced. It stands in the log under
/// `trace_id`, the one that its caller was told, else under X-Ray's.
pub(crate) fn begin(request_id: &str, trace: Option<&str>, trace_id: Option<&str>) {
    let xray = trace.and_then(|header| header.split(';').find_map(|part| part.strip_prefix("Root=")));
    INVOCATION.with_borrow_mut(|invocation| {
        *invocation = Invocation {
            is_first: invocation.is_first,
            request_id: request_id.to_owned(),
            trace_id: trace_id.or(xray).unwrap_or(request_id).to_owned(),
            xray_trace_id: xray.filter(|_| trace_id.is_some()).map(str::to_owned),
            trace: trace.map(str::to_owned),
            partner: None,
            times_list: false,
            metrics: [None; METRICS.len()],
        };
    });
}

/// X-Ray's header of the invocation, where it is traced, as it came.
pub(crate) fn trace() -> Option<String> {
    INVOCATION.with_borrow(|invocation| invocation.trace.clone())
}

/// How an invocation went.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// What a request asked for, and the status that it was answered with.
    pub(crate) answered: Option<(&'a str, u16)>,
    /// What went wrong, where no answer could be given.
    pub(crate) error: Option<&'a str>,
    /// Whether that is for somebody to look at.
    pub(crate) is_fault: bool,
    /// How long it took.
    pub(crate) duration_ms: i64,
}

/// Ends an invocation: writes its line.
pub(crate) fn end(outcome: &Outcome<'_>, now: Instant) {
    let namespace = FUNCTION.get().and_then(|function| function.namespace.as_deref());
    INVOCATION.with_borrow_mut(|invocation| {
        let mut line = last_line(invocation, namespace, outcome, now);
        line.push(b'\n');
        // Whoever cannot write to its log has nowhere to say so.
        std::io::stdout().lock().write_all(&line).ok();
        invocation.is_first = false;
    });
}

fn last_line(invocation: &mut Invocation, namespace: Option<&str>, outcome: &Outcome<'_>, now: Instant) -> Vec<u8> {
    if invocation.times_list {
        invocation.metrics[Metric::ListLatency as usize] = u64::try_from(outcome.duration_ms).ok();
    }
    let level = if outcome.is_fault { "ERROR" } else { "INFO" };
    let mut line = Line::new(level);
    line.member("message", if outcome.answered.is_some() { "answered" } else { "handled" });
    line.context(invocation);
    if let Some((route, status)) = outcome.answered {
        line.member("route", route);
        line.member("status", &status);
    }
    if let Some(error) = outcome.error {
        line.member("error", error);
    }
    line.member("duration_ms", &outcome.duration_ms);
    if let Some(xray_trace_id) = &invocation.xray_trace_id {
        line.member("xray_trace_id", xray_trace_id);
    }
    let measured = METRICS.iter().zip(invocation.metrics).filter_map(|(known, value)| Some((known, value?)));
    for ((name, _), value) in measured.clone() {
        line.member(name, &value);
    }
    if let Some(namespace) = namespace.filter(|_| measured.clone().next().is_some()) {
        let metrics = measured.map(|((name, unit), _)| Defined { name, unit }).collect();
        let directive = Directive { namespace, dimensions: [["service"]], metrics };
        line.member("_aws", &Instructions { timestamp: now.micros() / 1_000, cloud_watch_metrics: [directive] });
    }
    line.end()
}

/// What CloudWatch is to make of a line: "Specification: Embedded metric format" in its user guide.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instructions<'a> {
    /// In milliseconds.
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Defined>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Defined {
    name: &'static str,
    unit: &'static str,
}

/// A line as it is written.
struct Line {
    text: Vec<u8>,
    has_partner: bool,
}

impl Line {
    fn new(level: &str) -> Self {
        let mut line = Self { text: Vec::with_capacity(512), has_partner: false };
        line.text.push(b'{');
        line.member("level", level);
        line
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        let before = self.text.len();
        if before > 1 {
            self.text.push(b',');
        }
        let mut write = || {
            serde_json::to_writer(&mut self.text, name)?;
            self.text.push(b':');
            serde_json::to_writer(&mut self.text, value)
        };
        if write().is_err() {
            self.text.truncate(before);
        }
        self.has_partner |= name == "partner";
    }

    /// What every line says. A line that names a partner is about that one.
    fn context(&mut self, invocation: &Invocation) {
        if let Some(function) = FUNCTION.get() {
            self.member("service", function.service);
        }
        if invocation.request_id.is_empty() {
            return;
        }
        self.member("cold_start", &invocation.is_first);
        self.member("function_request_id", &invocation.request_id);
        self.member("trace_id", &invocation.trace_id);
        if let Some(partner) = invocation.partner.as_ref().filter(|_| !self.has_partner) {
            self.member("partner", partner.as_str());
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }
}

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.member(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.member(field.name(), value);
    }

    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.member(field.name(), &value);
    }

    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.member(field.name(), &value);
    }

    fn record_f64(&mut self, field: &field::Field, value: f64) {
        self.member(field.name(), &value);
    }

    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.member(field.name(), &value);
    }
}

/// How events become lines.
#[derive(Debug)]
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line::new(metadata.level().as_str());
        line.member("target", metadata.target());
        event.record(&mut line);
        // Held while a line is written, if at all, by what writes the line: nothing of that logs.
        INVOCATION.with_borrow(|invocation| line.context(invocation));
        let text = String::from_utf8(line.end()).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(namespace: Option<&str>, outcome: &Outcome<'_>) -> Value {
        let now = Instant::parse("2026-11-02T09:30:00.123456Z").unwrap();
        let written = INVOCATION.with_borrow_mut(|invocation| last_line(invocation, namespace, outcome, now));
        serde_json::from_slice(&written).unwrap()
    }

    const ANSWERED: Outcome<'_> =
        Outcome { answered: Some(("GET /health", 200)), error: None, is_fault: false, duration_ms: 7 };

    #[test]
    fn an_invocation_ends_with_a_line_that_holds_its_metrics() {
        begin("invocation-1", Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"), Some("trace-1"));
        about(&PartnerId::parse("contoso").unwrap());
        add(Metric::Recorded, 2);
        add(Metric::Recorded, 3);
        add(Metric::Rejected, 0);
        time_list();
        assert_eq!(
            line(Some("Daybook/test"), &ANSWERED),
            json!({
                "level": "INFO", "message": "answered", "cold_start": true, "function_request_id": "invocation-1",
                "trace_id": "trace-1", "partner": "contoso", "route": "GET /health", "status": 200, "duration_ms": 7,
                "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793", "recorded": 5, "rejected": 0, "list_latency": 7,
                "_aws": {"Timestamp": 1_793_611_800_123_u64, "CloudWatchMetrics": [{
                    "Namespace": "Daybook/test", "Dimensions": [["service"]], "Metrics": [
                        {"Name": "recorded", "Unit": "Count"}, {"Name": "rejected", "Unit": "Count"},
                        {"Name": "list_latency", "Unit": "Milliseconds"},
                    ],
                }]},
            })
        );
    }

    #[test]
    fn what_nothing_was_measured_of_has_no_metrics_and_nothing_is_left_of_the_invocation_before() {
        begin("invocation-1", None, None);
        about(&PartnerId::parse("contoso").unwrap());
        add(Metric::DeadLetters, 1);
        assert!(line(None, &ANSWERED).get("_aws").is_none());
        begin("invocation-2", Some("Root=1-2-3;Sampled=0"), None);
        let handled = line(
            Some("Daybook/test"),
            &Outcome { answered: None, error: Some("no \"keys\"\n"), is_fault: true, duration_ms: 1 },
        );
        assert_eq!(
            handled,
            json!({
                "level": "ERROR", "message": "handled", "cold_start": true, "function_request_id": "invocation-2",
                "trace_id": "1-2-3", "error": "no \"keys\"\n", "duration_ms": 1,
            })
        );
    }

    #[test]
    fn a_line_about_another_partner_names_that_one_only() {
        begin("invocation-1", None, None);
        about(&PartnerId::parse("contoso").unwrap());
        let mut line = Line::new("WARN");
        line.member("partner", "fabrikam");
        INVOCATION.with_borrow(|invocation| line.context(invocation));
        let text = String::from_utf8(line.end()).unwrap();
        assert_eq!(text.matches("\"partner\"").count(), 1);
        assert!(text.contains("\"partner\":\"fabrikam\""), "{text}");
    }
}
