"""The functions in containers, through the real `sam local`, on the tables and the bucket of the local platform.

`make sam-local` needs a running stack (`make up`) and a container engine. Each function is invoked with its event of
`tests/events`, then the API is served, authorizer included, until it is interrupted. What is built and deployed is what runs;
only names of resources and addresses are put in, as the deployment has resolved them.
"""

import asyncio
import ipaddress
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import yaml

import stack as platform
from emulator import KEYS, REGION, free_port
from environments import ROOT, TOOLS, UserFacingError, ensure, print_progress

EVENTS = ROOT / "tests" / "events"
# Of nested stacks and of what only watches, `sam local` has no use.
LEFT_OUT = ("AWS::CloudFormation::Stack",)


class _Loader(yaml.SafeLoader):
    """YAML with the functions of CloudFormation, in their long form."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


class Containers:
    """`sam local` for a stack that runs: a template of its own, and a way from the containers to the platform."""

    def __init__(self, stack: dict, directory: Path, sam_options: list[str] | None = None):
        self.stack, self.directory = stack, directory
        self.sam_options = sam_options or []
        self.host = _host_of_containers()
        self.template = directory / "template.json"

    @contextmanager
    def ready(self):
        """While the platform can be reached from containers, on the engine's own network."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with _forwarding(self.host, self.stack["port"]) as address:
            self.template.write_text(json.dumps(self._template(address)))
            yield self

    def _template(self, address: str) -> dict:
        body = yaml.load((platform.BUILD / "template.yaml").read_text(), _Loader)
        functions = platform.clients(self.stack["port"])("lambda")
        here = f"127.0.0.1:{self.stack['port']}", f"localhost:{self.stack['port']}"
        resources = {name: each for name, each in body["Resources"].items() if each["Type"] not in LEFT_OUT}
        for name, resource in platform.FUNCTIONS.items():
            physical = self.stack["functions"][name]
            variables = functions.get_function_configuration(FunctionName=physical)["Environment"]["Variables"]
            if "JWKS_URL" in variables:
                for known in here:
                    variables["JWKS_URL"] = variables["JWKS_URL"].replace(known, address)
            properties = resources[resource]["Properties"]
            properties["Environment"] = {"Variables": variables | {"AWS_ENDPOINT_URL": f"http://{address}"}}
            properties["CodeUri"] = str(platform.BUILD / resource)
        return body | {"Resources": resources, "Outputs": {}}

    def invoke(self, function: str, event: Path) -> tuple[dict, str]:
        """What a function answers to an event, and what it logs."""
        done = subprocess.run(
            self._sam("invoke", platform.FUNCTIONS[function], "--event", str(event)),
            cwd=self.directory,
            env=self._surroundings(),
            capture_output=True,
            text=True,
        )
        # The answer is the last line; the functions' own lines and those of Lambda's emulator come before.
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        if done.returncode or not lines:
            raise UserFacingError(f"sam local invoke of {function} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
        return json.loads(lines[-1]), done.stderr

    @contextmanager
    def api(self, port: int):
        """While `sam local start-api` serves the API; its address. Containers stay warm."""
        log = self.directory / "start-api.log"
        with log.open("w") as output:
            running = subprocess.Popen(
                self._sam("start-api", "--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY"),
                cwd=self.directory,
                env=self._surroundings(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            for _ in range(600):
                if "Running on http" in log.read_text(errors="replace"):
                    break
                if running.poll() is not None:
                    raise UserFacingError(f"sam local start-api ended:\n{log.read_text(errors='replace')[-3000:]}")
                threading.Event().wait(0.2)
            else:
                raise UserFacingError(f"sam local start-api does not answer; see {log}")
            yield f"http://127.0.0.1:{port}"
        finally:
            # It removes its containers when it is interrupted.
            running.send_signal(2)
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()

    def _sam(self, command: str, *options: str) -> list[str]:
        parameters = platform.clients(self.stack["port"])("cloudformation").describe_stacks(StackName=platform.NAME)["Stacks"][0]["Parameters"]
        given = [f"{each['ParameterKey']}={each['ParameterValue']}" for each in parameters if each["ParameterValue"]]
        sam = str(ensure("build") / "bin" / "sam")
        return [sam, "local", command, *options, "--template", str(self.template), "--region", REGION, "--parameter-overrides", *given, *self.sam_options]

    def _surroundings(self) -> dict:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # The SAM CLI asks whose account it is: the platform knows, and AWS itself is not to be met.
        return (
            kept
            | KEYS
            | {
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL_STS": self.stack["endpoint"],
                "SAM_CLI_TELEMETRY": "0",
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            }
        )


def run(stack: dict) -> None:
    """What `make sam-local` does."""
    containers = Containers(stack, TOOLS / "sam-local")
    with containers.ready():
        for function in platform.FUNCTIONS:
            answer, _ = containers.invoke(function, EVENTS / f"{function}.json")
            print_progress(f"✓ {function}: {json.dumps(answer, ensure_ascii=False)[:100]}")
        with containers.api(free_port()) as address:
            print_progress(f"\nThe API, in containers: {address} (make token prints a token; Ctrl-C ends it)")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                print_progress("")


def _host_of_containers() -> str:
    """The address by which containers reach this machine."""
    try:
        found = subprocess.run(["docker", "network", "inspect", "bridge"], capture_output=True, text=True)
    except FileNotFoundError:
        raise UserFacingError("sam local needs a container engine: install Docker and start it.") from None
    if found.returncode:
        raise UserFacingError(f"The container engine does not answer: {found.stderr.strip()}")
    if sys.platform == "darwin":
        return "host.docker.internal"
    (network,) = json.loads(found.stdout)[0]["IPAM"]["Config"][:1]
    return network.get("Gateway") or str(next(ipaddress.ip_network(network["Subnet"]).hosts()))


@contextmanager
def _forwarding(host: str, port: int):
    """While connections from the engine's network to a port of this machine go to the loopback interface; where to connect to.

    The emulator itself listens on the loopback interface only. Docker Desktop needs no help.
    """
    if host == "host.docker.internal":
        yield f"{host}:{port}"
        return
    loop, started, address = asyncio.new_event_loop(), threading.Event(), []

    async def copy(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            # One side went away: so does the other.
            pass
        finally:
            writer.close()

    async def connected(reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    async def serve():
        server = await asyncio.start_server(connected, host, 0)
        address.append(f"{host}:{server.sockets[0].getsockname()[1]}")
        started.set()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
