"""Known bugs of Redis and Valkey releases that concern this system. Pure.

Each row has its source. Only what was read there is claimed: a release that is not named may have
the same bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from realtime_message.doctor.findings import Finding, Severity

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KnownBug:
    """A bug of some releases.

    Attributes:
        server: `redis` or `valkey`.
        first: the first release that has it, of one release line.
        fixed: the first one of that line that does not.
        what: what it does, and how that concerns us.
        source: where it is written down.
        severity: how bad it is here.
        is_of_clusters: whether only a cluster's nodes have it.
    """

    server: str
    first: Version
    fixed: Version
    what: str
    source: str
    severity: Severity = "warning"
    is_of_clusters: bool = False


_LAG = (
    "XINFO GROUPS tells a wrong lag after entries were deleted or trimmed: back-pressure and "
    "`rtm partitions list` count wrong then"
)
_CLAIM = "XAUTOCLAIM of any client on a stream may overflow the heap ({cve})"
_LUA = "a client that may run scripts can run code in the server (CVE-2025-49844)"
_UNBLOCK = (
    "memory is used after it was freed when a blocked client, as each worker is one, is evicted "
    "(CVE-2026-23479)"
)
_MIGRATION = "a client that blocks on a stream whose slot is migrated crashes the server"

_CLAIM_A, _CLAIM_B = _CLAIM.format(cve="CVE-2022-31144"), _CLAIM.format(cve="CVE-2022-35951")
_REDIS = "https://github.com/redis/redis/pull/"
_VALKEY = "https://github.com/valkey-io/valkey/pull/"
_IMAGES = "https://github.com/docker-library/official-images/pull/20011"

KNOWN_BUGS = (
    KnownBug("redis", (7, 0, 0), (7, 0, 4), _CLAIM_A, f"{_REDIS}11003", "error"),
    KnownBug("redis", (7, 0, 4), (7, 0, 5), _CLAIM_B, f"{_REDIS}11299", "error"),
    # Not mended in 7.0: the fixes (13338, 13473) went into 7.2.7 and 7.4.2 only.
    KnownBug("redis", (7, 0, 0), (7, 2, 7), _LAG, f"{_REDIS}13633"),
    KnownBug("redis", (7, 4, 0), (7, 4, 2), _LAG, f"{_REDIS}13635"),
    KnownBug("valkey", (8, 1, 0), (8, 1, 1), _LAG, f"{_VALKEY}1997"),
    KnownBug("redis", (7, 2, 0), (7, 2, 7), _MIGRATION, f"{_REDIS}13633", "error", True),
    # 7.0 got no release with the fix.
    KnownBug("redis", (7, 0, 0), (7, 2, 11), _LUA, _IMAGES),
    KnownBug("redis", (7, 4, 0), (7, 4, 6), _LUA, _IMAGES),
    KnownBug("redis", (8, 0, 0), (8, 0, 4), _LUA, _IMAGES),
    KnownBug("redis", (8, 2, 0), (8, 2, 2), _LUA, _IMAGES),
    KnownBug(
        "valkey", (8, 1, 0), (8, 1, 4), _LUA, "https://github.com/valkey-io/valkey-helm/pull/31"
    ),
    KnownBug("valkey", (7, 2, 0), (7, 2, 13), _UNBLOCK, f"{_VALKEY}3631"),
    KnownBug("valkey", (8, 0, 0), (8, 0, 8), _UNBLOCK, f"{_VALKEY}3632"),
    KnownBug("valkey", (8, 1, 0), (8, 1, 7), _UNBLOCK, f"{_VALKEY}3633"),
    KnownBug("valkey", (9, 0, 0), (9, 0, 4), _UNBLOCK, f"{_VALKEY}3634"),
    # The advisory names 8.6.3 as mended; of older lines it does not say.
    KnownBug(
        "redis", (8, 6, 0), (8, 6, 3), _UNBLOCK, "https://nvd.nist.gov/vuln/detail/CVE-2026-23479"
    ),
)


def known_bugs(server: str, version: Version, where: str, *, is_cluster: bool) -> Iterator[Finding]:
    """Yield what is known about a release.

    Args:
        server: `redis` or `valkey`.
        version: its version; nothing is known of an empty one.
        where: the server, for texts.
        is_cluster: whether it is a node of a cluster.
    """
    for bug in KNOWN_BUGS:
        if bug.server != server or (bug.is_of_clusters and not is_cluster):
            continue
        if bug.first <= version < bug.fixed:
            shown, fixed = shown_version(version), shown_version(bug.fixed)
            yield Finding(
                bug.severity,
                f"{server.capitalize()} {shown} at {where} has a known bug: {bug.what}",
                f"written down in {bug.source}",
                f"upgrade to {fixed} or newer",
            )


def shown_version(version: Version) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))
