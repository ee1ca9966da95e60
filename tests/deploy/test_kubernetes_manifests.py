"""What the Helm chart renders agrees with the API's schemas and with the code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime_message.settings import Settings, load_settings
from support.deploy_files import Dockerfile
from support.helm_chart import (
    EVERYTHING,
    VALIDATOR,
    container,
    find,
    needs_helm,
    needs_validator,
    render,
)

KUBERNETES_VERSIONS = ("1.25", "1.30", "1.34")


@needs_helm
@needs_validator
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("values", [{"existingSecret": "mine"}, EVERYTHING], ids=["least", "most"])
def test_manifests_fit_the_schemas_of_the_api(
    tmp_path: Path, version: str, values: dict[str, Any]
) -> None:
    """Strictly: no unknown field, no wrong type."""
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(render(values)), "utf-8")
    done = subprocess.run(
        [str(VALIDATOR), "--strict", "-k", version, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_pods_have_no_rights() -> None:
    """Not root, nothing writable but /tmp, no capability, no token of the cluster."""
    for manifest in render(EVERYTHING):
        if manifest["kind"] != "Deployment":
            continue
        pod = manifest["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        assert user == Dockerfile.read().all("USER")[-1]
        assert pod["securityContext"]["runAsNonRoot"] is True
        (one,) = pod["containers"]
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        (mount,) = one["volumeMounts"]
        assert mount["mountPath"] == "/tmp"
        assert set(one["resources"]) == {"requests", "limits"}


@needs_helm
def test_ports_and_probes_are_those_of_the_code() -> None:
    """The Service for clients never leads to the callback service."""
    manifests = render(EVERYTHING)
    settings = Settings()
    image = Dockerfile.read()
    ports = {p["name"]: p["containerPort"] for p in container(manifests, "instance")["ports"]}
    assert ports == {"gateway": settings.gateway.port, "callback": settings.callback.port}
    (metrics,) = container(manifests, "worker")["ports"]
    assert str(metrics["containerPort"]) == image.environment["RTM_WORKER__METRICS_PORT"]
    health = image.words("HEALTHCHECK")
    instance = container(manifests, "instance")
    for probe, command in (
        ("startupProbe", health),
        ("readinessProbe", health),
        ("livenessProbe", [*health, "--alive"]),
    ):
        assert instance[probe]["exec"]["command"] == command
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        request = container(manifests, "worker")[probe]["httpGet"]
        assert request == {"path": "/health", "port": "metrics"}
    (port,) = find(manifests, "Service", "shop-rtm-instance")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (settings.gateway.port, "gateway")
    assert find(manifests, "Service", "shop-rtm-instance-callback")["spec"]["type"] == "ClusterIP"


@needs_helm
def test_probes_leave_time_for_what_the_code_does() -> None:
    """Redis is waited for at the start; a handler may block until it loses its partitions."""
    manifests = render(EVERYTHING)
    startup = container(manifests, "instance")["startupProbe"]
    waits = float(Dockerfile.read().environment["RTM_REDIS__STARTUP_TIMEOUT_SECONDS"])
    assert startup["periodSeconds"] * startup["failureThreshold"] > waits
    alive = container(manifests, "worker")["livenessProbe"]
    blocked = Settings().worker.max_blocked_seconds
    assert alive["periodSeconds"] * alive["failureThreshold"] > blocked + 30


@needs_helm
def test_grace_periods_are_longer_than_what_the_code_takes() -> None:
    """Pre-stop, gateway and callback service one after the other; a worker's drain."""
    manifests = render({"existingSecret": "mine"})
    settings = Settings()
    pod = find(manifests, "Deployment", "shop-rtm-instance")["spec"]["template"]["spec"]
    (sleep, seconds) = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    parts = settings.gateway.shutdown_timeout_seconds + settings.callback.drain_timeout_seconds + 4
    assert pod["terminationGracePeriodSeconds"] > int(seconds) + parts
    pod = find(manifests, "Deployment", "shop-rtm-worker")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > settings.worker.drain_timeout_seconds + 5


