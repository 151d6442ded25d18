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

signInFirst = See who did what to your customers’ accounts, and when.
sessionOver = Your session has ended. Sign in again. Your dates and filters are kept.
views = Views
view_log = Log
view_exports = Exports

# Period and filters

quick_recent = Most recent month
quick_today = Today
quick_thisMonth = This month
quick_lastMonth = Last month
zone_partner = Partner’s: { $zone }
zone_mine = Mine: { $zone }
search = Search
searchHint = Name, ID or action
quoted = “{ $text }”
clearFilters = Clear filters
order = Order
order_desc = Newest first
order_asc = Oldest first

# The list

caption = Activity, { $period } ({ $zone })
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
exportFilters = Only: { $filters }
exportNoFilters = No filters: every activity of the period.
formatLabel = File format
format_csv = CSV
format_xlsx = Excel workbook
format_jsonl = JSON lines
formatHint_csv = Opens in Excel: separator, headings and decimal marks follow the language. Dates are written 2026-11-02 09:30:00 in both languages.
formatHint_xlsx = Dates are real dates, and customers link to their subscriptions. A first sheet has period, filters and totals.
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
version = version { $version }
exportsIntro = Exports requested here, and monthly exports. Everyone who may read the log may download them.

# The monthly schedule

scheduleTitle = Monthly export
scheduleIntro = Each month is exported automatically after it has ended, in the time zone you choose.
scheduleDenied = Global admins, admin agents and billing admins manage the monthly export. You can download its files.
scheduleEnabled = Export every month
scheduleFrom = First month
scheduleNotify = Recipients
scheduleNotifyHint = One on each line: an e-mail address, or https://… for a webhook
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

## List

skipToList = Skip to the list
display = Display
density = Rows
density_comfortable = Comfortable
density_compact = Compact
columns = Columns
columnsHint = Columns without room are left out.
keysHint = Keys: / search, j and k next and previous row, Enter open, Esc close.
print = Print
printing = Loading rows to print: { $count } so far…
printedAll =
    { $count ->
        [one] { $count } activity: all that match.
       *[other] { $count } activities: all that match.
    }
printedFirst = The first { $count } activities only. To get all of them, choose a shorter period or export the log.
printedLoaded = The first { $count } activities only. The button “Print” above the list loads up to { $most }.
newActivities =
    { $count ->
        [one] { $count } new activity
       *[other] { $count } new activities
    }
newAtLeast = At least { $count } new activities
orderLines =
    { $count ->
        [one] { $count } line
       *[other] { $count } lines
    }
changesLeft =
    { $count ->
        [one] and { $count } more change
       *[other] and { $count } more changes
    }

## Search

filterIs = { $name }: { $values }
filterNot = { $name }: not { $values }
filter_customer = Customer
filter_actor = User
filter_action = Action
filter_status = Status
filter_target_type = Type of target
filter_target = Target
filter_correlation = Correlation ID
filter_source = Source
rollingPeriod = { $name } ({ $range })
quick_last7 = Last 7 days
quick_last3Months = Last 3 months
quick_last12Months = Last 12 months
category_add_on = Add-ons
category_admin_relationship = Admin relationships
category_agreement = Agreements
category_application = Applications
category_company = Company
category_credit = Credits
category_customer = Customers
category_delegated_admin = Delegated administration
category_device = Devices
category_directory_role = Directory roles
category_entitlement = Entitlements
category_export = Exports
category_invoice = Invoices
category_licence = Licences
category_migration = Migrations
category_order = Orders
category_overage = Overages
category_partner_id = Partner IDs
category_partner_relationship = Partner relationships
category_partner_user = Partner users
category_payment_method = Payment methods
category_policy = Policies
category_promotion = Promotions
category_referral = Referrals
category_self_serve_policy = Self-serve policies
category_software = Software
category_spending_limit = Spending limits
category_subscription = Subscriptions
category_support_request = Support requests
category_transfer = Transfers
category_usage_budget = Usage budgets
category_user = Users
filter_kind = Kind of action
filterBy = Filter by
text = Text
suggestions = Suggestions
chosenFilters = Filters that apply
removeFilter = (remove)
notValue = not { $value }
searchText = Search for “{ $text }”
searchSyntax = Type a name, an ID or text. To filter by one thing, begin with { $keywords }. Put ! in front to leave something out.
suggestionCount =
    { $count ->
        [one] { $count } suggestion.
       *[other] { $count } suggestions.
    }
