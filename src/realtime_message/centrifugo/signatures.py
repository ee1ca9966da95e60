"""Signatures of tokens: made, verified and taken apart by PyJWT; here stands which key may do what.

Import this module where a token or a public key is at hand, not at the top of another one: PyJWT
loads `cryptography` wherever that is installed, 9 MB in each process, and most see no token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm

from realtime_message.centrifugo.token_errors import InvalidTokenError, KeysUnavailableError
from realtime_message.errors import ConfigurationError

_HMAC = {
    "HS256": HMACAlgorithm.SHA256,
    "HS384": HMACAlgorithm.SHA384,
    "HS512": HMACAlgorithm.SHA512,
}
_RSA = ("RS256", "RS384", "RS512")
_ECDSA = ("ES256", "ES384", "ES512")
_PUBLIC = (*_RSA, *_ECDSA, "EdDSA")


class _Hmac(HMACAlgorithm):
    """HMAC that says nothing of a secret's length: the settings judge secrets, at the start."""

    def check_key_length(self, key: bytes) -> None:  # noqa: ARG002 - the library's signature
        return None


# Knows the algorithms of Centrifugo and no other: not "none", for one.
_jws = jwt.PyJWS(_PUBLIC)
for _name, _hash in _HMAC.items():
    _jws.register_algorithm(_name, _Hmac(_hash))


class TokenKey(msgspec.Struct, frozen=True):
    """A key of tokens.

    Attributes:
        material: the secret, or the key as `cryptography` has it.
        algorithms: what it may be used for; a token never decides that.
    """

    material: Any
    algorithms: Sequence[str]


def verified_payload(text: str, keys: Iterable[TokenKey]) -> bytes:
    """Return the payload of a token that one of some keys signed.

    Raises:
        InvalidTokenError: none did, or it is no token.
        KeysUnavailableError: a secret is none: it has the form of a public key.
    """
    problem = "no key for its algorithm is configured"
    for key in keys:
        try:
            payload: bytes = _jws.decode_complete(text, key.material, key.algorithms)["payload"]
        except jwt.InvalidAlgorithmError:
            continue
        except jwt.InvalidSignatureError:
            problem = "it is not signed with a key of ours"
        except jwt.InvalidKeyError as error:
            raise KeysUnavailableError(f"the key of tokens cannot be used: {error}") from None
        except (jwt.InvalidTokenError, UnicodeError) as error:
            raise InvalidTokenError(f"the token is not valid: {error}") from None
        else:
            return payload
    raise InvalidTokenError(f"the token is not valid: {problem}")


def read_unverified(text: str) -> tuple[str, bytes]:
    """Return the id of the key that a token names, empty if none, and its payload.

    Raises:
        InvalidTokenError: it is no token.
    """
    try:
        token = _jws.decode_complete(text, options={"verify_signature": False})
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise InvalidTokenError(f"the token is not valid: {error}") from None
    return token["header"].get("kid", ""), token["payload"]


def secret_key(secret: str) -> TokenKey:
    """Return a shared secret as a key, for HS256, HS384 and HS512."""
    return TokenKey(secret, tuple(_HMAC))


def rsa_key(pem: str) -> TokenKey:
    """Return the RSA key of a PEM, for RS256, RS384 and RS512.

    Raises:
        ValueError: it is none, or too short a one.
        ConfigurationError: the library for it is missing.
    """
    return _fitting(pem, _RSA, "it is no PEM with a public RSA key")


def ecdsa_key(pem: str) -> TokenKey:
    """Return the ECDSA key of a PEM, for the algorithm of its curve.

    Raises:
        ValueError: it is none, or of a curve that no token uses.
        ConfigurationError: the library for it is missing.
    """
    problem = "it is no PEM with a public key of the curve P-256, P-384 or P-521"
    return _fitting(pem, _ECDSA, problem)


class _Jwk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public JSON Web Key (RFC 7517) of the kinds that Centrifugo knows."""

    kty: Literal["RSA", "EC", "OKP"]
    kid: str
    use: Literal["sig"]
    alg: Literal["", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"] = ""
    crv: Literal["", "P-256", "P-384", "P-521", "Ed25519"] = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


def keys_of_set(document: bytes) -> dict[str, TokenKey]:
    """Return the usable keys of a JSON Web Key Set by their ids.

    As in Centrifugo, only keys whose `use` is `sig` count. Keys of another kind, or that cannot be
    read, are passed over: a set may hold what others use.

    Raises:
        ValueError: the document is no key set.
    """
    try:
        raw_keys = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is no key set: {error}") from None
    keys = {}
    for raw in raw_keys:
        try:
            jwk = msgspec.json.decode(raw, type=_Jwk)
            key = jwt.PyJWK(msgspec.to_builtins(jwk)).key
            algorithms = (jwk.alg,) if jwk.alg else _PUBLIC
            keys[jwk.kid] = _fitting(key, algorithms, "it is for another algorithm")
        except (ValueError, msgspec.DecodeError, jwt.PyJWTError):
            continue
    return keys


def require_public_keys() -> None:
    """Check that the library for public keys is there.

    Raises:
        ConfigurationError: it is missing.
    """
    try:
        _jws.get_algorithm_by_name(_RSA[0])
    except NotImplementedError:
        raise ConfigurationError(
            "keys other than HMAC secrets need one more package: "
            "pip install 'centrifuge-realtime-message[asymmetric]'"
        ) from None


def sign_with_secret(payload: bytes, secret: str) -> str:
    """Return a token with a payload, signed with HS256.

    Raises:
        ConfigurationError: the secret is empty, or has the form of a public key.
    """
    try:
        return _jws.encode(payload, secret, "HS256")
    except jwt.InvalidKeyError as error:
        raise ConfigurationError(f"tokens cannot be signed: {error}") from None


def sign_with_private_key(payload: bytes, pem: bytes, key_id: str = "") -> str:
    """Return a token with a payload, signed with a private key: RSA, ECDSA or Ed25519.

    Args:
        payload: the claims, as JSON.
        pem: the key.
        key_id: the id under which a key set has its public half; empty for none.

    Raises:
        ValueError: it is no such key.
        ConfigurationError: the library for it is missing.
    """
    problem = "it is no PEM with a private key, or one behind a password"
    key = _fitting(pem, _PUBLIC, problem, is_private=True)
    headers = {"kid": key_id} if key_id else None
    return _jws.encode(payload, key.material, key.algorithms[0], headers)


def _fitting(
    material: Any, algorithms: Sequence[str], problem: str, *, is_private: bool = False
) -> TokenKey:
    """Return a key, or the one in a PEM, for those of some algorithms that it fits.

    Raises:
        ValueError: it is too short, or fits none; the text of that is given.
        ConfigurationError: the library for it is missing.
    """
    require_public_keys()
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - it may be missing

    key, fitting = None, []
    for name in algorithms:
        algorithm = _jws.get_algorithm_by_name(name)
        try:
            prepared = algorithm.prepare_key(material)
        except (jwt.InvalidKeyError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if weakness := algorithm.check_key_length(prepared):
            raise ValueError(weakness)
        if hasattr(prepared, "sign") is is_private:
            key = prepared
            fitting.append(name)
    if key is None:
        raise ValueError(problem)
    return TokenKey(key, fitting)
