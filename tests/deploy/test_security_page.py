"""SECURITY.md says of ports, routes and settings what the files and the code say."""

from __future__ import annotations

import re

from realtime_message.settings.declarations import all_settings
from support.deploy_files import NGINX, PROJECT, Dockerfile, compose_services

PAGE = (PROJECT / "SECURITY.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?:Centrifugo|(\d+) )([^|]*)\| ([^|]*)\|", PAGE, re.MULTILINE)


def test_table_names_every_port() -> None:
    """What the image exposes, and Redis; nothing else listens."""
    ports = {port for port, _, _ in ROWS if port}
    assert ports == {*Dockerfile.read().all("EXPOSE")[0].split(), "6379"}


def test_world_reaches_what_the_balancers_open() -> None:
    """The WebSocket and the health check of port 8000, in each balancer's file."""
    opened = {
        path
        for port, routes, whom in ROWS
        if port == "8000" and whom.strip() in ("the world", "balancers")
        for path in re.findall(r"`(/\S+)`", routes)
    }
    assert opened == {"/connection/websocket", "/health"}
    nginx = (NGINX / "realtime.conf").read_text("utf-8")
    assert set(re.findall(r"location = (\S+)", nginx)) == opened
    haproxy = (PROJECT / "deploy/haproxy/haproxy.cfg").read_text("utf-8")
    assert set(re.findall(r"acl is_\w+ path (\S+)", haproxy)) == opened
    ingress = (PROJECT / "deploy/kubernetes/chart/templates/ingress.yaml").read_text("utf-8")
    (paths,) = re.findall(r"range \$path := list (.*?) }}", ingress)
    assert set(re.findall(r'"(\S+)"', paths)) == opened


def test_settings_and_variables_exist() -> None:
    """A secret under a name that nothing reads would protect nothing."""
    settings = all_settings()
    known = {setting.environment_name for setting in settings.values()}
    known |= {setting.alias for setting in settings.values()}
    pages = PAGE + (PROJECT / "docs/howto/rotate-secrets.md").read_text("utf-8")
    for name in re.findall(r"`((?:callback|console|gateway|redis|worker)\.[a-z_]+)`", pages):
        assert name in settings, name
    compose = (PROJECT / "docker-compose.yml").read_text("utf-8")
    for name in re.findall(r"`([A-Z][A-Z_]*_[A-Z_]+)`", pages):
        assert name in known or f"${{{name}:" in compose, name


def test_redis_is_published_by_no_file() -> None:
    """The network is its protection in Compose."""
    assert "ports" not in compose_services()["redis"]
