"""The Helm chart, rendered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from support.deploy_files import PROJECT

CHART = PROJECT / "deploy/kubernetes/chart"
HELM = os.environ.get("TESTS_HELM_BIN") or shutil.which("helm")
VALIDATOR = os.environ.get("TESTS_KUBERNETES_VALIDATE_BIN") or shutil.which("kubernetes-validate")
RENDERED_FOR = "1.34"

needs_helm = pytest.mark.skipif(
    HELM is None, reason="helm is not installed; TESTS_HELM_BIN names one"
)
needs_validator = pytest.mark.skipif(
    VALIDATOR is None,
    reason="pip install kubernetes-validate, or name it in TESTS_KUBERNETES_VALIDATE_BIN",
)

EVERYTHING = {
    "existingSecret": "mine",
    "settings": {
        "redis": {"partition_count": 16},
        "callback": {"max_body_bytes": 1048576, "allow_anonymous": True, "deadline_seconds": 0.5},
        "gateway": {"allowed_origins": ["https://shop.example"]},
    },
    "instance": {"hooks": "shop.main:app", "replicas": 10},
    "worker": {"autoscaling": {"by": "cpu", "maxReplicas": 16}},
    "ingress": {"enabled": True, "host": "rt.example", "tlsSecret": "rt", "className": "nginx"},
    "networkPolicy": {"enabled": True, "monitoringNamespaceLabels": {"name": "monitoring"}},
}


@cache
def rendered(values: str) -> subprocess.CompletedProcess[str]:
    """Return how `helm template` ended.

    Args:
        values: a values file, as text.
    """
    assert HELM is not None
    return subprocess.run(
        [HELM, "template", "shop", str(CHART), "--kube-version", RENDERED_FOR, "--values", "-"],
        input=values,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the manifests."""
    done = rendered(json.dumps(values))
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def find(manifests: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return one manifest."""
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


def container(manifests: list[dict[str, Any]], part: str) -> dict[str, Any]:
    """Return the container of a part."""
    pod = find(manifests, "Deployment", f"shop-rtm-{part}")["spec"]["template"]["spec"]
    (found,) = pod["containers"]
    return found
