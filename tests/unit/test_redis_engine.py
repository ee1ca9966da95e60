"""One Redis URL, told to Centrifugo in the form that it reads."""

import pytest

from realtime_message.centrifugo.redis_engine import redis_engine
from realtime_message.errors import ConfigurationError
from realtime_message.settings import load_settings
from realtime_message.stack.gateway_launch import gateway_configuration, gateway_environment


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://your-redis", "redis://your-redis:6379"),
        ("redis://h:7000/", "redis://h:7000"),
        ("redis://h/0", "redis://h:6379"),
        ("redis://h/3", "redis://h:6379/3"),
        ("redis://h?db=4&socket_keepalive=true", "redis://h:6379/4"),
        ("redis://ada:p%40ss@[::1]:7000", "redis://ada:p%40ss@[::1]:7000"),
        ("redis://:pass@h", "redis://:pass@h:6379"),
        ("rediss://h", "rediss://h:6379"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock"),
        ("redis+cluster://a:7000", "redis+cluster://a:7000"),
        ("redis+cluster://u:p@a,b:7001", "redis+cluster://u:p@a:6379?addr=b:7001"),
        ("rediss+cluster://a,[::1]", "redis+cluster://a:6379?tls_enabled=true&addr=[::1]:6379"),
        (
            "redis+sentinel://:p@a,b:7/shop/2?sentinel_password=s%26t",
            "redis+sentinel://:p@a:26379/2?sentinel_master_name=shop&sentinel_user=&sentinel_password=s%26t&addr=b:7",
        ),
        ("rediss+sentinel://a/shop", "rediss+sentinel://a:26379?sentinel_master_name=shop"),
    ],
)
def test_address_has_the_form_that_centrifugo_reads(url, address):
    """The port is always there, a database only when it is not 0, options of redis-py never."""
    assert redis_engine(url).address == address


def test_tls_files_move_into_the_configuration():
    """What redis-py reads from the URL's query, Centrifugo reads from `engine.redis.tls`."""
    engine = redis_engine("rediss://h?ssl_ca_certs=/ca.crt&ssl_certfile=/a&ssl_keyfile=/b")
    assert engine.tls == {
        "enabled": True,
        "server_ca_pem": "/ca.crt",
        "cert_pem": "/a",
        "key_pem": "/b",
    }
    assert redis_engine("rediss://h?ssl_cert_reqs=none").tls == {
        "enabled": True,
        "insecure_skip_verify": True,
    }


def test_tls_option_without_counterpart_is_refused_by_name():
    """Nothing about TLS is left out without a word."""
    with pytest.raises(ConfigurationError, match="ssl_check_hostname"):
        redis_engine("rediss://h?ssl_check_hostname=false")


def test_several_plain_hosts_are_refused():
    """Centrifugo would take them for independent servers and spread the channels over them."""
    with pytest.raises(ConfigurationError, match="several hosts"):
        redis_engine("redis://a,b")


def test_sentinel_speaks_tls_as_redis_does():
    """The files are for both, and the password of Sentinel stays out of the file."""
    loaded = load_settings(
        {
            "RTM_GATEWAY__ENGINE": "redis",
            "REDIS_URL": "rediss+sentinel://s/shop?ssl_ca_certs=/ca.crt&sentinel_password=s3cret",
        },
        search_file=False,
    )
    redis = gateway_configuration(loaded.settings)["engine"]["redis"]
    assert redis["tls"] == redis["sentinel_tls"] == {"enabled": True, "server_ca_pem": "/ca.crt"}
    assert "address" not in redis


def test_engine_follows_the_streams_server_and_prefix():
    """Instances share Centrifugo's state on the server of the streams, under keys of their own."""
    loaded = load_settings(
        {"RTM_GATEWAY__ENGINE": "redis", "REDIS_URL": "redis://h", "RTM_REDIS__PREFIX": "shop"},
        search_file=False,
    )
    assert gateway_configuration(loaded.settings)["engine"] == {
        "type": "redis",
        "redis": {"address": "redis://h:6379", "prefix": "shop.centrifugo"},
    }


def test_password_of_the_engine_is_in_the_environment_alone():
    """A URL with a password never stands in the file."""
    loaded = load_settings(
        {"RTM_GATEWAY__ENGINE": "redis", "RTM_GATEWAY__REDIS_URL": "redis://:hunter2@h"},
        search_file=False,
    )
    assert "hunter2" not in str(gateway_configuration(loaded.settings))
    environment = gateway_environment(loaded.settings, {})
    assert environment["CENTRIFUGO_ENGINE_REDIS_ADDRESS"] == "redis://:hunter2@h:6379"
