"""Opens an app's resources before the first message and closes them after the last."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Mapping
from typing import Any

from realtime_message.app import App, Resource, in_opening_order
from realtime_message.errors import RealtimeMessageError, StartupError
from realtime_message.telemetry.logs import get_logger

log = get_logger("worker.resources")


@contextlib.asynccontextmanager
async def open_resources(app: App) -> AsyncIterator[Mapping[str, Any]]:
    """Open the resources, each after those it takes; close them in the opposite order.

    Raises:
        StartupError: one of them could not be opened; those that were are closed.
    """
    order = in_opening_order(app.resources)
    opened: dict[str, Any] = {}
    failure: BaseException | None = None
    async with contextlib.AsyncExitStack() as stack:
        # The generators see an ordinary end, whatever ended the worker or its start.
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
