//! Machine clients: the partner that each one acts for.

use domain::{
    access::{Author, Customers, CustomersFault, MAX_CUSTOMERS_BYTES},
    activity::PartnerId,
    audit::{AuditAction, AuditEntry},
    fault::Faults,
    request_json::{TextOrOther, read_owned},
    time::Instant,
};
use lambda::{Answer, Problem, Request, StatusCode, audit::RequestAudit, request, response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::clients::{MAX_CLIENT_ID_CHARS, MachineClient};
use utoipa::ToSchema;

use crate::App;

/// A registration to save.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveClient {
    /// The partner that the client acts for.
    #[schema(value_type = PartnerId, required)]
    partner: Option<String>,
    /// The ids of the customers whose activities the client may see, or `*` for all. An empty list is nobody. Without a list, or
    /// with null, the client is not restricted. Together, the ids and one byte for each may have 4,096 bytes.
    #[schema(value_type = Option<Vec<CustomerId>>)]
    customers: Option<Vec<TextOrOther>>,
}

/// The id of a customer, compared without regard to the case of ASCII letters, or `*` for all customers.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r"^[^!\s]", min_length = 1, max_length = 128, examples("fabrikam"))]
pub struct CustomerId(pub String);

/// A machine client's registration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientAnswer {
    /// The client's id at the issuer.
    pub client_id: String,
    /// The partner that the client acts for.
    #[schema(value_type = PartnerId)]
    pub partner: String,
    /// The ids of the customers whose activities the client may see, `*` for all; null if the client is not restricted.
    #[schema(value_type = Option<Vec<CustomerId>>)]
    pub customers: Option<Vec<String>>,
    /// The time of the registration.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// The person or machine that saved it.
    pub updated_by: Author,
}

pub(crate) async fn show(app: &App, request: &Request) -> Answer {
    let client_id = client_id(request)?;
    let client = app.control.client(&client_id).await?.ok_or_else(Problem::not_found)?;
    response::json(StatusCode::OK, &shown(&client_id, client))
}

pub(crate) async fn save(app: &App, request: &Request, now: Instant) -> Answer {
    let client_id = client_id(request)?;
    let mut faults = Faults::default();
    let wanted: Option<SaveClient> = read_owned(request::body(request)?, &mut faults);
    let wanted = wanted.and_then(|wanted| {
        let partner = wanted.partner.ok_or_else(|| "is required: the partner that the client acts for".to_owned());
        let partner = faults.keep("/partner", partner.and_then(|partner| PartnerId::parse(&partner)));
        let customers = wanted.customers.map(|ids| read_customers(ids, &mut faults));
        Some((partner?, customers))
    });
    let (partner, customers) = faults.finish(wanted)?;
    let caller = request::caller(request)?;
    let Author { subject, name } = caller.author();
    let client = MachineClient {
        partner: partner.to_string(),
        customers,
        updated_at: now,
        updated_by: name,
        updated_by_subject: subject,
    };
    let audit = RequestAudit::new(&app.audit, request, &caller, now);
    let before = app.control.client(&client_id).await?;
    let earlier = before.as_ref().and_then(|before| PartnerId::parse(&before.partner).ok());
    let (left, kept) = match earlier {
        Some(earlier) if earlier == partner => (None, before.as_ref()),
        Some(earlier) => (Some(earlier), None),
        None => (None, None),
    };
    let entry = entry(AuditAction::ClientRegistered, &client_id).changed(&described(kept), &described(Some(&client)));
    let save = audit.change(&partner, entry, async { Ok(app.control.save_client(&client_id, &client).await?) });
    match left {
        None => save.await?,
        // Each partner reads what concerns itself, and not the name of the other one.
        Some(left) => audit.change(&left, removed(&client_id, before.as_ref()), save).await?,
    }
    response::json(StatusCode::OK, &shown(&client_id, client))
}

