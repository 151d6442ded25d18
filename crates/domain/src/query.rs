//! Queries: the parameters that lists and exports share, the selection that is read, and positions in it.

mod sent_filters;

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

pub use self::sent_filters::SentFilters;
use crate::{
    activity::{Activity, ActivityId, MAX_NAME_CHARS},
    fault::{Fault, Rejection},
    filter::{Choice, Filter, FilterValue},
    search::Search,
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

/// The parameters of a list or an export, as they were sent. Absent parameters ask for everything.
#[derive(Debug, Default)]
pub struct Question {
    /// The first instant or day.
    pub from: Option<String>,
    /// The instant after the last, or the last day.
    pub to: Option<String>,
    /// The time zone of dates.
    pub time_zone: Option<String>,
    /// Ids of customers.
    pub customer: Option<Vec<String>>,
    /// Ids of actors.
    pub actor: Option<Vec<String>>,
    /// Actions or prefixes.
    pub action: Option<Vec<String>>,
    /// Statuses.
    pub status: Option<Vec<String>>,
    /// Types of targets.
    pub target_type: Option<Vec<String>>,
    /// Ids of targets.
    pub target: Option<Vec<String>>,
    /// Correlation ids.
    pub correlation: Option<Vec<String>>,
    /// Sources.
    pub source: Option<Vec<String>>,
    /// Words that the activity contains.
    pub q: Option<String>,
}

impl Question {
    /// Reads the parameters of a request that arrived at `now`.
    ///
    /// A filter without a value is refused, because a caller whose variable is not set would be answered everything.
    ///
    /// # Errors
    /// All faults, each with its field.
    pub fn read(self, now: Instant) -> Result<(Period, Zone, Filter), Rejection> {
        let mut faults = Vec::new();
        let zone = self.time_zone.as_deref().map_or(Ok(Zone::UTC), parse_zone);
        let zone = zone.unwrap_or_else(|detail| {
            faults.push(fault("time_zone", detail));
            Zone::UTC
        });
        let period = Period::resolve(self.from.as_deref(), self.to.as_deref(), zone, now);
        for error in period.as_ref().err().into_iter().flatten() {
            let name = if matches!(error, PeriodError::To(_)) { "to" } else { "from" };
            faults.push(fault(name, error.to_string()));
        }
        let filter = Filter {
            customer: read_choice(&mut faults, "customer", self.customer.as_deref()),
            actor: read_choice(&mut faults, "actor", self.actor.as_deref()),
            action: read_choice(&mut faults, "action", self.action.as_deref()),
            status: read_choice(&mut faults, "status", self.status.as_deref()),
            target_type: read_choice(&mut faults, "target_type", self.target_type.as_deref()),
            target: read_choice(&mut faults, "target", self.target.as_deref()),
            correlation: read_choice(&mut faults, "correlation", self.correlation.as_deref()),
            source: read_choice(&mut faults, "source", self.source.as_deref()),
            q: self.q.as_deref().and_then(|q| match check_length(q).and_then(|()| Search::parse(q)) {
                Ok(search) => Some(search),
                Err(detail) => {
                    faults.push(fault("q", detail));
                    None
                }
            }),
        };
        match period {
            Ok(period) if faults.is_empty() => Ok((period, zone, filter)),
            _ => Err(Rejection::Invalid(faults)),
        }
    }
}

/// Reads the values of a condition. Values of an absent condition are none.
fn read_choice<T: FilterValue>(faults: &mut Vec<Fault>, name: &str, texts: Option<&[String]>) -> Choice<T> {
    let Some(texts) = texts else { return Choice::default() };
    if texts.is_empty() {
        faults.push(fault(name, "is empty: leave it out to ask for all, or give at least one value".to_owned()));
    }
    if texts.len() > MAX_VALUES {
        faults.push(fault(name, format!("has {} values: ask for at most {MAX_VALUES}", texts.len())));
        return Choice::default();
    }
    let mut readable = Vec::with_capacity(texts.len());
    for text in texts {
        match check_value(text) {
            Ok(()) => readable.push(text.clone()),
            Err(detail) => faults.push(fault(name, detail)),
        }
    }
    Choice::parse(&readable).unwrap_or_else(|details| {
        faults.extend(details.into_iter().map(|detail| fault(name, detail)));
        Choice::default()
    })
}

fn check_value(text: &str) -> Result<(), String> {
    check_length(text)?;
    match text.strip_prefix('!').unwrap_or(text).trim().is_empty() {
        true => Err(format!("{} is an empty value: leave it out to ask for all, or name a value", quoted(text))),
        false => Ok(()),
    }
}

fn check_length(text: &str) -> Result<(), String> {
    match text.chars().count() > MAX_NAME_CHARS {
        true => Err(format!("{} is longer than {MAX_NAME_CHARS} characters", quoted(text))),
        false => Ok(()),
    }
}

/// Reads a zone, and explains a `+` that arrived as a blank because the query was not encoded.
fn parse_zone(name: &str) -> Result<Zone, String> {
    Zone::parse(name).map_err(|detail| match Zone::parse(&name.replace(' ', "+")) {
        Ok(_) => format!("{} has a blank: in a query, write %2B instead of +", quoted(name)),
        Err(_) => detail,
    })
}

fn fault(name: &str, detail: String) -> Fault {
    Fault::new(format!("/{name}"), detail)
}

/// One text, or an array of texts.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be a string or an array of strings; leave the filter out to ask for all")]
pub enum OneOrMany {
    /// One text.
    One(String),
    /// Texts, at most 50.
    Many(Vec<String>),
}

/// Reads one text or an array of texts. Null is refused, because a filter without a value must not ask for everything.
///
/// # Errors
/// The deserializer's error for any other JSON.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(Some(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    }))
}

