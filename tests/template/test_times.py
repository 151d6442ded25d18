"""The times of the template fit together, and the operations page has all of them in one table, with the tests of this file."""

import re

import pytest

from application import CONSTANTS, ROOT, Template

DAY = 86_400
# Each time that a template may set, with its unit in seconds; 1 also stands for a number of times.
UNITS = {
    "Timeout": 1,
    "VisibilityTimeout": 1,
    "MessageRetentionPeriod": 1,
    "maxReceiveCount": 1,
    "MaximumBatchingWindowInSeconds": 1,
    "ReauthorizeEvery": 1,
    "MaxAge": 1,
    "LEASE_SECONDS": 1,
    "ExpirationInDays": DAY,
    "NoncurrentDays": DAY,
    "DaysAfterInitiation": DAY,
    "RetentionInDays": DAY,
    "TemporaryPasswordValidityDays": DAY,
    "DeleteAfterDays": DAY,
    "Days": DAY,
    "ScheduleExpression": 1,
}
# Names that look like a time and are none.
NO_TIMES = {
    "ScheduleExpressionTimezone", "FlexibleTimeWindow", "TimeToLiveSpecification", "NoncurrentVersionExpiration", "EnableTokenRevocation",
    "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled", "Runtime", "TIME_ZONE", "EXPORT_ROWS_PER_DAY", "RECORDS_PER_SECOND",
    "GlobalSecondaryIndexes", "Hourly", "Minutely", "ExpiredObjectDeleteMarker", "EXPIRED_TOKEN", "INTEGRATION_TIMEOUT", "Retry-After", "NOTIFY_WAITS", "RETENTION_DAYS", "GRACE_HOURS", "STREAM_STOP_HOURS", "LogRetentionDays", "ShowRetention", "HeadShowRetention", "SaveRetention",
}  # fmt: skip
LOOKS_LIKE_A_TIME = re.compile(
    r"Time|Second|Minute|Hour|Day|Expir|Retention|Retry|Retries|ReceiveCount|Every|MaxAge|Window|Lease|Wait|_(DAYS|HOURS|SECONDS|WAITS|TIME)"
)
PARAMETERS = {
    "RetentionDays": DAY,
    "GraceHours": 3_600,
    "StreamStopHours": 3_600,
    "LogRetentionDays": DAY,
    "NotifyWaits": 1,
    "TemporaryPasswordDays": DAY,
    "BackupDays": DAY,
}
LENGTHS = {"s": 1, "min": 60, "h": 3_600, "d": DAY, "times": 1}


def found_in(value, path=()):
    """Yields the path and the value of every time below a value."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in UNITS:
                yield (*path, name), each
            else:
                assert name in NO_TIMES or not LOOKS_LIKE_A_TIME.search(name), f"{name} looks like a time: add it here and to the table"
                yield from found_in(each, (*path, name))
    elif isinstance(value, list):
        for each in value:
            yield from found_in(each, (*path, each.get("Id", "")) if isinstance(each, dict) else path)


def times_of(template):
    """Returns every time of the template by a name such as `ExportJobs.VisibilityTimeout`."""
    times = {"Globals.Timeout": template.body["Globals"]["Function"]["Timeout"]}
    for resource, body in (template.resources | Template("infra/backup.yaml").resources).items():
        if body["Type"] == "AWS::Logs::LogGroup":
            # All logs have the same properties: see `test_logs_expire`.
            resource = "Log"
        for path, value in found_in(body.get("Properties", {})):
            rule = [each for each in path if each.startswith(("drop-", "keep-"))]
            times[".".join([resource, *rule, path[-1]])] = value
    return times | {name: template.parameters[name]["Default"] for name in PARAMETERS}


def seconds(name, value):
    """Returns a time in seconds, or the parameter that decides it."""
    if isinstance(value, dict):
        return value["Ref"]
    value = str(value).strip("'")
    return int(value) * (UNITS | PARAMETERS)[name.split(".")[-1]] if value.isdigit() else value


@pytest.fixture(scope="module")
def rows():
    """The rows of the table on the operations page: names, value, tests."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = text.split("## Times that must fit", 1)[1].split("\n## ", 1)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]
    assert cells
    return [(re.findall(r"`([^`]+)`", names), value.strip("`"), re.findall(r"`(test_\w+)`", tests)) for names, value, _, tests in cells]


