"""Every mistake that a review is there for is found, at its place; a right file has no finding."""

import copy
from typing import Any

import msgspec
import pytest

from realtime_message.centrifugo.configuration import GatewayOptions, build_configuration
from realtime_message.centrifugo.configuration_review import (
    Expectations,
    Finding,
    review_configuration,
)
from realtime_message.centrifugo.earlier_names import EARLIER_NAMES, current_variable

SECRET = "a-callback-secret-for-tests"
ENVIRONMENT = {"CENTRIFUGO_VAR_CALLBACK_SECRET": SECRET}
EXPECTED = Expectations(
    callback_secrets=(SECRET, "the-previous-secret"),
    token_secrets=("the-token-key",),
    tokens={"issuer": "", "audience": ""},
)
EVENTS: Any = ("connect", "refresh", "subscribe", "publish", "sub_refresh", "rpc")
REMOVED = object()


def _document(**options: Any) -> dict[str, Any]:
    return build_configuration(GatewayOptions(events=EVENTS, has_callback_secret=True, **options))


def _changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    for path, value in changes.items():
        *parents, name = path.split("/")
        place: Any = document
        for parent in parents:
            place = place[int(parent)] if parent.isdecimal() else place.setdefault(parent, {})
        if value is REMOVED:
            del place[name]
        else:
            place[name] = value
    return document


def _review(
    changes: dict[str, Any], environ: dict[str, str] | None = None, expected: Any = EXPECTED
) -> list[Finding]:
    return review_configuration(
        _changed(_document(), changes), {**ENVIRONMENT, **(environ or {})}, expected
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"namespaces": ("chat", "news")},
        {"engine": "redis", "redis_address": "redis://r:6379"},
        {"internal_port": 9000, "allowed_origins": ("https://a.example",)},
    ],
)
def test_generated_configuration_has_no_finding(options: dict[str, Any]) -> None:
    """What we generate ourselves is right."""
    assert review_configuration(_document(**options), ENVIRONMENT, EXPECTED) == []


PUBLISH = "channel/proxy/publish"
RULE = "channel/without_namespace"

MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    (
        {f"{PUBLISH}/timeout": 1},
        "error",
        "channel.proxy.publish.timeout",
        "would mean 1 nanosecond",
    ),
    ({f"{PUBLISH}/timeout": "900ms"}, "error", "channel.proxy.publish.timeout", "deadline_seconds"),
    ({f"{PUBLISH}/timeout": "5s"}, "warning", "channel.proxy.publish.timeout", "give up after 5s"),
    ({"shutdown/timeout": 30}, "error", "shutdown.timeout", "30 nanoseconds"),
    ({"client/ping_interval": "soon"}, "error", "client.ping_interval", "not a duration"),
    ({"client/pong_timeout": "25s"}, "error", "client.pong_timeout", "not shorter"),
    ({"client/ping_interval": "5s"}, "error", "client.pong_timeout", "not shorter"),
    (
        {"client/proxy/connect/enabled": False},
        "error",
        "client.proxy.connect.endpoint",
        "never calls",
    ),
    (
        {f"{RULE}/subscribe_proxy_enabled": False},
        "error",
        "channel.proxy.subscribe.endpoint",
        "no rule switches the proxy on",
    ),
    (
        {f"{RULE}/publish_proxy_enabled": REMOVED},
        "error",
        "channel.without_namespace.publish_proxy_enabled",
        "no publish reaches",
    ),
    ({f"{PUBLISH}/endpoint": REMOVED}, "error", "channel.proxy.publish.endpoint", "is not set"),
    ({f"{PUBLISH}/endpoint": "grpc://x:1"}, "error", "channel.proxy.publish.endpoint", "gRPC"),
    ({f"{PUBLISH}/endpoint": "http://[x/"}, "error", "channel.proxy.publish.endpoint", "no URL"),
    (
        {f"{PUBLISH}/endpoint": "http://127.0.0.1:3000/publish"},
        "error",
        "channel.proxy.publish.endpoint",
        "/publish",
    ),
    (
        {f"{PUBLISH}/endpoint": "http://localhost:3001/centrifugo/publish"},
        "error",
        "channel.proxy.publish.endpoint",
        "gateway.callback_url",
    ),
    (
        {f"{PUBLISH}/endpoint": "http://callback:3000/centrifugo/publish"},
        "warning",
        "channel.proxy.publish.endpoint",
        "gateway.callback_url",
    ),
    (
        {"client/token": {"issuer": "https://other.example/"}},
        "error",
        "client.token.issuer",
        "is not what tokens.issuer says",
    ),
    (
        {f"{PUBLISH}/http_headers": ["Cookie"]},
        "warning",
        "channel.proxy.publish.http_headers",
        "half its speed",
    ),
    (
        {f"{PUBLISH}/emulated_headers": ["Authorization"]},
        "warning",
        "channel.proxy.publish.emulated_headers",
        "half its speed",
    ),
    (
        {f"{PUBLISH}/include_connection_meta": False},
        "warning",
        "channel.proxy.publish.include_connection_meta",
        "user's name",
    ),
    ({f"{PUBLISH}/http": REMOVED}, "error", "channel.proxy.publish.http.static_headers", "401"),
    (
        {f"{PUBLISH}/http/static_headers": {"x-callback-secret": "another"}},
        "error",
        "channel.proxy.publish.http.static_headers",
        "another secret",
    ),
    (
        {f"{PUBLISH}/http/static_headers": [{"key": "X-Callback-Secret", "value": SECRET}]},
        "warning",
        "channel.proxy.publish.http.static_headers",
        "the secret itself",
    ),
    (
        {f"{PUBLISH}/http/static_headers": {"X-Callback-Secret": "${CENTRIFUGO_VAR_OTHER}"}},
        "error",
        "channel.proxy.publish.http.static_headers",
        "CENTRIFUGO_VAR_OTHER, which is not set",
    ),
    (
        {f"{PUBLISH}/http_headers": ["x-callback-SECRET"]},
        "error",
        "channel.proxy.publish.http_headers",
        "client's own header",
    ),
    (
        {f"{PUBLISH}/emulated_headers": ["X-Callback-Secret"]},
        "error",
        "channel.proxy.publish.emulated_headers",
        "client's own header",
    ),
    (
        {f"{RULE}/publish_proxy_name": "chat"},
        "error",
        "channel.without_namespace.publish_proxy_name",
        "no proxy called 'chat'",
    ),
    (
        {"proxies": [{"name": "chat", "endpoint": "http://x/"}]},
        "warning",
        "proxies[0]",
        "chosen by no rule",
    ),
    (
        {"channel/namespaces": [{"name": "chat"}]},
        "warning",
        "channel.namespaces[0].publish_proxy_enabled",
        "cannot publish",
    ),
    (
        {"channel/namespaces": [{"name": "chat", "allow_publish_for_subscriber": True}]},
        "error",
        "channel.namespaces[0].allow_publish_for_subscriber",
        "never stored",
    ),
    ({"http_server/port": 3000}, "error", "http_server.port", "port of the callback service"),
    ({"http_server/port": 8001}, "warning", "http_server.port", "gateway.port"),
    ({"http_server/internal_port": "3000"}, "error", "http_server.internal_port", "port of the"),
    (
        {"grpc_api": {"enabled": True, "port": 8000}},
        "error",
        "grpc_api.port",
        "port of the HTTP server",
    ),
    ({"client/allowed_origins": ["*"]}, "warning", "client.allowed_origins", "every site"),
    ({"client/insecure": True}, "error", "client.insecure", "everybody"),
    (
        {"client/token": {"hmac_secret_key": "x"}},
        "error",
        "client.token.hmac_secret_key",
        "another key",
    ),
    ({"client/concurrency": 2}, "error", "client.concurrency", "overtake"),
    (
        {"channel/namespace_boundary": REMOVED},
        "warning",
        "channel.namespace_boundary",
        "error 102",
    ),
    (
        {"channel/namespaces": [{"name": "chat", "publish_proxy_enabled": True}]},
        "warning",
        "channel.namespace_boundary",
        "chat:1 is not in the namespace",
    ),
    (
        {f"{RULE}/history_ttl": REMOVED},
        "error",
        "channel.without_namespace.history_ttl",
        "both size and ttl",
    ),
    (
        {f"{RULE}/history_size": 0, f"{RULE}/history_ttl": "0s"},
        "error",
        "channel.without_namespace.force_recovery",
        "no history",
    ),
    (
        {f"{RULE}/history_meta_ttl": "1s"},
        "error",
        "channel.without_namespace.history_ttl",
        "longer than history_meta_ttl",
    ),
    (
        {"engine": {"type": "redis", "redis": {"prefix": "messages"}}},
        "error",
        "engine.redis.prefix",
        "our own keys",
    ),
    ({"proxy_publish_endpoint": "http://x"}, "error", "proxy_publish_endpoint", "before v6"),
    ({"engine": "redis"}, "error", "engine", "before v6"),
    (
        {"channel/namespaces": [{"name": "chat", "proxy_publish": True}]},
        "error",
        "channel.namespaces[0].proxy_publish",
        "before v6",
    ),
]