pub(crate) async fn remove(app: &App, request: &Request, now: Instant) -> Answer {
    let client_id = client_id(request)?;
    let caller = request::caller(request)?;
    let before = app.control.client(&client_id).await?;
    let partner = before.as_ref().and_then(|before| PartnerId::parse(&before.partner).ok());
    let remove = async { Ok(app.control.remove_client(&client_id).await?) };
    RequestAudit::new(&app.audit, request, &caller, now)
        .change(&partner.unwrap_or_else(PartnerId::installation), removed(&client_id, before.as_ref()), remove)
        .await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Reads the customers of a registration, as they were sent, or adds the faults of all entries.
fn read_customers(sent: Vec<TextOrOther>, faults: &mut Faults) -> Vec<String> {
    let (mut ids, mut indexes) = (Vec::with_capacity(sent.len()), Vec::with_capacity(sent.len()));
    let pointer = |index: usize| format!("/customers/{index}");
    for (index, sent) in sent.into_iter().enumerate() {
        match sent {
            TextOrOther::Text(id) => {
                ids.push(id);
                indexes.push(index);
            }
            TextOrOther::Other(_) => faults.invalid(&pointer(index), "must be a string"),
        }
    }
    match Customers::parse(ids.iter().map(String::as_str)) {
        Ok(_) => {}
        Err(CustomersFault::Invalid(found)) => {
            for (place, detail) in found {
                faults.invalid(&pointer(indexes[place]), detail);
            }
        }
        Err(CustomersFault::TooLong) => {
            let detail = format!(
                "is too long: the ids and one byte for each may have {MAX_CUSTOMERS_BYTES} bytes; list fewer, or * for all"
            );
            faults.too_large("/customers", detail);
        }
    }
    ids
}

fn entry(action: AuditAction, client_id: &str) -> AuditEntry {
    AuditEntry::new(action).about("client", client_id)
}

/// Returns the entry of a client that does not act for its partner any more.
fn removed(client_id: &str, before: Option<&MachineClient>) -> AuditEntry {
    entry(AuditAction::ClientRemoved, client_id).changed(&described(before), &described(None))
}

/// Describes a registration for the audit.
fn described(client: Option<&MachineClient>) -> Value {
    client.map_or(Value::Null, |client| json!({"partner": client.partner, "customers": client.customers}))
}

fn client_id(request: &Request) -> Result<String, Problem> {
    request::caller(request)?.may_operate()?;
    request::refuse_parameters(request)?;
    let id = request::path(request, "client_id")?;
    if (1..=MAX_CLIENT_ID_CHARS).contains(&id.chars().count()) {
        Ok(id)
    } else {
        Err(Problem::field("client_id", format!("must have 1 to {MAX_CLIENT_ID_CHARS} characters")))
    }
}

fn shown(client_id: &str, client: MachineClient) -> ClientAnswer {
    ClientAnswer {
        client_id: client_id.to_owned(),
        partner: client.partner,
        customers: client.customers,
        updated_at: client.updated_at.to_millis_text(),
        updated_by: Author { subject: client.updated_by_subject, name: client.updated_by },
    }
}

#[cfg(test)]
mod tests {
    use domain::fault::Rejection;
    use serde_json::{Value, json};

    use super::*;

    fn read(customers: &Value) -> Result<Vec<String>, Rejection> {
        let sent: Vec<TextOrOther> = serde_json::from_value(customers.clone()).unwrap();
        let mut faults = Faults::default();
        let ids = read_customers(sent, &mut faults);
        faults.finish(Some(ids))
    }

    #[test]
    fn customers_of_a_registration_stay_as_they_were_sent() {
        for good in [json!([]), json!(["*"]), json!(["Fabrikam", "fabrikam", "a b", "été"])] {
            assert_eq!(json!(read(&good).unwrap()), good);
        }
    }

    #[test]
    fn every_unusable_entry_is_named() {
        let rejection = read(&json!(["a", 7, "", "b", "!c", null, "x".repeat(129)])).unwrap_err();
        let pointers: Vec<&str> = rejection.faults().iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/customers/1", "/customers/5", "/customers/2", "/customers/4", "/customers/6"]);
        let many = vec!["c-00001"; 513];
        assert!(matches!(read(&json!(many)), Err(Rejection::TooLarge(faults)) if faults[0].pointer == "/customers"));
    }
}
