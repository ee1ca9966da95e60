"""What a server under test can do; tests of what it cannot are skipped."""

from __future__ import annotations

import pytest

from support.valkey_server import ValkeyServer


def require_waitaof(server: ValkeyServer) -> None:
    """Skip the test if the server does not know WAITAOF: Redis before 7.2."""
    if "waitaof" not in server.client().command():
        pytest.skip("this server does not know WAITAOF")
