"""Public keys behind a URL: fetched as a JSON Web Key Set, remembered, looked for again.

As in Centrifugo, keys live for an hour. From half of that on they are fetched anew in the
background, so a server that is down for a while is noticed by nobody. A key that is not in the set
may be a new one, so the set is fetched again for it, but not for each token that names a wrong one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from realtime_message.centrifugo.token_errors import InvalidTokenError, KeysUnavailableError
from realtime_message.centrifugo.token_keys import TokenKeys
from realtime_message.centrifugo.tokens import TokenVerifier
from realtime_message.errors import ConfigurationError
from realtime_message.settings import Settings
from realtime_message.settings.sections.tokens import TokenSettings
from realtime_message.telemetry.logs import get_logger

if TYPE_CHECKING:
    from realtime_message.centrifugo.signatures import TokenKey

#: Centrifugo's lifetime of a key.
LIFETIME_SECONDS = 3600.0
REFRESH_AFTER_SECONDS = LIFETIME_SECONDS / 2
#: How long no token makes the set be fetched again, after it was fetched.
PAUSE_SECONDS = 10.0
#: The same after a fetch that failed.
FAILURE_PAUSE_SECONDS = 1.0
FETCH_TIMEOUT_SECONDS = 2.0
MAX_SET_BYTES = 1_048_576

#: Returns what is behind a URL; raises OSError if that cannot be had.
Fetch = Callable[[str], Awaitable[bytes]]

_log = get_logger("key_sets")


def make_verifier(keys: TokenKeys) -> TokenVerifier:
    """Return what verifies tokens with the given keys, or with those behind the endpoint.

    Raises:
        ValueError: an option is wrong; the text names it.
        ConfigurationError: the library for public keys is missing.
    """
    endpoint = keys.jwks_public_endpoint
    return TokenVerifier(keys, KeySets(endpoint) if endpoint else None)


def connection_verifier(settings: Settings) -> TokenVerifier:
    """Return what verifies connection tokens by the settings.

    Raises:
        ConfigurationError: an option is wrong, or the library for public keys is missing.
    """
    return _verifier(
        "tokens",
        settings.tokens,
        hmac_secret_key=settings.callback.token_secret,
        hmac_previous_secret_key=settings.callback.previous_token_secret,
    )


def check_token_keys(settings: Settings) -> None:
    """Check that every key of tokens can be used; none is fetched.

    Raises:
        ConfigurationError: as above.
    """
    connection_verifier(settings)
    if settings.subscription_tokens.enabled:
        _verifier("subscription_tokens", settings.subscription_tokens)


def _verifier(section: str, options: TokenSettings, **secrets: str) -> TokenVerifier:
    try:
        return make_verifier(
            msgspec.convert(msgspec.structs.asdict(options) | secrets, type=TokenKeys)
        )
    except ValueError as error:
        raise ConfigurationError(f"{section}.{error}") from None


async def fetch(url: str) -> bytes:
    """Return what is behind a URL.

    Raises:
        OSError: it cannot be had in time, or is too large.
    """
    import httpx  # noqa: PLC0415 - most deployments have no key set

    try:
        async with (
            asyncio.timeout(FETCH_TIMEOUT_SECONDS),
            # The certificates that this machine trusts, as other programs on it do.
            httpx.AsyncClient(
                verify=ssl.create_default_context(), follow_redirects=True, trust_env=False
            ) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise OSError(f"status {response.status_code}")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_SET_BYTES:
                    raise OSError(f"larger than {MAX_SET_BYTES} bytes")
            return bytes(body)
    except TimeoutError:
        raise OSError(f"no answer within {FETCH_TIMEOUT_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error) or type(error).__name__) from None


class KeySets:
    """The key sets behind an endpoint: one, or one for each value of its placeholders.

    Args:
        endpoint: the URL; `{{name}}` in it stands for a group's match.
        fetch: gets what is behind a URL.
        clock: monotonic seconds.

    Raises:
        ConfigurationError: the library for public keys is missing.
    """

    def __init__(
        self, endpoint: str, fetch: Fetch = fetch, clock: Callable[[], float] = monotonic
    ) -> None:
        # Loaded now: a missing library is told of at the start, and no token has to wait for them.
        import httpx  # noqa: F401, PLC0415 - for fetch

        from realtime_message.centrifugo import signatures  # noqa: PLC0415

        signatures.require_public_keys()
        self._read = signatures.keys_of_set
        self._endpoint = endpoint
        self._fetch = fetch
        self._clock = clock
        self._sets: dict[str, _KeySet] = {}

    async def find(self, key_id: str, groups: Mapping[str, str]) -> TokenKey:
        """Return the key that a token names, by its id.

        Raises:
            InvalidTokenError: it names none, or none that is there.
            KeysUnavailableError: the set cannot be fetched.
        """
        if not key_id:
            raise InvalidTokenError("the token names no key (kid)")
        url = self._url(groups)
        if url not in self._sets:
            self._sets[url] = _KeySet(url, self._fetch, self._read, self._clock)
        return await self._sets[url].find(key_id)

    def _url(self, groups: Mapping[str, str]) -> str:
        url = self._endpoint
        for name, value in groups.items():
            url = url.replace("{{" + name + "}}", value)
        # Centrifugo's own precaution, beside the check of the configuration.
        if ".." in urlsplit(url).path.split("/"):
            raise InvalidTokenError("the token leads to a URL that climbs out of its path")
        return url


class _KeySet:
    """The keys behind one URL."""

    def __init__(
        self,
        url: str,
        fetch: Fetch,
        read: Callable[[bytes], Mapping[str, TokenKey]],
        clock: Callable[[], float],
    ) -> None:
        self._url = url
        self._fetch = fetch
        self._read = read
        self._clock = clock
        self._keys: Mapping[str, TokenKey] = {}
        self._fetched_at: float | None = None
        self._ask_again_at = float("-inf")
        self._failure = ""
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> TokenKey:
        key = self._current(key_id)
        if key is None or self._age() > REFRESH_AFTER_SECONDS:
            fetching = self._ask()
            if key is None and fetching is not None:
                # Whoever waits may give up; the fetch goes on for who comes next.
                await asyncio.shield(fetching)
                key = self._current(key_id)
        if key is not None:
            return key
        if self._failure:
            raise KeysUnavailableError(f"the keys of tokens cannot be fetched: {self._failure}")
        raise InvalidTokenError("the token names a key that is not in the key set")

    def _current(self, key_id: str) -> TokenKey | None:
        return self._keys.get(key_id) if self._age() < LIFETIME_SECONDS else None

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _ask(self) -> asyncio.Task[None] | None:
        """Return the fetch that is under way, or a new one if it is time for one."""
        if self._fetching is None and self._clock() >= self._ask_again_at:
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            self._keys = self._read(await self._fetch(self._url))
        except (OSError, ValueError) as error:
            self._failure = str(error)
            self._ask_again_at = self._clock() + FAILURE_PAUSE_SECONDS
            _log.warning("keys.not_fetched", url=self._url, reason=self._failure)
        else:
            self._failure = ""
            self._fetched_at = self._clock()
            self._ask_again_at = self._fetched_at + PAUSE_SECONDS
            _log.info("keys.fetched", url=self._url, count=len(self._keys))
        finally:
            self._fetching = None
