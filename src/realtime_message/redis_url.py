"""One URL that says where Redis is: one server, those that Sentinel watches, or a cluster.

    redis://[user:password@]host[:port][,host[:port]…][/database][?options]
    redis+sentinel://[user:password@]host[:port][,…]/NAME[/database][?options]
    redis+cluster://[user:password@]host[:port][,…][?options]
    unix:///path[?options]

`rediss` instead of `redis` is TLS, to Sentinel too. User and password are Redis' own; those of
Sentinel are the options `sentinel_username` and `sentinel_password`. All other options are
redis-py's, such as `ssl_ca_certs`. (IANA: the schemes redis and rediss; the others are Centrifugo's
and redis-py's habit.)
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from realtime_message.errors import ConfigurationError

_PORT = 6379
_SENTINEL_PORT = 26379
_LARGEST_PORT = 65535

#: The forms, for texts.
FORMS = (
    "redis://[user:password@]host[:port][/database], "
    "redis+sentinel://[user:password@]host[:port],host[:port]/NAME, "
    "redis+cluster://[user:password@]host[:port],host[:port], rediss… instead of redis… for TLS, "
    "or unix:///path; special characters of the password are written as %XX"
)

Kind = Literal["server", "unix", "sentinel", "cluster"]

_KINDS: dict[str, Kind] = {
    "redis": "server",
    "rediss": "server",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "unix": "unix",
}


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class RedisTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL says.

    Attributes:
        kind: what the hosts are.
        uses_tls: whether connections are encrypted.
        hosts: at least one; of `unix` one that means nothing.
        login: `user:password` as it stands in the URL; empty for none.
        database: the number of the database, as text; empty for 0.
        primary_name: by which Sentinel knows the primary.
        sentinel_username: for Sentinel itself; empty for none.
        sentinel_password: the same.
        path: of the Unix socket.
        options: redis-py's.
    """

    kind: Kind
    uses_tls: bool = False
    hosts: tuple[Address, ...]
    login: str = ""
    database: str = ""
    primary_name: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    path: str = ""
    options: dict[str, str] = {}

    @property
    def scheme(self) -> str:
        """`redis`, `rediss` or `unix`: how one server is spoken to."""
        if self.kind == "unix":
            return "unix"
        return "rediss" if self.uses_tls else "redis"

    @property
    def shown(self) -> str:
        """The URL without passwords and options: what may stand in a text."""
        if self.kind == "unix":
            return f"unix://{self.path}"
        user = self.login.partition(":")[0]
        scheme = self.scheme if self.kind == "server" else f"{self.scheme}+{self.kind}"
        name = f"/{self.primary_name}" if self.primary_name else ""
        database = f"/{self.database}" if self.database else ""
        hosts = ",".join(map(str, self.hosts))
        return f"{scheme}://{f'{user}@' if user else ''}{hosts}{name}{database}"

    def shown_server(self, address: Address) -> str:
        """One of the servers, without passwords and options."""
        return self.shown if self.kind == "unix" else f"{self.scheme}://{address}"

    @property
    def server_url(self) -> str:
        """The first of the servers as redis-py reads it."""
        login = f"{self.login}@" if self.login else ""
        query = f"?{urlencode(self.options)}" if self.options else ""
        if self.kind == "unix":
            database = f"{'&' if query else '?'}db={self.database}" if self.database else ""
            return f"unix://{login}{self.path}{query}{database}"
        return f"{self.scheme}://{login}{self.hosts[0]}/{self.database or 0}{query}"

    @property
    def sentinel_url(self) -> str:
        """The first Sentinel as redis-py reads it."""
        login = ""
        if self.sentinel_password:
            user, password = quote(self.sentinel_username), quote(self.sentinel_password, safe="")
            login = f"{user}:{password}@"
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"{self.scheme}://{login}{self.hosts[0]}{query}"


def parse_redis_url(url: str, setting: str = "redis.url (REDIS_URL)") -> RedisTarget:
    """Return what a URL says.

    Args:
        url: see the module.
        setting: what holds it, for the error.

    Raises:
        ConfigurationError: it cannot be understood. The text quotes nothing of it: that might be a
            piece of the password.
    """
    try:
        return _parse(url)
    except ValueError as error:
        # Not a parser's own words: they may quote a piece of the password.
        reason = f" ({error})" if isinstance(error, _UrlError) else ""
        raise ConfigurationError(f"{setting} is not a Redis URL{reason}: use {FORMS}") from None


class _UrlError(ValueError):
    """Its text may be shown."""


def _parse(url: str) -> RedisTarget:
    parts = urlsplit(url)
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise _UrlError("unknown scheme")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    login, _, rest = parts.netloc.rpartition("@")
    database = options.pop("db", "")
    if kind == "unix":
        if not parts.path.strip("/"):
            raise _UrlError("the path of the socket is missing")
        return RedisTarget(
            kind=kind,
            hosts=(Address("localhost", 0),),
            login=login,
            path=parts.path,
            database=_database(database),
            options=options,
        )
    path = unquote(parts.path).strip("/").split("/")
    name = ""
    if kind == "sentinel":
        name = path.pop(0)
        if not name:
            raise _UrlError("the name of the primary is missing")
    port = _SENTINEL_PORT if kind == "sentinel" else _PORT
    return RedisTarget(
        kind=kind,
        uses_tls=parts.scheme.startswith("rediss"),
        hosts=tuple(_address(text, port) for text in rest.split(",")),
        login=login,
        database=_database(database or "/".join(path)),
        primary_name=name,
        sentinel_username=options.pop("sentinel_username", ""),
        sentinel_password=options.pop("sentinel_password", ""),
        options=options,
    )


def _database(text: str) -> str:
    if text and not text.isdecimal():
        raise _UrlError("the database is not a number")
    return text.lstrip("0")


def _address(text: str, default_port: int) -> Address:
    host, colon, port = text, "", ""
    if not text.endswith("]"):
        host, colon, port = text.rpartition(":")
        if not colon:
            host, port = text, ""
    if port and not (port.isdecimal() and 0 < int(port) <= _LARGEST_PORT):
        raise _UrlError("a port is not a number from 1 to 65535")
    host = unquote(host.removeprefix("[").removesuffix("]"))
    return Address(host or "localhost", int(port or default_port))