@needs_helm
def test_environment_is_read_by_the_code_as_it_was_meant() -> None:
    """Numbers, booleans and lists of `settings` arrive; every name is a setting."""
    manifests = render(EVERYTHING)
    environment = dict(find(manifests, "ConfigMap", "shop-rtm")["data"])
    for part in ("instance", "worker"):
        for entry in container(manifests, part)["env"]:
            environment[entry["name"]] = entry.get("value", "pod-1")
    settings = load_settings(environment, search_file=False).settings
    assert settings.redis.partition_count == 16
    assert settings.callback.max_body_bytes == 1048576
    assert settings.callback.allow_anonymous is True
    assert settings.callback.deadline_seconds == 0.5
    assert settings.gateway.allowed_origins == ["https://shop.example"]
    assert settings.gateway.api_url == "http://shop-rtm-instance:8000/api"
    assert settings.worker.id == "pod-1"


@needs_helm
def test_secrets_are_in_the_secret_alone() -> None:
    """Given in values, they go into a Secret; with one of yours, the chart makes none."""
    secrets = {"redisUrl": "redis://:hunter2@r:6379", "tokenSecret": "t" * 8 + "k" * 8}
    manifests = render({"secrets": {**secrets, "apiKey": "a-key"}})
    secret = find(manifests, "Secret", "shop-rtm")
    assert secret["stringData"]["REDIS_URL"] == secrets["redisUrl"]
    rest = json.dumps([m for m in manifests if m["kind"] != "Secret"])
    assert "hunter2" not in rest
    assert secrets["tokenSecret"] not in rest
    manifests = render(EVERYTHING)
    assert not [m for m in manifests if m["kind"] == "Secret"]
    for part in ("instance", "worker"):
        assert {"secretRef": {"name": "mine"}} in container(manifests, part)["envFrom"]


@needs_helm
def test_selectors_find_the_pods_and_only_these() -> None:
    """Deployments, Services, budgets and policies of a part select its pods."""
    manifests = render(EVERYTHING)
    labels = {
        part: find(manifests, "Deployment", f"shop-rtm-{part}")["spec"]["template"]["metadata"][
            "labels"
        ]
        for part in ("instance", "worker")
    }
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if not selector:
            continue
        wanted = selector.get("matchLabels", selector)
        part = wanted["app.kubernetes.io/component"]
        assert part in manifest["metadata"]["name"]
        assert wanted.items() <= labels[part].items()
        other = labels["worker" if part == "instance" else "instance"]
        assert not wanted.items() <= other.items()


@needs_helm
def test_budgets_leave_pods_running() -> None:
    """A node that is drained takes one pod at a time."""
    manifests = render({"existingSecret": "mine"})
    for part in ("instance", "worker"):
        replicas = find(manifests, "Deployment", f"shop-rtm-{part}")["spec"]["replicas"]
        budget = find(manifests, "PodDisruptionBudget", f"shop-rtm-{part}")["spec"]
        assert budget["maxUnavailable"] < replicas


@needs_helm
def test_ingress_opens_two_paths() -> None:
    """The WebSocket and the health check, exactly."""
    ingress = find(render(EVERYTHING), "Ingress", "shop-rtm-instance")
    ((rule),) = ingress["spec"]["rules"]
    paths = [(path["path"], path["pathType"]) for path in rule["http"]["paths"]]
    assert paths == [("/connection/websocket", "Exact"), ("/health", "Exact")]


@needs_helm
def test_scaling_by_lag_watches_every_partition() -> None:
    """KEDA reads the lag of the groups that the workers use, under the names of the streams."""
    scaling = {"by": "lag", "redisAddress": "redis:6379", "authenticationRef": "redis"}
    manifests = render({"existingSecret": "s", "worker": {"autoscaling": scaling}})
    scaled = find(manifests, "ScaledObject", "shop-rtm-worker")["spec"]
    assert set(scaled) == {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"}
    assert scaled["scaleTargetRef"] == {"name": "shop-rtm-worker"}
    pairs = [
        (trigger["metadata"]["stream"], trigger["metadata"]["consumerGroup"])
        for trigger in scaled["triggers"]
    ]
    assert pairs == [
        (f"messages:partition:{n}", f"workers:partition-{n}")
        for n in range(Settings().redis.partition_count)
    ]
    assert all(isinstance(t["metadata"]["lagCount"], str) for t in scaled["triggers"])
    assert "replicas" not in find(manifests, "Deployment", "shop-rtm-worker")["spec"]
