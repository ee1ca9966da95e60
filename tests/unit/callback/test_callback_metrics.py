"""The numbers add up, over processes and over their deaths."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from realtime_message.centrifugo.events import EventKind
from realtime_message.centrifugo.replies import Code
from realtime_message.telemetry.callback_metrics import LATENCY_BOUNDS, MetricsBlock, Outcome


def make_block(process_count: int = 1) -> MetricsBlock:
    return MetricsBlock(tuple(EventKind), tuple(Code), process_count)


def samples(block: MetricsBlock) -> dict[tuple[str, ...], float]:
    """What Prometheus reads: name and sorted label values → value."""
    registry = CollectorRegistry()
    registry.register(block)
    text = generate_latest(registry).decode()
    return {
        (sample.name, *(sample.labels[k] for k in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_is_there_from_the_start() -> None:
    """A counter that appears with its first event would hide the first event."""
    found = samples(make_block())
    for event in EventKind:
        assert found[("rtm_callback_received_total", event)] == 0
        assert found[("rtm_callback_in_flight", event)] == 0
        for outcome in Outcome:
            assert found[("rtm_callback_answered_total", event, outcome)] == 0
        assert found[("rtm_callback_duration_seconds_count", event)] == 0
    for code in Code:
        assert found[("rtm_callback_errors_total", str(code.value))] == 0
    assert found[("rtm_callback_errors_total", "other")] == 0
    assert found[("rtm_callback_unauthenticated_total",)] == 0


def test_counts_land_where_they_belong() -> None:
    """Each event, outcome and code has its own counter."""
    block = make_block()
    part = block.part()
    wanted = {}
    for e, event in enumerate(EventKind):
        for o, outcome in enumerate(Outcome):
            for _ in range(e * 10 + o):
                part.received(event)
                part.answered(event, outcome, 0.0)
            wanted[("rtm_callback_answered_total", event, outcome)] = e * 10 + o
    for c, code in enumerate(Code):
        for _ in range(c):
            part.error(code)
        wanted[("rtm_callback_errors_total", str(code.value))] = c
    part.error(1234)
    wanted[("rtm_callback_errors_total", "other")] = 1
    found = samples(block)
    assert {key: found[key] for key in wanted} == wanted


def test_latencies_fall_into_buckets() -> None:
    """A bound belongs to its bucket, and what is beyond the last one to +Inf."""
    block = make_block()
    for seconds in (0.0, 0.0005, 0.0006, 0.9, 1.0, 7.5):
        block.part().answered(EventKind.publish, Outcome.appended, seconds)
    found = samples(block)

    def bucket(bound: str) -> float:
        return found[("rtm_callback_duration_seconds_bucket", "publish", bound)]

    assert [bucket(str(b)) for b in LATENCY_BOUNDS] == [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5]
    assert bucket("+Inf") == 6
    assert found[("rtm_callback_duration_seconds_count", "publish")] == 6
    assert abs(found[("rtm_callback_duration_seconds_sum", "publish")] - 9.4011) < 1e-3


def test_processes_are_added_up() -> None:
    """Whoever is asked answers for all."""
    block = make_block(3)
    for process in range(3):
        for _ in range(process + 1):
            block.part(process).received(EventKind.publish)
    block.part(1).answered(EventKind.publish, Outcome.appended, 0.1)
    assert block.outcomes(EventKind.publish)["received"] == 6
    assert block.outcomes(EventKind.publish)["in_flight"] == 5
    assert samples(block)[("rtm_callback_in_flight", "publish")] == 5


def test_what_a_dead_process_left_is_settled_as_failed() -> None:
    """The identity holds again when its successor starts, and others are not touched."""
    block = make_block(2)
    for process in (0, 1):
        for _ in range(3):
            block.part(process).received(EventKind.publish)
        block.part(process).answered(EventKind.publish, Outcome.appended, 0.1)
    block.part(0).received(EventKind.connect)
    block.part(0).settle()
    assert block.outcomes(EventKind.publish) == {
        "received": 6,
        "appended": 2,
        "duplicate": 0,
        "accepted": 0,
        "rejected": 0,
        "failed": 2,
        "in_flight": 2,
    }
    assert block.outcomes(EventKind.connect)["failed"] == 1
