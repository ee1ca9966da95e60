"""The deployment files agree with the code and with each other. Needs no engine and always runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from realtime_message.settings import Settings, load_settings
from realtime_message.settings.declarations import all_settings
from realtime_message.settings.environment import OTHER_VARIABLES
from realtime_message.stack.centrifugo_release import DEFAULT_VERSION
from realtime_message.stack.container.instance import instance_environment
from realtime_message.stack.gateway_launch import gateway_configuration
from support.deploy_files import (
    NGINX,
    PROJECT,
    QUADLETS,
    Dockerfile,
    compose_services,
    default_of,
    nginx_values,
    read_unit,
    seconds,
    supervisord_programs,
)

SETTINGS = Settings()
DOCKERFILE = Dockerfile.read()
INSTANCES = ("instance", "replica")
WORKER_UNIT, INSTANCE_UNIT = "realtime-worker@.container", "realtime-instance.container"


def _instance_environment() -> dict[str, str]:
    loaded = load_settings({}, search_file=False)
    return instance_environment(loaded, {}, app="", processes=2, folder=Path("/tmp/rtm"))


def _instance_stop_seconds() -> float:
    """How long an instance may take to end: its parts, one after the other."""
    environment = _instance_environment()
    names = ("INSTANCE_GATEWAY_STOP_SECONDS", "INSTANCE_CALLBACK_STOP_SECONDS")
    return sum(float(environment[name]) for name in names)


def _unknown(names: set[str]) -> set[str]:
    settings = all_settings().values()
    known = {setting.environment_name for setting in settings} | {s.alias for s in settings}
    return {name for name in names if name not in known | set(OTHER_VARIABLES)}


def test_dockerfile_uses_the_classic_syntax() -> None:
    """Builders without BuildKit build it too."""
    text = (PROJECT / "Dockerfile").read_text("utf-8")
    assert not re.search(r"--mount|--link|--chmod|<<|^# *syntax=", text, re.MULTILINE)


def test_dockerfile_copies_only_what_dockerignore_lets_through() -> None:
    """A file that is copied is in the context; everything else, secrets included, is not."""
    lines = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]
    for rest in DOCKERFILE.all("COPY"):
        words = rest.split()
        if words[0].startswith("--from"):
            continue
        for source in words[:-1]:
            assert (PROJECT / source).exists(), source
            assert any(source == name or source.startswith(f"{name}/") for name in allowed), source


def test_images_are_pinned_and_can_be_replaced() -> None:
    """Every base has an exact version in an argument; none is the newest of the day."""
    bases = [rest.split()[0] for rest in DOCKERFILE.all("FROM")]
    assert set(bases) == {"${PYTHON_IMAGE}", "${CENTRIFUGO_IMAGE}"}
    for image in (DOCKERFILE.arguments["PYTHON_IMAGE"], DOCKERFILE.arguments["CENTRIFUGO_IMAGE"]):
        host, _, tag = image.rpartition(":")
        assert host.count("/") == 2, f"{image}: a short name depends on the machine"
        assert re.match(r"v?\d+\.\d+", tag), image
    assert DOCKERFILE.arguments["CENTRIFUGO_IMAGE"].endswith(f":v{DEFAULT_VERSION}")


def test_image_runs_without_rights_and_listens_where_it_says() -> None:
    """A numeric user, the ports of the settings, the interfaces of a container."""
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", DOCKERFILE.all("USER")[-1])
    environment = DOCKERFILE.environment
    ports = {SETTINGS.gateway.port, SETTINGS.callback.port}
    ports.add(int(environment["RTM_WORKER__METRICS_PORT"]))
    assert set(map(int, DOCKERFILE.all("EXPOSE")[-1].split())) == ports
    hosts = {name: value for name, value in environment.items() if name.endswith("HOST")}
    assert set(hosts.values()) == {"0.0.0.0"}
    assert not _unknown({name for name in environment if name.startswith("RTM_")})


def test_image_carries_the_scripts_that_it_runs() -> None:
    """Entry point and health check are copied to where they are called."""
    targets = [rest.split()[-1] for rest in DOCKERFILE.all("COPY")]
    assert DOCKERFILE.words("ENTRYPOINT")[-1] in [Path(target).name for target in targets]
    assert DOCKERFILE.words("HEALTHCHECK")[-1] in targets
    assert DOCKERFILE.words("CMD") == ["instance"]


def test_constraints_pin_every_library_within_its_bounds() -> None:
    """The image is built from versions that were tested; none lies outside pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["container"]]
    lines = (PROJECT / "deploy/container/constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {name.replace("_", "-"): version for name, version in pins.items()}
    for text in wanted:
        requirement = Requirement(text)
        assert pins[requirement.name.lower()] in requirement.specifier, text


def test_supervisord_ends_the_gateway_first() -> None:
    """What takes messages in ends before what stores them."""
    programs = supervisord_programs()
    assert set(programs) == {"callback", "gateway"}
    assert int(programs["gateway"]["priority"]) > int(programs["callback"]["priority"])
    given = {f"%(ENV_{name})s" for name in _instance_environment()}
    for program in programs.values():
        used = set(re.findall(r"%\(ENV_\w+\)s", " ".join(program.values())))
        assert used <= given
        assert program["stopsignal"] == "TERM"
        assert (program["startsecs"], program["autorestart"]) == ("0", "true")


@pytest.mark.parametrize("name", INSTANCES)
def test_compose_gives_an_instance_time_to_end(name: str) -> None:
    """stop_grace_period is longer than all stopwaitsecs together."""
    assert seconds(compose_services()[name]["stop_grace_period"]) > _instance_stop_seconds()


def test_every_target_gives_a_worker_time_to_drain() -> None:
    """Longer than worker.drain_timeout_seconds, and its clean-up after it."""
    drain = SETTINGS.worker.drain_timeout_seconds + 5
    assert seconds(compose_services()["worker"]["stop_grace_period"]) > drain
    unit = read_unit(QUADLETS / WORKER_UNIT)
    assert seconds(unit["Container"]["StopTimeout"][0]) > drain


def test_compose_variables_are_settings() -> None:
    """A name that is no setting would keep a part from starting."""
    for name in (*INSTANCES, "worker"):
        environment = compose_services()[name]["environment"]
        assert not _unknown({*environment})


def test_compose_holds_no_secret_and_says_what_to_do() -> None:
    """The key of the tokens is required, with a sentence; the other one comes from outside."""
    environment = compose_services()["instance"]["environment"]
    required = environment["CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"]
    assert required.startswith("${CENTRIFUGO_TOKEN_HMAC_SECRET_KEY:?run ./deploy/make-env")
    assert environment["CENTRIFUGO_HTTP_API_KEY"] == "${CENTRIFUGO_HTTP_API_KEY:-}"
    written = (PROJECT / "deploy/make-env").read_text("utf-8")
    used = set(re.findall(r"\$\{(\w+)", (PROJECT / "docker-compose.yml").read_text("utf-8")))
    assert set(re.findall(r"^([A-Z_]+)=", written, re.MULTILINE)) <= used


def test_compose_publishes_the_gateway_and_keeps_the_callback_service_at_home() -> None:
    """8000 for the world, 3000 for this machine, Redis for nobody."""
    services = compose_services()
    ports = [default_of(text) for text in services["instance"]["ports"]]
    assert ports == ["0.0.0.0:8000:8000", "127.0.0.1:3000:3000"]
    assert [default_of(text) for text in services["nginx"]["ports"]] == ["8080:8080"]
    for name in ("redis", "worker", "replica"):
        assert "ports" not in services[name]


def test_compose_hardens_what_is_ours() -> None:
    """Read-only, without rights, and nothing is granted that is not needed."""
    for name in (*INSTANCES, "worker"):
        service = compose_services()[name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["healthcheck"]["test"] == ["CMD", *DOCKERFILE.words("HEALTHCHECK")]


def test_redis_keeps_what_it_confirmed_and_never_drops() -> None:
    """Append-only file and no eviction, in Compose and in the quadlet."""
    commands = [
        default_of(compose_services()["redis"]["command"]),
        read_unit(QUADLETS / "realtime-redis.container")["Container"]["Exec"][0],
    ]
    for command in commands:
        assert "--appendonly yes --appendfsync everysec" in " ".join(command.split())
        assert "--maxmemory-policy noeviction" in command
        assert "--maxmemory 1gb" in command


def test_apps_that_the_files_name_exist() -> None:
    """The example that is started by default is in the image."""
    command = default_of(compose_services()["worker"]["command"])
    unit = read_unit(QUADLETS / WORKER_UNIT)["Container"]["Exec"][0]
    assert command == unit == "worker examples.worker:app"
    assert "examples /app/examples" in DOCKERFILE.all("COPY")
    assert "app = App()" in (PROJECT / "examples/worker.py").read_text("utf-8")


def test_nginx_waits_longer_than_the_gateway_pings() -> None:
    """A quiet connection gets a ping before Nginx gives it up; two may be lost."""
    client = gateway_configuration(SETTINGS)["client"]
    ping, pong = seconds(client["ping_interval"]), seconds(client["pong_timeout"])
    websocket, health = (seconds(text) for text in nginx_values("proxy_read_timeout"))
    assert websocket > 2 * ping + pong
    assert health < 10
    assert all(seconds(text) > ping + pong for text in nginx_values("proxy_send_timeout"))


def test_nginx_opens_the_websocket_and_the_health_check_alone() -> None:
    """No way to the callback service, the server API or the admin page."""
    assert nginx_values("location") == ["= /connection/websocket", "= /health", "/"]
    text = (NGINX / "realtime.conf").read_text("utf-8")
    assert re.search(r"location / \{\s*return 404;\s*\}", text)
    servers = [value.split()[0] for value in nginx_values("server")]
    assert servers == ["instances:8000"]
    services = compose_services()
    for name in INSTANCES:
        assert services[name]["networks"]["default"]["aliases"] == ["instances"]


def test_nginx_upgrades_and_balances() -> None:
    """What a WebSocket through several instances needs."""
    headers = nginx_values("proxy_set_header")
    assert "Upgrade $http_upgrade" in headers
    assert "Connection $realtime_connection" in headers
    assert nginx_values("proxy_http_version") == ["1.1"]
    assert "least_conn;" in (NGINX / "upstream.conf").read_text("utf-8")
    # Headers that Centrifugo hands on are set by Nginx, or anybody could make them up.
    forwarded = gateway_configuration(SETTINGS)["client"]["proxy"]["connect"]["http_headers"]
    set_here = {header.split()[0].lower() for header in headers}
    made_by_proxies = {name for name in forwarded if name.lower().startswith("x-")}
    assert {name.lower() for name in made_by_proxies} <= set_here


def test_quadlets_give_systemd_and_podman_time() -> None:
    """Parts < StopTimeout < TimeoutStopSec."""
    unit = read_unit(QUADLETS / INSTANCE_UNIT)
    assert seconds(unit["Container"]["StopTimeout"][0]) > _instance_stop_seconds()
    for path in QUADLETS.glob("*.container"):
        unit = read_unit(path)
        inner = seconds(unit["Container"]["StopTimeout"][0])
        assert seconds(unit["Service"]["TimeoutStopSec"][0]) > inner, path


def test_quadlets_run_the_image_as_it_wants_to_be_run() -> None:
    """Ports, health check, rights and names as in the image and in Compose."""
    instance = read_unit(QUADLETS / INSTANCE_UNIT)["Container"]
    worker = read_unit(QUADLETS / WORKER_UNIT)["Container"]
    assert instance["PublishPort"] == ["8000:8000", "127.0.0.1:3000:3000"]
    for unit in (instance, worker):
        assert unit["Image"] == ["localhost/centrifuge-realtime-message:latest"]
        assert unit["HealthCmd"][0].split() == DOCKERFILE.words("HEALTHCHECK")
        assert (unit["ReadOnly"], unit["NoNewPrivileges"]) == (["true"], ["true"])
        assert unit["DropCapability"] == ["all"]
        names = {text.split("=")[0] for text in unit.get("Environment", [])}
        assert not _unknown(names)
    (api,) = [text for text in worker["Environment"] if "API_URL" in text]
    assert api.endswith(f"http://{instance['ContainerName'][0]}:{SETTINGS.gateway.port}/api")


def test_yaml_files_parse() -> None:
    """Nothing under deploy is broken YAML; templates of the chart are rendered elsewhere."""
    for path in [PROJECT / "docker-compose.yml", *PROJECT.glob("deploy/**/*.y*ml")]:
        if "templates" not in path.parts:
            list(yaml.safe_load_all(path.read_text("utf-8")))
