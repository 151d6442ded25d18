//! Known actions and types of targets: their names in each language, and actions in Partner Center's words.
//!
//! The vocabulary is open: an unknown action is stored and shown by its own text. The table covers the operations of
//! Partner Center's audit log and further operations of partner portals.
//!
//! Source of Partner Center's words: the enumerations `OperationType` and `ResourceType` of Microsoft's Partner Center SDK
//! for .NET, in the snake case of its JSON converter.

use std::{borrow::Cow, sync::LazyLock};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{activity::Status, fold::fold_all, locale::Locale};

/// A row of the table.
pub(crate) struct KnownAction {
    action: &'static str,
    en: &'static str,
    fr: &'static str,
    /// Partner Center's operation and resource, if it has the action.
    pub(crate) partner_center: Option<(&'static str, &'static str)>,
}

impl KnownAction {
    fn label(&self, locale: Locale) -> &'static str {
        locale.pick(self.en, self.fr)
    }
}

/// A known action with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogueEntry)]
pub struct ListedAction {
    /// The action.
    pub action: &'static str,
    /// The first word of the action: the kind of thing that was acted on.
    pub category: &'static str,
    /// The name of the category to show.
    #[schema(value_type = String)]
    pub category_label: Cow<'static, str>,
    /// The name to show.
    pub label: &'static str,
}

/// Lists the known actions, sorted by their text.
pub fn list_actions(locale: Locale) -> impl Iterator<Item = ListedAction> {
    KNOWN.iter().map(move |known| ListedAction {
        action: known.action,
        category: category(known.action),
        category_label: category_label(category(known.action), locale),
        label: known.label(locale),
    })
}

/// Returns the first word of an action.
pub(crate) fn category(action: &str) -> &str {
    action.split('.').next().unwrap_or_default()
}

/// The category of actions whose first word the table does not have.
pub(crate) const OTHER_CATEGORY: &str = "other";

/// Returns the category of an action: its first word if a known action has it, else [`OTHER_CATEGORY`].
pub(crate) fn listed_category(action: &str) -> &'static str {
    // Sorted as the table is, because the dot sorts before the other characters of a word.
    static CATEGORIES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let mut categories: Vec<&'static str> = KNOWN.iter().map(|known| category(known.action)).collect();
        categories.dedup();
        categories
    });
    let noun = category(action);
    let found = CATEGORIES.binary_search_by(|known| (**known).cmp(noun));
    found.ok().and_then(|index| CATEGORIES.get(index)).copied().unwrap_or(OTHER_CATEGORY)
}

/// Returns the name of a category to show, with a capital letter.
pub(crate) fn category_label(category: &str, locale: Locale) -> Cow<'static, str> {
    let Some((_, en, fr)) = TARGETS.iter().find(|(known, ..)| *known == category) else {
        return Cow::Borrowed(locale.pick("Other", "Autre"));
    };
    let mut chars = locale.pick(*en, *fr).chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    Cow::Owned(first.chain(chars.clone()).collect())
}

/// Returns the name of an action to show, or its own text if the action is not known.
pub fn action_label(action: &str, locale: Locale) -> &str {
    find(action).map_or(action, |known| known.label(locale))
}

/// Returns the name of a status to show.
pub fn status_label(status: Status, locale: Locale) -> &'static str {
    match status {
        Status::Succeeded => locale.pick("Succeeded", "Réussie"),
        Status::Failed => locale.pick("Failed", "Échouée"),
        Status::InProgress => locale.pick("In progress", "En cours"),
        Status::Declined => locale.pick("Declined", "Refusée"),
    }
}

/// Returns the name of a target's type to show, or its own text if the type is not known.
///
/// Types are compared without regard to ASCII case. The vocabulary is open, as that of actions.
pub fn target_label(kind: &str, locale: Locale) -> &str {
    let known = TARGETS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(kind));
    known.map_or(kind, |(_, en, fr)| locale.pick(en, fr))
}

