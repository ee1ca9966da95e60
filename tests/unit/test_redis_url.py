"""One URL for every kind of Redis."""

import pytest

from realtime_message.errors import ConfigurationError
from realtime_message.redis_url import Address, parse_redis_url


def test_hosts_have_default_ports() -> None:
    """Redis' own port, or Sentinel's."""
    assert parse_redis_url("redis+cluster://a,b:7000,[::1]:1").hosts == (
        Address("a", 6379),
        Address("b", 7000),
        Address("::1", 1),
    )
    assert parse_redis_url("redis+sentinel://a,[::1]/n").hosts == (
        Address("a", 26379),
        Address("::1", 26379),
    )
    assert parse_redis_url("redis://").hosts == (Address("localhost", 6379),)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis+cluster://u:p@a,b:7000", "redis+cluster://u@a:6379,b:7000"),
        ("rediss+sentinel://:p@a/shop/2?sentinel_password=q", "rediss+sentinel://a:26379/shop/2"),
        ("redis://u:p@a,b/0?ssl_ca_certs=x", "redis://u@a:6379,b:6379"),
    ],
)
def test_shown_without_passwords(url: str, shown: str) -> None:
    """What stands in texts and logs never has a password."""
    assert parse_redis_url(url).shown == shown


def test_servers_and_sentinels_have_logins_of_their_own() -> None:
    """The URL's login is for Redis, the options are for Sentinel; TLS files are for both."""
    target = parse_redis_url(
        "rediss+sentinel://u:p%40@a/n/3?sentinel_username=s&sentinel_password=q%2F&ssl_ca_certs=/c"
    )
    assert target.server_url == "rediss://u:p%40@a:26379/3?ssl_ca_certs=%2Fc"
    assert target.sentinel_url == "rediss://s:q%2F@a:26379?ssl_ca_certs=%2Fc"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a", "unknown scheme"),
        ("redis+cluster://a:b", "a port is not a number"),
        ("redis://a:70000", "a port is not a number"),
        ("redis+sentinel://a", "the name of the primary is missing"),
        ("redis://a/x", "the database is not a number"),
        ("unix://", "the path of the socket is missing"),
    ],
)
def test_mistake_is_named_with_the_forms(url: str, reason: str) -> None:
    """The text says what is wrong and which forms there are."""
    with pytest.raises(ConfigurationError, match=f"{reason}.*redis\\+sentinel://.*redis\\+cluster"):
        parse_redis_url(url)
