"""Every command of the pages about running it is run by a test, or stands here with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.howto_pages import HOWTO, OPERATOR_PAGES, commands

PAGES = (
    "write-handlers.md",
    "decide-with-hooks.md",
    "docker-compose.md",
    "podman.md",
    "load-balancer.md",
    "kubernetes.md",
    "rotate-secrets.md",
    "upgrade.md",
    "monitor.md",
    "centrifugo.md",
    "doctor.md",
    "console.md",
)

COMPOSE, IMAGE, QUADLET = "test_compose.py", "test_image.py", "test_quadlets.py"
README = "../system/test_readme_commands.py"
OWN_APP = "../system/test_readme_own_app.py"
CONSOLE = "../system/test_console_process.py"
CENTRIFUGO = "../system/test_cli_centrifugo.py"
BALANCER, CHART = "test_load_balancer.py", "test_kubernetes_chart.py"

#: Which test runs a command; its text stands in that file.
RUN_BY = {
    "./deploy/make-env": COMPOSE,
    "docker compose up -d": COMPOSE,
    "docker compose logs": COMPOSE,
    "docker compose down": COMPOSE,
    "docker compose exec -T instance rtm publish room:lobby hello": COMPOSE,
    "docker compose logs worker": COMPOSE,
    "docker compose --profile nginx up -d --scale replica=2 --scale worker=3": COMPOSE,
    "docker compose --profile cluster up -d": COMPOSE,
    "docker compose kill -s HUP nginx": COMPOSE,
    "docker compose --profile nginx up -d --no-deps --wait instance": COMPOSE,
    "docker compose --profile nginx up -d --no-deps --wait replica": COMPOSE,
    "docker compose up -d --no-deps --wait worker": COMPOSE,
    "docker compose exec -T redis redis-cli BGREWRITEAOF": COMPOSE,
    "docker compose cp redis:/data ./backup": COMPOSE,
    "podman build -t centrifuge-realtime-message .": "conftest.py",
    "promtool check rules deploy/monitoring/rules.yml": "test_monitoring.py",
    "python deploy/monitoring/make_dashboard.py": "test_monitoring.py",
    "rtm up myworker:app --reload": OWN_APP,
    "rtm callback myworker:app": OWN_APP,
    "rtm worker myworker:app": OWN_APP,
    "rtm config check": README,
    "rtm console": README,
    "rtm partitions list": README,
}
#: The same words with other values: the test has ports, names and an app of its own.
RUN_WITH_OTHER_VALUES = {
    "podman run -d -p 8000:8000 -p 3000:3000 -e REDIS_URL=redis://your-redis:6379 "
    "-e CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=your-secret centrifuge-realtime-message": IMAGE,
    "podman run -d -e REDIS_URL=redis://your-redis:6379 centrifuge-realtime-message "
    "worker examples.worker:app": IMAGE,
    "podman run --rm -e CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=your-secret "
    "centrifuge-realtime-message token ada": IMAGE,
    "docker compose --profile nginx up -d --scale replica=4": COMPOSE,
    "docker compose logs -f": COMPOSE,
    "haproxy -c -f deploy/haproxy/haproxy.cfg": "test_haproxy.py",
    "nginx -t": BALANCER,
    "RTM_CONSOLE__PASSWORD=$(openssl rand -hex 16) rtm console --host 0.0.0.0": CONSOLE,
    "rtm doctor": "../integration/test_doctor.py",
    "rtm leases list": "../system/test_leases_release.py",
    "rtm leases release 3": "../system/test_leases_release.py",
    "rtm centrifugo install": CENTRIFUGO,
    "rtm centrifugo config --output centrifugo.json": CENTRIFUGO,
    "rtm centrifugo check": CENTRIFUGO,
    "rtm centrifugo check centrifugo.json": CENTRIFUGO,
    "rtm centrifugo run": CENTRIFUGO,
    "rtm centrifugo run centrifugo.json": CENTRIFUGO,
}
NOT_RUN = {
    "docker compose --profile monitoring up -d": (
        "Grafana's image cannot be made of packages; test_monitoring.py runs Prometheus"
    ),
    "mkdir -p ~/.config/containers/systemd ~/.config/realtime": "a home folder is not a test's",
    "cp deploy/podman/* ~/.config/containers/systemd/": "as above; the generator reads the files",
    "(cat .env; echo REDIS_URL=redis://realtime-redis:6379) > ~/.config/realtime/environment": (
        "as above"
    ),
    "chmod 600 ~/.config/realtime/environment": "as above",
    "systemctl --user daemon-reload": "needs systemd",
    "systemctl --user start realtime-redis realtime-instance realtime-worker@1 "
    "realtime-worker@2": "needs systemd",
    "cp deploy/nginx/realtime.conf deploy/nginx/upstream.conf /etc/nginx/conf.d/": (
        "the machine's own Nginx is left alone; the test gives the files to one of its own"
    ),
    "nginx -s reload": "as above",
    "kubectl create secret generic realtime --from-literal=REDIS_URL=redis://redis:6379 "
    "--from-literal=CENTRIFUGO_TOKEN_HMAC_SECRET_KEY=$(openssl rand -hex 32) "
    "--from-literal=CENTRIFUGO_HTTP_API_KEY=$(openssl rand -hex 32)": "needs a cluster",
    "helm install realtime deploy/kubernetes/chart --values values.yaml": (
        "needs a cluster; test_kubernetes_chart.py renders it"
    ),
    "helm upgrade realtime deploy/kubernetes/chart --values values.yaml --set image.tag=0.2.0": (
        "needs a cluster"
    ),
    "kubectl exec deploy/realtime-rtm-instance -- rtm publish room:lobby hello": "needs a cluster",
    "kubectl logs deploy/realtime-rtm-worker": "needs a cluster",
    "kubectl rollout restart deploy/realtime-rtm-instance": "needs a cluster",
    "kubectl rollout status deploy/realtime-rtm-instance": "needs a cluster",
    "kubectl rollout restart deploy/realtime-rtm-worker": "needs a cluster",
    "kubectl rollout status deploy/realtime-rtm-worker": "needs a cluster",
}


@pytest.mark.parametrize("name", sorted(path.name for path in HOWTO.glob("*.md")))
def test_page_is_known(name: str) -> None:
    """A page's commands are run, or stand above with the reason; else the report names the page."""
    unknown = name not in (*PAGES, *OPERATOR_PAGES)
    if unknown and commands(HOWTO / name):
        pytest.skip(f"no test runs the commands of docs/howto/{name}")


@pytest.mark.parametrize("name", PAGES)
def test_every_command_is_accounted_for(name: str) -> None:
    """No command stands in a page that this file does not know."""
    known = {*RUN_BY, *RUN_WITH_OTHER_VALUES, *NOT_RUN}
    assert not [line for line in commands(HOWTO / name) if line not in known]


def test_no_command_is_listed_that_no_page_shows() -> None:
    """The lists shrink with the pages."""
    shown = {line for name in PAGES for line in commands(HOWTO / name)}
    assert not {*RUN_WITH_OTHER_VALUES, *NOT_RUN} - shown


@pytest.mark.parametrize("command", RUN_BY)
def test_command_stands_in_the_test_that_runs_it(command: str) -> None:
    """The words of the page are the words of the test."""
    assert command in (Path(__file__).parent / RUN_BY[command]).read_text("utf-8")


@pytest.mark.parametrize("command", RUN_WITH_OTHER_VALUES)
def test_test_that_runs_it_exists(command: str) -> None:
    """A page cannot point at a test that is gone."""
    assert (Path(__file__).parent / RUN_WITH_OTHER_VALUES[command]).exists()
