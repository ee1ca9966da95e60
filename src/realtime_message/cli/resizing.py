"""What `rtm partitions resize` prints, and the exit codes it ends with."""

from __future__ import annotations

import typer

from realtime_message.cli.output import print_json
from realtime_message.cli.streams_access import look
from realtime_message.errors import EXIT_FAILED
from realtime_message.partitions import shown_partitions
from realtime_message.settings import LoadedSettings
from realtime_message.streams import Streams
from realtime_message.streams.layout_view import LayoutView, resize_sentence
from realtime_message.streams.resize_plan import ResizePlan
from realtime_message.streams.resize_run import Progress, ResizeRun


def run_plan(loaded: LoadedSettings, count: int, *, as_json: bool) -> None:
    """Print what a resize would do; exit code 1 if it would be refused."""

    async def view(streams: Streams) -> ResizePlan:
        return await streams.planner.plan(await streams.layout.read(), count)

    plan = look(loaded, view)
    if as_json:
        print_json(plan)
    else:
        _print_plan(plan)
    if plan.refusals:
        raise typer.Exit(EXIT_FAILED)


def run_resize(loaded: LoadedSettings, count: int, wait_seconds: float, *, as_json: bool) -> None:
    """Resize and wait for the workers."""

    def tell(progress: Progress) -> None:
        if not as_json:
            print(_sentence(progress), flush=True)

    async def run(streams: Streams) -> LayoutView:
        resize = ResizeRun(streams.resizer, streams.planner, tell)
        return await resize.wait(await resize.switch(count), wait_seconds)

    layout = look(loaded, run)
    _print_end(layout, as_json=as_json)


def run_undo(loaded: LoadedSettings, *, as_json: bool) -> None:
    """Give a resize up."""

    async def run(streams: Streams) -> LayoutView:
        return await ResizeRun(streams.resizer, streams.planner, lambda _: None).undo()

    _print_end(look(loaded, run), as_json=as_json)


def _sentence(progress: Progress) -> str:
    if progress.waiting_for:
        named = shown_partitions(progress.waiting_for, ", ")
        return f"waiting for the older messages of partition {named}"
    if progress.paused_seconds:
        count = progress.partition_count
        in_use = "partition is in use" if count == 1 else "partitions are in use"
        return (
            f"{count} {in_use}; publishers waited {progress.paused_seconds * 1000:.0f} ms at most"
        )
    return "all older messages are handled"


def _print_end(layout: LayoutView, *, as_json: bool) -> None:
    if as_json:
        print_json(layout)
    elif layout.is_stable:
        count = layout.partition_count
        there = "is 1 partition" if count == 1 else f"are {count} partitions"
        print(f"there {there}; set redis.partition_count to it")
    else:
        print(f"{resize_sentence(layout)}; `rtm partitions list` shows when that is over")


def _print_plan(plan: ResizePlan) -> None:
    print(f"partitions: {plan.partition_count} now, {plan.target_count} then")
    if plan.is_under_way:
        print("it was begun before, and is carried on")
    print(f"about {plan.moving_share:.0%} of the channels get another partition")
    print(f"streams added: {_listed(plan.added)}")
    print(f"streams no longer used (they and their dead letters stay): {_listed(plan.dropped)}")
    print(f"messages to be handled before any that is published afterwards: {plan.unhandled}")
    print(f"publishing connections: {plan.publishers}; workers: {plan.workers}")
    for text in plan.advice:
        print(f"note: {text}")
    for text in plan.refusals:
        print(f"cannot be done: {text}")


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
