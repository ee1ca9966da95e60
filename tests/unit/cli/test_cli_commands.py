"""Commands that need no server: what they print."""

import json
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from realtime_message.centrifugo import signatures
from realtime_message.cli.application import application
from realtime_message.cli.subscribe import _line
from realtime_message.client.subscriber import Publication
from realtime_message.errors import ConfigurationError
from realtime_message.partitions import partition_of
from realtime_message.stack.data_folder import DataFolder
from support.ports import free_port
from support.token_keys import KeyPair

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine are found; the key is set."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "REDIS_URL", "RTM_CONFIG", "RTM_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY", KEY)


def _rtm(*arguments: str) -> str:
    done = CliRunner().invoke(application, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_config_show_tells_value_and_origin_of_each_setting(tmp_path: Path) -> None:
    """File, environment, command line and default, as a table and as JSON; no secret."""
    (tmp_path / "rtm.toml").write_text("[worker]\nconcurrency = 7\n")
    shown = json.loads(_rtm("config", "show", "--json", "--set", "callback.port=5"))
    assert shown["worker.concurrency"] == {"value": 7, "origin": "file rtm.toml"}
    assert shown["callback.port"] == {"value": 5, "origin": "command line"}
    assert shown["callback.token_secret"] == {
        "value": "***",
        "origin": "environment variable CENTRIFUGO_TOKEN_HMAC_SECRET_KEY",
    }
    assert shown["log.level"] == {"value": "info", "origin": "default"}
    table = _rtm("config", "show", "worker")
    assert "worker.concurrency" in table
    assert "file rtm.toml" in table
    assert "callback.port" not in table


def test_config_check_says_for_what(tmp_path: Path) -> None:
    """All parts by default, or those that are named."""
    assert _rtm("config", "check") == "the settings fit for callback, worker, gateway, console\n"
    assert json.loads(_rtm("config", "check", "worker", "--json")) == {
        "ok": True,
        "parts": ["worker"],
    }


@pytest.mark.parametrize("section", ["tokens", "subscription_tokens"])
def test_config_check_looks_at_public_keys(section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the services do: a key that is none, and the library for it that is missing."""
    command = ["config", "check", "--set", "subscription_tokens.enabled=true", "--set"]
    wrong = CliRunner().invoke(application, [*command, f"{section}.rsa_public_key=nonsense"])
    assert f"{section}.rsa_public_key: it is no PEM" in str(wrong.exception)
    pem = KeyPair("RS256").public_pem
    assert "fit" in _rtm(*command, f"{section}.rsa_public_key={pem}")
    monkeypatch.setattr(signatures._jws, "get_algorithm_by_name", _without_library)
    missing = CliRunner().invoke(application, [*command, f"{section}.rsa_public_key={pem}"])
    assert isinstance(missing.exception, ConfigurationError)
    assert "centrifuge-realtime-message[asymmetric]" in str(missing.exception)
    # A worker verifies none.
    assert "worker" in _rtm("config", "check", "worker", "--set", "tokens.rsa_public_key=nonsense")


def _without_library(_: str) -> None:
    raise NotImplementedError


def test_config_show_names_the_sections() -> None:
    """Whoever guesses wrong need not guess again."""
    done = CliRunner().invoke(application, ["config", "show", "nope"])
    assert done.exit_code == 2
    assert "there are redis, callback" in " ".join(done.output.replace("│", "").split())


def test_config_sample_is_a_settings_file(tmp_path: Path) -> None:
    """What it prints is read back without complaint."""
    (tmp_path / "rtm.toml").write_text(_rtm("config", "sample"))
    assert "fit" in _rtm("config", "check")


def test_token_has_the_claims_that_were_asked_for() -> None:
    """User, info, meta and expiry; signed with the key."""
    made = _rtm("token", "ada", "--info", '{"name":"Ada"}', "--meta", '{"name":"Ada"}').strip()
    claims = jwt.decode(made, KEY, algorithms=["HS256"])
    assert (claims["sub"], claims["info"], claims["meta"]) == (
        "ada",
        {"name": "Ada"},
        {"name": "Ada"},
    )
    assert claims["exp"] - claims["iat"] == 3600
    assert "exp" not in jwt.decode(_rtm("token", "ada", "--ttl", "0").strip(), KEY, ["HS256"])


def test_token_signed_with_a_private_key(tmp_path: Path) -> None:
    """Needs no secret; the key's id is in the header."""
    pair = KeyPair("ES384")
    file = tmp_path / "key.pem"
    file.write_text(pair.private_pem)
    made = _rtm("token", "ada", "--private-key", str(file), "--key-id", "k9").strip()
    assert jwt.decode(made, pair.private.public_key(), ["ES384"])["sub"] == "ada"
    assert jwt.get_unverified_header(made)["kid"] == "k9"
    for wrong in (tmp_path / "none.pem", Path(__file__)):
        done = CliRunner().invoke(application, ["token", "ada", "--private-key", str(wrong)])
        assert done.exit_code == 2
        assert "--private-key" in done.output


def test_subscription_token_names_its_channel() -> None:
    """With --channel the token opens that channel, also in the JSON form."""
    shown = json.loads(_rtm("token", "ada", "--channel", "news", "--json"))
    assert jwt.decode(shown["token"], KEY, ["HS256"])["channel"] == "news"
    assert (shown["user"], shown["channel"]) == ("ada", "news")
    assert isinstance(shown["expires_at"], int)


def test_partition_of_a_channel_needs_no_server() -> None:
    """The rule and the settings say where a channel lives while Redis does not answer."""
    number = partition_of("room:lobby", 8)
    nobody = (
        "partitions",
        "of",
        "room:lobby",
        "--set",
        f"redis.url=redis://127.0.0.1:{free_port()}",
    )
    assert _rtm(*nobody) == f"{number}  (messages:partition:{number})\n"
    shown = json.loads(_rtm(*nobody, "--json", "--set", "redis.partition_count=3"))
    assert shown["partition"] == partition_of("room:lobby", 3)


def test_centrifugo_config_holds_no_secret(tmp_path: Path) -> None:
    """It is JSON for both gateways, printed or written."""
    printed = _rtm("centrifugo", "config", "--set", "gateway.port=9000")
    assert json.loads(printed)["http_server"]["port"] == 9000
    assert KEY not in printed
    assert _rtm("centrifugo", "config", "--output", "c.json") == "wrote c.json\n"
    assert json.loads((tmp_path / "c.json").read_text())["http_server"]["port"] == 8000


def test_version_is_printed() -> None:
    """One line, for bug reports."""
    assert _rtm("--version").startswith("rtm ")


@pytest.mark.parametrize(
    ("data", "user", "line"),
    [
        ({"text": "hi", "user": {"id": "1", "name": "Ada"}}, "1", "c  Ada: hi"),
        ({"text": "hi"}, "1", "c  1: hi"),
        ({"a": 1}, "", 'c  {"a":1}'),
        (None, "", "c  null"),
        ({"text": "\x1b[2J\nx"}, "", "c  \\x1b[2J\\nx"),
    ],
)
def test_publication_is_one_harmless_line(data: object, user: str, line: str) -> None:
    """Sender and text where there are some; nothing that moves the cursor."""
    assert _line(Publication("c", data, user, 0)) == line


@pytest.mark.parametrize(
    ("app", "redis_url", "said"),
    [
        (
            "shop:app",
            "",
            (
                "rtm up already runs a worker for demo:app; the partitions are shared with it. For "
                "all messages to reach shop:app: end it, and run `rtm up shop:app`\n"
            ),
        ),
        (
            "demo:app",
            "",
            "rtm up already runs a worker for demo:app; the partitions are shared with it\n",
        ),
        ("shop:app", "redis://elsewhere:6379", ""),
    ],
)
def test_worker_beside_rtm_up_says_with_whom_it_shares(
    app: str, redis_url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the messages never reach it; nothing is said when it works on another Redis."""
    monkeypatch.setattr("realtime_message.cli.worker.become_part", lambda *_: None)
    if redis_url:
        monkeypatch.setenv("REDIS_URL", redis_url)
    folder = DataFolder(tmp_path / ".rtm")
    with folder.locked():
        folder.publish({"redis.url": "redis://127.0.0.1:1"}, "demo:app")
        done = CliRunner().invoke(application, ["worker", app], catch_exceptions=False)
    assert done.stderr == said
