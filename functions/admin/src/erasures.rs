//! Orders to erase.

use std::{convert::Infallible, time::Duration};

use domain::{
    access::{Author, Operation},
    activity::{ActivityId, MAX_NAME_CHARS},
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    lifecycle::{ErasureOrder, ErasureState, ErasureTally, Group, MAX_ERASED_IDS, Selector},
    query::given_text,
    request_json::{TextOrOther, read_owned},
    text::{parse_word, quoted},
    time::Instant,
};
use lambda::{
    Answer, Parameters, Problem, Request, StatusCode, audit::RequestAudit, cursor, header, request, response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::queues::KeeperRun;
use utoipa::ToSchema;

use crate::{App, check_reason, may_change, partners::check_registered, ulid_of};

const DEFAULT_LISTED: usize = 50;
const MAX_LISTED: usize = 100;

/// An order to erase. It names an actor, a customer, a target or activities, one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewErasure)]
pub struct OrderErasure {
    /// The id of an actor.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    actor: Option<String>,
    /// The id of a customer.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    customer: Option<String>,
    /// The id of a target.
    #[serde(default, deserialize_with = "given_text")]
    #[schema(min_length = 1, max_length = 256, nullable = false)]
    target: Option<String>,
    /// Activities, by id and time.
    #[serde(default)]
    #[schema(value_type = Option<Vec<ErasedAddress>>, min_items = 1, max_items = 500, nullable = false)]
    activities: Option<Vec<ErasedAddress>>,
    /// The groups of fields to erase.
    #[serde(default)]
    #[schema(value_type = Vec<Group>, required, min_items = 1, example = json!(["actor", "details"]))]
    groups: Option<Vec<TextOrOther>>,
    /// Why the order is given. Do not name anybody here.
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 1024)]
    reason: Option<String>,
    /// Whether to count only, and to erase nothing.
    #[serde(default)]
    dry_run: bool,
}

/// The address of an activity to erase in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasedAddress {
    /// The id.
    #[schema(value_type = ActivityId)]
    id: String,
    /// When it occurred.
    #[schema(value_type = Instant)]
    occurred_at: String,
}

/// An order to erase.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erasure)]
pub struct ErasureAnswer {
    /// The id, which erased activities name.
    pub id: String,
    /// How far the order is.
    pub status: ErasureState,
    /// The selector: `actor`, `customer` or `target` with its id, or `activities` with their number; null once the order is
    /// done.
    #[schema(value_type = Option<Object>)]
    pub selector: Option<Value>,
    /// The groups of fields to erase.
    pub groups: Vec<Group>,
    /// Why the order was given.
    pub reason: String,
    /// Whether it counts only.
    pub dry_run: bool,
    /// What was found and erased so far.
    pub counts: ErasureTally,
    /// When the order was given.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The person or machine that gave it.
    pub created_by: Author,
    /// When it was done.
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErasureList)]
pub struct ErasureListAnswer {
    /// The orders, the newest first.
    pub erasures: Vec<ErasureAnswer>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
    /// Whether this caller may give orders.
    pub may_change: bool,
}

impl OrderErasure {
    fn selector(&mut self, faults: &mut Faults) -> Option<Selector> {
        let mut found: Vec<Selector> = Vec::new();
        for (name, id, make) in [
            ("actor", self.actor.take(), Selector::Actor as fn(String) -> Selector),
            ("customer", self.customer.take(), Selector::Customer),
            ("target", self.target.take(), Selector::Target),
        ] {
            let Some(id) = id else { continue };
            if id.trim().is_empty() || id.chars().count() > MAX_NAME_CHARS {
                faults.invalid(&format!("/{name}"), format!("must be an id of 1 to {MAX_NAME_CHARS} characters"));
            }
            found.push(make(id));
        }
        if let Some(addresses) = self.activities.take() {
            found.push(Selector::Activities(read_addresses(addresses, faults)));
        }
        if found.len() != 1 {
            faults.invalid("", "must name one of actor, customer, target and activities: whose data are to be erased");
            return None;
        }
        found.pop()
    }

    fn groups(&mut self, faults: &mut Faults) -> Option<Vec<Group>> {
        let Some(sent) = self.groups.take().filter(|groups| !groups.is_empty()) else {
            faults.invalid("/groups", "is required: at least one group of fields to erase, such as \"actor\"");
            return None;
        };
        let mut groups = Vec::new();
        for (index, sent) in sent.iter().enumerate() {
            let group = match sent {
                TextOrOther::Text(text) => parse_word::<Group>(text),
                TextOrOther::Other(_) => Err("must be a string".to_owned()),
            };
            groups.extend(faults.keep(&format!("/groups/{index}"), group));
        }
        groups.sort_unstable();
        groups.dedup();
        Some(groups)
    }
}

