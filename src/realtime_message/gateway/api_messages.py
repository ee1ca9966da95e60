"""The server API's requests and results, as JSON; Centrifugo's fields, `null` counts as absent."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime_message.centrifugo.subscription_options import Override
from realtime_message.gateway.commands import Int32, Since, Uint64
from realtime_message.gateway.proxy_messages import GivenClose
from realtime_message.gateway.replies import NO_PAYLOAD, ClientInfo, Publication


class _Publish(msgspec.Struct, frozen=True):
    data: msgspec.Raw = NO_PAYLOAD
    b64data: str | None = ""
    skip_history: bool | None = False
    tags: dict[str, str] | None = None
    idempotency_key: str | None = ""
    delta: bool | None = False
    version: Uint64 | None = 0
    version_epoch: str | None = ""


class PublishRequest(_Publish, frozen=True):
    """Publish into one channel."""

    channel: str | None = ""


class BroadcastRequest(_Publish, frozen=True):
    """Publish the same into several channels."""

    channels: list[str] | None = None


class ClientRequest(msgspec.Struct, frozen=True):
    """Something about the connections of a user, or one of them.

    WebSocket connections have no session: whoever names one means none of them.
    """

    user: str | None = ""
    client: str | None = ""
    session: str | None = ""


class SubscribeRequest(ClientRequest, frozen=True):
    """Subscribe a user's connections to a channel."""

    channel: str | None = ""
    expire_at: int | None = 0
    info: msgspec.Raw = NO_PAYLOAD
    b64info: str | None = ""
    data: msgspec.Raw = NO_PAYLOAD
    b64data: str | None = ""
    recover_since: Since | None = None
    override: Override | None = None


class UnsubscribeRequest(ClientRequest, frozen=True):
    """End a subscription of a user's connections."""

    channel: str | None = ""


class DisconnectRequest(ClientRequest, frozen=True):
    """Close a user's connections, but for those in the whitelist."""

    disconnect: GivenClose | None = None
    whitelist: list[str] | None = None


class RefreshRequest(ClientRequest, frozen=True):
    """Give a user's connections another expiry, or end them."""

    expired: bool | None = False
    expire_at: int | None = 0
    info: msgspec.Raw = NO_PAYLOAD


class ChannelRequest(msgspec.Struct, frozen=True):
    """Presence, presence_stats and history_remove: they name a channel and nothing else."""

    channel: str | None = ""


class HistoryRequest(ChannelRequest, frozen=True):
    """Read a channel's history."""

    limit: Int32 | None = 0
    since: Since | None = None
    reverse: bool | None = False


class ChannelsRequest(msgspec.Struct, frozen=True):
    """List channels that have subscribers."""

    pattern: str | None = ""


class InfoRequest(msgspec.Struct, frozen=True):
    """Ask about the nodes."""


class BatchRequest(msgspec.Struct, frozen=True):
    """Several commands at once, each `{method: request}`; they run one after the other."""

    commands: list[dict[str, msgspec.Raw] | None] | None = None
    parallel: bool | None = False


class ApiError(msgspec.Struct, frozen=True):
    """An error of the server API; unlike a client's it does not say whether it is temporary."""

    code: int
    message: str


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer: an error, or a result."""

    error: ApiError | None = None
    result: Any = None


class PublishResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the publication stands in the channel's history; nothing without history."""

    offset: int = 0
    epoch: str = ""


class BroadcastResult(msgspec.Struct, frozen=True):
    """One outcome for each channel, in their order."""

    responses: list[Outcome]


class HistoryResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """Publications of a channel, and its present position."""

    publications: list[Publication] | None = None
    epoch: str = ""
    offset: int = 0


class PresenceResult(msgspec.Struct, frozen=True):
    """Who is in a channel, by client id."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(msgspec.Struct, frozen=True):
    """How many are in a channel."""

    num_clients: int = 0
    num_users: int = 0


class ChannelCount(msgspec.Struct, frozen=True):
    """How many clients are subscribed to a channel."""

    num_clients: int


class ChannelsResult(msgspec.Struct, frozen=True):
    """The channels that have subscribers."""

    channels: dict[str, ChannelCount]


class Metrics(msgspec.Struct, frozen=True):
    """Counters of a node; the embedded gateway keeps none."""

    interval: float = 60.0
    items: dict[str, float] = {}


class NodeInfo(msgspec.Struct, frozen=True):
    """One node; `uptime` is in seconds."""

    uid: str
    name: str
    version: str
    num_clients: int
    num_users: int
    num_channels: int
    uptime: int
    metrics: Metrics
    num_subs: int


class InfoResult(msgspec.Struct, frozen=True):
    """All nodes; here there is one."""

    nodes: list[NodeInfo]


class EmptyResult(msgspec.Struct, frozen=True):
    """Done."""
