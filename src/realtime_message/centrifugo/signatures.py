"""Signed tokens in their compact form (RFC 7515): taken apart, verified and signed with HMAC.

HMAC needs the standard library alone. Public keys stand in `public_keys`, because the library that
they need costs each process 9 MB: only who uses such keys loads it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import Protocol

import msgspec

from realtime_message.centrifugo.token_errors import InvalidTokenError

_HASHES = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_PART = re.compile(r"[A-Za-z0-9_-]*\Z")


class _Header(msgspec.Struct, frozen=True):
    """The header's fields that count."""

    alg: str
    kid: str | None = None
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class SignedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token taken apart. Nothing of it may be believed before a key says that it verifies.

    Attributes:
        algorithm: the algorithm that it names; a key decides whether that is one of its own.
        key_id: which key it names; empty if none.
        signed: the bytes that were signed.
        payload: the claims, as JSON.
        signature: the signature.
    """

    algorithm: str
    key_id: str
    signed: bytes
    payload: bytes
    signature: bytes


class VerificationKey(Protocol):
    """A key that tokens are verified with."""

    def can_verify(self, algorithm: str) -> bool:
        """Whether the key is one for an algorithm: never let the token alone decide."""
        ...

    def verifies(self, token: SignedToken) -> bool:
        """Whether the token has a signature by this key, with an algorithm of the key's."""
        ...


def parse_token(text: str) -> SignedToken:
    """Take a token apart.

    Raises:
        InvalidTokenError: it is none, or asks for an extension that is not known here.
    """
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise InvalidTokenError("the token is not valid: it does not have three parts")
    try:
        head, payload, signature = (_decoded(part) for part in parts)
        header = msgspec.json.decode(head, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error):
        raise InvalidTokenError(
            "the token is not valid: its parts are not JSON in base64"
        ) from None
    if header.crit is not msgspec.UNSET:
        raise InvalidTokenError("the token is not valid: it asks for an extension (crit)")
    return SignedToken(
        algorithm=header.alg,
        key_id=header.kid or "",
        signed=text.rpartition(".")[0].encode(),
        payload=payload,
        signature=signature,
    )


class HmacKey:
    """A shared secret: HS256, HS384 and HS512.

    Args:
        secret: the key.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def can_verify(self, algorithm: str) -> bool:
        """Whether it is an HMAC algorithm."""
        return algorithm in _HASHES

    def verifies(self, token: SignedToken) -> bool:
        """Whether the token was signed with this secret; compared in constant time."""
        if token.algorithm not in _HASHES:
            return False
        expected = hmac.digest(self._secret, token.signed, _HASHES[token.algorithm])
        return hmac.compare_digest(expected, token.signature)


def sign_with_hmac(payload: bytes, secret: str) -> str:
    """Return a token with a payload, signed with HS256."""
    signed = unsigned_token("HS256", payload)
    return completed_token(signed, hmac.digest(secret.encode(), signed.encode(), "sha256"))


def unsigned_token(algorithm: str, payload: bytes, key_id: str = "") -> str:
    """Return what is signed: the header and the payload of a token."""
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    return f"{_encoded(msgspec.json.encode(header))}.{_encoded(payload)}"


def completed_token(signed: str, signature: bytes) -> str:
    """Return a token with its signature."""
    return f"{signed}.{_encoded(signature)}"


def _decoded(part: str) -> bytes:
    # The decoder itself passes over characters that are no base64.
    if not _PART.match(part):
        raise binascii.Error
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
