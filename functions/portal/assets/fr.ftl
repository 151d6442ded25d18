### Les textes de la page, en français. Fluent : https://projectfluent.org/fluent/guide/

title = Journal d’activité
skip = Aller au journal d’activité
language = Langue
signIn = Se connecter
signOut = Se déconnecter
signInFailed = La connexion a échoué ({ $reason }). Réessayez ; si le problème persiste, adressez-vous à un administrateur de votre société.
signInStale = Cette connexion a été commencée ailleurs, ou il y a trop longtemps. Reconnectez-vous.
signInBlocked = Ce navigateur n’a pas pu ouvrir de session ici. Autorisez les cookies et le stockage pour cette page, ouvrez-la en HTTPS, puis réessayez.
noPartner = Votre compte n’est rattaché à aucun partenaire : il n’y a pas de journal à afficher. Adressez-vous à un administrateur de votre société, ou déconnectez-vous et utilisez un autre compte.

from = Du
to = Au
timeZone = Fuseau horaire
rangeReversed = La date de fin précède la date de début. Choisissez une date de fin plus tardive.
dateTime = Date et heure
customer = Client concerné
action = Action
user = Utilisateur partenaire
noCustomer = Aucun
status_succeeded = Réussite
status_failed = Échec
status_declined = Refus
status_in_progress = En cours
loading = Chargement…
shown =
    { $count ->
        [one] { $count } activité affichée.
       *[other] { $count } activités affichées.
    }
none = Aucune activité ne correspond à votre recherche. Choisissez d’autres dates ou retirez un filtre.
status = Statut
reason = Motif
actor_application = Application
actor_system = Système
actor_customer = Client
role = Rôle
role_global_admin = Administrateur général
role_admin_agent = Agent d’administration
role_billing_admin = Administrateur de facturation
role_user_management_admin = Administrateur des utilisateurs
role_sales_agent = Agent commercial
role_helpdesk_agent = Agent d’assistance
address = Adresse IP
agent = Navigateur ou programme
target = Cible
target_order = commande
target_subscription = abonnement
target_user = utilisateur
target_customer = client
target_partner_user = utilisateur partenaire
target_invoice = facture
target_agreement = contrat
target_licence = licence
target_support_request = demande d’assistance
target_device = appareil
target_policy = stratégie
target_referral = recommandation
target_transfer = transfert
occurredAt = Survenue le
recordedAt = Enregistrée le
correlation = ID de corrélation
source = Source
actionId = ID de l’action
activityId = ID de l’activité
changes = Modifications
field = Champ
before = Avant
after = Après
lines = Lignes de commande
line_line = Ligne
line_product = Produit
line_sku = Référence (SKU)
line_name = Nom
line_quantity = Quantité
line_unit_price = Prix unitaire
line_amount = Montant
line_currency = Devise
line_term = Durée
line_subscription_id = ID de l’abonnement
moreLines =
    { $count ->
        [one] Afficher la suite ({ $count } ligne restante)
       *[other] Afficher la suite ({ $count } lignes restantes)
    }
moreEntries =
    { $count ->
        [one] Afficher la suite ({ $count } élément restant)
       *[other] Afficher la suite ({ $count } éléments restants)
    }
moreText =
    { $count ->
        [one] Afficher la suite ({ $count } caractère restant)
       *[other] Afficher la suite ({ $count } caractères restants)
    }
nested =
    { $count ->
        [one] Afficher { $count } élément
       *[other] Afficher { $count } éléments
    }
total = Total
otherDetails = Autres détails
yes = oui
no = non
empty = (vide)
copy = Copier au format JSON
copied = Copié.
copyFailed = Le navigateur n’a pas autorisé la copie.
downloadDetails = Télécharger les détails ({ $size })

export = Exporter le journal
exportReady =
    { $count ->
        [one] L’export est prêt à télécharger : { $count } ligne.
       *[other] L’export est prêt à télécharger : { $count } lignes.
    }
