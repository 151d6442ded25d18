"""Runs the deployed program of a function under a Lambda Runtime API of the tests, so that a test can kill it.

The program has its own environment and credentials, and works on the tables, buckets and queues of the stack."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stack as local


class Process:
    """One process of a function."""

    def __init__(self, stack, aws, name):
        self._events, self._outcomes = queue.Queue(), queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        configuration = aws("lambda").get_function_configuration(FunctionName=stack["functions"][name])
        keys = {key.upper(): value for key, value in local.function_credentials(stack, name).items()}
        environment = configuration["Environment"]["Variables"] | keys | {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": stack["functions"][name],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "killed",
            "AWS_LAMBDA_LOG_STREAM_NAME": "killed",
            "AWS_REGION": stack["region"],
            "AWS_ENDPOINT_URL": stack["endpoint"],
        }  # fmt: skip
        program = local.BUILD / local.FUNCTIONS[name] / "bootstrap"
        self._process = subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _handler(process):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = process._events.get()
                if event is None:
                    self.close_connection = True
                    return
                body, seconds = event
                self.send_response(200)
                for name, value in {
                    "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
                    "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1_000)),
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:killed",
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                process._outcomes.put((self.path.endswith("/response"), json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def invoke(self, event, seconds, time_limit):
        """Sends an event and returns the answer; if `time_limit` ends first, kills the process and returns nothing."""
        self._events.put((json.dumps(event).encode(), seconds))
        try:
            good, answer = self._outcomes.get(timeout=time_limit)
        except queue.Empty:
            self.kill()
            return None
        assert good, answer
        return answer

    def kill(self):
        """Kills the process at any point of its work."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()


class Host:
    """A function whose processes are killed and started again."""

    def __init__(self, make, chance):
        self._make, self._chance = make, chance
        self._process = None
        # The seconds of the last event, with the start of its process.
        self._usual = 5.0
        self.killed = 0

    def invoke(self, event, seconds=60, kill=True):
        """Returns the answer to an event, or nothing if the process was killed meanwhile."""
        if self._process is None:
            self._process = self._make()
        started = time.monotonic()
        time_limit = self._chance.uniform(0, self._usual) if kill else seconds
        answer = self._process.invoke(event, seconds, time_limit)
        if answer is None:
            assert kill, "the function did not answer"
            self._process = None
            self.killed += 1
        else:
            self._usual = 0.5 * self._usual + 0.5 * (time.monotonic() - started)
        return answer

    def end(self):
        """Kills the last process."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def messages(bodies):
    """Returns an event of a queue with messages, given by id."""
    return {"Records": [{
        "messageId": name, "receiptHandle": name, "body": body, "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:killed",
    } for name, body in bodies.items()]}  # fmt: skip


def request(method, resource, partner, body):
    """Returns an event of the gateway with the operator as caller."""
    path = resource.replace("{partner}", partner)
    headers = {"Content-Type": "application/json"}
    return {
        "resource": resource, "path": path, "httpMethod": method, "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": {"partner": partner},
        "stageVariables": None, "body": json.dumps(body), "isBase64Encoded": False,
        "requestContext": {
            "accountId": "000000000000", "apiId": "killed", "resourceId": "killed", "resourcePath": resource, "path": path,
            "httpMethod": method, "stage": "v1", "requestId": str(uuid.uuid4()), "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": {"subject": "killed", "name": "killed", "roles": "operator"},
        },
    }  # fmt: skip
