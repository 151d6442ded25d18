//! What a file of an export looks like: columns, labels, and the care that spreadsheets need.
//!
//! | file | holds |
//! |---|---|
//! | `table` | the columns, the same for CSV and XLSX, and what each shows of an activity or of a line of its order |
//! | `text` | CSV and JSON lines, row by row |
//! | `workbook` | XLSX, a workbook at a time |
//!
//! A form of files is a function of the job and of the activities alone: the same request on the same data gives the same
//! bytes, wherever the making was interrupted.

mod table;
mod text;
mod workbook;

pub use self::{
    table::{Lines, MAX_CELL_UNITS},
    text::Encoder,
    workbook::{MAX_LINKS, SubscriptionsUrl, Workbook, WorkbookLimits},
};

/// The most rows of a sheet besides its header: a sheet holds 1,048,576.
pub const MAX_ROWS: u64 = 1_048_575;
