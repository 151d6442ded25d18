//! The lines of an order as rows of a file, and the subscriptions that they name.

use std::sync::LazyLock;

use domain::{
    activity::{Activity, Details, lines::read_lines},
    job::{Output, Rows},
};
use memchr::memmem::Finder;
use serde_json::value::RawValue;

/// The lines of an activity's order, as recorded. Empty where the files need none.
#[derive(Debug)]
pub struct OrderLines<'a> {
    lines: Vec<&'a RawValue>,
    /// Whether each line is a row.
    are_rows: bool,
}

impl<'a> OrderLines<'a> {
    /// Reads the lines of an activity, where the output has a row for each line or shows the subscriptions of the lines.
    pub fn parse(activity: &'a Activity<&'a str>, output: Output) -> Self {
        let are_rows = output.rows == Rows::Lines;
        let lines = match &activity.details {
            // Most details name no subscription, and looking for the word is much cheaper than reading the JSON.
            Details::Here(details) if are_rows || (output.details && names_subscription(details)) => {
                read_lines(details)
            }
            _ => Vec::new(),
        };
        Self { lines, are_rows }
    }

    /// Returns the number of rows of the activity, at least one.
    pub fn rows(&self) -> usize {
        if self.are_rows { self.lines.len().max(1) } else { 1 }
    }

    /// Returns the line of a row, if rows are lines and the activity has lines.
    pub(crate) fn line_of_row(&self, row: usize) -> Option<&'a RawValue> {
        self.lines.get(row).copied().filter(|_| self.are_rows)
    }

    /// Returns the lines that a row of an activity stands for.
    pub(crate) fn lines_of_activity(&self) -> &[&'a RawValue] {
        if self.are_rows { &[] } else { &self.lines }
    }
}

fn names_subscription(details: &str) -> bool {
    // The first letter may have either case, or all letters may be capitals.
    static WORDS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["ubscription", "UBSCRIPTION"].map(Finder::new));
    WORDS.iter().any(|word| word.find(details.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_looked_for_in_lower_and_upper_case() {
        for name in ["subscription", "subscriptionId", "SubscriptionId", "SUBSCRIPTION_ID"] {
            assert!(names_subscription(&format!(r#"{{"lines":[{{"{name}":"s-1"}}]}}"#)), "{name}");
        }
        assert!(!names_subscription(r#"{"lines":[{"sku":"s-1"}]}"#));
    }
}
