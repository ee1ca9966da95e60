"""Whether what this container runs is well: exit code 0, or 1 and the reason.

The file `health` in RTM_DATA_DIR holds the addresses to ask, one a line; all must answer with 200,
and an empty file has nothing to ask. The entry point and the instance write it.

With `--alive` it asks only whether the processes live, not whether they can take messages: for an
engine that restarts what fails. Without Redis, a restart would not help.

Standard library alone, and no package of ours: this runs every few seconds.
"""

import os
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 3.0
OK = 200
FILE = Path(os.environ.get("RTM_DATA_DIR", ".rtm")) / "health"


def problem(address: str) -> str:
    """Return why an address does not answer as it should; empty if it does."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    connection = HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    if parts.scheme == "https":
        # Whose certificate it is does not matter: it is asked by its address, and told nothing.
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001 - as above
        connection = HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=trusting)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        text = answer.read(500).decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as error:
        return f"{address}: {error}"
    finally:
        connection.close()
    return "" if answer.status == OK else f"{address}: {answer.status} {text}"


def main() -> int:
    """Ask all; return the exit code."""
    try:
        addresses = FILE.read_text("utf-8").split()
    except OSError as error:
        print(f"{FILE} cannot be read ({error.strerror}): nothing has started yet")
        return 1
    if sys.argv[1:] == ["--alive"]:
        addresses = [address.removesuffix("/ready") for address in addresses]
    problems = [text for address in addresses if (text := problem(address))]
    for text in problems:
        print(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
