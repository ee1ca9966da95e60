"""Whether a part answers yet."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

_TIMEOUT_SECONDS = 1.0


def http_ok(
    port: int, path: str, host: str = "127.0.0.1", *, is_https: bool = False
) -> Callable[[], Awaitable[bool]]:
    """Return a function that tells whether GET of a path is answered with 200.

    Over HTTPS, any certificate will do: this asks a part of ours whether it is up, and sends it
    nothing. Written out on a plain socket: an HTTP client would take longer to import than the
    parts to start.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()

    tls = _trusting_context() if is_https else None

    async def answers() -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port, ssl=tls)
                try:
                    writer.write(request)
                    status = await reader.readline()
                finally:
                    # No leave is taken, as TLS would: one that does not answer would be waited for.
                    writer.transport.abort()
        except (OSError, TimeoutError):
            return False
        return status.split(b" ")[1:2] == [b"200"]

    return answers


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
