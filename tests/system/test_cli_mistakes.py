"""What a mistake gets: one clear sentence on stderr, the documented exit code, no traceback."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.background import Background
from support.ports import free_port
from support.up_stack import RTM, clean_environment, run_rtm
from support.valkey_server import ValkeyServer, unique_prefix

pytestmark = pytest.mark.timeout(120)

KEY = "k" * 32
_UNREACHABLE = "could not be reached (Connection refused)"
_APP = "from realtime_message import App\napp = App()\n\n@app.on_message()\ndef handle(m): ...\n"


def _nowhere() -> str:
    return f"redis://:hunter2@127.0.0.1:{free_port()}"


def _told(done: "subprocess.CompletedProcess[str]", code: int, *expected: str) -> None:
    """Check exit code and sentence; a mistake never prints data or a traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    for text in expected:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["up", "--no-such-option"],
        ["worker"],
        ["token"],
        ["publish", "news"],
        ["publish", "", "hi"],
        ["subscribe", "news", ""],
        ["publish", "news", '{"text": '],
        ["publish", "news", "hi", "--count", "0"],
        ["subscribe"],
        ["token", "ada", "--info", "{"],
        ["token", "ada", "--meta", "[]"],
        ["token", "ada", "--ttl", "-1"],
        ["config", "show", "nothing"],
        ["centrifugo", "config", "--output", "c.toml"],
        ["config", "check", "nothing"],
        ["partitions", "of", "news", "--set", "redis.partition_count"],
        ["callback", "--processes", "0"],
    ],
    ids=" ".join,
)
def test_wrong_command_line_is_code_2(arguments: list[str], tmp_path: Path) -> None:
    """The command line itself is wrong: usage and what was wrong, exit code 2."""
    _told(
        run_rtm(*arguments, folder=tmp_path, CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY), 2, "Usage: rtm"
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (
            ["callback"],
            {},
            "callback.token_secret is missing: set CENTRIFUGO_TOKEN_HMAC_SECRET_KEY",
        ),
        (["gateway"], {}, "callback.token_secret is missing"),
        (["token", "ada"], {}, "; if `rtm up` runs, run this in its folder"),
        (["publish", "news", "hi"], {}, "callback.token_secret is missing"),
        (["config", "check"], {}, "callback.token_secret is missing"),
        (["callback"], {"PORT": "http"}, 'environment variable PORT: callback.port = "http"'),
        (["callback", "--port", "70000"], {}, "command line: callback.port = 70000"),
        (["worker", "a:b"], {"TOTAL_WORKERS": "2"}, "worker.id"),
        (["worker", "a:b", "--partitions", "9"], {}, "different numbers from 0 to 7"),
        (["workers", "--config", "none.toml"], {}, "there is no settings file none.toml"),
        (["workers"], {"RTM_CONFIG": "none.toml"}, "there is no settings file none.toml"),
        (["workers"], {"RTM_REDIS_URL": "x"}, "did you mean RTM_REDIS__URL?"),
        (["workers"], {"REDIS_URL": "localhost"}, "expected a URL such as redis://"),
        (["workers"], {"REDIS_URL": "http://localhost"}, "redis.url"),
        (["gateway", "--config", "none.json"], {}, "none.json"),
        (["centrifugo", "config", "--output", "/nowhere/x"], {}, "/nowhere/x cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_setting_is_code_3(
    arguments: list[str], environment: dict[str, str], expected: str, tmp_path: Path
) -> None:
    """A setting is missing or wrong: named with origin and what fits, exit code 3."""
    _told(run_rtm(*arguments, folder=tmp_path, **environment), 3, expected)


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        ("shop", "name the App in it too: shop:app"),
        ("shop.py", "name the module, not its file: shop:app"),
        ("nowhere:app", "there is no module nowhere, neither in"),
        (
            "broken:app",
            "broken failed while it was imported, broken.py, line 1: ModuleNotFoundError",
        ),
        ("shop:application", "did you mean shop:app?"),
        ("number:app", "number:app is an int, not an App"),
        ("idle:app", "the app has no handler"),
    ],
)
def test_app_that_cannot_be_used_is_code_3(
    app: str, expected: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    """The app is missing, fails or is none: told apart, exit code 3."""
    (tmp_path / "shop.py").write_text(_APP)
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "number.py").write_text("app = 1\n")
    (tmp_path / "idle.py").write_text("from realtime_message import App\napp = App()\n")
    environment = {"REDIS_URL": valkey.url, "RTM_REDIS__PREFIX": unique_prefix()}
    _told(run_rtm("worker", app, folder=tmp_path, **environment), 3, expected)


