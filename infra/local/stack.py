"""Deploys a stack of Daybook on the emulator and creates its users and API clients. Steps without changes are skipped.

`make up` calls `up`, and `make down` calls `down`. Tests call both with a directory and a port of their own:

    stack = up(Path(".local/test"), demo=False)
    …
    down(Path(".local/test"))
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import boto3

import cargo_build
import demo as demo_data
import template
import tokens
from cargo_build import BUILD
from emulator import KEYS, REGION, Emulator, answers, free_port, require_free
from environments import ROOT, TOOLS, UserFacingError, ensure, print_progress

NAME = "daybook"
# Public on purpose: the password opens nothing but the emulator on this machine.
PASSWORD = "Daybook-local-1"
EMAIL_SENDER = "daybook@portal.example"
PARTNERS = {"contoso": "Contoso", "fabrikam": "Fabrikam"}
TIME_ZONE = "Europe/Paris"
OPERATOR = "operator"
ROLES = {
    "global_admin": ("Ana Trujillo", "Zoë Lefèvre"),
    "billing_admin": ("Björn Åkesson", "Hélène Dupré"),
    "user_management_admin": ("Carlos Muñoz", "François Morin"),
    "admin_agent": ("Dörte Schäfer", "Inès Gauthier"),
    "sales_agent": ("Eamonn Ó Briain", "Noël Besançon"),
    "helpdesk_agent": ("Fatma Yıldız", "Chloé Rivière"),
}
# Maps the crate of each function to the name of its resource.
FUNCTIONS = template.functions()
# Parameters in the emulator that record what is deployed, so that an emulator that lost its state is deployed to again.
DEPLOYED = "/daybook/deployed"
DEMO = "/daybook/demo"
DEMO_UNTIL = "/daybook/demo-until"


def up(directory: Path, port: int | None = None, demo: bool = True, allowed_origin: str = "*", overrides: dict[str, str] | None = None) -> dict:
    """Brings the stack of a directory up to date, writes its description to stack.json and returns it.

    `allowed_origin` is the origin whose pages may call the API, and `overrides` are values of other parameters of the template.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(directory / "lock"):
        emulator = Emulator(directory)
        port = _start(emulator, port)
        client = clients(port)
        # All stacks of this checkout share one build, so no other run may change it while this one deploys it.
        with exclusive_lock(TOOLS / "build.lock"):
            built_from = cargo_build.build(FUNCTIONS)
            outputs = _deploy(client, port, built_from, {"AllowedOrigin": allowed_origin} | (overrides or {}))
        stack = _describe(client, port, outputs) | {"allowed_origin": allowed_origin}
        _create_users(client, stack)
        _wait_for_page(stack, emulator)
        stack["clients"] = _create_clients(client, stack)
        _register(stack)
        # Written before the demo data, so that an interrupted run leaves a stack that can be used.
        (directory / "stack.json").write_text(json.dumps(stack, indent=2, ensure_ascii=False) + "\n")
        if demo and _read_marker(client, DEMO) != demo_data.VERSION:
            # Every attempt uses the moment of the first one, so that a repeated attempt sends the same activities.
            until = _read_marker(client, DEMO_UNTIL) or datetime.now(timezone.utc).isoformat()
            _write_marker(client, DEMO_UNTIL, until)
            demo_data.record(stack, datetime.fromisoformat(until))
            _write_marker(client, DEMO, demo_data.VERSION)
    return stack


def down(directory: Path) -> bool:
    """Stops the emulator of a directory and keeps its data. Returns whether one ran."""
    return Emulator(directory.resolve()).stop()


def clean(directory: Path) -> None:
    """Stops the emulator of a directory and removes its data."""
    down(directory)
    for name in ("state", "objects", "scratch", "emulator.log", "stack.json", "lock"):
        place = directory / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def load(directory: Path) -> dict:
    """Reads the description of the stack that runs in a directory."""
    if Emulator(directory.resolve()).running() is None:
        raise UserFacingError("Nothing is running. Start it with: make up")
    return json.loads((directory / "stack.json").read_text())


