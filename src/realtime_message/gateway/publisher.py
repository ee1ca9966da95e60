"""Publishing into a channel: duplicates dropped, history written, subscribers told."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from realtime_message.centrifugo.gateway_configuration import Channel, ChannelOptions
from realtime_message.gateway.history import History, Position, Retention
from realtime_message.gateway.hub import Hub
from realtime_message.gateway.replies import (
    BinaryPublication,
    ClientInfo,
    Publication,
    payload,
)

# How long Centrifugo remembers an idempotency key.
_IDEMPOTENCY_SECONDS = 300.0


class PublishOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a publication is treated, beside its channel's options.

    Attributes:
        skip_history: send it to subscribers only.
        tags: shown to subscribers beside the data.
        idempotency_key: a second publication of this channel with the same key is dropped.
        version: of the state it carries; one that is not newer than the last is dropped; 0: none.
        version_epoch: which series of versions that is.
    """

    skip_history: bool = False
    tags: dict[str, str] = {}
    idempotency_key: str = ""
    version: int = 0
    version_epoch: str = ""


PLAIN = PublishOptions()


class Publisher:
    """Publishes; all steps happen at once, so that offsets reach subscribers in order.

    Args:
        hub: whom to tell.
        history: where publications are kept.
        channel: the configuration's `channel` section.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        hub: Hub,
        history: History,
        channel: Channel,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._history = history
        self._channel = channel
        self._clock = clock
        # All entries live equally long, so the oldest stands first.
        self._results: OrderedDict[tuple[str, str], tuple[float, Position]] = OrderedDict()

    def meta_ttl_seconds(self, rules: ChannelOptions) -> float:
        """Return how long a channel's position is kept."""
        return rules.history_meta_ttl_seconds or self._channel.history_meta_ttl_seconds

    def publish(
        self,
        channel: str,
        data: bytes,
        rules: ChannelOptions,
        *,
        info: ClientInfo | None = None,
        options: PublishOptions = PLAIN,
        is_json: bool = True,
    ) -> Position:
        """Publish into a channel.

        Args:
            channel: the channel.
            data: the payload.
            rules: the channel's options.
            info: the publishing client; None for the server API.
            options: how this publication is treated.
            is_json: whether the payload is JSON; clients that speak JSON cannot receive another.

        Returns:
            The channel's position with this publication; empty without history.
        """
        if options.idempotency_key:
            earlier = self._earlier_result(channel, options.idempotency_key)
            if earlier is not None:
                return earlier
        kind = Publication if is_json else BinaryPublication
        publication = kind(
            data=payload(data), info=info, tags=options.tags, version=options.version
        )
        position = Position()
        if rules.has_history and not options.skip_history:
            stored, position = self._store(channel, publication, rules, options)
            if stored is None:
                return position
            publication = stored
        if options.idempotency_key:
            end = self._clock() + _IDEMPOTENCY_SECONDS
            self._results[channel, options.idempotency_key] = (end, position)
        if position.offset == 1:
            # A subscriber of an empty channel learns the epoch with the first publication.
            publication = replace(publication, epoch=position.epoch)
        self._hub.broadcast(channel, publication, position)
        return position

    def _store(
        self,
        channel: str,
        publication: Publication,
        rules: ChannelOptions,
        options: PublishOptions,
    ) -> tuple[Publication | None, Position]:
        retention = Retention(
            rules.history_size, rules.history_ttl_seconds, self.meta_ttl_seconds(rules)
        )
        return self._history.add(
            channel,
            publication,
            retention,
            version=options.version,
            version_epoch=options.version_epoch,
        )

    def sweep(self) -> None:
        """Forget idempotency keys whose time is over."""
        now = self._clock()
        while self._results and next(iter(self._results.values()))[0] <= now:
            self._results.popitem(last=False)

    def _earlier_result(self, channel: str, key: str) -> Position | None:
        self.sweep()
        found = self._results.get((channel, key))
        return found[1] if found else None
