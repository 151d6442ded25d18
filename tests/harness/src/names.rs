//! The names of the tables and of the bucket.

/// The table of activities.
pub const TABLE: &str = "activities";
/// The Control table.
pub const CONTROL: &str = "control";
/// The table of partners' settings.
pub const PARTNERS: &str = "partners";
/// The table of the meter.
pub const LIMITS: &str = "limits";
/// The table of the audit.
pub const AUDIT: &str = "audit";
/// The table of streams.
pub const STREAMS: &str = "streams";
/// The table of secrets.
pub const SECRETS: &str = "secrets";
/// The table of due marks.
pub const DUE: &str = "due";
/// The bucket.
pub const BUCKET: &str = "data";
