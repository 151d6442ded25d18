//! Counts of activities: in buckets of time by status, and by the values of some of their fields.
//!
//! Counts are made call by call. Each call counts activities that no other call counts, so clients add up the answers of all
//! calls. A call never drops a value: where an answer has no room for another one, the call ends before that activity.

use std::{collections::HashMap, mem};

use serde::Serialize;
use strum::{EnumString, VariantNames};
use utoipa::ToSchema;

use crate::{
    actions::{category_label, listed_category, searched_labels, target_label},
    activity::{Activity, MAX_NAME_CHARS, Status},
    fault::{Fault, Rejection, parse_word_field},
    filter::Filter,
    fold::{fold, fold_into},
    locale::Locale,
    query::Question,
    search::searched_status_labels,
    text::quoted,
    time::{Buckets, Instant, Interval, MAX_BUCKETS, Period, Zone},
};

/// The most facets of a request.
pub const MAX_FACETS: usize = 4;
/// The most values of a facet in one answer.
pub const MAX_FACET_VALUES: usize = 1_000;
/// The bytes of values and names in one answer, as JSON. The last activity may exceed them.
///
/// Lambda carries an answer as a string inside JSON, which doubles these bytes at most, and limits it to 6 MB.
const MAX_TEXT_BYTES: usize = 2 * 1_024 * 1_024;

/// A field whose values are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, VariantNames, ToSchema)]
#[strum(serialize_all = "snake_case")]
#[schema(rename_all = "snake_case")]
pub enum Facet {
    /// The status.
    Status,
    /// The action.
    Action,
    /// The category of the action.
    Category,
    /// The customer.
    Customer,
    /// The actor.
    Actor,
    /// The type of the target.
    TargetType,
    /// The source.
    Source,
}

impl Facet {
    /// Returns the value that an activity has, and the value's name; none if the activity has no value.
    fn value_of<'a>(self, activity: &'a Activity<&str>) -> Option<(&'a str, Option<&'a str>)> {
        let entry = &activity.entry;
        match self {
            Self::Status => Some((entry.status.as_str(), None)),
            Self::Action => Some((entry.action.as_str(), None)),
            Self::Category => Some((listed_category(entry.action.as_str()), None)),
            Self::Customer => entry.customer.as_ref().map(|customer| (customer.id, customer.name)),
            Self::Actor => Some((entry.actor.id, entry.actor.name)).filter(|(id, _)| !id.is_empty()),
            Self::TargetType => entry.target.as_ref().and_then(|target| target.kind).map(|kind| (kind, None)),
            Self::Source => entry.source.map(|source| (source, None)),
        }
    }

    /// Appends the names under which people know a value, folded and each on a line of its own.
    fn push_labels(self, labels: &mut String, value: &str) {
        const LOCALES: [Locale; 2] = [Locale::En, Locale::Fr];
        match self {
            Self::Action => labels.push_str(searched_labels(value)),
            Self::Status => labels.push_str(Status::parse(value).map_or("", searched_status_labels)),
            Self::Category => LOCALES.iter().for_each(|locale| {
                fold_into(labels, &category_label(value, *locale));
                labels.push('\n');
            }),
            Self::TargetType => LOCALES.iter().for_each(|locale| {
                fold_into(labels, target_label(value, *locale));
                labels.push('\n');
            }),
            Self::Customer | Self::Actor | Self::Source => {}
        }
    }
}

/// A text that counted values contain, in their id or in their name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ValueMatch {
    folded: String,
}

impl ValueMatch {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty: leave it out to count all values, or give at least one character".to_owned());
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(format!("{} is longer than {MAX_NAME_CHARS} characters", quoted(text)));
        }
        let folded = fold(text.trim());
        // Nothing but accents: kept as sent, so that the text matches nothing instead of everything.
        Ok(Self { folded: if folded.is_empty() { text.trim().to_owned() } else { folded } })
    }

    /// Tells whether a value matches. `scratch` is memory that can be used again.
    fn accepts(&self, facet: Facet, value: &str, name: Option<&str>, scratch: &mut String) -> bool {
        let is_in_text = [Some(value), name].into_iter().flatten().any(|text| {
            scratch.clear();
            fold_into(scratch, text);
            scratch.contains(&self.folded)
        });
        is_in_text || {
            scratch.clear();
            facet.push_labels(scratch, value);
            scratch.lines().any(|label| label.contains(&self.folded))
        }
    }
}

