//! The stream of each partner that carries its activities to one event bus of the installation.
//!
//! It is a stream like the partner's own ones, with a position of its own, so that one partner never holds up another. The
//! installation decides its settings; no request shows or changes it. It is made when the partner is first due.

use domain::{
    access::Author,
    activity::PartnerId,
    filter::Filter,
    stream::{Arn, Destination, EventBridgeDestination, LogSource, Stream, StreamFormat, StreamSettings},
    time::Instant,
};
use store::{
    error::Error,
    streams::{INSTALLATION_STREAM, Streams},
};

/// How far back a new stream begins, in seconds. Every activity that the partner's first due mark stands for is younger, unless
/// nothing was delivered for a whole day.
const BEGINS_BEFORE_SECONDS: i64 = 86_400;
/// The hours of failures after which the stream stops: never, because nobody could let it go on.
pub(crate) const STOP_HOURS: i64 = i64::MAX;

/// The bus of the installation, and what it gets.
#[derive(Clone, Debug)]
pub struct InstallationBus {
    settings: StreamSettings,
}

impl InstallationBus {
    /// Makes the bus of a resource name, which the function may put events on.
    ///
    /// # Errors
    /// When the name is not valid.
    pub fn new(bus_arn: &str, format: StreamFormat) -> Result<Self, String> {
        let bus = EventBridgeDestination { bus_arn: Arn::parse_bus(bus_arn)?, role_arn: None };
        let settings = StreamSettings {
            name: "All activities".to_owned(),
            destination: Destination::EventBridge(bus),
            format,
            filter: Filter::default(),
            mask: Vec::new(),
            details: true,
            paused: false,
            source: LogSource::Activities,
        };
        Ok(Self { settings })
    }

    /// The settings of the stream.
    pub(crate) fn settings(&self) -> &StreamSettings {
        &self.settings
    }

    /// Makes the stream of a partner, unless it is there.
    ///
    /// # Errors
    /// When the table fails.
    pub(crate) async fn make(&self, streams: &Streams, partner: &PartnerId, now: Instant) -> Result<(), Error> {
        let by = Author { subject: None, name: "daybook".to_owned() };
        let begins_at = now.plus_seconds(-BEGINS_BEFORE_SECONDS);
        // No external id, because no role is assumed.
        let (id, external_id) = (INSTALLATION_STREAM.to_owned(), String::new());
        let stream = Stream::create(id, external_id, self.settings.clone(), begins_at, now, by);
        streams.put_if_absent(partner, &stream).await
    }
}
