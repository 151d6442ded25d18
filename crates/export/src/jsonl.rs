//! JSON lines keep everything: an activity as the API returns it, or a line of an order with the activity it belongs to.

use domain::{activity::Activity, job::Rows, time::Instant};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::table::OrderLines;

/// An encoder of JSON lines.
#[derive(Debug)]
pub(crate) struct JsonlEncoder {
    rows: Rows,
}

/// A row for one line of an order, or for an activity without lines.
#[derive(Serialize)]
struct LineRow<'a> {
    id: &'a str,
    occurred_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<LineCustomer<'a>>,
    action: &'a str,
    line: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct LineCustomer<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl JsonlEncoder {
    pub(crate) fn new(rows: Rows) -> Self {
        Self { rows }
    }

    /// Appends one row of an activity to `out`.
    pub(crate) fn write_row<'a>(
        &self,
        out: &mut Vec<u8>,
        activity: &'a Activity<&'a str>,
        lines: &OrderLines<'a>,
        number: usize,
    ) -> Result<(), serde_json::Error> {
        match self.rows {
            Rows::Activities => serde_json::to_writer(&mut *out, activity)?,
            Rows::Lines => {
                let customer = activity.entry.customer.as_ref();
                let row = LineRow {
                    id: activity.id.as_str(),
                    occurred_at: activity.occurred_at,
                    customer: customer.map(|customer| LineCustomer { id: customer.id, name: customer.name }),
                    action: activity.entry.action.as_str(),
                    line: lines.get(number),
                };
                serde_json::to_writer(&mut *out, &row)?;
            }
        }
        out.push(b'\n');
        Ok(())
    }
}
