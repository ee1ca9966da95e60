"""The client's data as the type that a handler asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import msgspec.inspect

from realtime_message.errors import AppError, Reject
from realtime_message.message import UNDECODABLE


def decoder_of(wanted: Any, where: str) -> Callable[[str], Any]:
    """Return a function from the data's JSON to a value of a type.

    msgspec Structs, dataclasses, TypedDicts, NamedTuples, attrs classes, dict, list and unions of
    them are decoded by msgspec. A pydantic model decodes itself; pydantic is not imported here.

    The function raises Reject, so that data that does not fit become a dead letter with the reason
    and no retries.

    Args:
        wanted: the type.
        where: which handler, for the text of an error.

    Raises:
        AppError: no JSON can be decoded to this type.
    """
    name = getattr(wanted, "__name__", str(wanted))
    if hasattr(wanted, "model_validate_json"):
        return _by_model(wanted, name)
    try:
        foreign = _foreign_class(msgspec.inspect.type_info(wanted), set())
        decoder = msgspec.json.Decoder(wanted)
    except (TypeError, NotImplementedError) as error:
        raise AppError(f"{where}: a payload cannot be decoded as {name}: {error}") from None
    if foreign is not None or wanted is object:
        raise AppError(
            f"{where}: a payload cannot be decoded as {foreign or name}; if that is a resource, "
            "declare one with @app.resource under the parameter's name"
        )

    def decode(raw: str) -> Any:
        try:
            return decoder.decode(raw)
        except UNDECODABLE as error:
            raise Reject(f"the payload does not fit {name}: {error}") from None

    return decode


def _foreign_class(info: Any, seen: set[int]) -> str | None:
    """Return the first class within a type that JSON cannot become, if there is one."""
    if isinstance(info, msgspec.inspect.CustomType):
        return str(getattr(info.cls, "__name__", info.cls))
    if isinstance(info, list | tuple):
        return next((found for each in info if (found := _foreign_class(each, seen))), None)
    is_part = isinstance(info, msgspec.inspect.Type | msgspec.inspect.Field)
    if not is_part or id(info) in seen:
        return None
    seen.add(id(info))
    return _foreign_class([getattr(info, name) for name in info.__struct_fields__], seen)


def _by_model(model: Any, name: str) -> Callable[[str], Any]:
    def decode(raw: str) -> Any:
        try:
            return model.model_validate_json(raw)
        except ValueError as error:
            raise Reject(f"the payload does not fit {name}: {_complaints(error)}") from None

    return decode


def _complaints(error: ValueError) -> str:
    """What pydantic found wrong, without the values: those are the user's."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    found = errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{each['msg']} at {'.'.join(map(str, each['loc'])) or '$'}" for each in found)
