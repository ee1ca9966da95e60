"""The page of keys: complete, and true on a server on which everything was used."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import msgspec

from realtime_message.message import Message, encode_message
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from realtime_message.streams.keys import Keys, consumer_name
from support.streams_use import resize_once, use_everything
from support.valkey_server import ValkeyServer

PAGE = (Path(__file__).parents[2] / "docs/reference/keys.md").read_text("utf-8")
TYPES = {"zset": "sorted set", "none": ""}


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


KEY_ROWS = {_names(row[0])[0]: row for row in _rows("Keys")}


def _field(key: str, field: str) -> str:
    """What the page calls a field of a hash."""
    if key.endswith(":parked_notes"):
        return "a channel"
    if re.fullmatch(r"\d+:\d+-\d+", field):
        return "PARTITION:ID"
    return "a partition's number" if field.isdigit() else field


def _names_in_code() -> dict[str, str]:
    """Every name that Keys makes, as the page writes it, by its member."""
    keys = Keys("messages")
    found = {}
    for name, member in vars(Keys).items():
        if name.startswith("_") or name == "prefix":
            continue
        if isinstance(member, property):
            found[name] = getattr(keys, name)
        elif inspect.isfunction(member):
            places = {"partition": "N", "digest": "DIGEST", "stream": "messages:partition:N"}
            arguments = [places[p] for p in inspect.signature(member).parameters if p != "self"]
            found[name] = member(keys, *arguments)
    return found


def test_every_key_has_its_row_and_every_row_its_key() -> None:
    """The page lists exactly what keys.py names, groups and consumers too."""
    names = _names_in_code()
    group = names.pop("group")
    assert set(KEY_ROWS) == set(names.values())
    in_groups = [_names(row[0])[0] for row in _rows("Consumer groups and consumers")]
    assert in_groups == [group, consumer_name("ID", "PID")]  # type: ignore[arg-type]


async def test_types_fields_and_lives_are_the_servers(
    valkey: ValkeyServer, redis_settings: RedisSettings
) -> None:
    """Each key that is left after everything was used has its row's type, fields and life."""
    streams = await open_streams(msgspec.structs.replace(redis_settings, partition_count=2))
    await use_everything(streams)
    await resize_once(streams)
    client = valkey.client()
    client.set(
        streams.keys.check(streams.keys.stream(0)), "", px=1000
    )  # as a check of the other levels does
    prefix = redis_settings.prefix
    seen = set()
    for key in [*client.scan_iter(f"{prefix}:*"), *client.scan_iter(f"{{{prefix}*")]:
        name = re.sub(r":\d\b", ":N", key.replace(prefix, "messages"))
        name = re.sub(r"(attempts|dedup|parked):\w+", r"\1:DIGEST", name)
        _, kind, fields, life, _ = KEY_ROWS[name]
        seen.add(name)
        assert TYPES.get(client.type(key), client.type(key)) == kind, key
        allowed = set(_names(fields))
        if kind == "hash":
            found = {_field(name, field) for field in client.hkeys(key)}
            assert found <= allowed | {"a partition's number", "a channel"}
        elif kind == "stream":
            assert all(set(row) <= allowed | {"payload"} for _, row in client.xrange(key))
        expires = client.pttl(key) > 0
        assert expires == life.startswith("expires") or "after a release" in life, key
    assert seen == {name for name, row in KEY_ROWS.items() if row[3] != "never written"}
    await streams.close()


def test_fields_of_the_payload_are_the_wire_formats() -> None:
    """The page lists what a stored message has, in its order."""
    message = Message(
        id="1",
        channel="c",
        partition_id=0,
        user_id="u",
        user_name="u",
        text="t",
        timestamp="2026-01-01T00:00:00.000Z",
        raw="{}",
        client_id="c",
    )
    stored = list(msgspec.json.decode(encode_message(message)))
    assert [n for row in _rows("The `payload` field") for n in _names(row[0])] == stored
