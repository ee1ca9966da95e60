"""The container's log: text with a prefix, or one JSON object a line."""

import io
import json

from realtime_message.stack.container.part_lines import open_log

CENTRIFUGO_LINE = (
    '{"level":"info","endpoint":"http://127.0.0.1:3000/centrifugo/connect",'
    '"time":"2026-11-24T11:20:16Z","message":"connect proxy enabled"}'
)


def test_text_lines_carry_the_part_before_them():
    """Each line says who wrote it."""
    stream = io.StringIO()
    log = open_log("text", stream)
    log.line("callback", "12:00:00.000 callback.ready url=http://0.0.0.0:3000")
    log.say("ending gateway")
    first, second = stream.getvalue().splitlines()
    assert first == "callback │ 12:00:00.000 callback.ready url=http://0.0.0.0:3000"
    assert second.startswith("rtm      │ ")
    assert second.endswith(" ending gateway")


def test_text_shows_what_centrifugo_wrote_as_json_in_one_short_line():
    """People get time, message and fields; a level only where it is not info."""
    stream = io.StringIO()
    log = open_log("text", stream)
    log.line("gateway", CENTRIFUGO_LINE)
    log.line("gateway", CENTRIFUGO_LINE.replace('"info"', '"error"'))
    info, error = stream.getvalue().splitlines()
    end = "connect proxy enabled endpoint=http://127.0.0.1:3000/centrifugo/connect"
    assert info == f"gateway  │ 11:20:16 {end}"
    assert error == f"gateway  │ 11:20:16 error {end}"


def test_json_adds_the_part_to_objects_and_wraps_everything_else():
    """Every line is an object with a source, whatever a part wrote."""
    stream = io.StringIO()
    log = open_log("json", stream)
    written = [CENTRIFUGO_LINE, "panic: runtime error", "{not json", "[1, 2]", ""]
    for line in written:
        log.line("gateway", line)
    log.say("ending gateway")
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry.pop("source") for entry in entries] == ["gateway"] * 5 + ["rtm"]
    assert entries[0] == json.loads(CENTRIFUGO_LINE)
    assert [entry["message"] for entry in entries[1:]] == [*written[1:], "ending gateway"]


def test_what_a_part_wrote_is_not_changed_by_looking_at_it():
    """A line that only begins like an object stays as it is in text."""
    stream = io.StringIO()
    open_log("text", stream).line("gateway", '{"half":')
    assert stream.getvalue() == 'gateway  │ {"half":\n'
