"""Cluster, Sentinel, TLS and rights: everything works from one URL, and what is wrong is told."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_message.errors import ConfigurationError, StartupError, UnsupportedServerError
from realtime_message.settings import RedisSettings
from realtime_message.streams import open_streams
from support.certificates import Certificate, make_certificate
from support.cluster_servers import ClusterServers
from support.ports import free_port
from support.sentinel_servers import NAME, SentinelServers
from support.streams_use import use_everything
from support.valkey_server import ValkeyServer, unique_prefix

PAGE = (Path(__file__).parents[2] / "docs/reference/redis-rights.md").read_text("utf-8")
(RULE,) = re.findall(r"^ACL SETUSER rtm (.*)$", PAGE, re.MULTILINE)
CLUSTER_RIGHTS = ["+cluster|slots", "+asking"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterServers]:
    """Three masters; tests make users on them."""
    with ClusterServers(replicas=0) as servers:
        yield servers


@pytest.fixture(scope="module")
def sentinel() -> Iterator[SentinelServers]:
    """A primary and a replica with a password, Sentinels with another one."""
    guard = {"requirepass": "pw", "masterauth": "pw"}
    with SentinelServers(1, 2, options=guard, primary_password="pw", password="other") as servers:
        yield servers


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What servers with TLS show."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def debian_binary() -> str:
    """A server that can speak TLS."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("needs redis-server with TLS on PATH")
    return binary


def _settings(url: str, **more: object) -> RedisSettings:
    # Generous, for machines that are busy; tests of what never comes give less.
    values: dict[str, object] = {
        "startup_timeout_seconds": 30.0,
        "connect_timeout_seconds": 10.0,
        "command_timeout_seconds": 10.0,
        "partition_count": 2,
    }
    return RedisSettings(url=url, prefix=unique_prefix(), **(values | more))  # type: ignore[arg-type]


async def _use(settings: RedisSettings) -> dict[str, int]:
    """Use everything once, and return the spread of the partitions."""
    streams = await open_streams(settings)
    await use_everything(streams)
    spread = await streams.inspect.spread()
    await streams.close()
    return spread


async def test_node_of_a_cluster_is_recognised(cluster: ClusterServers) -> None:
    """A plain URL of one node is as good as the cluster's."""
    spread = await _use(_settings(cluster.plain_url, partition_count=8))
    assert set(spread) == {f"127.0.0.1:{node.port}" for node in cluster.nodes}
    assert sum(spread.values()) == 8


async def test_spread_of_one_server(valkey: ValkeyServer) -> None:
    """One server has them all."""
    assert await _use(_settings(valkey.url)) == {f"redis://127.0.0.1:{valkey.port}": 2}


async def test_first_node_that_lives_is_enough(cluster: ClusterServers) -> None:
    """Nodes of the URL may be down; the others know all of them."""
    dead, alive = free_port(), cluster.nodes[2].port
    await _use(_settings(f"redis+cluster://127.0.0.1:{dead},127.0.0.1:{alive}"))
    await _use(_settings(f"redis://127.0.0.1:{dead},127.0.0.1:{alive}"))


async def test_several_servers_the_primary_is_found() -> None:
    """Of several plain hosts replicas are passed over."""
    with ValkeyServer() as primary:
        follow = {"replicaof": ("127.0.0.1", str(primary.port))}
        with ValkeyServer(follow) as replica:
            hosts = f"127.0.0.1:{replica.port},127.0.0.1:{primary.port}"
            await _use(_settings(f"redis://{hosts}"))
            url = f"redis://127.0.0.1:{replica.port},127.0.0.1:1"
            with pytest.raises(StartupError, match=rf"{replica.port} is a replica"):
                await open_streams(_settings(url, startup_timeout_seconds=0))


def _user(cluster: ClusterServers, rule: str) -> RedisSettings:
    prefix, name = unique_prefix(), f"u{secrets.token_hex(4)}"
    words = rule.replace("messages", prefix).replace("PASSWORD", "pw").split()
    for node in cluster.nodes:
        node.client().execute_command("ACL", "SETUSER", name, *words)
    hosts = cluster.url.partition("://")[2]
    return RedisSettings(
        url=f"redis+cluster://{name}:pw@{hosts}",
        prefix=prefix,
        partition_count=2,
        connect_timeout_seconds=10.0,
        command_timeout_seconds=10.0,
    )


async def test_listed_rights_suffice_on_a_cluster(cluster: ClusterServers) -> None:
    """The page's rule and its two rights for a cluster are enough."""
    assert all(right.replace("|", "\\|") in PAGE for right in CLUSTER_RIGHTS)
    await _use(_user(cluster, f"{RULE} {' '.join(CLUSTER_RIGHTS)}"))


@pytest.mark.parametrize("missing", CLUSTER_RIGHTS)
async def test_missing_right_for_a_cluster_is_named(cluster: ClusterServers, missing: str) -> None:
    """Without one of them the start ends and names it."""
    rights = " ".join(right for right in CLUSTER_RIGHTS if right != missing)
    name = missing.removeprefix("+").partition("|")[0]
    with pytest.raises(UnsupportedServerError, match=name):
        await open_streams(_user(cluster, f"{RULE} {rights}"))


