"""What tokens are verified with: the options, what must hold between them, and the keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from realtime_message.centrifugo.token_claims import Claims
from realtime_message.centrifugo.token_errors import InvalidTokenError

if TYPE_CHECKING:
    from realtime_message.centrifugo.signatures import TokenKey

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
# One group of the Python kind or of the Go kind, without a group inside.
_NAMED_GROUP = re.compile(r"\(\?P?<(\w+)>([^()]*)\)")
_FIXED_TEXTS = re.compile(r"(?:[^\\.*+?{}^$]|\\[^A-Za-z0-9])*\Z")
_CHARACTER_CLASS = re.compile(r"(?<!\\)(?:\\\\)*(?:\[|\\[dDwWsSpP])")


class TokenKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What tokens are verified with; the names are Centrifugo's options in `client.token`.

    Attributes:
        hmac_secret_key: the key of HS256, HS384 and HS512; empty refuses such tokens.
        hmac_previous_secret_key: accepted as well, while keys are being changed.
        hmac_previous_secret_key_valid_until: Unix time after which it no longer is; 0 for never.
        rsa_public_key: a PEM, for RS256, RS384 and RS512.
        ecdsa_public_key: a PEM, for ES256, ES384 or ES512, whichever fits its curve.
        jwks_public_endpoint: the URL of a key set. With one, no other key counts. `{{name}}` stands
            for what the group of that name in issuer_regex or audience_regex matched.
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
    jwks_public_endpoint: str = ""
    audience: str = ""
    audience_regex: str = ""
    issuer: str = ""
    issuer_regex: str = ""
    user_id_claim: str = ""


class KeySource(Protocol):
    """Finds the public key that a token names."""

    async def find(self, key_id: str, groups: Mapping[str, str]) -> TokenKey:
        """Return the key.

        Args:
            key_id: its id; empty if the token names none.
            groups: what the named groups of the regular expressions matched, for the URL.

        Raises:
            InvalidTokenError: there is no such key.
            KeysUnavailableError: nobody can say now.
        """
        ...


def token_keys_problems(keys: TokenKeys) -> Iterator[str]:
    """Yield what Centrifugo would refuse to start with, each with the option's name in front."""
    for name in ("audience", "issuer"):
        pattern = getattr(keys, f"{name}_regex")
        if pattern and getattr(keys, name):
            yield f"{name}_regex: cannot stand beside {name}"
        try:
            compile_pattern(pattern)
        except re.error as error:
            yield f"{name}_regex: {pattern!r} is not a regular expression ({error})"
    if keys.user_id_claim and not re.fullmatch(r"[a-zA-Z_]+", keys.user_id_claim):
        yield f"user_id_claim: {keys.user_id_claim!r} may hold letters and _ only"
    if keys.jwks_public_endpoint:
        yield from _endpoint_problems(keys)


def _endpoint_problems(keys: TokenKeys) -> Iterator[str]:
    option, endpoint = "jwks_public_endpoint", keys.jwks_public_endpoint
    try:
        url = urlsplit(endpoint)
        is_url = url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        is_url = False
    if not is_url:
        yield f"{option}: {endpoint!r} is no http:// or https:// URL"
    wanted = set(_PLACEHOLDER.findall(endpoint))
    if not wanted:
        return
    # What a token says before it is verified chooses the URL: only texts that the configuration
    # spells out may get there, or anyone could have keys fetched from a server of their own.
    found: set[str] = set()
    for name in ("issuer_regex", "audience_regex"):
        pattern = getattr(keys, name)
        if _CHARACTER_CLASS.search(pattern):
            yield f"{name}: holds a character class, and {option} has placeholders; spell out texts"
        for group, inside in _NAMED_GROUP.findall(pattern):
            found.add(group)
            if group in wanted and not _FIXED_TEXTS.match(inside):
                yield (
                    f"{name}: the group {group} stands in {option}, so it must be a list of fixed "
                    f"texts, such as (?P<{group}>one|two)"
                )
    for group in sorted(wanted - found):
        yield (
            f"{option}: there is no group {group!r} in issuer_regex or audience_regex, or it has "
            "another group inside"
        )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a regular expression of Centrifugo's configuration; Go also writes `(?<name>…)`."""
    return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern))


class GivenKeys:
    """The keys that stand in the options themselves.

    Args:
        keys: the options.

    Raises:
        ValueError: a key is not a PEM of its kind, or too short.
        ConfigurationError: a public key is configured, and the library for it is missing.
    """

    def __init__(self, keys: TokenKeys) -> None:
        self._secret = keys.hmac_secret_key
        self._previous_secret = keys.hmac_previous_secret_key
        self._previous_until = keys.hmac_previous_secret_key_valid_until
        self._public_keys = list(_public_keys(keys))

    def verified_payload(self, text: str, moment: float) -> bytes:
        """Return a token's payload if one of the keys signed it.

        Raises:
            InvalidTokenError: none did, or it is no token.
            KeysUnavailableError: a secret is none: it has the form of a public key.
        """
        # Imported with the first token: 9 MB that a process which sees none need not have.
        from realtime_message.centrifugo import signatures  # noqa: PLC0415

        is_previous_valid = self._previous_until == 0 or moment <= self._previous_until
        secrets = (self._secret, self._previous_secret if is_previous_valid else "")
        keys = [signatures.secret_key(secret) for secret in secrets if secret]
        return signatures.verified_payload(text, keys + self._public_keys)


def _public_keys(keys: TokenKeys) -> Iterator[TokenKey]:
    if not (keys.rsa_public_key or keys.ecdsa_public_key):
        return
    from realtime_message.centrifugo import signatures  # noqa: PLC0415 - as above

    for option, pem, load in (
        ("rsa_public_key", keys.rsa_public_key, signatures.rsa_key),
        ("ecdsa_public_key", keys.ecdsa_public_key, signatures.ecdsa_key),
    ):
        if pem:
            try:
                yield load(pem)
            except ValueError as error:
                raise ValueError(f"{option}: {error}") from None


class Parties:
    """For whom tokens must be, and of whom.

    Args:
        keys: the options.
    """

    def __init__(self, keys: TokenKeys) -> None:
        self._keys = keys
        self._audience = compile_pattern(keys.audience_regex) if keys.audience_regex else None
        self._issuer = compile_pattern(keys.issuer_regex) if keys.issuer_regex else None

    def check(self, claims: Claims) -> dict[str, str]:
        """Return what the named groups of the regular expressions matched.

        Raises:
            InvalidTokenError: the token is for another audience or of another issuer.
        """
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
        issuer = claims.iss or ""
        keys = self._keys
        if keys.audience and keys.audience not in audiences:
            raise InvalidTokenError("the token is for another audience")
        if keys.issuer and keys.issuer != issuer:
            raise InvalidTokenError("the token is of another issuer")
        groups: dict[str, str] = {}
        for pattern, values, what in (
            (self._issuer, [issuer], "issuer"),
            (self._audience, audiences, "audience"),
        ):
            if pattern is None:
                continue
            match = next(filter(None, map(pattern.search, values)), None)
            if match is None:
                raise InvalidTokenError(f"the token's {what} does not match")
            groups |= match.groupdict(default="")
        return groups
