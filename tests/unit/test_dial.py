"""A connection that does not come about leaves no socket behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.errors import StreamsUnavailableError
from realtime_message.redis_url import parse_redis_url
from realtime_message.streams.dial import Dialer
from support.certificates import Certificate, make_certificate

PATIENCE_SECONDS = 10.0


class SilentServer:
    """Shakes hands by TLS, and answers nothing after that, not even a leave.

    Attributes:
        heard: set when a client has sent something after the handshake.
    """

    def __init__(self, certificate: Certificate) -> None:
        self._context = certificate.server_context()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[ssl.SSLSocket] = []
        self.port: int = self._listener.getsockname()[1]
        self.heard = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        self._connections.append(self._context.wrap_socket(connection, server_side=True))
        self._connections[0].recv(1)
        self.heard.set()

    def close(self) -> None:
        """End it, with the connection that it has."""
        self._thread.join(PATIENCE_SECONDS)
        for connection in (*self._connections, self._listener):
            connection.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """What the server shows."""
    return make_certificate(tmp_path)


@pytest.fixture
def silent(certificate: Certificate) -> Iterator[SilentServer]:
    """A server of the kind."""
    server = SilentServer(certificate)
    yield server
    server.close()


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_silent_server_with_tls_keeps_no_socket_open(
    silent: SilentServer, certificate: Certificate, *, is_cancelled: bool
) -> None:
    """Whether the time is over or nobody wants the connection any more, it is cut at once."""
    target = parse_redis_url(
        f"rediss://:password@127.0.0.1:{silent.port}?ssl_ca_certs={certificate.certificate}"
    )
    limit_seconds = PATIENCE_SECONDS if is_cancelled else 0.5

    async def give_up() -> None:
        dialer = Dialer(target, target.server_url, limit_seconds)
        dialing = asyncio.create_task(dialer.dial(target.hosts[0]))
        if is_cancelled:
            assert await asyncio.to_thread(silent.heard.wait, PATIENCE_SECONDS)
            dialing.cancel()
        with contextlib.suppress(asyncio.CancelledError, StreamsUnavailableError):
            await dialing
        assert dialing.cancelled() is is_cancelled

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(give_up())
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