async def test_right_that_one_node_lacks_is_named(cluster: ClusterServers) -> None:
    """Every master is asked: rights are those of a node."""
    settings = _user(cluster, f"{RULE} {' '.join(CLUSTER_RIGHTS)}")
    name = settings.url.partition("://")[2].partition(":")[0]
    node = cluster.nodes[1]
    node.client().execute_command("ACL", "SETUSER", name, "-xclaim")
    with pytest.raises(UnsupportedServerError, match=rf"{node.port}.*xclaim"):
        await open_streams(settings)


async def test_cluster_wrong_password_is_told(cluster: ClusterServers) -> None:
    """A refused login of a cluster ends the start at once."""
    with pytest.raises(ConfigurationError, match="refused the login"):
        await open_streams(_settings(cluster.url.replace("://", "://u:wrong@")))


async def test_server_that_is_no_cluster_is_told(valkey: ValkeyServer) -> None:
    """A cluster's URL for one server says which URL to use."""
    with pytest.raises(ConfigurationError, match=r"is no cluster.*use redis://"):
        await open_streams(_settings(f"redis+cluster://127.0.0.1:{valkey.port}"))


async def test_cluster_without_all_slots_is_told() -> None:
    """A node that nobody has made a cluster of yet has no slots."""
    with (
        ValkeyServer({"cluster-enabled": "yes"}) as server,
        pytest.raises(StartupError, match="no node of the cluster has"),
    ):
        await open_streams(_settings(server.url, startup_timeout_seconds=0))


async def test_sentinel_with_passwords(sentinel: SentinelServers) -> None:
    """The URL's login is Redis', the options are Sentinel's."""
    await _use(_settings(sentinel.url))


async def test_sentinel_that_does_not_know_the_name(sentinel: SentinelServers) -> None:
    """The names that it knows are told."""
    url = sentinel.url.replace(f"/{NAME}", "/other")
    with pytest.raises(ConfigurationError, match=f"knows no primary 'other', it knows {NAME}"):
        await open_streams(_settings(url))


async def test_sentinel_password_missing_and_wrong(sentinel: SentinelServers) -> None:
    """It is told that Sentinel wants it, not Redis."""
    with pytest.raises(ConfigurationError, match="sentinel_password"):
        await open_streams(_settings(sentinel.url.partition("?")[0]))
    with pytest.raises(ConfigurationError, match="sentinel_password"):
        await open_streams(_settings(sentinel.url.replace("=other", "=wrong")))


async def test_redis_password_wrong_behind_sentinel(sentinel: SentinelServers) -> None:
    """The login that Redis refuses is told apart from Sentinel's."""
    with pytest.raises(ConfigurationError, match=r"refused the login.*correct user and password"):
        await open_streams(_settings(sentinel.url.replace(":pw@", ":wrong@")))


async def test_first_sentinel_that_lives_is_enough(sentinel: SentinelServers) -> None:
    """One that is down is passed over; all down is told with their addresses."""
    dead = free_port()
    await _use(_settings(sentinel.url.replace("127.0.0.1", f"127.0.0.1:{dead},127.0.0.1", 1)))
    url = f"redis+sentinel://127.0.0.1:{dead}/{NAME}"
    with pytest.raises(StartupError, match=rf"no Sentinel of .*{dead}"):
        await open_streams(_settings(url, startup_timeout_seconds=0))


async def test_server_that_is_no_sentinel(valkey: ValkeyServer) -> None:
    """Redis' own port instead of Sentinel's is told."""
    with pytest.raises(ConfigurationError, match="is no Sentinel"):
        await open_streams(_settings(f"redis+sentinel://127.0.0.1:{valkey.port}/{NAME}"))


async def test_sentinel_by_a_plain_url(sentinel: SentinelServers) -> None:
    """Sentinel's port in a plain URL is told."""
    port = sentinel.sentinels[0].port
    with pytest.raises(ConfigurationError, match=r"is a Sentinel: use redis\+sentinel"):
        await open_streams(_settings(f"redis://:other@127.0.0.1:{port}"))


async def test_cluster_over_tls(certificate: Certificate, debian_binary: str) -> None:
    """Nodes are found and spoken to by TLS alone; without the authority it is said what to do."""
    with ClusterServers(replicas=0, binary=debian_binary, certificate=certificate) as servers:
        await _use(_settings(f"{servers.url}?ssl_ca_certs={certificate.certificate}"))
        with pytest.raises(ConfigurationError, match=r"does not verify.*ssl_ca_certs"):
            await open_streams(_settings(servers.url))


async def test_sentinel_over_tls(certificate: Certificate, debian_binary: str) -> None:
    """Both Sentinel and Redis are spoken to by TLS."""
    with SentinelServers(1, 2, binary=debian_binary, certificate=certificate) as servers:
        await _use(_settings(f"{servers.url}?ssl_ca_certs={certificate.certificate}"))


async def test_tls_where_there_is_none(valkey: ValkeyServer) -> None:
    """A plain port does not answer TLS; the text asks for that."""
    url = f"rediss://127.0.0.1:{valkey.port}"
    short = {"startup_timeout_seconds": 0, "connect_timeout_seconds": 0.5}
    with pytest.raises(StartupError, match="does it speak TLS on this port"):
        await open_streams(_settings(url, **short))
