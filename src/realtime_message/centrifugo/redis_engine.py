"""Where Centrifugo's Redis engine connects to, told from the URL that redis-py reads.

The two read almost the same URLs. Centrifugo v6 wants the port to be there, takes a path of `/` for
a broken database number, ignores redis-py's options in the query, and has TLS files in its own
configuration (its `engine.redis.tls`). Seen on v6.9.1.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from realtime_message.errors import ConfigurationError

_DEFAULT_PORT = 6379
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
        tls: what `engine.redis.tls` holds; empty without options of its own.
    """

    address: str = ""
    tls: dict[str, Any] = {}


def redis_engine(url: str) -> RedisEngine:
    """Return the engine for a Redis URL.

    Args:
        url: as redis-py reads it: redis://, rediss://, unix://.

    Raises:
        ConfigurationError: Centrifugo cannot be told the same.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    login, at, _ = parts.netloc.rpartition("@")
    if parts.scheme == "unix":
        return RedisEngine(address=f"unix://{login}{at}{parts.path}")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
    database = options.get("db") or parts.path.strip("/")
    path = f"/{database}" if database not in ("", "0") else ""
    address = f"{parts.scheme}://{login}{at}{host}:{parts.port or _DEFAULT_PORT}{path}"
    return RedisEngine(address=address, tls=_tls(options))


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
