//! Fields that a stream leaves out, because the destination may not have them.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};
use utoipa::ToSchema;

use crate::activity::{Activity, Details};

/// The text in place of a masked id of an actor.
pub const MASKED: &str = "(masked)";

/// A field that a stream can leave out.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
pub enum MaskedField {
    /// The actor's id, which is replaced by a text.
    #[serde(rename = "actor.id")]
    #[strum(serialize = "actor.id")]
    ActorId,
    /// The actor's name.
    #[serde(rename = "actor.name")]
    #[strum(serialize = "actor.name")]
    ActorName,
    /// The actor's IP address.
    #[serde(rename = "actor.ip")]
    #[strum(serialize = "actor.ip")]
    ActorIp,
    /// The user agent of the actor's program.
    #[serde(rename = "actor.user_agent")]
    #[strum(serialize = "actor.user_agent")]
    ActorUserAgent,
    /// The customer's name.
    #[serde(rename = "customer.name")]
    #[strum(serialize = "customer.name")]
    CustomerName,
    /// The target's id, which can be that of a person.
    #[serde(rename = "target.id")]
    #[strum(serialize = "target.id")]
    TargetId,
    /// The target's name, which can be that of a person.
    #[serde(rename = "target.name")]
    #[strum(serialize = "target.name")]
    TargetName,
    /// The reason.
    #[serde(rename = "reason")]
    #[strum(serialize = "reason")]
    Reason,
    /// The changes.
    #[serde(rename = "changes")]
    #[strum(serialize = "changes")]
    Changes,
    /// The details, and the sums of an order's lines.
    #[serde(rename = "details")]
    #[strum(serialize = "details")]
    Details,
}

impl MaskedField {
    /// Takes the field out of an activity.
    fn mask(self, activity: &mut Activity<&str>) {
        let entry = &mut activity.entry;
        match self {
            // An erased actor has an empty id, and stays erased.
            Self::ActorId if entry.actor.id.is_empty() => {}
            Self::ActorId => entry.actor.id = MASKED,
            Self::ActorName => entry.actor.name = None,
            Self::ActorIp => entry.actor.ip = None,
            Self::ActorUserAgent => entry.actor.user_agent = None,
            Self::CustomerName => {
                if let Some(customer) = &mut entry.customer {
                    customer.name = None;
                }
            }
            Self::TargetId => {
                if let Some(target) = &mut entry.target {
                    target.id = None;
                }
            }
            Self::TargetName => {
                if let Some(target) = &mut entry.target {
                    target.name = None;
                }
            }
            Self::Reason => entry.reason = None,
            Self::Changes => entry.changes = None,
            Self::Details => {
                if let Details::Here(text) = activity.details {
                    activity.details = Details::Apart(text.len() as u64);
                }
                activity.lines = None;
            }
        }
    }
}

/// Returns an activity without the masked fields.
pub(super) fn apply_mask<'a>(activity: &Activity<&'a str>, mask: &[MaskedField]) -> Activity<&'a str> {
    let mut masked = activity.clone();
    for field in mask {
        field.mask(&mut masked);
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::{NewActivity, PartnerId},
        time::Instant,
    };

    const FIELDS: [(MaskedField, &str); 10] = [
        (MaskedField::ActorId, "secret-actor"),
        (MaskedField::ActorName, "secret-name"),
        (MaskedField::ActorIp, "secret-ip"),
        (MaskedField::ActorUserAgent, "secret-agent"),
        (MaskedField::CustomerName, "secret-customer"),
        (MaskedField::TargetId, "secret-target"),
        (MaskedField::TargetName, "secret-title"),
        (MaskedField::Reason, "secret-reason"),
        (MaskedField::Changes, "secret-change"),
        (MaskedField::Details, "secret-detail"),
    ];

    fn activity() -> Activity {
        let json = r#"{"id":"e-1","occurred_at":"2026-11-02T09:30:00Z","action":"order.created","status":"failed",
            "actor":{"id":"secret-actor","name":"secret-name","ip":"secret-ip","user_agent":"secret-agent"},
            "customer":{"id":"c","name":"secret-customer"},"target":{"type":"t","id":"secret-target","name":"secret-title"},
            "reason":"secret-reason","changes":[{"field":"secret-change"}],
            "details":{"lines":[{"amount":1,"currency":"EUR"}],"x":"secret-detail"}}"#;
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    #[test]
    fn each_field_is_taken_out_and_no_other() {
        let activity = activity();
        for (field, secret) in FIELDS {
            let masked = apply_mask(&activity.borrowed(), &[field]);
            let text = serde_json::to_string(&masked).unwrap();
            for (other, shown) in FIELDS {
                assert_eq!(text.contains(shown), other != field, "{secret} {text}");
            }
            assert_eq!(text.contains("\"lines\""), field != MaskedField::Details);
        }
        let all = FIELDS.map(|(field, _)| field);
        let text = serde_json::to_string(&apply_mask(&activity.borrowed(), &all)).unwrap();
        assert!(!text.contains("secret") && text.contains(r#""id":"(masked)""#), "{text}");
    }

    #[test]
    fn names_of_fields_are_read_and_written_alike() {
        assert_eq!(MaskedField::VARIANTS.len(), FIELDS.len());
        for (field, _) in FIELDS {
            let name: &str = field.into();
            assert_eq!((name.parse(), serde_json::to_value(field).unwrap()), (Ok(field), name.into()));
        }
    }

    #[test]
    fn absent_and_erased_fields_stay_as_they_are() {
        let mut bare = activity();
        bare.entry.customer = None;
        bare.entry.target = None;
        bare.entry.actor.id = String::new();
        bare.details = Details::None;
        let masked = apply_mask(&bare.borrowed(), &FIELDS.map(|(field, _)| field));
        assert_eq!((masked.entry.actor.id, &masked.entry.customer, &masked.details), ("", &None, &Details::None));
        let mut apart = activity();
        apart.details = Details::Apart(7);
        assert_eq!(apply_mask(&apart.borrowed(), &[MaskedField::Details]).details, Details::Apart(7));
    }
}
