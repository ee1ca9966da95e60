"""The pytest plugin of centrifuge-realtime-message: fixtures for tests of handlers and hooks.

Nothing is imported before a fixture is asked for, so the plugin costs other tests nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from realtime_message import App
    from realtime_message.testing import WorkerHarness
    from realtime_message.testing.faults import FaultPlan
    from realtime_message.testing.running_stack import RunningStack
    from realtime_message.testing.valkey import TestValkey


@pytest.fixture
def realtime_worker() -> Callable[..., WorkerHarness]:
    """Make a worker in memory, for `async with`; see WorkerHarness for what it takes."""
    from realtime_message.testing import WorkerHarness  # noqa: PLC0415 - see the module

    def make(app: App | str, **options: Any) -> WorkerHarness:
        return WorkerHarness(app, **options)

    return make


@pytest.fixture
def realtime_valkey() -> Iterator[TestValkey]:
    """A real Valkey on a port of its own, gone after the test; skipped where there is no wheel."""
    from realtime_message.testing.valkey import NoValkeyError, TestValkey  # noqa: PLC0415

    try:
        server = TestValkey()
    except NoValkeyError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
def realtime_stack() -> Iterator[Callable[..., RunningStack]]:
    """Start the whole system for an app such as "myapp:app"; it is ended after the test."""
    from realtime_message.testing.running_stack import RunningStack  # noqa: PLC0415
    from realtime_message.testing.valkey import NoValkeyError  # noqa: PLC0415

    started: list[RunningStack] = []

    def start(app: str, **options: Any) -> RunningStack:
        try:
            started.append(RunningStack(app, **options))
        except NoValkeyError as missing:
            pytest.skip(str(missing))
        return started[-1]

    yield start
    for stack in started:
        stack.close()


@pytest.fixture
def realtime_faults() -> Callable[..., FaultPlan]:
    """Make a plan of faults: `realtime_faults(["kill", "slow"], count=3)`. See FaultPlan."""
    from realtime_message.testing.faults import FaultPlan  # noqa: PLC0415

    return FaultPlan
