"""The configuration of Centrifugo: made from our settings, and read by the embedded gateway."""

import json
import os
import shutil
import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    launch_environment,
    read_configuration,
)
from realtime_message.centrifugo.durations import parse_duration
from realtime_message.centrifugo.simple_yaml import yaml_lines
from realtime_message.errors import ConfigurationError

CENTRIFUGO = os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")
needs_centrifugo = pytest.mark.skipif(
    not CENTRIFUGO, reason="Centrifugo not found: set RTM_CENTRIFUGO_BIN or put it on PATH"
)

ALL_EVENTS = ("connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc")
EVERYTHING = GatewayOptions(
    host="0.0.0.0",
    internal_port=9000,
    events=ALL_EVENTS,
    has_callback_secret=True,
    allowed_origins=("https://*.example.com",),
    emulated_headers=("Authorization",),
    has_metrics=True,
)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a configuration and returns its path."""

    def write(document):
        path = tmp_path / "centrifugo.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


def check_strictly(path, options):
    """Return what Centrifugo's own strict check says of a configuration."""
    secrets = {"token_secret": "t" * 40, "api_key": "k", "callback_secret": "c"}
    return subprocess.run(
        [CENTRIFUGO, "checkconfig", "-s", "-c", str(path)],
        env={**os.environ, **launch_environment(options, **secrets)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "options",
    [
        GatewayOptions(),
        EVERYTHING,
        GatewayOptions(namespaces=("chat", "news")),
        GatewayOptions(engine="redis", redis_address="redis://127.0.0.1:6379"),
        GatewayOptions(engine="redis", redis_address="redis://u:secret@127.0.0.1:6379"),
    ],
)
@needs_centrifugo
def test_centrifugo_accepts_what_we_make(write, options):
    """The strict check of Centrifugo itself finds no unknown key and no wrong value."""
    path = write(build_configuration(options))
    result = check_strictly(path, options)
    assert result.returncode == 0, result.stderr
    assert "unknown" not in result.stderr


@needs_centrifugo
@pytest.mark.parametrize("options", [EVERYTHING, GatewayOptions(namespaces=("chat", "news"))])
def test_centrifugo_reads_the_yaml_that_we_make(tmp_path, options):
    """Its strict check takes the YAML form as well."""
    path = tmp_path / "centrifugo.yaml"
    path.write_text("\n".join(yaml_lines(build_configuration(options))))
    result = check_strictly(path, options)
    assert result.returncode == 0, result.stderr


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-.: #"), inner),
        max_leaves=8,
    )
)
def test_yaml_says_what_was_meant(value):
    """A YAML library reads back the same."""
    document = {"value": value, "objects": [{"a": value, "b": {"c": [1]}}, {"d": ""}]}
    assert yaml.safe_load("\n".join(yaml_lines(document))) == document


@needs_centrifugo
def test_all_defaults_of_centrifugo_are_accepted(tmp_path):
    """A file with every option at its default asks for nothing that we lack."""
    path = tmp_path / "defaults.json"
    subprocess.run(
        [CENTRIFUGO, "defaultconfig", "-c", str(path)], check=True, timeout=30, capture_output=True
    )
    configuration = read_configuration(path, {})
    assert configuration == read_configuration_of({}, tmp_path)


def read_configuration_of(document, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document))
    return read_configuration(path, {})


@pytest.mark.parametrize("options", [GatewayOptions(), GatewayOptions(namespaces=("chat",))])
def test_embedded_gateway_reads_what_we_make(write, options):
    """The generated file is one that the embedded gateway accepts, with the values given."""
    configuration = read_configuration(write(build_configuration(options)), {})
    assert configuration.http_server.port == options.port
    assert configuration.client.proxy.connect.enabled
    assert configuration.channel.proxy.publish.endpoint.endswith("/centrifugo/publish")
    rule = configuration.channel.without_namespace
    assert (rule.history_size, rule.history_ttl_seconds) == (100, 300)
    assert rule.publish_proxy_enabled
    assert not rule.sub_refresh_proxy_enabled


def test_no_secret_is_in_the_file():
    """Secrets travel in the environment; the file holds only the names of variables."""
    options = GatewayOptions(
        engine="redis", redis_address="redis://u:hunter2@redis:6379", has_callback_secret=True
    )
    secrets = {"token_secret": "tok-secret", "api_key": "api-secret", "callback_secret": "cb"}
    text = json.dumps(build_configuration(options))
    environment = launch_environment(options, **secrets)
    for secret in ("hunter2", *secrets.values()):
        assert f'"{secret}"' not in text
        assert any(secret in value for value in environment.values())
    assert "${CENTRIFUGO_VAR_CALLBACK_SECRET}" in text
    assert environment["CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY"] == "tok-secret"


def test_every_duration_is_a_text():
    """No duration is a number, which Centrifugo would take for nanoseconds."""

    def walk(value, name=""):
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, key)
        elif name.endswith(("timeout", "interval", "delay", "ttl")):
            assert isinstance(value, str)
            parse_duration(value)

    walk(build_configuration(EVERYTHING))


def test_secret_header_stands_on_every_proxy_or_on_none():
    """With a callback secret every proxy sends it; without one no proxy mentions it."""
    with_secret = build_configuration(EVERYTHING)
    proxies = [
        *with_secret["client"]["proxy"].values(),
        *with_secret["channel"]["proxy"].values(),
        with_secret["rpc"]["proxy"],
    ]
    assert len(proxies) == len(ALL_EVENTS)
    for proxy in proxies:
        assert proxy["http"]["static_headers"] == {
            "X-Callback-Secret": "${CENTRIFUGO_VAR_CALLBACK_SECRET}"
        }
        assert "X-Callback-Secret" not in proxy.get("http_headers", [])
    assert "static_headers" not in json.dumps(build_configuration(GatewayOptions()))


def test_expected_secret_that_is_missing_is_named():
    """A launch without the callback secret fails before Centrifugo would."""
    with pytest.raises(ConfigurationError, match="CENTRIFUGO_VAR_CALLBACK_SECRET"):
        launch_environment(GatewayOptions(has_callback_secret=True))


def test_redis_engine_without_address_is_refused():
    """Centrifugo would silently take its own default."""
    with pytest.raises(ConfigurationError, match="address"):
        build_configuration(GatewayOptions(engine="redis"))
