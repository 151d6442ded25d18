//! Streams: activities that the service sends to a partner's own systems as they are recorded.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | the settings of a stream, and their description for the audit |
//! | `destination` | destinations: an HTTPS server, an EventBridge bus, an S3 bucket |
//! | `arn`, `headers` | the checks of Amazon resource names and of HTTP headers |
//! | `request` | requests that create or change a stream: all faults at once |
//! | `mask` | fields that a stream leaves out |
//! | `state` | delivered or failing: transitions after each attempt |
//! | `replay` | a period that a stream sends again |
//! | `record` | a stored stream: settings, state and replay |
//! | `answer` | the JSON of a stream |
//! | `batch` | documents of activities, and the batches that carry them |
//!
//! **Order and repeats.** A stream sends activities in the order of the feed, at least once. The position moves only when the
//! destination has accepted a batch, so that a process that dies repeats a batch and skips none. Receivers recognise repeats
//! by `id`, or by `metadata.uid` of OCSF.
//!
//! **Nobody else's resources.** The service assumes a role of the partner with an external id of its own for each stream.
//! Roles, buses and buckets of the installation's own account are refused, so that no partner reaches these through the
//! service.

mod answer;
mod arn;
pub mod batch;
mod destination;
mod headers;
mod mask;
mod record;
mod replay;
mod request;
mod settings;
mod state;

pub use self::{
    answer::{
        DestinationAnswer, EventBridgeAnswer, HttpsAnswer, ReplayAnswer, S3Answer, StreamAnswer, StreamErrorAnswer,
        StreamStateAnswer,
    },
    arn::Arn,
    destination::{
        Destination, DestinationRequest, DestinationRules, EventBridgeDestination, Framing, HttpsDestination,
        S3Destination,
    },
    headers::{HeaderValue, Headers, MAX_HEADER_VALUE_CHARS, MAX_HEADERS},
    mask::{MASKED, MaskedField},
    record::Stream,
    replay::{Replay, ReplayRefusal, ReplayRequest},
    request::{SaveStream, StreamChange},
    settings::{LogSource, MAX_STREAM_NAME_CHARS, MAX_STREAMS, StreamFormat, StreamSettings},
    state::{
        AttemptFailure, DEFAULT_STOP_HOURS, MAX_RETRY_AFTER_SECONDS, MAX_WAIT_SECONDS, MIN_WAIT_SECONDS, StreamError,
        StreamState, StreamStatus,
    },
};
