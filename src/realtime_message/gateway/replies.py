"""What a client receives: replies and pushes of the client protocol, as JSON lines.

Fields stand in Centrifugo's order; empty and false ones are left out, except where a field has no
default here. Payloads are kept byte for byte, but for line breaks, which would end the line.
"""

from __future__ import annotations

import msgspec

from realtime_message.gateway.codes import ErrorBody, Unsubscription

NO_PAYLOAD = msgspec.Raw(b"")


class ClientInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A client as others see it."""

    user: str
    client: str
    conn_info: msgspec.Raw = NO_PAYLOAD
    chan_info: msgspec.Raw = NO_PAYLOAD


class Publication(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was published; `info` is the publisher, when that was a client.

    `version` is that of the state in `data`, where the publisher gave one.
    """

    data: msgspec.Raw
    info: ClientInfo | None = None
    offset: int = 0
    tags: dict[str, str] = {}
    epoch: str = ""
    version: int = 0


class BinaryPublication(Publication, frozen=True, omit_defaults=True):
    """A publication whose data is no JSON; a client that speaks JSON cannot receive it."""


class Presence(msgspec.Struct, frozen=True):
    """A join or a leave."""

    info: ClientInfo


class SubscribePush(msgspec.Struct, frozen=True, omit_defaults=True):
    """The server subscribed the client to a channel."""

    recoverable: bool = False
    epoch: str = ""
    offset: int = 0
    positioned: bool = False
    data: msgspec.Raw = NO_PAYLOAD


class Validity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether and when a connection or subscription expires: refresh, sub_refresh."""

    expires: bool = False
    ttl: int = 0


class Push(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the server sends unasked; one of the fields after `channel` is set."""

    channel: str = ""
    pub: Publication | None = None
    join: Presence | None = None
    leave: Presence | None = None
    unsubscribe: Unsubscription | None = None
    subscribe: SubscribePush | None = None
    refresh: Validity | None = None


class SubscribeResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """A subscription; `offset` is where the client stands before `publications`."""

    expires: bool = False
    ttl: int = 0
    recoverable: bool = False
    epoch: str = ""
    publications: list[Publication] = []
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: msgspec.Raw = NO_PAYLOAD
    was_recovering: bool = False


class ConnectResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """An established connection; `time` is in Unix milliseconds."""

    client: str
    version: str
    expires: bool = False
    ttl: int = 0
    data: msgspec.Raw = NO_PAYLOAD
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0
    pong: bool = False
    time: int = 0


class EmptyResult(msgspec.Struct, frozen=True):
    """Publish, unsubscribe: done."""


class PresenceResult(msgspec.Struct, frozen=True):
    """Who is in a channel, by client id."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(msgspec.Struct, frozen=True):
    """How many are in a channel."""

    num_clients: int
    num_users: int


class HistoryResult(msgspec.Struct, frozen=True):
    """Publications of a channel, and its present position."""

    publications: list[Publication]
    epoch: str
    offset: int


class RpcResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a method returned."""

    data: msgspec.Raw = NO_PAYLOAD


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a command (with its id), or a push."""

    id: int = 0
    error: ErrorBody | None = None
    push: Push | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: EmptyResult | None = None
    publish: EmptyResult | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    rpc: RpcResult | None = None
    refresh: Validity | None = None
    sub_refresh: Validity | None = None


#: A ping, and the pong that answers it.
PING = b"{}"

_encoder = msgspec.json.Encoder()


def encode_reply(reply: Reply) -> bytes:
    """Return a reply as a line."""
    return _encoder.encode(reply)


def encode_push(push: Push) -> bytes:
    """Return a push as a line."""
    return _encoder.encode(Reply(push=push))


def is_json(data: bytes) -> bool:
    """Whether a payload that came as base64 is JSON."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def payload(data: bytes) -> msgspec.Raw:
    """Return JSON as it may stand inside a line; nothing stays nothing.

    A line break in valid JSON can only stand between tokens, so nothing is lost without it.
    """
    if not data:
        return NO_PAYLOAD
    return msgspec.Raw(data.replace(b"\n", b"") if b"\n" in data else data)
