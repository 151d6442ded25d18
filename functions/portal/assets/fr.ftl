### Les textes de la page, en français. Fluent : https://projectfluent.org/fluent/guide/

title = Journal d'activité
skip = Aller au journal d'activité
language = Langue
signIn = Se connecter
signOut = Se déconnecter
signInFailed = La connexion a échoué ({ $reason }). Réessayez ; si le problème persiste, adressez-vous à un administrateur de votre société.
signInStale = Cette connexion a été commencée ailleurs, ou il y a trop longtemps. Reconnectez-vous.
signInBlocked = Ce navigateur n'a pas pu ouvrir de session ici. Autorisez les cookies et le stockage pour cette page, ouvrez-la en HTTPS, puis réessayez.
noPartner = Votre compte n'est rattaché à aucun partenaire : il n'y a pas de journal à afficher. Adressez-vous à un administrateur de votre société, ou déconnectez-vous et utilisez un autre compte.

from = Du
to = Au
timeZone = Fuseau horaire
show = Afficher
dayMissing = Indiquez une date.
rangeReversed = La date de fin précède la date de début. Choisissez une date de fin plus tardive.
dateTime = Date et heure
customer = Client concerné
action = Action
user = Utilisateur partenaire
noCustomer = Aucun
status_succeeded = Réussie
status_failed = Échouée
status_declined = Refusée
status_in_progress = En cours
loading = Chargement…
shown =
    { $count ->
        [one] { $count } activité affichée.
       *[other] { $count } activités affichées.
    }
none = Aucune activité ne correspond à votre recherche. Choisissez d'autres dates ou retirez un filtre.
status = Statut
reason = Motif
actorType = Type d'utilisateur
actor_application = Application
actor_system = Système
actor_customer = Client
role = Rôle
role_global_admin = Administrateur général
role_admin_agent = Agent d'administration
role_billing_admin = Administrateur de facturation
role_user_management_admin = Administrateur des utilisateurs
role_sales_agent = Agent commercial
role_helpdesk_agent = Agent d'assistance
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
target_support_request = demande d'assistance
target_device = appareil
target_policy = stratégie
target_referral = référence
target_transfer = transfert
occurredAt = Survenue le
recordedAt = Enregistrée le
correlation = ID de corrélation
source = Source
actionId = ID de l'action
activityId = ID de l'activité
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
line_subscription_id = ID de l'abonnement
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
copyFailed = Le navigateur n'a pas autorisé la copie.
downloadDetails = Télécharger les détails ({ $size })

export = Exporter le journal
exportReady =
    { $count ->
        [one] L'export est prêt à télécharger : { $count } ligne.
       *[other] L'export est prêt à télécharger : { $count } lignes.
    }
exportEnded = L'export s'est terminé sans produire de fichier. La raison figure dans la liste des exports.
exportLost = Connexion interrompue. L'export se poursuit ; nouvelle vérification dans un instant.
exportFailedHint = Relancez l'export ; si l'échec se répète, prévenez l'exploitant du service.
noExports = Aucun export pour l'instant.
moreExports = Afficher d'autres exports
requested = Demandé le
by = Par
period = Période
rows = Lignes
size = Taille
files = Fichiers
download = Télécharger { $name }
until = Disponible jusqu'au { $time }
export_pending = En attente
export_running = En préparation
export_ready = Prêt
export_failed = Échec
export_expired = Expiré
export_cancelled = Annulé
error401 = Votre session a expiré. Reconnectez-vous.
error403 = Votre rôle ne vous y autorise pas. Demandez à un administrateur de votre société de vous attribuer un rôle qui le permet.
error404 = Élément introuvable, ou inaccessible avec votre compte. Vérifiez que vous êtes connecté avec le bon compte.
error409 = Ce n'est pas encore prêt. Patientez un instant, puis réessayez.
error410 = Ce fichier a expiré. Relancez l'export.
error429 = Trop de requêtes. Patientez un instant, puis réessayez.
error503 = Le service est momentanément indisponible. Patientez un instant, puis réessayez.
errorOurs = Le service rencontre un problème. Réessayez dans une minute ; si le problème persiste, prévenez l'exploitant du service.
errorOther = L'opération n'a pas abouti.
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

moreFilters = Plus de filtres
filters = Période et filtres
quickPeriods = Périodes rapides
quick_recent = Depuis un mois
quick_today = Aujourd'hui
quick_week = 7 jours
quick_thisMonth = Ce mois-ci
quick_lastMonth = Mois précédent
quick_quarter = 3 mois
quick_year = 12 mois
zone_partner = Partenaire : { $zone }
zone_mine = Le mien : { $zone }
customerFilter = Client
userFilter = Utilisateur
search = Recherche
searchHint = Nom, ID ou action
quoted = « { $text } »
pickHint = Nom ou ID
anyAction = Toutes les actions
anyStatus = Tous les statuts
clearFilters = Effacer les filtres
order = Tri
order_desc = Les plus récentes d'abord
order_asc = Les plus anciennes d'abord

