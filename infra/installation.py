"""An installation as its operator sees it: outputs of the stack, API, user pool. Finds it on this machine or on AWS.

`make onboard` and `make partner` work on it. People and machine clients are in the installation's own user pool, unless the
stack trusts an issuer of yours: then `pool` is none, and TOKEN in the environment is the operator's token.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import boto3
from botocore.exceptions import BotoCoreError, ClientError

import deploy
import smoke
import stack as local
import tokens
from environments import Progress, UserFacingError, print_progress
from onboard_inputs import ROLES

OPERATE = "daybook/operate"
PARTNER_ATTRIBUTE = "custom:partner_id"
# How long an invitation is valid unless the pool says otherwise, in days.
INVITATION_DAYS = 7


class Api:
    """The API of an installation, called with the operator's token."""

    def __init__(self, url: str, token: str):
        self._service = smoke.Installation(url, token)

    def get(self, path: str) -> dict | None:
        """Reads a resource; none if it does not exist."""
        status, answer = self._send("GET", path)
        return None if status == 404 else answer

    def put(self, path: str, body: dict) -> dict:
        """Saves a resource."""
        status, answer = self._send("PUT", path, body)
        if status == 404:
            raise UserFacingError(f"PUT {path}: 404: {_detail(answer)}")
        return answer

    def list_all(self, path: str, member: str, **query: str) -> Iterator[dict]:
        """Yields everything of a list, page by page."""
        cursor = {}
        while cursor is not None:
            page = self.get(f"{path}?{urlencode(query | cursor)}") or {member: [], "next_cursor": None}
            yield from page[member]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None

    def registration(self, client_id: str) -> dict | None:
        """Reads the registration of a client; none if nobody has registered it."""
        return self.get(_client_path(client_id))

    def register(self, client_id: str, partner: str) -> None:
        """Registers a client for a partner."""
        self.put(_client_path(client_id), {"partner": partner})

    def partners(self) -> list[dict]:
        """Returns every registered partner."""
        found, progress = [], Progress("partners read")
        for partner in self.list_all("/v1/partners", "partners", limit="100"):
            found.append(partner)
            progress.report(len(found))
        return found

    def similar_partners(self, name: str) -> list[dict]:
        """Returns the registered partners whose id or name is similar to a name, the most similar first."""
        by_word: dict[str, dict] = {}
        for partner in self.partners():
            for word in (partner["partner_id"], partner["name"]):
                by_word.setdefault(_plain(word), partner)
        near = [by_word[word] for word in get_close_matches(_plain(name), by_word, 5, 0.75)]
        return list({partner["partner_id"]: partner for partner in near}.values())

    def _send(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        try:
            status, _, answer = self._service.answer(method, path, body)
        except smoke.CheckFailed as failure:
            raise UserFacingError(str(failure)) from None
        if status == 401:
            raise UserFacingError("The API refuses the operator's token (401). Get a new one, and give it as TOKEN=….")
        if status != 404 and not 200 <= status < 300:
            raise UserFacingError(f"{method} {path}: {status}: {_detail(answer)}")
        return status, answer


def _client_path(client_id: str) -> str:
    return f"/v1/clients/{quote(client_id, safe='')}"


def _plain(text: str) -> str:
    """Returns the letters and digits of a text, in lower case."""
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _detail(answer) -> str:
    """Returns what a problem says, with each field that is wrong."""
    if not isinstance(answer, dict):
        return bytes(answer or b"").decode(errors="replace")[:300]
    errors = [f"{each['pointer']} {each['detail']}" for each in answer.get("errors", [])]
    return "; ".join(errors) or str(answer.get("detail", answer))


@dataclass(frozen=True)
class Person:
    """A user of the pool."""

    # What the person signs in with.
    username: str
    status: str
    attributes: dict[str, str]
    enabled: bool = True

    @staticmethod
    def read(user: dict) -> "Person":
        attributes = {each["Name"]: each["Value"] for each in user.get("Attributes", user.get("UserAttributes", []))}
        return Person(user["Username"], user.get("UserStatus", ""), attributes, user.get("Enabled", True))

    @property
    def partner(self) -> str:
        """The partner, or an empty text."""
        return self.attributes.get(PARTNER_ATTRIBUTE, "")

    @property
    def name(self) -> str:
        """The name to show, or an empty text."""
        return self.attributes.get("name", "")

    @property
    def is_invited(self) -> bool:
        """Whether the person has not chosen a password yet."""
        return self.status == "FORCE_CHANGE_PASSWORD"

    @property
    def is_federated(self) -> bool:
        """Whether the person comes from another identity provider."""
        return self.status == "EXTERNAL_PROVIDER"


@dataclass(frozen=True)
class Client:
    """A client of the pool."""

    id: str
    name: str
    scopes: tuple[str, ...] = ()
    secret: str = ""


class Pool:
    """The user pool of an installation. With a `password`, new people get it; otherwise Cognito sends them an invitation."""

    def __init__(self, cognito, pool_id: str, own_clients: set[str], password: str | None = None):
        self._cognito, self.id, self.own_clients, self.password = cognito, pool_id, own_clients, password

    # People

    def find_people(self, address: str) -> list[Person]:
        """Returns the people who have an e-mail address, or sign in with it."""
        users = [user for page in self._pages("list_users", Filter=f'email = "{address}"') for user in page["Users"]]
        found = {user["Username"]: Person.read(user) for user in users}
        if address not in found:
            try:
                found[address] = Person.read(self._cognito.admin_get_user(UserPoolId=self.id, Username=address))
            except self._cognito.exceptions.UserNotFoundException:
                pass
        return list(found.values())

    def people_of(self, partner: str) -> list[Person]:
        """Returns the people of a partner. Cognito cannot search for the partner, so this reads everybody."""
        found, seen, progress = [], 0, Progress("people of the user pool read")
        for page in self._pages("list_users"):
            found += [person for person in map(Person.read, page["Users"]) if person.partner == partner]
            progress.report(seen := seen + len(page["Users"]))
        return sorted(found, key=lambda person: person.username)

    def roles(self, username: str) -> list[str]:
        """Returns the roles of a person."""
        pages = self._pages("admin_list_groups_for_user", Username=username)
        return [group["GroupName"] for page in pages for group in page["Groups"] if group["GroupName"] in ROLES]

    def create_person(self, address: str, attributes: dict[str, str]) -> None:
        """Creates a person who signs in with an e-mail address. If there are invitations, Cognito sends one now."""
        attributes = {"email": address, "email_verified": "true"} | attributes
        invitation = {"MessageAction": "SUPPRESS"} if self.password else {"DesiredDeliveryMediums": ["EMAIL"]}
        self._cognito.admin_create_user(
            UserPoolId=self.id,
            Username=address,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            **invitation,
        )

    def add_role(self, username: str, role: str) -> None:
        """Gives a person a role."""
        self._cognito.admin_add_user_to_group(UserPoolId=self.id, Username=username, GroupName=role)

    def set_password(self, username: str) -> None:
        """Gives a person the pool's password."""
        self._cognito.admin_set_user_password(UserPoolId=self.id, Username=username, Password=self.password, Permanent=True)

    def invitation_days(self) -> int:
        """Returns for how many days an invitation is valid."""
        policies = self._cognito.describe_user_pool(UserPoolId=self.id)["UserPool"].get("Policies", {})
        return policies.get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays") or INVITATION_DAYS

    # Clients

    def clients(self) -> list[Client]:
        """Returns ids and names of the machine clients; the pool's own clients are left out."""
        pages = self._pages("list_user_pool_clients")
        found = [Client(each["ClientId"], each["ClientName"]) for page in pages for each in page["UserPoolClients"]]
        return sorted((client for client in found if client.id not in self.own_clients), key=lambda client: client.name)

    def client(self, client_id: str) -> Client | None:
        """Returns a client with its scopes and its secret."""
        try:
            found = self._cognito.describe_user_pool_client(UserPoolId=self.id, ClientId=client_id)["UserPoolClient"]
        except self._cognito.exceptions.ResourceNotFoundException:
            return None
        is_machine = "client_credentials" in found.get("AllowedOAuthFlows", [])
        scopes = tuple(found.get("AllowedOAuthScopes", [])) if is_machine else ()
        return Client(client_id, found["ClientName"], scopes, found.get("ClientSecret", ""))

    def create_client(self, name: str, scopes: tuple[str, ...]) -> Client:
        """Creates a machine client."""
        made = self._cognito.create_user_pool_client(
            UserPoolId=self.id,
            ClientName=name,
            GenerateSecret=True,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=list(scopes),
            # A machine signs nobody in, and changes nobody.
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH"],
            ReadAttributes=["name"],
            WriteAttributes=["name"],
        )["UserPoolClient"]
        return Client(made["ClientId"], name, scopes, made["ClientSecret"])

    def _pages(self, operation: str, **arguments):
        return self._cognito.get_paginator(operation).paginate(UserPoolId=self.id, **arguments)


@dataclass(frozen=True)
class Installation:
    """A deployed stack, its API, and its user pool if it has one of its own."""

    # Where it is, in words.
    place: str
    outputs: dict
    parameters: dict
    api: Api
    pool: Pool | None
    # The region on AWS; none on this machine.
    region: str | None

    @property
    def customers_claim(self) -> str:
        """The claim that lists the customers whom a person may see; empty if people are not restricted to customers."""
        return self.parameters.get("CustomersClaim", "")

    @property
    def sends_email(self) -> bool:
        """Whether schedules may notify by e-mail."""
        return self.parameters.get("EmailSender") != ""

    @property
    def token_url(self) -> str:
        """The address at which machines get tokens."""
        return f"{self.outputs['SignInUrl']}/oauth2/token"

    def how_to_read_secret(self, client: Client) -> str:
        """Returns how to get a client's secret, or a token, again."""
        if self.region is None:
            return f"make token USER={client.name} prints a token"
        return (
            f"aws cognito-idp describe-user-pool-client --region {self.region} --user-pool-id {self.pool.id} --client-id {client.id} "
            "--query UserPoolClient.ClientSecret --output text"
        )

    def how_to_invite_again(self, username: str) -> str:
        """Returns the command that sends an invitation again."""
        return f"aws cognito-idp admin-create-user --region {self.region} --user-pool-id {self.pool.id} --username {username} --message-action RESEND"


def find(stack: str | None, directory: Path) -> Installation:
    """Finds the stack of that name on AWS, or the one that runs on this machine.

    AWS_PROFILE, AWS_REGION and the like choose account and region.
    """
    return _on_aws(stack) if stack else _on_this_machine(directory)


def _on_this_machine(directory: Path) -> Installation:
    try:
        running = local.load(directory)
    except UserFacingError as error:
        raise UserFacingError(f"{error}\nFor an installation on AWS, name its stack: STACK=daybook") from None
    client = local.clients(running["port"])
    parameters = _read_stack(client, local.NAME)[1]
    return _connect("the stack on this machine", running["outputs"], parameters, client, None, local.PASSWORD)


def _on_aws(stack: str) -> Installation:
    session = boto3.Session()
    try:
        # Standard output carries results only.
        with redirect_stdout(sys.stderr):
            deploy.check_credentials(session)
    except deploy.DeploymentError as error:
        raise UserFacingError(str(error)) from None
    client = cache(session.client)
    outputs, parameters = _read_stack(client, stack)
    return _connect(f"the stack {stack} in {session.region_name}", outputs, parameters, client, session.region_name, None)


def _read_stack(client: Callable, name: str) -> tuple[dict, dict]:
    """Returns outputs and parameters of a stack."""
    try:
        (found,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise UserFacingError(f"There is no stack {name} in this account and region. Check STACK, AWS_PROFILE and AWS_REGION.") from None
        raise
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if "ApiUrl" not in outputs:
        raise UserFacingError(f"The stack {name} is no installation of Daybook, or is not deployed yet: it has no output ApiUrl.")
    return outputs, {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])}


