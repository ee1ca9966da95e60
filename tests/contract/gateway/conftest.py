"""One suite for both gateways: every test runs against each of them."""

import json
from collections import Counter

import httpx
import pytest

from support.gateway_client import RawClient
from support.gateway_rig import API_KEY, BASE_EVENTS, GatewayRig, centrifugo_binary


@pytest.fixture(scope="session")
def rigs(tmp_path_factory):
    """Gateways by kind and configuration, started when first asked for."""
    folder = tmp_path_factory.mktemp("gateways")
    running = {}

    def get(kind, changes, events):
        key = (kind, json.dumps(changes, sort_keys=True), events)
        if key not in running:
            running[key] = GatewayRig(kind, folder, changes, events)
        return running[key]

    yield get
    for rig in running.values():
        rig.begin_stop()  # all at once, then wait for each
    for rig in running.values():
        rig.close()


@pytest.fixture(params=["embedded", "centrifugo"])
def kind(request):
    """Which gateway; noted with the test's report for the summary."""
    if request.param == "centrifugo" and centrifugo_binary() is None:
        pytest.skip("Centrifugo not found: set RTM_CENTRIFUGO_BIN or put it on PATH")
    request.node.user_properties.append(("gateway", request.param))
    return request.param


@pytest.fixture
def rig(request, rigs, kind):
    """A gateway, shared with other tests of the same configuration.

    The marker `gateway` changes the base configuration: `changes`, a nested dict, and `events`.
    """
    marker = request.node.get_closest_marker("gateway")
    changes = marker.kwargs.get("changes", {}) if marker else {}
    events = marker.kwargs.get("events", BASE_EVENTS) if marker else BASE_EVENTS
    rig = rigs(kind, changes, events)
    rig.callback.reset()
    return rig


@pytest.fixture
def own_rig(tmp_path, kind):
    """Start a gateway of a test's own, which it may stop."""
    started = []

    def start(changes=None, events=BASE_EVENTS, tls=None):
        rig = GatewayRig(kind, tmp_path, changes, events, tls)
        rig.callback.reset()
        started.append(rig)
        return rig

    yield start
    for rig in started:
        rig.close()


@pytest.fixture
async def connect(rig):
    """Return a function that connects a raw client; all of them leave at the end."""
    clients = []

    async def connect(**command):
        client = await RawClient.connect(rig.url, **command)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture
async def open_socket(rig):
    """Return a function that opens a WebSocket without connecting."""
    clients = []

    async def open_socket(**options):
        client = await RawClient.open(rig.url, **options)
        clients.append(client)
        return client

    yield open_socket
    for client in clients:
        await client.close()


@pytest.fixture
async def api(rig):
    """Return a function that calls the server API and returns status and decoded body."""
    async with httpx.AsyncClient(base_url=f"{rig.http_url}/api/") as http:

        async def call(method, body=None, **options):
            headers = {"X-API-Key": API_KEY, **options.pop("headers", {})}
            content = body if isinstance(body, bytes | str) else json.dumps(body or {})
            answer = await http.post(method, content=content, headers=headers, **options)
            if "json" in answer.headers.get("content-type", ""):
                return answer.status_code, answer.json()
            return answer.status_code, answer.text

        yield call


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "gateway(changes, events): what differs from the base configuration"
    )


def pytest_terminal_summary(terminalreporter):
    seen = Counter(
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == "gateway" and report.when == "call"
    )
    if seen:
        terminalreporter.section("gateway contract")
        for name in ("embedded", "centrifugo"):
            text = f"{seen[name]} tests" if seen[name] else "NOT SEEN"
            terminalreporter.line(f"{name}: {text}")