exportEnded = L’export s’est terminé sans produire de fichier. La raison figure dans la liste des exports.
exportLost = Connexion interrompue. L’export se poursuit ; nouvelle vérification dans un instant.
exportFailedHint = Relancez l’export ; si l’échec se répète, prévenez l’exploitant du service.
noExports = Aucun export pour l’instant.
moreExports = Afficher d’autres exports
requested = Demandé le
by = Par
period = Période
rows = Lignes
size = Taille
files = Fichiers
download = Télécharger { $name }
until = Disponible jusqu’au { $time }
export_pending = En attente
export_running = En préparation
export_ready = Prêt
export_failed = Échec
export_expired = Expiré
export_cancelled = Annulé
error401 = Votre session a expiré. Reconnectez-vous.
error403 = Votre rôle ne vous y autorise pas. Demandez à un administrateur de votre société de vous attribuer un rôle qui le permet.
error404 = Élément introuvable, ou inaccessible avec votre compte. Vérifiez que vous êtes connecté avec le bon compte.
error409 = Ce n’est pas encore prêt. Patientez un instant, puis réessayez.
error410 = Ce fichier a expiré. Relancez l’export.
error429 = Trop de requêtes. Patientez un instant, puis réessayez.
error503 = Le service est momentanément indisponible. Patientez un instant, puis réessayez.
errorOurs = Le service rencontre un problème. Réessayez dans une minute ; si le problème persiste, prévenez l’exploitant du service.
errorOther = L’opération n’a pas abouti.
reference = Référence : { $trace }
offline = Impossible de joindre le service. Vérifiez votre connexion réseau, puis réessayez.
retry = Réessayer

# La page

signInFirst = Consultez les opérations effectuées sur les comptes de vos clients : qui a fait quoi, et quand.
sessionOver = Votre session a expiré. Reconnectez-vous : vos dates et vos filtres sont conservés.
views = Vues
view_log = Journal
view_exports = Exports

# Période et filtres

quick_recent = Depuis un mois
quick_today = Aujourd’hui
quick_thisMonth = Ce mois-ci
quick_lastMonth = Mois précédent
zone_partner = Partenaire : { $zone }
zone_mine = Le mien : { $zone }
search = Recherche
searchHint = Nom, ID ou action
quoted = « { $text } »
clearFilters = Effacer les filtres
order = Tri
order_desc = Les plus récentes d’abord
order_asc = Les plus anciennes d’abord

# La liste

caption = Activités, { $period } ({ $zone })
andMore = Faites défiler pour afficher la suite.
andThatIsAll = Fin de la liste.
completeThrough = Données complètes jusqu’au { $time }
more = Afficher la suite
noneYet = Aucun résultat pour l’instant. Affichez la suite pour poursuivre la recherche.
stillLoading = Chargement… { $count } pour l’instant.
slow = Le chargement prend plus de temps que d’habitude. Patientez, ou arrêtez-le et choisissez une période plus courte.
stop = Arrêter
stopped = Chargement arrêté. Choisissez une période plus courte, ou réessayez.
details = détails
subscriptionsOf = { $customer } : abonnements (nouvel onglet)
customerLabel = Client
lineLink = Abonnement { $id } (nouvel onglet)

# Exports

exportTitle = Exporter le journal
exportFilters = Filtres : { $filters }
exportNoFilters = Aucun filtre : toutes les activités de la période.
formatLabel = Format du fichier
format_csv = CSV
format_xlsx = Classeur Excel
format_jsonl = JSON, une activité par ligne
formatHint_csv = S’ouvre dans Excel : le séparateur, les titres et la virgule décimale suivent la langue. Les dates s’écrivent 2026-11-02 09:30:00 dans les deux langues.
formatHint_xlsx = De vraies dates, et un lien de chaque client vers ses abonnements. Une première feuille indique la période, les filtres et les totaux.
formatHint_jsonl = Toutes les données, une activité par ligne, à l’usage des programmes.
rowsLabel = Une ligne du fichier par
rows_activities = activité
rows_lines = ligne de commande
fileLanguage = Langue du fichier
language_en = English
language_fr = Français
gzip = Compresser (gzip)
withDetails = Inclure les détails
startExport = Exporter
cancel = Annuler
close = Fermer
exportAsked = Demande d’export en cours…
exportStarted = Votre export est en préparation. Vous pouvez continuer à travailler, ou quitter la page et revenir plus tard.
exportProgress = Votre export est en préparation : { $percent } effectués.
cancelExport = Annuler cet export
exportCancelled = L’export a été annulé.
version = version { $version }
exportsIntro = Exports demandés ici ou produits chaque mois. Toute personne autorisée à lire le journal peut les télécharger.

# La planification mensuelle