@pytest.mark.parametrize(("changes", "severity", "where", "what"), MISTAKES)
def test_mistake_is_found_at_its_place(
    changes: dict[str, Any], severity: str, where: str, what: str
) -> None:
    """Severity and place are right; what is wrong and what to write instead are said."""
    found = [one for one in _review(changes) if one.where == where and what in one.what]
    assert [one.severity for one in found] == [severity], _review(changes)
    assert found[0].fix


@pytest.mark.parametrize(
    ("environ", "where", "what"),
    [
        ({"CENTRIFUGO_API_KEY": "x"}, "CENTRIFUGO_API_KEY (environment)", "before v6"),
        (
            {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "x"},
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY (environment)",
            "before v6",
        ),
        (
            {"CENTRIFUGO_CLIENT_CONCURRENCY": "8"},
            "CENTRIFUGO_CLIENT_CONCURRENCY (environment)",
            "overtake",
        ),
        (
            {"CENTRIFUGO_CHANNEL_PROXY_PUBLISH_TIMEOUT": "100ms"},
            "CENTRIFUGO_CHANNEL_PROXY_PUBLISH_TIMEOUT (environment)",
            "deadline_seconds",
        ),
        (
            {"CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_PUBLISH_PROXY_ENABLED": "false"},
            "channel.without_namespace.publish_proxy_enabled",
            "no publish reaches",
        ),
        (
            {"CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": "x"},
            "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY (environment)",
            "another key",
        ),
    ],
)
def test_environment_is_looked_at_too(environ: dict[str, str], where: str, what: str) -> None:
    """A variable wins over the file, so what it does is found, and its name is said."""
    assert [f for f in _review({}, environ) if f.where == where and what in f.what]


def test_variable_can_mend_the_file() -> None:
    """What the environment sets right is no finding."""
    changes = {"client/concurrency": 4, f"{PUBLISH}/timeout": "1ms"}
    mended = {
        "CENTRIFUGO_CLIENT_CONCURRENCY": "1",
        "CENTRIFUGO_CHANNEL_PROXY_PUBLISH_TIMEOUT": "2s",
    }
    assert _review(changes, mended) == []