@pytest.mark.parametrize("command", ["callback", "worker"])
def test_unreachable_redis_is_code_3_for_what_serves(command: str, tmp_path: Path) -> None:
    """A service that cannot start says where it looked and for how long."""
    (tmp_path / "shop.py").write_text(_APP)
    done = subprocess.run(
        [*RTM, command, "shop:app"],
        cwd=tmp_path,
        env=clean_environment(
            REDIS_URL=_nowhere(),
            PORT=str(free_port()),
            CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY,
            RTM_REDIS__STARTUP_TIMEOUT_SECONDS="0.3",
            RTM_LOG__LEVEL="error",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    _told(done, 3, "could not be reached within 0.3 s (Connection refused): start it, or")


@pytest.mark.parametrize("arguments", [["workers"], ["partitions", "list"], ["leases", "list"]])
def test_unreachable_redis_is_code_1_for_what_looks(arguments: list[str], tmp_path: Path) -> None:
    """A command that only looks has failed."""
    done = run_rtm(*arguments, folder=tmp_path, REDIS_URL=_nowhere())
    _told(done, 1, "rtm: Redis at redis://", _UNREACHABLE, "start it, or correct redis.url")


@pytest.mark.parametrize("password", ["", ":wrong@"])
def test_refused_login_is_told_alike(password: str, tmp_path: Path) -> None:
    """Whatever looks or serves says what to correct, once."""
    (tmp_path / "shop.py").write_text(_APP)
    with ValkeyServer({"requirepass": "hunter2"}) as server:
        url = f"redis://{password}127.0.0.1:{server.port}"
        for arguments, code in ((["workers"], 1), (["worker", "shop:app"], 3)):
            done = run_rtm(*arguments, folder=tmp_path, REDIS_URL=url)
            _told(done, code, "refused the login (", "correct user and password in redis.url")
            assert done.stderr.count("Redis at") == 1


def test_other_partition_count_is_code_3(tmp_path: Path, valkey: ValkeyServer) -> None:
    """Streams made with another count: the setting and both numbers are named."""
    (tmp_path / "shop.py").write_text(_APP)
    prefix = unique_prefix()
    client = valkey.client()
    stored = {"partition_count": "4", "hash": "md5-first-4-bytes-big-endian"}
    client.hset(f"{{{prefix}}}:layout", mapping=stored)
    environment = {"REDIS_URL": valkey.url, "RTM_REDIS__PREFIX": prefix}
    for arguments in (["worker", "shop:app"], ["partitions", "list"]):
        done = run_rtm(*arguments, folder=tmp_path, **environment)
        _told(done, 3, "redis.partition_count is 8", "were made with 4")
    client.close()


def test_looking_makes_nothing(tmp_path: Path, valkey: ValkeyServer) -> None:
    """A command that looks at an empty server leaves it empty."""
    prefix = unique_prefix()
    environment = {"REDIS_URL": valkey.url, "RTM_REDIS__PREFIX": prefix}
    for arguments in (["workers"], ["partitions", "list"], ["leases", "list"]):
        assert run_rtm(*arguments, folder=tmp_path, **environment).returncode == 0
    client = valkey.client()
    assert list(client.scan_iter(f"*{prefix}*")) == []
    client.close()


@pytest.mark.parametrize(
    ("arguments", "port_variable"),
    [(["callback"], "PORT"), (["gateway"], "RTM_GATEWAY__PORT")],
)
def test_port_in_use_is_code_3(
    arguments: list[str], port_variable: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    """Another program listens there: the port is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        environment = {
            "REDIS_URL": valkey.url,
            "RTM_REDIS__PREFIX": unique_prefix(),
            "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY,
            port_variable: port,
        }
        _told(run_rtm(*arguments, folder=tmp_path, **environment), 3, port)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[str]:
    """A gateway alone, without a callback service behind it; returns its port."""
    port = str(free_port())
    environment = {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY, "RTM_GATEWAY__PORT": port}
    process = Background([*RTM, "gateway"], tmp_path, clean_environment(**environment))
    try:
        process.wait_for("gateway.ready", timeout_seconds=60)
        yield port
    finally:
        process.send(signal.SIGTERM)
        process.wait(timeout_seconds=30)
        process.kill()


def test_tokens_that_do_not_open_are_code_1(gateway: str, tmp_path: Path) -> None:
    """A token of another key, and one that has expired, are told apart."""
    url = f"ws://127.0.0.1:{gateway}/connection/websocket"

    def publish(token: str) -> "subprocess.CompletedProcess[str]":
        return run_rtm("publish", "news", "hi", "--url", url, "--token", token, folder=tmp_path)

    other = run_rtm(
        "token",
        "ada",
        folder=tmp_path,
        CENTRIFUGO_TOKEN_HMAC_SECRET_KEY="another-key-of-32-bytes-or-more!",
    )
    _told(publish(other.stdout.strip()), 1, "invalid token (code 3500)")
    expired = run_rtm(
        *("token", "ada", "--ttl", "0.001"), folder=tmp_path, CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY
    )
    _told(publish(expired.stdout.strip()), 1, "token expired (code 109): make a new token")


def test_gateway_without_callback_is_code_1(gateway: str, tmp_path: Path) -> None:
    """What the gateway cannot decide is refused, in the end for good, and told."""
    environment = {"CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY, "RTM_GATEWAY__PORT": gateway}
    done = run_rtm("subscribe", "news", folder=tmp_path, **environment)
    _told(done, 1, "the subscription to news was refused: internal server error (code 100)")


def test_nobody_at_the_gateways_address_is_code_1(tmp_path: Path) -> None:
    """The address is named, with a guess at what is missing."""
    environment = {
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": KEY,
        "RTM_GATEWAY__PORT": str(free_port()),
    }
    for arguments in (["publish", "news", "hi"], ["subscribe", "news"]):
        done = run_rtm(*arguments, folder=tmp_path, **environment)
        _told(
            done, 1, "no gateway listens at ws://127.0.0.1:", "is `rtm up` or Centrifugo running?"
        )


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """With RTM_DEBUG=1 the sentence comes with its traceback."""
    done = run_rtm("token", "ada", folder=tmp_path, RTM_DEBUG="1")
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "rtm: callback.token_secret is missing" in done.stderr
