//! Partner Center's words for our actions: what its REST interface (`GET /v1/auditrecords`) calls operations and resources.
//!
//! Source of the names: the enumerations `OperationType` and `ResourceType` of Microsoft's Partner Center SDK for .NET, in
//! the snake case in which its JSON converter writes them.

use crate::activity::{Action, Status};

/// Actions with their operation and resource, in the order of actions.
const OPERATIONS: &[(&str, &str, &str)] = &[
    (
        "admin_relationship.access_assignment_activated",
        "granular_admin_access_assignment_activated",
        "granular_admin_access_assignment",
    ),
    (
        "admin_relationship.access_assignment_created",
        "granular_admin_access_assignment_created",
        "granular_admin_access_assignment",
    ),
    (
        "admin_relationship.access_assignment_deleted",
        "granular_admin_access_assignment_deleted",
        "granular_admin_access_assignment",
    ),
    (
        "admin_relationship.access_assignment_updated",
        "granular_admin_access_assignment_updated",
        "granular_admin_access_assignment",
    ),
    ("admin_relationship.activated", "granular_admin_relationship_activated", "granular_admin_relationship"),
    ("admin_relationship.approved", "granular_admin_relationship_approved", "granular_admin_relationship"),
    ("admin_relationship.cleaned_up", "granular_admin_relationship_cleaned_up", "granular_admin_relationship"),
    ("admin_relationship.expired", "granular_admin_relationship_expired", "granular_admin_relationship"),
    ("admin_relationship.extended", "extend_relationship", "granular_admin_relationship"),
    ("admin_relationship.terminated", "granular_admin_relationship_terminated", "granular_admin_relationship"),
    (
        "admin_relationship.termination_requested",
        "granular_admin_relationship_termination_requested",
        "granular_admin_relationship",
    ),
    ("agreement.created", "create_agreement", "agreement"),
    ("application.credential_added", "add_application_credential", "application_credential"),
    ("application.credential_removed", "remove_application_credential", "application_credential"),
    ("application.registered", "register_application", "application"),
    ("application.unregistered", "unregister_application", "application"),
    ("company.info_updated", "update_company_info", "customer"),
    ("credit.cancelled", "cancel_credit", "credit"),
    ("credit.created", "create_credit", "credit"),
    ("credit.updated", "update_credit", "credit"),
    ("customer.billing_profile_updated", "update_customer_billing_profile", "customer"),
    ("customer.contract_company_name_updated", "update_customer_partner_contract_company_name", "customer"),
    ("customer.created", "add_customer", "customer"),
    ("customer.deleted", "delete_customer", "customer"),
    ("customer.qualification_updated", "update_customer_qualification", "customer"),
    ("customer.relationship_removed", "remove_partner_customer_relationship", "partner_customer_relationship"),
    ("customer.spending_budget_updated", "update_customer_spending_budget", "customer"),
    ("customer.test_customer_deleted", "delete_tip_customer", "customer"),
    ("delegated_admin.approved", "dap_admin_relationship_approved", "partner_customer_dap"),
    ("delegated_admin.terminated", "dap_admin_relationship_terminated", "partner_customer_dap"),
    (
        "delegated_admin.terminated_by_provider",
        "dap_admin_relationship_terminated_by_microsoft",
        "partner_customer_dap",
    ),
    ("device.added_to_batch", "devices_upload_to_existing_batch_attempted", "device"),
    ("device.batch_uploaded", "devices_upload_to_new_batch_attempted", "device"),
    ("device.deleted", "device_deleted", "device"),
    ("device.update_attempted", "devices_update_attempted", "device"),
    ("device.updated", "device_updated", "device"),
    ("directory_role.member_added", "add_user_member", "customer_directory_role"),
    ("directory_role.member_removed", "remove_user_member", "customer_directory_role"),
    ("entitlement.fraud_detected", "azure_fraud_event_detected", "azure_entitlement"),
    ("invoice.ready", "ready_invoice", "invoice"),
    ("migration.created", "create_new_commerce_migration", "new_commerce_migration"),
    ("order.created", "create_order", "order"),
    ("order.updated", "update_order", "order"),
    ("overage.managed", "manage_overage", "overage"),
    ("partner_id.associated", "create_mpn_association", "mpn_association"),
    ("partner_id.updated", "update_mpn_association", "mpn_association"),
    ("partner_relationship.created", "create_partner_relationship", "partner_relationship"),
    ("partner_relationship.removed", "remove_partner_relationship", "partner_relationship"),
    ("partner_user.created", "create_partner_user", "partner_user"),
    ("partner_user.removed", "remove_partner_user", "partner_user"),
    ("partner_user.updated", "update_partner_user", "partner_user"),
    ("policy.created", "policy_created", "policy"),
    ("policy.deleted", "policy_deleted", "policy"),
    ("policy.updated", "policy_updated", "policy"),
    ("referral.created", "create_referral", "referral"),
    ("referral.related_created", "create_related_referral", "referral"),
    ("referral.related_updated", "update_related_referral", "referral"),
    ("referral.updated", "update_referral", "referral"),
    ("self_serve_policy.created", "create_self_serve_policy", "self_serve_policy"),
    ("self_serve_policy.deleted", "delete_self_serve_policy", "self_serve_policy"),
    ("self_serve_policy.updated", "update_self_serve_policy", "self_serve_policy"),
    ("software.attested", "software_attestation", "software_page"),
    ("software.download_link_viewed", "get_software_download_link", "software_download_link"),
    ("software.key_viewed", "get_software_key", "software_key"),
    ("spending_limit.increased", "increase_spending_limit", "spending_limit"),
    ("subscription.trial_converted", "convert_trial_subscription", "subscription"),
    ("subscription.updated", "update_subscription", "subscription"),
    ("subscription.upgraded", "upgrade_subscription", "subscription"),
    ("transfer.created", "create_transfer", "transfer"),
    ("transfer.updated", "update_transfer", "transfer"),
    ("user.created", "create_customer_user", "customer_user"),
    ("user.deleted", "delete_customer_user", "customer_user"),
    ("user.licences_updated", "update_customer_user_licenses", "license"),
    ("user.password_reset", "reset_customer_user_password", "customer_user"),
    ("user.principal_name_updated", "update_customer_user_principal_name", "customer_user"),
    ("user.restored", "restore_customer_user", "customer_user"),
    ("user.sfb_licences_updated", "update_sfb_customer_user_licenses", "license"),
    ("user.updated", "update_customer_user", "customer_user"),
];

