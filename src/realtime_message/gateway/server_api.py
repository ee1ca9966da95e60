"""The server API over HTTP: `POST /api/<method>`, with an API key.

Errors come with status 200 in the body, or with a status of their own in transport error mode.
"""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from realtime_message.gateway import codes
from realtime_message.gateway.api_messages import ApiError, BatchRequest, Outcome
from realtime_message.gateway.api_methods import METHODS
from realtime_message.gateway.codes import CommandError
from realtime_message.gateway.engine import Engine

_JSON = "application/json"
_encode = msgspec.json.Encoder().encode

# Centrifugo's statuses in transport error mode.
_STATUS_BY_CODE = {
    codes.INTERNAL.code: 500,
    codes.UNKNOWN_CHANNEL.code: 404,
    codes.METHOD_NOT_FOUND.code: 404,
    codes.BAD_REQUEST.code: 400,
    codes.NOT_AVAILABLE.code: 400,
    codes.UNRECOVERABLE_POSITION.code: 416,
}
# Centrifugo's API has another text than its client protocol for this code.
_NOT_FOUND = ApiError(codes.METHOD_NOT_FOUND.code, "not found")


class _Call(NamedTuple):
    """A method and its request; None for a method that does not exist."""

    name: str
    request: msgspec.Struct | None


class ServerApi:
    """The endpoint below the API's prefix.

    Args:
        engine: the gateway's state.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._options = engine.configuration.http_api

    async def handle(self, request: Request) -> Response:
        """Answer one call."""
        if not self._is_authorised(request):
            return Response(status_code=401)
        name = request.path_params["method"]
        if name not in METHODS and name not in ("batch", "rpc"):
            return Response("404 page not found\n", status_code=404, media_type="text/plain")
        body = await request.body()
        try:
            if name == "batch":
                return Response(_encode({"replies": self._batch(body)}), media_type=_JSON)
            outcome = self._run(_read(name, body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Response("Bad Request\n", status_code=400, media_type="text/plain")
        if outcome.error is not None and self._wants_status(request):
            status = _STATUS_BY_CODE.get(outcome.error.code, 500)
            return Response(_encode(outcome.error), status_code=status, media_type=_JSON)
        return Response(_encode(outcome), media_type=_JSON)

    def _run(self, call: _Call) -> Outcome:
        method = METHODS.get(call.name)
        if method is None:
            return Outcome(error=_NOT_FOUND)
        try:
            return Outcome(result=method.run(self._engine, call.request))
        except CommandError as refused:
            return Outcome(error=ApiError(refused.body.code, refused.body.message))

    def _batch(self, body: bytes) -> list[dict[str, Any]]:
        """Run the commands of a batch; a reply has no `result` around it.

        All are read before the first one is run: a batch that is refused has done nothing.

        Raises:
            msgspec.DecodeError: one of them does not fit.
        """
        commands = msgspec.json.decode(body, type=BatchRequest).commands or ()
        return [self._reply_to(call) for call in [_command(one) for one in commands]]

    def _reply_to(self, call: _Call | None) -> dict[str, Any]:
        if call is None:
            return {"error": ApiError(codes.BAD_REQUEST.code, codes.BAD_REQUEST.message)}
        outcome = self._run(call)
        return {"error": outcome.error} if outcome.error else {call.name: outcome.result}

    def _is_authorised(self, request: Request) -> bool:
        key = self._options.key
        if self._options.insecure:
            return True
        if not key:
            return False
        offered = request.headers.get("x-api-key", "")
        if not offered:
            scheme, _, rest = request.headers.get("authorization", "").partition(" ")
            offered = rest.strip() if scheme.lower() == "apikey" else ""
        return _is_equal(offered, key) or _is_equal(request.query_params.get("api_key", ""), key)

    def _wants_status(self, request: Request) -> bool:
        mode = request.headers.get("x-centrifugo-error-mode", "")
        return "transport" in (self._options.error_mode, mode)


def _command(command: dict[str, msgspec.Raw] | None) -> _Call | None:
    """Return what a command of a batch asks for; None if it is `null`."""
    if command is None:
        return None
    name = next((name for name in METHODS if bytes(command.get(name, b"null")) != b"null"), "")
    return _read(name, bytes(command.get(name, b"")))


def _read(name: str, body: bytes) -> _Call:
    """Return a call. Raises msgspec.DecodeError if its request does not fit."""
    method = METHODS.get(name)
    return _Call(name, msgspec.json.decode(body, type=method.request) if method else None)


def _is_equal(offered: str, expected: str) -> bool:
    return hmac.compare_digest(offered.encode(), expected.encode())
