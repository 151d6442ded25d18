//! The roles of partners, which the function assumes with the external id of the stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::Region;
use aws_sdk_sts::{
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
};
use domain::{
    stream::{Arn, AttemptFailure, Stream},
    time::Instant,
};

/// The time before their end at which credentials are not used any more, in seconds.
const MARGIN_SECONDS: i64 = 300;
/// The number of roles and of buckets that a process remembers. Beyond it the process forgets all of them.
const MAX_REMEMBERED: usize = 1_000;

/// Credentials by role and external id, and when they end.
type Assumed = HashMap<(String, String), (Credentials, Instant)>;

/// Assumes roles. Cheap to clone; clones remember together.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    sts: aws_sdk_sts::Client,
    assumed: Arc<Mutex<Assumed>>,
    regions: Arc<Mutex<HashMap<String, Region>>>,
}

impl Roles {
    pub(crate) fn new(sts: aws_sdk_sts::Client) -> Self {
        Self { sts, assumed: Arc::default(), regions: Arc::default() }
    }

    /// Returns credentials of a role, which are valid for minutes at least.
    ///
    /// # Errors
    /// When STS does not give any: the role does not exist, or does not trust this function with the stream's external id.
    pub(crate) async fn assume(
        &self,
        role: &Arn,
        stream: &Stream,
        now: Instant,
    ) -> Result<Credentials, AttemptFailure> {
        let key = (role.to_string(), stream.external_id.clone());
        let known = self.assumed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((credentials, ends_at)) = known
            && now < ends_at.plus_seconds(-MARGIN_SECONDS)
        {
            return Ok(credentials);
        }
        let answer = self
            .sts
            .assume_role()
            .role_arn(role.as_str())
            .external_id(&stream.external_id)
            .role_session_name(format!("daybook-{}", stream.id))
            .send()
            .await
            .map_err(|error| describe(&error))?;
        let Some(given) = answer.credentials else {
            let detail = "AWS gave no credentials for the role.".to_owned();
            return Err(AttemptFailure { detail, status: None, retry_after: None, is_final: false });
        };
        let ends_at = Instant::from_micros(given.expiration.secs().saturating_mul(1_000_000)).unwrap_or(now);
        let token = Some(given.session_token);
        let credentials = Credentials::new(given.access_key_id, given.secret_access_key, token, None, "stream");
        let mut assumed = self.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        if assumed.len() >= MAX_REMEMBERED {
            assumed.clear();
        }
        assumed.insert(key, (credentials.clone(), ends_at));
        Ok(credentials)
    }

    /// Returns the region of a bucket, if it is known to be another one than the installation's.
    pub(crate) fn region_of(&self, bucket: &str) -> Option<Region> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned()
    }

    pub(crate) fn remember_region(&self, bucket: &str, region: Region) {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if regions.len() >= MAX_REMEMBERED {
            regions.clear();
        }
        regions.insert(bucket.to_owned(), region);
    }
}

/// Describes an error of AWS for the owner of the destination: code and message, or that there was no answer.
pub(crate) fn describe<E: ProvideErrorMetadata>(error: &SdkError<E>) -> AttemptFailure {
    let detail = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("AWS answered {code}: {message}"),
        (Some(code), None) => format!("AWS answered {code}."),
        (None, _) => "AWS did not answer, or its answer could not be read.".to_owned(),
    };
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    AttemptFailure { detail, status, retry_after: None, is_final: false }
}