/// Resources that are called otherwise than the first word of our actions.
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

fn known<T: AsRef<str>>(action: &Action<T>) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let index = OPERATIONS.binary_search_by(|(known, ..)| (*known).cmp(action.as_str())).ok()?;
    OPERATIONS.get(index)
}

/// The `operationType` of an action: Partner Center's where it has one, else the action's own text.
pub fn operation_type(action: &Action) -> &str {
    known(action).map_or(action.as_str(), |(_, operation, _)| operation)
}

/// The `resourceType` of an action: Partner Center's where it has one, else the action's first word.
pub fn resource_type<T: AsRef<str>>(action: &Action<T>) -> &str {
    if let Some((_, _, resource)) = known(action) {
        return resource;
    }
    let noun = action.as_str().split('.').next().unwrap_or_default();
    RESOURCES.iter().find(|(known, _)| *known == noun).map_or(noun, |(_, resource)| resource)
}

/// The `operationStatus` of a status.
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
    use crate::{actions as catalogue, locale::Locale};

    #[test]
    fn every_operation_stands_for_one_action_of_the_catalogue() {
        assert!(OPERATIONS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(OPERATIONS.len(), 78, "all but `undefined`");
        let mut operations: Vec<&str> = OPERATIONS.iter().map(|(_, operation, _)| *operation).collect();
        operations.sort_unstable();
        operations.dedup();
        assert_eq!(operations.len(), OPERATIONS.len());
        let catalogue: Vec<&str> = catalogue::actions(Locale::En).map(|listed| listed.action).collect();
        for (action, ..) in OPERATIONS {
            assert!(catalogue.contains(action), "{action}");
        }
    }

    #[test]
    fn what_partner_center_does_not_know_keeps_its_own_words() {
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
}
