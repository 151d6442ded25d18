//! The issuer's public keys: fetched when first needed, kept, and fetched again when a token names a new one.

use std::{collections::HashMap, time::Duration};

use daybook::{host::Error, storage::causes};
use jsonwebtoken::{DecodingKey, jwk::JwkSet};
use tokio::{sync::Mutex, time::Instant};

/// How long the issuer has to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A token with an unknown key makes us ask the issuer at most this often: such tokens cost nothing to make up.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The keys of one issuer.
#[derive(Debug)]
pub struct Keys {
    url: String,
    client: reqwest::Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    asked: Option<Instant>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

impl Keys {
    /// The keys at the URL of a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn at(url: String) -> Result<Self, Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { url, client, known: Mutex::default() })
    }

    /// The key of an id, if the issuer has it.
    ///
    /// # Errors
    /// When the issuer does not answer and no key at all is known. Known keys stay good while it is silent.
    pub async fn find(&self, id: &str) -> Result<Option<DecodingKey>, Error> {
        let mut known = self.known.lock().await;
        let recently = known.asked.is_some_and(|asked| asked.elapsed() < ASK_AGAIN_AFTER);
        if !known.keys.contains_key(id) && (!recently || known.keys.is_empty()) {
            known.asked = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => known.keys = keys,
                Err(error) if known.keys.is_empty() => return Err(error),
                Err(error) => tracing::warn!(error = causes(&*error), "the issuer's keys cannot be fetched"),
            }
        }
        Ok(known.keys.get(id).cloned())
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, Error> {
        let body = self.client.get(&self.url).send().await?.error_for_status()?.bytes().await?;
        let set: JwkSet = serde_json::from_slice(&body)?;
        let keys = set.keys.iter().filter_map(|jwk| {
            // A key of a kind that we do not use is no reason to refuse the others.
            Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))
        });
        Ok(keys.collect())
    }
}
