"""What must hold between settings."""

from typing import Any

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.settings import check_settings, load_settings, require_token_secret

KEY = "k" * 32


def _check(part: str, **flags: Any) -> str:
    """Return what the checks of a part say; empty if they are content."""
    values = {"callback.token_secret": KEY} | {
        name.replace("__", "."): value for name, value in flags.items()
    }
    try:
        check_settings(load_settings({}, flags=values, search_file=False), part)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("part", ["callback", "worker", "gateway"])
def test_defaults_with_a_key_are_fine(part: str) -> None:
    """Nothing but the key must be set."""
    assert _check(part) == ""


@pytest.mark.parametrize("part", ["callback", "gateway"])
@pytest.mark.parametrize("key", ["", "short"])
def test_key_must_be_there_and_long_enough(part: str, key: str) -> None:
    """A missing or short key stops the parts that verify tokens, and is not shown."""
    text = _check(part, callback__token_secret=key)
    assert "callback.token_secret" in text
    assert "at least 16" in text
    assert "short" not in text


@pytest.mark.parametrize("seconds", [0, 0.0004, 0.9, 2_592_001, 1e17, "inf", "nan"])
def test_message_ids_are_remembered_for_a_second_to_thirty_days(seconds: object) -> None:
    """Redis takes a whole number of milliseconds above 0, and refuses one that is too large."""
    text = _check("callback", callback__dedup_window_seconds=seconds)
    assert "callback.dedup_window_seconds" in text
    for fine in (1, 2_592_000):
        assert _check("callback", callback__dedup_window_seconds=fine) == ""


def test_required_key_is_returned_or_named() -> None:
    """Commands that only need the key get it, or learn which variable to set."""
    environment = {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY}
    assert require_token_secret(load_settings(environment, search_file=False)) == KEY
    with pytest.raises(ConfigurationError, match="set CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"):
        require_token_secret(load_settings({}, search_file=False))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("redis__command_timeout_seconds", 0.95),
        ("callback__deadline_seconds", 1.0),
        ("gateway__proxy_timeout_seconds", 0.5),
    ],
)
def test_timeouts_must_nest(name: str, value: float) -> None:
    """What the gateway gives up on must have been given up before inside."""
    assert "must be below" in _check("callback", **{name: value})


def test_channel_patterns_must_differ() -> None:
    """Of two rules for one pattern, one would be ignored."""
    rules = [{"pattern": "news"}, {"pattern": "news"}]
    assert "already" in _check("callback", callback__channels=rules)


@pytest.mark.parametrize("pattern", ["user", "user:*:*"])
def test_owner_needs_one_star(pattern: str) -> None:
    """Without exactly one star nobody knows who the owner is."""
    rules = [{"pattern": pattern, "publish": "owner"}]
    assert "needs one *" in _check("callback", callback__channels=rules)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"worker__total_workers": 2}, "must be this worker's number, 0 to 1"),
        ({"worker__total_workers": 2, "worker__id": "2"}, "must be this worker's number"),
        ({"worker__total_workers": 2, "worker__id": "1"}, ""),
        ({"worker__total_workers": 2, "worker__partitions": "0"}, "both assign partitions"),
        ({"worker__partitions": "0, 7"}, ""),
        ({"worker__partitions": "8"}, "different numbers from 0 to 7"),
        ({"worker__partitions": "1,1"}, "different numbers from 0 to 7"),
        ({"worker__backoff_initial_seconds": 60}, "must not be above"),
    ],
)
def test_worker_settings_must_agree(flags: dict[str, Any], expected: str) -> None:
    """A static assignment names existing partitions once, in one way."""
    text = _check("worker", **flags)
    assert expected in text
    assert bool(text) == bool(expected)


def test_all_parts_are_checked_when_none_is_named() -> None:
    """`rtm config check` tells everything, each problem once."""
    with pytest.raises(ConfigurationError) as caught:
        check_settings(load_settings({"PARTITIONS": "9"}, search_file=False))
    assert str(caught.value).count("callback.token_secret") == 1
    assert "worker.partitions" in str(caught.value)


@pytest.mark.parametrize("part", ["callback", "gateway"])
@pytest.mark.parametrize("name", ["rsa_public_key", "ecdsa_public_key", "jwks_public_endpoint"])
def test_public_keys_need_no_shared_secret(part: str, name: str) -> None:
    """Who signs with a private key has no secret to share."""
    assert _check(part, callback__token_secret="", **{f"tokens__{name}": "http://x"}) == ""


@pytest.mark.parametrize("other", ["callback.token_secret", "tokens.rsa_public_key"])
def test_key_set_stands_alone(other: str) -> None:
    """Centrifugo would ignore the other key without a word."""
    flags = {"callback__token_secret": "", "tokens__jwks_public_endpoint": "http://x"}
    text = _check("callback", **flags | {other.replace(".", "__"): KEY})
    assert text.startswith(f"{other} (command line): with tokens.jwks_public_endpoint")