/// Known types of targets, with their names in English and French.
const TARGETS: [(&str, &str, &str); 49] = [
    ("order", "order", "commande"),
    ("subscription", "subscription", "abonnement"),
    ("user", "user", "utilisateur"),
    ("customer", "customer", "client"),
    ("partner_user", "partner user", "utilisateur partenaire"),
    ("invoice", "invoice", "facture"),
    ("agreement", "agreement", "contrat"),
    ("support_request", "support request", "demande d'assistance"),
    ("licence", "licence", "licence"),
    ("license", "licence", "licence"),
    ("add_on", "add-on", "module complémentaire"),
    ("address", "address", "adresse"),
    ("admin_relationship", "admin relationship", "relation d'administration"),
    ("access_assignment", "access assignment", "attribution d'accès"),
    ("application", "application", "application"),
    ("application_credential", "application credential", "identifiant d'application"),
    ("billing_profile", "billing profile", "profil de facturation"),
    ("cart", "cart", "panier"),
    ("company", "company", "société"),
    ("credit", "credit", "avoir"),
    ("customer_user", "customer's user", "utilisateur du client"),
    ("delegated_admin", "delegated administration", "administration déléguée"),
    ("device", "device", "appareil"),
    ("directory_role", "directory role", "rôle d'annuaire"),
    ("domain", "domain", "domaine"),
    ("entitlement", "entitlement", "droit"),
    ("export", "export", "export"),
    ("group", "group", "groupe"),
    ("line", "line", "ligne"),
    ("migration", "migration", "migration"),
    ("offer", "offer", "offre"),
    ("overage", "overage", "dépassement"),
    ("partner", "partner", "partenaire"),
    ("partner_id", "partner ID", "ID de partenaire"),
    ("partner_relationship", "partner relationship", "relation partenaire"),
    ("payment_method", "payment method", "moyen de paiement"),
    ("policy", "policy", "stratégie"),
    ("price", "price", "prix"),
    ("product", "product", "produit"),
    ("promotion", "promotion", "promotion"),
    ("quote", "quote", "devis"),
    ("referral", "referral", "référence"),
    ("role", "role", "rôle"),
    ("self_serve_policy", "self-serve policy", "stratégie de libre-service"),
    ("software", "software", "logiciel"),
    ("spending_limit", "spending limit", "plafond de dépenses"),
    ("transfer", "transfer", "transfert"),
    ("usage_budget", "usage budget", "budget de consommation"),
    ("webhook", "webhook", "webhook"),
];

/// Returns the labels of an action in every language, folded for a search; an empty text if the action is not known.
pub(crate) fn searched_labels(action: &str) -> &'static str {
    static FOLDED: LazyLock<Vec<String>> =
        LazyLock::new(|| KNOWN.iter().map(|known| fold_all([known.en, known.fr])).collect());
    index_of(action).and_then(|index| FOLDED.get(index)).map_or("", String::as_str)
}

/// Finds an action in the table.
pub(crate) fn find(action: &str) -> Option<&'static KnownAction> {
    KNOWN.get(index_of(action)?)
}

fn index_of(action: &str) -> Option<usize> {
    KNOWN.binary_search_by(|known| known.action.cmp(action)).ok()
}

/// Builds the table from rows `"action" "English" "French" operation resource`. The last two are optional.
macro_rules! known_actions {
    ($($action:literal $en:literal $fr:literal $($operation:ident $resource:ident)?)+) => {
        /// The table, sorted by action for binary search.
        const KNOWN: &[KnownAction] = &[$(
            KnownAction {
                action: $action,
                en: $en,
                fr: $fr,
                partner_center: known_actions!(@words $($operation $resource)?),
            }
        ),+];
    };
    (@words) => { None };
    (@words $operation:ident $resource:ident) => { Some((stringify!($operation), stringify!($resource))) };
}

