"""Who is connected, who is subscribed to what, and how a push reaches them all."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from realtime_message.gateway import codes
from realtime_message.gateway.history import Position
from realtime_message.gateway.replies import (
    BinaryPublication,
    ClientInfo,
    Presence,
    Publication,
    Push,
    encode_push,
)
from realtime_message.gateway.subscription import Subscription

if TYPE_CHECKING:
    from realtime_message.gateway.connection import Connection  # which has the hub in its engine


class Hub:
    """The connections by user, and the subscriptions by channel."""

    def __init__(self) -> None:
        self._users: dict[str, dict[str, Connection]] = {}
        self._channels: dict[str, dict[str, Subscription]] = {}
        self.connection_count = 0

    @property
    def user_count(self) -> int:
        """How many different users are connected."""
        return len(self._users)

    @property
    def subscription_count(self) -> int:
        """How many subscriptions there are."""
        return sum(len(subscriptions) for subscriptions in self._channels.values())

    def add_connection(self, connection: Connection) -> None:
        """Note an authenticated connection."""
        self._users.setdefault(connection.user, {})[connection.id] = connection
        self.connection_count += 1

    def remove_connection(self, connection: Connection) -> None:
        """Forget a connection; one that was never added is fine."""
        connections = self._users.get(connection.user, {})
        if connections.pop(connection.id, None) is None:
            return
        self.connection_count -= 1
        if not connections:
            del self._users[connection.user]

    def connections_of(self, user: str, client: str = "") -> list[Connection]:
        """Return a user's connections, or the one with the given id if it is the user's."""
        connections = self._users.get(user, {})
        if client:
            connection = connections.get(client)
            return [connection] if connection else []
        return list(connections.values())

    def add_subscription(self, subscription: Subscription) -> None:
        """Let a subscription receive its channel's pushes."""
        subscribers = self._channels.setdefault(subscription.channel, {})
        subscribers[subscription.client] = subscription

    def remove_subscription(self, subscription: Subscription) -> None:
        """Stop a subscription's pushes; one that was replaced or removed already is fine."""
        subscribers = self._channels.get(subscription.channel, {})
        if subscribers.get(subscription.client) is subscription:
            del subscribers[subscription.client]
            if not subscribers:
                del self._channels[subscription.channel]

    def channels(self, pattern: str = "") -> dict[str, int]:
        """Return the channels with subscribers, and how many each has.

        Args:
            pattern: `*` is any run of characters, `?` any one; empty matches all.
        """
        return {
            name: len(subscribers)
            for name, subscribers in self._channels.items()
            if not pattern or fnmatchcase(name, pattern)
        }

    def broadcast(self, channel: str, publication: Publication, position: Position) -> None:
        """Send a publication to every subscriber; it is encoded once."""
        subscribers = self._subscribers(channel)
        if not subscribers:
            return
        if isinstance(publication, BinaryPublication):
            for subscriber in subscribers:
                subscriber.close_connection(codes.CLOSE_INAPPROPRIATE_PROTOCOL)
            return
        line = encode_push(Push(channel=channel, pub=publication))
        for subscriber in subscribers:
            subscriber.deliver_publication(publication, position, line)

    def broadcast_join(self, channel: str, info: ClientInfo) -> None:
        """Tell the subscribers who want to know that a client came."""
        self._broadcast_presence(channel, Push(channel=channel, join=Presence(info)))

    def broadcast_leave(self, channel: str, info: ClientInfo) -> None:
        """Tell the subscribers who want to know that a client went."""
        self._broadcast_presence(channel, Push(channel=channel, leave=Presence(info)))

    def _broadcast_presence(self, channel: str, push: Push) -> None:
        subscribers = self._subscribers(channel)
        if subscribers:
            line = encode_push(push)
            for subscriber in subscribers:
                subscriber.deliver_presence(line)

    def _subscribers(self, channel: str) -> Iterable[Subscription]:
        # A copy: delivering may end a subscription.
        return list(self._channels.get(channel, {}).values())
