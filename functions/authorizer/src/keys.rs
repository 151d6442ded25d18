//! The issuer's public keys: fetched at first use, kept, and fetched again when a token names a new key or the keys are old.
//!
//! Known keys stay valid while the issuer does not answer, so that its outage is not ours. While the issuer answers, a key
//! that it has withdrawn is trusted for [`OLD_AFTER`] at most.

use std::{collections::HashMap, time::Duration};

use domain::time::Instant;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet, PublicKeyUse},
};
use lambda::Error;
use store::error::causes;
use tokio::sync::Mutex;

/// The timeout of a request to the issuer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A token with an unknown key makes us ask the issuer at most this often: such tokens cost nothing to make up.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The same while no key is known, when no token at all can be verified.
const ASK_AGAIN_AFTER_NOTHING: Duration = Duration::from_secs(1);
/// The age at which known keys are fetched again.
const OLD_AFTER: Duration = Duration::from_secs(15 * 60);
/// The longest answer that is read, in bytes; that of a user pool has less than 1 KB.
const MAX_BYTES: usize = 256 * 1_024;

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
    answered: Option<Instant>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

impl Known {
    /// Whether a token with that key is a reason to ask the issuer, and the issuer may be asked.
    fn asks(&self, id: &str, now: Instant) -> bool {
        let pause = if self.keys.is_empty() { ASK_AGAIN_AFTER_NOTHING } else { ASK_AGAIN_AFTER };
        (!self.keys.contains_key(id) || past(self.answered, OLD_AFTER, now)) && past(self.asked, pause, now)
    }
}

/// Whether that time has passed since then. A clock that was set back counts as one that goes on.
fn past(then: Option<Instant>, time: Duration, now: Instant) -> bool {
    then.is_none_or(|then| u128::from(now.micros().abs_diff(then.micros())) >= time.as_micros())
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
    pub async fn find(&self, id: &str, now: Instant) -> Result<Option<DecodingKey>, Error> {
        let mut known = self.known.lock().await;
        if known.asks(id, now) {
            known.asked = Some(now);
            match self.fetch().await {
                Ok(keys) => *known = Known { keys, asked: Some(now), answered: Some(now) },
                Err(error) if known.keys.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = causes(&*error), "could not fetch the issuer's keys; known keys stay valid")
                }
            }
        }
        if known.keys.is_empty() {
            return Err("the issuer gave no keys a moment ago".into());
        }
        Ok(known.keys.get(id).cloned())
    }

    /// All keys of the issuer that tokens can be verified with, at least one.
    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, Error> {
        let mut answer = self.client.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("the issuer's keys have more than {MAX_BYTES} bytes").into());
            }
            body.extend_from_slice(&chunk);
        }
        let set: JwkSet = serde_json::from_slice(&body)?;
        let keys: HashMap<_, _> = set
            .keys
            .iter()
            // Skipped, because an unknown kind of key must not invalidate the others.
            .filter(|jwk| matches!(jwk.algorithm, AlgorithmParameters::RSA(_) | AlgorithmParameters::EllipticCurve(_)))
            .filter(|jwk| jwk.common.public_key_use.as_ref().is_none_or(|its| *its == PublicKeyUse::Signature))
            .filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?)))
            .collect();
        // An error, because forgetting every key would lock everybody out.
        if keys.is_empty() { Err("the issuer shows no key that signs".into()) } else { Ok(keys) }
    }
}
