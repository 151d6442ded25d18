//! Faults of verified tokens: what a token lacks, and what to send instead.

use std::fmt;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use super::{Role, customers::MAX_CUSTOMERS_BYTES};
use crate::text::quoted;

/// A fault of a verified token, for which every request of its caller is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFault {
    /// The kind of fault.
    pub kind: TokenFaultKind,
    /// The id of the client, or the name of the claim, that the fault is about.
    pub name: String,
}

/// The kinds of faults of verified tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TokenFaultKind {
    /// The token was issued to a client that is not registered.
    UnregisteredClient,
    /// The token of a registered client has no scope of this service.
    NoScope,
    /// The token is a person's access token and does not name the partner.
    AccessTokenWithoutPartner,
    /// The token does not name a partner.
    NoPartner,
    /// The claim of the partner holds something else than a partner's id.
    InvalidPartner,
    /// The token grants no role.
    NoRole,
    /// The claim of the customers holds something else than customers' ids.
    InvalidCustomers,
    /// The claim of the customers lists more than the authorizer can pass on.
    TooManyCustomers,
}

/// The fault, and what to send instead.
impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quoted(&self.name);
        match self.kind {
            TokenFaultKind::UnregisteredClient => write!(
                f,
                "The client {name} of this token is not registered here. Ask the operator to register a machine's client \
                 (PUT /v1/clients/{{client_id}}), then request a new token. People send the ID token of a sign-in at this \
                 installation's page."
            ),
            TokenFaultKind::NoScope => write!(
                f,
                "The token of the machine client {name} has no scope of this service. Request a token with the scope \
                 daybook/record to record, or daybook/read to read. People sign in with another client."
            ),
            TokenFaultKind::AccessTokenWithoutPartner => write!(
                f,
                "This is an access token without the claim {name}, which names the partner. Send the ID token of the same \
                 sign-in, or let the issuer put the claim into access tokens. A machine's client must be registered by the \
                 operator."
            ),
            TokenFaultKind::NoPartner => write!(
                f,
                "This token names no partner: its claim {name} is missing or empty. Ask an administrator to set it, then \
                 sign in again and send the new ID token."
            ),
            TokenFaultKind::InvalidPartner => write!(
                f,
                "The claim {name} of this token is not a partner's id, which is one text of 1 to 128 of the characters \
                 A-Z a-z 0-9 . _ -. Ask an administrator to correct it, then sign in again and send the new ID token."
            ),
            TokenFaultKind::NoRole => write!(
                f,
                "This token grants no role: its claim {name} names none of {}. Ask an administrator for a role, then sign in \
                 again and send the new token. A machine needs the scope daybook/record or daybook/read.",
                Role::list(Role::of_people())
            ),
            TokenFaultKind::InvalidCustomers => write!(
                f,
                "The claim {name} of this token does not list customers: it is one text of ids with spaces between, an array \
                 of ids, or * for all customers. An id has at most 128 characters and does not begin with an exclamation \
                 mark. Ask an administrator to correct it, then sign in again and send the new token."
            ),
            TokenFaultKind::TooManyCustomers => write!(
                f,
                "The claim {name} of this token lists too many customers: together, their ids and the spaces between may have \
                 {MAX_CUSTOMERS_BYTES} bytes. Ask an administrator for a shorter list, or for * if you may see all customers, \
                 then sign in again and send the new token."
            ),
        }
    }
}
