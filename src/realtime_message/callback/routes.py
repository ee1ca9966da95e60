"""The service as an ASGI application: every route, also that of publish.

What arrives in the usual form at the publish route is answered below ASGI (see protocol.py) by the
same dispatcher; here it is reachable for everything else that speaks HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from realtime_message.callback.authenticate import FORWARDED_HEADER, SECRET_HEADER, Authentication
from realtime_message.callback.dispatch import Dispatcher
from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import JSON
from realtime_message.errors import StreamsError
from realtime_message.telemetry.callback_metrics import Outcome

#: Where the proxy events come in, followed by the event's name.
EVENT_PATH = "/centrifugo/"

# What is over the limit is read to its end, so that the sender gets to read the answer; a body of
# so many times the limit is cut off instead.
MAX_DISCARDED_TIMES = 16


def create_routes(
    dispatcher: Dispatcher,
    authentication: Authentication,
    registry: CollectorRegistry,
    *,
    events: Iterable[EventKind],
    check_ready: Callable[[], Awaitable[None]],
) -> Starlette:
    """Return the application.

    Args:
        dispatcher: answers the proxy events.
        authentication: whom to serve; health and metrics are for everyone who can connect.
        registry: what `/metrics` shows.
        events: the proxy events that are answered.
        check_ready: raises a StreamsError that says why messages cannot be taken now.
    """
    proxy = _EventRoute(dispatcher, authentication)
    routes: list[BaseRoute] = [
        Route(EVENT_PATH + event, partial(proxy.answer, event), methods=["POST"])
        for event in events
    ]
    routes += [
        Route("/health", _health, methods=["GET"]),
        Route("/health/ready", partial(_ready, check_ready), methods=["GET"]),
        Route("/metrics", partial(_metrics, registry), methods=["GET"]),
    ]
    application = Starlette(routes=routes, exception_handlers={HTTPException: _explain})
    # Centrifugo follows redirects, some of them without the body: nothing here may be one.
    application.router.redirect_slashes = False
    return application


def json_message(text: str) -> bytes:
    """Return the body of an answer that is for people: no reply that Centrifugo could obey."""
    return msgspec.json.encode({"message": text})


class _EventRoute:
    def __init__(self, dispatcher: Dispatcher, authentication: Authentication) -> None:
        self._dispatcher = dispatcher
        self._authentication = authentication

    async def answer(self, event: EventKind, request: Request) -> Response:
        refusal = self._authentication.refusal(
            request.client.host if request.client else None,
            _header(request, SECRET_HEADER),
            _header(request, FORWARDED_HEADER),
        )
        if refusal is not None:
            return _text(401, refusal)
        try:
            body = await self._read(request)
        except ClientDisconnect:
            return _text(400, "the request broke off")
        answer: asyncio.Future[tuple[Outcome, bytes]]
        answer = asyncio.get_running_loop().create_future()

        def on_answered(outcome: Outcome, reply: bytes) -> None:
            if not answer.done():  # the server may have cancelled the request
                answer.set_result((outcome, reply))

        if body is None:
            self._dispatcher.refuse_large(event, on_answered)
        else:
            self._dispatcher.dispatch(event, body, on_answered, dict(request.headers))
        outcome, reply = await answer
        return Response(reply, _status(event, outcome, reply), media_type=JSON)

    async def _read(self, request: Request) -> bytes | None:
        """Return the body, or None if it is too large.

        Raises:
            HTTPException: it is far too large, and its rest was not read.
        """
        limit = self._dispatcher.max_body_bytes
        size = 0
        kept = bytearray()
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit * MAX_DISCARDED_TIMES:
                raise HTTPException(
                    413, f"the body is larger than {limit} bytes", {"connection": "close"}
                )
            if size <= limit:
                kept += chunk
        return bytes(kept) if size <= limit else None


def _header(request: Request, name: str) -> bytes | None:
    values = request.headers.getlist(name)
    return ", ".join(values).encode("latin-1") if values else None


def _status(event: EventKind, outcome: Outcome, reply: bytes) -> int:
    """Return the status of an answer: 200, but where Centrifugo takes 200 for something else.

    It takes an error in the answer to a refresh for an expired connection; for a status that is not
    200 it keeps the connection and asks again after a minute.
    """
    if event in (EventKind.refresh, EventKind.sub_refresh) and reply.startswith(b'{"error"'):
        return 503 if outcome is Outcome.failed else 400
    return 200


async def _health(_: Request) -> Response:
    return Response(b'{"status":"alive"}', media_type=JSON)


async def _ready(check_ready: Callable[[], Awaitable[None]], _: Request) -> Response:
    try:
        await check_ready()
    except StreamsError as error:
        return _text(503, f"not ready: {error}")
    return Response(b'{"status":"ready"}', media_type=JSON)


async def _metrics(registry: CollectorRegistry, request: Request) -> Response:
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"content-type": content_type})


async def _explain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    text = error.detail
    if error.status_code == 404:  # noqa: PLR2004 - the one known by its number
        text = f"nothing here: POST {EVENT_PATH}<event>, GET /health, /health/ready, /metrics"
    return _text(error.status_code, text, error.headers)


def _text(status: int, text: str, headers: object = None) -> Response:
    kept = dict(headers) if isinstance(headers, dict) else None
    return Response(json_message(text), status, kept, JSON)