def test_trace_may_come_with_each_publish_where_that_is_on() -> None:
    """What tracing needs is no mistake then; any other header beside it still is."""
    tracing = msgspec.structs.replace(EXPECTED, publish_headers=("traceparent", "tracestate"))
    document = _document(publish_headers=("Traceparent", "Tracestate"))
    assert review_configuration(document, ENVIRONMENT, tracing) == []
    (finding,) = review_configuration(document, ENVIRONMENT, EXPECTED)
    assert finding.where.endswith("channel.proxy.publish.http_headers")
    more = _document(publish_headers=("Traceparent", "Cookie"))
    (finding,) = review_configuration(more, ENVIRONMENT, tracing)
    assert "half its speed" in finding.what


def test_earlier_token_variable_beside_the_current_one_is_fine() -> None:
    """It is the name that our own settings read."""
    both = {
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "the-token-key",
        "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY": "the-token-key",
    }
    assert _review({}, both) == []


def test_variables_that_kept_their_names_are_not_earlier_ones() -> None:
    """CENTRIFUGO_ADMIN_PASSWORD means in v6 what it meant before."""
    assert current_variable("CENTRIFUGO_ADMIN_PASSWORD") is None
    assert current_variable("CENTRIFUGO_SHUTDOWN_TIMEOUT") is None
    assert current_variable("CENTRIFUGO_VAR_X") is None
    for name in EARLIER_NAMES:
        current = current_variable(f"CENTRIFUGO_{name.upper()}")
        assert current is None or current_variable(current) is None


def test_channels_of_the_settings_need_their_namespace() -> None:
    """A pattern of ours whose namespace is missing would get error 102."""
    expected = Expectations(channel_patterns=(("callback.channels", "chat:*"),))
    plain = build_configuration(GatewayOptions(namespaces=("news",)))
    (found,) = review_configuration(plain, {}, expected)
    assert (found.severity, found.where) == ("error", "channel.namespaces")
    assert "chat" in found.what
    fitting = build_configuration(GatewayOptions(namespaces=("chat",)))
    assert review_configuration(fitting, {}, expected) == []


@pytest.mark.parametrize(
    ("url", "has_secret", "severities"),
    [
        ("http://127.0.0.1:3000", False, []),
        ("http://127.0.0.1:3000", True, ["warning"]),
        ("http://callback:3000", False, ["error"]),
        ("http://callback:3000", True, ["warning"]),
    ],
)
def test_callback_without_a_secret(url: str, has_secret: bool, severities: list[str]) -> None:
    """Without one only callers on the same machine are served."""
    options = GatewayOptions(events=("publish",), callback_url=url, has_callback_secret=has_secret)
    found = review_configuration(
        build_configuration(options), ENVIRONMENT, Expectations(callback_url=url)
    )
    assert [one.severity for one in found] == severities


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"client": None, "channel": [], "proxies": {}, "rpc": 7, "http_server": "x"},
        {"channel": {"proxy": {"publish": []}, "namespaces": [1, {}], "without_namespace": []}},
        {"http_server": {"port": "x"}, "client": {"allowed_origins": 7, "concurrency": []}},
        {"channel": {"without_namespace": {"publish_proxy_enabled": True, "history_ttl": []}}},
        {
            "proxies": [{"name": "x", "endpoint": 5, "http": {"static_headers": [1]}}],
            "channel": {
                "without_namespace": {"publish_proxy_enabled": True, "publish_proxy_name": "x"}
            },
        },
    ],
)
def test_values_of_the_wrong_type_are_no_crash(document: dict[str, Any]) -> None:
    """Centrifugo's own check says what type it wants; ours still says the rest."""
    assert review_configuration(document, {}, EXPECTED)


def test_errors_stand_first() -> None:
    """What has to be mended is read first."""
    found = _review({"client/allowed_origins": ["*"], "client/concurrency": 2})
    assert [one.severity for one in found] == ["error", "warning"]


def test_no_secret_is_shown() -> None:
    """A finding about a secret does not hold it."""
    found = _review(
        {
            f"{PUBLISH}/http/static_headers": {"X-Callback-Secret": "hunter2"},
            "client/token": {"hmac_secret_key": "hunter2"},
        }
    )
    assert len(found) == 2
    assert "hunter2" not in str(found)
