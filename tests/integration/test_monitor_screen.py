"""The monitor's screen on a real server: what a worker does is seen."""

from __future__ import annotations

from realtime_message.console.overview import OverviewTaker
from realtime_message.console.overview_keeper import OverviewKeeper
from realtime_message.console.terminal.lookout import Lookout
from realtime_message.console.terminal.monitor_app import MonitorApp
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from support.eventually import eventually


async def test_work_of_a_worker_is_seen(redis_settings: RedisSettings) -> None:
    """Messages come, are read, one becomes a dead letter, the rest is handled."""
    streams = await open_streams(redis_settings)
    lookout = Lookout(OverviewTaker(streams).take, streams.dead_letters.list_newest)
    keeper = OverviewKeeper(lookout.take, streams.where)
    await keeper.look()
    app = MonitorApp(keeper, lookout, lambda _: [], streams.where, refresh_seconds=0.1)

    async def seen(*parts: str) -> bool:
        strips = app.screen._compositor.render_strips()
        text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
        return all(part in text for part in parts)

    async with app.run_test(size=(120, 24)) as pilot:
        await eventually(lambda: seen("no worker is running", "        0        0       0"))
        appender = await streams.appender()
        for number in range(3):
            await appender.append(0, b'{"id": "m%d", "channel": "room:1"}' % number)
        await eventually(lambda: seen("        0        3       3        0"))
        await streams.members.heartbeat("ada", 60)
        lease = await streams.leases.acquire(0, "ada", 60)
        assert lease is not None
        reader = streams.reader(lease, "worker-ada-1")
        first, *rest = await reader.cycle([], 10)
        await eventually(lambda: seen("        0        3       0        3", "ada     yes    0"))
        await reader.bury(first, reason="ValueError: no", error="e", attempts=5)
        await reader.cycle([entry.id for entry in rest], 10)
        await eventually(lambda: seen("        0        3       0        0     1"))
        await pilot.press("d")
        await eventually(lambda: seen("room:1", "ValueError: no"))
    await reader.close()
    await streams.close()
