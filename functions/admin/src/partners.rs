//! The registry of partners: registering, listing, suspending, and the end of a partner.

use domain::{
    access::Author,
    activity::{MAX_NAME_CHARS, PartnerId},
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    filter::Filter,
    job::{ExportRequest, Job, Output},
    lifecycle::{Deleted, DeletedCounts, LeavingError, Lifecycle, MAX_DAYS, Offboarding},
    partner::{Registration, Status, check_free},
    request_json::{Update, read_owned},
    text::{parse_word, quoted},
    time::{Instant, Month, Zone},
};
use futures_util::{TryStreamExt as _, stream};
use lambda::{
    Answer, Parameters, Problem, ProblemKind, Request, StatusCode, audit::RequestAudit, cursor, request, response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::partners::PartnerRecord;
use utoipa::ToSchema;

use crate::{App, parse_flag, ulid_of};

const DEFAULT_LISTED: usize = 50;
/// The most partners of one page. The months of each take a call of their own.
const MAX_LISTED: usize = 100;
/// The number of partners whose months are read at a time.
const CONCURRENCY: usize = 16;
/// The days from the order of a partner's end to the deletion of its data, unless the request says otherwise.
const DEFAULT_DAYS: i64 = 30;

/// A registration to save. Absent members stay as they are; `null` sets the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavePartner {
    /// The name to show; the default is the id.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    name: Update<String>,
    /// The partner's time zone, an IANA name; the default is UTC.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Europe/Paris")]
    time_zone: Update<String>,
    /// What the partner may do; the default is active. `active` also takes back the partner's end.
    #[serde(default)]
    #[schema(value_type = Option<Status>)]
    status: Update<String>,
}

/// A partner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Partner)]
pub struct PartnerAnswer {
    /// The partner.
    pub partner_id: PartnerId,
    /// The name to show; null once the partner's data are deleted.
    pub name: Option<String>,
    /// The partner's time zone, an IANA name; null once the partner's data are deleted.
    pub time_zone: Option<&'static str>,
    /// What the partner may do, or what becomes of it.
    pub status: PartnerState,
    /// The first month with activities, in UTC.
    pub first_month: Option<Month>,
    /// The last month with activities, in UTC.
    pub last_month: Option<Month>,
    /// The number of months with activities.
    pub months: usize,
    /// The months that the partner keeps; null for ever.
    pub retention_months: Option<u32>,
    /// The number of active holds.
    pub open_holds: usize,
    /// The order to delete all data of the partner, if there is one.
    pub leaving: Option<LeavingAnswer>,
    /// What was deleted when the partner left, each time.
    pub left: Vec<LeftAnswer>,
    /// The time of the registration; null once the partner's data are deleted.
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
    /// The time at which the registration was saved.
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// The person or machine that saved it.
    pub updated_by: Option<Author>,
}

/// What a partner may do, or what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartnerState {
    /// The partner reads and records.
    Active,
    /// The partner reads and does not record.
    Suspended,
    /// The partner reads and does not record; its data are about to be deleted.
    Leaving,
    /// The partner's data are being deleted.
    Deleting,
    /// The partner's data are deleted.
    Deleted,
}

/// The order to delete all data of a partner.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Leaving)]
pub struct LeavingAnswer {
    /// When it was ordered.
    #[schema(format = DateTime)]
    pub ordered_at: String,
    /// The person or machine that ordered it.
    pub ordered_by: Author,
    /// When the deletion begins, unless a hold is active then. Until then the order can be taken back.
    #[schema(format = DateTime)]
    pub deletes_at: String,
    /// When the deletion began.
    #[schema(format = DateTime)]
    pub begun_at: Option<String>,
    /// The export of everything, to download before the deletion; null if none was asked for.
    pub last_export: Option<String>,
    /// What is deleted so far.
    pub counts: DeletedCounts,
}

/// The record of a deletion, which stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Left)]
pub struct LeftAnswer {
    /// When it was ordered.
    #[schema(format = DateTime)]
    pub ordered_at: String,
    /// The person or machine that ordered it.
    pub ordered_by: Author,
    /// When the deletion was complete.
    #[schema(format = DateTime)]
    pub deleted_at: String,
    /// What was deleted.
    pub counts: DeletedCounts,
}

/// A page of partners.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PartnerList)]
pub struct PartnerListAnswer {
    /// The registered partners, in the order of their ids.
    pub partners: Vec<PartnerAnswer>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

pub(crate) async fn list(app: &App, request: &Request, now: Instant) -> Answer {
    request::caller(request)?.may_operate()?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["limit", "cursor"], &mut faults);
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LISTED, MAX_LISTED));
    let text = faults.keep_part(parameters.cursor());
    let (limit, text) = faults.finish(limit.zip(text))?;
    let after: Option<String> = text.map(|text| cursor::decode_cursor("cursor", &text)).transpose()?;
    // Checked here, because DynamoDB refuses other keys with an error of its own.
    if after.as_ref().is_some_and(|after| PartnerId::parse(after).is_err()) {
        return Err(Problem::field("cursor", "is not a cursor of this list; start again without it"));
    }
    let (found, next) = app.partners.list(limit, after.as_deref()).await?;
    let partners = stream::iter(found.into_iter().map(Ok::<_, Problem>))
        .map_ok(|(partner, record)| async move { shown(app, partner, record, now).await })
        .try_buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let next_cursor = next.map(|next| cursor::encode_cursor(&next)).transpose()?;
    response::json(StatusCode::OK, &PartnerListAnswer { partners, next_cursor })
}

