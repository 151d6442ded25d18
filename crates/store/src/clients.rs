//! Machine clients: the partners that they act for.

use domain::time::Instant;
use serde::{Deserialize, Serialize};

use crate::{
    control::{Control, Item, json, key, parse_json},
    error::Error,
};

/// The beginning of the partition key of every registration. Roles are limited by it.
pub const KEY_PREFIX: &str = "client#";

/// The longest id of a client, in characters.
pub const MAX_CLIENT_ID_CHARS: usize = 128;

/// The registration of a machine client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineClient {
    /// The partner that the client acts for.
    pub partner: String,
    /// The ids of the customers whose activities the client may see, `*` for all; none if the client is not restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customers: Option<Vec<String>>,
    /// The time of the registration.
    pub updated_at: Instant,
    /// The name of the person or machine that registered the client.
    pub updated_by: String,
    /// The subject of that person or machine. Earlier versions did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by_subject: Option<String>,
}

impl Control {
    /// Reads a client's registration.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn client(&self, client_id: &str) -> Result<Option<MachineClient>, Error> {
        let found = self.get_item(client_key(client_id), "GetItem of a client").await?;
        found.map(|item| parse_json(&item, "client")).transpose()
    }

    /// Registers a client, in place of an earlier registration.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn save_client(&self, client_id: &str, client: &MachineClient) -> Result<(), Error> {
        let mut item = client_key(client_id);
        item.insert("client".to_owned(), json(client)?);
        let put = self.dynamodb.put_item().table_name(&*self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| Error::sdk("PutItem of a client", error))
    }

    /// Removes a client's registration, if there is one.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn remove_client(&self, client_id: &str) -> Result<(), Error> {
        self.delete_item(client_key(client_id), "DeleteItem of a client").await
    }
}

fn client_key(client_id: &str) -> Item {
    key(&format!("{KEY_PREFIX}{client_id}"), "client")
}
