"""Public keys that tokens are verified with: RSA, ECDSA and Ed25519, as PEM or as JSON Web Keys.

Import this module where such a key is used, not at the top: it loads the `cryptography` library,
9 MB in each process, which the extra `asymmetric` installs.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from realtime_message.centrifugo.signatures import SignedToken, completed_token, unsigned_token
from realtime_message.errors import ConfigurationError

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import (
        decode_dss_signature,
        encode_dss_signature,
    )
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_pem_public_key,
    )
except ImportError:
    raise ConfigurationError(
        "keys other than HMAC secrets need one more package: "
        "pip install 'centrifuge-realtime-message[asymmetric]'"
    ) from None

_RSA_HASHES: dict[str, type[SHA256 | SHA384 | SHA512]] = {
    "RS256": SHA256,
    "RS384": SHA384,
    "RS512": SHA512,
}
# Each algorithm has its curve (RFC 7518, section 3.4): a key is for one of them only.
_CURVES: dict[str, tuple[str, type[SHA256 | SHA384 | SHA512]]] = {
    "secp256r1": ("ES256", SHA256),
    "secp384r1": ("ES384", SHA384),
    "secp521r1": ("ES512", SHA512),
}
_JWK_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


class PublicKey:
    """One public key.

    Args:
        key: the key.
        algorithm: the one algorithm it is for; empty for all that fit the key.

    Raises:
        ValueError: no algorithm fits the key.
    """

    def __init__(self, key: Any, algorithm: str = "") -> None:
        self._key = key
        fitting = _fitting_algorithms(key)
        self._algorithms = fitting & {algorithm} if algorithm else fitting
        if not self._algorithms:
            raise ValueError(f"the key does not fit {algorithm or 'any algorithm of tokens'}")

    def can_verify(self, algorithm: str) -> bool:
        """Whether the algorithm is one of the key's."""
        return algorithm in self._algorithms

    def verifies(self, token: SignedToken) -> bool:
        """Whether the token was signed with the private key that belongs to this one."""
        if token.algorithm not in self._algorithms:
            return False
        key, signature = self._key, token.signature
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, token.signed, PKCS1v15(), _RSA_HASHES[token.algorithm]())
            elif isinstance(key, ec.EllipticCurvePublicKey):
                _, hash_ = _CURVES[key.curve.name]
                key.verify(_der_signature(signature, key.curve), token.signed, ec.ECDSA(hash_()))
            else:
                key.verify(signature, token.signed)
        except InvalidSignature:
            return False
        return True


def rsa_key(pem: str) -> PublicKey:
    """Return the RSA key of a PEM.

    Raises:
        ValueError: it is none.
    """
    return PublicKey(_loaded(pem, rsa.RSAPublicKey, "an RSA key"))


def ecdsa_key(pem: str) -> PublicKey:
    """Return the ECDSA key of a PEM.

    Raises:
        ValueError: it is none, or of a curve that no token uses.
    """
    return PublicKey(_loaded(pem, ec.EllipticCurvePublicKey, "an elliptic curve's key"))


class _Jwk(msgspec.Struct, frozen=True):
    """A JSON Web Key (RFC 7517): what is read of it."""

    kty: str
    kid: str = ""
    use: str = ""
    alg: str = ""
    crv: str = ""
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[msgspec.Raw]


def keys_of_set(document: bytes) -> dict[str, PublicKey]:
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
            if jwk.kid and jwk.use == "sig":
                keys[jwk.kid] = PublicKey(_key_of(jwk), jwk.alg)
        except (ValueError, msgspec.DecodeError, UnsupportedAlgorithm):
            continue
    return keys


def sign_with_private_key(payload: bytes, pem: bytes, key_id: str = "") -> str:
    """Return a token with a payload, signed with a private key: RSA, ECDSA or Ed25519.

    Args:
        payload: the claims, as JSON.
        pem: the key.
        key_id: the id under which a key set has its public half; empty for none.

    Raises:
        ValueError: it is no such key.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("it is no PEM with a private key, or one behind a password") from None
    if isinstance(key, rsa.RSAPrivateKey):
        signed = unsigned_token("RS256", payload, key_id)
        signature = key.sign(signed.encode(), PKCS1v15(), SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        algorithm, hash_ = _CURVES[key.curve.name]
        signed = unsigned_token(algorithm, payload, key_id)
        size = _coordinate_size(key.curve)
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hash_())))
        signature = r.to_bytes(size) + s.to_bytes(size)
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        signed = unsigned_token("EdDSA", payload, key_id)
        signature = key.sign(signed.encode())
    else:
        raise ValueError("no token is signed with a key of this kind")
    return completed_token(signed, signature)


def _loaded(pem: str, kind: type, name: str) -> Any:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is no PEM with a public key") from None
    if not isinstance(key, kind):
        raise ValueError(f"it is not {name}")  # noqa: TRY004 - the type is the PEM's, not ours
    return key


def _fitting_algorithms(key: Any) -> set[str]:
    if isinstance(key, rsa.RSAPublicKey):
        return set(_RSA_HASHES)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {_CURVES[key.curve.name][0]} if key.curve.name in _CURVES else set()
    return {"EdDSA"} if isinstance(key, ed25519.Ed25519PublicKey) else set()


def _key_of(jwk: _Jwk) -> Any:
    if jwk.kty == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n)).public_key()
    if jwk.kty == "EC" and jwk.crv in _JWK_CURVES:
        curve = _JWK_CURVES[jwk.crv]()
        return ec.EllipticCurvePublicNumbers(_number(jwk.x), _number(jwk.y), curve).public_key()
    if jwk.kty == "OKP" and jwk.crv == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(jwk.x))
    raise ValueError(f"a key of the kind {jwk.kty} {jwk.crv}")


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _coordinate_size(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8


def _der_signature(signature: bytes, curve: ec.EllipticCurve) -> bytes:
    """Return the form that the library takes of the two numbers that a token holds in a row."""
    size = _coordinate_size(curve)
    if len(signature) != 2 * size:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
