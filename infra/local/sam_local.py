"""Runs the functions in containers with `sam local`, on the tables and the bucket of the local platform.

`make sam-local` needs a running stack (`make up`) and a container engine. It invokes each function with its event of
`tests/events`. Then it serves the API, with the authorizer, until you interrupt it. The containers run the programs that are
deployed. Only the names of resources and addresses are filled in, as the deployment has resolved them.
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

import stack as platform
import template
from cargo_build import TEMPLATE as BUILD_TEMPLATE
from emulator import KEYS, REGION, free_port
from environments import ROOT, TOOLS, UserFacingError, ensure, print_progress

EVENTS = ROOT / "tests" / "events"
# The partner of these events.
PARTNER = "sam-local"
# `sam local` cannot use nested stacks.
LEFT_OUT = ("AWS::CloudFormation::Stack",)


class Containers:
    """Runs `sam local` for a deployed stack, with a template of its own and a way from the containers to the platform."""

    def __init__(self, stack: dict, directory: Path, sam_options: list[str] | None = None):
        self.stack, self.directory = stack, directory
        self.sam_options = sam_options or []
        self.host = _host_of_containers()
        self.template = directory / "template.json"

    @contextmanager
    def ready(self):
        """Lets containers reach the platform on the engine's network during the block."""
        self.directory.mkdir(parents=True, exist_ok=True)
        platform.register_partner(self.stack, PARTNER, "Containers")
        with _forwarding(self.host, self.stack["port"]) as address:
            self.template.write_text(json.dumps(self._template(address)))
            yield self

    def _template(self, address: str) -> dict:
        body = template.load(BUILD_TEMPLATE)
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
        """Invokes a function in a container, and returns its answer and its log."""
        done = subprocess.run(
            self._sam("invoke", platform.FUNCTIONS[function], "--event", str(event)),
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        # The answer is the last line; log lines of the function and of Lambda's emulator come before it.
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        if done.returncode or not lines:
            raise UserFacingError(f"sam local invoke of {function} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
        return json.loads(lines[-1]), done.stderr

    @contextmanager
    def api(self, port: int):
        """Serves the API with `sam local start-api` during the block, and yields its address. Containers stay warm."""
        log = self.directory / "start-api.log"
        with log.open("w") as output:
            running = subprocess.Popen(
                self._sam("start-api", "--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY"),
                cwd=self.directory,
                env=self._environment(),
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
            # `sam local` removes its containers when it is interrupted.
            running.send_signal(2)
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()

    def _sam(self, command: str, *options: str) -> list[str]:
        parameters = platform.clients(self.stack["port"])("cloudformation").describe_stacks(StackName=platform.NAME)["Stacks"][0]["Parameters"]
        given = [f"{each['ParameterKey']}={each['ParameterValue']}" for each in parameters if each["ParameterValue"]]
        sam = str(ensure("sam") / "bin" / "sam")
        return [sam, "local", command, *options, "--template", str(self.template), "--region", REGION, "--parameter-overrides", *given, *self.sam_options]

    def _environment(self) -> dict:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        # The SAM CLI asks STS for the account; the platform answers, so that no call reaches AWS.
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
    """Invokes every function once, then serves the API until it is interrupted."""
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
    """Returns the address by which containers reach this machine."""
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
    """Forwards connections from the engine's network to a port of the loopback interface, and yields the address to connect to.

    The forwarding is needed because the emulator listens on the loopback interface only. Docker Desktop forwards by itself.
    """
    if host == "host.docker.internal":
        yield f"{host}:{port}"
        return
    loop = asyncio.new_event_loop()

    async def copy(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            # One side has closed its connection, so the other side is closed too.
            pass
        finally:
            writer.close()

    async def connected(reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))

    async def serve():
        return await asyncio.start_server(connected, host, 0)

    async def end():
        server.close()
        open_ones = asyncio.all_tasks() - {asyncio.current_task()}
        for each in open_ones:
            each.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
