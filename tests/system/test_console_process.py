"""`rtm console` as a process: it starts, survives its Redis, refuses what it must, and ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from realtime_message.settings import RedisSettings
from realtime_message.streams import Streams
from support.background import Background
from support.certificates import make_certificate
from support.console_process import ConsoleProcess, fill
from support.howto_pages import HOWTO
from support.nginx_process import find_nginx
from support.ports import free_port
from support.up_stack import run_rtm
from support.valkey_server import ValkeyServer
from support.worker_process import wait_until

pytestmark = pytest.mark.timeout(120)

PASSWORD = "a password of the test"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_console_serves_until_a_signal(
    redis_settings: RedisSettings, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """It says where it is, answers there, and ends at once, also with a connection open."""
    with ConsoleProcess(redis_settings, tmp_path) as console, httpx.Client() as client:
        answer = client.get(console.url)
        assert answer.status_code == 200
        assert "No worker is running" in answer.text
        assert client.get(f"{console.url}files/console.js").status_code == 200
        assert client.head(console.url).status_code == 200
        assert client.get(f"{console.url}health").json() == {"status": "ok", "redis": "answers"}
        console.process.send(number)
        assert console.process.wait(timeout_seconds=5) == code
        assert "Traceback" not in console.process.output


def _page_has(url: str, text: str) -> Callable[[], bool]:
    return lambda: text in httpx.get(url).text


def test_console_lives_through_the_end_of_redis(tmp_path: Path) -> None:
    """It answers while Redis is dead or frozen, says since when, and recovers by itself."""
    with ValkeyServer() as server:
        redis = RedisSettings(url=server.url)
        asyncio.run(fill(redis))
        with ConsoleProcess(redis, tmp_path) as console:
            assert "worker-a" in httpx.get(console.url).text
            for end, begin in ((server.kill, server.start), (server.pause, server.resume)):
                end()
                wait_until(_page_has(console.url, "No answer since"), 20)
                assert "worker-a" in httpx.get(console.url).text
                begin()
                wait_until(lambda: "No answer since" not in httpx.get(console.url).text, 20)
            assert console.interrupt() == 130
            assert "Traceback" not in console.process.output


def test_console_starts_before_redis_does(tmp_path: Path) -> None:
    """There is something to see as soon as Redis is there."""
    with ValkeyServer() as server:
        server.stop()
        redis = RedisSettings(url=server.url)
        with ConsoleProcess(redis, tmp_path) as console:
            assert "Nothing was seen yet" in httpx.get(console.url).text
            server.start()
            wait_until(_page_has(console.url, "No worker is running"), 20)


def test_console_ends_while_redis_is_frozen(tmp_path: Path) -> None:
    """Ctrl-C waits for nobody."""
    with ValkeyServer() as server, ConsoleProcess(RedisSettings(url=server.url), tmp_path) as shown:
        server.pause()
        wait_until(_page_has(shown.url, "No answer since"), 20)
        shown.process.send(signal.SIGINT)
        assert shown.process.wait(timeout_seconds=10) == 130


def test_console_behind_a_password(redis_settings: RedisSettings, tmp_path: Path) -> None:
    """With one it may listen for all, and it is not in the settings that are shown."""
    variables = {"RTM_CONSOLE__PASSWORD": PASSWORD}
    with ConsoleProcess(redis_settings, tmp_path, "--host", "0.0.0.0", **variables) as console:
        assert httpx.get(console.url).status_code == 401
        assert httpx.get(console.url, auth=("me", PASSWORD)).status_code == 200
    shown = run_rtm("config", "show", "console", folder=tmp_path, **variables)
    assert "***" in shown.stdout
    assert PASSWORD not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "told"),
    [
        (["--host", "0.0.0.0"], {}, 3, "set console.password (RTM_CONSOLE__PASSWORD)"),
        (["--host", "::"], {}, 3, "lets other machines read what the console shows"),
        ([], {"RTM_CONSOLE__PASSWORD": "short"}, 3, "has 5 characters: expected at least 16"),
        (["--host", "no-such-host.invalid"], {"RTM_CONSOLE__PASSWORD": PASSWORD}, 3, "--host"),
        (["--port", "0"], {}, 3, "console.port"),
        (["--port", "http"], {}, 2, "--port"),
        (["--refresh-seconds", "0"], {}, 3, "console.refresh_seconds"),
        ([], {"RTM_CONSOLE__PASWORD": "x"}, 3, "did you mean RTM_CONSOLE__PASSWORD?"),
    ],
)
def test_mistake_is_one_sentence(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], code: int, told: str
) -> None:
    """What is wrong and what to do; nothing is served."""
    done = run_rtm("console", "--no-browser", *arguments, folder=tmp_path, **variables)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """With the flag that chooses another one."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run_rtm("console", "--no-browser", "--port", port, folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr == (
        f"rtm: the console cannot listen on 127.0.0.1 port {port} (Address already in use): end "
        "the program that does, or choose another with --host and --port\n"
    )


