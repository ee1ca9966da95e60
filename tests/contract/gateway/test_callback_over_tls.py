"""A callback service that is called over HTTPS."""

import base64

import pytest

from support.certificates import make_certificate
from support.gateway_client import RawClient, unique

EVENTS = ("connect", "publish")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "callback.example")


def known_by(**tls):
    http = {"http": {"tls": {"enabled": True, **tls}}}
    return {
        "client": {"proxy": {"connect": http}},
        "channel": {"proxy": {"publish": http}},
    }


async def connect_error(rig):
    client = await RawClient.open(rig.url)
    reply = await client.request("connect")
    await client.close()
    return reply.get("error", {}).get("code")


@pytest.mark.parametrize("form", ["path", "text", "base64"])
async def test_certificate_is_known_by_its_authority(own_rig, certificate, form):
    """Given as a file, as text or in base64; the name is the configured one."""
    path = certificate.certificate
    source = {
        "path": str(path),
        "text": path.read_text(),
        "base64": base64.b64encode(path.read_bytes()).decode(),
    }[form]
    changes = known_by(server_ca_pem=source, server_name="callback.example")
    rig = own_rig(changes, EVENTS, certificate.server_context())
    client = await RawClient.connect(rig.url)
    for _ in range(3):
        assert "publish" in await client.request("publish", channel=unique(), data=1)
    assert len({call.peer_port for call in rig.callback.calls("publish")}) == 1
    await client.close()


async def test_unknown_certificate_is_not_trusted(own_rig, certificate):
    """Without its authority, or under another name: a temporary error, and no request arrives."""
    path = certificate.certificate
    for tls in ({}, {"server_ca_pem": str(path)}, {"server_name": "callback.example"}):
        rig = own_rig(known_by(**tls), EVENTS, certificate.server_context())
        assert await connect_error(rig) == 100
        assert not rig.callback.calls("connect")
