//! Machine clients: the partner that each one acts for.

use domain::{access::Author, activity::PartnerId, fault::Faults, request_json::read_owned, time::Instant};
use lambda::{Answer, Problem, Request, StatusCode, request, response};
use serde::{Deserialize, Serialize};
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
}

/// A machine client's registration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientAnswer {
    /// The client's id at the issuer.
    pub client_id: String,
    /// The partner that the client acts for.
    #[schema(value_type = PartnerId)]
    pub partner: String,
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
    let partner = wanted.and_then(|wanted| {
        let partner = wanted.partner.ok_or_else(|| "is required: the partner that the client acts for".to_owned());
        faults.keep("/partner", partner.and_then(|partner| PartnerId::parse(&partner)))
    });
    let partner = faults.finish(partner)?;
    let Author { subject, name } = request::caller(request)?.author();
    let client =
        MachineClient { partner: partner.to_string(), updated_at: now, updated_by: name, updated_by_subject: subject };
    app.control.save_client(&client_id, &client).await?;
    response::json(StatusCode::OK, &shown(&client_id, client))
}

pub(crate) async fn remove(app: &App, request: &Request) -> Answer {
    app.control.remove_client(&client_id(request)?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
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
        updated_at: client.updated_at.to_millis_text(),
        updated_by: Author { subject: client.updated_by_subject, name: client.updated_by },
    }
}