namesFailed = Names could not be loaded. You can still search for text.
valueUnclear = { $name }: “{ $value }” does not name exactly one. Choose from the list.
valueMissing = Choose a value from the list, or type one.
valueAbsent = { $name }: nothing of “{ $value }” in this period. Check the spelling, or choose other dates.
textExcluded = Text cannot be left out. Choose a value from the list, or begin with { $example }
periodGroup = Period, time zone and order
quick_custom = Chosen dates
openCalendar = Calendar: { $name }
previousMonth = Previous month
nextMonth = Next month
dateUnreadable = { $name }: enter a date as in { $example }.
moreOptions = Time zone and order

## Details

previousActivity = Previous
nextActivity = Next
copyLink = Copy link
linkCopied = Link copied.
related = Related activities
metadata = Technical details
erased = Erased
pivots = Options for { $value }
pivotOnly = Show only this
pivotNot = Exclude this
pivotCopy = Copy
pivotSubscriptions = Subscriptions (opens a new tab)
pivotAround = Everything ± { $minutes } minutes
pivotSameUser = Same user ± { $minutes } minutes
personAround = { $name }, ± { $minutes } minutes
pivotSame = Same { $type }
pivotSameTarget = Same target
pivotSameCorrelation = Same correlation ID
linked = Linked activity
linkOutside = The link leads to this activity. It is not among the rows that are loaded below.
linkOfPartner = This link belongs to partner { $partner }. You are signed in for partner { $own }. Sign out, and sign in with an account of { $partner }.
linkDenied = Your role does not allow you to see the activity of this link. Ask an administrator of your company for a role that does.
linkGone = The activity of this link does not exist, or your account may not see it. Check the link, or ask the person who sent it.

## History of an object

history_order = History of this order
history_subscription = History of this subscription
history_customer = History of this customer
history_actor = History of this user
history_user = History of this user
history_partner_user = History of this user
history_invoice = History of this invoice
history_other = History
historyOf = History of { $name }
historyCount =
    { $count ->
        [one] { $count } activity, newest first.
       *[other] { $count } activities, newest first.
    }
historyAtLeast =
    { $count ->
        [one] { $count } activity so far, newest first.
       *[other] { $count } activities so far, newest first.
    }
historyNone = The log has no activity for this.
historyField = Changes of
historyAnyField = Everything
historyFurther = Search further back
historyDetails = Details

## Types, fields and values

target_add_on = add-on
target_address = address
target_admin_relationship = admin relationship
target_access_assignment = access assignment
target_application = application
target_application_credential = application credential
target_billing_profile = billing profile
target_cart = cart
target_company = company
target_credit = credit
target_customer_user = customer’s user
target_delegated_admin = delegated administration
target_directory_role = directory role
target_domain = domain
target_entitlement = entitlement
target_export = export
target_group = group
target_license = licence
target_line = line
target_migration = migration
target_offer = offer
target_overage = overage
target_partner = partner
target_partner_id = partner ID
target_partner_relationship = partner relationship
target_payment_method = payment method
target_price = price
target_product = product
target_promotion = promotion
target_purchase_order = purchase order
target_quote = quote
target_role = role
target_self_serve_policy = self-serve policy
target_software = software
target_spending_limit = spending limit
target_usage_budget = usage budget
target_webhook = webhook