pub(crate) async fn show(app: &App, request: &Request, now: Instant) -> Answer {
    let (_, partner) = request::partner_for_operator(request)?;
    request::refuse_parameters(request)?;
    let record = app.partners.read(&partner).await?;
    if record.registration.is_none() && record.lifecycle.left.is_empty() {
        return Err(Problem::not_found());
    }
    response::json(StatusCode::OK, &shown(app, partner, record, now).await?)
}

/// A change of a registration, once it is read.
struct PartnerUpdate {
    name: Update<String>,
    time_zone: Update<Zone>,
    status: Update<Status>,
}

impl PartnerUpdate {
    fn read(request: &Request, partner: &PartnerId) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        faults.keep("/partner", check_free(partner));
        let wanted: Option<SavePartner> = read_owned(request::body_or_empty_object(request)?, &mut faults);
        let update = wanted.map(|SavePartner { name, time_zone, status }| Self {
            name: name.parse("/name", &mut faults, |name| check_name(&name).map(|()| name)),
            time_zone: time_zone.parse("/time_zone", &mut faults, |name| Zone::parse(&name)),
            status: status.parse("/status", &mut faults, |word| parse_word(&word)),
        });
        Ok(faults.finish(update)?)
    }

    fn apply(&self, read: Option<&Registration>, partner: &PartnerId, author: Author, now: Instant) -> Registration {
        Registration {
            name: self.name.clone().resolve(read.map(|read| read.name.clone()), partner.to_string()),
            time_zone: self.time_zone.resolve(read.map(|read| read.time_zone), Zone::UTC),
            status: self.status.resolve(read.map(|read| read.status), Status::Active),
            created_at: read.map_or(now, |read| read.created_at),
            updated_at: now,
            updated_by: author,
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("is empty: leave it out, or give the name that people know the partner by".to_owned());
    }
    match name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        true => Err(format!("{} is longer than {MAX_NAME_CHARS} characters or has control characters", quoted(name))),
        false => Ok(()),
    }
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for_operator(request)?;
    request::refuse_parameters(request)?;
    let update = PartnerUpdate::read(request, &partner)?;
    let read = app.partners.read(&partner).await?;
    if read.lifecycle.offboarding.as_ref().is_some_and(Offboarding::is_deleting) {
        return Err(deletion_begun());
    }
    let registration = update.apply(read.registration.as_ref(), &partner, caller.author(), now);
    let entry = AuditEntry::new(action(&read, &registration))
        .about("partner", partner.as_str())
        .changed(&described(read.registration.as_ref()), &described(Some(&registration)));
    let change = async {
        if update.status == Update::Set(Status::Active) {
            let taken_back = app.partners.change_lifecycle(&partner, Lifecycle::take_back_offboarding).await?;
            taken_back.map_err(|LeavingError::DeletionBegun| deletion_begun())?;
        }
        if app.partners.save_registration(&partner, read.registration.as_ref(), &registration).await? {
            return Ok(());
        }
        Err(Problem::new(ProblemKind::Conflict, "Someone else has just changed this partner. Read it again."))
    };
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    let status = if read.registration.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let record = app.partners.read(&partner).await?;
    response::json(status, &shown(app, partner, record, now).await?)
}

/// What a request to delete a partner says.
struct Removal {
    days: i64,
    with_export: bool,
}

impl Removal {
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let parameters = Parameters::read_known(request, &["days", "export"], &mut faults);
        let days = faults.keep_part(parameters.parse("days", |text| {
            let days = text.parse::<i64>().ok().filter(|days| (1..=MAX_DAYS).contains(days));
            days.ok_or_else(|| format!("{} is not a whole number of days from 1 to {MAX_DAYS}", quoted(text)))
        }));
        let with_export = faults.keep_part(parameters.parse("export", parse_flag));
        let (days, with_export) = faults.finish(days.zip(with_export))?;
        Ok(Self { days: days.unwrap_or(DEFAULT_DAYS), with_export: with_export.unwrap_or(true) })
    }
}

pub(crate) async fn remove(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for_operator(request)?;
    request::refuse_fields(request)?;
    let removal = Removal::read(request)?;
    let read = app.partners.read(&partner).await?;
    let Some(registration) = &read.registration else {
        // Repeated after the deletion, it shows the record that stays.
        return if read.lifecycle.left.is_empty() {
            Err(Problem::not_found())
        } else {
            response::json(StatusCode::ACCEPTED, &shown(app, partner, read, now).await?)
        };
    };
    let export = removal.with_export.then(|| ulid_of(now));
    let entry = AuditEntry::new(AuditAction::PartnerOffboarded)
        .about("partner", partner.as_str())
        .changed(&json!({"days": null}), &json!({"days": removal.days}));
    let change = async {
        let ordered = app.partners.change_lifecycle(&partner, |lifecycle| {
            lifecycle.offboard(removal.days, export.clone(), now, caller.author())
        });
        let ((), lifecycle) = ordered.await?.map_err(|LeavingError::DeletionBegun| deletion_begun())?;
        if let Some(export) = lifecycle.offboarding.as_ref().and_then(|offboarding| offboarding.last_export.clone()) {
            order_last_export(app, &partner, registration.time_zone, export, caller.author(), now).await?;
        }
        Ok(())
    };
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    let record = app.partners.read(&partner).await?;
    response::json(StatusCode::ACCEPTED, &shown(app, partner, record, now).await?)
}

