"""Opens an app's resources when a process starts, and closes them when it has stopped."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from realtime_message.app.app import App
from realtime_message.app.resource import Resource, in_opening_order
from realtime_message.errors import RealtimeMessageError, StartupError
from realtime_message.telemetry.logs import get_logger

log = get_logger("app.resources")


@contextlib.asynccontextmanager
async def open_resources(
    app: App,
    wanted: Collection[str] | None = None,
    replaced: Mapping[str, Any] | None = None,
) -> AsyncIterator[Mapping[str, Any]]:
    """Open the resources, each after those it takes; close them in the opposite order.

    Args:
        app: whose.
        wanted: names of those that are needed, others only if these take them; None for all.
        replaced: given instead of what some of them would open, by name; not closed.

    Raises:
        StartupError: one of them could not be opened; those that were are closed.
    """
    opened: dict[str, Any] = dict(replaced or {})
    order = _needed(in_opening_order(app.resources), wanted, opened)
    failure: BaseException | None = None
    async with contextlib.AsyncExitStack() as stack:
        # The generators see an ordinary end, whatever ended the process or its start.
        try:
            for resource, takes in order:
                given = {name: opened[name] for name in takes}
                opened[resource.name] = await _open(resource, given, stack)
                log.info("resource.opened", resource=resource.name)
            yield opened
        except BaseException as error:  # noqa: BLE001 - raised again below
            failure = error
    if failure is not None:
        raise failure


def _needed(
    order: list[tuple[Resource, list[str]]],
    wanted: Collection[str] | None,
    replaced: Collection[str],
) -> list[tuple[Resource, list[str]]]:
    if wanted is None:
        return [(resource, takes) for resource, takes in order if resource.name not in replaced]
    names = set(wanted)
    for resource, takes in reversed(order):
        if resource.name in names and resource.name not in replaced:
            names.update(takes)
    names.difference_update(replaced)
    return [(resource, takes) for resource, takes in order if resource.name in names]


async def _open(
    resource: Resource, given: Mapping[str, Any], stack: contextlib.AsyncExitStack
) -> Any:
    function = resource.function
    try:
        if inspect.isasyncgenfunction(function):
            manager = contextlib.asynccontextmanager(function)(**given)
            return await stack.enter_async_context(manager)
        if inspect.isgeneratorfunction(function):
            return stack.enter_context(contextlib.contextmanager(function)(**given))
        value = function(**given)
        return await value if inspect.isawaitable(value) else value
    except RealtimeMessageError:
        raise
    except Exception as error:
        raise StartupError(
            f'the resource "{resource.name}" could not be opened: {type(error).__name__}: {error}'
        ) from error