field_account = Account
field_address = Address
field_agreement_id = Agreement ID
field_auto_renew = Automatic renewal
field_auto_renew_enabled = Automatic renewal
field_billing_cycle = Billing cycle
field_billing_frequency = Billing frequency
field_billing_plan = Billing plan
field_billing_profile = Billing profile
field_budget = Budget
field_city = City
field_code = Code
field_comment = Comment
field_commitment_end_date = End of commitment
field_company = Company
field_company_name = Company name
field_country = Country
field_created_at = Created
field_created_by = Created by
field_customer = Customer
field_customer_id = Customer ID
field_customer_name = Customer name
field_department = Department
field_description = Description
field_discount = Discount
field_discount_percent = Discount
field_display_name = Display name
field_domain = Domain
field_due_date = Due date
field_effective_date = Effective date
field_email = E-mail address
field_enabled = Enabled
field_end_date = End date
field_error = Error
field_error_code = Error code
field_error_message = Error message
field_expires_at = Expires
field_expiry_date = Expiry date
field_failure_reason = Reason for the failure
field_first_name = First name
field_friendly_name = Friendly name
field_id = ID
field_invoice = Invoice
field_invoice_id = Invoice ID
field_invoice_number = Invoice number
field_ip = IP address
field_ip_address = IP address
field_language = Language
field_last_name = Last name
field_licences = Licences
field_licenses = Licences
field_location = Location
field_message = Message
field_method = Method
field_mfa = Multi-factor authentication
field_migrated_from = Migrated from
field_new_value = New value
field_note = Note
field_notes = Notes
field_offer = Offer
field_offer_id = Offer ID
field_old_value = Old value
field_order_id = Order ID
field_order_number = Order number
field_owner = Owner
field_partner_id = Partner ID
field_parent = Parent
field_password = Password
field_payment_method = Payment method
field_payment_terms = Payment terms
field_period = Period
field_phone = Phone
field_phone_number = Phone number
field_postal_code = Postal code
field_previous_value = Previous value
field_price = Price
field_product_id = Product ID
field_promotion = Promotion
field_promotion_id = Promotion ID
field_purchase_order = Purchase order
field_purchase_order_number = Purchase order number
field_qualification = Qualification
field_reason = Reason
field_reason_code = Reason code
field_region = Region
field_renewal_date = Renewal date
field_requested_by = Requested by
field_reseller = Reseller
field_role = Role
field_roles = Roles
field_seats = Seats
field_severity = Severity
field_source = Source
field_spending_budget = Spending budget
field_spending_limit = Spending limit
field_start_date = Start date
field_state = State
field_status = Status
field_street = Street
field_subject = Subject
field_subscription = Subscription
field_suspended = Suspended
field_tags = Tags
field_tax = Tax
field_tenant_id = Tenant ID
field_term_duration = Term
field_time_zone = Time zone
field_title = Title
field_total = Total
field_trial = Trial
field_type = Type
field_unit = Unit
field_updated_at = Updated
field_updated_by = Updated by
field_usage = Usage
field_user = User
field_user_id = User ID
field_user_name = User name
field_user_principal_name = Sign-in name
field_vat_id = VAT ID
field_vat_number = VAT number

value_active = Active
value_annual = Yearly
value_annually = Yearly
value_cancelled = Cancelled
value_canceled = Cancelled
value_completed = Completed
value_deleted = Deleted
value_disabled = Disabled
value_enabled = Enabled
value_expired = Expired
value_inactive = Inactive
value_monthly = Monthly
value_none = None
value_one_time = One time
value_pending = Pending
value_quarterly = Quarterly
value_suspended = Suspended
value_trial = Trial
value_triennial = Every three years
value_yearly = Yearly

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
        [one] Filters with counts ({ $count } chosen)
       *[other] Filters with counts ({ $count } chosen)
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
facetFailed = The search failed. Change the text to try again.

## Exports and saved views

exportCounting = Counting the rows…
exportCounted =
    { $count ->
        [one] { $count } row
       *[other] { $count } rows
    }
exportCountedAtLeast =
    { $count ->
        [one] At least { $count } row
       *[other] At least { $count } rows
    }
exportCountedLines =
    { $count ->
        [one] { $count } activity, with a row for each order line
       *[other] { $count } activities, with a row for each order line
    }
exportCountedLinesAtLeast =
    { $count ->
        [one] At least { $count } activity, with a row for each order line
       *[other] At least { $count } activities, with a row for each order line
    }
