"""Where each value comes from, and what a wrong one is answered with."""

from pathlib import Path

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.settings import ChannelRule, Layer, LoadedSettings, Settings, load_settings
from realtime_message.settings.declarations import all_settings
from realtime_message.settings.environment import environment_with


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rtm.toml of the project is read by accident."""
    monkeypatch.chdir(tmp_path)


def _load_file(text: str, tmp_path: Path, **environment: str) -> LoadedSettings:
    file = tmp_path / "settings.toml"
    file.write_text(text, "utf-8")
    return load_settings(environment, file=file)


def _problem(
    environment: dict[str, str] | None = None, flags: dict[str, object] | None = None
) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment or {}, flags=flags or {})
    return str(caught.value)


def test_defaults_are_the_declared_ones() -> None:
    """With nothing set, the settings equal the declarations, and say so."""
    loaded = load_settings({})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_command_line_beats_environment_beats_file_beats_beneath(tmp_path: Path) -> None:
    """Each layer covers the one before, and every value knows its layer."""
    file = tmp_path / "settings.toml"
    file.write_text("[worker]\nconcurrency = 2\nmax_attempts = 2\nid = 'two'\n", "utf-8")
    environment = {"RTM_WORKER__CONCURRENCY": "3", "RTM_WORKER__MAX_ATTEMPTS": "3"}
    beneath = {
        "worker.concurrency": 1,
        "worker.max_attempts": 1,
        "worker.id": "one",
        "worker.partitions": "1",
    }
    loaded = load_settings(
        environment,
        file=file,
        flags={"worker.concurrency": 4, "worker.id": None},
        beneath=Layer("a running rtm up", beneath),
    )
    assert (loaded.settings.worker.concurrency, loaded.origins["worker.concurrency"]) == (
        4,
        "command line",
    )
    assert loaded.origins["worker.max_attempts"] == "environment variable RTM_WORKER__MAX_ATTEMPTS"
    assert loaded.settings.worker.max_attempts == 3
    assert (loaded.settings.worker.id, loaded.origins["worker.id"]) == ("two", f"file {file}")
    assert loaded.origins["worker.partitions"] == "a running rtm up"


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("REDIS_URL", "redis://elsewhere:1", "redis.url", "redis://elsewhere:1"),
        ("PORT", "3001", "callback.port", 3001),
        ("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY", "k" * 32, "callback.token_secret", "k" * 32),
        ("WORKER_ID", "0", "worker.id", "0"),
        ("TOTAL_WORKERS", "2", "worker.total_workers", 2),
        ("PARTITIONS", "0,1", "worker.partitions", "0,1"),
    ],
)
def test_well_known_variables_are_read(name: str, text: str, path: str, value: object) -> None:
    """The names of the original installation work, and are named as the origin."""
    loaded = load_settings({name: text})
    assert loaded.value(path) == value
    assert loaded.origins[path] == f"environment variable {name}"


def test_own_name_wins_over_well_known_one() -> None:
    """RTM_CALLBACK__PORT says more than PORT."""
    loaded = load_settings({"PORT": "1", "RTM_CALLBACK__PORT": "2"})
    assert loaded.settings.callback.port == 2


def test_empty_variable_counts_as_unset() -> None:
    """Compose files pass empty variables along; they change nothing."""
    assert load_settings({"PORT": "", "RTM_LOG__LEVEL": ""}).settings == Settings()


def test_every_setting_can_be_set_by_its_environment_name() -> None:
    """No setting is left out of the environment."""
    loaded = load_settings(environment_with({}, {p: s.default for p, s in all_settings().items()}))
    chosen = {path for path, origin in loaded.origins.items() if origin != "default"}
    empty = {path for path, setting in all_settings().items() if setting.default == ""}
    assert chosen == set(all_settings()) - empty
    assert loaded.settings == Settings()


def test_child_environment_holds_exactly_the_chosen_values() -> None:
    """What a parent loaded, its child loads again, whatever the parent's variables said."""
    rule = {"pattern": "news", "publish": "nobody"}
    parent = {"PATH": "/bin", "PORT": "1", "PARTITIONS": "3", "RTM_CONFIG": "gone.toml"}
    loaded = load_settings(
        parent,
        flags={"callback.port": 5, "worker.partitions": "", "callback.channels": [rule]},
        search_file=False,
    )
    child = environment_with(parent, loaded.chosen())
    assert child["PATH"] == "/bin"
    assert load_settings(child).settings == loaded.settings
    assert loaded.settings.worker.partitions == ""


def test_channel_rules_are_json_in_environment_and_tables_in_file(tmp_path: Path) -> None:
    """Both ways give the same rules."""
    expected = [ChannelRule(pattern="news", publish="nobody")]
    json = '[{"pattern": "news", "publish": "nobody"}]'
    assert load_settings({"RTM_CALLBACK__CHANNELS": json}).settings.callback.channels == expected
    toml = '[[callback.channels]]\npattern = "news"\npublish = "nobody"\n'
    assert _load_file(toml, tmp_path).settings.callback.channels == expected


