"""The workflow files are accepted by their linters and say what the project says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.deploy_files import PROJECT

FOLDER = PROJECT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]


def _program(name: str) -> str:
    """Return a linter, or skip with how to get it."""
    variable = f"TESTS_{name.upper()}_BIN"
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed; {variable} names one")
    return found


def _read(name: str) -> dict[str, Any]:
    document: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    # YAML 1.1 takes the key `on` for a boolean.
    document["on"] = document.pop(True, document.get("on"))
    return document


def _steps(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


def test_actionlint_has_no_complaint() -> None:
    """Syntax, expressions, names of runners, and the shell lines as far as it knows shells."""
    done = subprocess.run(
        [_program("actionlint"), *map(str, FILES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_has_no_complaint() -> None:
    """Nothing that an attacker could use: injection, too many rights, kept credentials."""
    done = subprocess.run(
        [_program("zizmor"), "--offline", "--pedantic", *map(str, FILES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    """A tag can be moved; a commit cannot."""
    uses = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    assert uses
    for one in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_rights_are_given_job_by_job(path: Path) -> None:
    """Nothing at the top; only what reads the sources reads them; checkouts keep no credentials."""
    document = _read(path.name)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        assert "permissions" in job, name
        assert "timeout-minutes" in job, name
    for step in _steps(document):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_tests_run_on_every_version_that_is_promised() -> None:
    """Each Python of the classifiers, on Linux and macOS."""
    matrix = _read("ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    words = (line.split(" :: ") for line in METADATA["classifiers"])
    promised = {line[2] for line in words if line[:2] == ["Programming Language", "Python"]}
    assert promised <= set(matrix["python"])
    systems = {*matrix["system"], *(row["system"] for row in matrix["include"])}
    assert {name.partition("-")[0] for name in systems} == {"ubuntu", "macos"}


def test_what_the_files_run_exists() -> None:
    """Scripts and test folders that are named are there."""
    for path in FILES:
        for step in _steps(_read(path.name)):
            for word in re.findall(r"(?:\./scripts|tests|scripts)/[\w./-]+", step.get("run", "")):
                assert (PROJECT / word).exists(), f"{path.name}: {word}"


def test_release_needs_no_stored_secret_and_attests() -> None:
    """PyPI trusts the workflow; package and image carry provenance, the image a list of parts."""
    text = (FOLDER / "release.yml").read_text("utf-8")
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"GITHUB_TOKEN"}
    jobs = _read("release.yml")["jobs"]
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    (build,) = [step for step in jobs["image"]["steps"] if "build-push" in step.get("uses", "")]
    assert build["with"]["platforms"] == "linux/amd64,linux/arm64"
    assert build["with"]["sbom"] is True
    assert build["with"]["provenance"] == "mode=max"
    attested = [name for name, job in jobs.items() if "attest" in str(job["steps"])]
    assert attested == ["provenance", "image"]
    assert jobs["pypi"]["needs"] == "provenance"


def test_only_a_tag_makes_a_release() -> None:
    """Nothing else starts that workflow."""
    assert _read("release.yml")["on"] == {"push": {"tags": ["v*.*.*"]}}