def with_others(stack: dict) -> dict:
    """Adds the people and the clients of the user pool that others have created, such as `make onboard`."""
    cognito, pool = clients(stack["port"])("cognito-idp"), stack["user_pool_id"]
    users = {user["name"]: user for user in stack["users"]}
    for page in cognito.get_paginator("list_users").paginate(UserPoolId=pool):
        for user in page["Users"]:
            users.setdefault(user["Username"], {"name": user["Username"], "password": PASSWORD})
    machines = {machine["client_id"]: machine for machine in stack["clients"]}
    for page in cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool):
        for client_id in {each["ClientId"] for each in page["UserPoolClients"]} - set(machines):
            found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]
            # The page's client has no secret, and gets no tokens of its own.
            if secret := found.get("ClientSecret"):
                scope = " ".join(found["AllowedOAuthScopes"])
                machines[client_id] = {"name": found["ClientName"], "client_id": client_id, "client_secret": secret, "scope": scope}
    return stack | {"users": list(users.values()), "clients": list(machines.values())}


def clients(port: int, **keys):
    """Returns a function that makes clients of the emulator's services, as in `clients(port)("dynamodb")`.

    The clients sign as the account's root unless other keys are given.
    """
    session = boto3.Session(
        region_name=REGION,
        **(keys or {"aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"]}),
    )
    made = {}

    def client(service: str):
        if service not in made:
            made[service] = session.client(service, endpoint_url=f"http://127.0.0.1:{port}")
        return made[service]

    return client


def function_credentials(stack: dict, name: str) -> dict:
    """Returns the keys of a function's role, as keywords for `clients`, so that a test can try what the role allows.

    The emulator lets only functions assume the role. It derives the keys from the names of the function and of its role,
    and accepts them from the function's first invocation on.
    """
    function = clients(stack["port"])("lambda")
    physical = stack["functions"][name]
    # The answer does not matter: the invocation makes the emulator know the keys.
    function.invoke(FunctionName=physical, Payload=b"{}")
    configuration = function.get_function_configuration(FunctionName=physical)
    seed = _sha256(f"{configuration['FunctionArn']}:{configuration['Role']}".encode())
    return {
        "aws_access_key_id": "ASIA" + seed[:16].upper(),
        "aws_secret_access_key": _sha256(f"secret:{seed}".encode()),
        "aws_session_token": _sha256(f"token:{seed}".encode()),
    }


# ---------------------------------------------------------------- the steps of `up`


def _start(emulator: Emulator, port: int | None) -> int:
    last = _port_of_last_time(emulator.directory)
    if port and last and port != last:
        # The addresses of queues contain the port: under another port no function would find them.
        raise UserFacingError(f"The data here were made on port {last}. Run it there (make up PORT={last}), or remove them first (make clean).")
    if running := emulator.running():
        print_progress(f"✓ emulator is running on port {running[1]}")
        return running[1]
    port = port or last or free_port()
    require_free(port)
    emulator.start(port)
    print_progress(f"✓ emulator started on port {port}")
    return port


def _port_of_last_time(directory: Path) -> int | None:
    try:
        return json.loads((directory / "stack.json").read_text())["port"]
    except (OSError, ValueError, KeyError):
        return None


