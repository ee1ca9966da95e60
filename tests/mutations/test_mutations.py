"""Every rule of the list can still be broken, and for a few of them the tests are seen to fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mutations.mutation import Mutation
from mutations.run import PROJECT, run
from mutations.store_rules import STORE_RULES
from mutations.stream_rules import STREAM_RULES
from mutations.worker_rules import WORKER_RULES

ALL = (*STREAM_RULES, *STORE_RULES, *WORKER_RULES)


def test_every_mutation_applies_to_the_code_as_it_is() -> None:
    """Its text stands there exactly once, and its tests exist: else it would prove nothing."""
    faults = [fault for mutation in ALL if (fault := mutation.fault())]
    assert faults == [], "change the mutation together with the code"
    for mutation in ALL:
        for test in mutation.tests:
            assert (PROJECT / test.partition("::")[0]).exists(), (mutation.name, test)


def test_names_are_unique() -> None:
    """A mutation is chosen by its name."""
    assert [name for name, count in Counter(m.name for m in ALL).items() if count > 1] == []


@pytest.mark.parametrize("mutation", [m for m in ALL if m.is_short], ids=lambda m: m.name)
def test_broken_rule_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    """Some test fails when the rule is broken; `python -m mutations` tries all of them."""
    assert run(mutation, tmp_path).failed, f"no test fails although {mutation.why}"
