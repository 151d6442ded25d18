//! Names of actions in the languages of the service.
//!
//! The vocabulary is open: an action that is not here is kept, and shown by its own text. The list covers the operations
//! of Partner Center's audit log and those that partner portals have besides.

use serde::Serialize;
use utoipa::ToSchema;

use crate::locale::Locale;

/// An action with its names.
struct Known {
    action: &'static str,
    en: &'static str,
    fr: &'static str,
}

/// An action as the catalogue shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogueEntry)]
pub struct Listed {
    /// The action.
    pub action: &'static str,
    /// What it is about: the action's first word.
    pub category: &'static str,
    /// Its name.
    pub label: &'static str,
}

/// All known actions, in the order of their texts.
pub fn actions(locale: Locale) -> impl Iterator<Item = Listed> {
    KNOWN.iter().map(move |known| Listed {
        action: known.action,
        category: known.action.split('.').next().unwrap_or_default(),
        label: name(known, locale),
    })
}

/// An action's name, or its own text.
pub fn label(action: &str, locale: Locale) -> &str {
    match KNOWN.binary_search_by(|known| known.action.cmp(action)) {
        Ok(index) => name(&KNOWN[index], locale),
        Err(_) => action,
    }
}

fn name(known: &Known, locale: Locale) -> &'static str {
    match locale {
        Locale::En => known.en,
        Locale::Fr => known.fr,
    }
}

macro_rules! known {
    ($($action:literal $en:literal $fr:literal)+) => {
        /// In the order of actions, so that one is found by halving.
        const KNOWN: &[Known] = &[$(Known { action: $action, en: $en, fr: $fr }),+];
    };
}

