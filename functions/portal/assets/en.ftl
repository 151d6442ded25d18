### The texts of the page, in English. Fluent: https://projectfluent.org/fluent/guide/

title = Activity log
skip = Skip to the activity log
language = Language
signIn = Sign in
signOut = Sign out
signInFailed = Signing in did not work ({ $reason }). Try again; if it fails again, ask an administrator of your company.
signInStale = This sign-in was started elsewhere, or too long ago. Sign in again.
signInBlocked = This browser could not sign in here. Allow cookies and storage for this page, open it by https, and try again.
noPartner = Your account belongs to no partner, so there is no log to show. Ask an administrator of your company, or sign out and use another account.

from = From
to = To
timeZone = Time zone
show = Show
dayMissing = Enter a date.
rangeReversed = The last day is before the first. Choose a later one.
rangeTooLong = This is more than { $days } days. Choose a shorter range.
dateTime = Date and time
customer = Affected customer
action = Action
user = Partner user
noCustomer = None
status_succeeded = Succeeded
status_failed = Failed
status_declined = Declined
status_in_progress = In progress
loading = Loading…
shown =
    { $count ->
        [one] { $count } activity shown.
       *[other] { $count } activities shown.
    }
none = No activity matches. Choose other dates, or remove a filter.
status = Status
actorType = Kind of user
actor_application = Application
actor_system = System
actor_customer = Customer
role = Role
role_global_admin = Global admin
role_admin_agent = Admin agent
role_billing_admin = Billing admin
role_user_management_admin = User management admin
role_sales_agent = Sales agent
role_helpdesk_agent = Helpdesk agent
address = IP address
agent = Browser or program
target = Target
occurredAt = Happened
recordedAt = Recorded
correlation = Correlation ID
source = Source
actionId = Action ID
activityId = Activity ID
changes = Changes
field = Field
before = Before
after = After
lines = Order lines
line_line = Line
line_product = Product
line_name = Name
line_quantity = Quantity
line_unit_price = Unit price
line_amount = Amount
line_currency = Currency
line_term = Term
line_subscription_id = Subscription ID
moreLines =
    { $count ->
        [one] Show more ({ $count } line left)
       *[other] Show more ({ $count } lines left)
    }
moreEntries =
    { $count ->
        [one] Show more ({ $count } entry left)
       *[other] Show more ({ $count } entries left)
    }
moreText =
    { $count ->
        [one] Show more ({ $count } character left)
       *[other] Show more ({ $count } characters left)
    }
nested =
    { $count ->
        [one] Show { $count } entry
       *[other] Show { $count } entries
    }
total = Total
otherDetails = Other details
yes = yes
no = no
empty = (empty)
copy = Copy as JSON
copied = Copied.
copyFailed = The browser did not allow copying.

export = Export log
exportReady =
    { $count ->
        [one] The export is ready to download: { $count } row.
       *[other] The export is ready to download: { $count } rows.
    }
exportEnded = The export ended without a file. The list of exports says why.
exportLost = The connection was lost. The export goes on; asking again in a moment.
exportFailedHint = Export again; if it fails again, tell the operator of this service.
noExports = There are no exports yet.
moreExports = Load more exports
requested = Requested
by = By
period = Period
rows = Rows
size = Size
files = Files
download = Download { $name }
until = Available until { $time }
export_pending = Waiting
export_running = Being made
export_ready = Ready
export_failed = Failed
export_expired = Expired
export_cancelled = Cancelled
error401 = Your session has ended. Sign in again.
error403 = Your role does not allow this. Ask an administrator of your company for a role that does.
error404 = There is nothing here, or your account may not see it. Check that you signed in with the right account.
error409 = This is not ready yet. Wait a moment and try again.
error410 = This file has expired. Export again.
error429 = Too many requests. Wait a moment and try again.
error503 = The service is briefly unavailable. Wait a moment and try again.
errorOurs = The service has a problem. Try again in a minute; if it stays, tell the operator of this service.
errorOther = This did not work.
reference = Reference: { $trace }
offline = No connection to the service. Check your network and try again.
retry = Try again

# The page

