"""The embedded gateway reads a configuration as Centrifugo would, and refuses what it lacks."""

import json

import pytest

from realtime_message.centrifugo.configuration import read_configuration, unused_variables
from realtime_message.errors import ConfigurationError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a configuration and returns its path."""

    def write(document):
        path = tmp_path / "centrifugo.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return write


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"admin": {"enabled": True}}, "does not implement admin.enabled"),
        ({"prometheus": {"enabled": True}}, "prometheus.enabled"),
        ({"websocket": {"compression": True}}, "websocket.compression"),
        ({"http_server": {"tls": {"enabled": True}}}, "http_server.tls.enabled"),
        ({"channel": {"proxy": {"map_publish": {"endpoint": "x"}}}}, "map_publish.endpoint"),
        ({"channel": {"namespaces": [{"name": "ab", "delta_publish": True}]}}, "[0].delta_publish"),
        ({"nonsense": 1}, "nonsense"),
        (
            {"client": {"alowed_origins": ["*"]}},
            "client.alowed_origins is no option that we know; did you mean client.allowed_origins?",
        ),
        ({"chanel": {"namespaces": [{"name": "a"}]}}, "did you mean channel?"),
        (
            {"chanel": {"x": 1}, "admin": {"enabled": True}},
            "did you mean channel?; the embedded gateway does not implement admin.enabled",
        ),
        (
            {"channel": {"without_namespace": {"map_publish_proxy_enabled": True}}},
            "does not implement channel.without_namespace.map_publish_proxy_enabled",
        ),
        ({"engine": {"type": "redis"}}, "engine.type"),
        ({"client": {"concurrency": 8}}, "client.concurrency"),
        ({"client": {"channel_limit": "many"}}, "client.channel_limit"),
        ({"client": {"channel_limit": -1}}, "client.channel_limit"),
        ({"channel": {"proxy": {"publish": {"timeout": 1}}}}, "publish.timeout: the number 1"),
        ({"client": {"ping_interval": "soon"}}, "client.ping_interval: 'soon'"),
        ({"client": {"ping_interval": "5s", "pong_timeout": "5s"}}, "client.pong_timeout"),
        ({"client": {"proxy": {"connect": {"enabled": True}}}}, "client.proxy.connect.endpoint"),
        (
            {"client": {"proxy": {"connect": {"enabled": True, "endpoint": "grpc://x:1"}}}},
            "is a gRPC address",
        ),
        ({"client": {"allowed_origins": ["{a,b}.c"]}}, "client.allowed_origins"),
        ({"client": {"token": {"user_id_claim": "a.b"}}}, "client.token.user_id_claim"),
        ({"client": {"token": {"issuer_regex": "("}}}, "client.token.issuer_regex"),
        ({"client": {"token": {"issuer_regex": "a", "issuer": "a"}}}, "cannot stand beside"),
        ({"channel": {"without_namespace": {"history_size": 1}}}, "both history_size and"),
        ({"channel": {"without_namespace": {"force_recovery": True}}}, "force_recovery: needs"),
        (
            {"channel": {"without_namespace": {"history_size": 1, "history_ttl": "1500ms"}}},
            "history_ttl: must be whole seconds",
        ),
        (
            {"channel": {"without_namespace": {"history_size": 1, "history_ttl": "900h"}}},
            "longer than history_meta_ttl",
        ),
        (
            {"channel": {"without_namespace": {"publish_proxy_enabled": True}}},
            "channel.proxy.publish.endpoint",
        ),
        (
            {
                "channel": {
                    "without_namespace": {
                        "publish_proxy_enabled": True,
                        "publish_proxy_name": "other",
                    }
                }
            },
            "no proxy called 'other'",
        ),
        ({"rpc": {"without_namespace": {"proxy_enabled": True}}}, "rpc.proxy.endpoint"),
        ({"channel": {"namespaces": [{"name": "aa"}, {"name": "aa"}]}}, "'aa' occurs twice"),
        ({"channel": {"namespaces": [{"name": "a b"}]}}, "channel.namespaces[0].name"),
        ({"proxies": [{"name": "default"}]}, "Centrifugo's own"),
        ({"http_server": {"internal_port": "x"}}, "http_server.internal_port"),
        ({"channel": {"without_namespace": {"channel_regex": "["}}}, "channel_regex"),
        ("{", "is not JSON"),
        ("[]", "must hold a JSON object"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(write, document, message):
    """A wrong or unsupported option ends the start with one sentence that names it."""
    path = write(document)
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path, {})
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_unreadable_file_is_named(tmp_path):
    """The sentence says how such a file is made."""
    with pytest.raises(ConfigurationError, match="rtm centrifugo config"):
        read_configuration(tmp_path / "absent.json", {})


@pytest.mark.parametrize(
    "document",
    [
        {"admin": {"enabled": False, "password": "x"}},
        {"sse": {"handler_prefix": "/connection/sse"}},
        {"log": {"level": "debug"}, "usage_stats": {"disabled": True}},
        {"channel": {"proxy": {"map_publish": {"endpoint": "", "timeout": "1s"}}}},
        {"client": {"insecure": False, "connection_limit": 0}},
        {"http_server": {"tls": None}},
    ],
)
def test_option_that_asks_for_nothing_is_accepted(write, document):
    """An unsupported option that is off, and one without visible effect, are no reason to stop."""
    read_configuration(write(document), {})


def test_environment_wins_over_the_file(write):
    """CENTRIFUGO_* variables override the file in every form that Centrifugo reads."""
    path = write(
        {
            "http_server": {"port": 1},
            "channel": {"namespaces": [{"name": "my-chat", "history_size": 5}]},
        }
    )
    configuration = read_configuration(
        path,
        {
            "CENTRIFUGO_HTTP_SERVER_PORT": "9",
            "CENTRIFUGO_HTTP_SERVER_INTERNAL_PORT": "10",
            "CENTRIFUGO_HEALTH_ENABLED": "true",
            "CENTRIFUGO_CLIENT_ALLOWED_ORIGINS": "http://a http://b",
            "CENTRIFUGO_CLIENT_PING_INTERVAL": "1m30s",
            "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": "secret",
            "CENTRIFUGO_HTTP_API_KEY": "",
            "CENTRIFUGO_PROXIES": '[{"name":"p1","endpoint":"http://x"}]',
            "CENTRIFUGO_PROXIES_P1_TIMEOUT": "3s",
            "CENTRIFUGO_CHANNEL_NAMESPACES_MY_CHAT_HISTORY_TTL": "7s",
            "CENTRIFUGO_CHANNEL_PROXY_PUBLISH_HTTP_STATIC_HEADERS": '{"a":"b"}',
            "CENTRIFUGO_RPC_NAMESPACES": "one two",
        },
    )
    assert configuration.http_server.port == 9
    assert configuration.http_server.internal_port == "10"
    assert configuration.health.enabled
    assert configuration.client.allowed_origins == ["http://a", "http://b"]
    assert configuration.client.ping_interval_seconds == 90
    assert configuration.client.token.hmac_secret_key == "secret"
    assert configuration.proxies[0].timeout_seconds == 3
    assert configuration.channel.namespaces[0].history_ttl_seconds == 7
    assert configuration.channel.proxy.publish.http.static_headers == {"a": "b"}
    assert [one.name for one in configuration.rpc.namespaces] == ["one", "two"]


def test_wrong_value_from_the_environment_is_named(write):
    """A variable that is no JSON, and one of the wrong type, are both reported by name."""
    path = write({})
    with pytest.raises(ConfigurationError, match="CENTRIFUGO_PROXIES in the environment"):
        read_configuration(path, {"CENTRIFUGO_PROXIES": "[{]"})
    with pytest.raises(ConfigurationError, match=r"http_server\.port"):
        read_configuration(path, {"CENTRIFUGO_HTTP_SERVER_PORT": "tcp://10.0.0.1:8000"})


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "${CENTRIFUGO_VAR_A}-b"}, [{"key": "X-A", "value": "${CENTRIFUGO_VAR_A}-b"}]],
)
def test_variables_in_static_headers_are_expanded(write, headers):
    """Both forms of a header map are read, and their variables come from the environment."""
    document = {
        "channel": {"proxy": {"publish": {"http": {"static_headers": headers}}}},
        "proxies": [{"name": "other", "http": {"static_headers": headers}}],
    }
    path = write(document)
    configuration = read_configuration(path, {"CENTRIFUGO_VAR_A": "a"})
    assert configuration.channel.proxy.publish.http.static_headers == {"X-A": "a-b"}
    assert configuration.proxies[0].http.static_headers == {"X-A": "a-b"}
    with pytest.raises(ConfigurationError, match="environment variable CENTRIFUGO_VAR_A"):
        read_configuration(path, {})


def test_zero_in_the_file_means_the_default(write):
    """As in Centrifugo, a zero value does not switch a limit off."""
    document = {"client": {"channel_limit": 0, "ping_interval": "0s"}, "channel": {"max_length": 0}}
    configuration = read_configuration(write(document), {})
    assert configuration.client.channel_limit == 128
    assert configuration.client.ping_interval_seconds == 25
    assert configuration.channel.max_length == 255


def test_variables_that_nothing_reads_are_reported():
    """Names of earlier versions are found; custom variables and item options are not reported."""
    environ = {
        "CENTRIFUGO_API_KEY": "v5",
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "v5",
        "CENTRIFUGO_HTTP_API_KEY": "v6",
        "CENTRIFUGO_VAR_ANYTHING": "x",
        "CENTRIFUGO_PROXIES_P1_ENDPOINT": "x",
        "PATH": "x",
    }
    assert unused_variables(environ) == ["CENTRIFUGO_API_KEY", "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"]