/// The parameters of a request for counts, as they were sent.
#[derive(Debug, Default)]
pub struct CountQuestion {
    /// The activities that are counted.
    pub selected: Question,
    /// The length of buckets.
    pub interval: Option<String>,
    /// The facets.
    pub by: Vec<String>,
    /// The text that counted values contain.
    pub matching: Option<String>,
}

/// The counts that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountPlan {
    interval: Option<Interval>,
    by: Vec<Facet>,
    matching: Option<ValueMatch>,
}

impl CountQuestion {
    /// Reads the parameters of a request that arrived at `now`.
    ///
    /// # Errors
    /// All faults, each with its field.
    pub fn read(self, now: Instant) -> Result<(Period, Zone, Filter, CountPlan), Rejection> {
        let Self { selected, interval, by, matching } = self;
        let (selected, plan) = (selected.read(now), read_plan(interval.as_deref(), &by, matching.as_deref()));
        match (selected, plan) {
            (Ok((period, zone, filter)), Ok(plan)) => Ok((period, zone, filter, plan)),
            (selected, plan) => {
                let selected = selected.err().map(|rejection| rejection.faults().to_vec()).unwrap_or_default();
                Err(Rejection::Invalid(selected.into_iter().chain(plan.err().unwrap_or_default()).collect()))
            }
        }
    }
}

fn read_plan(interval: Option<&str>, by: &[String], matching: Option<&str>) -> Result<CountPlan, Vec<Fault>> {
    let mut faults = Vec::new();
    let interval =
        interval.and_then(|text| parse_word_field("/interval", text).map_err(|fault| faults.push(fault)).ok());
    let mut facets = Vec::with_capacity(by.len());
    for text in by {
        match parse_word_field::<Facet>("/by", text) {
            Ok(facet) if facets.contains(&facet) => {
                faults.push(Fault::new("/by", format!("{} is given more than once", quoted(text))));
            }
            Ok(facet) => facets.push(facet),
            Err(fault) => faults.push(fault),
        }
    }
    if by.len() > MAX_FACETS {
        faults.push(Fault::new("/by", format!("has {} values: ask for at most {MAX_FACETS}", by.len())));
    }
    let matching = matching.and_then(|text| {
        let read = match ValueMatch::parse(text) {
            Ok(_) if by.is_empty() => Err("needs `by`, whose values it chooses".to_owned()),
            read => read,
        };
        read.map_err(|detail| faults.push(Fault::new("/match", detail))).ok()
    });
    if faults.is_empty() { Ok(CountPlan { interval, by: facets, matching }) } else { Err(faults) }
}

/// Activities by their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusCounts {
    /// Activities that succeeded.
    pub succeeded: u64,
    /// Activities that failed.
    pub failed: u64,
    /// Activities that are in progress.
    pub in_progress: u64,
    /// Activities that were declined.
    pub declined: u64,
}

impl StatusCounts {
    fn add(&mut self, status: Status) {
        *match status {
            Status::Succeeded => &mut self.succeeded,
            Status::Failed => &mut self.failed,
            Status::InProgress => &mut self.in_progress,
            Status::Declined => &mut self.declined,
        } += 1;
    }
}

/// A part of the period, and what was counted in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountBucket {
    /// The first instant.
    pub from: Instant,
    /// The first instant after.
    pub to: Instant,
    /// The activities that this call counted, by their status. A status without activities has zero.
    pub counts: StatusCounts,
}

/// A value, and what was counted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValueCount {
    /// The value, such as the customer's id; null for activities without a value. Values that differ only in the case of ASCII
    /// letters are one value, which is spelled as the first activity that the call counted spells it.
    #[schema(example = "fabrikam")]
    pub value: Option<String>,
    /// The name of a customer or an actor, as the newest activity with a name that the call counted has it; null for values
    /// without a recorded name.
    #[schema(example = "Fabrikam SARL")]
    pub name: Option<String>,
    /// The activities that this call counted.
    #[schema(example = 42)]
    pub count: u64,
}