scheduleTitle = Export mensuel
scheduleIntro = Chaque mois est exporté automatiquement une fois terminé, selon le fuseau horaire choisi.
scheduleDenied = L’export mensuel est géré par les administrateurs généraux, les agents d’administration et les administrateurs de facturation. Vous pouvez télécharger les fichiers qu’il produit.
scheduleEnabled = Exporter chaque mois
scheduleFrom = Premier mois
scheduleNotify = Destinataires
scheduleNotifyHint = Un par ligne : une adresse e-mail, ou https://… pour un webhook
scheduleNext = Prochain export : { $month }, le { $time }
scheduleOff = Aucun mois n’est exporté automatiquement.
save = Enregistrer
saving = Enregistrement…
saved = Enregistré.
results = Derniers exports mensuels
month = Mois
told = Notifications
nobody = Personne
delivery_pending = Pas encore prévenu
delivery_delivered = Prévenu
delivery_failed = Abandonné
attempts =
    { $count ->
        [one] { $count } tentative
       *[other] { $count } tentatives
    }
lastAttempt = dernière le { $time }
nextAttempt = prochaine le { $time }
answered = réponse { $status }
secretTitle = Secret de signature
secretIntro = Il permet à votre récepteur de vérifier que les messages viennent d’ici. Quiconque le connaît peut falsifier des messages : ne le communiquez à personne d’autre.
showSecret = Afficher le secret
secretShown = Copiez-le maintenant : il sera de nouveau masqué dès que vous quitterez cette vue.
copySecret = Copier le secret
hide = Masquer
replaceSecret = Remplacer le secret…
replaceSecretWarning = Un nouveau secret signera désormais les messages. L’actuel reste valable un jour de plus : d’ici là, donnez le nouveau à votre récepteur.
replaceSecretNow = Remplacer maintenant
secretReplaced = Secret remplacé. Copiez le nouveau maintenant : il sera de nouveau masqué dès que vous quitterez cette vue.
secretBefore = L’ancien secret reste valable jusqu’au { $time }.

## List

skipToList = Aller à la liste
display = Affichage
density = Lignes
density_comfortable = Aérées
density_compact = Compactes
columns = Colonnes
columnsHint = Les colonnes qui ne tiennent pas dans la largeur sont masquées.
keysHint = Touches : / recherche, j et k ligne suivante et précédente, Entrée ouverture, Échap fermeture.
print = Imprimer
printing = Chargement des lignes à imprimer : { $count } pour l’instant…
printedAll =
    { $count ->
        [one] { $count } activité : toutes celles qui correspondent.
       *[other] { $count } activités : toutes celles qui correspondent.
    }
printedFirst = Les { $count } premières activités seulement. Pour les avoir toutes, choisissez une période plus courte ou exportez le journal.
printedLoaded = Les { $count } premières activités seulement. Le bouton « Imprimer » au-dessus de la liste en charge jusqu’à { $most }.
newActivities =
    { $count ->
        [one] { $count } nouvelle activité
       *[other] { $count } nouvelles activités
    }
newAtLeast = Au moins { $count } nouvelles activités
orderLines =
    { $count ->
        [one] { $count } ligne
       *[other] { $count } lignes
    }
changesLeft =
    { $count ->
        [one] et { $count } autre modification
       *[other] et { $count } autres modifications
    }

## Recherche

filterIs = { $name } : { $values }
filterNot = { $name } : sauf { $values }
filter_customer = Client
filter_actor = Utilisateur
filter_action = Action
filter_status = Statut
filter_target_type = Type de cible
filter_target = Cible
filter_correlation = ID de corrélation
filter_source = Source
rollingPeriod = { $name } ({ $range })
quick_last7 = 7 derniers jours
quick_last3Months = 3 derniers mois
quick_last12Months = 12 derniers mois
category_add_on = Modules complémentaires
category_admin_relationship = Relations d’administration
category_agreement = Contrats
category_application = Applications
category_company = Société
category_credit = Avoirs
category_customer = Clients
category_delegated_admin = Administration déléguée
category_device = Appareils
category_directory_role = Rôles d’annuaire
category_entitlement = Droits
category_export = Exports
category_invoice = Factures
category_licence = Licences
category_migration = Migrations
category_order = Commandes
category_overage = Dépassements
category_partner_id = ID de partenaire
category_partner_relationship = Relations partenaires
category_partner_user = Utilisateurs partenaires
category_payment_method = Moyens de paiement
category_policy = Stratégies
category_promotion = Promotions
category_referral = Recommandations
category_self_serve_policy = Stratégies de libre-service
category_software = Logiciels
category_spending_limit = Plafonds de dépenses
category_subscription = Abonnements
category_support_request = Demandes d’assistance
category_transfer = Transferts
category_usage_budget = Budgets de consommation
category_user = Utilisateurs
filter_kind = Nature de l’action
filterBy = Filtrer par
text = Texte
suggestions = Suggestions
chosenFilters = Filtres appliqués
removeFilter = (retirer)
notValue = sauf { $value }
searchText = Rechercher « { $text } »
searchSyntax = Saisissez un nom, un ID ou du texte. Pour filtrer sur un seul champ, commencez par { $keywords }. Placez ! devant pour exclure.
suggestionCount =
    { $count ->
        [one] { $count } suggestion.
       *[other] { $count } suggestions.
    }
