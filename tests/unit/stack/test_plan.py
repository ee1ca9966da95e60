"""What `rtm up` fills in, and the parts it runs."""

from pathlib import Path
from typing import Any

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.settings import ChannelRule, Layer, LoadedSettings, load_settings
from realtime_message.stack.data_folder import DataFolder
from realtime_message.stack.kept_part import Part
from realtime_message.stack.plan import UpOptions, make_parts, settle, wanted_ports

_KEYS = Layer("file secrets.toml", {"callback.token_secret": "k" * 32, "callback.secret": "c" * 32})


def _settled(
    environment: dict[str, str] | None = None,
    flags: dict[str, Any] | None = None,
    **options: Any,
) -> LoadedSettings:
    loaded = load_settings(environment or {}, flags=flags or {}, beneath=_KEYS, search_file=False)
    return settle(loaded, UpOptions(**options))


def _parts(folder: Path, loaded: LoadedSettings, **options: Any) -> dict[str, Part]:
    parts = make_parts(loaded, UpOptions(**options), DataFolder(folder), {"PATH": "/bin"})
    return {part.name: part for part in parts}


def test_receipts_are_published_by_workers_alone() -> None:
    """The panel may listen, no client may forge what it shows; the user's own rules stay."""
    settings = _settled().settings
    assert settings.worker.receipts_channel == "receipts"
    assert settings.callback.channels == [
        ChannelRule(pattern="user:*", subscribe="owner", publish="owner"),
        ChannelRule(pattern="receipts", subscribe="users", publish="nobody", payload="any"),
    ]


def test_own_choices_are_left_alone() -> None:
    """What the user set stays, also a rule for the receipts channel."""
    rule = {"pattern": "work", "subscribe": "nobody"}
    loaded = _settled(
        {"REDIS_URL": "redis://elsewhere:1"},
        {
            "worker.receipts_channel": "work",
            "callback.channels": [rule],
            "gateway.allowed_origins": ["https://a"],
            "log.format": "json",
        },
    )
    settings = loaded.settings
    assert settings.callback.channels == [ChannelRule(pattern="work", subscribe="nobody")]
    assert settings.gateway.allowed_origins == ["https://a"]
    assert settings.log.format == "json"
    assert loaded.origins["redis.url"] == "environment variable REDIS_URL"


def test_page_may_connect_under_every_local_name() -> None:
    """localhost and its addresses on the page's port, nothing else; on the network any name."""
    assert _settled(page_port=81).settings.gateway.allowed_origins == [
        "http://localhost:81",
        "http://127.0.0.1:81",
        "http://[::1]:81",
    ]
    shown = _settled(flags={"gateway.host": "0.0.0.0"}, page_port=81)
    assert shown.settings.gateway.allowed_origins == ["http://*:81"]


@pytest.mark.parametrize("name", ["TOTAL_WORKERS", "PARTITIONS"])
def test_static_assignment_is_refused(name: str) -> None:
    """`rtm up` assigns partitions itself, and says so instead of ignoring the wish."""
    with pytest.raises(ConfigurationError, match=f"environment variable {name}"):
        _settled({name: "2", "WORKER_ID": "0"})


def test_parts_and_their_order_of_ending(tmp_path: Path) -> None:
    """Gateway and page end first, then callback, workers, Valkey."""
    parts = _parts(tmp_path, _settled(), workers=2)
    assert list(parts) == ["valkey", "gateway", "callback", "worker-1", "worker-2", "page"]
    order = sorted(parts.values(), key=lambda part: part.stop_after)
    assert [part.name for part in order] == [
        "gateway",
        "page",
        "callback",
        "worker-1",
        "worker-2",
        "valkey",
    ]
    assert [name for name, part in parts.items() if part.follows_source] == [
        "callback",
        "worker-1",
        "worker-2",
    ]


def test_own_redis_means_no_valkey(tmp_path: Path) -> None:
    """With REDIS_URL that server is used, and its port is not ours to check."""
    loaded = _settled({"REDIS_URL": "redis://elsewhere:1"})
    assert "valkey" not in _parts(tmp_path, loaded)
    assert [port.part for port in wanted_ports(loaded, UpOptions(redis_port=5))] == [
        "gateway",
        "callback",
        "chat page",
    ]


def test_workers_have_names_of_their_own(tmp_path: Path) -> None:
    """A restarted worker keeps its name."""
    parts = _parts(tmp_path, _settled(), workers=2)
    names = [parts[f"worker-{n}"].environment["RTM_WORKER__ID"] for n in (1, 2)]
    assert names == ["1", "2"]


def test_no_secret_is_on_a_command_line_or_in_the_configuration(tmp_path: Path) -> None:
    """Everybody on the machine can read command lines."""
    parts = _parts(tmp_path, _settled())
    for part in parts.values():
        assert not {"k" * 32, "c" * 32} & set(part.command)
    assert "k" * 32 not in (tmp_path / "centrifugo.json").read_text()
    assert "c" * 32 not in (tmp_path / "centrifugo.json").read_text()


def test_centrifugo_runs_away_from_the_users_env_file(tmp_path: Path) -> None:
    """Centrifugo reads .env of its working directory, so it gets the data folder."""
    program = tmp_path / "centrifugo"
    program.touch(mode=0o755)
    folder = DataFolder(tmp_path)
    environment = {"RTM_CENTRIFUGO_BIN": str(program), "PATH": ""}
    options = UpOptions(gateway="centrifugo")
    gateway = make_parts(_settled(), options, folder, environment)[1]
    assert gateway.command[0] == str(program)
    assert gateway.directory == tmp_path
    assert not [name for name in gateway.environment if name.startswith("RTM_")]
