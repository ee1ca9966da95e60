"""Secrets are changed while clients write: nobody is refused, and the old one opens nothing then.

The steps are those of docs/howto/rotate-secrets.md.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Iterator

import pytest
import redis
from centrifuge import CentrifugeError, Client

from realtime_message.centrifugo.tokens import make_connection_token
from support.chat_load import ChatLoad
from support.checker import read_notes
from support.deploy_files import PROJECT
from support.installation import GATEWAY, Installation
from support.nginx_process import find_nginx
from support.official_client import leave
from support.remarks import remark

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]

TOKEN_SECRET, PREVIOUS_TOKEN_SECRET = (
    "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY",
    "RTM_CALLBACK__PREVIOUS_TOKEN_SECRET",
)
CALLBACK_SECRET = "CENTRIFUGO_VAR_CALLBACK_SECRET"
API_KEY, PREVIOUS_API_KEY = "CENTRIFUGO_HTTP_API_KEY", "RTM_GATEWAY__PREVIOUS_API_KEY"


RIGHTS = (PROJECT / "docs/reference/redis-rights.md").read_text("utf-8")
USERS = dict(re.findall(r"^ACL SETUSER (\w+) (on .*)$", RIGHTS, re.MULTILINE))


def _urls(installation: Installation, password: str) -> dict[str, str]:
    """Return what everybody is given to log in to Redis: our user, and Centrifugo's."""
    return {
        "REDIS_URL": installation.redis_url(f"rtm:{password}"),
        "RTM_GATEWAY__REDIS_URL": installation.redis_url(f"centrifugo:{password}"),
    }


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two instances and a worker; users of Redis have the rights that the page lists, no more."""
    installation = Installation(
        tmp_path_factory.mktemp("installation"),
        count=2,
        app="support.answer_app:app",
    )
    installation.given |= {CALLBACK_SECRET: secrets.token_hex(32), **_urls(installation, "old")}
    # A machine that is busy with other tests is no reason to refuse a message.
    installation.given |= {
        "RTM_REDIS__COMMAND_TIMEOUT_SECONDS": "10",
        "RTM_CALLBACK__DEADLINE_SECONDS": "20",
        "RTM_GATEWAY__PROXY_TIMEOUT_SECONDS": "30",
    }
    try:
        installation.server.start()
        for name, rule in USERS.items():
            words = rule.replace("PASSWORD", "old").split()
            installation.server.client().execute_command("ACL", "SETUSER", name, *words)
        yield installation.start()
    finally:
        installation.close()


_numbers = itertools.count()


class Writers:
    """A load that must not notice what happens behind the balancer."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        secret = installation.given[TOKEN_SECRET]
        self.load = ChatLoad(
            installation.url,
            secret,
            channels=4,
            writers=2,
            followers=0,
            namespace=f"load-{next(_numbers)}",
        )

    async def during(self, *steps: tuple) -> None:
        """Take steps, each a function and its arguments, while messages are written."""
        async with self.load.running():
            await self.load.wait_for(20)
            for function, *arguments in steps:
                await asyncio.to_thread(function, *arguments)
                await self.load.wait_for(20)
        assert self.load.refusals == []
        report = await asyncio.to_thread(self._installation.judge, "rotation", self.load)
        assert report.is_sound, "\n".join([str(report), *self._installation.complaints()])
        notes = read_notes(self._installation.folder / "history.jsonl")
        assert {note.attempt for note in notes} == {1}

    def tell(self, what: str) -> None:
        """Note the figures for the summary."""
        remark(
            f"{what} changed under load, gateway {GATEWAY}: {len(self.load.acknowledged)} "
            f"acknowledged, 0 refused, 0 lost, {len(self.load.failures)} sent again because their "
            "connection closed"
        )


async def _is_let_in(url: str, token: str, *, in_data: bool) -> bool:
    """Whether a token opens the gateway, in the connect command or in the client's data."""
    how = {"data": {"token": token}} if in_data else {"token": token}
    client = Client(url, **how)
    await client.connect()
    try:
        await client.ready(5)
    except (CentrifugeError, TimeoutError):
        return False
    finally:
        await leave(client)
    return True


async def _opens(installation: Installation, secret: str) -> set[bool]:
    """Whether tokens of a secret open the instances, however they are sent."""
    token = make_connection_token(secret, "ada", ttl_seconds=60)
    return {
        await _is_let_in(
            f"ws://127.0.0.1:{instance.gateway_port}/connection/websocket", token, in_data=in_data
        )
        for instance in installation.instances
        for in_data in (True, False)
    }


async def test_key_of_the_tokens(installation: Installation) -> None:
    """Both keys open while they are changed; without the old one its tokens open nothing."""
    old, new = installation.given[TOKEN_SECRET], secrets.token_hex(32)
    writers = Writers(installation)
    both = {TOKEN_SECRET: new, PREVIOUS_TOKEN_SECRET: old}
    await writers.during((installation.replace_instances, both))
    assert await _opens(installation, old) == {True}
    assert await _opens(installation, new) == {True}
    writers.tell("key of the tokens, first step")
    writers = Writers(installation)
    await writers.during((installation.replace_instances, {PREVIOUS_TOKEN_SECRET: ""}))
    assert await _opens(installation, old) == {False}
    assert await _opens(installation, new) == {True}
    writers.tell("key of the tokens, second step")


async def test_key_of_the_server_api_and_secret_of_the_callback_service(
    installation: Installation,
) -> None:
    """Workers know both keys before an instance has the new one; an instance agrees with itself."""
    old, new = installation.given[API_KEY], secrets.token_hex(32)
    writers = Writers(installation)
    await writers.during(
        (installation.replace_worker, {API_KEY: new, PREVIOUS_API_KEY: old}),
        (installation.replace_instances, {API_KEY: new, CALLBACK_SECRET: secrets.token_hex(32)}),
        (installation.replace_worker, {PREVIOUS_API_KEY: ""}),
    )
    writers.tell("key of the server API, secret of the callback service")


async def test_passwords_of_redis(installation: Installation) -> None:
    """A user of Redis may have two passwords; the old one goes when nobody uses it any more."""
    writers = Writers(installation)
    changes = _urls(installation, "new")
    with installation.server.client() as admin:

        def set_users(rule: str) -> None:
            for name in USERS:
                admin.execute_command("ACL", "SETUSER", name, rule)

        await writers.during(
            (set_users, ">new"),
            (installation.replace_instances, changes),
            (installation.replace_worker, changes),
            (set_users, "<old"),
        )
        writers.tell("passwords of Redis")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(installation.redis_url("rtm:old")).ping()
        # Whoever still had a connection of the old password would be found out now.
        for name in USERS:
            admin.execute_command("CLIENT", "KILL", "USER", name)
    await Writers(installation).during()
