"""The chat page's web server: its files, its configuration, and tokens for demo users.

For development only: `POST /token` signs a token for whoever asks from the page itself, under the
rules of page_guard.py.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from realtime_message.browser_rules import host_of
from realtime_message.centrifugo.tokens import make_connection_token
from realtime_message.stack.page_guard import PageGuard, error_answer

MAX_NAME_CHARACTERS = 40
_MAX_BODY_BYTES = 4096
_PAGE = Path(__file__).parent / "page"
_DEVICE = re.compile(r"[A-Za-z0-9_-]{8,64}")


def create_page_app(
    *,
    gateway_port: int,
    token_secret: str,
    rooms: Sequence[str],
    receipts_channel: str,
    token_ttl_seconds: float = 3600.0,
) -> Starlette:
    """Return the ASGI app that serves the chat page.

    Args:
        gateway_port: where the gateway listens, on the host by which the page is opened.
        token_secret: the HMAC key by which the gateway checks connection tokens.
        rooms: the channels that the page opens at first.
        receipts_channel: where the worker publishes what it did with each message; empty if it
            does not.
        token_ttl_seconds: how long a token is valid; the page fetches the next one by itself.

    Raises:
        ValueError: there are no rooms; the page opens the first one.
    """
    if not rooms:
        raise ValueError("the chat page needs at least one room")

    answers = _Answers(gateway_port, token_secret, rooms, receipts_channel, token_ttl_seconds)
    return Starlette(
        routes=[
            Route("/config.json", answers.config),
            Route("/token", answers.token, methods=["POST"]),
            Mount("/", StaticFiles(directory=_PAGE, html=True)),
        ],
        middleware=[Middleware(PageGuard, gateway_port=gateway_port)],
        exception_handlers={_RefusedRequestError: _answer_refused, HTTPException: _answer_http},
    )


class _Answers:
    """What is not a file."""

    def __init__(
        self,
        gateway_port: int,
        token_secret: str,
        rooms: Sequence[str],
        receipts_channel: str,
        token_ttl_seconds: float,
    ) -> None:
        self._gateway_port = gateway_port
        self._token_secret = token_secret
        self._rooms = list(rooms)
        self._receipts_channel = receipts_channel
        self._token_ttl_seconds = token_ttl_seconds

    async def config(self, request: Request) -> Response:
        return JSONResponse(
            {
                "gateway_url": _gateway_url(request, self._gateway_port),
                "receipts_channel": self._receipts_channel,
                "rooms": self._rooms,
            }
        )

    async def token(self, request: Request) -> Response:
        name, device = _read_person(await _read_body(request))
        user = _user_id(name, device)
        # `info` is what others see of a person, `meta` what the callback service is told.
        claims = {"info": {"name": name}, "meta": {"name": name}}
        token = make_connection_token(
            self._token_secret, user, ttl_seconds=self._token_ttl_seconds, claims=claims
        )
        return JSONResponse({"token": token, "user": user})


class _RefusedRequestError(Exception):
    """A request that gets an error: its code is for the page, its text for a person."""

    def __init__(self, status: HTTPStatus, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


async def _answer_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusedRequestError)  # noqa: S101 - as registered above
    return error_answer(error.status, error.code, str(error))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as registered above
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return error_answer(
        status, code, f"{request.method} {request.url.path}: {status.phrase.lower()}"
    )


async def _read_body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise _RefusedRequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            'POST /token takes JSON: send Content-Type: application/json and {"name": "Ada"}',
        )
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise _RefusedRequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body_too_large",
                f"POST /token takes at most {_MAX_BODY_BYTES} bytes",
            )
    try:
        fields = json.loads(body)
    except ValueError:  # also text that is not UTF-8
        fields = None
    if not isinstance(fields, dict):
        raise _RefusedRequestError(
            HTTPStatus.BAD_REQUEST,
            "malformed_body",
            'the body is not a JSON object such as {"name": "Ada"}',
        )
    return fields


def _read_person(fields: dict[str, Any]) -> tuple[str, str]:
    """Return the name and the device key of a token request."""
    name = fields.get("name")
    name = unicodedata.normalize("NFC", name).strip() if isinstance(name, str) else ""
    # Category C: control characters, unassigned ones, lone surrogates, direction overrides.
    printable = not any(unicodedata.category(character).startswith("C") for character in name)
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not printable:
        raise _RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_name",
            f"name: give 1 to {MAX_NAME_CHARACTERS} printable characters",
        )
    device = fields.get("device", secrets.token_urlsafe(16))
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise _RefusedRequestError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid_device",
            "device: give 8 to 64 letters, digits, - or _, or leave it out",
        )
    return name, device


def _user_id(name: str, device: str) -> str:
    """Return a readable id that is the same for a name on a device, and that others cannot ask for.

    The device key is the page's secret: knowing someone's user id is not enough to become them.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:20].rstrip("-") or "guest"
    return f"{slug}-{hashlib.sha256(f'{device}/{name}'.encode()).hexdigest()[:8]}"


def _gateway_url(request: Request, port: int) -> str:
    scheme = "wss" if request.url.scheme == "https" else "ws"
    host, _ = host_of(request.headers.get("host", ""))
    return f"{scheme}://{host}:{port}/connection/websocket"
