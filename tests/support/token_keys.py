"""Key pairs for tokens, and a server with a key set."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


class KeyPair:
    """A private key and what others see of it.

    Args:
        algorithm: of tokens that it signs.
        key_id: its id in a key set.
    """

    def __init__(self, algorithm: str = "RS256", key_id: str = "k1") -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.private = _generate(algorithm)

    @property
    def public_pem(self) -> str:
        """The public key as PEM."""
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    @property
    def private_pem(self) -> str:
        """The private key as PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def jwk(self, **fields: Any) -> dict[str, Any]:
        """The public key as a JSON Web Key; fields that are None are left out."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        key = json.loads(algorithm.to_jwk(self.private.public_key()))
        key |= {"kid": self.key_id, "use": "sig", "alg": self.algorithm} | fields
        return {name: value for name, value in key.items() if value is not None}

    def token(self, claims: dict[str, Any] | None = None, **header: Any) -> str:
        """A token, signed by PyJWT."""
        return jwt.encode(
            claims or {"sub": "56"},
            self.private,
            algorithm=self.algorithm,
            headers={"kid": self.key_id} | header,
        )


def _generate(algorithm: str) -> Any:
    curves = {
        "ES256": ec.SECP256R1,
        "ES256K": ec.SECP256K1,
        "ES384": ec.SECP384R1,
        "ES512": ec.SECP521R1,
    }
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(value: Any) -> str:
    """Return a part of a token made by hand."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged_token(secret: str, claims: dict[str, Any], **header: Any) -> str:
    """Return a token signed with HS256 and any text, also a public key's, which PyJWT refuses."""
    head = f"{encoded({'alg': 'HS256', 'typ': 'JWT'} | header)}.{encoded(claims)}"
    return f"{head}.{encoded(hmac.digest(secret.encode(), head.encode(), 'sha256'))}"


class KeySetServer:
    """Serves a key set over HTTP; what it answers can be changed at any time."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.status = 200
        self.asked: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                document = owner.documents.get(self.path)
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(owner.status if document is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Who asked may be gone: that is what some tests are about.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self, *keys: dict[str, Any], path: str = "/keys") -> None:
        """Answer a path with a set of keys."""
        self.documents[path] = {"keys": list(keys)}

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ScriptedFetch:
    """Stands for the network: answers with a document, or fails."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.answer: bytes | Exception = b""
        self.urls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.keys(*keys)

    def keys(self, *keys: dict[str, Any]) -> None:
        """Answer with a set of keys from now on."""
        self.answer = json.dumps({"keys": list(keys)}).encode()

    async def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