/// The counted values of each facet that was asked for, most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetCounts {
    /// Statuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub status: Option<Vec<ValueCount>>,
    /// Actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub action: Option<Vec<ValueCount>>,
    /// Categories of actions, as the catalogue lists them. Actions of no such category are `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub category: Option<Vec<ValueCount>>,
    /// Customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub customer: Option<Vec<ValueCount>>,
    /// Actors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub actor: Option<Vec<ValueCount>>,
    /// Types of targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub target_type: Option<Vec<ValueCount>>,
    /// Sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 1000)]
    pub source: Option<Vec<ValueCount>>,
}

impl FacetCounts {
    fn of(&mut self, facet: Facet) -> &mut Option<Vec<ValueCount>> {
        match facet {
            Facet::Status => &mut self.status,
            Facet::Action => &mut self.action,
            Facet::Category => &mut self.category,
            Facet::Customer => &mut self.customer,
            Facet::Actor => &mut self.actor,
            Facet::TargetType => &mut self.target_type,
            Facet::Source => &mut self.source,
        }
    }
}

/// What one call has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The activities.
    pub total: u64,
    /// Every bucket of the period, in order, also those without activities; none if no interval was asked for.
    pub buckets: Vec<CountBucket>,
    /// The values of each facet.
    pub by: FacetCounts,
}

/// Counts activities one by one, in bounded memory.
#[derive(Debug)]
pub struct Tally {
    matching: Option<ValueMatch>,
    total: u64,
    buckets: Option<Buckets>,
    by_bucket: Vec<StatusCounts>,
    facets: Vec<FacetTally>,
    /// The bytes of values and names, as JSON.
    text_bytes: usize,
    /// Memory for folded texts and keys, used again for each activity.
    scratch: String,
}

/// The values of one facet.
#[derive(Debug)]
struct FacetTally {
    facet: Facet,
    /// The values by their texts, with ASCII letters in lower case.
    values: HashMap<String, CountedValue>,
    /// The activities without a value.
    without_value: u64,
}

#[derive(Debug)]
struct CountedValue {
    value: String,
    name: Option<String>,
    /// When the activity occurred that the name is from.
    named_at: Instant,
    count: u64,
}

impl Tally {
    /// Begins to count activities of a period.
    ///
    /// # Errors
    /// A fault of the interval if the period has more than [`MAX_BUCKETS`].
    pub fn begin(plan: CountPlan, period: Period, zone: Zone) -> Result<Self, Rejection> {
        let CountPlan { interval, by, matching } = plan;
        let split = |interval| {
            Buckets::split(period, interval, zone)
                .ok_or_else(|| Rejection::invalid("/interval", explain_too_many(interval, period, zone)))
        };
        let buckets = interval.map(split).transpose()?;
        let by_bucket = vec![StatusCounts::default(); buckets.as_ref().map_or(0, |buckets| buckets.bounds().count())];
        let begin = |facet| FacetTally { facet, values: HashMap::new(), without_value: 0 };
        let facets = by.into_iter().map(begin).collect();
        Ok(Self { matching, total: 0, buckets, by_bucket, facets, text_bytes: 0, scratch: String::new() })
    }

    /// Counts an activity of the period. Returns `false` if the activity was not counted, because its values have no room.
    ///
    /// The first activity always has room.
    pub fn add(&mut self, activity: &Activity<&str>) -> bool {
        let Self { matching, facets, text_bytes, scratch, .. } = self;
        let is_full = *text_bytes >= MAX_TEXT_BYTES;
        let has_room = |facet: &FacetTally, scratch: &mut String| {
            !(is_full || facet.len() >= MAX_FACET_VALUES)
                || facet.has_room(matching.as_ref(), activity, is_full, scratch)
        };
        if !facets.iter().all(|facet| has_room(facet, scratch)) {
            return false;
        }
        for facet in facets {
            *text_bytes += facet.add(matching.as_ref(), activity, scratch);
        }
        self.total += 1;
        if let Some(buckets) = &self.buckets
            && let Some(counts) = self.by_bucket.get_mut(buckets.index_of(activity.occurred_at))
        {
            counts.add(activity.entry.status);
        }
        true
    }

    /// Ends the call and returns what it has counted.
    pub fn finish(self) -> Counts {
        let bounds = self.buckets.iter().flat_map(Buckets::bounds);
        let buckets = bounds.zip(self.by_bucket).map(|((from, to), counts)| CountBucket { from, to, counts }).collect();
        let mut by = FacetCounts::default();
        for facet in self.facets {
            let place = by.of(facet.facet);
            *place = Some(facet.finish());
        }
        Counts { total: self.total, buckets, by }
    }
}