/// Reads a text of a field that may be left out. Null is refused for the same reason.
///
/// # Errors
/// The deserializer's error for any other JSON.
pub fn given_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
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

/// A position in a list: directly behind an activity, or before everything of an instant.
///
/// Positions sort as the activities of an ascending list do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    occurred_at: Instant,
    /// The activity; none for the position before everything of the instant.
    id: Option<ActivityId>,
}

impl Position {
    /// Makes the position behind an activity.
    pub fn behind(activity: &Activity<&str>) -> Self {
        Self { occurred_at: activity.occurred_at, id: Some(activity.id.owned()) }
    }

    /// Moves this position behind another activity, without a new allocation.
    pub fn step_behind(&mut self, activity: &Activity<&str>) {
        self.occurred_at = activity.occurred_at;
        match &mut self.id {
            Some(id) => id.copy_from(&activity.id),
            None => self.id = Some(activity.id.owned()),
        }
    }

    /// Writes the text that [`Self::parse`] reads. Sort keys of stored activities have the same form.
    pub fn to_text(&self) -> String {
        format!("{}#{}", self.occurred_at, self.id.as_ref().map_or("", ActivityId::as_str))
    }

    /// Reads a position.
    pub fn parse(text: &str) -> Option<Self> {
        let (occurred_at, id) = text.split_once('#')?;
        let id = if id.is_empty() { None } else { Some(ActivityId::parse(id).ok()?) };
        Some(Self { occurred_at: Instant::parse(occurred_at).ok()?, id })
    }

    /// Makes the position between everything that occurred before an instant, and everything at the instant or later.
    pub fn below(instant: Instant) -> Self {
        Self { occurred_at: instant, id: None }
    }

    /// Returns a position at a whole second that is not behind this one in an order, and less than a second away from it.
    ///
    /// The position names no activity, so it can be told to a caller who may not see the activity before this one.
    #[must_use]
    pub fn without_activity(&self, order: SortOrder) -> Self {
        let second = self.occurred_at.truncated_to_seconds();
        match (&self.id, order) {
            (None, _) => self.clone(),
            (Some(_), SortOrder::Ascending) => Self::below(second),
            (Some(_), SortOrder::Descending) => Self::below(second.plus_seconds(1)),
        }
    }

    /// Returns the one of two positions that comes later in an order.
    #[must_use]
    pub fn later(self, other: Self, order: SortOrder) -> Self {
        match order {
            SortOrder::Ascending => self.max(other),
            SortOrder::Descending => self.min(other),
        }
    }

