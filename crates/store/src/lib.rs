//! The tables and queues of Daybook. Only this crate knows their keys, attributes and messages.
//!
//! | module | table or queue |
//! |---|---|
//! | [`ledger`] | Activities, and the details in the bucket |
//! | [`control`] | Control: its keys; [`jobs`], [`schedules`], [`deliveries`] and [`clients`] are its records |
//! | [`partners`] | Partners |
//! | [`meter`] | Limits |
//! | [`queues`] | ExportJobs, MonthRuns, Notices |
//! | [`links`] | links to objects of the bucket |
//! | [`months`] | the monthly run, over Control and the queues |
//! | [`error`] | the errors of all of them |

pub mod clients;
pub mod control;
pub mod deliveries;
pub mod error;
pub mod jobs;
pub mod ledger;
pub mod links;
pub mod meter;
pub mod months;
pub mod partners;
pub mod queues;
pub mod schedules;