impl FacetTally {
    /// The number of values, of which one can be that of activities without a value.
    fn len(&self) -> usize {
        self.values.len() + usize::from(self.without_value > 0)
    }

    /// The value of an activity, if it is counted: nothing, or the text and the name.
    fn value_of<'a>(
        &self,
        matching: Option<&ValueMatch>,
        activity: &'a Activity<&str>,
        scratch: &mut String,
    ) -> Option<Option<(&'a str, Option<&'a str>)>> {
        let found = self.facet.value_of(activity);
        let is_counted = matching.is_none_or(|matching| {
            found.is_some_and(|(value, name)| matching.accepts(self.facet, value, name, scratch))
        });
        is_counted.then_some(found)
    }

    /// Tells whether an activity can be counted although values are at their limit, or their bytes if `is_full`.
    fn has_room(
        &self,
        matching: Option<&ValueMatch>,
        activity: &Activity<&str>,
        is_full: bool,
        scratch: &mut String,
    ) -> bool {
        match self.value_of(matching, activity, scratch) {
            None => true,
            Some(None) => self.without_value > 0,
            Some(Some((value, name))) => self.values.get(key(value, scratch)).is_some_and(|known| {
                let is_longer = name.is_some_and(|name| name.len() > known.name.as_ref().map_or(0, String::len));
                !(is_full && is_longer)
            }),
        }
    }

    /// Counts an activity, and returns the bytes by which the answer grows.
    fn add(&mut self, matching: Option<&ValueMatch>, activity: &Activity<&str>, scratch: &mut String) -> usize {
        let (value, name) = match self.value_of(matching, activity, scratch) {
            None => return 0,
            Some(None) => {
                self.without_value += 1;
                return 0;
            }
            Some(Some(found)) => found,
        };
        let at = activity.occurred_at;
        if let Some(known) = self.values.get_mut(key(value, scratch)) {
            known.count += 1;
            return known.rename(name, at);
        }
        let mut counted = CountedValue { value: value.to_owned(), name: None, named_at: at, count: 1 };
        let bytes = json_bytes(value) + counted.rename(name, at);
        self.values.insert(mem::take(scratch), counted);
        bytes
    }

    /// Lists the values, most frequent first.
    fn finish(self) -> Vec<ValueCount> {
        let without = ValueCount { value: None, name: None, count: self.without_value };
        let values = self.values.into_values();
        let values =
            values.map(|CountedValue { value, name, count, .. }| ValueCount { value: Some(value), name, count });
        let mut all: Vec<ValueCount> = values.chain((self.without_value > 0).then_some(without)).collect();
        all.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value)));
        all
    }
}

impl CountedValue {
    /// Takes the name of an activity, unless that of a later one is known. Returns the bytes by which the answer grows.
    fn rename(&mut self, name: Option<&str>, at: Instant) -> usize {
        let Some(name) = name else { return 0 };
        let before = match &self.name {
            Some(known) if at <= self.named_at || known == name => {
                self.named_at = self.named_at.max(at);
                return 0;
            }
            Some(known) => json_bytes(known),
            None => 0,
        };
        self.name = Some(name.to_owned());
        self.named_at = at;
        json_bytes(name).saturating_sub(before)
    }
}

/// Writes the key of a value: ids that differ in the case of ASCII letters are one, as they are for filters.
fn key<'a>(value: &str, scratch: &'a mut String) -> &'a str {
    scratch.clear();
    scratch.push_str(value);
    scratch.make_ascii_lowercase();
    scratch
}

/// Counts the bytes of a text in JSON, with its escapes.
fn json_bytes(text: &str) -> usize {
    let bytes = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(bytes).sum::<usize>() + 2
}

/// Explains that a period has too many buckets, and names the next interval that fits.
fn explain_too_many(interval: Interval, period: Period, zone: Zone) -> String {
    let longer = [Interval::Day, Interval::Week, Interval::Month];
    let fits = longer.into_iter().find(|longer| Buckets::split(period, *longer, zone).is_some());
    let advice = fits
        .map_or("choose a shorter period".to_owned(), |fits| format!("choose {}, or a shorter period", fits.as_str()));
    format!("{} makes more than {MAX_BUCKETS} buckets of this period: {advice}", interval.as_str())
}

#[cfg(test)]
mod tests;
