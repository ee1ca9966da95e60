"""What a client sends: commands of the client protocol, version 2, as JSON.

A frame holds one command a line. Absent and `null` fields count as empty, unknown ones are ignored;
anything else that does not fit closes the connection, as Centrifugo does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

_NONE = msgspec.Raw(b"")

Uint32 = Annotated[int, Meta(ge=0, le=4_294_967_295)]
Uint64 = Annotated[int, Meta(ge=0)]  # msgspec knows no bound beyond 63 bits
Int32 = Annotated[int, Meta(ge=-2_147_483_648, le=2_147_483_647)]


class Since(msgspec.Struct, frozen=True):
    """A position in a channel's history."""

    offset: Uint64 | None = 0
    epoch: str | None = ""


class ServerSubscription(msgspec.Struct, frozen=True):
    """What a connecting client knows of a server-side subscription."""

    recover: bool | None = False
    epoch: str | None = ""
    offset: Uint64 | None = 0


class ConnectCommand(msgspec.Struct, frozen=True):
    """The first command of a connection."""

    token: str | None = ""
    data: msgspec.Raw = _NONE
    subs: dict[str, ServerSubscription | None] | None = None
    name: str | None = ""
    version: str | None = ""
    headers: dict[str, str] | None = None


class SubscribeCommand(msgspec.Struct, frozen=True):
    """Subscribe to a channel."""

    channel: str | None = ""
    token: str | None = ""
    recover: bool | None = False
    epoch: str | None = ""
    offset: Uint64 | None = 0
    data: msgspec.Raw = _NONE
    positioned: bool | None = False
    recoverable: bool | None = False
    join_leave: bool | None = False
    delta: str | None = ""
    tf: msgspec.Raw = _NONE
    flag: int | None = 0
    type: Int32 | None = 0


class ChannelCommand(msgspec.Struct, frozen=True):
    """Unsubscribe, presence and presence_stats: they name a channel and nothing else."""

    channel: str | None = ""


class PublishCommand(msgspec.Struct, frozen=True):
    """Publish to a channel; `type` 1 is a map publication, which needs a map namespace."""

    channel: str | None = ""
    data: msgspec.Raw = _NONE
    type: Int32 | None = 0


class HistoryCommand(msgspec.Struct, frozen=True):
    """Read a channel's history."""

    channel: str | None = ""
    limit: Int32 | None = 0
    since: Since | None = None
    reverse: bool | None = False


class RpcCommand(msgspec.Struct, frozen=True):
    """Call a method."""

    method: str | None = ""
    data: msgspec.Raw = _NONE


class RefreshCommand(msgspec.Struct, frozen=True):
    """Give the connection a new token."""

    token: str | None = ""


class SubRefreshCommand(msgspec.Struct, frozen=True):
    """Give a subscription a new token."""

    channel: str | None = ""
    token: str | None = ""


class AnyCommand(msgspec.Struct, frozen=True):
    """A command that is recognised and refused: `send`."""


class Command(msgspec.Struct, frozen=True):
    """One line of a frame. The first of these fields that is set is executed."""

    id: Uint32 | None = 0
    connect: ConnectCommand | None = None
    subscribe: SubscribeCommand | None = None
    unsubscribe: ChannelCommand | None = None
    publish: PublishCommand | None = None
    presence: ChannelCommand | None = None
    presence_stats: ChannelCommand | None = None
    history: HistoryCommand | None = None
    rpc: RpcCommand | None = None
    send: AnyCommand | None = None
    refresh: RefreshCommand | None = None
    sub_refresh: SubRefreshCommand | None = None

    @property
    def is_pong(self) -> bool:
        """Whether this answers a ping. Centrifugo takes every command without an id for that."""
        return not self.id and self.send is None


_decoder = msgspec.json.Decoder(Command)


# An escaped pair of surrogates, half of one, or any other escape.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)


def decode_commands(frame: bytes) -> Iterator[Command]:
    """Yield the commands of a frame one by one, so that those before a bad line are executed.

    Raises:
        ValueError: a line is not a command, or the frame is empty or not UTF-8. Centrifugo accepts
            other bytes in payloads, and the subscribers' WebSockets then fail; here it is the
            sender's that does.
    """
    frame.decode()
    lines = frame.split(b"\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    for line in lines:
        yield _decode(line)


def _decode(line: bytes) -> Command:
    try:
        try:
            return _decoder.decode(line)
        except msgspec.DecodeError:
            return _decoder.decode(_repaired(line))
    except RecursionError:
        raise ValueError("the command is nested too deeply") from None


def _repaired(line: bytes) -> bytes:
    """Return a line that Centrifugo understands in a form that is understood here.

    What follows the first JSON value of a line is ignored. Half of a surrogate pair, as JavaScript
    writes it for a text that was cut inside an emoji, becomes the replacement character.

    Raises:
        ValueError: the line does not begin with a JSON value.
    """
    text = _ESCAPE.sub(lambda m: rb"\ufffd" if m["half"] else m[0], line).decode().lstrip(" \t\r")
    _, end = json.JSONDecoder().raw_decode(text)
    return text[:end].encode()