# La liste

caption = Activités du { $from } au { $to }, { $zone }
andMore = Faites défiler pour afficher la suite.
andThatIsAll = Fin de la liste.
completeThrough = Données complètes jusqu'au { $time }
more = Afficher la suite
noneYet = Aucun résultat pour l'instant. Affichez la suite pour poursuivre la recherche.
stillLoading = Chargement… { $count } pour l'instant.
slow = Le chargement prend plus de temps que d'habitude. Patientez, ou arrêtez-le et choisissez une période plus courte.
stop = Arrêter
stopped = Chargement arrêté. Choisissez une période plus courte, ou réessayez.
details = détails
subscriptionsOf = { $customer } : abonnements (nouvel onglet)
customerLabel = Client
lineLink = Abonnement { $id } (nouvel onglet)

# Exports

exportTitle = Exporter le journal
exportPeriod = Activités du { $from } au { $to } ({ $zone })
exportFilters = Filtres : { $filters }
exportNoFilters = Aucun filtre : toutes les activités de la période.
formatLabel = Format du fichier
format_csv = CSV
format_xlsx = Classeur Excel
format_jsonl = JSON, une activité par ligne
formatHint_csv = S'ouvre directement dans Excel ; le séparateur et les dates suivent la langue choisie.
formatHint_xlsx = De vraies dates, et un lien de chaque client vers ses abonnements.
formatHint_jsonl = Toutes les données, une activité par ligne, à l'usage des programmes.
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
exportAsked = Demande d'export en cours…
exportStarted = Votre export est en préparation. Vous pouvez continuer à travailler, ou quitter la page et revenir plus tard.
exportProgress = Votre export est en préparation : { $percent } effectués.
cancelExport = Annuler cet export
exportCancelled = L'export a été annulé.
monthly = Export mensuel
version = version { $version }
exportsIntro = Exports demandés ici ou produits chaque mois. Toute personne autorisée à lire le journal peut les télécharger.

# La planification mensuelle

scheduleTitle = Export mensuel
scheduleIntro = Chaque mois est exporté automatiquement une fois terminé, selon le fuseau horaire choisi.
scheduleDenied = L'export mensuel est géré par les administrateurs généraux, les agents d'administration et les administrateurs de facturation. Vous pouvez télécharger les fichiers qu'il produit.
scheduleEnabled = Exporter chaque mois
scheduleFrom = Premier mois
scheduleNotify = Qui prévenir
scheduleNotifyHint = Une adresse par ligne : https://… ou mailto:…
scheduleNext = Prochain export : { $month }, le { $time }
scheduleOff = Aucun mois n'est exporté automatiquement.
save = Enregistrer
saving = Enregistrement…
saved = Enregistré.
results = Derniers exports mensuels
month = Mois
told = Destinataires
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
secretIntro = Il permet à votre récepteur de vérifier que les messages viennent d'ici. Quiconque le connaît peut falsifier des messages : ne le communiquez à personne d'autre.
showSecret = Afficher le secret
secretShown = Copiez-le maintenant : il sera de nouveau masqué dès que vous quitterez cette vue.
copySecret = Copier le secret
hide = Masquer
replaceSecret = Remplacer le secret…
replaceSecretWarning = Un nouveau secret signera désormais les messages. L'actuel reste valable un jour de plus : d'ici là, donnez le nouveau à votre récepteur.
replaceSecretNow = Remplacer maintenant
secretReplaced = Secret remplacé. Copiez le nouveau maintenant : il sera de nouveau masqué dès que vous quitterez cette vue.
secretBefore = L'ancien secret reste valable jusqu'au { $time }.

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
histogramBar = { $period } · { $number } : { $parts }
histogramNoBar = { $period } · { $number }
histogramPart = { $status } { $count }
histogramChoice = { $from } à { $to }
histogramTable = Tableau
facets = Filtres chiffrés
facetsChosen =
    { $count ->
        [one] Filtres chiffrés ({ $count } choisi)
       *[other] Filtres chiffrés ({ $count } choisis)
    }
facetMore =
    { $count ->
        [one] { $count } autre
       *[other] { $count } autres
    }
facetFind = { $facet } : recherche
facetFindHint = Recherche
facetNot = Exclusion de { $value }
facetNone = Rien ne contient « { $text } ».
facetSearching = Recherche en cours…
facetFailed = La recherche a échoué. Modifiez le texte pour réessayer.
