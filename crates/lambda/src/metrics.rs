//! CloudWatch metrics, written to the log in the embedded metric format.
//!
//! A metric costs neither a call nor a process beside the function. The only dimension is the function (`service`), because
//! CloudWatch bills each value of a dimension as a metric of its own. The partner is a searchable field of the line instead.

use std::{io::Write as _, sync::OnceLock};

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde_json::Value;
use strum::{EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// What the functions measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Activities that were recorded.
    Recorded,
    /// Activities that had been recorded before.
    Duplicates,
    /// Activities that were not recorded.
    Rejected,
    /// Requests refused because of their partner's limits.
    Refused,
    /// How long a list took, in milliseconds.
    ListLatency,
    /// Rows of exports that became ready.
    RowsExported,
    /// Seconds since an export was asked for, whenever a run leaves it.
    ExportAge,
    /// Schedules that had something to do.
    MonthsDue,
    /// Monthly exports that were ordered.
    MonthsMade,
    /// Exports of the last month that are not ready a day after its end.
    MonthsUnmade,
    /// Seconds by which a stream was behind when its run ended, if its destination works.
    StreamLagSeconds,
    /// Runs of streams that ended because the destination failed.
    StreamsFailing,
    /// Messages that failed for the last time.
    DeadLetters,
    /// Entries of the audit that could not be stored.
    AuditFailures,
}

impl Metric {
    /// Returns the name in CloudWatch.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the names of all metrics.
    pub fn names() -> Vec<&'static str> {
        Self::iter().map(Self::name).collect()
    }

    /// Returns the unit in CloudWatch.
    fn unit(self) -> Unit {
        match self {
            Self::ListLatency => Unit::Milliseconds,
            Self::ExportAge | Self::StreamLagSeconds => Unit::Seconds,
            _ => Unit::Count,
        }
    }

    /// Tells whether amounts add up over an invocation; the others are single observations.
    fn is_sum(self) -> bool {
        !matches!(self, Self::ListLatency | Self::ExportAge | Self::MonthsUnmade | Self::StreamLagSeconds)
    }

    fn counter(self) -> Counter {
        counter!(self.name())
    }

    fn histogram(self) -> Histogram {
        histogram!(self.name())
    }
}

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Starts collecting the metrics of a function for a namespace of CloudWatch.
///
/// # Errors
/// When metrics are collected already.
pub(crate) fn start(service: &'static str, namespace: String) -> Result<(), metrics_cloudwatch_embedded::Error> {
    let collector = Builder::new()
        .cloudwatch_namespace(namespace)
        .with_dimension("service", service)
        // So that a metric is 0, and not absent, once its function has measured it.
        .emit_zeros(true)
        .init()?;
    for metric in Metric::iter() {
        match metric.is_sum() {
            true => describe_counter!(metric.name(), metric.unit(), ""),
            false => describe_histogram!(metric.name(), metric.unit(), ""),
        }
    }
    COLLECTOR.get_or_init(|| collector);
    Ok(())
}

/// Adds an amount to a metric of the invocation.
pub fn add(metric: Metric, amount: usize) {
    match metric.is_sum() {
        true => metric.counter().increment(amount as u64),
        // Exact below 2^53.
        false => metric.histogram().record(amount as f64),
    }
}

/// Sets a searchable field of the invocation's metrics.
pub(crate) fn set_field(name: &'static str, value: impl Into<Value>) {
    if let Some(collector) = COLLECTOR.get() {
        collector.set_property(name, value);
    }
}

/// Removes a field of the invocation's metrics.
pub(crate) fn remove_field(name: &'static str) {
    if let Some(collector) = COLLECTOR.get() {
        collector.remove_property(name);
    }
}

/// Writes the metrics of the invocation, if there are any.
pub(crate) fn flush() {
    let Some(collector) = COLLECTOR.get() else { return };
    let mut line = Vec::new();
    // One write a line, so that no other line comes between. A function that cannot write to its log has no other place
    // to report that.
    if collector.flush(&mut line).is_ok() {
        std::io::stdout().lock().write_all(&line).ok();
    }
}
