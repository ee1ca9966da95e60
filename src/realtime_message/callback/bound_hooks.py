"""The hooks of the user's App, ready to be called with an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime_message.app import App, Handler, decoder_of
from realtime_message.app.hook_parameters import read_hook_parameters
from realtime_message.centrifugo.events import WithData
from realtime_message.centrifugo.replies import Code
from realtime_message.errors import Refuse, Reject
from realtime_message.patterns import PatternTable


@dataclass(frozen=True, slots=True)
class BoundHook:
    """A hook that can be called.

    Attributes:
        name: of the user's function, for logs.
        is_async: whether a call returns a coroutine; otherwise it belongs into a thread.
        call: calls it with an event, and with what else it asks for.
    """

    name: str
    is_async: bool
    call: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class BoundHooks:
    """All hooks of an App; those by pattern in tables."""

    connect: BoundHook | None
    refresh: BoundHook | None
    subscribe: PatternTable[BoundHook]
    sub_refresh: PatternTable[BoundHook]
    publish: PatternTable[BoundHook]
    rpc: PatternTable[BoundHook]


def check_hooks(app: App) -> None:
    """Refuse an app whose hooks cannot be called, before anything is opened.

    Raises:
        AppError: a hook asks for what nothing fits.
    """
    bind_hooks(app, dict.fromkeys(app.resources))


def resources_of_hooks(app: App) -> set[str]:
    """Return the names of the resources that hooks take.

    Raises:
        AppError: a hook asks for what nothing fits.
    """
    return {
        name
        for decorator, hook in app.hooks()
        for name in read_hook_parameters(hook, decorator, app.resources).resources
    }


def decorators_of_hooks(app: App) -> set[str]:
    """Return the decorators by which hooks were registered, such as `on_publish`."""
    return {decorator for decorator, _ in app.hooks()}


def bind_hooks(app: App, resources: Mapping[str, Any]) -> BoundHooks:
    """Bind the hooks of an App to what they take.

    Args:
        app: the user's hooks.
        resources: what its resources opened, by name.

    Raises:
        AppError: a hook asks for what nothing fits.
    """
    bound: dict[str, list[tuple[str, BoundHook]]] = {}
    for decorator, hook in app.hooks():
        bound.setdefault(decorator, []).append((hook.pattern, _bind(hook, decorator, resources)))

    def single(decorator: str) -> BoundHook | None:
        return next((hook for _, hook in bound.get(decorator, [])), None)

    return BoundHooks(
        connect=single("on_connect"),
        refresh=single("on_refresh"),
        subscribe=PatternTable(bound.get("on_subscribe", [])),
        sub_refresh=PatternTable(bound.get("on_sub_refresh", [])),
        publish=PatternTable(bound.get("on_publish", [])),
        rpc=PatternTable(bound.get("on_rpc", [])),
    )


def _bind(hook: Handler, decorator: str, resources: Mapping[str, Any]) -> BoundHook:
    takes = read_hook_parameters(hook, decorator, resources)
    function = hook.function
    if not takes.resources and not takes.payloads:
        return BoundHook(hook.name, hook.is_async, function)
    given = {name: resources[name] for name in takes.resources}
    payloads = [
        (name, decoder_of(wanted, f"the hook {hook.name}"))
        for name, wanted in takes.payloads.items()
    ]

    def call(event: WithData) -> Any:
        return function(event, **given, **{name: _decode(event, by) for name, by in payloads})

    return BoundHook(hook.name, hook.is_async, call)


def _decode(event: WithData, decode: Callable[[str], Any]) -> Any:
    """Return the client's data as the type that a hook wants.

    Raises:
        Refuse: they do not fit; the client is told why.
    """
    try:
        return decode(event.data_bytes.decode())
    except (Reject, ValueError, RecursionError) as error:
        raise Refuse(Code.INVALID_PAYLOAD, str(error)) from None
