//! One activity: an actor did something to a customer's account.
//!
//! | file | subject |
//! |---|---|
//! | `request` | the body of a request: one activity or a batch, plain or as CloudEvents |
//! | `cloud_events` | the CloudEvents envelope around an activity |
//! | `wire` | the JSON of an activity, as a client sends it and as the service shows it |
//! | `parse` | the checks that turn sent JSON into a [`NewActivity`] |
//! | `model` | an activity inside the service |
//! | `lines` | the lines of an order in the details, and what they add up to |
//! | `ids` | ids and actions: checked text |
//! | `digest` | the digest that decides whether two activities are the same |
//!
//! An activity is checked once, by [`NewActivity::parse`]; code that holds a `NewActivity` relies on every limit below.
//! The ledger adds the partner and the time of recording and so makes an [`Activity`], which never changes.

pub mod cloud_events;
mod digest;
mod ids;
pub mod lines;
mod model;
mod parse;
mod request;
mod wire;

pub use self::{
    ids::{Action, ActivityId, MAX_ACTION_CHARS, MAX_ID_CHARS, PartnerId},
    model::{Activity, Actor, ActorType, Customer, Details, Digest, Entry, NewActivity, Status, Target},
    parse::{
        MAX_AHEAD_SECONDS, MAX_CHANGES, MAX_CHANGES_BYTES, MAX_DETAILS_BYTES, MAX_NAME_CHARS, MAX_REASON_CHARS,
        MAX_USER_AGENT_CHARS,
    },
    request::{BatchJson, MAX_BATCH, RecordRequest, Sent},
    wire::{ActivityJson, Change, NewActivityJson, NewActorJson, NewCustomerJson, NewTargetJson, WithDetailsUrl},
};
pub(crate) use wire::WithDetailsAt;

pub use crate::{
    fault::{Fault, Rejection},
    request_json::{Object, from_json},
    text::hex,
};
