//! The kind of an OCSF event, by the last verb of an action.

/// The kinds of events of the class API Activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// Something new is there: `created`, `added`, `registered`.
    Create,
    /// Something was read: `viewed`, `exported`.
    Read,
    /// Something changed: `updated`, `assigned`, `enabled`, `suspended`.
    Update,
    /// Something is gone: `deleted`, `removed`, `cancelled`, `terminated`.
    Delete,
    /// Any other verb, which is the event's `activity_name`.
    Other,
}

impl ActivityKind {
    /// Returns the kind of an action, by the last verb of its last part: that of `role.member_added` is `added`, that of
    /// `access.terminated_by_provider` is `terminated`.
    pub fn of(action: &str) -> Self {
        let mut words = last_part(action).rsplit('_');
        // Verbs are past participles. A word of another form is a noun or a preposition.
        words
            .find_map(|word| Self::of_verb(word).or_else(|| word.ends_with("ed").then_some(Self::Other)))
            .unwrap_or(Self::Other)
    }

    fn of_verb(verb: &str) -> Option<Self> {
        Some(match verb {
            "created" | "added" | "registered" => Self::Create,
            "viewed" | "exported" => Self::Read,
            "updated" | "assigned" | "enabled" | "suspended" => Self::Update,
            "deleted" | "removed" | "cancelled" | "terminated" => Self::Delete,
            _ => return None,
        })
    }

    /// Returns the value of `activity_id`.
    pub fn id(self) -> u32 {
        match self {
            Self::Create => 1,
            Self::Read => 2,
            Self::Update => 3,
            Self::Delete => 4,
            Self::Other => 99,
        }
    }

    /// Returns the value of `activity_name`: the name of the kind, or the last part of an action of no kind.
    pub(super) fn name(self, action: &str) -> &str {
        match self {
            Self::Create => "Create",
            Self::Read => "Read",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Other => last_part(action),
        }
    }

    /// Returns the value of `type_name`.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Create => "API Activity: Create",
            Self::Read => "API Activity: Read",
            Self::Update => "API Activity: Update",
            Self::Delete => "API Activity: Delete",
            Self::Other => "API Activity: Other",
        }
    }
}

fn last_part(action: &str) -> &str {
    action.rsplit('.').next().unwrap_or(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_verb_decides() {
        for (action, kind, name) in [
            ("order.created", ActivityKind::Create, "Create"),
            ("directory_role.member_added", ActivityKind::Create, "Create"),
            ("device.added_to_batch", ActivityKind::Create, "Create"),
            ("application.registered", ActivityKind::Create, "Create"),
            ("application.unregistered", ActivityKind::Other, "unregistered"),
            ("software.key_viewed", ActivityKind::Read, "Read"),
            ("order.line.updated", ActivityKind::Update, "Update"),
            ("licence.assigned", ActivityKind::Update, "Update"),
            ("user.mfa_enabled", ActivityKind::Update, "Update"),
            ("delegated_admin.terminated_by_provider", ActivityKind::Delete, "Delete"),
            ("order.cancelled", ActivityKind::Delete, "Delete"),
            ("admin_relationship.termination_requested", ActivityKind::Other, "termination_requested"),
            ("device.update_attempted", ActivityKind::Other, "update_attempted"),
            ("partner_user.signed_in", ActivityKind::Other, "signed_in"),
            ("invoice.ready", ActivityKind::Other, "ready"),
            ("created.by_nobody", ActivityKind::Other, "by_nobody"),
        ] {
            assert_eq!((ActivityKind::of(action), kind.name(action)), (kind, name), "{action}");
        }
    }

    #[test]
    fn each_kind_has_a_number_and_a_name() {
        let kinds = [
            (ActivityKind::Create, 1),
            (ActivityKind::Read, 2),
            (ActivityKind::Update, 3),
            (ActivityKind::Delete, 4),
            (ActivityKind::Other, 99),
        ];
        for (kind, id) in kinds {
            assert_eq!(kind.id(), id);
            let caption = if kind == ActivityKind::Other { "Other" } else { kind.name("x.y") };
            assert_eq!(kind.type_name(), format!("API Activity: {caption}"));
        }
    }
}