def test_console_follows_a_resize(redis_settings: RedisSettings, tmp_path: Path) -> None:
    """The stored number of partitions counts, whatever the settings say."""

    async def resize() -> None:
        streams = Streams(redis_settings)
        await streams.layout.ensure()
        view = await streams.resizer.begin(await streams.layout.read(), 9)
        await streams.resizer.carry_on(view)
        await streams.close()

    asyncio.run(resize())
    with ConsoleProcess(redis_settings, tmp_path) as console:
        text = httpx.get(console.url).text
        assert "Resize from 8 to 9" in text
        assert 'href="/partitions/8"' in text


def test_two_consoles_do_not_share_a_port(tmp_path: Path, redis_settings: RedisSettings) -> None:
    """The second says so; the first stays."""
    with ConsoleProcess(redis_settings, tmp_path) as console:
        done = run_rtm("console", "--no-browser", "--port", str(console.port), folder=tmp_path)
        assert done.returncode == 3
        assert httpx.get(f"{console.url}health").status_code == 200


@pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed")
def test_console_behind_the_proxy_of_the_page(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """The block of docs/howto/console.md with other addresses: it asks for a login, then shows."""
    page = (HOWTO / "console.md").read_text("utf-8")
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    certificate, port = make_certificate(tmp_path), free_port()
    (tmp_path / "htpasswd").write_text("ada:{PLAIN}secret\n")
    with ConsoleProcess(redis_settings, tmp_path) as console:
        for shown, used in {
            "443 ssl": f"127.0.0.1:{port} ssl",
            "/etc/nginx/tls/console.crt": certificate.certificate,
            "/etc/nginx/tls/console.key": certificate.key,
            "/etc/nginx/console.htpasswd": tmp_path / "htpasswd",
            "http://127.0.0.1:8090": f"http://127.0.0.1:{console.port}",
        }.items():
            assert shown in block
            block = block.replace(shown, str(used))
        main = f"daemon off; pid {tmp_path}/pid; events {{}} http {{ access_log off; {block} }}"
        if os.getuid() == 0:
            main = f"user root; {main}"  # or it may not read the test's files
        (tmp_path / "nginx.conf").write_text(main)
        words = [str(find_nginx()), "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"]
        proxy = Background(words, tmp_path, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        url, headers = f"https://127.0.0.1:{port}/", {"Host": "console.example.com"}
        try:
            wait_until(lambda: _listens(port), 20, lambda: proxy.output)
            with httpx.Client(verify=False, headers=headers) as client:
                assert client.get(url).status_code == 401
                shown_page = client.get(url, auth=("ada", "secret"))
            assert shown_page.status_code == 200
            assert "No worker is running" in shown_page.text
        finally:
            proxy.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_public_name_is_answered_once_it_is_allowed(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    """Of a proxy that passes it on."""
    headers = {"Host": "console.example.com"}
    allowed = {"RTM_CONSOLE__ALLOWED_HOSTS": '["console.example.com"]'}
    with ConsoleProcess(redis_settings, tmp_path, **allowed) as console:
        assert httpx.get(console.url, headers=headers).status_code == 200
        assert httpx.get(console.url, headers={"Host": "evil.example"}).status_code == 403
