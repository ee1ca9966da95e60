"""Who is in which channel."""

from __future__ import annotations

from realtime_message.gateway.replies import ClientInfo


class PresenceTable:
    """The clients of every channel that has presence, by client id."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[str, ClientInfo]] = {}

    def add(self, channel: str, info: ClientInfo) -> None:
        """Note that a client is in a channel; again with newer info is fine."""
        self._channels.setdefault(channel, {})[info.client] = info

    def remove(self, channel: str, client: str) -> None:
        """Note that a client left a channel; one that was not there is fine."""
        clients = self._channels.get(channel)
        if clients is None:
            return
        clients.pop(client, None)
        if not clients:
            del self._channels[channel]

    def clients(self, channel: str) -> dict[str, ClientInfo]:
        """Return who is in a channel, by client id."""
        return dict(self._channels.get(channel, {}))

    def counts(self, channel: str) -> tuple[int, int]:
        """Return how many clients, and how many different users, are in a channel."""
        clients = self._channels.get(channel, {})
        return len(clients), len({info.user for info in clients.values()})
