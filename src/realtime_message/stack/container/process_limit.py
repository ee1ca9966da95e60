"""How many processes and threads the container may have, from its control group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from realtime_message.errors import StartupError

#: supervisord, the callback service's processes and their threads, Centrifugo's threads, the health
#: check; with some room for threads of hooks.
NEEDED = 32

# Control groups of version 2, and of version 1.
_FILES = (Path("/sys/fs/cgroup/pids.max"), Path("/sys/fs/cgroup/pids/pids.max"))


def check_process_limit(files: Sequence[Path] = _FILES) -> None:
    """Check that an instance fits into the container's limit: parts would abort without a word.

    Args:
        files: where the limit stands; the first that can be read counts.

    Raises:
        StartupError: the limit is too low.
    """
    for file in files:
        try:
            limit = file.read_text("ascii").strip()
        except OSError:
            continue
        if limit.isdecimal() and int(limit) < NEEDED:
            raise StartupError(
                f"the container may have {limit} processes and threads, and an instance needs "
                f"{NEEDED}: raise its limit (--pids-limit, in Compose pids_limit)"
            )
        return
