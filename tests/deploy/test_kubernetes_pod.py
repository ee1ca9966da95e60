"""The chart's pods, run by `podman play kube`: the nearest thing to a cluster without one.

Services, Ingress, budgets and autoscaling are not run, and Podman has no use for probes without
systemd; their commands are run here.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from support.chat_load import ChatLoad
from support.containers import Podman
from support.containers_site import Site
from support.deploy_tests import centrifugo, only_when_asked
from support.helm_chart import needs_helm, render
from support.instance_process import API_KEY, SECRET
from support.worker_process import wait_until

pytestmark = [only_when_asked, needs_helm, pytest.mark.timeout(900)]

POD = "shop-rtm-{part}-pod-0"


def _manifests(podman: Podman, folder: Path, image: str) -> Path:
    """Render what Podman can run, for an image that is never pulled."""
    values = {
        "image": {"repository": f"localhost/{image}", "tag": "latest", "pullPolicy": "Never"},
        "existingSecret": _make_secret(podman, folder),
        "instance": {"replicas": 1, "gateway": "centrifugo" if centrifugo() else "embedded"},
        "worker": {"replicas": 1},
    }
    kinds = ("ConfigMap", "Deployment")
    kept = [manifest for manifest in render(values) if manifest["kind"] in kinds]
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(kept), "utf-8")
    return file


def _make_secret(podman: Podman, folder: Path) -> str:
    """Make the Secret that the chart is told of, in the form that this Podman reads; its name."""
    values = {
        "REDIS_URL": "redis://redis:6379",
        "CENTRIFUGO_TOKEN_HMAC_SECRET_KEY": SECRET,
        "CENTRIFUGO_HTTP_API_KEY": API_KEY,
    }
    data = {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}
    version = podman.run("version", "--format", "{{.Client.Version}}").split(".")
    # Before 4.4 the bare values; since then a whole manifest.
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}, "data": data}
    is_old = (int(version[0]), int(version[1])) < (4, 4)
    file = folder / "secret.json"
    file.write_text(json.dumps(data if is_old else manifest), "utf-8")
    podman.run("secret", "create", "mine", str(file))
    return "mine"


async def test_pods_serve_clients_and_handle_messages(
    site: Site, image: str, tmp_path: Path
) -> None:
    """Instance and worker with the chart's own settings, secrets, user and read-only files."""
    podman = site.podman
    file = _manifests(podman, tmp_path, image)
    podman.run("play", "kube", "--network", site.name, str(file))
    try:
        instance, worker = (f"{POD.format(part=p)}-{p}" for p in ("instance", "worker"))
        probe = ("exec", instance, "python", "-I", "/usr/local/lib/rtm-healthcheck.py")
        wait_until(
            lambda: podman.result(*probe).returncode == 0,
            180,
            lambda: f"{podman.result(*probe)}\n{podman.logs(instance)}",
        )
        assert podman.result(*probe, "--alive").returncode == 0
        state = json.loads(podman.run("inspect", instance))[0]
        assert state["HostConfig"]["ReadonlyRootfs"] is True
        assert state["Config"]["User"] == "10001:10001"
        infra = podman.run(
            "pod", "inspect", "--format", "{{.InfraContainerID}}", POD.format(part="instance")
        )
        networks = json.loads(podman.run("inspect", infra))[0]["NetworkSettings"]["Networks"]
        url = f"ws://{networks[site.name]['IPAddress']}:8000/connection/websocket"
        load = ChatLoad(url, SECRET, channels=4, writers=2, followers=1)
        async with load.running():
            await load.wait_for(60)
        assert load.failures == []
        assert load.missing() == []
        count = len(load.acknowledged)
        wait_until(
            lambda: podman.logs(worker).count(" says '") >= count, 30, lambda: podman.logs(worker)
        )
    finally:
        podman.result("play", "kube", "--down", str(file))


def _address(podman: Podman, network: str) -> str:
    """Return the instance's address in a network."""
    template = "{{.InfraContainerID}}"
    infra = podman.run("pod", "inspect", "--format", template, POD.format(part="instance"))
    networks = json.loads(podman.run("inspect", infra))[0]["NetworkSettings"]["Networks"]
    return str(networks[network]["IPAddress"])
