"""Where Centrifugo's Redis engine connects to, told from our own URL.

The two are almost the same. Centrifugo v6 wants the port to be there, takes a path of `/` for a
broken database number, ignores redis-py's options in the query, and has TLS files in its own
configuration (its `engine.redis.tls`). Further hosts are `addr` in its query, Sentinel's name for
the primary is `sentinel_master_name`. Seen on v6.9.1.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from realtime_message.errors import ConfigurationError
from realtime_message.redis_url import parse_redis_url

_TLS_FILES = {
    "ssl_ca_certs": "server_ca_pem",
    "ssl_certfile": "cert_pem",
    "ssl_keyfile": "key_pem",
}
# redis-py's other TLS options; leaving one out without a word could connect to the wrong server.
_WITHOUT_COUNTERPART = {"ssl_ca_path", "ssl_ca_data", "ssl_check_hostname", "ssl_keyfile_password"}


class RedisEngine(msgspec.Struct, frozen=True, kw_only=True):
    """What Centrifugo is told about its Redis engine.

    Attributes:
        address: the URL in Centrifugo's form; it may hold a password.
        tls: what `engine.redis.tls` and its `sentinel_tls` hold; empty without TLS options.
    """

    address: str = ""
    tls: dict[str, Any] = {}


def redis_engine(url: str) -> RedisEngine:
    """Return the engine for a Redis URL.

    Args:
        url: as `redis_url` reads it.

    Raises:
        ConfigurationError: it is no such URL, or Centrifugo cannot be told the same.
    """
    target = parse_redis_url(url)
    tls = _tls(target.options)
    login = f"{target.login}@" if target.login else ""
    if target.kind == "unix":
        return RedisEngine(address=f"unix://{login}{target.path}")
    if target.kind == "server" and len(target.hosts) > 1:
        # A list would be independent servers, between which Centrifugo spreads the channels.
        raise ConfigurationError(
            "redis.url (REDIS_URL) has several hosts, of which Centrifugo takes one only: use "
            "redis+sentinel:// or redis+cluster://, or give Centrifugo a URL of its own in "
            "gateway.redis_url"
        )
    first, *others = map(str, target.hosts)
    query: list[tuple[str, str]] = []
    scheme = target.scheme
    if target.kind == "cluster":
        scheme = "redis+cluster"
        if target.uses_tls:  # it knows no scheme for both
            query.append(("tls_enabled", "true"))
    elif target.kind == "sentinel":
        scheme = f"{scheme}+sentinel"
        query.append(("sentinel_master_name", target.primary_name))
        if target.sentinel_password:
            query.append(("sentinel_user", target.sentinel_username))
            query.append(("sentinel_password", target.sentinel_password))
    query += [("addr", other) for other in others]
    database = f"/{target.database}" if target.database else ""
    options = f"?{urlencode(query, safe='[]:')}" if query else ""
    return RedisEngine(
        address=f"{scheme}://{login}{first}{database}{options}",
        tls=tls,
    )


def _tls(options: dict[str, str]) -> dict[str, Any]:
    foreign = sorted(_WITHOUT_COUNTERPART & options.keys())
    if foreign:
        raise ConfigurationError(
            f"redis.url (REDIS_URL) has {', '.join(foreign)}, which Centrifugo has no counterpart "
            f"for: use {', '.join(_TLS_FILES)} or ssl_cert_reqs=none, or give Centrifugo a URL of "
            "its own in gateway.redis_url"
        )
    tls: dict[str, Any] = {
        theirs: options[ours] for ours, theirs in _TLS_FILES.items() if options.get(ours)
    }
    if options.get("ssl_cert_reqs", "required") == "none":
        tls["insecure_skip_verify"] = True
    return {"enabled": True, **tls} if tls else {}
