### Les textes de la page, en français. Fluent : https://projectfluent.org/fluent/guide/

title = Journal d'activité
skip = Aller au journal d'activité
language = Langue
signIn = Se connecter
signOut = Se déconnecter
signInFailed = La connexion a échoué ({ $reason }). Réessayez ; si l'échec se répète, adressez-vous à un administrateur de votre société.
signInStale = Cette connexion a été commencée ailleurs, ou il y a trop longtemps. Reconnectez-vous.
signInBlocked = Ce navigateur n'a pas pu ouvrir de session ici. Autorisez les cookies et le stockage pour cette page, ouvrez-la en https et réessayez.
noPartner = Votre compte n'est rattaché à aucun partenaire : il n'y a pas de journal à afficher. Adressez-vous à un administrateur de votre société, ou déconnectez-vous et utilisez un autre compte.

from = Du
to = Au
timeZone = Fuseau horaire
show = Afficher
dayMissing = Indiquez une date.
rangeReversed = Le dernier jour précède le premier. Choisissez-en un plus tardif.
rangeTooLong = Cela fait plus de { $days } jours. Choisissez une période plus courte.
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
none = Aucune activité ne correspond. Choisissez d'autres dates ou retirez un filtre.
status = Statut
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
total = Total
otherDetails = Autres détails
yes = oui
no = non
empty = (vide)
copy = Copier en JSON
copied = Copié.
copyFailed = Le navigateur n'a pas autorisé la copie.

export = Exporter le journal
exportReady =
    { $count ->
        [one] L'export est prêt à télécharger : { $count } ligne.
       *[other] L'export est prêt à télécharger : { $count } lignes.
    }
exportEnded = L'export s'est terminé sans fichier. La liste dit pourquoi.
exportLost = La connexion est interrompue. L'export continue ; nouvelle tentative dans un instant.
exportFailedHint = Relancez l'export ; si l'échec se répète, prévenez l'exploitant.
noExports = Il n'y a pas encore d'export.
moreExports = Afficher d'autres exports
requested = Demandé le
by = Par
period = Période
rows = Lignes
size = Taille
files = Fichiers
download = Télécharger { $name }
until = jusqu'au { $time }
export_pending = En attente
export_running = En préparation
export_ready = Prêt
export_failed = Échec
export_expired = Expiré
export_cancelled = Annulé
error401 = Votre session est terminée. Reconnectez-vous.
error403 = Votre rôle ne le permet pas. Demandez un rôle qui le permet à un administrateur de votre société.
error404 = Il n'y a rien ici, ou votre compte ne peut pas le voir. Vérifiez que vous êtes connecté avec le bon compte.
error409 = Ce n'est pas encore prêt. Patientez un instant et réessayez.
error410 = Ce fichier a expiré. Relancez l'export.
error429 = Trop de demandes. Patientez un instant et réessayez.
error503 = Le service est momentanément indisponible. Patientez un instant et réessayez.
errorOurs = Le service a un problème. Réessayez dans une minute ; si cela persiste, prévenez l'exploitant.
errorOther = Cela n'a pas fonctionné.
reference = Référence : { $trace }
offline = Pas de connexion au service. Vérifiez votre réseau et réessayez.
retry = Réessayer

# La page

signInFirst = Voyez ce qui a été fait sur les comptes de vos clients, par qui et quand.
sessionOver = Votre session est terminée. Reconnectez-vous : vos dates et vos filtres sont conservés.
views = Vues
view_log = Journal
view_exports = Exports

# Période et filtres

filters = Période et filtres
quickPeriods = Périodes rapides
quick_recent = Depuis un mois
quick_today = Aujourd'hui
quick_week = 7 jours
quick_thisMonth = Ce mois-ci
quick_lastMonth = Mois précédent
quick_quarter = 3 mois
quick_year = 12 mois
zone_partner = Partenaire : { $zone }
zone_mine = Le mien : { $zone }
customerFilter = ID du client
userFilter = ID de l'utilisateur
search = Texte
searchHint = Nom, ID ou action
anyAction = Toutes les actions
anyStatus = Tous les statuts
clearFilters = Effacer les filtres
order = Ordre
order_desc = Plus récentes d'abord
order_asc = Plus anciennes d'abord

# La liste

caption = Activités du { $from } au { $to }, { $zone }
andMore = La suite arrive en faisant défiler.
andThatIsAll = C'est tout.
completeThrough = Complet jusqu'au { $time }
more = Afficher la suite
noneYet = Rien trouvé jusqu'ici. Affichez la suite pour chercher plus loin.
stillLoading = Chargement… { $count } jusqu'ici.
slow = C'est plus long que d'habitude. Patientez, ou arrêtez et choisissez une période plus courte.
stop = Arrêter
details = détails
subscriptionsOf = { $customer } : abonnements (nouvel onglet)
customerLabel = Client
lineLink = Abonnement { $id } (nouvel onglet)

# Exports

exportTitle = Exporter le journal
exportPeriod = Tout ce qui s'est passé du { $from } au { $to } ({ $zone })
exportFilters = Seulement : { $filters }
exportNoFilters = Aucun filtre : toutes les activités de la période.
formatLabel = Fichier
format_csv = CSV
format_xlsx = Classeur Excel
format_jsonl = JSON, une activité par ligne
formatHint_csv = S'ouvre directement dans Excel : séparateur et dates selon la langue.
formatHint_xlsx = Les dates sont des dates, les clients mènent à leurs abonnements.
formatHint_jsonl = Tout, une activité par ligne, pour les programmes.
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
exportAsked = Demande d'export…
exportStarted = Votre export est en préparation. Continuez à travailler, ou quittez la page et revenez.
cancelExport = Annuler cet export
exportCancelled = L'export est annulé.
monthly = Export mensuel
version = version { $version }
exportsIntro = Fichiers demandés ici ou produits chaque mois. Qui peut lire le journal peut les télécharger.

# La planification mensuelle

scheduleTitle = Export mensuel
scheduleIntro = Chaque mois est exporté automatiquement une fois terminé, dans le fuseau horaire choisi.
scheduleDenied = L'export mensuel est géré par les administrateurs généraux, les agents d'administration et les administrateurs de facturation. Vous pouvez télécharger les fichiers qu'il produit.
scheduleEnabled = Exporter chaque mois
scheduleFrom = Premier mois
scheduleNotify = Prévenir
scheduleNotifyHint = Adresses comme https://… ou mailto:…, une par ligne.
scheduleNext = Prochain : { $month }, le { $time }
scheduleOff = Aucun mois n'est exporté automatiquement.
save = Enregistrer
saving = Enregistrement…
saved = Enregistré.
