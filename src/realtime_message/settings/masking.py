"""How a secret is shown: never. A URL keeps all but its password: operators need the address."""

from __future__ import annotations

import re

MASK = "***"

_URL_PASSWORD = re.compile(r"(?<=://)([^:@/?#]*):.*@", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"([?&][^=&]*password=)[^&]*", re.IGNORECASE)


def mask(secret: str) -> str:
    """Return what may be shown of a secret: nothing, or of a URL all but its passwords."""
    if not secret:
        return ""
    if "://" not in secret:
        return MASK
    # The query first: a password there may hold what ends one in front of the host.
    without_option = _QUERY_PASSWORD.sub(rf"\1{MASK}", secret)
    return _URL_PASSWORD.sub(rf"\1:{MASK}@", without_option)
