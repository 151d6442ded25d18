//! The entries about exports: what was asked for, and how an export ended.

use serde_json::{Value, json};

use super::{action::AuditAction, entry::AuditEntry};
use crate::{
    activity::Status,
    job::{ExportRequest, Job, JobStatus, State},
    time::Instant,
};

/// The type of the target of entries about exports.
const EXPORT: &str = "export";

/// The end of an export, for its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedExport {
    /// The entry.
    pub entry: AuditEntry,
    /// How the export ended.
    pub status: Status,
    /// When the export ended.
    pub at: Instant,
}

impl AuditEntry {
    /// Returns the entry of an export that somebody asks for, with the period, the filters and the form of the files.
    pub fn export_requested(job: &Job) -> Self {
        Self::new(AuditAction::ExportRequested).about(EXPORT, &job.id).changed(&Value::Null, &asked(job))
    }

    /// Returns the entry of an act on an export.
    pub fn of_export(action: AuditAction, id: &str) -> Self {
        Self::new(action).about(EXPORT, id)
    }

    /// Returns the entry of an export that is ready or has failed; none for an export that has not ended, and for one that
    /// ended before its time was stored.
    pub fn export_ended(job: &Job, status: &JobStatus) -> Option<EndedExport> {
        let at = status.ended_at?;
        match status.state {
            State::Ready => {
                let files: Vec<&str> = status.files.iter().map(|file| file.name.as_str()).collect();
                let made = json!({"rows": status.progress.rows, "bytes": status.progress.bytes, "files": files});
                let entry = Self::of_export(AuditAction::ExportFinished, &job.id).changed(&Value::Null, &made);
                Some(EndedExport { entry, status: Status::Succeeded, at })
            }
            State::Failed => {
                let entry = Self::of_export(AuditAction::ExportFailed, &job.id);
                let entry = entry.because(status.problem.as_deref().unwrap_or_default());
                Some(EndedExport { entry, status: Status::Failed, at })
            }
            State::Pending | State::Running | State::Expired | State::Cancelled => None,
        }
    }
}

/// Returns what an export was asked to hold.
fn asked(job: &Job) -> Value {
    let ExportRequest { from, to, time_zone, filter, output } = &job.request;
    json!({
        "kind": job.kind,
        "from": from,
        "to": to,
        "time_zone": time_zone.name(),
        "filters": filter,
        "format": output.format,
        "locale": output.locale,
        "compression": output.compression,
        "rows": output.rows,
        "details": output.details,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::PartnerId,
        audit::AuditActor,
        filter::{Choice, Filter},
        job::Output,
        time::Zone,
    };

    fn job() -> Job {
        let at = |text| Instant::parse(text).unwrap();
        let request = ExportRequest {
            from: at("2026-10-01T00:00:00Z"),
            to: at("2026-11-01T00:00:00Z"),
            time_zone: Zone::UTC,
            filter: Filter { customer: Choice::any_of(vec!["fabrikam".to_owned()]), ..Filter::default() },
            output: Output::default(),
        };
        Job::on_demand("J".to_owned(), request, "Ana".to_owned(), at("2026-11-02T12:00:00Z"), 86_400)
    }

    fn shown(entry: &AuditEntry, status: Status) -> Value {
        let (partner, now) = (PartnerId::parse("contoso").unwrap(), Instant::MIN);
        serde_json::to_value(entry.record(&partner, &AuditActor::system("x"), status, now).unwrap()).unwrap()
    }

    #[test]
    fn requested_export_says_what_it_holds() {
        let entry = shown(&AuditEntry::export_requested(&job()), Status::Succeeded);
        assert_eq!((&entry["action"], &entry["target"]["id"]), (&json!("export.requested"), &json!("J")));
        let changes = entry["changes"].as_array().unwrap();
        for (field, new) in [
            ("filters.customer", json!(["fabrikam"])),
            ("from", json!("2026-10-01T00:00:00.000000Z")),
            ("format", json!("csv")),
            ("kind", json!("on_demand")),
        ] {
            assert!(changes.contains(&json!({"field": field, "old": null, "new": new})), "{field}: {changes:?}");
        }
    }

    #[test]
    fn only_an_ended_export_has_an_end() {
        let ended_at = Instant::parse("2026-11-02T12:05:00Z").ok();
        for state in [State::Pending, State::Running, State::Ready, State::Failed, State::Expired, State::Cancelled] {
            let problem = (state == State::Failed).then(|| "The bucket does not answer.".to_owned());
            let status = JobStatus { state, ended_at, problem, ..JobStatus::new() };
            let ended = AuditEntry::export_ended(&job(), &status);
            assert_eq!(ended.is_some(), matches!(state, State::Ready | State::Failed), "{state:?}");
            if let Some(EndedExport { entry, status, at }) = ended {
                let entry = shown(&entry, status);
                assert_eq!(Some(at), ended_at);
                let expected = match state {
                    State::Ready => (json!("export.finished"), json!("succeeded"), Value::Null),
                    _ => (json!("export.failed"), json!("failed"), json!("The bucket does not answer.")),
                };
                assert_eq!((entry["action"].clone(), entry["status"].clone(), entry["reason"].clone()), expected);
            }
            let earlier = JobStatus { state, ended_at: None, ..JobStatus::new() };
            assert_eq!(AuditEntry::export_ended(&job(), &earlier), None);
        }
    }
}
