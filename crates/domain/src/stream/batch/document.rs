//! The JSON of one activity in a stream.

use serde::Serialize;

use super::{ENVELOPE_BYTES, MAX_BATCH_BYTES, event_bridge::MAX_DETAIL_BYTES, message};
use crate::{
    activity::{Activity, Details, WithDetailsAt},
    audit::AuditEntryJson,
    ocsf::ApiActivity,
    stream::{
        destination::{Destination, Framing},
        mask::apply_mask,
        settings::{LogSource, StreamFormat, StreamSettings},
    },
    time::Instant,
};

/// An activity as a stream sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityDocument {
    /// When the activity occurred.
    pub occurred_at: Instant,
    /// When the activity was recorded.
    pub recorded_at: Instant,
    /// The action.
    pub action: String,
    /// The JSON: an activity, an event of OCSF, or a message.
    pub json: String,
    /// The JSON with `details_url` in the place of the details; none if it has no details.
    pub without_details: Option<String>,
}

/// Writes activities with the format, the mask and the size limit of a stream.
#[derive(Clone, Copy, Debug)]
pub struct DocumentWriter<'a> {
    settings: &'a StreamSettings,
}

impl<'a> DocumentWriter<'a> {
    /// Makes the writer of a stream.
    pub fn new(settings: &'a StreamSettings) -> Self {
        Self { settings }
    }

    /// Tells whether the writer needs the details of an activity, so that the caller reads them.
    pub fn needs_details(&self) -> bool {
        let is_masked = self.settings.mask.contains(&crate::stream::MaskedField::Details);
        self.settings.details && !is_masked && !self.is_message()
    }

    /// Writes an activity.
    ///
    /// If the details make the JSON too large for the destination, `details_url` takes their place: the absolute address of
    /// the details. The same holds for details that were not read. A stream without details has neither.
    ///
    /// # Errors
    /// An error if stored changes or details are not JSON.
    pub fn write(&self, activity: &Activity<&str>, details_url: &str) -> Result<ActivityDocument, serde_json::Error> {
        let masked = apply_mask(activity, &self.settings.mask);
        let (json, without_details) = self.json(masked, details_url)?;
        Ok(ActivityDocument {
            occurred_at: activity.occurred_at,
            recorded_at: activity.recorded_at,
            action: activity.entry.action.as_str().to_owned(),
            json,
            without_details,
        })
    }

    /// Writes the JSON, and the one without details if the first one has details.
    fn json(
        &self,
        mut activity: Activity<&str>,
        details_url: &str,
    ) -> Result<(String, Option<String>), serde_json::Error> {
        match self.settings.destination.framing() {
            Some(Framing::Slack) => return Ok((message::write_slack(&activity)?, None)),
            Some(Framing::Teams) => return Ok((message::write_teams(&activity)?, None)),
            Some(Framing::Array | Framing::Lines | Framing::SplunkHec) | None => {}
        }
        let (size, is_here) = match activity.details {
            Details::None => (0, false),
            Details::Apart(size) => (size, false),
            Details::Here(text) => (text.len() as u64, true),
        };
        let whole = (is_here && self.needs_details()).then(|| self.formatted(&activity, None)).transpose()?;
        if is_here {
            activity.details = Details::Apart(size);
        }
        let short = self.formatted(&activity, (size > 0 && self.needs_details()).then_some(details_url))?;
        Ok(match whole.filter(|json| json.len() <= self.max_bytes()) {
            Some(whole) => (whole, Some(short)),
            None => (short, None),
        })
    }

    fn formatted(&self, activity: &Activity<&str>, details_url: Option<&str>) -> Result<String, serde_json::Error> {
        match (self.settings.format, self.settings.source, details_url) {
            (StreamFormat::Ocsf, ..) => serde_json::to_string(&ApiActivity::of(activity, details_url)?),
            (StreamFormat::Daybook, LogSource::Audit, _) => write(&AuditEntryJson::of(activity.borrowed())),
            (StreamFormat::Daybook, LogSource::Activities, None) => write(activity),
            (StreamFormat::Daybook, LogSource::Activities, Some(details_url)) => {
                write(&WithDetailsAt { activity, details_url })
            }
        }
    }

    fn is_message(&self) -> bool {
        matches!(self.settings.destination.framing(), Some(Framing::Slack | Framing::Teams))
    }

    /// Returns the largest document that fits into a batch, in bytes.
    fn max_bytes(&self) -> usize {
        match self.settings.destination {
            Destination::Https(_) | Destination::S3(_) => MAX_BATCH_BYTES - ENVELOPE_BYTES,
            Destination::EventBridge(_) => MAX_DETAIL_BYTES,
        }
    }
}

fn write(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}
