"""Who may use the chat page's server, and what browsers may do with its answers.

The server gives tokens away. What keeps that harmless is checked here: only same-origin requests,
and only under names that cannot be made to point at this machine by someone else's DNS.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime_message.browser_rules import host_of, security_headers


def error_answer(status: int, code: str, text: str) -> JSONResponse:
    """Return the page server's form of an error: its code is for the page, its text for people."""
    return JSONResponse({"error": {"code": code, "message": text}}, status_code=status)


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
        host, is_local = host_of(headers.get("host", ""))
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
    headers.update(security_headers(policy))
    # Files are asked for again each time (answered 304): an upgrade is seen at once.
    headers["Cache-Control"] = "no-store" if path in {"/token", "/config.json"} else "no-cache"
