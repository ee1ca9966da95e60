"""Whether the tests of the deployment run: they take minutes, so somebody has to ask for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime_message.errors import StartupError
from realtime_message.stack.gateway_launch import find_centrifugo

SWITCH = "TESTS_DEPLOY"

#: For modules whose tests run only when asked for.
only_when_asked = pytest.mark.skipif(
    os.environ.get(SWITCH) != "1",
    reason=f"takes minutes: {SWITCH}=1 pytest tests/deploy runs it",
)


def centrifugo() -> Path | None:
    """Return the real Centrifugo, if there is one: RTM_CENTRIFUGO_BIN, else on PATH."""
    try:
        return find_centrifugo(os.environ).resolve()
    except StartupError:
        return None
