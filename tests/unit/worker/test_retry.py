"""What follows an attempt: pure decisions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.errors import Reject, Retry, Skip
from realtime_message.telemetry.worker_metrics import Outcome
from realtime_message.worker.retry import RetryPolicy

POLICY = RetryPolicy(max_attempts=5, initial_seconds=0.2, max_seconds=30.0)


def test_skip_is_done_and_counted_apart() -> None:
    """Skip acknowledges."""
    assert POLICY.decide(Skip(), 1, 0.5).outcome is Outcome.skip


def test_reject_is_a_dead_letter_at_once() -> None:
    """Reject burns no attempts and keeps the reason."""
    decision = POLICY.decide(Reject("no such order"), 1, 0.5)
    assert (decision.outcome, decision.reason) == (Outcome.dead_letter, "no such order")


def test_failure_is_tried_again_with_its_cause_kept() -> None:
    """An exception means another attempt; type, text and traceback go along."""
    with pytest.raises(ValueError, match="two") as raised:
        int("two\nlines")
    decision = POLICY.decide(raised.value, 1, 1.0)
    assert decision.outcome is Outcome.retry
    assert decision.reason.startswith("ValueError: invalid literal")
    assert "\n" not in decision.reason
    assert decision.error.startswith("Traceback")
    assert decision.delay_seconds == 0.2


def test_last_attempt_becomes_a_dead_letter() -> None:
    """The attempts are limited, whatever is raised."""
    for error in (ValueError("x"), Retry(), Retry(after_seconds=9)):
        decision = POLICY.decide(error, 5, 0.5)
        assert decision.outcome is Outcome.dead_letter
        assert "attempt 5 of 5" in decision.reason


def test_retry_chooses_its_own_delay() -> None:
    """Retry(after_seconds) is taken as it is, without jitter; a negative one is now."""
    assert POLICY.decide(Retry(after_seconds=7.5), 1, 0.1).delay_seconds == 7.5
    assert POLICY.decide(Retry(after_seconds=-1), 1, 0.1).delay_seconds == 0.0


def test_long_texts_are_cut() -> None:
    """A dead letter stays small however long the error's text is."""
    decision = POLICY.decide(ValueError("x" * 100_000), 5, 0.5)
    assert len(decision.reason) < 400
    assert len(decision.error) <= 4000


@pytest.mark.parametrize(("attempts", "expected"), [(4, False), (5, True), (6, True)])
def test_attempts_run_out(attempts: int, expected: bool) -> None:
    """A message that was handed out max_attempts times gets no further attempt."""
    assert POLICY.is_exhausted(attempts) is expected


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.floats(0, 1),
    st.floats(0, 100),
    st.floats(0, 1000),
)
def test_delay_stays_within_its_step(
    attempt: int, jitter: float, initial: float, maximum: float
) -> None:
    """Each wait lies between half of its step and the whole, and never over the longest."""
    policy = RetryPolicy(10**7, initial, maximum)
    delay = policy.decide(ValueError(), attempt, jitter).delay_seconds
    step = min(maximum, initial * 2.0 ** min(attempt - 1, 63))
    assert step / 2 <= delay <= step <= maximum


@pytest.mark.parametrize(
    ("max_attempts", "first_late"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (100, 99)]
)
def test_late_attempts_are_the_last_two(max_attempts: int, first_late: int) -> None:
    """Where there are several, the first is never late."""
    policy = RetryPolicy(max_attempts, 0.1, 1)
    late = [attempt for attempt in range(1, max_attempts + 1) if policy.is_late(attempt)]
    assert late[0] == first_late
