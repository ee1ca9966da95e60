"""The page about the gateways is what the contract suite says, and what it says is refused is."""

import json

import pytest

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    read_configuration,
)
from realtime_message.errors import ConfigurationError
from support.compatibility_page import PAGE, REFUSED, SUITE, compatibility_page


def test_page_is_the_generated_one() -> None:
    """docs/reference/compatibility.md is what scripts/reference writes now."""
    assert PAGE.read_text("utf-8") == compatibility_page(), "run ./scripts/reference"


def test_no_case_makes_an_exception_for_a_gateway() -> None:
    """The page says that all are equal: no test asks which gateway it has."""
    texts = [path.read_text("utf-8") for path in SUITE.glob("test_*.py")]
    assert texts
    assert not [text for text in texts if ".kind" in text or "xfail" in text]


@pytest.mark.parametrize(("path", "value", "what"), REFUSED)
def test_option_of_the_page_is_refused_by_name(tmp_path, path, value, what) -> None:
    """The sentence names the option, so that a user finds it in the file."""
    document = build_configuration(GatewayOptions())
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    place[name] = value
    file = tmp_path / "c.json"
    file.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError) as refusal:
        read_configuration(file, {})
    assert path.split(".")[0] in str(refusal.value)
    assert name in str(refusal.value)
