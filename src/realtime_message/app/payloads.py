"""The client's data as the type that a handler asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from realtime_message.errors import AppError, Reject


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
        decoder = msgspec.json.Decoder(wanted)
    except (TypeError, NotImplementedError) as error:
        raise AppError(f"{where}: a payload cannot be decoded as {name}: {error}") from None

    def decode(raw: str) -> Any:
        try:
            return decoder.decode(raw)
        except msgspec.MsgspecError as error:
            raise Reject(f"the payload does not fit {name}: {error}") from None

    return decode


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
