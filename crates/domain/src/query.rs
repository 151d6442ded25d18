//! Queries: the parameters that lists and exports share, the selection that is read, and positions in it.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    activity::{Activity, ActivityId, MAX_NAME_CHARS, Status},
    fault::{Fault, Rejection},
    filter::{ActionPattern, Filter},
    text::quoted,
    time::{Instant, Period, PeriodError, Zone},
};

/// The most values of one condition.
pub const MAX_VALUES: usize = 50;

/// The time after which a recorded activity is visible to every read, in seconds.
///
/// A recording function ends long before, clocks differ by less, and an index follows its table within about a second. A
/// reader that stays this far behind the present misses nothing.
pub const SETTLE_SECONDS: i64 = 120;

/// The parameters of a list or an export, as they were sent.
#[derive(Debug, Default)]
pub struct Question {
    /// The first instant or day.
    pub from: Option<String>,
    /// The instant after the last, or the last day.
    pub to: Option<String>,
    /// The time zone of dates.
    pub time_zone: Option<String>,
    /// Ids of customers.
    pub customer: Vec<String>,
    /// Ids of actors.
    pub actor: Vec<String>,
    /// Actions or prefixes.
    pub action: Vec<String>,
    /// Statuses.
    pub status: Vec<String>,
    /// Types of targets.
    pub target_type: Vec<String>,
    /// Ids of targets.
    pub target: Vec<String>,
    /// Text that occurs in the activity.
    pub q: Option<String>,
}

impl Question {
    /// Reads the parameters of a request that arrived at `now`.
    ///
    /// # Errors
    /// All faults, each with its field. A period that is too long is unprocessable.
    pub fn read(self, now: Instant) -> Result<(Period, Zone, Filter), Rejection> {
        let mut faults = Vec::new();
        let zone = self.time_zone.as_deref().map_or(Ok(Zone::UTC), parse_zone);
        let zone = zone.unwrap_or_else(|detail| {
            faults.push(fault("time_zone", detail));
            Zone::UTC
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
                faults.push(fault(name, format!("has {} values: ask for at most {MAX_VALUES}", values.len())));
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
        let action = parse_each(&mut faults, "action", &self.action, ActionPattern::parse);
        let status = parse_each(&mut faults, "status", &self.status, Status::parse);
        if !faults.is_empty() {
            return Err(Rejection::Invalid(faults));
        }
        let period = period.map_err(|error| Rejection::Unprocessable(vec![fault("from", error.to_string())]))?;
        let Self { mut customer, mut actor, mut target_type, mut target, q, .. } = self;
        for ids in [&mut customer, &mut actor, &mut target_type, &mut target] {
            // Forms send empty fields; no id is empty, so an empty value asks for nothing.
            ids.retain(|id| !id.is_empty());
        }
        Ok((period, zone, Filter { customer, actor, action, status, target_type, target, q }))
    }
}

/// Reads a zone, and explains a `+` that arrived as a blank because the query was not encoded.
fn parse_zone(name: &str) -> Result<Zone, String> {
    Zone::parse(name).map_err(|detail| match Zone::parse(&name.replace(' ', "+")) {
        Ok(_) if name.contains(' ') => format!("{} has a blank: in a query, write %2B instead of +", quoted(name)),
        _ => detail,
    })
}

fn fault(name: &str, detail: String) -> Fault {
    Fault::new(format!("/{name}"), detail)
}

fn parse_each<T>(
    faults: &mut Vec<Fault>,
    name: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut values = Vec::new();
    for text in texts {
        match parse(text) {
            Ok(value) => values.push(value),
            Err(detail) => faults.push(fault(name, detail)),
        }
    }
    values
}

/// One text, or an array of texts.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string or an array of strings")]
pub enum OneOrMany {
    /// One text.
    One(String),
    /// Texts, at most 50.
    Many(Vec<String>),
}

/// Reads one text or an array of texts.
///
/// # Errors
/// The deserializer's error for any other JSON.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts,
    })
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// The activities of one partner that a read covers.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The period in which the activities occurred.
    pub period: Period,
    /// The other conditions.
    pub filter: Filter,
    /// The order of the result.
    pub order: SortOrder,
    /// Excludes activities that were recorded before this instant.
    pub recorded_from: Option<Instant>,
    /// Excludes activities that were recorded at this instant or later.
    pub recorded_before: Option<Instant>,
}

/// A position in a list, directly behind an activity.
///
/// Positions sort as the activities of an ascending list do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    occurred_at: Instant,
    id: ActivityId,
}

impl Position {
    /// Makes the position behind an activity.
    pub fn behind(activity: &Activity<&str>) -> Self {
        Self { occurred_at: activity.occurred_at, id: activity.id.owned() }
    }

    /// Moves this position behind another activity, without a new allocation.
    pub fn step_behind(&mut self, activity: &Activity<&str>) {
        self.occurred_at = activity.occurred_at;
        self.id.copy_from(&activity.id);
    }

    /// Writes the text that [`Self::parse`] reads. Sort keys of stored activities have the same form.
    pub fn to_text(&self) -> String {
        format!("{}#{}", self.occurred_at, self.id)
    }

    /// Reads a position.
    pub fn parse(text: &str) -> Option<Self> {
        let (occurred_at, id) = text.split_once('#')?;
        Some(Self { occurred_at: Instant::parse(occurred_at).ok()?, id: ActivityId::parse(id).ok()? })
    }

