//! The parameters that a list and an export have in common, as they are sent: read here, once, for both.

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    activity::{Activity, ActivityId, Fault, MAX_NAME_CHARS, Rejection, Status},
    filter::{ActionPattern, Filter},
    text::quoted,
    time::{Instant, Period, PeriodError, parse_zone},
};

/// The most values of one condition.
pub const MAX_VALUES: usize = 50;

/// Which activities someone asks for, unread.
#[derive(Debug, Default)]
pub struct Question {
    /// The first instant or day.
    pub from: Option<String>,
    /// The instant after the last, or the last day.
    pub to: Option<String>,
    /// The zone in which dates are read.
    pub time_zone: Option<String>,
    /// Customers' ids.
    pub customer: Vec<String>,
    /// Actors' ids.
    pub actor: Vec<String>,
    /// Actions or prefixes.
    pub action: Vec<String>,
    /// Statuses.
    pub status: Vec<String>,
    /// Targets' types.
    pub target_type: Vec<String>,
    /// Targets' ids.
    pub target: Vec<String>,
    /// Text contained.
    pub q: Option<String>,
}

impl Question {
    /// Reads it, as asked at `now`.
    ///
    /// # Errors
    /// All faults, each with its field; a period that is too long is unprocessable.
    pub fn read(self, now: Instant) -> Result<(Period, Tz, Filter), Rejection> {
        let mut faults = Vec::new();
        let zone = self.time_zone.as_deref().map_or(Ok(Tz::UTC), parse_zone);
        let zone = zone.unwrap_or_else(|detail| {
            faults.push(fault("time_zone", detail));
            Tz::UTC
        });
        let period = Period::resolve(self.from.as_deref(), self.to.as_deref(), zone, now);
        if let Err(error) = &period {
            match error {
                PeriodError::To(_) => faults.push(fault("to", error.to_string())),
                PeriodError::From(_) | PeriodError::Reversed { .. } => faults.push(fault("from", error.to_string())),
                PeriodError::TooLong { .. } => {}
            }
        }
        let conditions = [
            ("customer", &self.customer),
            ("actor", &self.actor),
            ("action", &self.action),
            ("status", &self.status),
            ("target_type", &self.target_type),
            ("target", &self.target),
        ];
        for (name, values) in conditions {
            if values.len() > MAX_VALUES {
                faults.push(fault(name, format!("has {} values; at most {MAX_VALUES} can be asked for", values.len())));
            }
        }
        for (name, text) in conditions
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (*name, value)))
            .chain(self.q.iter().map(|q| ("q", q)))
        {
            if text.chars().count() > MAX_NAME_CHARS {
                faults.push(fault(name, format!("{} is longer than {MAX_NAME_CHARS} characters", quoted(text))));
            }
        }
        let action = each(&mut faults, "action", &self.action, ActionPattern::parse);
        let status = each(&mut faults, "status", &self.status, Status::parse);
        if !faults.is_empty() {
            return Err(Rejection::Invalid(faults));
        }
        let period = period.map_err(|error| Rejection::Unprocessable(vec![fault("from", error.to_string())]))?;
        let Self { mut customer, mut actor, mut target_type, mut target, q, .. } = self;
        for ids in [&mut customer, &mut actor, &mut target_type, &mut target] {
            // An id is never empty: a field that was not filled in asks for nothing.
            ids.retain(|id| !id.is_empty());
        }
        Ok((period, zone, Filter { customer, actor, action, status, target_type, target, q }))
    }
}

fn fault(name: &str, detail: String) -> Fault {
    Fault { pointer: format!("/{name}"), detail }
}

fn each<T>(faults: &mut Vec<Fault>, name: &str, texts: &[String], parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut values = Vec::new();
    for text in texts {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(detail) => faults.push(fault(name, detail)),
        }
    }
    values
}

/// One text, or an array of them.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or an array of texts")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Any number, up to [`MAX_VALUES`].
    Many(Vec<String>),
}

/// Reads one text or an array of them.
///
/// # Errors
/// Those of the deserializer, for anything else.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts,
    })
}

/// How long after it got its time of recording an activity may still be on its way to the table, in seconds: the recording
/// functions end long before, clocks differ by less, and an index follows its table within a second or so. A reader that
/// leaves this much room misses nothing.
pub const SETTLE_SECONDS: i64 = 120;
/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// What to read of a partner's activities.
#[derive(Clone, Debug)]
pub struct Selection {
    /// When they occurred.
    pub period: Period,
    /// What else they must be.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// Only what was recorded at this instant or later, if given.
    pub recorded_from: Option<Instant>,
    /// Only what was recorded before this instant, if given.
    pub recorded_before: Option<Instant>,
}

/// A place in a list, right behind an activity.
///
/// Positions are ordered as the activities of an ascending list are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    occurred_at: Instant,
    id: ActivityId,
}

impl Position {
    /// The place behind an activity.
    pub fn behind(activity: &Activity<&str>) -> Self {
        Self { occurred_at: activity.occurred_at, id: activity.id.owned() }
    }

    /// Moves it behind another activity.
    pub fn step_behind(&mut self, activity: &Activity<&str>) {
        self.occurred_at = activity.occurred_at;
        self.id.become_copy_of(&activity.id);
    }

    /// The text that [`Self::parse`] reads.
    pub fn to_text(&self) -> String {
        format!("{}#{}", self.occurred_at, self.id)
    }

    /// Reads a position; none where the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (occurred_at, id) = text.split_once('#')?;
        Some(Self { occurred_at: Instant::parse(occurred_at).ok()?, id: ActivityId::parse(id).ok()? })
    }

    /// The place behind everything that occurred at or after an instant, newest first: no id comes before `-`.
    pub fn below(instant: Instant) -> Self {
        Self { occurred_at: instant, id: ActivityId::known("-").owned() }
    }

    /// When the activity before this place occurred.
    pub fn occurred_at(&self) -> Instant {
        self.occurred_at
    }
}