def test_addresses_follow_hosts_and_ports() -> None:
    """The gateway finds the callback at its port without being told twice."""
    environment = {"PORT": "4000", "RTM_CALLBACK__HOST": "0.0.0.0", "RTM_GATEWAY__HOST": "::"}
    gateway = load_settings(environment).settings.gateway
    assert gateway.callback_url == "http://127.0.0.1:4000"
    assert gateway.api_url == "http://[::1]:8000/api"
    chosen = load_settings({**environment, "RTM_GATEWAY__CALLBACK_URL": "http://callback:3000"})
    assert chosen.settings.gateway.callback_url == "http://callback:3000"


def test_replaced_values_keep_the_others_and_what_follows() -> None:
    """A port that is replaced moves the addresses that follow it."""
    loaded = load_settings({"PORT": "1"}).with_values({"gateway.port": 9}, "rtm up")
    assert loaded.settings.callback.port == 1
    assert loaded.settings.gateway.api_url == "http://127.0.0.1:9/api"
    assert loaded.origins["gateway.port"] == "rtm up"


def test_rtm_toml_in_the_working_directory_is_found() -> None:
    """The default file is read without being named; RTM_CONFIG names another."""
    Path("rtm.toml").write_text("[callback]\nport = 5\n", "utf-8")
    Path("other.toml").write_text("[callback]\nport = 6\n", "utf-8")
    assert load_settings({}).origins["callback.port"] == "file rtm.toml"
    assert load_settings({"RTM_CONFIG": "other.toml"}).settings.callback.port == 6
    assert load_settings({}, search_file=False).settings.callback.port == 3000


def test_wrong_value_names_setting_origin_value_and_what_fits() -> None:
    """One sentence has all that is needed to mend it."""
    assert _problem({"PORT": "abc"}) == (
        'environment variable PORT: callback.port = "abc": expected a whole number from 0 to 65535'
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("callback.port", "70000"),
        ("callback.port", "3000.5"),
        ("callback.allow_anonymous", "maybe"),
        ("callback.deadline_seconds", "0"),
        ("worker.backoff_max_seconds", "inf"),
        ("redis.prefix", "a:b"),
        ("redis.prefix", "a\n"),
        ("redis.url", "localhost:6379"),
        ("worker.id", "two words"),
        ("worker.partitions", "0;1"),
        ("log.level", "loud"),
        ("gateway.allowed_origins", "https://a"),
        ("gateway.api_url", "localhost:8000/api"),
        ("callback.channels", "[1]"),
        ("callback.channels", '[{"subscribe": "users"}]'),
        ("callback.channels", '[{"pattern": "a", "subscribe": "everyone"}]'),
        ("callback.channels", '[{"patern": "a"}]'),
    ],
)
def test_value_that_does_not_fit_is_refused(path: str, value: str) -> None:
    """Every kind of setting refuses what does not fit, by name."""
    assert f"command line: {path}" in _problem(flags={path: value})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Three mistakes need one run, not three."""
    text = _problem({"PORT": "x", "RTM_LOG__LEVEL": "loud"}, {"worker.concurency": "1"})
    assert text.startswith("3 settings are wrong:")
    assert "did you mean worker.concurrency?" in text


def test_secret_value_is_never_told() -> None:
    """A wrong secret is named, not shown; of a wrong URL the password is not shown."""
    assert "hunter2" not in _problem(flags={"callback.token_secret": ["hunter2"]})
    text = _problem({"REDIS_URL": "REDIS://user:hunter2@host"})
    assert "redis.url" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RTM_CALLBACK_PORT", "RTM_CALLBACK__PORT"),
        ("RTM_CALLBACK__PROT", "RTM_CALLBACK__PORT"),
        ("RTM_CONFG", "RTM_CONFIG"),
    ],
)
def test_unknown_variable_is_refused_with_the_nearest_name(name: str, meant: str) -> None:
    """A misspelt variable would otherwise be ignored for years."""
    assert f"{name} is no setting; did you mean {meant}?" in _problem({name: "1"})


def test_variables_of_kubernetes_services_are_passed_over() -> None:
    """A service called rtm-callback must not stop the pods beside it."""
    environment = {
        "RTM_CALLBACK_SERVICE_HOST": "10.0.0.1",
        "RTM_CALLBACK_SERVICE_PORT_HTTP": "3000",
        "RTM_CALLBACK_PORT": "tcp://10.0.0.1:3000",
        "RTM_CALLBACK_PORT_3000_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(environment).settings == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[calback]\nport = 1", "there is no section [calback]; did you mean callback?"),
        ("[callback]\nprot = 1", "callback.prot is no setting; did you mean callback.port?"),
        ("callback = 1", "callback is a section"),
        ("[callback\n", "is not TOML"),
        ("[callback]\nport = 'x'", "expected a whole number from 0 to 65535"),
        ("[callback]\nchannels = 'x'", "expected a list of tables"),
    ],
)
def test_wrong_file_is_told_with_its_name(text: str, expected: str, tmp_path: Path) -> None:
    """A mistake in the file names file and place."""
    with pytest.raises(ConfigurationError) as caught:
        _load_file(text, tmp_path)
    assert expected in str(caught.value)
    assert "settings.toml" in str(caught.value)


def test_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    """A file that was named must be there, and be text."""
    with pytest.raises(ConfigurationError, match="no settings file"):
        load_settings({}, file=tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings({}, file=tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_settings({}, file=tmp_path / "binary")
