"""What each parameter of a hook gets: the event first, then by annotation and name.

the first parameter          the event
the name of a resource       what the resource opened
any other type, once         the client's data as this type (see payloads)
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from realtime_message.app.handler import Handler
from realtime_message.app.parameters import resolve_annotations
from realtime_message.centrifugo.events import (
    ConnectEvent,
    ProxyEvent,
    PublishEvent,
    RefreshEvent,
    RpcEvent,
    SubRefreshEvent,
    SubscribeEvent,
)
from realtime_message.errors import AppError
from realtime_message.message import Message

_NONE = inspect.Parameter.empty
_EVENTS: dict[str, type[ProxyEvent]] = {
    "on_connect": ConnectEvent,
    "on_refresh": RefreshEvent,
    "on_subscribe": SubscribeEvent,
    "on_sub_refresh": SubRefreshEvent,
    "on_publish": PublishEvent,
    "on_rpc": RpcEvent,
}


@dataclass(frozen=True, slots=True)
class HookParameters:
    """What a hook takes beside the event, each by the parameter's name.

    Attributes:
        resources: names of resources.
        payloads: types of the client's data; one at most.
    """

    resources: tuple[str, ...] = ()
    payloads: dict[str, Any] = field(default_factory=dict)


def read_hook_parameters(
    hook: Handler, decorator: str, resources: Collection[str]
) -> HookParameters:
    """Return what a hook's parameters get.

    Args:
        hook: the hook.
        decorator: how it was registered, such as `on_publish`.
        resources: the names of the app's resources.

    Raises:
        AppError: a parameter that nothing fits, an annotation that cannot be resolved, or the
            event of another hook.
    """
    where = f"@app.{decorator} on {hook.name}"
    hints = resolve_annotations(hook.function, where)
    taken: list[str] = []
    payloads: dict[str, Any] = {}
    first, *others = inspect.signature(hook.function).parameters.values()
    _check_event(hints.get(first.name), decorator, where)
    for parameter in others:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise AppError(f'{where}: the parameter "{parameter.name}" cannot be given by its name')
        if parameter.name in resources:
            taken.append(parameter.name)
        elif parameter.name in hints and parameter.default is _NONE and not payloads:
            payloads[parameter.name] = hints[parameter.name]
        elif parameter.default is _NONE:
            known = f" (there are {', '.join(sorted(resources))})" if resources else ""
            raise AppError(
                f'{where}: nothing fits the parameter "{parameter.name}"; a hook takes the event, '
                f"one payload type, and resources by their names{known}"
            )
    return HookParameters(tuple(taken), payloads)


def _check_event(annotation: Any, decorator: str, where: str) -> None:
    event = _EVENTS[decorator]
    is_ours = isinstance(annotation, type) and issubclass(annotation, ProxyEvent | Message)
    if is_ours and not issubclass(event, annotation):
        raise AppError(
            f"{where}: it gets a {event.__name__}, not a {annotation.__name__}: annotate the event "
            "with that, or use the decorator of the other"
        )