namesFailed = Impossible de charger les noms. La recherche de texte reste possible.
valueUnclear = { $name } : « { $value } » ne désigne pas une seule valeur. Choisissez dans la liste.
valueMissing = Choisissez une valeur dans la liste, ou saisissez-la.
valueAbsent = { $name } : rien pour « { $value } » sur cette période. Vérifiez l’orthographe, ou choisissez d’autres dates.
textExcluded = Du texte ne peut pas être exclu. Choisissez une valeur dans la liste, ou commencez par { $example }
periodGroup = Période, fuseau horaire et tri
quick_custom = Dates choisies
openCalendar = Calendrier : { $name }
previousMonth = Mois précédent
nextMonth = Mois suivant
dateUnreadable = { $name } : saisissez une date comme { $example }.
moreOptions = Fuseau horaire et tri

## Détails

previousActivity = Précédente
nextActivity = Suivante
copyLink = Copier le lien
linkCopied = Lien copié.
related = Activités liées
metadata = Informations techniques
erased = Données effacées
pivots = Options pour { $value }
pivotOnly = Filtrer sur cette valeur
pivotNot = Exclure cette valeur
pivotCopy = Copier
pivotSubscriptions = Abonnements (nouvel onglet)
pivotAround = Toute l’activité à ± { $minutes } minutes
pivotSameUser = Même utilisateur à ± { $minutes } minutes
personAround = { $name }, ± { $minutes } minutes
pivotSame = Même { $type }
pivotSameTarget = Même cible
pivotSameCorrelation = Même ID de corrélation
linked = Activité du lien
linkOutside = Le lien mène à cette activité. Elle ne figure pas parmi les lignes chargées ci-dessous.
linkOfPartner = Ce lien appartient au partenaire { $partner }. Votre session est celle du partenaire { $own }. Déconnectez-vous, puis connectez-vous avec un compte de { $partner }.
linkDenied = Votre rôle ne vous permet pas de consulter l’activité de ce lien. Demandez à un administrateur de votre société de vous attribuer un rôle qui le permet.
linkGone = L’activité de ce lien n’existe pas, ou votre compte n’y a pas accès. Vérifiez le lien, ou adressez-vous à la personne qui vous l’a envoyé.

## Historique d’un objet

history_order = Historique de la commande
history_subscription = Historique de l’abonnement
history_customer = Historique du client
history_actor = Historique de l’utilisateur
history_user = Historique de l’utilisateur
history_partner_user = Historique de l’utilisateur
history_invoice = Historique de la facture
history_other = Historique
historyOf = Historique de { $name }
historyCount =
    { $count ->
        [one] { $count } activité, de la plus récente à la plus ancienne.
       *[other] { $count } activités, de la plus récente à la plus ancienne.
    }
historyAtLeast =
    { $count ->
        [one] { $count } activité pour l’instant, de la plus récente à la plus ancienne.
       *[other] { $count } activités pour l’instant, de la plus récente à la plus ancienne.
    }
historyNone = Le journal ne contient aucune activité pour cet élément.
historyField = Modifications de
historyAnyField = Tout
historyFurther = Chercher plus loin dans le passé
historyDetails = Détails

## Types, champs et valeurs

target_add_on = module complémentaire
target_address = adresse
target_admin_relationship = relation d’administration
target_access_assignment = attribution d’accès
target_application = application
target_application_credential = identifiant d’application
target_billing_profile = profil de facturation
target_cart = panier
target_company = société
target_credit = avoir
target_customer_user = utilisateur du client
target_delegated_admin = administration déléguée
target_directory_role = rôle d’annuaire
target_domain = domaine
target_entitlement = droit
target_export = export
target_group = groupe
target_license = licence
target_line = ligne
target_migration = migration
target_offer = offre
target_overage = dépassement
target_partner = partenaire
target_partner_id = ID de partenaire
target_partner_relationship = relation partenaire
target_payment_method = moyen de paiement
target_price = prix
target_product = produit
target_promotion = promotion
target_purchase_order = bon de commande
target_quote = devis
target_role = rôle
target_self_serve_policy = stratégie de libre-service
target_software = logiciel
target_spending_limit = plafond de dépenses
target_usage_budget = budget de consommation
target_webhook = webhook

