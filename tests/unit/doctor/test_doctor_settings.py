"""What the doctor says about secrets and time-outs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from realtime_message.doctor.secret_strength import review_secrets
from realtime_message.doctor.time_outs import review_time_outs
from realtime_message.settings import LoadedSettings, load_settings

GOOD = "3f9a7c2e8b1d4f60a5c7"
OTHER = "e1b84d7730fa92c6d50b"


def _loaded(**flags: Any) -> LoadedSettings:
    paths = {name.replace("__", "."): value for name, value in flags.items()}
    return load_settings(
        {}, flags={"callback.token_secret": GOOD, "gateway.api_key": OTHER} | paths
    )


def _secrets(**flags: Any) -> list[str]:
    return [f"{f.severity}: {f.what}" for f in review_secrets(_loaded(**flags))]


def test_good_secrets_are_not_mentioned() -> None:
    """Nothing to say."""
    assert _secrets() == []


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"callback__secret": "change-me-please-now"}, "error: callback.secret is the placeholder"),
        ({"callback__secret": "aaaaaaaaaaaaaaaaaaaa"}, "error: callback.secret has fewer than 8"),
        ({"callback__secret": "9f3a7c2e8b"}, "error: callback.secret has fewer than 16"),
        ({"callback__secret": GOOD}, "callback.token_secret and callback.secret are the same"),
        (
            {"redis__url": f"redis://:{OTHER}@db:6379"},
            "gateway.api_key and the password in redis.url are the same secret",
        ),
        (
            {"redis__url": "redis://:hunter2@db:6379"},
            "warning: the password in redis.url has fewer than 8",
        ),
        ({"callback__host": "0.0.0.0"}, "warning: callback.secret is empty, and"),
        ({"gateway__api_key": ""}, "warning: gateway.api_key is empty"),
        ({"redis__url": "redis://db:6379"}, "warning: redis.url has no password"),
    ],
)
def test_each_fault_is_named_and_no_secret_shown(flags: Mapping[str, Any], expected: str) -> None:
    """One finding, without the secret's text."""
    (found,) = _secrets(**flags)
    assert expected in found
    for secret in (GOOD, OTHER, *map(str, flags.values())):
        assert secret == "" or secret in ("0.0.0.0", "redis://db:6379") or secret not in found


def _time_outs(grace: float | None = None, **flags: Any) -> list[str]:
    settings = _loaded(**flags).settings
    return [f"{f.severity}: {f.what}" for f in review_time_outs(settings, grace)]


def test_defaults_fit_but_for_slow_handlers() -> None:
    """A note: a stop cancels what takes longer than the drain."""
    (found,) = _time_outs()
    assert found.startswith("note: worker.drain_timeout_seconds = 20")
    assert _time_outs(worker__handler_timeout_seconds=15) == []


@pytest.mark.parametrize(
    ("flags", "grace", "expected"),
    [
        ({"worker__lease_seconds": 3}, None, "warning: worker.lease_seconds = 3: a renewal"),
        (
            {"callback__drain_timeout_seconds": 0.5},
            None,
            "warning: callback.drain_timeout_seconds = 0.5 is below",
        ),
        ({}, 10, "is too short for the worker: worker.drain_timeout_seconds = 20"),
        ({"worker__handler_timeout_seconds": 0}, None, "a handler may take forever"),
    ],
)
def test_time_outs_that_do_not_fit_are_named(
    flags: Mapping[str, Any], grace: float | None, expected: str
) -> None:
    """Each with both values."""
    assert any(expected in found for found in _time_outs(grace, **flags))


def test_grace_that_is_long_enough_is_not_mentioned() -> None:
    """As the deployment files have it."""
    assert _time_outs(60, worker__handler_timeout_seconds=15) == []
