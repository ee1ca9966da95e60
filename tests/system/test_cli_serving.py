"""The commands that serve: what is started is what gets the signals, and what they do to it."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx
import pytest

from support.background import Background
from support.ports import free_port
from support.traffic import Traffic
from support.up_stack import RTM, clean_environment
from support.valkey_server import ValkeyServer, unique_prefix
from support.worker_process import wait_until

pytestmark = pytest.mark.timeout(120)

KEY = "k" * 32
_APP = """
from realtime_message import App, Message, PublishEvent

app = App()


@app.on_message()
async def handle(message: Message) -> None:
    print("WORD", message.text, flush=True)


@app.on_publish()
async def permit(event: PublishEvent) -> None:
    return None
"""


@pytest.fixture
def environment(tmp_path: Path, valkey: ValkeyServer) -> dict[str, str]:
    """The shared server under a prefix of the test's own, a key, and an app in the folder."""
    (tmp_path / "shop.py").write_text(_APP)
    return clean_environment(
        REDIS_URL=valkey.url,
        RTM_REDIS__PREFIX=unique_prefix(),
        RTM_GATEWAY__PORT=str(free_port()),
        CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=KEY,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("arguments", "ready"),
    [
        (["worker", "shop:app"], "worker.started"),
        (["callback", "shop:app", "--port", "0"], "callback.ready"),
        (["callback", "shop:app", "--port", "0", "--processes", "2"], "callback.ready"),
        (["gateway"], "gateway.ready"),
    ],
    ids=["worker", "callback", "callback of two", "gateway"],
)
def test_signal_to_the_command_ends_it_in_order(
    arguments: list[str],
    ready: str,
    number: signal.Signals,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """The process that was started serves: SIGTERM gives 0, Ctrl-C 130, and no traceback."""
    process = Background([*RTM, *arguments], tmp_path, environment)
    try:
        process.wait_for(ready, timeout_seconds=60)
        os.kill(process.process.pid, number)
        code = process.wait(timeout_seconds=60)
        assert code == (130 if number == signal.SIGINT else 0), process.output
        assert "Traceback" not in process.output
    finally:
        process.kill()


def test_callback_answers_on_its_port(environment: dict[str, str], tmp_path: Path) -> None:
    """`PORT` moves it, and /health/ready says that it can append."""
    port = free_port()
    process = Background([*RTM, "callback"], tmp_path, environment | {"PORT": str(port)})
    try:
        process.wait_for("callback.ready", timeout_seconds=60)
        assert '"hooks": []' in process.output
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready") as answer:
            assert answer.status == 200
    finally:
        process.send(signal.SIGTERM)
        process.wait(timeout_seconds=60)
        process.kill()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_callback_names_its_app_and_hooks(
    processes: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """An app without hooks, or the wrong one, is seen at once."""
    words = ["callback", "shop:app", "--port", "0", "--processes", processes]
    process = Background([*RTM, *words], tmp_path, environment)
    try:
        process.wait_for("callback.ready", timeout_seconds=60)
        assert '"app": "shop:app", "hooks": ["on_publish *"]' in process.output
    finally:
        process.send(signal.SIGTERM)
        process.wait(timeout_seconds=60)
        process.kill()


def test_worker_reloads_its_source(environment: dict[str, str], tmp_path: Path) -> None:
    """With --reload a change starts the worker anew, and Ctrl-C ends both."""
    process = Background([*RTM, "worker", "shop:app", "--reload"], tmp_path, environment)
    try:
        process.wait_for("worker.started", timeout_seconds=60)
        (tmp_path / "shop.py").write_text(_APP.replace("WORD", "another"))
        process.wait_for("shop.py changed", timeout_seconds=60)
        process.wait_for("worker.started", timeout_seconds=60, times=2)
        process.send(signal.SIGINT)
        assert process.wait(timeout_seconds=60) == 130
        assert process.output.count("worker.stopped") == 2
    finally:
        process.kill()


def test_reloading_worker_has_time_for_a_handler_that_ignores_the_end(
    environment: dict[str, str], tmp_path: Path, traffic: Traffic
) -> None:
    """It ends by itself, and gives its partitions up; nobody has to kill it."""
    environment |= {
        "RTM_REDIS__PREFIX": traffic._settings.prefix,
        "RTM_WORKER__DRAIN_TIMEOUT_SECONDS": "0.2",
        "RTM_WORKER__HANDLER_TIMEOUT_SECONDS": "0",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "TEST_HISTORY": str(tmp_path / "history"),
    }
    words = ["worker", "support.worker_apps:stubborn", "--reload"]
    process = Background([*RTM, *words], tmp_path, environment)
    try:
        process.wait_for("worker.started", timeout_seconds=60)
        traffic.append("loop:1")
        wait_until((tmp_path / "history").exists, 20)
        process.send(signal.SIGINT)
        assert process.wait(timeout_seconds=60) == 130
        assert "worker.ended_by_force" in process.output
        assert "is killed" not in process.output
    finally:
        process.kill()


def test_library_names_beside_the_user_do_no_harm(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A file called redis.py or typing.py in the working directory replaces no library."""
    for name in ("redis", "uvicorn", "msgspec", "typing_extensions"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    script = str(Path(sys.executable).parent / "rtm")
    limit = {
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "RTM_REDIS__STARTUP_TIMEOUT_SECONDS": "0",
    }
    done = subprocess.run(
        [script, "worker", "shop:app"],
        cwd=tmp_path,
        env=environment | limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "the wrong module" not in done.stderr
    assert "could not be reached" in done.stderr


@pytest.mark.parametrize("source", ["file", "environment"])
def test_gateway_has_the_secrets_of_the_settings(
    source: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Whatever sets them: the server API knows its key, and the callback's secret is sent."""
    if source == "file":
        (tmp_path / "rtm.toml").write_text(
            f'[gateway]\napi_key = "{KEY}"\n[callback]\nsecret = "{KEY}"\n'
        )
    else:
        environment |= {"CENTRIFUGO_HTTP_API_KEY": KEY, "CENTRIFUGO_VAR_CALLBACK_SECRET": KEY}
    process = Background([*RTM, "gateway"], tmp_path, environment)
    try:
        process.wait_for("gateway.ready", timeout_seconds=60)
        url = f"http://127.0.0.1:{environment['RTM_GATEWAY__PORT']}/api/info"
        answer = httpx.post(url, json={}, headers={"X-API-Key": KEY})
        assert answer.status_code == 200
        assert httpx.post(url, json={}).status_code == 401
    finally:
        process.kill()
