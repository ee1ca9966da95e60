"""Nobody gets more than his share, and a share is not lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_message.callback.rate_limits import RateLimits, TokenBuckets
from realtime_message.errors import Refuse
from realtime_message.settings import CallbackSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_the_rate() -> None:
    """The bucket is full at first, and fills at its rate."""
    clock = Clock()
    buckets = TokenBuckets(10, 5, clock)
    assert [buckets.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    clock.now += 0.1
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    clock.now += 100
    assert [buckets.take("a") for _ in range(6)] == [True] * 5 + [False]


def test_keys_have_buckets_of_their_own() -> None:
    """One who sends too much takes nothing from another."""
    buckets = TokenBuckets(1, 1, Clock())
    assert [buckets.take(key) for key in "aab"] == [True, False, True]


def test_keys_are_forgotten() -> None:
    """Users come and go by the million."""
    clock = Clock()
    buckets = TokenBuckets(10, 10, clock)
    for number in range(50_000):
        buckets.take(str(number))
        clock.now += 0.001
    assert len(buckets) <= 2_100


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), max_size=60),
    rate=st.sampled_from([0.5, 1.0, 7.0, 100.0]),
    burst=st.integers(1, 20),
)
def test_within_any_time_no_more_than_burst_and_rate(steps, rate, burst) -> None:
    """For any pattern of sending, compared with a bucket that is counted in the plain way."""
    clock = Clock()
    buckets = TokenBuckets(rate, burst, clock)
    tokens, at = float(burst), clock.now
    for pause, count in steps:
        clock.now += pause
        for _ in range(count):
            tokens = min(burst, tokens + (clock.now - at) * rate)
            at = clock.now
            is_taken = buckets.take("a")
            if abs(tokens - 1) > 1e-6:  # at the very edge, either is right
                assert is_taken is (tokens >= 1)
            if is_taken:
                tokens -= 1


def check(limits: RateLimits, user: str, client: str) -> bool:
    try:
        limits.check(user, client)
    except Refuse as refusal:
        return (refusal.code, refusal.temporary) != (429, True)
    return True


def test_users_and_connections_have_limits() -> None:
    """A user's connections share the user's, and each has its own."""
    limits = RateLimits(
        CallbackSettings(
            user_rate_per_second=0.001,
            user_burst=3,
            connection_rate_per_second=0.001,
            connection_burst=2,
        )
    )
    assert [check(limits, "u", "c1") for _ in range(3)] == [True, True, False]
    assert [check(limits, "u", "c2") for _ in range(2)] == [True, False]
    assert check(limits, "other", "c3")


def test_anonymous_users_share_no_limit() -> None:
    """They all have the empty id; each connection has its limit."""
    limits = RateLimits(CallbackSettings(user_rate_per_second=0.001, user_burst=1))
    assert all(check(limits, "", f"c{n}") for n in range(5))
    limits = RateLimits(CallbackSettings(connection_rate_per_second=0.001, connection_burst=1))
    assert [check(limits, "", client) for client in ("a", "a", "b")] == [True, False, True]


@pytest.mark.parametrize("user", ["", "u"])
def test_no_limit_by_default(user) -> None:
    """A rate of 0 counts nothing."""
    limits = RateLimits(CallbackSettings())
    assert all(check(limits, user, "c") for _ in range(10_000))
