"""JSON Web Tokens: verified as Centrifugo v6 verifies them, and made for clients.

A connection token says who connects; a subscription token lets one user into one channel. The
claims and what is checked are Centrifugo's: `exp` and `nbf` are, `iat` is not; a token without
`sub` is that of an anonymous user. PyJWT checks the signature; the claims are decoded here, because
`info`, `data` and `meta` must reach others byte for byte as they were signed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jwt
import msgspec
from jwt.api_jws import PyJWS

from realtime_message.centrifugo.subscription_options import SubscriptionOptions, decode_payload
from realtime_message.centrifugo.token_claims import (
    Claims,
    ConnectionClaims,
    ConnectionToken,
    SubscriptionClaims,
    SubscriptionToken,
)
from realtime_message.errors import RealtimeMessageError

__all__ = [
    "ConnectionToken",
    "InvalidTokenError",
    "SubscriptionToken",
    "TokenExpiredError",
    "TokenKeys",
    "TokenVerifier",
    "make_connection_token",
    "make_subscription_token",
]

_HMAC = ("HS256", "HS384", "HS512")
_RSA = ("RS256", "RS384", "RS512")
_ECDSA = ("ES256", "ES384", "ES512")


class InvalidTokenError(RealtimeMessageError):
    """The token is malformed, signed by another key, or not one for this purpose."""


class TokenExpiredError(RealtimeMessageError):
    """The token was valid once, or is not valid yet."""


class TokenKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens are verified with; the names are Centrifugo's options in `client.token`.

    Attributes:
        hmac_secret_key: the key of HS256, HS384 and HS512; empty refuses such tokens.
        hmac_previous_secret_key: accepted as well, while keys are being changed.
        hmac_previous_secret_key_valid_until: Unix time after which it no longer is; 0 for never.
        rsa_public_key: a PEM, for RS256, RS384 and RS512.
        ecdsa_public_key: a PEM, for ES256, ES384 and ES512.
        audience: what the `aud` claim must hold; empty checks nothing.
        audience_regex: what one of the values of `aud` must match.
        issuer: what the `iss` claim must be.
        issuer_regex: what it must match.
        user_id_claim: the claim that holds the user id; empty means `sub`.
    """

    hmac_secret_key: str = ""
    hmac_previous_secret_key: str = ""
    hmac_previous_secret_key_valid_until: int = 0
    rsa_public_key: str = ""
    ecdsa_public_key: str = ""
    audience: str = ""
    audience_regex: str = ""
    issuer: str = ""
    issuer_regex: str = ""
    user_id_claim: str = ""


_AnyClaims = TypeVar("_AnyClaims", bound=Claims)