monthlyExports = Monthly exports
otherExports = Exports on request
noMonthlyExports = There are no monthly exports yet. The schedule below makes them.
lateVersion = Version { $version }: activities that were recorded later
withLines = a row for each order line
withoutDetails = without details
compressed = compressed
downloadStarted = The download has started.
scheduleFilters = Activities to export
filtersAll = All activities
filtersOfLog = As in the log now: { $filters }
filtersOfView = { $name }: { $filters }
scheduleFromDefault = Previous month
monthRange = { $first } to { $last }
scheduleDue = Exported within the hour: { $months }
scheduleNextDay = Next: { $month }, on { $day }
recipientWrong = “{ $recipient }” is neither an e-mail address nor an address that begins with https://. Correct or remove it.
recipientsTooMany = There are more than ten recipients. Remove some of them.
recipientRefused = “{ $recipient }” cannot be notified from here. Give a public address that begins with https://, or, if this service sends e-mail, an e-mail address.
monthRefused = The schedule cannot begin in this month. Choose an earlier one.
zoneRefused = The service does not know this time zone. Choose another one.
savedViews = Saved views
noViews = No view is saved in this browser yet.
thisView = This view
viewName = Name
saveView = Save this view
copyViewLink = Copy a link to it
viewAsSchedule = Export it every month…
viewNameMissing = Enter a name.
viewsTooMany = This browser keeps 50 views at most. Delete one first.
viewSaved = “{ $name }” is saved in this browser.
viewsNotKept = This browser cannot save views. Copy the link instead.
scheduleView = Export every month…
renameView = Rename
deleteView = Delete
ofView = { $action }: { $name }
viewDeleted = “{ $name }” was deleted.
undo = Undo

## Audit

view_audit = Audit
view_data = Data and retention
auditIntro = Who read, exported or changed what, and what was refused. Reading makes one entry for each person and hour.
target_route = route
target_audit = audit
target_client = machine client
target_details = details
target_erasure = erasure
target_hold = legal hold
target_log = log
target_month = month
target_retention = retention
target_schedule = monthly export
target_secret = secret
target_settings = settings

## Retention, holds and erasures

erasedGroups = Erased: { $groups }
erasureOrder = Erasure
fieldMissing = Fill this in.
retentionTitle = Retention
retentionIs = Activities are kept for { $length }.
forEver = an unlimited time
usualTime = the default of this installation
retentionDefault = This is the default of this installation.
retentionPending = From { $day }: { $length }.
updatedBy = Changed on { $time } by { $name }.
monthEnded = Ended on { $ended }. Deleted after { $deleted }.
monthsDeleting = Being deleted: { $months }.
monthsDeleted = Deleted: { $months }.
retentionLabel = Keep activities for
retentionHint = Whole months end (UTC). A shorter time takes effect after 30 days. Data of ended months are deleted 30 days later or more.
retentionCheck = Show what would end
retentionEndsNone = No month ends by this.
retentionEnds =
    { $count ->
        [one] This month ends: { $months }.
       *[other] These months end: { $months }.
    }
retentionCost = deleting costs up to { $cost }
holdsTitle = Legal holds
holdsIntro = Nothing under an active hold ends, is deleted or is erased.
holdDatesHint = A date left empty sets no limit. Time zone: { $zone }
holdCustomersHint = IDs, one on each line. Empty: all customers.
holdAll = All customers
holdReleased = Released
holdPlacedBy = Placed on { $time } by { $name }
holdReleasedBy = Released on { $time } by { $name }
holdLeftOut = Without { $months }: their deletion had begun.
holdPlace = Place a hold
holdRest = Hold the rest
holdIsPlaced = The hold is active.
holdRelease = Release…
holdReleaseAsk = What waited for this hold then goes on: months end, data are deleted and erased.
holdReleaseNow = Release now
holdIsReleased = The hold is released.
erasuresTitle = Erasures
erasuresIntro = An erasure removes fields of recorded activities. Action, status and times stay.
noneThere = None so far.
erasureWaits = Waits for a hold
erasureActivities = Activities
erasureHeld = Under a hold
erasureMentions = Other mentions
erasureExports = Exports removed
erasureOf = Concerns
erasureSingle = Single activities
erasureIdHint = For single activities: a link to each, one on each line.
erasureGroups = Fields to erase
erasureOrigin = IP address and browser
erasureReason = Reason for the erasure
erasureReasonHint = It is kept, so name nobody.
erasureNew = Erase data
erasureCheck = Count first
erasureWarning = This cannot be undone. What is under a hold is erased after its release. Other mentions stay, unless you erase details and changes too.
erasureConfirm = To confirm, type { $text }
erasureNow = Erase for good

