//! Errors of tables, buckets and queues, sorted by whether a retry can help.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};

/// A store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store is throttled, down, or did not answer in time, after the SDK's retries. The same call may succeed later.
    #[error("{operation} is unavailable")]
    Unavailable {
        /// The call, and the kind of record that it was about.
        operation: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The store refused the call, or holds something unreadable. No retry helps.
    #[error("{operation} failed")]
    Permanent {
        /// The call, and the kind of record that it was about.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl Error {
    /// Creates an error that no retry mends.
    pub fn permanent(operation: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Permanent { operation, source: source.into() }
    }

    /// Creates the error of a function whose own time is up. Whether the call was done is not known.
    pub(crate) fn time_is_up(operation: &'static str) -> Self {
        Self::Unavailable { operation, source: "the function's time is up".into() }
    }

    /// Sorts an error of the SDK.
    pub fn sdk<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let is_transient = match &error {
            SdkError::ServiceError(service) => {
                service.raw().status().is_server_error()
                    // An answer that cannot be read was cut on its way: a success that is an error here, or an error without its code.
                    || service.raw().status().is_success()
                    || (service.err().code().is_none() && service.raw().body().bytes().is_some_and(|body| !body.is_empty()))
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
        if is_transient { Self::Unavailable { operation, source } } else { Self::Permanent { operation, source } }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Lets the SDK retry a call whose answer is a success that cannot be read: the answer was cut on its way.
///
/// All calls of the stores may be repeated.
#[derive(Debug)]
struct RetryCutAnswers;

impl ClassifyRetry for RetryCutAnswers {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_success = context.response().is_some_and(|response| response.status().is_success());
        if is_success && matches!(context.output_or_error(), Some(Err(_))) {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "cut answers"
    }
}

/// Returns a client of the tables that retries a call whose answer was cut.
pub(crate) fn retrying_cut_answers(dynamodb: &aws_sdk_dynamodb::Client) -> aws_sdk_dynamodb::Client {
    let config = dynamodb.config().to_builder().retry_classifier(RetryCutAnswers).build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

/// Joins an error and its causes in one line, for the log.
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
