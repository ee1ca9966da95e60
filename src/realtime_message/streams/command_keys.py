"""Which key a command touches: what decides to which node of a cluster it goes."""

from __future__ import annotations

from redis.crc import key_slot

from realtime_message.streams.wire import Command

#: Commands that touch no key.
_SERVER = ("TIME", "INFO", "CONFIG", "SCRIPT", "CLUSTER", "CLIENT", "HELLO", "PING")
_KEYLESS = frozenset((*_SERVER, "WAIT", "WAITAOF", "MULTI", "EXEC", "ASKING"))
#: Commands whose key does not come first.
_POSITIONS = {"XINFO": 2, "XGROUP": 2}


def key_of(command: Command) -> str | bytes | None:
    """Return the first key of a command of ours; None if it touches none.

    All keys of one command share a slot, so the first one decides.
    """
    name = command[0]
    if name in _KEYLESS:
        return None
    if name in ("EVAL", "EVALSHA"):
        position = 3 if command[2] else len(command)
    elif name in ("XREAD", "XREADGROUP"):
        position = command.index("STREAMS") + 1
    else:
        position = _POSITIONS.get(str(name), 1)
    if position >= len(command):
        return None
    key = command[position]
    assert not isinstance(key, int)  # noqa: S101 - a defect of ours
    return key


def slot_of(key: str | bytes) -> int:
    """Return the hash slot of a key (Redis: cluster specification, "Hash tags")."""
    return key_slot(key if isinstance(key, bytes) else key.encode())