def test_operations_page_lists_every_time_with_its_value(template, rows):
    code = CONSTANTS["seconds"] | {name: CONSTANTS[name] for name in ("settle_seconds", "notification_lease_seconds", "export_job_tries")}
    expected = {name: seconds(name, value) for name, value in times_of(template).items()} | code
    listed = {}
    for names, value, _ in rows:
        number = re.fullmatch(r"([\d,]+) (s|min|h|d|times)", value)
        for name in names:
            assert name not in listed, name
            listed[name] = int(number[1].replace(",", "")) * LENGTHS[number[2]] if number else value
    assert listed == expected


def test_operations_page_names_a_test_for_every_time(rows):
    defined = {name for path in (ROOT / "tests" / "template").glob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").split("## Times that must fit", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert all(tests for _, _, tests in rows)
    assert named <= defined
    own = {name for name, value in globals().items() if name.startswith("test_") and not name.startswith("test_operations_page")}
    assert own <= named, "the table leaves a test out"


# Functions and queues

QUEUES = {
    "ExportJobs": ("export-worker", "Jobs"),
    "ActivityIntake": ("intake", "Messages"),
    "MonthRuns": ("monthly", "Runs"),
    "KeeperRuns": ("keeper", "Runs"),
    "Notices": ("notifier", "Notices"),
    "StreamRuns": ("streamer", "Runs"),
}


@pytest.fixture
def queue(template):
    return lambda name: template.resources[name]["Properties"]


@pytest.fixture
def hidden(queue):
    """Returns the longest time for which a message of a queue is hidden after a delivery."""
    own = {"ExportJobs": [CONSTANTS["seconds"]["export_message_hidden"], CONSTANTS["seconds"]["export_retry_wait"]]}
    return lambda name: max([queue(name)["VisibilityTimeout"], *own.get(name, [])])


def test_function_ends_before_its_caller_gives_up(template):
    # The gateway waits for 29 seconds, and Lambda runs no function for more than 15 minutes.
    usual = template.body["Globals"]["Function"]["Timeout"]
    for name, function in template.functions.items():
        has_routes = any(event["Type"] == "Api" for event in function.get("Events", {}).values())
        assert function.get("Timeout", usual) <= (29 if has_routes or name == "authorizer" else 900), name


def test_message_stays_invisible_while_its_function_runs(template, queue):
    """AWS refuses an event source whose queue has a shorter time than its function."""
    assert set(QUEUES) == {name for name in template.of_type("AWS::SQS::Queue") if not name.endswith("Dead")}
    for name, (function, event) in QUEUES.items():
        window = template.functions[function]["Events"][event]["Properties"].get("MaximumBatchingWindowInSeconds", 0)
        assert queue(name)["VisibilityTimeout"] >= template.functions[function]["Timeout"] + window, name


def test_message_is_a_dead_letter_before_its_queue_drops_it(queue, hidden):
    for name in QUEUES:
        assert queue(name)["RedrivePolicy"]["maxReceiveCount"] * hidden(name) < queue(name)["MessageRetentionPeriod"], name


def test_dead_letter_is_kept_for_days(queue):
    # SQS counts from the first sending, so a dead letter has already spent the time in its queue.
    for name in QUEUES:
        assert queue(f"{name}Dead")["MessageRetentionPeriod"] >= queue(name)["MessageRetentionPeriod"] + 4 * DAY, name


def test_code_knows_the_last_try_of_a_message(queue):
    # The job of an export counts its own tries. A run of months has no last try in the code.
    for name in ("ActivityIntake", "Notices"):
        assert queue(name)["RedrivePolicy"]["maxReceiveCount"] == CONSTANTS["export_job_tries"], name


# Exports


def test_dead_worker_is_replaced_within_six_minutes(template, queue):
    lease = int(template.variables("export-worker")["LEASE_SECONDS"])
    assert lease == CONSTANTS["seconds"]["export_lease"] < CONSTANTS["seconds"]["export_message_hidden"] < 6 * 60
    # While a worker lives, it extends both, so that they may be shorter than its run.
    assert CONSTANTS["seconds"]["export_message_hidden"] < queue("ExportJobs")["VisibilityTimeout"]


def test_message_can_meet_a_live_lease_for_a_day(queue):
    assert queue("ExportJobs")["RedrivePolicy"]["maxReceiveCount"] * CONSTANTS["seconds"]["export_message_hidden"] > DAY


def test_stream_tries_over_a_weekend(template):
    hours = template.parameters["StreamStopHours"]
    assert hours["Default"] >= 3 * 24 and hours["MinValue"] == 1


def test_worker_stops_before_lambda_ends_it(template, watch):
    timeout, margin = template.functions["export-worker"]["Timeout"], CONSTANTS["seconds"]["export_stop_margin"]
    # One try of a call that carries a part takes up to a minute.
    assert 60 <= margin < timeout
    # A message that is worked on counts as waiting.
    assert watch.resources["ExportsWaitAlarm"]["Properties"]["Threshold"] >= timeout - margin


def test_files_live_as_long_as_their_export_says(template):
    """S3 counts days from the writing of an object, which comes after the creation or renewal of its job, and acts later."""
    of_functions = {function: template.variables(function).get("RETENTION_DAYS") for function in template.functions}
    assert {function for function, value in of_functions.items() if value} == {"exports", "admin", "monthly", "keeper"}
    assert all(value in (None, {"Ref": "RetentionDays"}) for value in of_functions.values())
    assert rules(template)["drop-old-exports"] == {
        "Id": "drop-old-exports",
        "Status": "Enabled",
        "Prefix": "exports/",
        "ExpirationInDays": {"Ref": "RetentionDays"},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }


def test_parts_of_a_file_outlive_the_wait_for_a_worker(template, queue):
    days = rules(template)["drop-incomplete-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
    assert days * DAY > queue("ExportJobs")["MessageRetentionPeriod"]


def test_copied_month_outlives_the_wait_for_a_worker(queue):
    assert CONSTANTS["seconds"]["copied_month_remains"] > queue("ExportJobs")["MessageRetentionPeriod"]


def test_every_kind_of_object_has_a_lifecycle(template):
    """A function that writes below another prefix needs a rule, or a reason to keep everything for ever."""
    written = {
        resource["Fn::Sub"].removeprefix("${DataBucket.Arn}/").removesuffix("*")
        for function in template.functions
        for actions, resources in template.statements(function)
        for resource in resources
        if "s3:PutObject" in actions
    }
    of_prefix = {rule["Prefix"]: rule for rule in rules(template).values() if "Prefix" in rule}
    written = {prefix for prefix in written if not prefix.startswith("$")} | {"details/"}
    assert {"exports/", "details/"} <= written == set(of_prefix)
    assert "ExpirationInDays" not in of_prefix["details/"], "the only copy of what earlier versions recorded"
    details = template.resources["DetailsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert not [rule for rule in details if "ExpirationInDays" in rule], "the only copy of what was recorded"
    for prefix, rule in of_prefix.items():
        # What has expired must go for good: the bucket keeps an older version otherwise.
        assert prefix == "details/" or rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}, prefix


def test_removed_details_are_gone_for_good_within_a_week(template):
    """Nothing removes details but a recorded order, so a week is for mistakes. The tables can be restored for longer."""
    details = {rule["Id"]: rule for rule in template.resources["DetailsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    for kept in (rules(template)["keep-removed-details"], details["drop-removed-details"]):
        assert kept["ExpiredObjectDeleteMarker"] is True and kept["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert template.resources["DetailsBucket"]["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    for name in ("ActivitiesTable", "AuditTable", "ControlTable", "PartnersTable", "SecretsTable", "StreamsTable"):
        assert template.resources[name]["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def rules(template):
    return {rule["Id"]: rule for rule in template.resources["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}


# Recording, months, notifications, callers


def test_recording_settles_before_readers_rely_on_it(template):
    settle = CONSTANTS["settle_seconds"]
    # Twice the timeout, because clocks may differ.
    assert 2 * template.functions["intake"]["Timeout"] <= settle
    assert 2 * template.body["Globals"]["Function"]["Timeout"] <= settle
    assert template.parameters["GraceHours"]["MinValue"] == 0, "a month is cut by the time of recording, so no grace is needed for that"


def test_months_are_made_every_hour_and_silence_is_noticed(template, watch):
    for function in ("monthly", "keeper"):
        hourly = template.functions[function]["Events"]["Hourly"]
        assert hourly["Type"] == "ScheduleV2"
        assert (hourly["Properties"]["ScheduleExpression"], hourly["Properties"]["ScheduleExpressionTimezone"]) == ("rate(1 hour)", "UTC")
    silent = watch.resources["MonthlySilentAlarm"]["Properties"]
    assert silent["Period"] * silent["EvaluationPeriods"] > 2 * 3_600


def test_stream_is_delivered_by_one_function_at_a_time(template, queue):
    lease, margin = CONSTANTS["seconds"]["stream_lease"], CONSTANTS["seconds"]["stream_stop_margin"]
    assert margin < template.functions["streamer"]["Timeout"] < lease < queue("StreamRuns")["VisibilityTimeout"]


def test_streams_are_visited_every_minute(template):
    minutely = template.functions["streamer"]["Events"]["Minutely"]
    assert minutely["Type"] == "ScheduleV2"
    assert (minutely["Properties"]["ScheduleExpression"], minutely["Properties"]["ScheduleExpressionTimezone"]) == ("rate(1 minute)", "UTC")


def test_notification_is_tried_by_one_function_at_a_time(template, queue):
    lease = CONSTANTS["notification_lease_seconds"]
    assert template.functions["notifier"]["Timeout"] < lease < queue("Notices")["VisibilityTimeout"]


def test_notification_retries_span_hours_and_end_before_their_record(template):
    waits = [int(wait) for wait in template.parameters["NotifyWaits"]["Default"].split(",")]
    assert waits == sorted(waits) and 12 * 3_600 < sum(waits) < 4 * DAY
    assert sum(waits) < CONSTANTS["seconds"]["delivery_kept"]
    # Each wait is a message of its own, which the queue must not drop.
    assert max(waits) < queue_retention(template, "Notices")


def queue_retention(template, name):
    return template.resources[name]["Properties"]["MessageRetentionPeriod"]


def test_temporary_password_is_valid_for_a_week_by_default(template):
    assert template.parameters["TemporaryPasswordDays"]["Default"] == 7


def test_backups_are_made_every_day_and_kept_for_a_week(template, backup):
    assert template.parameters["BackupDays"]["Default"] == 7
    (rule,) = backup.resources["Plan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    assert re.fullmatch(r"cron\(0 \d{1,2} \* \* \? \*\)", rule["ScheduleExpression"])


def test_caller_and_link_are_valid_for_five_minutes(template):
    assert template.resources["Api"]["Properties"]["Auth"]["Authorizers"]["Tokens"]["Identity"]["ReauthorizeEvery"] == 300
    assert CONSTANTS["seconds"]["download_link"] == 300
    assert int(template.resources["Api"]["Properties"]["Cors"]["MaxAge"].strip("'")) <= 600


def test_nested_stacks_set_no_times_of_their_own():
    for path in ("infra/watch.yaml", "infra/firewall.yaml"):
        resources = Template(path).resources
        assert not [name for resource in resources.values() for name in resource.get("Properties", {}) if name in UNITS], path
