//! The registration of a partner: its name, its time zone, and whether it may record.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::{
    access::Author,
    activity::PartnerId,
    lifecycle::{Lifecycle, MonthState},
    time::{Instant, Zone},
};

/// Checks that a partner may have this id.
///
/// # Errors
/// A message for the id that the service keeps for itself.
pub fn check_free(partner: &PartnerId) -> Result<(), String> {
    if partner.is_installation() {
        return Err(format!("{partner} is kept for audit entries of the whole installation: choose another id"));
    }
    Ok(())
}

/// What a registered partner may do.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schema(as = PartnerStatus)]
pub enum Status {
    /// The partner reads and records.
    #[default]
    Active,
    /// The partner reads and does not record.
    Suspended,
}

/// A partner's entry in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The name to show.
    pub name: String,
    /// The time zone of the partner, for people who set up its exports.
    pub time_zone: Zone,
    /// What the partner may do.
    pub status: Status,
    /// When the partner was registered.
    pub created_at: Instant,
    /// When the registration was saved last.
    pub updated_at: Instant,
    /// The person or machine that saved it.
    pub updated_by: Author,
}

/// Why a partner may not record, or not this activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// Nobody has registered the partner.
    NotRegistered,
    /// The partner is suspended.
    Suspended,
    /// The partner is leaving: its data are about to be deleted.
    Leaving,
    /// The activity's month has ended by the partner's retention, or its data are deleted.
    Gone,
}

/// The reason, and what to do.
impl std::fmt::Display for RecordRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotRegistered => {
                "No partner with this id is registered. Correct the id, or ask the operator to register the partner \
                 (PUT /v1/partners/{partner})."
            }
            Self::Suspended => {
                "This partner is suspended: it reads and does not record. Ask the operator to make it active again \
                 (PUT /v1/partners/{partner})."
            }
            Self::Leaving => {
                "This partner is leaving the service and does not record any more. The operator can take that back until \
                 its data are deleted."
            }
            Self::Gone => {
                "The month of this activity is older than this partner keeps, or its data are deleted. It is not recorded \
                 again: do not send it again."
            }
        })
    }
}

/// Decides whether a partner may record an activity that occurred at an instant.
///
/// With `registered_only`, a partner without a registration may not record. `default_months` is the installation's
/// retention.
///
/// # Errors
/// The reason why not.
pub fn may_record(
    registration: Option<&Registration>,
    lifecycle: &Lifecycle,
    registered_only: bool,
    occurred_at: Instant,
    now: Instant,
    default_months: Option<u32>,
) -> Result<(), RecordRefusal> {
    // First, because the sender of a deleted activity must learn that it is gone, whatever became of the partner.
    if lifecycle.is_gone(occurred_at)
        || lifecycle.month_state(occurred_at.utc_month(), now, default_months) != MonthState::Kept
    {
        return Err(RecordRefusal::Gone);
    }
    if lifecycle.is_leaving() {
        return Err(RecordRefusal::Leaving);
    }
    match registration.map(|registration| registration.status) {
        Some(Status::Active) => Ok(()),
        Some(Status::Suspended) => Err(RecordRefusal::Suspended),
        None if registered_only => Err(RecordRefusal::NotRegistered),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn registration(status: Status) -> Registration {
        let now = at("2026-11-01T00:00:00Z");
        let updated_by = Author::from("op".to_owned());
        Registration {
            name: "Contoso".to_owned(),
            time_zone: Zone::UTC,
            status,
            created_at: now,
            updated_at: now,
            updated_by,
        }
    }

    #[test]
    fn only_active_partners_record() {
        let now = at("2026-11-02T00:00:00Z");
        let lifecycle = Lifecycle::default();
        for (status, registered_only, expected) in [
            (Some(Status::Active), true, Ok(())),
            (Some(Status::Suspended), true, Err(RecordRefusal::Suspended)),
            (Some(Status::Suspended), false, Err(RecordRefusal::Suspended)),
            (None, true, Err(RecordRefusal::NotRegistered)),
            (None, false, Ok(())),
        ] {
            let registration = status.map(registration);
            let found = may_record(registration.as_ref(), &lifecycle, registered_only, now, now, None);
            assert_eq!(found, expected, "{status:?} {registered_only}");
        }
    }

    #[test]
    fn what_is_older_than_the_retention_is_gone_for_everybody() {
        let now = at("2026-11-02T00:00:00Z");
        let lifecycle = Lifecycle::default();
        for (occurred_at, expected) in [
            ("2026-11-01T00:00:00Z", Ok(())),
            ("2026-10-01T00:00:00Z", Ok(())),
            ("2026-09-30T23:59:59Z", Err(RecordRefusal::Gone)),
        ] {
            let active = registration(Status::Active);
            let found = may_record(Some(&active), &lifecycle, true, at(occurred_at), now, Some(1));
            assert_eq!(found, expected, "{occurred_at}");
        }
        assert_eq!(
            may_record(None, &lifecycle, true, at("2020-01-01T00:00:00Z"), now, Some(1)),
            Err(RecordRefusal::Gone)
        );
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (refusal, said) in [
            (RecordRefusal::NotRegistered, "ask the operator to register the partner"),
            (RecordRefusal::Suspended, "Ask the operator to make it active again"),
            (RecordRefusal::Leaving, "The operator can take that back"),
            (RecordRefusal::Gone, "do not send it again"),
        ] {
            assert!(refusal.to_string().contains(said), "{refusal}");
        }
    }

    #[test]
    fn the_installations_own_name_is_taken() {
        assert!(check_free(&PartnerId::installation()).is_err());
        assert!(check_free(&PartnerId::parse("contoso").unwrap()).is_ok());
    }
}
