//! The old names of Daybook's modules, as long as something uses them.

pub use domain::{access, actions as catalogue, filter, json, partner_center, query as question};
pub use store::{clients, control, error as storage, jobs, partners as settings, queues as queue, schedules};

/// Activities.
pub mod activity {
    pub use domain::{activity::*, text::hex};
}

/// Instants.
pub mod period {
    pub use domain::{text::quoted, time::*};
}

/// Exports.
pub mod export {
    pub use ::export::*;
    pub use domain::job;

    /// Forms of files.
    pub mod profile {
        pub use ::export::*;
        pub use domain::locale::Locale;
    }
}

/// The ledger.
pub mod ledger {
    pub use domain::query::{Position, SETTLE_SECONDS, Selection, SortOrder};
    pub use store::ledger::*;
}

/// Limits of partners.
pub mod limits {
    pub use domain::quota::*;
    pub use store::meter::*;
}

/// Months.
pub mod months {
    pub use domain::{recipient::*, schedule::*};
    pub use store::months::*;

    /// Plans.
    pub mod plan {
        pub use domain::schedule::*;
    }
}

/// Notifications.
pub mod notify {
    pub use domain::delivery::*;
    pub use store::queues::{Notice, NoticeQueue};
}
