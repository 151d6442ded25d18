//! The tables and queues of Daybook. Only this crate knows their keys, attributes and messages.
//!
//! | module | table or queue |
//! |---|---|
//! | [`ledger`] | Activities, and the details in the bucket |
//! | [`control`] | Control: its keys; [`jobs`], [`schedules`], [`deliveries`] and [`clients`] are its records |
//! | [`audit`] | Audit |
//! | [`streams`] | Streams |
//! | [`due`] | Due: the marks of partners and streams that have something to deliver |
//! | [`partners`] | Partners |
//! | [`orders`] | orders to erase, in Control |
//! | [`keeping`] | the keeper, over all tables and buckets |
//! | [`meter`] | Limits |
//! | [`queues`] | ExportJobs, MonthRuns, KeeperRuns, StreamRuns, Notices |
//! | [`links`] | links to objects of the bucket |
//! | [`months`] | the monthly run, over Control and the queues |
//! | [`error`] | the errors of all of them |

pub mod audit;
pub mod clients;
pub mod control;
pub mod deliveries;
pub mod due;
pub mod error;
pub mod jobs;
pub mod keeping;
pub mod ledger;
pub mod links;
pub mod meter;
pub mod months;
pub mod orders;
pub mod partners;
pub mod queues;
pub mod schedules;
pub mod streams;
