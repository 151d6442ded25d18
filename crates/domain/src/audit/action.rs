//! The audited acts: a closed list, with names in each language.

use std::sync::LazyLock;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{fold::fold_all, locale::Locale};

/// Declares the acts and their names from rows `Variant "action" "English" "French"`, each with the doc of the variant.
macro_rules! audit_actions {
    ($($(#[$doc:meta])* $variant:ident $action:literal $en:literal $fr:literal)+) => {
        /// An act that the audit keeps, as an entry's action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
        pub enum AuditAction {
            $($(#[$doc])* #[strum(serialize = $action)] $variant),+
        }

        impl AuditAction {
            /// Returns the name to show.
            pub fn label(self, locale: Locale) -> &'static str {
                match self {
                    $(Self::$variant => locale.pick($en, $fr)),+
                }
            }
        }
    };
}

audit_actions! {
    /// A verified token was refused. One entry for a caller, route and hour.
    AccessRefused "access.refused" "Access refused" "Refus d’accès"
    /// Somebody read the audit. One entry for a caller and hour.
    AuditRead "audit.read" "Audit read" "Consultation de l’audit"
    /// A machine client was registered, or its registration changed.
    ClientRegistered "client.registered" "Machine client registered" "Enregistrement d’une application cliente"
    /// The registration of a machine client was removed.
    ClientRemoved "client.removed" "Machine client removed" "Retrait d’une application cliente"
    /// A link to the details of an activity was made.
    DetailsDownloaded "details.downloaded" "Details downloaded" "Téléchargement de détails"
    /// The deletion of personal data was carried out.
    ErasureFinished "erasure.finished" "Erasure finished" "Fin d’un effacement"
    /// Somebody ordered the deletion of personal data.
    ErasureRequested "erasure.requested" "Erasure requested" "Demande d’effacement"
    /// An export was cancelled, or its files were removed.
    ExportCancelled "export.cancelled" "Export cancelled or removed" "Annulation ou suppression d’un export"
    /// A link to a file of an export was made.
    ExportDownloaded "export.downloaded" "File of an export downloaded" "Téléchargement d’un fichier d’export"
    /// The files of an export could not be made.
    ExportFailed "export.failed" "Export failed" "Échec d’un export"
    /// The files of an export became ready.
    ExportFinished "export.finished" "Export finished" "Fin d’un export"
    /// An export was asked for, by a caller or by the schedule.
    ExportRequested "export.requested" "Export requested" "Demande d’export"
    /// A legal hold was placed.
    HoldPlaced "hold.placed" "Legal hold placed" "Mise en place d’un gel juridique"
    /// A legal hold was released.
    HoldReleased "hold.released" "Legal hold released" "Levée d’un gel juridique"
    /// Somebody read the log. One entry for a caller and hour.
    LogRead "log.read" "Log read" "Consultation du journal"
    /// The data of a month were deleted.
    MonthDeleted "month.deleted" "Month deleted" "Suppression d’un mois"
    /// The exports of a month were made at once.
    MonthRun "month.run" "Month run" "Lancement d’un mois"
    /// The end of a partner was ordered.
    PartnerOffboarded "partner.offboarded" "Partner offboarded" "Départ d’un partenaire"
    /// A suspended partner was made active again.
    PartnerResumed "partner.resumed" "Partner made active again" "Réactivation d’un partenaire"
    /// A partner was registered, or its registration changed.
    PartnerSaved "partner.saved" "Partner saved" "Enregistrement d’un partenaire"
    /// A partner was suspended.
    PartnerSuspended "partner.suspended" "Partner suspended" "Suspension d’un partenaire"
    /// A partner's retention was saved.
    RetentionSaved "retention.saved" "Retention saved" "Enregistrement de la durée de conservation"
    /// A schedule of monthly exports was removed.
    ScheduleRemoved "schedule.removed" "Schedule of monthly exports removed" "Suppression de la planification des exports mensuels"
    /// A schedule of monthly exports was saved.
    ScheduleSaved "schedule.saved" "Schedule of monthly exports saved" "Enregistrement de la planification des exports mensuels"
    /// The secret that signs notifications was replaced; the answer showed the new one.
    SecretReplaced "secret.replaced" "Secret replaced" "Remplacement du secret"
    /// The secret that signs notifications was shown.
    SecretShown "secret.shown" "Secret shown" "Affichage du secret"
    /// A partner's settings and limits were saved.
    SettingsSaved "settings.saved" "Settings saved" "Enregistrement des paramètres"
    /// A stream was removed.
    StreamRemoved "stream.removed" "Stream removed" "Suppression d’un flux"
    /// A period was sent to a stream again.
    StreamReplayed "stream.replayed" "Stream replayed" "Nouvel envoi d’une période à un flux"
    /// A stream was created, or its settings were saved.
    StreamSaved "stream.saved" "Stream saved" "Enregistrement d’un flux"
    /// A test activity was sent to a stream.
    StreamTested "stream.tested" "Stream tested" "Test d’un flux"
}

/// The categories of the acts, with their names.
const CATEGORIES: [(&str, &str, &str); 15] = [
    ("access", "Access", "Accès"),
    ("audit", "Audit", "Audit"),
    ("client", "Machine client", "Application cliente"),
    ("details", "Details", "Détails"),
    ("erasure", "Erasure", "Effacement"),
    ("export", "Export", "Export"),
    ("hold", "Legal hold", "Gel juridique"),
    ("log", "Log", "Journal"),
    ("month", "Month", "Mois"),
    ("partner", "Partner", "Partenaire"),
    ("retention", "Retention", "Durée de conservation"),
    ("schedule", "Schedule", "Planification"),
    ("secret", "Secret", "Secret"),
    ("settings", "Settings", "Paramètres"),
    ("stream", "Stream", "Flux"),
];

impl AuditAction {
    /// Returns the action's text, such as `export.requested`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the first word of the action, which is also the type of the entry's target.
    pub fn category(self) -> &'static str {
        self.as_str().split('.').next().unwrap_or_default()
    }

    /// Returns the name of the category to show.
    pub fn category_label(self, locale: Locale) -> &'static str {
        let known = CATEGORIES.iter().find(|(category, ..)| *category == self.category());
        known.map_or(self.category(), |(_, en, fr)| locale.pick(en, fr))
    }
}

/// Returns the labels of an audited act in every language, folded for a search; none if the action is not one.
pub(crate) fn searched_labels(action: &str) -> Option<&'static str> {
    static FOLDED: LazyLock<Vec<String>> = LazyLock::new(|| {
        AuditAction::VARIANTS
            .iter()
            .map(|action| fold_all([Locale::En, Locale::Fr].map(|locale| action.label(locale))))
            .collect()
    });
    let action: AuditAction = action.parse().ok()?;
    FOLDED.get(action as usize).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::Action;

    #[test]
    fn audited_acts_are_valid_sorted_and_named() {
        assert!(AuditAction::VARIANTS.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for action in AuditAction::VARIANTS.iter().copied() {
            assert!(Action::parse(action.as_str()).is_ok(), "{action:?}");
            assert_eq!(action.as_str().parse(), Ok(action));
            for locale in [Locale::En, Locale::Fr] {
                for label in [action.label(locale), action.category_label(locale)] {
                    assert!(label.starts_with(char::is_uppercase) && !label.contains('\''), "{label}");
                }
            }
            assert_ne!(action.category_label(Locale::En), action.category(), "the category has no name");
            assert!(searched_labels(action.as_str()).is_some_and(|labels| labels.contains('\n')));
        }
        assert!(CATEGORIES.is_sorted());
        let label = |action: AuditAction| [Locale::En, Locale::Fr].map(|locale| action.category_label(locale));
        assert_eq!(label(AuditAction::StreamSaved), ["Stream", "Flux"]);
        assert_eq!(label(AuditAction::ExportRequested), ["Export", "Export"]);
        assert_eq!(searched_labels("order.created"), None);
    }
}
