"""Who may use the chat page's server, and what browsers may do with its answers.

The server gives tokens away. What keeps that harmless is checked here: only same-origin requests,
and only under names that cannot be made to point at this machine by someone else's DNS.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL_SUFFIXES = (".local", ".localhost", ".lan", ".internal", ".home.arpa")


def error_answer(status: int, code: str, text: str) -> JSONResponse:
    """Return the page server's form of an error: its code is for the page, its text for people."""
    return JSONResponse({"error": {"code": code, "message": text}}, status_code=status)


def host_of(headers: Headers) -> tuple[str, bool]:
    """Return the name by which the page was asked for, and whether it is a local one.

    Local are IP addresses, names without a dot, this machine's own name, and the suffixes that the
    public DNS does not serve. Under any other name a foreign page could read this one: its owner
    lets it point here (DNS rebinding), and the browser takes both for the same origin.
    """
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return "", False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_plain = re.fullmatch(r"[a-z0-9._-]+", host) is not None
        is_local = "." not in host or host.endswith(_LOCAL_SUFFIXES)
        return host, is_plain and (is_local or host == socket.gethostname().lower())
    return f"[{host}]" if address.version == 6 else host, True  # noqa: PLR2004 - IPv6


class PageGuard:
    """ASGI middleware: refuses requests from elsewhere, adds security headers to every answer.

    Args:
        app: what answers the others.
        gateway_port: the page may connect there, and to nothing else but its own server.
    """

    def __init__(self, app: ASGIApp, gateway_port: int) -> None:
        self._app = app
        self._gateway_port = gateway_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, is_local = host_of(headers)
        policy = _content_security_policy(host if is_local else "localhost", self._gateway_port)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), scope["path"], policy)
            await send(message)

        refusal = _refusal(scope, headers, is_local=is_local)
        await (refusal or self._app)(scope, receive, send_guarded)


def _refusal(scope: Scope, headers: Headers, *, is_local: bool) -> JSONResponse | None:
    if not is_local:
        return error_answer(
            HTTPStatus.FORBIDDEN,
            "foreign_host",
            "this page is for development and opens only under localhost, an IP address, the"
            " machine's own name, or a local name (without dots, or ending in .local or .lan)",
        )
    # Browsers send Origin with every POST.
    own_origin = f"{scope['scheme']}://{headers.get('host', '')}"
    if scope["method"] == "POST" and headers.get("origin") != own_origin:
        return error_answer(
            HTTPStatus.FORBIDDEN,
            "foreign_origin",
            "POST is answered for the chat page itself; in a terminal use: rtm token USER",
        )
    return None


def _content_security_policy(host: str, gateway_port: int) -> str:
    # A policy cannot name an IPv6 address, so there only the port is fixed.
    gateway = f"{'*' if host.startswith('[') else host}:{gateway_port}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self' ws://{gateway} wss://{gateway}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # No string may become HTML or script: the page only ever sets text.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _add_headers(headers: MutableHeaders, path: str, policy: str) -> None:
    headers["Content-Security-Policy"] = policy
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    # Files are asked for again each time (answered 304): an upgrade is seen at once.
    headers["Cache-Control"] = "no-store" if path in {"/token", "/config.json"} else "no-cache"