def _deploy(client, port: int, built: str, overrides: dict[str, str]) -> dict:
    """Deploys the stack if it has changed, and returns its outputs."""
    here = f"http://localhost:{port}"
    parameters = {
        "Architecture": _architecture(),
        "DeletionProtection": "false",
        "RequireTls": "false",
        "GatewayUrl": f"{here}/_aws/execute-api",
        "SignInUrl": here,
        "UserPoolUrl": f"http://127.0.0.1:{port}",
        # Webhooks may reach this machine, and are tried again after seconds instead of hours. The emulator sends no e-mail.
        "WebhookTestHosts": "127.0.0.1",
        "NotifyWaits": "1,2",
        "EmailSender": EMAIL_SENDER,
        "TimeZone": TIME_ZONE,
        # High enough to limit nobody; tests set lower limits for single partners.
        "PartnerLimits": "true",
        "RecordsPerSecond": "100000",
        "ReadUnitsPerSecond": "1000000",
        "OpenExports": "1000",
    } | overrides
    wanted = _sha256(json.dumps([built, parameters], sort_keys=True).encode())
    if _read_marker(client, DEPLOYED) == wanted and _status(client).endswith("_COMPLETE"):
        print_progress("✓ stack is deployed")
        return _outputs(client)
    print_progress("· deploying the stack")
    started = time.monotonic()
    if _status(client) == "ROLLBACK_COMPLETE":
        # A first deployment that failed leaves a stack that can only be deleted.
        client("cloudformation").delete_stack(StackName=NAME)
        client("cloudformation").get_waiter("stack_delete_complete").wait(StackName=NAME)
    _sam(
        ["deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local", "--template-file", str(BUILD / "template.yaml")]
        + ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())],
        KEYS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
    )
    outputs = _outputs(client)
    _finish_gateway(client, outputs)
    _finish_event_sources(client)
    _finish_user_pool(client, outputs)
    _finish_streamer_role(client, outputs)
    _write_marker(client, DEPLOYED, wanted)
    print_progress(f"✓ stack deployed in {time.monotonic() - started:.0f} s")
    return outputs


def _finish_gateway(client, outputs: dict) -> None:
    """Adds to the API the parts of its document that the emulator's import ignores.

    These are the gateway's own error responses, the headers of its responses to preflight requests, and routes of any method.
    """
    gateway = client("apigateway")
    api, stage = outputs["ApiUrl"].split("/")[-2:]
    processed = client("cloudformation").get_template(StackName=NAME, TemplateStage="Processed")["TemplateBody"]
    processed = processed if isinstance(processed, dict) else json.loads(processed)
    given = {each["ParameterKey"]: each["ParameterValue"] for each in _stack(client)["Parameters"]}

    def text(value):
        if isinstance(value, dict):
            value = value["Fn::Sub"]
            for name, of_parameter in given.items():
                value = value.replace("${" + name + "}", of_parameter)
        return value

    document = processed["Resources"]["Api"]["Properties"]["Body"]
    for kind, answer in document["x-amazon-apigateway-gateway-responses"].items():
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            statusCode=str(answer["statusCode"]),
            responseParameters={name: text(value) for name, value in answer["responseParameters"].items()},
            responseTemplates={name: text(value) for name, value in answer["responseTemplates"].items()},
        )
    resources = {each["path"]: each["id"] for each in gateway.get_resources(restApiId=api, limit=500)["items"]}
    portal = gateway.get_integration(restApiId=api, resourceId=resources["/health"], httpMethod="GET")["uri"]
    for path, operations in document["paths"].items():
        if "x-amazon-apigateway-any-method" in operations:
            any_method = {"restApiId": api, "resourceId": resources[path], "httpMethod": "ANY"}
            gateway.put_method(**any_method, authorizationType="NONE")
            gateway.put_integration(**any_method, type="AWS_PROXY", integrationHttpMethod="POST", uri=portal)
        if "options" not in operations:
            continue
        answer = operations["options"]["x-amazon-apigateway-integration"]["responses"]["default"]
        preflight = {"restApiId": api, "resourceId": resources[path], "httpMethod": "OPTIONS", "statusCode": str(answer["statusCode"])}
        headers = {name: text(value) for name, value in answer["responseParameters"].items()}
        gateway.put_method_response(**preflight, responseParameters=dict.fromkeys(headers, False))
        gateway.put_integration_response(**preflight, responseParameters=headers, responseTemplates=answer["responseTemplates"])
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.update_stage(restApiId=api, stageName=stage, patchOperations=[{"op": "replace", "path": "/deploymentId", "value": deployment}])


