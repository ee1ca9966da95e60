"""How fast a user and a connection may send: token buckets in this process.

They are not shared with other processes: that would cost a round trip to Redis for each message. A
connection of the gateway stays with one process, but each of a user's messages may take another
one, so with N processes a user may get up to N times the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from realtime_message.centrifugo.replies import Code
from realtime_message.errors import Refuse
from realtime_message.settings import CallbackSettings


class TokenBuckets:
    """One bucket for each key, full at first.

    A bucket is kept as one number, the time at which it will be full again. One that is full need
    not be kept, so keys are forgotten in two generations and their number stays bounded by how many
    send within twice the time that an empty bucket takes to fill.

    Args:
        rate_per_second: how fast a bucket fills.
        burst: how many tokens it holds.
        clock: monotonic seconds.
    """

    def __init__(
        self, rate_per_second: float, burst: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._seconds_per_token = 1 / rate_per_second
        self._seconds_to_fill = burst / rate_per_second
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._older: dict[str, float] = {}
        self._rotate_at = clock() + self._seconds_to_fill

    def __len__(self) -> int:
        return len(self._full_at) + len(self._older)

    def take(self, key: str) -> bool:
        """Take a token from a key's bucket; False if there is none."""
        now = self._clock()
        if now >= self._rotate_at:
            self._rotate(now)
        full_at = self._full_at.get(key)
        if full_at is None:
            full_at = self._older.get(key, now)
        full_at = max(full_at, now) + self._seconds_per_token
        if full_at - now > self._seconds_to_fill + 1e-9:
            return False
        self._full_at[key] = full_at
        return True

    def _rotate(self, now: float) -> None:
        """Forget buckets that have been full for a while."""
        is_overdue = now >= self._rotate_at + self._seconds_to_fill
        self._older = {} if is_overdue else self._full_at
        self._full_at = {}
        self._rotate_at = now + self._seconds_to_fill


class RateLimits:
    """The limits that are set.

    Args:
        settings: the rates and bursts; a rate of 0 sets no limit.
    """

    def __init__(self, settings: CallbackSettings) -> None:
        self._users = _buckets(settings.user_rate_per_second, settings.user_burst)
        self._clients = _buckets(settings.connection_rate_per_second, settings.connection_burst)

    def check(self, user: str, client: str) -> None:
        """Count a message of a user on a connection; anonymous users share no bucket.

        Raises:
            Refuse: it is one too many; the client may try again later.
        """
        if self._clients is not None and not self._clients.take(client):
            raise _refusal("this connection")
        if self._users is not None and user and not self._users.take(user):
            raise _refusal("you")


def _buckets(rate_per_second: float, burst: int) -> TokenBuckets | None:
    return TokenBuckets(rate_per_second, burst) if rate_per_second else None


def _refusal(who: str) -> Refuse:
    verb = "send" if who == "you" else "sends"
    return Refuse(Code.RATE_LIMITED, f"{who} {verb} too many messages; try later", temporary=True)
