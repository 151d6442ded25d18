"""Functions get the variables that they read, and the permissions that they need."""

import re

import pytest

from application import CONSTANTS, ROOT, sources

FUNCTIONS = ["authorizer", "record", "intake", "query", "exports", "admin", "export-worker", "monthly", "keeper", "notifier", "streams", "streamer", "portal"]
READ = re.compile(r'\b(?:variable|number(?:::<\w+>)?|positive|flag|list)\("([A-Z][A-Z0-9_]*)"\)')
# Variables that shared code, the SDK and the C library read in every function.
OF_ALL = {"LOG_LEVEL", "METRICS_NAMESPACE", "AWS_USE_FIPS_ENDPOINT", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_"}
# The roles of partners, which are in other accounts.
PARTNERS_ROLES = "arn:${AWS::Partition}:iam::*:role/*"
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
ACTIVITIES = {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"}
# The permissions of each role besides logging. A change here changes who can do what.
ALLOWED = {
    "authorizer": {("ControlTable", "dynamodb:GetItem")},
    "record": {
        ("ActivitiesTable", "dynamodb:GetItem"),
        ("ActivitiesTable", "dynamodb:PutItem"),
        ("PartnersTable", "dynamodb:GetItem"),
        ("LimitsTable", "dynamodb:UpdateItem"),
        ("DueTable", "dynamodb:UpdateItem"),
        ("AuditTable", "dynamodb:PutItem"),
        ("DetailsBucket/details/*", "s3:PutObject"),
    },
    "intake": {
        ("ActivitiesTable", "dynamodb:GetItem"),
        ("ActivitiesTable", "dynamodb:PutItem"),
        ("PartnersTable", "dynamodb:GetItem"),
        ("DueTable", "dynamodb:UpdateItem"),
        ("DetailsBucket/details/*", "s3:PutObject"),
        *(("ActivityIntake", f"sqs:{action}") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")),
        ("ActivityIntakeDead", "sqs:SendMessage"),
    },
    "query": {
        ("ActivitiesTable", "dynamodb:BatchGetItem"),
        ("ActivitiesTable", "dynamodb:GetItem"),
        ("ActivitiesTable", "dynamodb:Query"),
        ("ActivitiesTable/index/by_customer_id", "dynamodb:Query"),
        ("PartnersTable", "dynamodb:GetItem"),
        ("LimitsTable", "dynamodb:UpdateItem"),
        *(("AuditTable", f"dynamodb:{action}") for action in ("PutItem", "Query")),
        ("DataBucket/details/*", "s3:GetObject"),
        ("DetailsBucket/details/*", "s3:GetObject"),
        *(("DataBucket/downloads/*", f"s3:{action}") for action in ("GetObject", "PutObject")),
    },
    "exports": {
        *(("ControlTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")),
        *(("SecretsTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem")),
        ("PartnersTable", "dynamodb:GetItem"),
        ("AuditTable", "dynamodb:PutItem"),
        ("ExportJobs", "sqs:SendMessage"),
        *(("DataBucket/exports/*", f"s3:{action}") for action in ("AbortMultipartUpload", "DeleteObject", "GetObject")),
    },
    "admin": {
        *(("ControlTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")),
        ("ControlTable/index/due", "dynamodb:Query"),
        ("ControlTable/index/by_month", "dynamodb:Query"),
        ("ActivitiesTable/index/late", "dynamodb:Query"),
        ("ActivitiesTable", "dynamodb:Query"),
        *(("PartnersTable", f"dynamodb:{action}") for action in ("GetItem", "UpdateItem")),
        ("PartnersTable/index/registered", "dynamodb:Query"),
        ("AuditTable", "dynamodb:PutItem"),
        ("ExportJobs", "sqs:SendMessage"),
        ("MonthRuns", "sqs:SendMessage"),
        ("KeeperRuns", "sqs:SendMessage"),
    },
    "export-worker": {
        ("ActivitiesTable", "dynamodb:GetItem"),
        ("ActivitiesTable", "dynamodb:Query"),
        ("ActivitiesTable/index/by_customer_id", "dynamodb:Query"),
        ("ActivitiesTable/index/late", "dynamodb:Query"),
        ("PartnersTable", "dynamodb:GetItem"),
        ("ControlTable", "dynamodb:GetItem"),
        ("ControlTable", "dynamodb:UpdateItem"),
        ("AuditTable", "dynamodb:PutItem"),
        ("Notices", "sqs:SendMessage"),
        ("ExportJobsDead", "sqs:SendMessage"),
        *(
            ("DataBucket/exports/*", f"s3:{action}")
            for action in ("AbortMultipartUpload", "DeleteObject", "GetObject", "ListMultipartUploadParts", "PutObject")
        ),
        ("DataBucket/details/*", "s3:GetObject"),
        ("DetailsBucket/details/*", "s3:GetObject"),
        *(("ExportJobs", f"sqs:{action}") for action in ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")),
    },
    "monthly": {
        *(("ControlTable", f"dynamodb:{action}") for action in ("PutItem", "Query", "UpdateItem")),
        ("ControlTable/index/due", "dynamodb:Query"),
        ("ControlTable/index/by_month", "dynamodb:Query"),
        ("ActivitiesTable/index/late", "dynamodb:Query"),
        ("AuditTable", "dynamodb:PutItem"),
        ("ExportJobs", "sqs:SendMessage"),
        *(("MonthRuns", f"sqs:{action}") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")),
        ("MonthRunsDead", "sqs:SendMessage"),
    },
    "keeper": {
        *((table, f"dynamodb:{action}") for table in ("ActivitiesTable", "AuditTable") for action in ("DeleteItem", "GetItem", "Query", "UpdateItem")),
        ("AuditTable", "dynamodb:PutItem"),
        *(("PartnersTable", f"dynamodb:{action}") for action in ("ConditionCheckItem", "GetItem", "UpdateItem")),
        ("PartnersTable/index/registered", "dynamodb:Query"),
        *(("ControlTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")),
        ("SecretsTable", "dynamodb:DeleteItem"),
        *(("StreamsTable", f"dynamodb:{action}") for action in ("DeleteItem", "Query", "UpdateItem")),
        *((bucket, "s3:ListBucket") for bucket in ("DataBucket", "DetailsBucket")),
        *((f"DataBucket/{place}/*", "s3:DeleteObject") for place in ("exports", "details", "downloads")),
        *(("DetailsBucket/details/*", f"s3:{action}") for action in ("DeleteObject", "GetObject")),
        ("DataBucket/details/*", "s3:GetObject"),
        ("ErasureKey", "kms:GenerateMac"),
        ("ExportJobs", "sqs:SendMessage"),
        *(("KeeperRuns", f"sqs:{action}") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")),
        ("KeeperRunsDead", "sqs:SendMessage"),
        *(("ActivityIntakeDead", f"sqs:{action}") for action in ("DeleteMessage", "ReceiveMessage", "SendMessage")),
    },
    "notifier": {
        ("SecretsTable", "dynamodb:GetItem"),
        *(("ControlTable", f"dynamodb:{action}") for action in ("GetItem", "PutItem", "UpdateItem")),
        *(("Notices", f"sqs:{action}") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")),
        ("NoticesDead", "sqs:SendMessage"),
    },
    "streams": {
        *(("StreamsTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")),
        *(("SecretsTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "UpdateItem")),
        *(("DueTable", f"dynamodb:{action}") for action in ("GetItem", "PutItem")),
        *(("PartnersTable", f"dynamodb:{action}") for action in ("GetItem", "UpdateItem")),
        ("AuditTable", "dynamodb:PutItem"),
        ("StreamRuns", "sqs:SendMessage"),
    },
    "streamer": {
        *((table, f"dynamodb:{action}") for table in ("ActivitiesTable", "AuditTable") for action in ("BatchGetItem", "GetItem", "Query")),
        ("ActivitiesTable/index/by_customer_id", "dynamodb:Query"),
        ("PartnersTable", "dynamodb:GetItem"),
        *(("StreamsTable", f"dynamodb:{action}") for action in ("GetItem", "PutItem", "Query", "UpdateItem")),
        ("SecretsTable", "dynamodb:GetItem"),
        *(("DueTable", f"dynamodb:{action}") for action in ("DeleteItem", "GetItem", "PutItem", "Query")),
        *((bucket, "s3:GetObject") for bucket in ("DataBucket/details/*", "DetailsBucket/details/*")),
        *(("StreamRuns", f"sqs:{action}") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage")),
        ("StreamRunsDead", "sqs:SendMessage"),
        ("role/*", "sts:AssumeRole"),
    },
    "portal": set(),
}


def named(resource):
    """Returns the resource of a statement, as in `ControlTable/index/due`."""
    if "Fn::GetAtt" in resource:
        name, attribute = resource["Fn::GetAtt"]
        assert attribute == "Arn"
        return name
    if resource["Fn::Sub"] == PARTNERS_ROLES:
        return "role/*"
    found = re.fullmatch(r"\$\{(\w+)\.Arn\}(/.+)", resource["Fn::Sub"])
    return found[1] + found[2]


def test_template_has_these_functions_and_no_others(template):
    assert sorted(template.functions) == sorted(FUNCTIONS)
    assert sorted(path.name for path in (ROOT / "functions").iterdir() if (path / "Cargo.toml").exists()) == sorted(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_reads_exactly_the_variables_it_gets(template, function):
    code = sources(function)
    read = set(READ.findall(code)) | OF_ALL
    if "lambda::serve(" in code:
        # What every HTTP function reads through `lambda::serve`.
        read |= {"ALLOWED_ORIGIN"}
    assert set(template.variables(function)) == read


def test_shared_code_reads_known_variables_only():
    shared = sources("lambda", "crates")
    # The template leaves SSL_CERT_FILE out, because it is for endpoints of your own.
    known = {"LOG_LEVEL", "METRICS_NAMESPACE", "ALLOWED_ORIGIN", "SSL_CERT_FILE"}
    assert set(re.findall(r'\bvariable\("([A-Z_]+)"\)', shared)) == known


@pytest.mark.parametrize("function", FUNCTIONS)
def test_role_allows_exactly_the_listed_actions(template, function):
    allowed = set()
    for actions, resources in template.statements(function):
        if set(actions) == LOGS:
            (resource,) = resources
            assert resource["Fn::GetAtt"] == [template.functions[function]["LoggingConfig"]["LogGroup"]["Ref"], "Arn"]
            continue
        allowed |= {(named(resource), action) for resource in resources for action in actions}
    assert allowed == ALLOWED[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_action_and_no_resource_is_a_wildcard(template, function):
    for actions, resources in template.statements(function):
        assert not [action for action in actions if "*" in action]
        assert "*" not in resources


def test_authorizer_reads_registrations_only(template):
    (reading,) = [each for each in template.rules("authorizer") if each["Action"] == "dynamodb:GetItem"]
    assert reading["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "client#*"}}
    assert CONSTANTS["client_key_prefix"] == "client#"


def test_only_admin_changes_clients_and_settings(template):
    not_clients = {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": CONSTANTS["client_key_prefix"] + "*"}}
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    for function in set(FUNCTIONS) - {"admin"}:
        for statement in template.rules(function):
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if writes & set(actions) and statement["Resource"] == {"Fn::GetAtt": ["ControlTable", "Arn"]}:
                assert statement["Condition"] == not_clients, function
    writers = [function for function in FUNCTIONS if ("PartnersTable", "dynamodb:UpdateItem") in ALLOWED[function]]
    # The keeper changes what is decided about a partner's data, and takes erased people out of the rest.
    # The routes of streams note in the settings whether a partner has any.
    assert writers == ["admin", "keeper", "streams"]


def test_secrets_are_read_by_who_shows_them_and_who_signs(template):
    readers = [function for function in FUNCTIONS if ("SecretsTable", "dynamodb:GetItem") in ALLOWED[function]]
    assert readers == ["exports", "notifier", "streams", "streamer"]
    for function in ("streams", "streamer"):
        (statement,) = [each for each in template.rules(function) if each["Resource"] == {"Fn::GetAtt": ["SecretsTable", "Arn"]}]
        assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "stream#*"}}, function


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_keeper_changes_and_removes_activities_and_nobody_scans_them(template, function):
    may = ACTIVITIES | {"dynamodb:UpdateItem", "dynamodb:DeleteItem"} - {"dynamodb:PutItem"} if function == "keeper" else ACTIVITIES
    for actions, resources in template.statements(function):
        if any(named(resource).startswith("ActivitiesTable") for resource in resources if "logs" not in actions[0]):
            assert set(actions) <= may


@pytest.mark.parametrize("function", ["record", "intake"])
def test_recording_functions_read_the_directory_of_months_only(template, function):
    of_activities = {"Fn::GetAtt": ["ActivitiesTable", "Arn"]}
    (reading,) = [each for each in template.rules(function) if each["Action"] == "dynamodb:GetItem" and each["Resource"] == of_activities]
    assert reading["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "*#months"}}


def test_only_record_and_intake_write_activities(template):
    writers = [function for function in FUNCTIONS if ("ActivitiesTable", "dynamodb:PutItem") in ALLOWED[function]]
    assert writers == ["record", "intake"]


def test_every_function_with_a_caller_writes_the_audit_and_only_query_shows_it(template):
    actions = {function: {action for resource, action in ALLOWED[function] if resource.startswith("AuditTable")} for function in FUNCTIONS}
    # The keeper erases in the audit, and adds what it has done.
    assert actions.pop("keeper") == {f"dynamodb:{action}" for action in ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")}
    assert actions.pop("streamer") == {f"dynamodb:{action}" for action in ("BatchGetItem", "GetItem", "Query")}
    writers = {"record", "query", "exports", "admin", "export-worker", "monthly", "streams"}
    assert {function for function in FUNCTIONS if template.routes(function)} - {"portal"} <= writers
    assert actions == {
        function: {"dynamodb:PutItem"} | ({"dynamodb:Query"} if function == "query" else set()) if function in writers else set() for function in actions
    }


def test_every_function_has_its_own_role_and_log(template):
    for kept in ("Role", "LoggingConfig"):
        each = [str(function[kept]) for function in template.functions.values()]
        assert len(set(each)) == len(each)


def test_only_the_notifier_sends_e_mail_and_only_from_the_sender(template):
    assert [function for function in FUNCTIONS if "HasEmailSender" in template.conditional_rules(function)] == ["notifier"]
    (statement,) = template.conditional_rules("notifier")["HasEmailSender"]
    assert statement["Action"] == "ses:SendEmail"
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "EmailSender"}}}


def test_functions_trace_only_if_the_parameter_says_so(template):
    assert template.parameters["Tracing"]["Default"] == "PassThrough"
    for function in FUNCTIONS:
        (statement,) = template.conditional_rules(function)["IsTraced"]
        assert statement["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], function


def test_role_is_complete_before_its_function_is_created(template):
    # A policy of its own is created at any time after its role, so the function may be created first, and Lambda refuses a
    # traced function whose role may not send traces.
    assert not template.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")


def test_function_that_calls_webhooks_reads_no_activities(template):
    assert {resource for resource, _ in ALLOWED["notifier"]} == {"ControlTable", "SecretsTable", "Notices", "NoticesDead"}
    assert "VpcConfig" not in template.functions["notifier"]
    assert template.parameters["WebhookTestHosts"]["Default"] == ""


def test_streamer_assumes_roles_of_other_accounts_with_an_external_id_only(template):
    assumers = [function for function in FUNCTIONS if any(action == "sts:AssumeRole" for _, action in ALLOWED[function])]
    assert assumers == ["streamer"]
    (statement,) = [each for each in template.rules("streamer") if each["Action"] == "sts:AssumeRole"]
    assert statement["Condition"] == {
        "StringNotEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}},
        "Null": {"sts:ExternalId": "false"},
    }


def test_only_the_streamer_puts_events_and_only_on_the_bus_of_all_activities(template):
    assert [function for function in FUNCTIONS if "StreamsAll" in template.conditional_rules(function)] == ["streamer"]
    (statement,) = template.conditional_rules("streamer")["StreamsAll"]
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", {"Fn::GetAtt": ["AllActivities", "Arn"]})
    assert template.parameters["StreamAll"]["Default"] == "none"


def test_streams_belong_to_few_functions(template):
    readers = {function for function in FUNCTIONS if ("StreamsTable", "dynamodb:GetItem") in ALLOWED[function]}
    assert readers == {"streams", "streamer"}
    # Of the recording functions, the table of marks is the only one that belongs to streams.
    for function in ("record", "intake"):
        assert {action for table, action in ALLOWED[function] if table == "DueTable"} == {"dynamodb:UpdateItem"}


def test_roles_trust_one_service_and_have_no_managed_policies(template, backup):
    services = {"AccessLogAccountRole": "apigateway", "Role": "backup"}
    roles = template.of_type("AWS::IAM::Role") | backup.of_type("AWS::IAM::Role")
    assert set(services) < set(roles)
    for name, role in roles.items():
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": f"{services.get(name, 'lambda')}.amazonaws.com"}, name
        assert "ManagedPolicyArns" not in role["Properties"], name


def test_functions_are_built_for_the_chosen_processor(template):
    common = template.body["Globals"]["Function"]
    assert common["Runtime"] == "provided.al2023"
    assert common["Architectures"] == [{"Ref": "Architecture"}]
    for resource in template.of_type("AWS::Serverless::Function").values():
        binary = resource["Properties"]["CodeUri"].removeprefix("functions/")
        assert resource["Metadata"].items() >= {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}}.items()


def test_logs_expire(template):
    for name, log in template.of_type("AWS::Logs::LogGroup").items():
        assert log["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_functions_that_send_to_their_own_queue_may_do_so(template):
    def queues(function):
        """Those that it is invoked by and sends to."""
        events = [each["Properties"]["Queue"] for each in template.functions[function].get("Events", {}).values() if each["Type"] == "SQS"]
        sent_to = [resource for actions, resources in template.statements(function) if "sqs:SendMessage" in actions for resource in resources]
        return [queue for queue in events if queue in sent_to]

    to_itself = {function for function in template.functions if queues(function)}
    assert to_itself == {"export-worker", "monthly", "keeper", "notifier", "streamer"}
    allowed = {name for name, function in template.functions.items() if function.get("RecursiveLoop") == "Allow"}
    assert allowed == to_itself


@pytest.mark.parametrize("function", ["intake", "export-worker", "monthly", "keeper", "notifier", "streamer"])
def test_function_buries_messages_in_the_dead_letters_of_its_queue(template, function):
    (queue,) = [each["Properties"]["Queue"]["Fn::GetAtt"][0] for each in template.functions[function]["Events"].values() if each["Type"] == "SQS"]
    (dead, _) = template.resources[queue]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
    assert template.variables(function)["DEAD_LETTER_QUEUE_URL"] == {"Ref": dead}