    /// Returns the time of the activity before this position, or the instant of [`Self::below`].
    pub fn occurred_at(&self) -> Instant {
        self.occurred_at
    }

    /// Returns the latest instant at which an activity before this position can have occurred, if there is one.
    pub fn latest_before(&self) -> Option<Instant> {
        match self.id {
            Some(_) => Some(self.occurred_at),
            None => Instant::from_micros(self.occurred_at.micros() - 1),
        }
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

    fn some(values: &[&str]) -> Option<Vec<String>> {
        Some(texts(values))
    }

    #[test]
    fn every_parameter_is_read() {
        let question = Question {
            from: Some("2026-10-01".to_owned()),
            to: Some("2026-10-31".to_owned()),
            time_zone: Some("Europe/Paris".to_owned()),
            customer: some(&["c", "!d"]),
            actor: some(&["a"]),
            action: some(&["order.*"]),
            status: some(&["failed", "declined"]),
            target_type: some(&["t"]),
            target: some(&["i"]),
            correlation: some(&["k"]),
            source: some(&["!s"]),
            q: Some("x".to_owned()),
        };
        let (period, zone, filter) = question.read(now()).unwrap();
        assert_eq!((period.from(), period.to()), (at("2026-09-30T22:00:00Z"), at("2026-10-31T23:00:00Z")));
        assert_eq!(zone.name(), "Europe/Paris");
        let expected: Filter = serde_json::from_str(
            r#"{"customer":["c","!d"],"actor":["a"],"action":["order.*"],"status":["failed","declined"],
                "target_type":["t"],"target":["i"],"correlation":["k"],"source":["!s"],"q":"x"}"#,
        )
        .unwrap();
        assert_eq!(filter, expected);
        let (period, zone, filter) = Question::default().read(now()).unwrap();
        assert_eq!((period.to(), zone, filter.is_empty()), (now(), Zone::UTC, true));
    }

