"""The gateway as a process: how it starts, what it says, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    read_configuration,
)
from realtime_message.errors import ConfigurationError, PortInUseError
from realtime_message.gateway.server import run_gateway
from support.ports import free_port

DEADLINE_SECONDS = 15
SCRIPT = """
import sys
from pathlib import Path
from realtime_message.centrifugo.configuration import read_configuration
from realtime_message.gateway.server import run_gateway
run_gateway(read_configuration(Path(sys.argv[1]), {}))
"""


@pytest.fixture
def path(tmp_path):
    """A configuration file with a port of its own."""
    path = tmp_path / "centrifugo.json"
    path.write_text(json.dumps(build_configuration(GatewayOptions(port=free_port()))))
    return path


def port_of(path):
    return json.loads(path.read_text())["http_server"]["port"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_is_ready_healthy_and_ends_cleanly(path, number):
    """It says once that it is ready and what it is for; either signal ends it with 0."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            try:
                if httpx.get(f"http://127.0.0.1:{port_of(path)}/health").json() == {}:
                    break
            except httpx.TransportError:
                time.sleep(0.02)
        process.send_signal(number)
        output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert output.count("gateway.ready") == 1
    assert output.count("gateway.embedded") == 1
    assert "Traceback" not in output


def test_port_in_use_is_named(path):
    """One sentence says which port and what to do."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port_of(path)))
        sock.listen()
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port_of(path)}.*http_server.port"):
            run_gateway(read_configuration(path, {}))


def test_broken_public_key_is_named(path):
    """Found at the start, with the option's path."""
    environ = {"CENTRIFUGO_CLIENT_TOKEN_RSA_PUBLIC_KEY": "no key"}
    with pytest.raises(ConfigurationError, match=r"client\.token\.rsa_public_key: it is no PEM"):
        run_gateway(read_configuration(path, environ))
