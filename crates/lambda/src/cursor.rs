//! Cursors of paged lists: opaque texts that hold a position.
//!
//! A cursor is base64 of JSON, neither encrypted nor signed. It holds no partner and no key, so that a forged cursor shows
//! nothing that its caller could not list anyway.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::text::hex;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use store::error;

use crate::problem::Problem;

/// Encodes a position as a cursor.
///
/// # Errors
/// 500 when the position cannot be written as JSON.
pub fn encode_cursor<T: Serialize>(position: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(position).map_err(|error| error::Error::permanent("writing a cursor", error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// Decodes a cursor that was sent in the field `name`.
///
/// # Errors
/// 400 when the text is not a cursor of this type.
pub fn decode_cursor<T: DeserializeOwned>(name: &str, cursor: &str) -> Result<T, Problem> {
    let value = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok());
    value.ok_or_else(|| Problem::field(name, "is not a cursor of this list; start again without it"))
}

/// Hashes a query, so that a cursor can be refused with another query than its own.
pub fn fingerprint(query: &str) -> String {
    hex(&Sha256::digest(query)[..8])
}
