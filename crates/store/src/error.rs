//! Errors of the stores, told apart by what a caller can do about them.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is throttled, down, or did not answer in time, after the SDK's retries: the same call may succeed later.
    #[error("{operation} is unavailable")]
    Unavailable {
        /// What was asked of which store.
        operation: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It refused the call, or holds something unreadable: a fault of ours, which no retry mends.
    #[error("{operation} failed")]
    Broken {
        /// What was asked of which store.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// A fault of ours, with its cause.
    pub fn broken(operation: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Broken { operation, source: source.into() }
    }

    /// The function's own time is up: whether the call was done is not known.
    pub fn time_is_up(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "the function's time is up".into() }
    }

    /// Sorts an SDK error.
    pub fn sdk<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let passing = match &error {
            SdkError::ServiceError(service) => {
                service.raw().status().is_server_error()
                    || service.raw().status().as_u16() == 429
                    || service.err().code().is_some_and(|code| {
                        code.contains("Throttl")
                            || code.contains("LimitExceeded")
                            || code == "ProvisionedThroughputExceededException"
                            || code == "SlowDown"
                    })
            }
            SdkError::ConstructionFailure(_) => false,
            _ => true,
        };
        let source = Box::new(error);
        if passing { Self::Unavailable { operation, source } } else { Self::Broken { operation, source } }
    }

    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// An error and its causes in one line, for the log.
pub fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