known_actions! {
    "add_on.purchased" "Add-on purchased" "Module complémentaire acheté"
    "admin_relationship.access_assignment_activated" "Admin access assignment activated" "Attribution d'accès administrateur activée" granular_admin_access_assignment_activated granular_admin_access_assignment
    "admin_relationship.access_assignment_created" "Admin access assignment created" "Attribution d'accès administrateur créée" granular_admin_access_assignment_created granular_admin_access_assignment
    "admin_relationship.access_assignment_deleted" "Admin access assignment deleted" "Attribution d'accès administrateur supprimée" granular_admin_access_assignment_deleted granular_admin_access_assignment
    "admin_relationship.access_assignment_updated" "Admin access assignment updated" "Attribution d'accès administrateur modifiée" granular_admin_access_assignment_updated granular_admin_access_assignment
    "admin_relationship.activated" "Admin relationship activated" "Relation d'administration activée" granular_admin_relationship_activated granular_admin_relationship
    "admin_relationship.approved" "Admin relationship approved" "Relation d'administration approuvée" granular_admin_relationship_approved granular_admin_relationship
    "admin_relationship.cleaned_up" "Admin relationship cleaned up" "Relation d'administration nettoyée" granular_admin_relationship_cleaned_up granular_admin_relationship
    "admin_relationship.expired" "Admin relationship expired" "Relation d'administration expirée" granular_admin_relationship_expired granular_admin_relationship
    "admin_relationship.extended" "Admin relationship extended" "Relation d'administration prolongée" extend_relationship granular_admin_relationship
    "admin_relationship.terminated" "Admin relationship terminated" "Relation d'administration résiliée" granular_admin_relationship_terminated granular_admin_relationship
    "admin_relationship.termination_requested" "Termination of admin relationship requested" "Résiliation de la relation d'administration demandée" granular_admin_relationship_termination_requested granular_admin_relationship
    "agreement.accepted" "Agreement accepted" "Contrat accepté"
    "agreement.created" "Agreement created" "Contrat créé" create_agreement agreement
    "application.credential_added" "Application credential added" "Identifiant d'application ajouté" add_application_credential application_credential
    "application.credential_removed" "Application credential removed" "Identifiant d'application supprimé" remove_application_credential application_credential
    "application.registered" "Application registered" "Application inscrite" register_application application
    "application.unregistered" "Application unregistered" "Application désinscrite" unregister_application application
    "company.info_updated" "Company information updated" "Informations sur la société modifiées" update_company_info customer
    "credit.cancelled" "Credit cancelled" "Avoir annulé" cancel_credit credit
    "credit.created" "Credit created" "Avoir créé" create_credit credit
    "credit.updated" "Credit updated" "Avoir modifié" update_credit credit
    "customer.billing_profile_updated" "Customer's billing profile updated" "Profil de facturation du client modifié" update_customer_billing_profile customer
    "customer.contract_company_name_updated" "Company name in customer's contract updated" "Nom de société du contrat client modifié" update_customer_partner_contract_company_name customer
    "customer.created" "Customer created" "Client créé" add_customer customer
    "customer.deleted" "Customer deleted" "Client supprimé" delete_customer customer
    "customer.qualification_updated" "Customer's qualification updated" "Qualification du client modifiée" update_customer_qualification customer
    "customer.relationship_removed" "Customer relationship removed" "Relation client supprimée" remove_partner_customer_relationship partner_customer_relationship
    "customer.spending_budget_updated" "Customer's spending budget updated" "Budget de dépenses du client modifié" update_customer_spending_budget customer
    "customer.test_customer_deleted" "Test customer deleted" "Client de test supprimé" delete_tip_customer customer
    "customer.updated" "Customer updated" "Client modifié"
    "delegated_admin.approved" "Delegated administration approved" "Administration déléguée approuvée" dap_admin_relationship_approved partner_customer_dap
    "delegated_admin.terminated" "Delegated administration terminated" "Administration déléguée résiliée" dap_admin_relationship_terminated partner_customer_dap
    "delegated_admin.terminated_by_provider" "Delegated administration terminated by the provider" "Administration déléguée résiliée par le fournisseur" dap_admin_relationship_terminated_by_microsoft partner_customer_dap
    "device.added_to_batch" "Devices added to batch" "Appareils ajoutés à un lot" devices_upload_to_existing_batch_attempted device
    "device.batch_uploaded" "Devices uploaded" "Appareils importés" devices_upload_to_new_batch_attempted device
    "device.deleted" "Device deleted" "Appareil supprimé" device_deleted device
    "device.update_attempted" "Update of devices attempted" "Tentative de modification d'appareils" devices_update_attempted device
    "device.updated" "Device updated" "Appareil modifié" device_updated device
    "directory_role.member_added" "Member added to directory role" "Membre ajouté au rôle d'annuaire" add_user_member customer_directory_role
    "directory_role.member_removed" "Member removed from directory role" "Membre retiré du rôle d'annuaire" remove_user_member customer_directory_role
    "entitlement.created" "Entitlement created" "Droit créé"
    "entitlement.fraud_detected" "Fraud detected on entitlement" "Fraude détectée sur un droit" azure_fraud_event_detected azure_entitlement
    "export.created" "Export created" "Export créé"
    "invoice.paid" "Invoice paid" "Facture payée"
    "invoice.ready" "Invoice ready" "Facture disponible" ready_invoice invoice
    "invoice.viewed" "Invoice viewed" "Facture consultée"
    "licence.assigned" "Licence assigned" "Licence attribuée"
    "licence.removed" "Licence removed" "Licence retirée"
    "licence.updated" "Licences updated" "Licences modifiées"
    "migration.created" "Migration created" "Migration créée" create_new_commerce_migration new_commerce_migration
    "order.cancelled" "Order cancelled" "Commande annulée"
    "order.created" "Order created" "Commande créée" create_order order
    "order.updated" "Order updated" "Commande modifiée" update_order order
    "overage.managed" "Overage managed" "Dépassement géré" manage_overage overage
    "partner_id.associated" "Partner ID associated" "ID de partenaire associé" create_mpn_association mpn_association
    "partner_id.updated" "Partner ID updated" "ID de partenaire modifié" update_mpn_association mpn_association
    "partner_relationship.created" "Partner relationship created" "Relation partenaire créée" create_partner_relationship partner_relationship
    "partner_relationship.removed" "Partner relationship removed" "Relation partenaire supprimée" remove_partner_relationship partner_relationship
    "partner_user.created" "Partner user created" "Utilisateur partenaire créé" create_partner_user partner_user
    "partner_user.removed" "Partner user removed" "Utilisateur partenaire supprimé" remove_partner_user partner_user
    "partner_user.role_updated" "Partner user's role updated" "Rôle de l'utilisateur partenaire modifié"
    "partner_user.signed_in" "Partner user signed in" "Utilisateur partenaire connecté"
    "partner_user.updated" "Partner user updated" "Utilisateur partenaire modifié" update_partner_user partner_user
    "payment_method.added" "Payment method added" "Moyen de paiement ajouté"
    "payment_method.removed" "Payment method removed" "Moyen de paiement supprimé"
    "policy.created" "Policy created" "Stratégie créée" policy_created policy
    "policy.deleted" "Policy deleted" "Stratégie supprimée" policy_deleted policy
    "policy.updated" "Policy updated" "Stratégie modifiée" policy_updated policy
    "promotion.applied" "Promotion applied" "Promotion appliquée"
    "referral.created" "Referral created" "Référence créée" create_referral referral
    "referral.related_created" "Related referral created" "Référence associée créée" create_related_referral referral
    "referral.related_updated" "Related referral updated" "Référence associée modifiée" update_related_referral referral
    "referral.updated" "Referral updated" "Référence modifiée" update_referral referral
    "self_serve_policy.created" "Self-serve policy created" "Stratégie de libre-service créée" create_self_serve_policy self_serve_policy
    "self_serve_policy.deleted" "Self-serve policy deleted" "Stratégie de libre-service supprimée" delete_self_serve_policy self_serve_policy
    "self_serve_policy.updated" "Self-serve policy updated" "Stratégie de libre-service modifiée" update_self_serve_policy self_serve_policy
    "software.attested" "Software attested" "Logiciel attesté" software_attestation software_page
    "software.download_link_viewed" "Software download link viewed" "Lien de téléchargement du logiciel consulté" get_software_download_link software_download_link
    "software.key_viewed" "Software key viewed" "Clé de logiciel consultée" get_software_key software_key
    "spending_limit.increased" "Spending limit increased" "Plafond de dépenses augmenté" increase_spending_limit spending_limit
    "subscription.cancelled" "Subscription cancelled" "Abonnement annulé"
    "subscription.created" "Subscription created" "Abonnement créé"
    "subscription.quantity_changed" "Subscription's quantity changed" "Quantité de l'abonnement modifiée"
    "subscription.reactivated" "Subscription reactivated" "Abonnement réactivé"
    "subscription.renewed" "Subscription renewed" "Abonnement renouvelé"
    "subscription.suspended" "Subscription suspended" "Abonnement suspendu"
    "subscription.trial_converted" "Trial converted to subscription" "Essai converti en abonnement" convert_trial_subscription subscription
    "subscription.updated" "Subscription updated" "Abonnement modifié" update_subscription subscription
    "subscription.upgraded" "Subscription upgraded" "Abonnement mis à niveau" upgrade_subscription subscription
    "support_request.closed" "Support request closed" "Demande d'assistance clôturée"
    "support_request.created" "Support request created" "Demande d'assistance créée"
    "support_request.updated" "Support request updated" "Demande d'assistance modifiée"
    "transfer.accepted" "Transfer accepted" "Transfert accepté"
    "transfer.created" "Transfer created" "Transfert créé" create_transfer transfer
    "transfer.updated" "Transfer updated" "Transfert modifié" update_transfer transfer
    "usage_budget.exceeded" "Usage budget exceeded" "Budget de consommation dépassé"
    "user.created" "User created" "Utilisateur créé" create_customer_user customer_user
    "user.deleted" "User deleted" "Utilisateur supprimé" delete_customer_user customer_user
    "user.licences_updated" "User's licences updated" "Licences de l'utilisateur modifiées" update_customer_user_licenses license
    "user.password_reset" "User's password reset" "Mot de passe de l'utilisateur réinitialisé" reset_customer_user_password customer_user
    "user.principal_name_updated" "User's sign-in name updated" "Nom de connexion de l'utilisateur modifié" update_customer_user_principal_name customer_user
    "user.restored" "User restored" "Utilisateur restauré" restore_customer_user customer_user
    "user.sfb_licences_updated" "User's Skype for Business licences updated" "Licences Skype Entreprise de l'utilisateur modifiées" update_sfb_customer_user_licenses license
    "user.updated" "User updated" "Utilisateur modifié" update_customer_user customer_user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Action;

    #[test]
    fn actions_are_valid_sorted_and_named() {
        assert!(KNOWN.is_sorted_by(|a, b| a.action < b.action));
        let listed: Vec<ListedAction> = list_actions(Locale::Fr).collect();
        assert_eq!(listed.len(), KNOWN.len());
        for (known, listed) in KNOWN.iter().zip(listed) {
            assert!(Action::parse(known.action).is_ok(), "{}", known.action);
            assert_eq!(action_label(known.action, Locale::En), known.en);
            assert_eq!(action_label(known.action, Locale::Fr), known.fr);
            assert_eq!((listed.action, listed.label), (known.action, known.fr));
            assert!(known.action.starts_with(&format!("{}.", listed.category)));
            assert!(!listed.category.contains('.'));
            assert_eq!(listed_category(known.action), listed.category);
            assert!(listed.category_label.starts_with(char::is_uppercase), "{}", listed.category_label);
            assert!(TARGETS.iter().any(|(target, ..)| *target == listed.category), "{} has no name", listed.category);
        }
        assert!(KNOWN.len() >= 70, "{}", KNOWN.len());
    }

    #[test]
    fn an_unknown_action_has_a_category_by_its_first_word() {
        for (action, category) in [
            ("order.shipped", "order"),
            ("order.line.created", "order"),
            ("order_line.created", "other"),
            ("orde.created", "other"),
            ("a.b", "other"),
            ("zzz.b", "other"),
            ("partner.created", "other"),
            ("partner_user.greeted", "partner_user"),
        ] {
            assert_eq!(listed_category(action), category, "{action}");
        }
        for (category, en, fr) in [
            ("order", "Order", "Commande"),
            ("partner_id", "Partner ID", "ID de partenaire"),
            ("other", "Other", "Autre"),
        ] {
            assert_eq!((&*category_label(category, Locale::En), &*category_label(category, Locale::Fr)), (en, fr));
        }
    }

    #[test]
    fn an_unknown_action_is_shown_by_its_own_text() {
        assert_eq!(action_label("kms.decrypt", Locale::Fr), "kms.decrypt");
    }

    #[test]
    fn a_targets_type_is_named_in_each_language() {
        for (kind, en, fr) in [
            ("order", "order", "commande"),
            ("Order", "order", "commande"),
            ("support_request", "support request", "demande d'assistance"),
            ("AWS::S3::Bucket", "AWS::S3::Bucket", "AWS::S3::Bucket"),
        ] {
            assert_eq!((target_label(kind, Locale::En), target_label(kind, Locale::Fr)), (en, fr));
        }
    }

    #[test]
    fn each_status_has_a_label_in_each_language() {
        for (status, en, fr) in [
            (Status::Succeeded, "Succeeded", "Réussie"),
            (Status::Failed, "Failed", "Échouée"),
            (Status::InProgress, "In progress", "En cours"),
            (Status::Declined, "Declined", "Refusée"),
        ] {
            assert_eq!((status_label(status, Locale::En), status_label(status, Locale::Fr)), (en, fr));
        }
    }

    #[test]
    fn partner_center_has_each_operation_once() {
        let mut operations: Vec<&str> =
            KNOWN.iter().filter_map(|known| known.partner_center.map(|(operation, _)| operation)).collect();
        assert_eq!(operations.len(), 78, "all but `undefined`");
        operations.sort_unstable();
        operations.dedup();
        assert_eq!(operations.len(), 78);
    }
}
