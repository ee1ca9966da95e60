"""Calls to Centrifugo's server API: how handlers answer.

Rules from Centrifugo v6 (server HTTP API): `POST {api_url}/{method}` with the key in `X-API-Key`;
a refusal comes as status 200 with an `error` object, a wrong key as 401; a repeated
`idempotency_key` within five minutes publishes nothing and returns the first result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from realtime_message.errors import ServerApiError
from realtime_message.worker.backoff import backoff_delays

if TYPE_CHECKING:
    import httpx

_MAX_ATTEMPTS = 5
_TIMEOUT_SECONDS = 5.0
_UNAUTHORIZED = 401
# Centrifugo's "internal server error" and "too many requests": the same call may succeed later.
_TEMPORARY_CODES = frozenset({100, 111})


class _ApiError(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Reply(msgspec.Struct):
    error: _ApiError | None = None
    result: Any = None


class _TemporaryError(Exception):
    """A call that is worth repeating."""


class ServerApi:
    """Publishes, broadcasts and disconnects through Centrifugo. See context.Replies.

    Calls are repeated while Centrifugo does not answer or answers that it cannot just now; the
    idempotency key makes that safe.

    Args:
        api_url: such as `http://127.0.0.1:8000/api`.
        api_key: as in Centrifugo's `http_api.key`.
        previous_api_key: offered to a Centrifugo that refuses the other; empty for none.
        more_headers: returns more headers for a call; None for none.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        previous_api_key: str = "",
        *,
        more_headers: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._api_keys = [api_key, *([previous_api_key] if previous_api_key else [])]
        self._more_headers = more_headers
        self._client: httpx.AsyncClient | None = None

    async def publish(self, channel: str, data: Any, *, idempotency_key: str) -> None:
        """Publish to one channel.

        Raises:
            ServerApiError: Centrifugo refused, or did not answer.
        """
        body = {"channel": channel, "data": data, "idempotency_key": idempotency_key}
        await self._call("publish", body)

    async def broadcast(self, channels: Sequence[str], data: Any, *, idempotency_key: str) -> None:
        """Publish the same data to several channels.

        Raises:
            ServerApiError: Centrifugo refused, for one of them or all, or did not answer.
        """
        names = list(channels)
        body = {"channels": names, "data": data, "idempotency_key": idempotency_key}
        result = await self._call("broadcast", body)
        for channel, response in zip(names, result.get("responses", ()), strict=False):
            error = msgspec.convert(response, _Reply).error
            if error is not None:
                raise ServerApiError(
                    f"Centrifugo refused to broadcast to the channel {channel}: "
                    f"{error.message} (code {error.code})"
                )

    async def disconnect(self, user: str, *, code: int, reason: str) -> None:
        """Close a user's connections.

        Raises:
            ServerApiError: Centrifugo refused, or did not answer.
        """
        body = {"user": user, "disconnect": {"code": code, "reason": reason}}
        await self._call("disconnect", body)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _call(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            content = msgspec.json.encode(body)
        except (TypeError, ValueError) as error:
            raise ServerApiError(f"{method}: the data cannot be written as JSON: {error}") from None
        delays = backoff_delays(0.1)
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                return await self._post(method, content)
            except _TemporaryError as error:
                if attempt == _MAX_ATTEMPTS:
                    raise ServerApiError(
                        f"Centrifugo's server API at {self._api_url} did not do {method} in "
                        f"{attempt} attempts: {error}; gateway.api_url says where it is"
                    ) from None
            await asyncio.sleep(next(delays))
        raise AssertionError("the last attempt returns or raises")

    async def _post(self, method: str, content: bytes) -> Mapping[str, Any]:
        import httpx  # noqa: PLC0415 - loaded by the first answer: many workers never send one

        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUT_SECONDS,
                # The gateway stands beside us: a proxy of the environment is for the outside.
                trust_env=False,
            )
            if self._more_headers is not None:
                self._client.event_hooks["request"].append(_adding(self._more_headers))
        for key in self._api_keys[:-1]:
            response = await self._send(self._client, method, content, key)
            if response.status_code != _UNAUTHORIZED:
                break
        else:
            response = await self._send(self._client, method, content, self._api_keys[-1])
        return self._read(method, response.status_code, response.content)

    async def _send(
        self, client: httpx.AsyncClient, method: str, content: bytes, key: str
    ) -> httpx.Response:
        import httpx  # noqa: PLC0415 - as above

        try:
            return await client.post(
                f"{self._api_url}/{method}", content=content, headers={"X-API-Key": key}
            )
        except httpx.HTTPError as error:
            raise _TemporaryError(str(error) or type(error).__name__) from None

    def _read(self, method: str, status: int, content: bytes) -> Mapping[str, Any]:
        if status == _UNAUTHORIZED and len(self._api_keys) > 1:
            # Behind a balancer each key may have met the instance that knows the other one.
            raise _TemporaryError("it refused both keys, gateway.api_key and previous_api_key")
        if status == _UNAUTHORIZED:
            raise ServerApiError(
                f"Centrifugo's server API at {self._api_url} refused the key: set gateway.api_key "
                "(CENTRIFUGO_HTTP_API_KEY) to the http_api.key of its configuration"
            )
        if status >= 500 or status == 429:  # noqa: PLR2004 - server errors, too many requests
            raise _TemporaryError(f"status {status}")
        try:
            reply = msgspec.json.decode(content, type=_Reply)
        except msgspec.MsgspecError:
            reply = None
        if status != 200 or reply is None:  # noqa: PLR2004 - the well-known "ok"
            raise ServerApiError(
                f"{self._api_url}/{method} answered with status {status} and not as Centrifugo's "
                "server API does; gateway.api_url must end with its path, /api by default"
            )
        if reply.error is None:
            return reply.result if isinstance(reply.result, dict) else {}
        if reply.error.code in _TEMPORARY_CODES:
            raise _TemporaryError(reply.error.message)
        raise ServerApiError(
            f"Centrifugo refused {method}: {reply.error.message} (code {reply.error.code})"
        )


def _adding(
    more_headers: Callable[[], Mapping[str, str]],
) -> Callable[[httpx.Request], Awaitable[None]]:
    """Return what adds headers to a request of httpx."""

    async def add(request: httpx.Request) -> None:
        request.headers.update(more_headers())

    return add
