"""The Helm chart refuses what is wrong before anything is installed, and says why."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from support.deploy_files import PROJECT
from support.helm_chart import (
    CHART,
    HELM,
    needs_helm,
    render,
    rendered,
)

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def test_versions_agree() -> None:
    """The chart is released with the package."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert chart["appVersion"] == chart["version"] == project["version"]


def test_schema_of_settings_is_the_generated_one() -> None:
    """`python deploy/kubernetes/refresh_schema.py` after a change of the settings."""
    script = runpy.run_path(str(PROJECT / "deploy/kubernetes/refresh_schema.py"))
    assert SCHEMA["properties"]["settings"] == script["settings_schema"]()


def test_schema_knows_every_value() -> None:
    """What stands in values.yaml is described, and nothing else is let through."""

    def check(values: dict[str, Any], schema: dict[str, Any], path: str) -> None:
        for key, value in values.items():
            assert key in schema["properties"], f"{path}.{key}"
            inner = schema["properties"][key]
            if isinstance(value, dict) and "properties" in inner:
                assert inner["additionalProperties"] is False, f"{path}.{key}"
                check(value, inner, f"{path}.{key}")

    assert SCHEMA["additionalProperties"] is False
    check(VALUES, SCHEMA, "")


@needs_helm
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "set existingSecret"),
        ({"secrets": {"redisUrl": "redis://r", "tokenSecret": "short"}}, "tokenSecret"),
        ({"existingSecret": "s", "instance": {"replicaz": 3}}, "replicaz"),
        ({"existingSecret": "s", "instance": {"replicas": "3"}}, "integer"),
        ({"existingSecret": "s", "settings": {"redis": {"partitions": 8}}}, "partitions"),
        ({"existingSecret": "s", "settings": {"redis": {"url": "redis://x"}}}, "url"),
        ({"existingSecret": "s", "settings": {"callback": {"token_secret": "x"}}}, "token_secret"),
        ({"existingSecret": "s", "settings": {"callback": {"port": 3001}}}, "port"),
        ({"existingSecret": "s", "worker": {"app": "no app"}}, "worker/app"),
        (
            {"existingSecret": "s", "worker": {"autoscaling": {"by": "cpu", "maxReplicas": 9}}},
            "above the number of partitions, 8",
        ),
        ({"existingSecret": "s", "worker": {"autoscaling": {"by": "lag"}}}, "redisAddress"),
        ({"existingSecret": "s", "ingress": {"enabled": True}}, "ingress.host is missing"),
        (
            {"existingSecret": "s", "settings": {"callback": {"drain_timeout_seconds": 60}}},
            "terminationGracePeriodSeconds must be above 79",
        ),
        (
            {"existingSecret": "s", "settings": {"worker": {"drain_timeout_seconds": 60}}},
            "terminationGracePeriodSeconds must be above 65",
        ),
    ],
)
def test_wrong_values_are_refused_with_a_reason(values: dict[str, Any], reason: str) -> None:
    """Before anything is installed, in words."""
    done = rendered(json.dumps(values))
    assert done.returncode != 0
    # Older releases of Helm name a value by its path with dots.
    assert reason in done.stderr or reason.replace("/", ".") in done.stderr


@needs_helm
def test_lint_finds_nothing() -> None:
    """`helm lint --strict`, as its users run it."""
    assert HELM is not None
    done = subprocess.run(
        [HELM, "lint", "--strict", str(CHART), "--set", "existingSecret=mine"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_values_of_the_documentation_are_accepted() -> None:
    """What the page shows can be installed as it stands."""
    text = (PROJECT / "docs/howto/kubernetes.md").read_text("utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert examples
    for example in examples:
        values = {"existingSecret": "realtime", **yaml.safe_load(example)}
        assert render(values)