field_account = Compte
field_address = Adresse
field_agreement_id = ID du contrat
field_auto_renew = Renouvellement automatique
field_auto_renew_enabled = Renouvellement automatique
field_billing_cycle = Cycle de facturation
field_billing_frequency = Fréquence de facturation
field_billing_plan = Mode de facturation
field_billing_profile = Profil de facturation
field_budget = Budget
field_city = Ville
field_code = Code
field_comment = Commentaire
field_commitment_end_date = Fin d’engagement
field_company = Société
field_company_name = Nom de la société
field_country = Pays
field_created_at = Création
field_created_by = Créé par
field_customer = Client
field_customer_id = ID du client
field_customer_name = Nom du client
field_department = Service
field_description = Description
field_discount = Remise
field_discount_percent = Remise
field_display_name = Nom d’affichage
field_domain = Domaine
field_due_date = Échéance
field_effective_date = Date d’effet
field_email = Adresse e-mail
field_enabled = Activé
field_end_date = Date de fin
field_error = Erreur
field_error_code = Code d’erreur
field_error_message = Message d’erreur
field_expires_at = Expiration
field_expiry_date = Date d’expiration
field_failure_reason = Motif de l’échec
field_first_name = Prénom
field_friendly_name = Nom convivial
field_id = ID
field_invoice = Facture
field_invoice_id = ID de la facture
field_invoice_number = Numéro de facture
field_ip = Adresse IP
field_ip_address = Adresse IP
field_language = Langue
field_last_name = Nom de famille
field_licences = Licences
field_licenses = Licences
field_location = Emplacement
field_message = Message
field_method = Méthode
field_mfa = Authentification multifacteur
field_migrated_from = Migré depuis
field_new_value = Nouvelle valeur
field_note = Note
field_notes = Notes
field_offer = Offre
field_offer_id = ID de l’offre
field_old_value = Ancienne valeur
field_order_id = ID de la commande
field_order_number = Numéro de commande
field_owner = Propriétaire
field_partner_id = ID de partenaire
field_parent = Élément parent
field_password = Mot de passe
field_payment_method = Moyen de paiement
field_payment_terms = Conditions de paiement
field_period = Période
field_phone = Téléphone
field_phone_number = Numéro de téléphone
field_postal_code = Code postal
field_previous_value = Valeur précédente
field_price = Prix
field_product_id = ID du produit
field_promotion = Promotion
field_promotion_id = ID de la promotion
field_purchase_order = Bon de commande
field_purchase_order_number = Numéro du bon de commande
field_qualification = Qualification
field_reason = Motif
field_reason_code = Code de motif
field_region = Région
field_renewal_date = Date de renouvellement
field_requested_by = Demandé par
field_reseller = Revendeur
field_role = Rôle
field_roles = Rôles
field_seats = Postes
field_severity = Gravité
field_source = Source
field_spending_budget = Budget de dépenses
field_spending_limit = Plafond de dépenses
field_start_date = Date de début
field_state = État
field_status = Statut
field_street = Rue
field_subject = Objet
field_subscription = Abonnement
field_suspended = Suspendu
field_tags = Étiquettes
field_tax = Taxe
field_tenant_id = ID du locataire
field_term_duration = Durée
field_time_zone = Fuseau horaire
field_title = Titre
field_total = Total
field_trial = Essai
field_type = Type
field_unit = Unité
field_updated_at = Mise à jour
field_updated_by = Mis à jour par
field_usage = Consommation
field_user = Utilisateur
field_user_id = ID de l’utilisateur
field_user_name = Nom d’utilisateur
field_user_principal_name = Nom de connexion
field_vat_id = Numéro de TVA
field_vat_number = Numéro de TVA

value_active = Actif
value_annual = Annuel
value_annually = Annuel
value_cancelled = Annulé
value_canceled = Annulé
value_completed = Terminé
value_deleted = Supprimé
value_disabled = Désactivé
value_enabled = Activé
value_expired = Expiré
value_inactive = Inactif
value_monthly = Mensuel
value_none = Aucun
value_one_time = Unique
value_pending = En attente
value_quarterly = Trimestriel
value_suspended = Suspendu
value_trial = Essai
value_triennial = Triennal
value_yearly = Annuel