class TokenVerifier:
    """Verifies tokens with one set of keys.

    Args:
        keys: the keys, and what the claims must say.

    Raises:
        ValueError: a key is not a PEM of its kind, or a regular expression does not compile.
    """

    def __init__(self, keys: TokenKeys) -> None:
        self._keys = keys
        self._audience = re.compile(keys.audience_regex) if keys.audience_regex else None
        self._issuer = re.compile(keys.issuer_regex) if keys.issuer_regex else None
        for pem, algorithm in ((keys.rsa_public_key, "RS256"), (keys.ecdsa_public_key, "ES256")):
            if pem:
                try:
                    jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
                except (jwt.InvalidKeyError, TypeError) as error:
                    raise ValueError(f"the {algorithm[:2]} public key is no PEM: {error}") from None
                except NotImplementedError:
                    extra = "centrifuge-realtime-message[asymmetric]"
                    raise ValueError(
                        f"{algorithm[:2]} keys need one more package: pip install '{extra}'"
                    ) from None

    def verify_connection(self, token: str, *, now: float | None = None) -> ConnectionToken:
        """Verify a connection token.

        Args:
            token: the JWT, in its compact form.
            now: Unix time; the current time by default.

        Raises:
            InvalidTokenError: it is not valid, or is a subscription token.
            TokenExpiredError: `exp` has passed, or `nbf` has not come yet.
        """
        payload, claims = self._verify(token, ConnectionClaims, now)
        if claims.channel:
            raise InvalidTokenError("a connection token must not have a channel claim")
        subs = claims.subs or {name: SubscriptionOptions() for name in claims.channels or ()}
        try:
            info = decode_payload(claims.info, claims.b64info)
            for options in subs.values():
                decode_payload(options.info, options.b64info)
                decode_payload(options.data, options.b64data)
        except ValueError as error:
            raise InvalidTokenError(f"a claim of the token is {error}") from None
        return ConnectionToken(
            user=self._user(payload, claims),
            expire_at=claims.end_at,
            info=info,
            meta=bytes(claims.meta),
            subs=subs,
        )

    def verify_subscription(self, token: str, *, now: float | None = None) -> SubscriptionToken:
        """Verify a subscription token; whose it is and for which channel, the caller compares.

        Args:
            token: the JWT, in its compact form.
            now: Unix time; the current time by default.

        Raises:
            InvalidTokenError: it is not valid, or names no channel.
            TokenExpiredError: `exp` has passed, or `nbf` has not come yet.
        """
        payload, claims = self._verify(token, SubscriptionClaims, now)
        if not claims.channel:
            raise InvalidTokenError("a subscription token must have a channel claim")
        try:
            info = decode_payload(claims.info, claims.b64info)
            data = decode_payload(claims.data, claims.b64data)
        except ValueError as error:
            raise InvalidTokenError(f"a claim of the token is {error}") from None
        return SubscriptionToken(
            user=self._user(payload, claims),
            channel=claims.channel,
            client=claims.client or "",
            expire_at=claims.end_at,
            info=info,
            data=data,
            override=claims.override,
        )

    def _verify(
        self, token: str, kind: type[_AnyClaims], now: float | None
    ) -> tuple[bytes, _AnyClaims]:
        moment = time.time() if now is None else now
        payload = self._verified_payload(token, moment)
        try:
            claims = msgspec.json.decode(payload, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidTokenError(f"the token's claims do not fit: {error}") from None
        self._check_parties(claims)
        if claims.exp is not None and claims.exp <= moment:
            raise TokenExpiredError("the token has expired")
        if claims.nbf is not None and claims.nbf >= moment:
            raise TokenExpiredError("the token is not valid yet")
        return payload, claims

    def _verified_payload(self, token: str, moment: float) -> bytes:
        keys = self._keys
        candidates: list[tuple[str, Sequence[str]]] = [
            (keys.hmac_secret_key, _HMAC),
            (keys.rsa_public_key, _RSA),
            (keys.ecdsa_public_key, _ECDSA),
        ]
        until = keys.hmac_previous_secret_key_valid_until
        if until == 0 or moment <= until:
            candidates.append((keys.hmac_previous_secret_key, _HMAC))
        failure = "no key for its algorithm is configured"
        for key, algorithms in candidates:
            if not key:
                continue
            try:
                payload: bytes = PyJWS().decode(token, key, algorithms=algorithms)
            except jwt.InvalidAlgorithmError:
                continue
            except (jwt.PyJWTError, UnicodeError) as error:
                failure = str(error)
                continue
            return payload
        raise InvalidTokenError(f"the token is not valid: {failure}")

    def _check_parties(self, claims: Claims) -> None:
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
        issuer = claims.iss or ""
        keys = self._keys
        if keys.audience and keys.audience not in audiences:
            raise InvalidTokenError("the token is for another audience")
        if self._audience and not any(self._audience.search(one) for one in audiences):
            raise InvalidTokenError("the token's audience does not match")
        if keys.issuer and keys.issuer != issuer:
            raise InvalidTokenError("the token is of another issuer")
        if self._issuer and not self._issuer.search(issuer):
            raise InvalidTokenError("the token's issuer does not match")

    def _user(self, payload: bytes, claims: Claims) -> str:
        if not self._keys.user_id_claim:
            return claims.sub or ""
        value = msgspec.json.decode(payload).get(self._keys.user_id_claim)
        return value if isinstance(value, str) else "" if value is None else str(value)


def make_connection_token(
    secret: str,
    user: str,
    *,
    ttl_seconds: float | None = None,
    claims: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> str:
    """Make a connection token (HS256).

    Args:
        secret: the HMAC key.
        user: the user id; empty for an anonymous user.
        ttl_seconds: how long it is valid; None for ever.
        claims: further claims, such as `info`, `meta` and `channels`.
        now: Unix time; the current time by default.
    """
    return _sign(secret, {"sub": user, **(claims or {})}, ttl_seconds, now)


def make_subscription_token(
    secret: str,
    user: str,
    channel: str,
    *,
    ttl_seconds: float | None = None,
    claims: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> str:
    """Make a subscription token (HS256) for one user and one channel.

    Args:
        secret: the HMAC key.
        user: the user it is for.
        channel: the channel it opens.
        ttl_seconds: how long it is valid; None for ever.
        claims: further claims, such as `client`, `info` and `data`.
        now: Unix time; the current time by default.
    """
    return _sign(secret, {"sub": user, "channel": channel, **(claims or {})}, ttl_seconds, now)


def _sign(secret: str, claims: dict[str, Any], ttl_seconds: float | None, now: float | None) -> str:
    moment = int(time.time() if now is None else now)
    claims["iat"] = moment
    if ttl_seconds is not None:
        claims["exp"] = moment + int(ttl_seconds)
    return jwt.encode(claims, secret, algorithm="HS256")