def _connect(place: str, outputs: dict, parameters: dict, client: Callable, region: str | None, password: str | None) -> Installation:
    """Gets the operator's token, from the stack's own user pool or from the environment."""
    pool = None
    if pool_id := outputs.get("UserPoolId"):
        pool = Pool(client("cognito-idp"), pool_id, {outputs["ClientId"], outputs["OperatorClientId"]}, password)
        operator = pool.client(outputs["OperatorClientId"])
        credentials = {"name": operator.name, "client_id": operator.id, "client_secret": operator.secret, "scope": OPERATE}
        try:
            token = tokens.of_machine({"sign_in_url": outputs["SignInUrl"]}, credentials)
        except OSError as error:
            raise UserFacingError(f"{outputs['SignInUrl']} gave no token for the operator: {error}") from None
    elif not (token := os.environ.get("TOKEN")):
        raise UserFacingError(
            "This installation trusts an issuer of yours and has no user pool. Get a token with the scope daybook/operate there, and give it as TOKEN=…."
        )
    return Installation(place, outputs, parameters, Api(outputs["ApiUrl"], token), pool, region)


def run_as_operator(work: Callable[[], int]) -> int:
    """Runs a command; what the operator can solve is printed as text."""
    try:
        return work()
    except UserFacingError as error:
        print_progress(f"\n{error}")
        return 1
    except (BotoCoreError, ClientError) as error:
        print_progress(f"\nAWS refused a request: {error}")
        return 1
    except (KeyboardInterrupt, EOFError):
        print_progress("\nInterrupted.")
        return 130
