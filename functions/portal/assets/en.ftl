### The texts of the page, in English. Fluent: https://projectfluent.org/fluent/guide/

title = Activity log
skip = Skip to the activity log
language = Language
signIn = Sign in
signOut = Sign out
signInFailed = Sign-in failed ({ $reason }). Try again. If it fails again, ask an administrator of your company.
signInStale = This sign-in was started in another tab or browser, or too long ago. Sign in again.
signInBlocked = This browser could not sign in here. Allow cookies and storage for this page, open it by https, and try again.
noPartner = Your account does not belong to a partner, so there is no log to show. Ask an administrator of your company, or sign out and use another account.

from = From
to = To
timeZone = Time zone
show = Show
dayMissing = Enter a date.
rangeReversed = The last day is before the first. Choose a later one.
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
reason = Reason
actorType = User type
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
target_order = order
target_subscription = subscription
target_user = user
target_customer = customer
target_partner_user = partner user
target_invoice = invoice
target_agreement = agreement
target_licence = licence
target_support_request = support request
target_device = device
target_policy = policy
target_referral = referral
target_transfer = transfer
occurredAt = Occurred
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
line_sku = SKU
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
downloadDetails = Download the details ({ $size })

export = Export log
exportReady =
    { $count ->
        [one] The export is ready to download: { $count } row.
       *[other] The export is ready to download: { $count } rows.
    }
exportEnded = The export ended without a file. The list of exports says why.
exportLost = The connection was lost. The export continues. Checking again in a moment.
exportFailedHint = Export again. If it fails again, contact the operator of this service.
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
export_running = In progress
export_ready = Ready
export_failed = Failed
export_expired = Expired
export_cancelled = Cancelled
error401 = Your session has ended. Sign in again.
error403 = Your role does not allow this. Ask an administrator of your company for a role that does.
error404 = Nothing was found here, or your account has no access to it. Check that you signed in with the right account.
error409 = This is not ready yet. Wait a moment and try again.
error410 = This file has expired. Export again.
error429 = Too many requests. Wait a moment and try again.
error503 = The service is briefly unavailable. Wait a moment and try again.
errorOurs = The service has a problem. Try again in a minute. If the problem continues, contact the operator of this service.
errorOther = This request failed.
reference = Reference: { $trace }
offline = No connection to the service. Check your network and try again.
retry = Try again

# The page

signInFirst = See who did what to your customers' accounts, and when.
sessionOver = Your session has ended. Sign in again. Your dates and filters are kept.
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
andThatIsAll = End of the list.
completeThrough = Complete through { $time }
more = Show more
noneYet = No match so far. Show more to search further.
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
formatHint_csv = Opens correctly in Excel: separator and dates follow the language.
formatHint_xlsx = Dates are dates, customers link to their subscriptions.
formatHint_jsonl = Everything, one activity per line, for programs.
rowsLabel = One row for each
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
exportAsked = Requesting the export…
exportStarted = Your export is being prepared. You can continue to work, or leave and come back.
exportProgress = Your export is being prepared: { $percent } done.
cancelExport = Cancel this export
exportCancelled = The export was cancelled.
monthly = Monthly export
version = version { $version }
exportsIntro = Exports requested here, and monthly exports. Everyone who may read the log may download them.

# The monthly schedule

scheduleTitle = Monthly export
scheduleIntro = Each month is exported automatically after it has ended, in the time zone you choose.
scheduleDenied = Global admins, admin agents and billing admins manage the monthly export. You can download its files.
scheduleEnabled = Export every month
scheduleFrom = First month
scheduleNotify = Recipients
scheduleNotifyHint = One address per line: https://… or mailto:…
scheduleNext = Next: { $month }, on { $time }
scheduleOff = No month is exported automatically.
save = Save
saving = Saving…
saved = Saved.
results = Latest monthly exports
month = Month
told = Notified
nobody = Nobody
delivery_pending = Not notified yet
delivery_delivered = Notified
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
secretIntro = Your receiver uses this secret to check that messages come from here. Anyone who knows it can forge messages, so share it with nobody else.
showSecret = Show the secret
secretShown = Copy it now: it is hidden again when you leave this view.
copySecret = Copy the secret
hide = Hide
replaceSecret = Replace the secret…
replaceSecretWarning = A new secret signs messages from now on. The current secret also signs for one more day. Give your receiver the new one by then.
replaceSecretNow = Replace now
secretReplaced = Replaced. Copy the new one now: it is hidden again when you leave this view.
secretBefore = The previous secret also signs until { $time }.

## Counts

overview = Overview
activities =
    { $count ->
        [one] { $count } activity
       *[other] { $count } activities
    }
activitiesSoFar =
    { $count ->
        [one] At least { $count } activity
       *[other] At least { $count } activities
    }
counting = Counting…
countOn = Count further
countStop = Stop counting
countFailed = The activities could not be counted.
countAgain = Count again
zoomOut = Zoom out
histogram = Activities over time
histogramHint = Click a bar or drag to zoom in.
histogramKeys = The left and right arrow keys move between bars. Enter zooms in. Shift with an arrow key selects several bars, and Escape cancels the selection.
histogramLegend = Statuses
histogramBar = { $period } · { $number }: { $parts }
histogramNoBar = { $period } · { $number }
histogramPart = { $status } { $count }
histogramChoice = { $from } to { $to }
histogramTable = Table
facets = Filters with numbers
facetsChosen =
    { $count ->
        [one] Filters with numbers ({ $count } chosen)
       *[other] Filters with numbers ({ $count } chosen)
    }
facetMore =
    { $count ->
        [one] { $count } more
       *[other] { $count } more
    }
facetFind = { $facet }: find
facetFindHint = Find
facetNot = Exclude { $value }
facetNone = Nothing contains “{ $text }”.
facetSearching = Searching…
facetFailed = The search failed. Type again.
