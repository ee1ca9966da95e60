"""Ports: whether they are free, before anything is started, and what to do if not."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

from realtime_message.errors import PortInUseError


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port that a part will listen on.

    Attributes:
        part: whose it is.
        host: the address.
        port: the number.
        flag: the flag or setting that chooses another one.
    """

    part: str
    host: str
    port: int
    flag: str


def check_ports(wanted: Iterable[WantedPort]) -> None:
    """Check that every port can be listened on, and that no two parts want the same.

    Raises:
        PortInUseError: names every port that is taken, whose it is and the flag for another.
    """
    problems = []
    owners: dict[int, WantedPort] = {}
    for port in wanted:
        if port.port in owners:
            problems.append(
                f"port {port.port} is wanted by the {owners[port.port].part} and the {port.part}: "
                f"choose another with {port.flag}"
            )
        elif not is_free(port.host, port.port):
            problems.append(
                f"port {port.port} for the {port.part} is in use by another program: end that, or "
                f"choose another with {port.flag}"
            )
        owners.setdefault(port.port, port)
    if problems:
        raise PortInUseError("\n     ".join(problems))


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
