"""Ports are looked at before anything starts; readiness is asked for, not waited out."""

import asyncio
import socket
from pathlib import Path

import pytest

from realtime_message.errors import PortInUseError
from realtime_message.stack.ports import WantedPort, check_ports, free_port
from realtime_message.stack.readiness import http_ok
from support.certificates import make_certificate


def _wanted(port: int, part: str = "gateway", flag: str = "--gateway-port") -> WantedPort:
    return WantedPort(part, "127.0.0.1", port, flag)


def test_free_ports_pass() -> None:
    """Nothing is said about ports that can be had."""
    check_ports([_wanted(free_port())])


def test_every_port_in_use_is_named_with_its_flag() -> None:
    """All of them at once, with part and flag."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [one.getsockname()[1], two.getsockname()[1]]
        with pytest.raises(PortInUseError) as caught:
            check_ports([_wanted(ports[0]), _wanted(ports[1], "chat page", "--page-port")])
    text = str(caught.value)
    assert f"port {ports[0]} for the gateway is in use" in text
    assert "--gateway-port" in text
    assert f"port {ports[1]} for the chat page is in use" in text
    assert "--page-port" in text


def test_two_parts_cannot_have_one_port() -> None:
    """Whoever gives one number twice learns which two parts want it."""
    port = free_port()
    with pytest.raises(PortInUseError, match="is wanted by the gateway and the chat page"):
        check_ports([_wanted(port), _wanted(port, "chat page", "--page-port")])


def test_port_whose_connections_are_closing_is_free() -> None:
    """A restart right after a stop needs no waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()
    check_ports([_wanted(port)])


@pytest.mark.parametrize(
    ("status", "expected"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.1 503 No\r\n\r\n", False), (b"", False)],
)
async def test_only_200_is_ready(status: bytes, expected: bool) -> None:
    """A part that says 503, or nothing, is not ready."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(status)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await http_ok(port, "/health")() is expected


async def test_nobody_there_is_not_ready() -> None:
    """A refused connection is an answer too."""
    assert await http_ok(free_port(), "/health")() is False


async def test_part_that_speaks_https_is_asked_so(tmp_path: Path) -> None:
    """With any certificate: `rtm up` waits for its own callback service."""
    tls = make_certificate(tmp_path).server_context()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        assert await http_ok(port, "/health", is_https=True)()
        assert not await http_ok(port, "/health")()
