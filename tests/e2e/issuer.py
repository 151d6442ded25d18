"""An issuer for tests, whose keys the deployed authorizer trusts: it signs good tokens and bad ones.

The tests point the authorizer of the stack at this issuer. The issuer also serves the keys of the user pool, so that its tokens stay good.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def encoded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """A key pair, with the ways to sign with it."""

    def __init__(self, kind="RSA"):
        self.id = f"test-{uuid.uuid4().hex[:8]}"
        self.kind = kind
        self.private = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        numbers = self.private.public_key().public_numbers()
        known = {"kid": self.id, "kty": self.kind, "use": "sig"}
        if self.kind == "RSA":
            return known | {"alg": "RS256", "n": number(numbers.n), "e": number(numbers.e)}
        return known | {"alg": "ES256", "crv": "P-256", "x": encoded(numbers.x.to_bytes(32, "big")), "y": encoded(numbers.y.to_bytes(32, "big"))}

    def pem(self):
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def signature(self, algorithm, data):
        if algorithm == "none":
            return b""
        if algorithm == "HS256":
            # A verifier accepts this token if it takes the public key for a shared secret.
            return hmac.new(self.pem(), data, hashlib.sha256).digest()
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
        if self.kind == "EC":
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        scheme = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm.startswith("PS") else padding.PKCS1v15()
        return self.private.sign(data, scheme, digest)


class Issuer:
    """Serves keys on the loopback interface, and signs tokens."""

    def __init__(self, pool_keys_url, name, audience):
        self.name, self.audience = name, audience
        self.key, self.elliptic = Key(), Key("EC")
        self.shown = [self.key, self.elliptic]
        self.pool_keys = requests.get(pool_keys_url, timeout=60).json()["keys"]
        self.asked, self.is_up = 0, True
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                body = json.dumps({"keys": issuer.pool_keys + [key.jwk() for key in issuer.shown]}).encode()
                self.send_response(200 if issuer.is_up else 503)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def claims(self, **changed):
        """Returns claims of a person of contoso; a claim that is None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 600,
            "jti": str(uuid.uuid4()),
            "token_use": "id",
            "name": "Ana Trujillo",
            "custom:partner_id": "contoso",
            "cognito:groups": ["global_admin"],
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key=None, algorithm=None, header=None, claims=None, **changed):
        """Returns a token of these claims, by default signed with RS256 by a key of this issuer."""
        key = key or self.key
        algorithm = algorithm or ("RS256" if key.kind == "RSA" else "ES256")
        head = {"alg": algorithm, "typ": "JWT", "kid": key.id} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        signed = f"{encoded(head)}.{encoded(claims if claims is not None else self.claims(**changed))}"
        return f"{signed}.{encoded(key.signature(algorithm, signed.encode()))}"