/// Orders the export of everything that a leaving partner has. Ordered again, it is the same.
async fn order_last_export(
    app: &App,
    partner: &PartnerId,
    time_zone: Zone,
    id: String,
    author: Author,
    now: Instant,
) -> Result<(), Problem> {
    let months = app.directory.months(partner).await?;
    let from = months.first().map_or(now.utc_month(), |(month, _)| *month).period(Zone::UTC).from();
    let to = months.last().map_or(now.utc_month(), |(month, _)| *month).period(Zone::UTC).to();
    let asked = ExportRequest { from, to, time_zone, filter: Filter::default(), output: Output::default() };
    let job = Job::on_demand(id, asked, author, now, app.months.rules.retention_seconds);
    app.control.create_job(partner, &job).await?;
    // Also if the job was there, because the request that created it may have died before it sent the message.
    Ok(app.months.queue.send(partner, &job.id).await?)
}

/// Names what a change of a registration does.
fn action(read: &PartnerRecord, registration: &Registration) -> AuditAction {
    let was_suspended = read.registration.as_ref().is_some_and(|read| read.status == Status::Suspended);
    match registration.status {
        Status::Suspended if !was_suspended => AuditAction::PartnerSuspended,
        Status::Active if was_suspended || read.lifecycle.is_leaving() => AuditAction::PartnerResumed,
        _ => AuditAction::PartnerSaved,
    }
}

/// Describes a registration for the audit.
fn described(registration: Option<&Registration>) -> Value {
    registration.map_or(Value::Null, |registration| {
        json!({"name": registration.name, "time_zone": registration.time_zone.name(), "status": registration.status})
    })
}

fn deletion_begun() -> Problem {
    Problem::new(
        ProblemKind::Conflict,
        "The deletion of this partner's data has begun and cannot be taken back. Register the partner again when it is complete.",
    )
}

/// Refuses a partner that nobody has registered.
pub(crate) fn check_registered(record: &PartnerRecord) -> Result<(), Problem> {
    if record.registration.is_some() { Ok(()) } else { Err(Problem::not_found()) }
}

async fn shown(
    app: &App,
    partner_id: PartnerId,
    record: PartnerRecord,
    now: Instant,
) -> Result<PartnerAnswer, Problem> {
    let months = app.directory.months(&partner_id).await?;
    let PartnerRecord { registration, lifecycle, .. } = record;
    let status = state(registration.as_ref(), lifecycle.offboarding.as_ref());
    let text = Instant::to_millis_text;
    Ok(PartnerAnswer {
        partner_id,
        name: registration.as_ref().map(|registration| registration.name.clone()),
        time_zone: registration.as_ref().map(|registration| registration.time_zone.name()),
        status,
        first_month: months.first().map(|(month, _)| *month),
        last_month: months.last().map(|(month, _)| *month),
        months: months.len(),
        retention_months: lifecycle.months_kept(now, app.partners.default_months()),
        open_holds: lifecycle.active_holds().count(),
        leaving: lifecycle.offboarding.map(|offboarding| LeavingAnswer {
            ordered_at: text(offboarding.ordered_at),
            ordered_by: offboarding.ordered_by,
            deletes_at: text(offboarding.deletes_at),
            begun_at: offboarding.begun_at.map(text),
            last_export: offboarding.last_export,
            counts: offboarding.counts,
        }),
        left: lifecycle.left.into_iter().map(shown_left).collect(),
        created_at: registration.as_ref().map(|registration| text(registration.created_at)),
        updated_at: registration.as_ref().map(|registration| text(registration.updated_at)),
        updated_by: registration.map(|registration| registration.updated_by),
    })
}

fn shown_left(left: Deleted) -> LeftAnswer {
    let Deleted { ordered_at, ordered_by, deleted_at, counts, .. } = left;
    LeftAnswer { ordered_at: ordered_at.to_millis_text(), ordered_by, deleted_at: deleted_at.to_millis_text(), counts }
}

fn state(registration: Option<&Registration>, offboarding: Option<&Offboarding>) -> PartnerState {
    match (offboarding, registration.map(|registration| registration.status)) {
        (Some(offboarding), _) if offboarding.is_deleting() => PartnerState::Deleting,
        (Some(_), _) => PartnerState::Leaving,
        (None, Some(Status::Active)) => PartnerState::Active,
        (None, Some(Status::Suspended)) => PartnerState::Suspended,
        (None, None) => PartnerState::Deleted,
    }
}