## Counts

overview = Vue d’ensemble
activities =
    { $count ->
        [one] { $count } activité
       *[other] { $count } activités
    }
activitiesSoFar =
    { $count ->
        [one] Au moins { $count } activité
       *[other] Au moins { $count } activités
    }
counting = Comptage en cours…
countOn = Poursuivre le comptage
countStop = Arrêter le comptage
countFailed = Les activités n’ont pas pu être comptées.
countAgain = Nouveau comptage
zoomOut = Zoom arrière
histogram = Activités au fil du temps
histogramHint = Cliquez ou faites glisser pour zoomer.
histogramKeys = Les flèches gauche et droite passent d’une barre à l’autre. Entrée zoome. Majuscule et une flèche sélectionnent plusieurs barres, et Échap annule la sélection.
histogramLegend = Statuts
histogramBar = { $period } · { $number } : { $parts }
histogramNoBar = { $period } · { $number }
histogramPart = { $status } { $count }
histogramChoice = { $from } à { $to }
histogramTable = Tableau
facets = Filtres chiffrés
facetsChosen =
    { $count ->
        [one] Filtres avec décompte ({ $count } choisi)
       *[other] Filtres avec décompte ({ $count } choisis)
    }
facetMore =
    { $count ->
        [one] { $count } autre
       *[other] { $count } autres
    }
facetFind = { $facet } : recherche
facetFindHint = Recherche
facetNot = Exclure { $value }
facetNone = Aucune valeur ne contient « { $text } ».
facetSearching = Recherche en cours…
facetFailed = La recherche a échoué. Modifiez le texte pour réessayer.

## Exports et vues enregistrées

exportCounting = Comptage des lignes…
exportCounted =
    { $count ->
        [one] { $count } ligne
       *[other] { $count } lignes
    }
exportCountedAtLeast =
    { $count ->
        [one] Au moins { $count } ligne
       *[other] Au moins { $count } lignes
    }
exportCountedLines =
    { $count ->
        [one] { $count } activité, avec une ligne du fichier par ligne de commande
       *[other] { $count } activités, avec une ligne du fichier par ligne de commande
    }
exportCountedLinesAtLeast =
    { $count ->
        [one] Au moins { $count } activité, avec une ligne du fichier par ligne de commande
       *[other] Au moins { $count } activités, avec une ligne du fichier par ligne de commande
    }
monthlyExports = Exports mensuels
otherExports = Exports à la demande
noMonthlyExports = Aucun export mensuel pour l’instant. La planification ci-dessous les produit.
lateVersion = Version { $version } : activités enregistrées plus tard
withLines = une ligne par ligne de commande
withoutDetails = sans les détails
compressed = compressé
downloadStarted = Le téléchargement a commencé.
scheduleFilters = Activités à exporter
filtersAll = Toutes les activités
filtersOfLog = Comme dans le journal : { $filters }
filtersOfView = { $name } : { $filters }
scheduleFromDefault = Mois précédent
monthRange = de { $first } à { $last }
scheduleDue = À produire dans l’heure : { $months }
scheduleNextDay = Prochain export : { $month }, le { $day }
recipientWrong = « { $recipient } » n’est ni une adresse e-mail ni une adresse commençant par https://. Corrigez-la ou retirez-la.
recipientsTooMany = Il y a plus de dix destinataires. Retirez-en.
recipientRefused = « { $recipient } » ne peut pas être prévenu d’ici. Indiquez une adresse publique commençant par https:// ou, si ce service envoie des e-mails, une adresse e-mail.
monthRefused = La planification ne peut pas commencer ce mois-là. Choisissez un mois antérieur.
zoneRefused = Le service ne connaît pas ce fuseau horaire. Choisissez-en un autre.
savedViews = Vues enregistrées
noViews = Aucune vue n’est enregistrée dans ce navigateur pour l’instant.
thisView = Cette vue
viewName = Nom
saveView = Enregistrer cette vue
copyViewLink = Copier un lien vers cette vue
viewAsSchedule = L’exporter chaque mois…
viewNameMissing = Indiquez un nom.
viewsTooMany = Ce navigateur conserve 50 vues au plus. Supprimez-en une d’abord.
viewSaved = « { $name } » est enregistrée dans ce navigateur.
viewsNotKept = Ce navigateur n’enregistre pas de vues. Copiez plutôt le lien.
scheduleView = Exporter chaque mois…
renameView = Renommer
deleteView = Supprimer
ofView = { $action } : { $name }
viewDeleted = « { $name } » a été supprimée.
undo = Annuler la suppression

