"""A server on this machine that receives webhooks and streams."""

import gzip
import json
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from api import now

# A request that was answered with success: when it came, its headers by their names in lower case, and its body.
Accepted = namedtuple("Accepted", "at headers body")


class Receiver:
    """Keeps what it receives, unpacked, and answers as the test chooses: with `answers` in turn, and then with `status()`."""

    def __init__(self, status=lambda: 204):
        self.status, self.answers, self.requests, self.accepted, receiver = status, [], [], [], self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                text = (gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body).decode()
                named = {name.lower(): value for name, value in self.headers.items()}
                status, headers = receiver.answers.pop(0) if receiver.answers else (receiver.status(), {})
                receiver.requests.append((self.path, named, text))
                if status < 300:
                    receiver.accepted.append(Accepted(now(), named, text))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def activities(self):
        """Returns the activities of all batches that were accepted, in the order of their arrival."""
        return [activity for each in self.accepted for activity in json.loads(each.body)]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
