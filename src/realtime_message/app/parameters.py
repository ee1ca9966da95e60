"""What each parameter of a user's function gets, by its annotation and name.

    Message                      the message
    Context                      the delivery in hand
    the name of a resource       what the resource opened
    any other type, once         the client's data as this type (see payloads)

The first parameter is the message if it has no annotation, and so is the second one the context if
it is called `context`, `ctx` or `_…`.
"""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from realtime_message.app.handler import Handler, name_of
from realtime_message.centrifugo.events import ProxyEvent
from realtime_message.context import Context
from realtime_message.errors import AppError
from realtime_message.message import Message

_NONE = inspect.Parameter.empty
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Source(enum.Enum):
    """Where a parameter's value comes from."""

    message = "message"
    context = "context"
    payload = "payload"
    resource = "resource"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that gets a value.

    Attributes:
        name: as the function calls it.
        source: where its value comes from.
        is_positional: whether it is passed by position; all others by name.
        type: for a payload, the type that it wants; for a batch, of each element.
    """

    name: str
    source: Source
    is_positional: bool
    type: Any = None


def read_parameters(handler: Handler, resources: Collection[str]) -> tuple[Parameter, ...]:
    """Return what a handler's parameters get.

    Args:
        handler: the handler.
        resources: the names of the app's resources.

    Raises:
        AppError: a parameter that nothing fits, an annotation that cannot be resolved.
    """
    decorator = "on_message" if handler.batch is None else "on_batch"
    reader = _Reader(handler, f"@app.{decorator} on {handler.name}", resources)
    return tuple(reader.read())


class _Reader:
    def __init__(self, handler: Handler, where: str, resources: Collection[str]) -> None:
        self._function = handler.function
        self._is_batch = handler.batch is not None
        self._where = where
        self._resources = resources
        self._has_payload = False

    def read(self) -> Iterator[Parameter]:
        hints = resolve_annotations(self._function, self._where)
        sources: set[Source] = set()
        is_positional = True
        for place, parameter in enumerate(_parameters(self._function)):
            is_positional = is_positional and parameter.kind in _BY_POSITION
            source, wanted = self._source(place, parameter, hints.get(parameter.name, _NONE))
            if source is not None:
                sources.add(source)
                yield Parameter(parameter.name, source, is_positional, wanted)
            else:
                is_positional = False
        if not sources & {Source.message, Source.payload}:
            wanted = "a list of messages" if self._is_batch else "the message or its payload"
            raise AppError(f"{self._where}: the function must take {wanted}")

    def _source(
        self, place: int, parameter: inspect.Parameter, annotation: Any
    ) -> tuple[Source | None, Any]:
        """Return where a parameter's value comes from; None leaves it at its default."""
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return None, None
        if parameter.name in self._resources:
            return Source.resource, None
        if self._is_batch:
            found = self._batch_content(place, annotation)
        else:
            found = self._content(place, parameter, annotation)
        if found[0] is None and parameter.default is _NONE:
            raise AppError(self._unfit(parameter.name, annotation))
        return found

    def _content(
        self, place: int, parameter: inspect.Parameter, annotation: Any
    ) -> tuple[Source | None, Any]:
        if annotation is Message or (annotation is _NONE and place == 0):
            return Source.message, None
        # Under any other name it is more likely a resource that is missing or mistyped.
        is_context = place == 1 and _is_context_name(parameter.name)
        if annotation is Context or (annotation is _NONE and is_context):
            return Source.context, None
        if annotation is _NONE or parameter.default is not _NONE or self._has_payload:
            return None, None
        if isinstance(annotation, type) and issubclass(annotation, ProxyEvent):
            return None, None  # hooks get those
        self._has_payload = True
        return Source.payload, annotation

    def _batch_content(self, place: int, annotation: Any) -> tuple[Source | None, Any]:
        if place != 0:
            return None, None
        if annotation is _NONE:
            return Source.message, None
        if typing.get_origin(annotation) is not list:
            return None, None
        (element,) = typing.get_args(annotation)
        return (Source.message, None) if element is Message else (Source.payload, element)

    def _unfit(self, name: str, annotation: Any) -> str:
        takes = (
            "first a list of Message or of a payload type, then resources by their names"
            if self._is_batch
            else "Message, Context, one payload type, and resources by their names"
        )
        shown = "" if annotation is _NONE else f": {inspect.formatannotation(annotation)}"
        known = f" (there are {', '.join(sorted(self._resources))})" if self._resources else ""
        advice = ""
        if annotation is _NONE:
            one = f"annotate it (`{name}: Context`) or " if not self._is_batch else ""
            advice = f"; {one}register an `@app.resource` of this name"
        return (
            f'{self._where}: nothing fits the parameter "{name}{shown}"; a handler takes {takes}'
            f"{known}{advice}"
        )


def _is_context_name(name: str) -> bool:
    return name in ("context", "ctx") or name.startswith("_")


def resolve_annotations(function: Callable[..., Any], where: str) -> dict[str, Any]:
    """Return a function's annotations as types.

    Raises:
        AppError: one of them names what its module does not know.
    """
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return typing.get_type_hints(target)
    except NameError as error:
        raise AppError(
            f"{where}: an annotation names {error.name!r}, which the module does not know at run "
            "time; import it outside `if TYPE_CHECKING`"
        ) from None
    except TypeError as error:
        raise AppError(f"{where}: an annotation is no type: {error}") from None


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def resource_parameters(function: Callable[..., Any], resources: Collection[str]) -> list[str]:
    """Return the names of the resources that a resource's function takes.

    Raises:
        AppError: a parameter without a default is no resource.
    """
    names = []
    for parameter in _parameters(function):
        if parameter.name in resources:
            names.append(parameter.name)
        elif parameter.default is _NONE and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise AppError(
                f'@app.resource on {name_of(function)}: the parameter "{parameter.name}" is the '
                "name of no resource"
            )
    return names