## People who see some customers only

exportsOwn = The exports that your account may download. Your account sees some customers only.
scheduleRestricted = The monthly export covers all customers. Your account sees some of them only, so it cannot manage it.

## Streams

view_streams = Streams
streamsIntro = A stream sends activities to a system of your own, two to three minutes after they are recorded.
streamsFull = There are ten streams, and no more are possible. Remove one to create another.
streamNew = New stream
streamChange = Change
streamPause = Pause
streamResume = Resume
streamTest = Send a test
streamReplay = Replay
streamRole = Role and policies
streamRemove = Remove…
streamRemoveAsk = The stream sends nothing more, and a new stream does not continue where this one stopped. What was sent stays at the destination.
streamRemoveNow = Remove now
streamRemoved = “{ $name }” was removed.
destination = Destination
kind_https = HTTPS server
kind_eventbridge = EventBridge bus
kind_s3 = S3 bucket
streamFraming = Form of a request
framing_array = JSON array
framing_lines = JSON lines
framing_splunk_hec = Splunk HTTP Event Collector
framing_slack = Slack messages
framing_teams = Microsoft Teams messages
streamFormat = Format of an activity
streamFormat_daybook = Daybook JSON
streamFormat_ocsf = OCSF 1.5.0
streamUrl = URL
streamHeaders = Headers
streamHeadersHint = One on each line, as Name: value. The values are never shown again.
streamHeadersKept = Kept: { $names }. Lines written here replace all of them.
streamHeadersDrop = Remove the kept headers
streamHeaderLine = Line { $line } has no header. Write its name, a colon and its value.
streamHeadersMany = There are more than ten headers. Remove some of them.
streamHeaderRefused = The header “{ $name }” cannot be sent. The service sets some headers itself, such as Host and Content-Type. Values have visible ASCII characters only.
streamHeadersMoved = The URL leads to another server. Write the headers again, or remove them.
busArn = ARN of the event bus
bucket = Name of the bucket
prefix = Prefix of the keys
prefixHint = Optional, with a slash at the end: logs/daybook/
roleArn = ARN of the role
roleHint = A role of your own account. After you have saved, this page shows its policies.
refused_url = The service cannot send to this URL. Give a public address that begins with https://.
refused_bus_arn = Give the ARN of an event bus of your own account, such as arn:aws:events:eu-west-3:123456789012:event-bus/security.
refused_bucket = Give the name of a bucket of your own, such as contoso-activity.
refused_prefix = Give a prefix such as logs/daybook/, which ends with a slash and has no blanks or accents.
refused_role_arn = Give the ARN of a role of your own account, such as arn:aws:iam::123456789012:role/daybook.
streamFilters = Activities to send
streamMask = Left out
stream_active = Active
stream_paused = Paused
stream_failing = Failing
stream_stopped = Stopped
streamUpToDate = Up to date
streamLag = { $duration } behind
streamThrough = Delivered: everything recorded before { $time }
streamError = Last error, on { $time }:
streamNext = Next attempt on { $time }
streamGone = The destination answered that it is gone.
streamGaveUp = Every attempt of { $hours } hours failed.
streamStopHint = Correct the destination, then resume the stream. Nothing is lost.
testing = Sending a test…
testAccepted = The destination accepted the test at { $time }.
testRefused = The test did not arrive:
testLate = There is no answer to the test yet. The state above shows it later.
replayIntro = The stream sends the activities of this period again, by the time at which they occurred. Without a last day, it sends them up to now. Time zone: { $zone }
replayStart = Send again
replayAsked = Beginning…
replayBegun = The replay begins within a minute.
replayRuns = Replay of { $period }: { $activities } so far
replayDone = Replay of { $period }: { $activities }, finished on { $time }
replayEnded = The replay has finished: { $activities }.
roleIntro = Let your role trust this service and write to the destination. Then send a test.
externalId = External ID
trustPolicy = Trust policy of the role
rolePermission = Permission of the role
