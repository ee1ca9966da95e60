"""What all connections share: who is connected, histories, presence, rules, proxies, tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from realtime_message.centrifugo.gateway_configuration import GatewayConfiguration, Token
from realtime_message.centrifugo.tokens import TokenVerifier
from realtime_message.errors import ConfigurationError
from realtime_message.gateway.channel_rules import ChannelRules
from realtime_message.gateway.history import History
from realtime_message.gateway.hub import Hub
from realtime_message.gateway.presence import PresenceTable
from realtime_message.gateway.proxy import Proxies
from realtime_message.gateway.publisher import Publisher
from realtime_message.key_sets import make_verifier

_SWEEP_SECONDS = 10.0

#: What the connect reply and the server API's `info` say.
VERSION = f"{version('centrifuge-realtime-message')} embedded"


class Engine:
    """The state of one gateway.

    Args:
        configuration: read and checked.

    Raises:
        ConfigurationError: a public key is not one, or the library for it is missing.
    """

    def __init__(self, configuration: GatewayConfiguration) -> None:
        self.configuration = configuration
        self.client = configuration.client
        self.rules = ChannelRules(configuration.channel, configuration.rpc)
        self.hub = Hub()
        self.history = History()
        self.presence = PresenceTable()
        self.publisher = Publisher(self.hub, self.history, configuration.channel)
        self.proxies = Proxies(configuration)
        self.tokens = _verifier("client.token", self.client.token)
        self.subscription_tokens = (
            _verifier("client.subscription_token", self.client.subscription_token)
            if self.client.subscription_token.enabled
            else self.tokens
        )
        self.node_id = str(uuid4())
        self.started_at = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the connections' own tasks, and hold on to it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sweep_for_ever(self) -> None:
        """Free expired history and idempotency keys from time to time."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.history.sweep()
            self.publisher.sweep()

    async def close(self) -> None:
        """Cancel what still runs, and close the connections to the callback service."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.proxies.close()


def _verifier(path: str, token: Token) -> TokenVerifier:
    try:
        return make_verifier(token)
    except ValueError as error:
        raise ConfigurationError(f"{path}.{error}") from None
