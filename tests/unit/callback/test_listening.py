"""Where the service listens, and what a user reads when it cannot."""

import socket

import pytest

from realtime_message import App
from realtime_message.callback.server import bind
from realtime_message.callback.serving import serve_callback
from realtime_message.errors import ConfigurationError, PortInUseError
from realtime_message.settings import CallbackSettings, Settings


def test_a_free_port() -> None:
    """Port 0 takes one."""
    with bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_name_and_ipv6() -> None:
    """A name is looked up, and an IPv6 address is as good."""
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
    with bind("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_a_port_in_use() -> None:
    """The text names the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PortInUseError, match=f"port {port} .*choose another with .*PORT"
        ) as caught:
            bind("127.0.0.1", port)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours(host) -> None:
    """The same sentence, with the reason."""
    with pytest.raises(PortInUseError, match=f"cannot listen on {host}"):
        bind(host, 0)


@pytest.mark.parametrize("secret", ["", "short"])
async def test_without_a_token_secret_nothing_starts(secret) -> None:
    """It is named with its variable, and never shown."""
    settings = Settings(callback=CallbackSettings(token_secret=secret, port=0))
    with pytest.raises(ConfigurationError, match="CENTRIFUGO_TOKEN_HMAC_SECRET_KEY") as caught:
        async with serve_callback(settings, App()):
            pass
    assert "short" not in str(caught.value)