def _finish_event_sources(client) -> None:
    """Sets the concurrency of event sources as a number, because the emulator fails on the text that a parameter gives."""
    functions = client("lambda")
    for source in functions.list_event_source_mappings()["EventSourceMappings"]:
        if scaling := source.get("ScalingConfig"):
            functions.update_event_source_mapping(UUID=source["UUID"], ScalingConfig={"MaximumConcurrency": int(scaling["MaximumConcurrency"])})


def _finish_user_pool(client, outputs: dict) -> None:
    """Sets the numbers of the password policy as numbers, because the emulator fails on the texts that parameters give."""
    cognito, pool = client("cognito-idp"), outputs["UserPoolId"]
    policy = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]["Policies"]["PasswordPolicy"]
    numbers = {name: int(policy[name]) for name in ("MinimumLength", "TemporaryPasswordValidityDays")}
    cognito.update_user_pool(UserPoolId=pool, Policies={"PasswordPolicy": policy | numbers})


def _finish_streamer_role(client, outputs: dict) -> None:
    """Lets the streamer assume the roles of partners.

    The emulator knows the external id when it reads the trust of the role that is assumed, but not when it reads the policy of the
    caller. So the condition there that demands an external id would deny every role. The one on the role's account stays.
    """
    iam = client("iam")
    role = client("lambda").get_function_configuration(FunctionName=outputs["StreamerFunction"])["Role"].rsplit("/", 1)[-1]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        assumed = [statement for statement in document["Statement"] if statement["Action"] == "sts:AssumeRole"]
        conditions = [statement["Condition"] for statement in assumed if "Condition" in statement]
        for condition in conditions:
            del condition["Null"]
        if conditions:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _describe(client, port: int, outputs: dict) -> dict:
    users = [
        {"name": f"{partner}-{role.replace('_', '-')}", "password": PASSWORD, "partner": partner, "roles": [role], "full_name": names[index]}
        for index, partner in enumerate(PARTNERS)
        for role, names in ROLES.items()
    ]
    return {
        "api_url": outputs["ApiUrl"],
        "portal_url": outputs["PortalUrl"],
        "sign_in_url": outputs["SignInUrl"],
        "port": port,
        "endpoint": f"http://127.0.0.1:{port}",
        "region": REGION,
        "access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
        "secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
        "user_pool_id": outputs["UserPoolId"],
        "client_id": outputs["ClientId"],
        "users": users,
        "clients": [],
        "functions": {name: outputs[resource] for name, resource in FUNCTIONS.items()},
        "outputs": outputs,
    }


def _create_users(client, stack: dict) -> None:
    """Creates one user for each role and partner."""
    pool = stack["user_pool_id"]
    cognito = client("cognito-idp")
    pages = cognito.get_paginator("list_users").paginate(UserPoolId=pool)
    there = {user["Username"] for page in pages for user in page["Users"]}
    missing = [user for user in stack["users"] if user["name"] not in there]
    for user in missing:
        attributes = {
            "email": f"{user['name']}@{user['partner']}.example",
            "email_verified": "true",
            "name": user["full_name"],
            "custom:partner_id": user["partner"],
        }
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=user["name"],
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )
        for role in user["roles"]:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=user["name"], GroupName=role)
        # The password comes last, so that a user whom an interrupted run left half made cannot sign in.
        cognito.admin_set_user_password(UserPoolId=pool, Username=user["name"], Password=user["password"], Permanent=True)
    if missing:
        print_progress(f"✓ {len(missing)} users who can sign in")