signInFirst = See what was done on your customers' accounts, by whom and when.
sessionOver = Your session has ended. Sign in again: your dates and filters are kept.
views = Views
view_log = Log
view_exports = Exports

# Period and filters

moreFilters = More filters
filters = Period and filters
quickPeriods = Quick periods
quick_recent = Most recent month
quick_today = Today
quick_week = 7 days
quick_thisMonth = This month
quick_lastMonth = Last month
quick_quarter = 3 months
quick_year = 12 months
zone_partner = Partner's: { $zone }
zone_mine = Mine: { $zone }
customerFilter = Customer
userFilter = User
search = Search
searchHint = Name, ID or action
quoted = “{ $text }”
pickHint = Name or ID
anyAction = All actions
anyStatus = All statuses
clearFilters = Clear filters
order = Order
order_desc = Newest first
order_asc = Oldest first

# The list

caption = Activity from { $from } to { $to }, { $zone }
andMore = More follow as you scroll.
andThatIsAll = That is all.
completeThrough = Complete through { $time }
more = Show more
noneYet = Nothing found so far. Show more to search further.
stillLoading = Loading… { $count } so far.
slow = This takes longer than usual. Wait, or stop and choose a shorter period.
stop = Stop
stopped = Stopped. Choose a shorter period, or try again.
details = details
subscriptionsOf = { $customer }: subscriptions (opens a new tab)
customerLabel = Customer
lineLink = Subscription { $id } (opens a new tab)

# Exports

exportTitle = Export the log
exportPeriod = Everything from { $from } to { $to } ({ $zone })
exportFilters = Only: { $filters }
exportNoFilters = No filters: every activity of the period.
formatLabel = File format
format_csv = CSV
format_xlsx = Excel workbook
format_jsonl = JSON lines
formatHint_csv = Opens right in Excel: separator and dates follow the language.
formatHint_xlsx = Dates are dates, customers link to their subscriptions.
formatHint_jsonl = Everything, one activity a line, for programs.
rowsLabel = A row for each
rows_activities = activity
rows_lines = line of an order
fileLanguage = Language of the file
language_en = English
language_fr = Français
gzip = Compress (gzip)
withDetails = Include details
startExport = Export
cancel = Cancel
close = Close
exportAsked = Asking for the export…
exportStarted = Your export is being made. Go on working, or leave and come back.
exportProgress = Your export is being made: { $percent } done.
cancelExport = Cancel this export
exportCancelled = The export was cancelled.
monthly = Monthly export
version = version { $version }
exportsIntro = Files made here or by the monthly schedule. Whoever may read the log may download them.

# The monthly schedule

scheduleTitle = Monthly export
scheduleIntro = Each month is exported by itself after it has ended, in the time zone you choose.
scheduleDenied = The monthly schedule is managed by global admins, admin agents and billing admins. You can download the files that it makes.
scheduleEnabled = Export every month
scheduleFrom = First month
scheduleNotify = Whom to tell
scheduleNotifyHint = One address a line: https://… or mailto:…
scheduleNext = Next: { $month }, on { $time }
scheduleOff = No month is exported by itself.
save = Save
saving = Saving…
saved = Saved.
results = Latest monthly exports
month = Month
told = Told
nobody = Nobody
delivery_pending = Not told yet
delivery_delivered = Told
delivery_failed = Given up
attempts =
    { $count ->
        [one] { $count } attempt
       *[other] { $count } attempts
    }
lastAttempt = last on { $time }
nextAttempt = next on { $time }
answered = answered { $status }
secretTitle = Signing secret
secretIntro = Your receiver checks with it that messages come from here. Whoever has it can forge messages: give it to nobody else.
showSecret = Show the secret
secretShown = Copy it now: it is hidden again when you leave this view.
copySecret = Copy the secret
hide = Hide
replaceSecret = Replace the secret…
replaceSecretWarning = A new secret signs from now on. The present one signs as well for one more day: give your receiver the new one by then.
replaceSecretNow = Replace now
secretReplaced = Replaced. Copy the new one now: it is hidden again when you leave this view.
secretBefore = The secret before it signs as well until { $time }.
