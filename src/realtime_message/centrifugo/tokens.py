"""JSON Web Tokens: verified as Centrifugo v6 verifies them, and made for clients.

A connection token says who connects; a subscription token lets one user into one channel. The
claims and what is checked are Centrifugo's: `exp` and `nbf` are, `iat` is not; a token without
`sub` is that of an anonymous user. `info`, `data` and `meta` reach others byte for byte as they
were signed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from realtime_message.centrifugo.subscription_options import SubscriptionOptions, decode_payload
from realtime_message.centrifugo.token_claims import (
    Claims,
    ConnectionClaims,
    ConnectionToken,
    SubscriptionClaims,
    SubscriptionToken,
)
from realtime_message.centrifugo.token_errors import (
    InvalidTokenError,
    KeysUnavailableError,
    TokenExpiredError,
)
from realtime_message.centrifugo.token_keys import (
    GivenKeys,
    KeySource,
    Parties,
    TokenKeys,
    token_keys_problems,
)

__all__ = [
    "ConnectionToken",
    "InvalidTokenError",
    "KeysUnavailableError",
    "SubscriptionToken",
    "TokenExpiredError",
    "TokenKeys",
    "TokenVerifier",
    "make_connection_token",
    "make_subscription_token",
    "token_claims",
]

_AnyClaims = TypeVar("_AnyClaims", bound=Claims)


class TokenVerifier:
    """Verifies tokens with one set of keys.

    Args:
        keys: the keys, and what the claims must say.
        key_source: finds the public keys behind `jwks_public_endpoint`; with it, no other key
            counts.

    Raises:
        ValueError: an option is wrong; the text begins with its name.
        ConfigurationError: a public key is configured, and the library for it is missing.
    """

    def __init__(self, keys: TokenKeys, key_source: KeySource | None = None) -> None:
        for problem in token_keys_problems(keys):
            raise ValueError(problem)
        if keys.jwks_public_endpoint and key_source is None:
            raise ValueError("jwks_public_endpoint: nothing is given that fetches the keys")
        self._user_id_claim = keys.user_id_claim
        self._parties = Parties(keys)
        self._key_source = key_source
        self._given = GivenKeys(TokenKeys() if key_source else keys)

    async def verify_connection(self, token: str, *, now: float | None = None) -> ConnectionToken:
        """Verify a connection token.

        Args:
            token: the JWT, in its compact form.
            now: Unix time; the current time by default.

        Raises:
            InvalidTokenError: it is not valid, or is a subscription token.
            KeysUnavailableError: its key cannot be fetched.
            TokenExpiredError: `exp` has passed, or `nbf` has not come yet.
        """
        payload, claims = await self._verify(token, ConnectionClaims, now)
        if claims.channel:
            raise InvalidTokenError("a connection token must not have a channel claim")
        named = claims.subs or dict.fromkeys(claims.channels or ())
        subs = {name: options or SubscriptionOptions() for name, options in named.items()}
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

    async def verify_subscription(
        self, token: str, *, now: float | None = None
    ) -> SubscriptionToken:
        """Verify a subscription token; whose it is and for which channel, the caller compares.

        Args:
            token: the JWT, in its compact form.
            now: Unix time; the current time by default.

        Raises:
            InvalidTokenError: it is not valid, or names no channel.
            KeysUnavailableError: its key cannot be fetched.
            TokenExpiredError: `exp` has passed, or `nbf` has not come yet.
        """
        payload, claims = await self._verify(token, SubscriptionClaims, now)
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

    async def _verify(
        self, text: str, kind: type[_AnyClaims], now: float | None
    ) -> tuple[bytes, _AnyClaims]:
        moment = time.time() if now is None else now
        payload = await self._verified_payload(text, moment)
        claims = _decode(payload, kind)
        self._parties.check(claims)
        if claims.exp is not None and claims.exp <= moment:
            raise TokenExpiredError("the token has expired")
        if claims.nbf is not None and claims.nbf >= moment:
            raise TokenExpiredError("the token is not valid yet")
        return payload, claims

    async def _verified_payload(self, text: str, moment: float) -> bytes:
        if self._key_source is None:
            return self._given.verified_payload(text, moment)
        from realtime_message.centrifugo import signatures  # noqa: PLC0415 - see GivenKeys

        # Before the signature, because they say where the key is; nothing else is read of them.
        key_id, payload = signatures.read_unverified(text)
        groups = self._parties.check(_decode(payload, Claims))
        key = await self._key_source.find(key_id, groups)
        return signatures.verified_payload(text, [key])

    def _user(self, payload: bytes, claims: Claims) -> str:
        if not self._user_id_claim:
            return claims.sub or ""
        value = msgspec.json.decode(payload).get(self._user_id_claim)
        return value if isinstance(value, str) else "" if value is None else str(value)


def _decode(payload: bytes, kind: type[_AnyClaims]) -> _AnyClaims:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidTokenError(f"the token's claims do not fit: {error}") from None


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

    Raises:
        ConfigurationError: the secret is empty, or has the form of a public key.
    """
    from realtime_message.centrifugo import signatures  # noqa: PLC0415 - see GivenKeys

    made = token_claims(user, ttl_seconds=ttl_seconds, claims=claims, now=now)
    return signatures.sign_with_secret(msgspec.json.encode(made), secret)


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

    Raises:
        ConfigurationError: the secret is empty, or has the form of a public key.
    """
    every = {"channel": channel, **(claims or {})}
    return make_connection_token(secret, user, ttl_seconds=ttl_seconds, claims=every, now=now)


def token_claims(
    user: str,
    *,
    ttl_seconds: float | None = None,
    claims: Mapping[str, Any] | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """Return the claims of a token, to be signed; the arguments are make_connection_token's."""
    moment = int(time.time() if now is None else now)
    made = {"sub": user, **(claims or {}), "iat": moment}
    if ttl_seconds is not None:
        made["exp"] = moment + int(ttl_seconds)
    return made