    #[test]
    fn each_fault_names_its_parameter() {
        let many = |count: usize| Some(vec!["x".to_owned(); count]);
        let long = |count: usize| "é".repeat(count);
        for (question, pointers) in [
            (Question { time_zone: Some("Mars".to_owned()), ..Question::default() }, vec!["/time_zone"]),
            (Question { from: Some("x".to_owned()), ..Question::default() }, vec!["/from"]),
            (Question { from: Some("2027-01-01".to_owned()), ..Question::default() }, vec!["/from"]),
            (Question { to: Some("x".to_owned()), ..Question::default() }, vec!["/to"]),
            (
                Question { from: Some("x".to_owned()), to: Some("y".to_owned()), ..Question::default() },
                vec!["/from", "/to"],
            ),
            (Question { customer: many(51), ..Question::default() }, vec!["/customer"]),
            (Question { actor: many(51), ..Question::default() }, vec!["/actor"]),
            (Question { target_type: many(51), ..Question::default() }, vec!["/target_type"]),
            (Question { target: many(51), ..Question::default() }, vec!["/target"]),
            (Question { correlation: many(51), ..Question::default() }, vec!["/correlation"]),
            (Question { source: many(51), ..Question::default() }, vec!["/source"]),
            (Question { target: Some(vec![long(257)]), ..Question::default() }, vec!["/target"]),
            (Question { q: Some(long(257)), ..Question::default() }, vec!["/q"]),
            (Question { action: some(&["order", "a.b", "!x"]), ..Question::default() }, vec!["/action", "/action"]),
            (Question { status: some(&["done", "x"]), ..Question::default() }, vec!["/status", "/status"]),
        ] {
            let Err(Rejection::Invalid(faults)) = question.read(now()) else { panic!("{pointers:?}") };
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), pointers);
        }
        let unencoded = Question { time_zone: Some("Etc/GMT 5".to_owned()), ..Question::default() };
        assert!(unencoded.read(now()).unwrap_err().faults()[0].detail.contains("write %2B instead of +"));
        let longest = Question { customer: many(50), q: Some(long(256)), ..Question::default() };
        assert!(longest.read(now()).is_ok());
    }

    #[test]
    fn a_filter_without_a_value_is_refused() {
        let empty: [&[&str]; 7] = [&[], &[""], &[" "], &["!"], &["! "], &["\u{a0}"], &["", "!"]];
        for values in empty {
            let question = Question {
                customer: some(values),
                actor: some(values),
                action: some(values),
                status: some(values),
                target_type: some(values),
                target: some(values),
                correlation: some(values),
                source: some(values),
                q: Some(values.join("").trim_matches('!').to_owned()),
                ..Question::default()
            };
            let Err(Rejection::Invalid(faults)) = question.read(now()) else { panic!("{values:?}") };
            let mut pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
            pointers.dedup();
            assert_eq!(
                pointers,
                [
                    "/customer",
                    "/actor",
                    "/action",
                    "/status",
                    "/target_type",
                    "/target",
                    "/correlation",
                    "/source",
                    "/q"
                ],
                "{values:?}"
            );
            assert!(faults.iter().all(|fault| fault.detail.contains("empty")), "{faults:?}");
        }
        let one_of_two = Question { customer: some(&["fabrikam", ""]), ..Question::default() };
        assert!(one_of_two.read(now()).is_err());
    }

    #[test]
    fn a_period_may_have_any_length() {
        let all =
            Question { from: Some("0001-01-01".to_owned()), to: Some("9999-12-30".to_owned()), ..Question::default() };
        let (period, ..) = all.read(now()).unwrap();
        assert_eq!((period.from(), period.to()), (at("0001-01-01T00:00:00Z"), at("9999-12-31T00:00:00Z")));
    }

    #[test]
    fn one_text_or_many_are_read() {
        #[derive(Deserialize)]
        struct Wire(#[serde(deserialize_with = "one_or_many")] Option<Vec<String>>);
        for (json, expected) in [
            ("null", None),
            ("[]", some(&[])),
            (r#""a""#, some(&["a"])),
            (r#"["a","b"]"#, some(&["a", "b"])),
            ("[null]", None),
            ("5", None),
        ] {
            let read = serde_json::from_str::<Wire>(json).ok().and_then(|Wire(texts)| texts);
            assert_eq!(read, expected, "{json}");
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
        let below = Position::below(one.occurred_at);
        assert_eq!((below.to_text().as_str(), below.occurred_at()), ("2026-11-01T00:00:00.000000Z#", one.occurred_at));
        assert_eq!(Position::parse(&below.to_text()), Some(below.clone()));
        assert!(below < Position::behind(&activity("-", "2026-11-01T00:00:00Z").borrowed()));
        assert_eq!(below.latest_before(), Instant::from_micros(one.occurred_at.micros() - 1));
        assert_eq!(position.latest_before(), Some(two.occurred_at));
        assert_eq!(Position::below(Instant::MIN).latest_before(), None);
        let mut moved = below;
        moved.step_behind(&two.borrowed());
        assert_eq!(moved, position);
        for bad in ["", "2026-11-01T00:00:00.000000Z", "x#e-1", "2026-11-01T00:00:00.000000Z#a/b"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
    #[test]
    fn position_without_activity_reads_nothing_less() {
        let read = |text: &str| Position::parse(text).unwrap();
        for (position, ascending, descending) in [
            ("2026-11-01T09:30:00.000000Z#e", "2026-11-01T09:30:00.000000Z#", "2026-11-01T09:30:01.000000Z#"),
            ("2026-11-01T09:30:00.000001Z#e", "2026-11-01T09:30:00.000000Z#", "2026-11-01T09:30:01.000000Z#"),
            ("1969-12-31T23:59:59.999999Z#e", "1969-12-31T23:59:59.000000Z#", "1970-01-01T00:00:00.000000Z#"),
            // The end of a month, as a walk makes it, is no activity's.
            ("2026-11-01T00:00:00.000000Z#", "2026-11-01T00:00:00.000000Z#", "2026-11-01T00:00:00.000000Z#"),
        ] {
            for (order, expected) in [(SortOrder::Ascending, ascending), (SortOrder::Descending, descending)] {
                let position = read(position);
                let told = position.without_activity(order);
                assert_eq!(told, read(expected));
                assert_eq!(told.clone().later(position.clone(), order), position, "{order:?}");
                assert_eq!(position.clone().later(told, order), position, "{order:?}");
            }
        }
    }
}
