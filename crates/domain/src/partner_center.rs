//! Partner Center's words for activities, as its REST interface `GET /v1/auditrecords` uses them.

use crate::{
    actions::{category, find},
    activity::{Action, Status},
};

/// Resources whose name differs from the first word of the action.
const RESOURCES: &[(&str, &str)] = &[
    ("add_on", "third_party_add_on"),
    ("admin_relationship", "granular_admin_relationship"),
    ("company", "customer"),
    ("delegated_admin", "partner_customer_dap"),
    ("directory_role", "customer_directory_role"),
    ("entitlement", "azure_entitlement"),
    ("licence", "license"),
    ("migration", "new_commerce_migration"),
    ("partner_id", "mpn_association"),
    ("user", "customer_user"),
];

/// Returns the `operationType` of an action: Partner Center's word, or the action's own text.
pub fn operation_type(action: &Action) -> &str {
    find(action.as_str()).and_then(|known| known.partner_center).map_or(action.as_str(), |(operation, _)| operation)
}

/// Returns the `resourceType` of an action: Partner Center's word, or the action's first word.
pub fn resource_type<T: AsRef<str>>(action: &Action<T>) -> &str {
    if let Some((_, resource)) = find(action.as_str()).and_then(|known| known.partner_center) {
        return resource;
    }
    let noun = category(action.as_str());
    RESOURCES.iter().find(|(known, _)| *known == noun).map_or(noun, |(_, resource)| resource)
}

/// Returns the `operationStatus` of a status.
pub fn operation_status(status: Status) -> &'static str {
    match status {
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::InProgress => "progress",
        Status::Declined => "decline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_actions_keep_their_own_words() {
        let action = |text| Action::parse(text).unwrap();
        for (text, operation, resource) in [
            ("order.created", "create_order", "order"),
            ("user.licences_updated", "update_customer_user_licenses", "license"),
            ("order.cancelled", "order.cancelled", "order"),
            ("user.signed_in", "user.signed_in", "customer_user"),
            ("licence.assigned", "licence.assigned", "license"),
            ("kms.decrypt", "kms.decrypt", "kms"),
        ] {
            assert_eq!((operation_type(&action(text)), resource_type(&action(text))), (operation, resource));
        }
    }

    #[test]
    fn each_status_has_a_word() {
        let words = [Status::Succeeded, Status::Failed, Status::InProgress, Status::Declined].map(operation_status);
        assert_eq!(words, ["succeeded", "failed", "progress", "decline"]);
    }
}
