//! States the constants that the template must agree with, as JSON for `tests/template`.

use std::collections::BTreeMap;

use domain::{access::Role, query::SETTLE_SECONDS};
use lambda::{
    metrics::Metric,
    problem::{PROBLEM_URI, ProblemKind},
};
use serde::Serialize;
use store::{clients, queues::TRIES};

#[derive(Serialize)]
struct Constants {
    /// How often the queue of export jobs delivers a message.
    export_job_tries: u32,
    /// After how many seconds readers may rely on recordings.
    settle_seconds: i64,
    /// The lease of a notification.
    notification_lease_seconds: i64,
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
        client_key_prefix: clients::KEY_PREFIX,
        metrics: Metric::names(),
        user_roles: Role::of_people().map(Into::into).collect(),
        problem_uri: PROBLEM_URI,
        problems: ProblemKind::all().map(|kind| (kind.slug(), (kind.title(), kind.status().as_u16()))).collect(),
    };
    Ok(serde_json::to_string_pretty(&constants)? + "\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn template_tests_know_the_constants_of_the_code() {
        let known = include_str!("../../../tests/template/constants.json");
        assert_eq!(known, super::document().unwrap(), "the code has changed: run make constants");
    }
}
