"""A hook that fails again and again: every failure in the log, its traceback now and then."""

from structlog.testing import capture_logs

from realtime_message.callback.hook_failures import HookFailures


def test_traceback_comes_at_the_first_failure_and_once_a_minute() -> None:
    """In between a line has the error; how many there were is told with the next traceback."""
    now = [0.0]
    failures = HookFailures(lambda: now[0])
    with capture_logs() as logs:
        for second in (0, 1, 59, 60, 61):
            now[0] = float(second)
            failures.tell("shop.permit", ValueError("no such room"), request_id=str(second))
    assert {line["event"] for line in logs} == {"hook.failed"}
    assert [line["request_id"] for line in logs] == ["0", "1", "59", "60", "61"]
    assert [isinstance(line.get("exc_info"), ValueError) for line in logs] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert logs[1]["error"] == "ValueError: no such room"
    assert logs[3]["failures_since_last_traceback"] == 2
    assert "failures_since_last_traceback" not in logs[0]


def test_another_fault_and_another_hook_have_their_own_tracebacks() -> None:
    """What is new is never hidden behind what is known."""
    failures = HookFailures(lambda: 0.0)
    with capture_logs() as logs:
        for hook, error in (
            ("a", ValueError()),
            ("a", KeyError("x")),
            ("b", ValueError()),
            ("a", ValueError()),
        ):
            failures.tell(hook, error)
    assert ["exc_info" in line for line in logs] == [True, True, True, False]
