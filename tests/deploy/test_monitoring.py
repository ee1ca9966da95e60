"""The dashboard and the alerts ask for what is exported, as Prometheus understands it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from realtime_message.settings import RedisSettings
from support.background import Background
from support.callback_process import CallbackProcesses
from support.deploy_files import PROJECT, Dockerfile, compose_services
from support.persistent_publishers import PersistentPublishers
from support.ports import free_port
from support.valkey_server import ValkeyServer, unique_prefix
from support.worker_process import WorkerProcess, wait_until

pytestmark = pytest.mark.timeout(180)

FOLDER = PROJECT / "deploy/monitoring"
DASHBOARD = json.loads((FOLDER / "grafana/realtime.json").read_text("utf-8"))
QUERIES = [
    target["expr"].replace("$__rate_interval", "30s")
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
]
(GROUP,) = yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"]
ALERTS = {rule["alert"]: rule["expr"] for rule in GROUP["rules"]}


@pytest.fixture(scope="module")
def addresses(valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """Where a callback service and a worker that have worked show their metrics, by job."""
    folder = tmp_path_factory.mktemp("monitoring")
    redis = RedisSettings(url=valkey.url, prefix=unique_prefix())
    port = free_port()
    worker = WorkerProcess(
        redis, folder / "worker.log", folder / "history.jsonl", settings={"metrics_port": port}
    )
    try:
        with CallbackProcesses(valkey.url, redis.prefix, processes=2) as service:
            worker.wait_until_said("partition.acquired")
            with PersistentPublishers(service.port) as publishers:
                publishers.wait_for_more(50)
            found = {"instances": f"127.0.0.1:{service.port}", "workers": f"127.0.0.1:{port}"}
            wait_until(lambda: "rtm_callback_backlog_full{" in _metrics(found["instances"]), 20)
            yield found
    finally:
        worker.close()


def _metrics(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def samples(addresses: dict) -> dict[str, list[dict[str, str]]]:
    """Every name that is exported, with the labels of its samples."""
    found: dict[str, list[dict[str, str]]] = {}
    for address in addresses.values():
        for family in text_string_to_metric_families(_metrics(address)):
            found.setdefault(family.name, [])
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_dashboard_is_what_its_program_writes(tmp_path: Path) -> None:
    """The file was made anew after the last change."""
    shutil.copytree(FOLDER, tmp_path / "deploy/monitoring")
    file = tmp_path / "deploy/monitoring/grafana/realtime.json"
    file.unlink()
    subprocess.run(
        "python deploy/monitoring/make_dashboard.py", shell=True, cwd=tmp_path, check=True
    )
    assert json.loads(file.read_text("utf-8")) == DASHBOARD


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_alerts_are_well_formed() -> None:
    """As the page says to check them."""
    command = "promtool check rules deploy/monitoring/rules.yml"
    done = subprocess.run(command, shell=True, cwd=PROJECT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("query", [*QUERIES, *ALERTS.values()])
def test_query_asks_for_what_is_exported(query: str, samples: dict) -> None:
    """Each metric exists, with the labels and the values that the query names."""
    names = re.findall(r"\b(?:rtm_\w+|up)\b", query)
    assert names
    for name in names:
        assert name == "up" or name in samples, name
    for name, conditions in re.findall(r"\b(rtm_\w+)\{([^}]*)\}", query):
        for label, operator, value in re.findall(r'(\w+)(!?=)"([^"]*)"', conditions):
            assert operator in ("=", "!=")
            assert value in {labels.get(label) for labels in samples[name]}, (name, label, value)
    for labels in re.findall(r"by \(([^)]*)\)", query):
        known = {name for name in names if name != "up"}
        for label in {part.strip() for part in labels.split(",")} - {"instance", "le"}:
            assert any(label in one for name in known for one in samples[name]), label


def test_compose_asks_every_instance_and_worker() -> None:
    """The names and ports are those of the services; only this machine sees the results."""
    services = compose_services()
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    (instances, workers) = [job["dns_sd_configs"][0] for job in config["scrape_configs"]]
    for name in ("instance", "replica"):
        assert instances["names"] == services[name]["networks"]["default"]["aliases"]
    assert workers["names"] == ["worker"]
    exposed = Dockerfile.read().all("EXPOSE")[0].split()
    assert {str(instances["port"]), str(workers["port"])} <= set(exposed)
    for name in ("prometheus", "grafana"):
        service = services[name]
        assert service["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (PROJECT / source).exists(), volume
    assert config["rule_files"] == ["/etc/prometheus/rules.yml"]


def test_page_says_of_every_alert_what_to_do() -> None:
    """Whoever is woken up finds its name."""
    page = (PROJECT / "docs/howto/monitor.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(ALERTS)


@pytest.fixture(scope="module")
def prometheus(addresses: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that asks both, with the alerts; returns its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "rules.yml")]
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [addresses[job["job_name"]]]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    words = [program, f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    process = Background([*words, f"--web.listen-address={address}"], folder, {})
    try:
        wait_until(lambda: _has_asked(address), 60, lambda: process.output)
        yield address
    finally:
        process.kill()


def _ask(address: str, query: str) -> list[Any]:
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        document = json.load(answer)
    assert document["status"] == "success", document
    return list(document["data"]["result"])


def _has_asked(address: str) -> bool:
    try:
        # Rates need two samples.
        return len(_ask(address, "count_over_time(up[1m]) >= 3")) == 2
    except OSError:
        return False


def test_prometheus_answers_every_query_and_nothing_alarms(prometheus: str) -> None:
    """No query is wrong, none of a graph is empty, and a healthy system raises no alert."""
    empty = [query for query in QUERIES if not _ask(prometheus, query)]
    assert empty == []
    raised = [name for name, query in ALERTS.items() if _ask(prometheus, query)]
    assert raised == []
