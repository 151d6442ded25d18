//! JSON lines keep everything: an activity as the API returns it, or a line of an order with the activity it belongs to.

use domain::{
    activity::{Activity, Details},
    job::{Output, Rows},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::lines::OrderLines;

/// An encoder of JSON lines.
#[derive(Debug)]
pub(crate) struct JsonlEncoder {
    output: Output,
}

/// A row for one line of an order, or for an activity without lines: the activity, and the line as recorded.
#[derive(Serialize)]
struct LineRow<'a> {
    #[serde(flatten)]
    activity: Activity<&'a str>,
    line: Option<&'a RawValue>,
}

impl JsonlEncoder {
    pub(crate) fn new(output: Output) -> Self {
        Self { output }
    }

    /// Appends one row of an activity to `out`.
    pub(crate) fn write_row<'a>(
        &self,
        out: &mut Vec<u8>,
        activity: &'a Activity<&'a str>,
        lines: &OrderLines<'a>,
        number: usize,
    ) -> Result<(), serde_json::Error> {
        match self.output.rows {
            Rows::Activities => serde_json::to_writer(&mut *out, activity)?,
            Rows::Lines => {
                let line = lines.line_of_row(number);
                let mut activity = activity.clone();
                // The details hold all lines, so a file with the details in each row would grow with the square of their number.
                if line.is_some() || !self.output.details {
                    activity.details = match activity.details {
                        Details::None => Details::None,
                        details => Details::Apart(details.size()),
                    };
                }
                serde_json::to_writer(&mut *out, &LineRow { activity, line })?;
            }
        }
        out.push(b'\n');
        Ok(())
    }
}
