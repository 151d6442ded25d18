//! The export engine writes the files of an export job to S3, in runs that can stop anywhere and continue.
//!
//! | file | subject |
//! |---|---|
//! | `table` | the columns of CSV and XLSX, and the cells of a row |
//! | `lines` | the lines of an order, and the names that their members have |
//! | `csv`, `jsonl` | rows of text |
//! | `guard` | the apostrophe in front of text that a spreadsheet would run or change |
//! | `conversion` | the texts that a spreadsheet reads as numbers, dates and other values |
//! | `cell_text` | the text of a cell: guarded, cut, without control characters |
//! | `xlsx`, `summary`, `workbook_cell` | workbooks, their first sheet, what a cell can hold |
//! | `encoder` | the choice between the formats of text |
//! | `gzip` | compression in blocks that a later run can continue |
//! | `files` | the bucket: parts, whole objects, links |
//! | `segments` | the choice of finished months that an export copies |
//! | `position`, `parts` | the progress of a file, and its parts on their way |
//! | `writer` | rows → encoder → gzip → parts → checkpoint |
//! | `worker` | the lease of a job, one run, giving up |
//!
//! A file is a function of the job and of the activities alone: the same request on the same data gives the same bytes,
//! wherever a run was interrupted.

mod cell_text;
mod conversion;
mod csv;
mod encoder;
mod files;
mod guard;
mod gzip;
mod jsonl;
mod lines;
mod parts;
mod position;
mod run;
mod segments;
mod summary;
mod table;
mod workbook_cell;
mod worker;
mod writer;
mod xlsx;

pub use cell_text::MAX_CELL_UNITS;
pub use encoder::{EncodeError, Encoder};
pub use files::Files;
pub use lines::OrderLines;
pub use run::{LEASE_SECONDS, Limits, WorkerRun};
pub use segments::MONTH_REMAINS_SECONDS;
pub use worker::{WorkReport, WorkResult, Worker};
pub use xlsx::{MAX_LINKS, SubscriptionsUrl, Workbook, WorkbookLimits};
