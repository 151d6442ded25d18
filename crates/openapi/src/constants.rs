//! States the constants that the template must agree with, as JSON for `tests/template`.

use std::{collections::BTreeMap, time::Duration};

use domain::{access::Role, query::SETTLE_SECONDS};
use export::Limits;
use export_worker::{LONGEST_WAIT_TRIES, MARGIN_SECONDS, RETRY_AFTER};
use lambda::{
    metrics::Metric,
    problem::{PROBLEM_URI, ProblemKind},
};
use serde::Serialize;
use store::{clients, deliveries::DELIVERY_LIFETIME_SECONDS, queues::TRIES};

#[derive(Serialize)]
struct Constants {
    /// How often the queue of export jobs delivers a message.
    export_job_tries: u32,
    /// After how many seconds readers may rely on recordings.
    settle_seconds: i64,
    /// The lease of a notification.
    notification_lease_seconds: i64,
    /// Other times that must fit the template's, in seconds.
    seconds: BTreeMap<&'static str, i64>,
    /// The beginning of the partition key of a client's registration.
    client_key_prefix: &'static str,
    /// The metrics that the functions write.
    metrics: Vec<&'static str>,
    /// The roles that a group of the user pool grants.
    user_roles: Vec<&'static str>,
    /// The beginning of the URI of every kind of problem.
    problem_uri: &'static str,
    /// Title and status of each kind of problem, by its slug.
    problems: BTreeMap<&'static str, (&'static str, u16)>,
}

/// Returns the constants as JSON.
pub(crate) fn document() -> Result<String, serde_json::Error> {
    let constants = Constants {
        export_job_tries: TRIES,
        settle_seconds: SETTLE_SECONDS,
        notification_lease_seconds: notifier::LEASE_SECONDS,
        seconds: BTreeMap::from([
            ("copied_month_remains", export::MONTH_REMAINS_SECONDS),
            ("delivery_kept", DELIVERY_LIFETIME_SECONDS),
            ("export_lease", export::LEASE_SECONDS),
            ("export_message_hidden", seconds(Limits::default().message_hidden_for())),
            ("export_retry_wait", seconds(RETRY_AFTER * LONGEST_WAIT_TRIES)),
            ("export_stop_margin", MARGIN_SECONDS),
            ("stream_lease", streamer::LEASE_SECONDS),
            ("stream_stop_margin", streamer::MARGIN_SECONDS),
            ("download_link", seconds(Duration::from_secs(store::links::LINK_SECONDS))),
        ]),
        client_key_prefix: clients::KEY_PREFIX,
        metrics: Metric::names(),
        user_roles: Role::of_people().map(Into::into).collect(),
        problem_uri: PROBLEM_URI,
        problems: ProblemKind::all().map(|kind| (kind.slug(), (kind.title(), kind.status().as_u16()))).collect(),
    };
    Ok(serde_json::to_string_pretty(&constants)? + "\n")
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn template_tests_know_the_constants_of_the_code() {
        let known = include_str!("../../../tests/template/constants.json");
        assert_eq!(known, super::document().unwrap(), "the code has changed: run make constants");
    }
}
