//! The configuration of the SDK's clients.

use std::{fs, time::Duration};

use aws_config::{
    BehaviorVersion, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use lambda_runtime::Error;

use crate::environment::variable;

/// How long one try of a call may take while a person waits. All tries together take less than a function's timeout.
pub const INTERACTIVE: Duration = Duration::from_secs(4);
/// How long one try of a call may take that carries megabytes.
pub const BULK: Duration = Duration::from_secs(60);
/// How long the SDK waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many times the SDK tries a call in all while a person waits: 24 seconds of tries and at most 3.1 of waits.
const INTERACTIVE_ATTEMPTS: u32 = 6;
/// How many times the SDK tries a call in all that carries megabytes: with the waits below, for some 15 seconds.
const BULK_ATTEMPTS: u32 = 10;
/// The longest wait before the second try; a random part of it is waited. Each further wait is up to twice as long. A
/// throttled partition of DynamoDB has capacity again within tens of milliseconds.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const MAX_BACKOFF: Duration = Duration::from_secs(3);

/// The roots of Amazon Trust Services (www.amazontrust.com/repository), which sign the certificates of AWS's endpoints.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Loads the configuration of the SDK's clients; each try of a call may take `attempt_timeout`.
///
/// Region and credentials are those that Lambda puts into the environment. Throttled and transient errors are tried again,
/// each call for itself: the SDK's adaptive mode would slow all calls of the client after one throttled partition, those of
/// other partitions and partners too.
///
/// # Errors
/// As [`http_client`].
pub async fn config(attempt_timeout: Duration) -> Result<SdkConfig, Error> {
    let attempts = if attempt_timeout > INTERACTIVE { BULK_ATTEMPTS } else { INTERACTIVE_ATTEMPTS };
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(FIRST_BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(attempt_timeout).build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .region(EnvironmentVariableRegionProvider::new())
        .http_client(http_client()?)
        .retry_config(retries)
        .timeout_config(timeouts)
        // Disabled, because the timeout of each try already bounds a stalled body.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Ok(config.load().await)
}

/// Creates the HTTP client of the SDK's clients.
///
/// The client trusts Amazon's roots only, because reading all of the system's authorities would take most
/// of a cold start. To reach endpoints of your own, name a file with their authorities in `SSL_CERT_FILE`.
///
/// # Errors
/// When that file cannot be read.
pub fn http_client() -> Result<SharedHttpClient, Error> {
    match variable("SSL_CERT_FILE") {
        Ok(file) => trusting(fs::read(file)?),
        Err(_) => trusting(AMAZON_ROOTS),
    }
}

/// Creates a client that trusts these authorities (PEM) only.
fn trusting(authorities: impl Into<Vec<u8>>) -> Result<SharedHttpClient, Error> {
    let trust_store = TrustStore::empty().with_pem_certificate(authorities);
    let context = TlsContext::builder().with_trust_store(trust_store).build()?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

#[cfg(test)]
mod tests;
