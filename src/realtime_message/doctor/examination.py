"""All checks, each with a time-out of its own; without Redis those that need it are left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from realtime_message.doctor.accounts import review_accounts
from realtime_message.doctor.findings import SEVERITIES, Finding, error
from realtime_message.doctor.gateway_file import review_gateway_file
from realtime_message.doctor.layout import review_layout
from realtime_message.doctor.limits import review_limits
from realtime_message.doctor.outside import review_callback, review_gateway
from realtime_message.doctor.partition_work import Work, review_work
from realtime_message.doctor.secret_strength import review_secrets
from realtime_message.doctor.server import review_servers
from realtime_message.doctor.spread import review_spread
from realtime_message.doctor.time_outs import review_time_outs
from realtime_message.errors import ConfigurationError, RealtimeMessageError, StreamsError
from realtime_message.key_sets import check_token_keys
from realtime_message.settings import LoadedSettings, check_settings
from realtime_message.streams import Streams
from realtime_message.streams.server_errors import LoginRefusedError

#: For one check; the slowest measures rates for a second.
CHECK_SECONDS = 8.0

#: For how long rates are measured.
MEASURE_SECONDS = 1.0

#: Every check, in the order in which they are shown.
CHECKS = (
    "settings",
    "gateway configuration",
    "redis",
    "layout",
    "partitions",
    "numbers",
    "spread",
    "callback",
    "gateway",
)

Outcome = Literal["done", "failed", "left out"]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One check that was made.

    Attributes:
        check: its name.
        outcome: whether it came to its end.
        took_seconds: how long it took.
        findings: what it found, the worst first.
    """

    check: str
    outcome: Outcome
    took_seconds: float
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Question:
    """What the doctor is asked about.

    Attributes:
        loaded: the settings.
        stop_grace_seconds: between SIGTERM and SIGKILL; None if nobody said.
        centrifugo_file: the operator's own configuration; None for the generated one.
        without: checks that are not made.
    """

    loaded: LoadedSettings
    stop_grace_seconds: float | None
    centrifugo_file: Path | None
    without: frozenset[str] = frozenset()


@dataclass(slots=True)
class Examination:
    """Runs the checks.

    Args:
        question: what is asked about.
    """

    question: Question
    checked: list[Checked] = field(default_factory=list)

    async def run(self) -> list[Checked]:
        """Return what each check found; checks that do not wait for each other run at once."""
        settings = self.question.loaded.settings
        await asyncio.gather(
            self._check("settings", self._settings),
            self._check("gateway configuration", self._file),
            self._check("callback", lambda: review_callback(settings)),
            self._check("gateway", lambda: review_gateway(settings)),
            self._redis(),
        )
        return sorted(self.checked, key=lambda checked: CHECKS.index(checked.check))

    async def _redis(self) -> None:
        if "redis" in self.question.without:
            return
        try:
            streams = Streams(self.question.loaded.settings.redis)
        except RealtimeMessageError as failure:
            finding = error(str(failure), "nothing works without Redis", "correct redis.url")
            self.checked.append(
                Checked(check="redis", outcome="failed", took_seconds=0.0, findings=[finding])
            )
            return
        try:
            reachable = await self._check("redis", lambda: self._servers(streams))
            rest = {
                "layout": self._layout,
                "partitions": self._work,
                "numbers": self._accounts,
                "spread": self._spread,
            }
            if not reachable:
                self.checked += [
                    Checked(check=name, outcome="left out", took_seconds=0.0, findings=[])
                    for name in rest
                ]
                return
            for name, check in rest.items():
                await self._check(name, lambda check=check: check(streams))  # type: ignore[misc]
        finally:
            await streams.close()

    async def _check(self, name: str, run: Callable[[], AsyncIterator[Finding]]) -> bool:
        """Run one check; False if it did not come to its end."""
        if name in self.question.without:
            return True
        begin = time.monotonic()
        findings: list[Finding] = []
        outcome: Outcome = "failed"
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                findings += [finding async for finding in run()]
            outcome = "done"
        except TimeoutError:
            findings.append(
                error(
                    f"the check of {name} did not end within {CHECK_SECONDS:g} s",
                    "what it asks does not answer, or answers too slowly",
                    "look at the machine and the network in between",
                )
            )
        except StreamsError as failure:
            findings.append(_redis_failure(failure))
        except RealtimeMessageError as failure:
            findings.append(error(str(failure), "processes with these settings do not start", ""))
        findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
        took = round(time.monotonic() - begin, 3)
        self.checked.append(
            Checked(check=name, outcome=outcome, took_seconds=took, findings=findings)
        )
        return outcome == "done"

    async def _settings(self) -> AsyncIterator[Finding]:
        loaded = self.question.loaded
        try:
            check_settings(loaded)
            check_token_keys(loaded.settings)
        except ConfigurationError as failure:
            yield error(
                str(failure), "processes with these settings do not start", "rtm config check"
            )
        for finding in review_secrets(loaded):
            yield finding
        for finding in review_time_outs(loaded.settings, self.question.stop_grace_seconds):
            yield finding

    async def _file(self) -> AsyncIterator[Finding]:
        question = self.question
        for finding in review_gateway_file(question.centrifugo_file, question.loaded):
            yield finding

    async def _servers(self, streams: Streams) -> AsyncIterator[Finding]:
        states = await streams.servers.states()
        for finding in review_servers(states, self.question.loaded.settings):
            yield finding
        await streams.check_server()

    async def _layout(self, streams: Streams) -> AsyncIterator[Finding]:
        await streams.layout.compare()
        for finding in review_layout(streams.layout.view, streams.settings):
            yield finding

    async def _work(self, streams: Streams) -> AsyncIterator[Finding]:
        work = Work(
            keys=streams.keys,
            flows=await streams.flow.measure(MEASURE_SECONDS),
            partitions=await streams.inspect.partitions(),
            members=await streams.inspect.members(),
            parked=await streams.parked_channels.list_all(),
            registered_groups=self.question.loaded.settings.worker.registered_groups,
        )
        memory = await streams.inspect.memory()
        for finding in review_limits(work.partitions, memory.share, streams.settings):
            yield finding
        for finding in review_work(work):
            yield finding

    async def _accounts(self, streams: Streams) -> AsyncIterator[Finding]:
        findings = await self._account(streams)
        if any(finding.severity == "error" for finding in findings):
            # The counters are not read in one step: only what is wrong twice is wrong.
            findings = await self._account(streams)
        for finding in findings:
            yield finding

    async def _account(self, streams: Streams) -> list[Finding]:
        counts = await streams.flow.counts()
        dead = [view.dead_letters for view in await streams.inspect.partitions()]
        aside = sum(parked.entry_count for parked in await streams.parked_channels.list_all())
        return list(review_accounts(counts, dead, aside))

    async def _spread(self, streams: Streams) -> AsyncIterator[Finding]:
        for finding in review_spread(await streams.inspect.spread()):
            yield finding


def _redis_failure(failure: StreamsError) -> Finding:
    if isinstance(failure, LoginRefusedError):
        fix = "correct user and password in redis.url (REDIS_URL), redis://user:password@host:port"
    else:
        fix = "start it, or correct redis.url (REDIS_URL); rtm config show redis"
    return error(str(failure), "publishes get temporary errors, and workers stand still", fix)