known! {
    "add_on.purchased" "Add-on purchased" "Module complémentaire acheté"
    "admin_relationship.access_assignment_activated" "Admin access assignment activated" "Attribution d'accès administrateur activée"
    "admin_relationship.access_assignment_created" "Admin access assignment created" "Attribution d'accès administrateur créée"
    "admin_relationship.access_assignment_deleted" "Admin access assignment deleted" "Attribution d'accès administrateur supprimée"
    "admin_relationship.access_assignment_updated" "Admin access assignment updated" "Attribution d'accès administrateur modifiée"
    "admin_relationship.activated" "Admin relationship activated" "Relation d'administration activée"
    "admin_relationship.approved" "Admin relationship approved" "Relation d'administration approuvée"
    "admin_relationship.cleaned_up" "Admin relationship cleaned up" "Relation d'administration nettoyée"
    "admin_relationship.expired" "Admin relationship expired" "Relation d'administration expirée"
    "admin_relationship.extended" "Admin relationship extended" "Relation d'administration prolongée"
    "admin_relationship.terminated" "Admin relationship terminated" "Relation d'administration résiliée"
    "admin_relationship.termination_requested" "Termination of admin relationship requested" "Résiliation de la relation d'administration demandée"
    "agreement.accepted" "Agreement accepted" "Contrat accepté"
    "agreement.created" "Agreement created" "Contrat créé"
    "application.credential_added" "Application credential added" "Identifiant d'application ajouté"
    "application.credential_removed" "Application credential removed" "Identifiant d'application supprimé"
    "application.registered" "Application registered" "Application inscrite"
    "application.unregistered" "Application unregistered" "Application désinscrite"
    "company.info_updated" "Company information updated" "Informations sur la société modifiées"
    "credit.cancelled" "Credit cancelled" "Avoir annulé"
    "credit.created" "Credit created" "Avoir créé"
    "credit.updated" "Credit updated" "Avoir modifié"
    "customer.billing_profile_updated" "Customer's billing profile updated" "Profil de facturation du client modifié"
    "customer.contract_company_name_updated" "Company name in customer's contract updated" "Nom de société du contrat client modifié"
    "customer.created" "Customer created" "Client créé"
    "customer.deleted" "Customer deleted" "Client supprimé"
    "customer.qualification_updated" "Customer's qualification updated" "Qualification du client modifiée"
    "customer.relationship_removed" "Customer relationship removed" "Relation client supprimée"
    "customer.spending_budget_updated" "Customer's spending budget updated" "Budget de dépenses du client modifié"
    "customer.test_customer_deleted" "Test customer deleted" "Client de test supprimé"
    "customer.updated" "Customer updated" "Client modifié"
    "delegated_admin.approved" "Delegated administration approved" "Administration déléguée approuvée"
    "delegated_admin.terminated" "Delegated administration terminated" "Administration déléguée résiliée"
    "delegated_admin.terminated_by_provider" "Delegated administration terminated by the provider" "Administration déléguée résiliée par le fournisseur"
    "device.added_to_batch" "Devices added to batch" "Appareils ajoutés à un lot"
    "device.batch_uploaded" "Devices uploaded" "Appareils importés"
    "device.deleted" "Device deleted" "Appareil supprimé"
    "device.update_attempted" "Update of devices attempted" "Tentative de modification d'appareils"
    "device.updated" "Device updated" "Appareil modifié"
    "directory_role.member_added" "Member added to directory role" "Membre ajouté au rôle d'annuaire"
    "directory_role.member_removed" "Member removed from directory role" "Membre retiré du rôle d'annuaire"
    "entitlement.created" "Entitlement created" "Droit créé"
    "entitlement.fraud_detected" "Fraud detected on entitlement" "Fraude détectée sur un droit"
    "export.created" "Export created" "Export créé"
    "invoice.paid" "Invoice paid" "Facture payée"
    "invoice.ready" "Invoice ready" "Facture disponible"
    "invoice.viewed" "Invoice viewed" "Facture consultée"
    "licence.assigned" "Licence assigned" "Licence attribuée"
    "licence.removed" "Licence removed" "Licence retirée"
    "licence.updated" "Licences updated" "Licences modifiées"
    "migration.created" "Migration created" "Migration créée"
    "order.cancelled" "Order cancelled" "Commande annulée"
    "order.created" "Order created" "Commande créée"
    "order.updated" "Order updated" "Commande modifiée"
    "overage.managed" "Overage managed" "Dépassement géré"
    "partner_id.associated" "Partner ID associated" "ID de partenaire associé"
    "partner_id.updated" "Partner ID updated" "ID de partenaire modifié"
    "partner_relationship.created" "Partner relationship created" "Relation partenaire créée"
    "partner_relationship.removed" "Partner relationship removed" "Relation partenaire supprimée"
    "partner_user.created" "Partner user created" "Utilisateur partenaire créé"
    "partner_user.removed" "Partner user removed" "Utilisateur partenaire supprimé"
    "partner_user.role_updated" "Partner user's role updated" "Rôle de l'utilisateur partenaire modifié"
    "partner_user.signed_in" "Partner user signed in" "Utilisateur partenaire connecté"
    "partner_user.updated" "Partner user updated" "Utilisateur partenaire modifié"
    "payment_method.added" "Payment method added" "Moyen de paiement ajouté"
    "payment_method.removed" "Payment method removed" "Moyen de paiement supprimé"
    "policy.created" "Policy created" "Stratégie créée"
    "policy.deleted" "Policy deleted" "Stratégie supprimée"
    "policy.updated" "Policy updated" "Stratégie modifiée"
    "promotion.applied" "Promotion applied" "Promotion appliquée"
    "referral.created" "Referral created" "Référence créée"
    "referral.related_created" "Related referral created" "Référence associée créée"
    "referral.related_updated" "Related referral updated" "Référence associée modifiée"
    "referral.updated" "Referral updated" "Référence modifiée"
    "self_serve_policy.created" "Self-serve policy created" "Stratégie de libre-service créée"
    "self_serve_policy.deleted" "Self-serve policy deleted" "Stratégie de libre-service supprimée"
    "self_serve_policy.updated" "Self-serve policy updated" "Stratégie de libre-service modifiée"
    "software.attested" "Software attested" "Logiciel attesté"
    "software.download_link_viewed" "Software download link viewed" "Lien de téléchargement du logiciel consulté"
    "software.key_viewed" "Software key viewed" "Clé de logiciel consultée"
    "spending_limit.increased" "Spending limit increased" "Plafond de dépenses augmenté"
    "subscription.cancelled" "Subscription cancelled" "Abonnement annulé"
    "subscription.created" "Subscription created" "Abonnement créé"
    "subscription.quantity_changed" "Subscription's quantity changed" "Quantité de l'abonnement modifiée"
    "subscription.reactivated" "Subscription reactivated" "Abonnement réactivé"
    "subscription.renewed" "Subscription renewed" "Abonnement renouvelé"
    "subscription.suspended" "Subscription suspended" "Abonnement suspendu"
    "subscription.trial_converted" "Trial converted to subscription" "Essai converti en abonnement"
    "subscription.updated" "Subscription updated" "Abonnement modifié"
    "subscription.upgraded" "Subscription upgraded" "Abonnement mis à niveau"
    "support_request.closed" "Support request closed" "Demande d'assistance clôturée"
    "support_request.created" "Support request created" "Demande d'assistance créée"
    "support_request.updated" "Support request updated" "Demande d'assistance modifiée"
    "transfer.accepted" "Transfer accepted" "Transfert accepté"
    "transfer.created" "Transfer created" "Transfert créé"
    "transfer.updated" "Transfer updated" "Transfert modifié"
    "usage_budget.exceeded" "Usage budget exceeded" "Budget de consommation dépassé"
    "user.created" "User created" "Utilisateur créé"
    "user.deleted" "User deleted" "Utilisateur supprimé"
    "user.licences_updated" "User's licences updated" "Licences de l'utilisateur modifiées"
    "user.password_reset" "User's password reset" "Mot de passe de l'utilisateur réinitialisé"
    "user.principal_name_updated" "User's sign-in name updated" "Nom de connexion de l'utilisateur modifié"
    "user.restored" "User restored" "Utilisateur restauré"
    "user.sfb_licences_updated" "User's Skype for Business licences updated" "Licences Skype Entreprise de l'utilisateur modifiées"
    "user.updated" "User updated" "Utilisateur modifié"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Action;

    #[test]
    fn actions_are_valid_sorted_and_named() {
        assert!(KNOWN.is_sorted_by(|a, b| a.action < b.action));
        for known in KNOWN {
            assert!(Action::parse(known.action).is_ok(), "{}", known.action);
            assert_eq!(label(known.action, Locale::Fr), known.fr);
        }
        assert!(KNOWN.len() >= 70, "{}", KNOWN.len());
    }

    #[test]
    fn an_unknown_action_is_shown_by_its_own_text() {
        assert_eq!(label("kms.decrypt", Locale::Fr), "kms.decrypt");
    }
}