    /// Makes the position, newest first, behind everything that occurred at or after an instant.
    pub fn below(instant: Instant) -> Self {
        // No id sorts before `-`, the smallest allowed character.
        Self { occurred_at: instant, id: ActivityId::trusted("-").owned() }
    }

    /// Returns the time of the activity before this position.
    pub fn occurred_at(&self) -> Instant {
        self.occurred_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{NewActivity, PartnerId};

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn now() -> Instant {
        at("2026-11-02T12:00:00Z")
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn every_parameter_is_read() {
        let question = Question {
            from: Some("2026-10-01".to_owned()),
            to: Some("2026-10-31".to_owned()),
            time_zone: Some("Europe/Paris".to_owned()),
            customer: texts(&["c", ""]),
            actor: texts(&["", "a"]),
            action: texts(&["order.*"]),
            status: texts(&["failed", "declined"]),
            target_type: texts(&["t", ""]),
            target: texts(&["", "i"]),
            q: Some("x".to_owned()),
        };
        let (period, zone, filter) = question.read(now()).unwrap();
        assert_eq!((period.from(), period.to()), (at("2026-09-30T22:00:00Z"), at("2026-10-31T23:00:00Z")));
        assert_eq!(zone.name(), "Europe/Paris");
        let expected = Filter {
            customer: texts(&["c"]),
            actor: texts(&["a"]),
            action: vec![ActionPattern::parse("order.*").unwrap()],
            status: vec![Status::Failed, Status::Declined],
            target_type: texts(&["t"]),
            target: texts(&["i"]),
            q: Some("x".to_owned()),
        };
        assert_eq!(filter, expected);
        let (period, zone, filter) = Question::default().read(now()).unwrap();
        assert_eq!((period.to(), zone, filter.is_empty()), (now(), Zone::UTC, true));
    }

    #[test]
    fn each_fault_names_its_parameter() {
        let many = |count: usize| vec!["x".to_owned(); count];
        let long = |count: usize| "é".repeat(count);
        for (question, pointers) in [
            (Question { time_zone: Some("Mars".to_owned()), ..Question::default() }, vec!["/time_zone"]),
            (Question { from: Some("x".to_owned()), ..Question::default() }, vec!["/from"]),
            (Question { from: Some("2027-01-01".to_owned()), ..Question::default() }, vec!["/from"]),
            (Question { to: Some("x".to_owned()), ..Question::default() }, vec!["/to"]),
            (Question { customer: many(51), ..Question::default() }, vec!["/customer"]),
            (Question { actor: many(51), ..Question::default() }, vec!["/actor"]),
            (Question { target_type: many(51), ..Question::default() }, vec!["/target_type"]),
            (Question { target: many(51), ..Question::default() }, vec!["/target"]),
            (Question { target: vec![long(257)], ..Question::default() }, vec!["/target"]),
            (Question { q: Some(long(257)), ..Question::default() }, vec!["/q"]),
            (Question { action: texts(&["order", "a.b"]), ..Question::default() }, vec!["/action"]),
            (Question { status: texts(&["done", "x"]), ..Question::default() }, vec!["/status", "/status"]),
        ] {
            let Err(Rejection::Invalid(faults)) = question.read(now()) else { panic!("{pointers:?}") };
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), pointers);
        }
        let unencoded = Question { time_zone: Some("Etc/GMT 5".to_owned()), ..Question::default() };
        assert!(unencoded.read(now()).unwrap_err().faults()[0].detail.contains("write %2B instead of +"));
        let longest = Question { customer: many(50), q: Some(long(256)), ..Question::default() };
        assert!(longest.read(now()).is_ok());
        let year = Question { from: Some("2025-01-01".to_owned()), ..Question::default() };
        let Err(Rejection::Unprocessable(faults)) = year.read(now()) else { panic!("a period that is too long") };
        assert_eq!(faults[0].pointer, "/from");
    }

    #[test]
    fn one_text_or_many_are_read() {
        #[derive(Deserialize)]
        struct Wire(#[serde(deserialize_with = "one_or_many")] Vec<String>);
        for (json, expected) in
            [("null", Some(vec![])), (r#""a""#, Some(vec!["a"])), (r#"["a","b"]"#, Some(vec!["a", "b"])), ("5", None)]
        {
            let read = serde_json::from_str::<Wire>(json).ok().map(|Wire(texts)| texts);
            assert_eq!(read, expected.map(|expected| texts(&expected)), "{json}");
        }
    }

    #[test]
    fn positions_follow_activities() {
        let activity = |id: &str, occurred_at: &str| {
            let json = format!(
                r#"{{"id":"{id}","occurred_at":"{occurred_at}","action":"order.created","actor":{{"id":"ana"}}}}"#
            );
            NewActivity::parse(&json, now()).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now())
        };
        let (one, two) = (activity("e-1", "2026-11-01T00:00:00Z"), activity("e-2", "2026-11-01T00:00:01Z"));
        let mut position = Position::behind(&one.borrowed());
        assert_eq!(position.to_text(), "2026-11-01T00:00:00.000000Z#e-1");
        assert_eq!(Position::parse(&position.to_text()).as_ref(), Some(&position));
        assert!(Position::below(one.occurred_at) < position);
        position.step_behind(&two.borrowed());
        assert_eq!(position, Position::behind(&two.borrowed()));
        assert_eq!(position.occurred_at(), two.occurred_at);
        assert!(Position::behind(&one.borrowed()) < Position::below(two.occurred_at));
        for bad in ["", "2026-11-01T00:00:00.000000Z", "x#e-1", "2026-11-01T00:00:00.000000Z#a/b"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
