"""Opening the chat page where there is a screen to open it on."""

from __future__ import annotations

import contextlib
import sys
import threading
import webbrowser
from collections.abc import Mapping


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser window can be seen by whoever started the command."""
    if environment.get("CI"):
        return False
    if platform == "darwin":
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_page(url: str) -> None:
    """Open a page without waiting for the browser, and without failing where there is none."""

    def open_quietly() -> None:
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(url)

    threading.Thread(target=open_quietly, name="browser", daemon=True).start()
