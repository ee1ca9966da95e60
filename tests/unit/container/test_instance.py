"""What a container refuses, and what it fills in."""

from pathlib import Path

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.settings import LoadedSettings, load_settings
from realtime_message.stack.container.admission import check_instance, chosen_gateway
from realtime_message.stack.container.instance import (
    health_addresses,
    instance_environment,
    instance_settings,
)
from realtime_message.stack.gateway_launch import gateway_environment

SECRET = "f3a9c1d07b5e4826"
GIVEN = {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": SECRET, "REDIS_URL": "redis://elsewhere:6379"}


def _loaded(environment: dict[str, str], gateway: str = "centrifugo") -> LoadedSettings:
    return instance_settings(load_settings(environment, search_file=False), gateway)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "missing"),
        ("your-secret", "11 characters"),
        ("change-me-to-a-long-random-string", "placeholder"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "different characters"),
    ],
)
def test_secret_that_keeps_nothing_secret_is_refused(secret, reason):
    """The sentence names the variable, says why, and how to make a good one; never the secret."""
    with pytest.raises(ConfigurationError) as caught:
        check_instance(_loaded({"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": secret}))
    text = str(caught.value)
    assert reason in text
    assert "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY" in text
    assert "openssl rand -hex 32" in text
    assert not secret or secret not in text


@pytest.mark.parametrize(
    "variable",
    [
        "CENTRIFUGO_HTTP_API_KEY",
        "CENTRIFUGO_VAR_CALLBACK_SECRET",
        "RTM_CALLBACK__PREVIOUS_TOKEN_SECRET",
    ],
)
def test_other_secrets_are_no_placeholders_either(variable):
    """A key of the server API that stands in an example opens it to everybody."""
    with pytest.raises(ConfigurationError, match=variable):
        check_instance(_loaded({**GIVEN, variable: "change-me-please-now"}))


def test_two_parts_on_one_port_are_refused():
    """One of them could never listen."""
    with pytest.raises(ConfigurationError, match=r"both have port 8000.*PORT"):
        check_instance(_loaded({**GIVEN, "PORT": "8000"}))


def test_good_secret_is_enough():
    """With the variables of the original alone, an instance starts."""
    check_instance(_loaded(GIVEN))


def test_unknown_gateway_is_refused():
    """A typing error does not start the wrong gateway."""
    with pytest.raises(ConfigurationError, match="expected centrifugo or embedded"):
        chosen_gateway({"RTM_GATEWAY": "centrifuge"})


def test_centrifugo_keeps_its_state_in_redis_unless_told_otherwise():
    """One instance or ten: the same settings."""
    assert _loaded(GIVEN).settings.gateway.engine == "redis"
    assert _loaded(GIVEN, "embedded").settings.gateway.engine == "memory"
    chosen = _loaded({**GIVEN, "RTM_GATEWAY__ENGINE": "memory"})
    assert chosen.settings.gateway.engine == "memory"


def test_parts_share_a_secret_that_is_made_at_each_start():
    """Nobody else knows it, so nobody else can call the callback service."""
    first, second = _loaded(GIVEN).settings.callback.secret, _loaded(GIVEN).settings.callback.secret
    assert len(first) >= 32
    assert first != second
    given = {**GIVEN, "CENTRIFUGO_VAR_CALLBACK_SECRET": "d" * 8 + SECRET}
    assert _loaded(given).settings.callback.secret == "d" * 8 + SECRET


def test_secrets_reach_centrifugo_under_the_names_that_version_6_reads():
    """The well-known name of earlier versions is mapped: version 6 ignores it."""
    environment = instance_environment(
        _loaded(GIVEN), GIVEN, app="", processes=2, folder=Path("/tmp/rtm")
    )
    settings = load_settings(
        {name: text for name, text in environment.items() if name.startswith("RTM_")},
        search_file=False,
    ).settings
    centrifugo = gateway_environment(settings, environment)
    assert centrifugo["CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY"] == SECRET
    assert centrifugo["CENTRIFUGO_VAR_CALLBACK_SECRET"] == settings.callback.secret
    assert "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY" not in centrifugo


def test_supervisord_waits_longer_than_a_part_may_take():
    """A part that stops in its own time is never killed."""
    environment = instance_environment(
        _loaded({**GIVEN, "RTM_CALLBACK__DRAIN_TIMEOUT_SECONDS": "12.5"}),
        GIVEN,
        app="shop:app",
        processes=4,
        folder=Path("/tmp/rtm"),
    )
    assert environment["INSTANCE_CALLBACK_STOP_SECONDS"] == "15"
    assert environment["INSTANCE_GATEWAY_STOP_SECONDS"] == "12"
    assert environment["INSTANCE_APP"] == "shop:app"
    assert environment["INSTANCE_PROCESSES"] == "4"


def test_health_asks_both_parts_from_inside():
    """What listens on every address is asked on the loopback."""
    environment = {
        **GIVEN,
        "PORT": "3001",
        "RTM_CALLBACK__HOST": "0.0.0.0",
        "RTM_GATEWAY__HOST": "::",
    }
    assert health_addresses(_loaded(environment).settings) == [
        "http://[::1]:8000/health",
        "http://127.0.0.1:3001/health/ready",
    ]
    environment["RTM_CALLBACK__TLS_CERTIFICATE"] = "cert.pem"
    assert health_addresses(_loaded(environment).settings)[1].startswith("https://127.0.0.1:3001/")
