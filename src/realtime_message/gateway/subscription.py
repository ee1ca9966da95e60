"""One subscription of one connection."""

from __future__ import annotations

from typing import Protocol

import msgspec

from realtime_message.centrifugo.gateway_configuration import ChannelOptions
from realtime_message.centrifugo.subscription_options import Override, Switch
from realtime_message.gateway import codes
from realtime_message.gateway.codes import Close, Unsubscription
from realtime_message.gateway.history import Position
from realtime_message.gateway.replies import Publication


class Subscriber(Protocol):
    """The connection whose a subscription is."""

    id: str

    def send(self, line: bytes) -> None:
        """Queue a line for the client."""
        ...

    def close(self, close: Close) -> None:
        """End the connection."""
        ...

    def unsubscribe(self, channel: str, reason: Unsubscription | None = None) -> None:
        """End a subscription; with a reason, tell the client."""
        ...


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed for a subscription.

    Attributes:
        presence: the client counts in the channel's presence.
        join_leave: others are told that it came and went.
        push_join_leave: it is told of others.
        recovery: it can recover what it missed.
        positioning: it knows its position and is unsubscribed when it missed something.
        info: shown to others with it; JSON, or empty.
        data: sent to it with the subscription; JSON, or empty.
        expire_at: Unix time at which the subscription must be refreshed; 0 for never.
        is_client_refreshed: whether the client has to, with a new token.
        is_from_token: whether the connection token asked for it.
    """

    presence: bool = False
    join_leave: bool = False
    push_join_leave: bool = False
    recovery: bool = False
    positioning: bool = False
    info: bytes = b""
    data: bytes = b""
    expire_at: int = 0
    is_client_refreshed: bool = False
    is_from_token: bool = False


def agree(
    rules: ChannelOptions,
    override: Override | None = None,
    *,
    info: bytes = b"",
    data: bytes = b"",
    expire_at: int = 0,
    is_client_refreshed: bool = False,
    is_from_token: bool = False,
) -> Terms:
    """Return the terms that a channel's options and an override lead to."""
    changed = override or Override()
    return Terms(
        presence=_choose(changed.presence, default=rules.presence),
        join_leave=_choose(changed.join_leave, default=rules.join_leave),
        push_join_leave=_choose(changed.force_push_join_leave, default=rules.force_push_join_leave),
        recovery=_choose(changed.force_recovery, default=rules.force_recovery),
        positioning=_choose(changed.force_positioning, default=rules.force_positioning),
        info=info,
        data=data,
        expire_at=max(expire_at, 0),
        is_client_refreshed=is_client_refreshed,
        is_from_token=is_from_token,
    )


def _choose(switch: Switch | None, *, default: bool) -> bool:
    return default if switch is None else switch.value


class Subscription:
    """A subscription that receives its channel's pushes.

    Args:
        connection: whose it is.
        channel: the channel.
        terms: what was agreed.
        is_server_side: whether the server made it; the client then cannot end it on its own.
        position: where the channel stood.
    """

    def __init__(
        self,
        connection: Subscriber,
        channel: str,
        terms: Terms,
        *,
        is_server_side: bool,
        position: Position,
    ) -> None:
        self._connection = connection
        self.channel = channel
        self.terms = terms
        self.is_server_side = is_server_side
        self.info = terms.info
        self.expire_at = terms.expire_at
        self._position = position

    @property
    def client(self) -> str:
        """The id of the connection."""
        return self._connection.id

    def deliver_publication(
        self, publication: Publication, position: Position, line: bytes
    ) -> None:
        """Send a publication, or end the subscription if it missed one before this.

        In one process nothing is lost on the way; but a stream whose position was forgotten begins
        again, and the client must learn that its own position means nothing any more.
        """
        if publication.offset and (self.terms.positioning or self.terms.recovery):
            expected = Position(self._position.offset + 1, self._position.epoch)
            if position != expected:
                self.end_insufficient()
                return
            self._position = position
        self._connection.send(line)

    def deliver_presence(self, line: bytes) -> None:
        """Send a join or a leave, if this subscription wants them."""
        if self.terms.push_join_leave:
            self._connection.send(line)

    def close_connection(self, close: Close) -> None:
        """End the whole connection."""
        self._connection.close(close)

    def end_insufficient(self) -> None:
        """The client missed something: let it subscribe again."""
        if self.is_server_side:
            self._connection.close(codes.CLOSE_INSUFFICIENT_STATE)
        else:
            self._connection.unsubscribe(self.channel, codes.UNSUBSCRIBED_INSUFFICIENT_STATE)

    def end_expired(self) -> None:
        """Nobody refreshed the subscription in time."""
        if self.is_server_side:
            self._connection.close(codes.CLOSE_SUBSCRIPTION_EXPIRED)
        else:
            self._connection.unsubscribe(self.channel, codes.UNSUBSCRIBED_EXPIRED)
