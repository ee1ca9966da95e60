"""The deployment files, parsed far enough to be compared with the code and with each other."""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[2]
COMPOSE = PROJECT / "docker-compose.yml"
DOCKERFILE = PROJECT / "Dockerfile"
SUPERVISORD = PROJECT / "src/realtime_message/stack/container/supervisord.conf"
QUADLETS = PROJECT / "deploy/podman"
NGINX = PROJECT / "deploy/nginx"


@dataclass
class Dockerfile:
    """Instructions in order, with continued lines joined."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path = DOCKERFILE) -> Dockerfile:
        """Parse a Dockerfile of the classic syntax."""
        lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
        text = "\n".join(lines).replace("\\\n", " ")
        found = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        return cls([(words[0], words[1].strip()) for words in found])

    def all(self, name: str) -> list[str]:
        """What stands behind each instruction of a name."""
        return [rest for instruction, rest in self.instructions if instruction == name]

    @property
    def environment(self) -> dict[str, str]:
        """Every variable of the image."""
        words = " ".join(self.all("ENV")).split()
        return dict(word.split("=", 1) for word in words)

    @property
    def arguments(self) -> dict[str, str]:
        """Every build argument with its default."""
        return dict(rest.split("=", 1) for rest in self.all("ARG") if "=" in rest)

    def words(self, name: str) -> list[str]:
        """The JSON list behind the last instruction of a name."""
        found: list[str] = json.loads(re.sub(r"^.*?(?=\[)", "", self.all(name)[-1]))
        return found


def compose_services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml, anchors resolved, variables as written."""
    document = yaml.safe_load(COMPOSE.read_text("utf-8"))
    services: dict[str, dict[str, Any]] = document["services"]
    return services


def default_of(text: str) -> str:
    """Return a Compose text with every variable replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def read_unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """A quadlet file: section, key, values; a key may stand there several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        else:
            key, value = line.split("=", 1)
            current.setdefault(key, []).append(value)
    return sections


def supervisord_programs() -> dict[str, dict[str, str]]:
    """The programs of supervisord.conf, without expanding variables."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string(SUPERVISORD.read_text("utf-8"))
    names = [name for name in parser.sections() if name.startswith("program:")]
    return {name.removeprefix("program:"): dict(parser[name]) for name in names}


def nginx_values(directive: str) -> list[str]:
    """Every value of a directive in the Nginx files, comments left out."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(NGINX.glob("*.conf")))
    text = re.sub(r"#.*", "", text)
    return [match.strip() for match in re.findall(rf"(?:^|[;{{}}\s]){directive}\s+([^;{{]+)", text)]


def seconds(text: str) -> float:
    """Return a duration such as 30s, 1m or 30 in seconds."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h)?", text.strip())
    assert match, text
    return int(match[1]) * {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600}[match[2]]
