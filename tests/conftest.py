"""Fixtures that every layer of the tests may ask for."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from realtime_message.settings import RedisSettings
from support.remarks import attach_remarks, told_remarks
from support.valkey_server import ValkeyServer, unique_prefix

# No test depends on how fast the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A server shared by the whole run: use it with a prefix of your own and do not break it."""
    server = ValkeyServer().start()
    yield server
    server.close()


@pytest.fixture
def redis_settings(valkey: ValkeyServer) -> RedisSettings:
    """Settings that point at the shared server, under a prefix that no other test uses."""
    return RedisSettings(url=valkey.url, prefix=unique_prefix())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the simulation: it computes for as long as the others take, who mostly wait."""
    items.sort(key=lambda item: item.path.parent.name != "simulation")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let each report carry what the tests noted."""
    report = yield
    attach_remarks(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was tested with what, and what was measured on the way."""
    remarks = told_remarks(terminalreporter.stats)
    if remarks:
        terminalreporter.section("remarks")
        for line in remarks:
            terminalreporter.write_line(line)