fn read_addresses(addresses: Vec<ErasedAddress>, faults: &mut Faults) -> Vec<(Instant, String)> {
    if !(1..=MAX_ERASED_IDS).contains(&addresses.len()) {
        faults.invalid("/activities", format!("has {} entries: give 1 to {MAX_ERASED_IDS}", addresses.len()));
        return Vec::new();
    }
    let mut read = Vec::new();
    for (index, ErasedAddress { id, occurred_at }) in addresses.into_iter().enumerate() {
        let at = faults.keep(&format!("/activities/{index}/occurred_at"), Instant::parse(&occurred_at));
        let is_id = ActivityId::is_valid(&id);
        if !is_id {
            faults.invalid(&format!("/activities/{index}/id"), format!("{} is not an activity's id", quoted(&id)));
        }
        read.extend(at.filter(|_| is_id).map(|at| (at, id)));
    }
    read
}

fn read_order(request: &Request, author: Author, now: Instant) -> Result<ErasureOrder, Problem> {
    let mut faults = Faults::default();
    let wanted: Option<OrderErasure> = read_owned(request::body(request)?, &mut faults);
    let order = wanted.and_then(|mut wanted| {
        let selector = wanted.selector(&mut faults);
        let groups = wanted.groups(&mut faults);
        let reason = check_reason(wanted.reason, &mut faults);
        let selector = selector?;
        Some(ErasureOrder {
            id: ulid_of(now),
            kind: selector.kind(),
            selector: Some(selector),
            digests: Vec::new(),
            groups: groups?,
            reason: reason?,
            dry_run: wanted.dry_run,
            state: ErasureState::Pending,
            tally: ErasureTally::default(),
            created_at: now,
            created_by: author,
            finished_at: None,
        })
    });
    Ok(faults.finish(order)?)
}

pub(crate) async fn order(app: &App, request: &Request, now: Instant) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    caller.may_order(&partner, app.partners_erase)?;
    request::refuse_parameters(request)?;
    let order = read_order(request, caller.author(), now)?;
    let record = app.partners.read(&partner).await?;
    check_registered(&record)?;
    // Without the selector, because an entry stays when the order is done.
    let what = json!({"kind": <&str>::from(order.kind), "groups": order.groups, "dry_run": order.dry_run});
    let entry = AuditEntry::new(AuditAction::ErasureRequested).about("erasure", &order.id).changed(&Value::Null, &what);
    let change = async {
        // Noted first, so that the hourly run finds an order whose request died before the message was sent.
        let noted = app.partners.change_lifecycle(&partner, |lifecycle| {
            lifecycle.open_erasures.insert(order.id.clone());
            Ok::<_, Infallible>(())
        });
        let Ok(_) = noted.await?;
        app.control.create_erasure(&partner, &order).await?;
        let run = KeeperRun { partner: Some(partner.to_string()), ..KeeperRun::default() };
        Ok(app.keeper_runs.send(&run, Duration::ZERO).await?)
    };
    RequestAudit::new(&app.audit, request, &caller, now).change(&partner, entry, change).await?;
    let location = format!("erasures/{}", order.id);
    let mut answer = response::json(StatusCode::ACCEPTED, &shown(order))?;
    response::set_header(&mut answer, header::LOCATION, &location);
    Ok(answer)
}

pub(crate) async fn list(app: &App, request: &Request) -> Answer {
    let (caller, partner) = request::partner_for(request, Operation::Oversee)?;
    let mut faults = Faults::default();
    let parameters = Parameters::read_known(request, &["limit", "cursor"], &mut faults);
    let limit = faults.keep_part(parameters.number("limit", DEFAULT_LISTED, MAX_LISTED));
    let text = faults.keep_part(parameters.cursor());
    let (limit, text) = faults.finish(limit.zip(text))?;
    let after: Option<String> = text.map(|text| cursor::decode_cursor("cursor", &text)).transpose()?;
    check_registered(&app.partners.read(&partner).await?)?;
    let (found, next) = app.control.erasures(&partner, limit, after.as_deref()).await?;
    let next_cursor = next.map(|next| cursor::encode_cursor(&next)).transpose()?;
    let erasures = found.into_iter().map(|stored| shown(stored.order)).collect();
    let may_change = may_change(app, &caller, &partner);
    response::json(StatusCode::OK, &ErasureListAnswer { erasures, next_cursor, may_change })
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let (_, partner) = request::partner_for(request, Operation::Oversee)?;
    request::refuse_parameters(request)?;
    let id = request::path(request, "id")?;
    let stored = app.control.erasure(&partner, &id).await?.ok_or_else(Problem::not_found)?;
    response::json(StatusCode::OK, &shown(stored.order))
}

fn shown(order: ErasureOrder) -> ErasureAnswer {
    let selector = order.selector.as_ref().map(|selector| match selector {
        Selector::Activities(addresses) => json!({"activities": addresses.len()}),
        _ => json!({<&str>::from(selector.kind()): selector.id()}),
    });
    ErasureAnswer {
        id: order.id,
        status: order.state,
        selector,
        groups: order.groups,
        reason: order.reason,
        dry_run: order.dry_run,
        counts: order.tally,
        created_at: order.created_at.to_millis_text(),
        created_by: order.created_by,
        finished_at: order.finished_at.map(Instant::to_millis_text),
    }
}