## Audit

view_audit = Audit
view_data = Données et conservation
auditIntro = Qui a consulté, exporté ou modifié quoi, et ce qui a été refusé. Une consultation donne une entrée par personne et par heure.
target_route = route de l’API
target_audit = audit
target_client = application cliente
target_details = détails
target_erasure = effacement
target_hold = gel juridique
target_log = journal
target_month = mois
target_retention = conservation
target_schedule = export mensuel
target_secret = secret
target_settings = paramètres

## Conservation, gels et effacements

erasedGroups = Effacé : { $groups }
erasureOrder = Effacement
fieldMissing = À renseigner.
retentionTitle = Conservation
retentionIs = Les activités sont conservées pendant { $length }.
forEver = une durée illimitée
usualTime = la durée par défaut de l’installation
retentionDefault = C’est la durée par défaut de cette installation.
retentionPending = À partir du { $day } : { $length }.
updatedBy = Modifié le { $time } par { $name }.
monthEnded = Échu le { $ended }. Supprimé après le { $deleted }.
monthsDeleting = Suppression en cours : { $months }.
monthsDeleted = Supprimés : { $months }.
retentionLabel = Conserver les activités pendant
retentionHint = Un mois arrive à échéance en entier (UTC). Une durée plus courte prend effet au bout de 30 jours. Les données d’un mois échu sont supprimées au moins 30 jours plus tard.
retentionCheck = Voir les mois qui seraient échus
retentionEndsNone = Aucun mois n’arrive à échéance.
retentionEnds =
    { $count ->
        [one] Ce mois arrive à échéance : { $months }.
       *[other] Ces mois arrivent à échéance : { $months }.
    }
retentionCost = coût de la suppression : { $cost } au plus
holdsTitle = Gels juridiques
holdsIntro = Ce que couvre un gel actif n’arrive pas à échéance et n’est ni supprimé ni effacé.
holdDatesHint = Une date laissée vide ne fixe pas de limite. Fuseau horaire : { $zone }
holdCustomersHint = Un ID par ligne. Vide : tous les clients.
holdAll = Tous les clients
holdReleased = Levé
holdPlacedBy = Mis en place le { $time } par { $name }
holdReleasedBy = Levé le { $time } par { $name }
holdLeftOut = Sauf { $months } : la suppression avait commencé.
holdPlace = Mettre en place un gel
holdRest = Geler le reste
holdIsPlaced = Le gel est actif.
holdRelease = Lever le gel…
holdReleaseAsk = Ce que ce gel retenait reprendra : échéances, suppressions et effacements.
holdReleaseNow = Lever maintenant
holdIsReleased = Le gel est levé.
erasuresTitle = Effacements
erasuresIntro = Un effacement retire des champs des activités enregistrées. L’action, le statut et les dates restent.
noneThere = Rien pour l’instant.
erasureWaits = Retenu par un gel
erasureActivities = Activités
erasureHeld = Couvertes par un gel
erasureMentions = Autres mentions
erasureExports = Exports retirés
erasureOf = Porte sur
erasureSingle = Certaines activités
erasureIdHint = Pour certaines activités : un lien vers chacune, un par ligne.
erasureGroups = Champs à effacer
erasureOrigin = Adresse IP et navigateur
erasureReason = Motif de l’effacement
erasureReasonHint = Il est conservé : n’y nommez personne.
erasureNew = Effacer des données
erasureCheck = Compter d’abord
erasureWarning = Cette opération est irréversible. Ce qu’un gel couvre est effacé à la levée du gel. Les autres mentions restent, sauf si vous effacez aussi les détails et les modifications.
erasureConfirm = Pour confirmer, saisissez { $text }
erasureNow = Effacer définitivement

## Personnes qui ne voient que certains clients

exportsOwn = Les exports que votre compte peut télécharger. Votre compte ne voit que certains clients.
scheduleRestricted = L’export mensuel porte sur tous les clients. Votre compte n’en voit que certains : il ne peut donc pas le gérer.

## Flux