def _create_clients(client, stack: dict) -> list[dict]:
    """Describes the operator's client of the template, and creates one recording client for each partner."""
    pool = stack["user_pool_id"]
    cognito = client("cognito-idp")

    def described(client_id: str, name: str, scope: str, partner: str | None) -> dict:
        found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]
        return {"name": name, "client_id": client_id, "client_secret": found["ClientSecret"], "scope": scope, "partner": partner}

    pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
    there = {each["ClientName"]: each["ClientId"] for page in pages for each in page["UserPoolClients"]}
    machines = [described(stack["outputs"]["OperatorClientId"], OPERATOR, "daybook/operate", None)]
    for partner in PARTNERS:
        name = f"recorder-{partner}"
        if name not in there:
            there[name] = cognito.create_user_pool_client(
                UserPoolId=pool,
                ClientName=name,
                GenerateSecret=True,
                AllowedOAuthFlowsUserPoolClient=True,
                AllowedOAuthFlows=["client_credentials"],
                AllowedOAuthScopes=["daybook/record"],
            )["UserPoolClient"]["ClientId"]
        machines.append(described(there[name], name, "daybook/record", partner))
    return machines


def _register(stack: dict) -> None:
    """Registers the partners, and the client of each."""
    for partner, name in PARTNERS.items():
        register_partner(stack, partner, name)
    for client in stack["clients"]:
        if client["partner"]:
            _put_as_operator(stack, f"/v1/clients/{client['client_id']}", {"partner": client["partner"]})


def register_partner(stack: dict, partner: str, name: str) -> None:
    """Registers a partner. What is registered already keeps its status."""
    _put_as_operator(stack, f"/v1/partners/{partner}", {"name": name, "time_zone": TIME_ZONE})


def _put_as_operator(stack: dict, path: str, body: dict) -> None:
    request = urllib.request.Request(
        stack["api_url"] + path,
        method="PUT",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {tokens.token(stack, OPERATOR)}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60):
            pass
    except urllib.error.HTTPError as error:
        problem = error.read().decode(errors="replace")
        raise UserFacingError(f"The operator's PUT {path} failed: {error.code} {problem}\n(make logs says more)") from None


def _wait_for_page(stack: dict, emulator: Emulator) -> None:
    deadline = time.monotonic() + 60
    while not answers(stack["portal_url"] + "health"):
        if time.monotonic() > deadline:
            raise UserFacingError(f"{stack['portal_url']}health does not answer. {emulator.log} ends with:\n{emulator.tail(15)}")
        time.sleep(0.2)


# ---------------------------------------------------------------- helpers


def _sam(arguments: list[str], variables: dict) -> None:
    """Runs the SAM CLI; its output is shown only if it fails, or always with SHOW=1."""
    place = ensure("sam") / "bin"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "PATH": f"{place}{os.pathsep}{environment['PATH']}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": REGION,
        # Neither the user's profiles nor a real account may be used.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **variables,
    }
    log = TOOLS / f"sam-{arguments[0]}.log"
    with log.open("w+") as output:
        shown = None if os.environ.get("SHOW") else output
        done = subprocess.run([str(place / "sam"), *arguments], cwd=ROOT, env=environment, stdout=shown, stderr=subprocess.STDOUT)
        if done.returncode:
            output.seek(0)
            end = "".join(output.readlines()[-60:])
            raise UserFacingError(f"sam {arguments[0]} failed ({log}):\n{end}")


def _stack(client) -> dict:
    return client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]


def _status(client) -> str:
    try:
        return _stack(client)["StackStatus"]
    except client("cloudformation").exceptions.ClientError:
        return ""


def _outputs(client) -> dict:
    return {each["OutputKey"]: each["OutputValue"] for each in _stack(client)["Outputs"]}


def _read_marker(client, name: str) -> str | None:
    ssm = client("ssm")
    try:
        return ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None


def _write_marker(client, name: str, value: str) -> None:
    client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def _architecture() -> str:
    """Returns the processor of this machine, in Lambda's spelling."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Lets one process at a time into the block; others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_progress(f"· waiting for another run ({path})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
