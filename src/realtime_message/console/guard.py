"""Who may see the pages, and what browsers may do with them.

Nothing here changes anything, so a request that someone else's page makes is harmless as long as
that page cannot read the answer: only names that lead to this machine, or that were allowed, are
answered (DNS rebinding), and no other page may embed, frame or open what is answered.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime_message.browser_rules import host_of, security_headers

# No string may become HTML or script in a page: they are made by the server only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class ConsoleGuard:
    """ASGI middleware: refuses who may not, adds security headers to every answer.

    Args:
        app: what answers the others.
        password: what browsers must know, with any user name; empty for nothing.
        allowed_hosts: names by which pages may be asked for, besides local ones.
    """

    def __init__(self, app: ASGIApp, password: str, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._password = password.encode()
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(security_headers(_POLICY))
                # Pages show payloads; files are asked for again each time, and answered 304.
                is_file = scope["path"].startswith("/files/")
                headers["Cache-Control"] = "no-cache" if is_file else "no-store"
            await send(message)

        answer = self._refusal(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, is_local = host_of(headers.get("host", ""))
        if not is_local and host not in self._allowed_hosts:
            return PlainTextResponse(
                "The console answers under localhost, an IP address, this machine's own name or a "
                "local one. Behind a proxy, name the host it passes on in console.allowed_hosts "
                "(RTM_CONSOLE__ALLOWED_HOSTS).\n",
                403,
            )
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse(
                "The console only reads.\n", 405, headers={"Allow": "GET, HEAD"}
            )
        if scope["path"] != "/health" and not self._is_known(headers.get("authorization", "")):
            return PlainTextResponse(
                "The console asks for its password (console.password); any user name will do.\n",
                401,
                headers={"WWW-Authenticate": 'Basic realm="rtm console", charset="UTF-8"'},
            )
        return None

    def _is_known(self, authorization: str) -> bool:
        if not self._password:
            return True
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        _, _, password = decoded.partition(b":")
        return hmac.compare_digest(password, self._password)
