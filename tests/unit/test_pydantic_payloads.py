"""Payloads as pydantic models, where pydantic is installed."""

import pytest

from realtime_message.app import decoder_of
from realtime_message.errors import Reject

pydantic = pytest.importorskip("pydantic")


class Basket(pydantic.BaseModel):
    """A payload."""

    item: str
    count: int = 1


def test_model_decodes_itself() -> None:
    """By its own rules."""
    assert decoder_of(Basket, "h")('{"item": "book"}') == Basket(item="book", count=1)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"item": "x", "count": "secret"}', "Input should be a valid integer.* at count"),
        ("secret", "Invalid JSON"),
    ],
)
def test_misfit_is_rejected_without_its_values(raw: str, said: str) -> None:
    """The reason names the place and not what stood there."""
    with pytest.raises(Reject, match=f"does not fit Basket: {said}") as rejected:
        decoder_of(Basket, "h")(raw)
    assert "secret" not in str(rejected.value)
