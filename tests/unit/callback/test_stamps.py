"""Ids are random UUIDs, times are ISO 8601 with milliseconds."""

import re
import time
import uuid
from datetime import UTC, datetime

from realtime_message.callback.stamps import Clock, MessageIds


def test_ids_are_version_4_uuids_and_never_the_same() -> None:
    """More than one batch of them."""
    ids = MessageIds()
    made = [ids.next() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_all_variants_occur() -> None:
    """The two bits beside the variant are random too."""
    ids = MessageIds()
    assert {ids.next()[19] for _ in range(1000)} == set("89ab")


def test_time_is_now_in_utc_with_milliseconds() -> None:
    """The text parses to the time at which it was made."""
    clock = Clock()
    before = time.time()
    text = clock.now()
    after = time.time()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert before - 0.001 <= datetime.fromisoformat(text).timestamp() <= after


def test_the_second_moves_on(monkeypatch) -> None:
    """The remembered part is made anew when the second changes, also backwards."""
    clock = Clock()
    for moment, text in [
        (1_769_860_800.001, "2026-01-31T12:00:00.001Z"),
        (1_769_860_800.999, "2026-01-31T12:00:00.999Z"),
        (1_769_860_801.000, "2026-01-31T12:00:01.000Z"),
        (1_769_860_799.500, "2026-01-31T11:59:59.500Z"),
    ]:
        assert datetime.fromtimestamp(moment, UTC).year == 2026
        monkeypatch.setattr(time, "time_ns", lambda m=moment: round(m * 1000) * 1_000_000)
        assert clock.now() == text
