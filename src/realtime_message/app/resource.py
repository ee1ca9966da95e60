"""Resources: what handlers need and a worker opens once, such as a pool of connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime_message.app.handler import name_of
from realtime_message.app.parameters import resource_parameters
from realtime_message.errors import AppError


@dataclass(frozen=True, slots=True)
class Resource:
    """A function that opens something.

    Attributes:
        name: the parameter name by which handlers ask for it; the function's name.
        function: a generator (async or not) that yields the value once and closes it afterwards,
            or a function (async or not) that returns the value.
    """

    name: str
    function: Callable[..., Any]


def in_opening_order(resources: Mapping[str, Resource]) -> list[tuple[Resource, list[str]]]:
    """Return the resources, each after those it takes itself, with the names of those.

    Raises:
        AppError: they take each other in a circle, or something that is no resource.
    """
    takes = {name: resource_parameters(r.function, resources) for name, r in resources.items()}
    order: list[str] = []
    while len(order) < len(resources):
        ready = [n for n in resources if n not in order and set(takes[n]) <= set(order)]
        if not ready:
            circle = next(n for n in resources if n not in order)
            raise AppError(
                f"@app.resource on {name_of(resources[circle].function)}: it takes "
                f"{', '.join(takes[circle])}, and these take it in turn"
            )
        order.extend(ready)
    return [(resources[name], takes[name]) for name in order]