view_streams = Flux
streamsIntro = Un flux envoie les activités à l’un de vos systèmes, deux à trois minutes après leur enregistrement.
streamsFull = Il y a dix flux, le maximum. Supprimez-en un pour en créer un autre.
streamNew = Nouveau flux
streamChange = Modifier
streamPause = Mettre en pause
streamResume = Reprendre
streamTest = Envoyer un test
streamReplay = Renvoyer
streamRole = Rôle et politiques
streamRemove = Supprimer…
streamRemoveAsk = Le flux n’enverra plus rien, et un nouveau flux ne reprendra pas là où celui-ci s’est arrêté. Ce qui a été envoyé reste à destination.
streamRemoveNow = Supprimer maintenant
streamRemoved = « { $name } » a été supprimé.
destination = Destination
kind_https = Serveur HTTPS
kind_eventbridge = Bus EventBridge
kind_s3 = Compartiment S3
streamFraming = Forme d’une requête
framing_array = Tableau JSON
framing_lines = JSON, une activité par ligne
framing_splunk_hec = Splunk HTTP Event Collector
framing_slack = Messages Slack
framing_teams = Messages Microsoft Teams
streamFormat = Format d’une activité
streamFormat_daybook = JSON de Daybook
streamFormat_ocsf = OCSF 1.5.0
streamUrl = URL
streamHeaders = En-têtes
streamHeadersHint = Un par ligne, sous la forme Nom:valeur. Les valeurs ne sont plus jamais affichées.
streamHeadersKept = Conservés : { $names }. Les lignes saisies ici les remplacent tous.
streamHeadersDrop = Supprimer les en-têtes conservés
streamHeaderLine = La ligne { $line } ne contient pas d’en-tête. Écrivez son nom, deux-points et sa valeur.
streamHeadersMany = Il y a plus de dix en-têtes. Retirez-en.
streamHeaderRefused = L’en-tête « { $name } » ne peut pas être envoyé. Le service définit lui-même certains en-têtes, comme Host et Content-Type. Une valeur ne contient que des caractères ASCII visibles.
streamHeadersMoved = L’URL mène à un autre serveur. Saisissez de nouveau les en-têtes, ou supprimez-les.
busArn = ARN du bus d’événements
bucket = Nom du compartiment
prefix = Préfixe des clés
prefixHint = Facultatif, terminé par une barre oblique : logs/daybook/
roleArn = ARN du rôle
roleHint = Un rôle de votre propre compte. Après l’enregistrement, cette page affiche ses politiques.
refused_url = Le service ne peut pas envoyer à cette URL. Indiquez une adresse publique commençant par https://.
refused_bus_arn = Indiquez l’ARN d’un bus d’événements de votre propre compte, comme arn:aws:events:eu-west-3:123456789012:event-bus/security.
refused_bucket = Indiquez le nom d’un de vos compartiments, comme contoso-activity.
refused_prefix = Indiquez un préfixe comme logs/daybook/, terminé par une barre oblique, sans espace ni accent.
refused_role_arn = Indiquez l’ARN d’un rôle de votre propre compte, comme arn:aws:iam::123456789012:role/daybook.
streamFilters = Activités à envoyer
streamMask = Champs omis
stream_active = Actif
stream_paused = En pause
stream_failing = En échec
stream_stopped = Arrêté
streamUpToDate = À jour
streamLag = En retard de { $duration }
streamThrough = Livré : tout ce qui a été enregistré avant le { $time }
streamError = Dernière erreur, le { $time } :
streamNext = Prochaine tentative le { $time }
streamGone = La destination a répondu qu’elle n’existe plus.
streamGaveUp = Toutes les tentatives ont échoué pendant { $hours } heures.
streamStopHint = Corrigez la destination, puis reprenez le flux. Rien n’est perdu.
testing = Envoi d’un test…
testAccepted = La destination a accepté le test à { $time }.
testRefused = Le test n’est pas arrivé :
testLate = Le test n’a pas encore de réponse. L’état ci-dessus l’indiquera plus tard.
replayIntro = Le flux renvoie les activités de cette période, selon la date à laquelle elles sont survenues. Sans dernier jour, il les renvoie jusqu’à maintenant. Fuseau horaire : { $zone }
replayStart = Renvoyer maintenant
replayAsked = Démarrage…
replayBegun = Le renvoi commence dans la minute.
replayRuns = Renvoi ({ $period }) : { $activities } pour l’instant
replayDone = Renvoi ({ $period }) : { $activities }, terminé le { $time }
replayEnded = Le renvoi est terminé : { $activities }.
roleIntro = Faites en sorte que votre rôle approuve ce service et puisse écrire à destination. Envoyez ensuite un test.
externalId = ID externe
trustPolicy = Politique d’approbation du rôle
rolePermission = Autorisation du rôle
