"""A real terminal in tmux: what a person would see and press."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

DEADLINE_SECONDS = 30.0


class TmuxTerminal:
    """A shell in a terminal of its own tmux server.

    Args:
        folder: for its socket; the shell's working directory.
        environment: of the shell; TERM is what tmux sets.
        size: columns and lines.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], size: tuple[int, int] = (80, 24)
    ) -> None:
        self._folder = folder
        self._environment = {**environment, "ENV": ""}
        self._environment.pop("TMUX", None)
        self._size = size

    def __enter__(self) -> Self:
        columns, lines = map(str, self._size)
        # Without a configuration of whoever runs the tests.
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", lines, "sh")
        self.type_line("echo ready $((1 + 1))")
        self.until("ready 2")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    @staticmethod
    def is_installed() -> bool:
        """Whether there is a tmux."""
        return shutil.which("tmux") is not None

    @property
    def screen(self) -> str:
        """The text that is on the screen."""
        return self._tmux("capture-pane", "-p")

    @property
    def styled_screen(self) -> str:
        """The same with the escapes of its colours and styles."""
        return self._tmux("capture-pane", "-p", "-e")

    @property
    def title(self) -> str:
        """What a program has set as the window's title."""
        return self._tmux("display", "-p", "#{pane_title}").strip()

    @property
    def shell_pid(self) -> str:
        """The process id of the shell."""
        return self._tmux("display", "-p", "#{pane_pid}").strip()

    @property
    def modes(self) -> str:
        """Whether the alternate screen is on, the cursor shown, the mouse reported."""
        return self._tmux(
            "display", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"
        ).strip()

    def type_line(self, line: str) -> None:
        """Type a line as it stands, and Enter."""
        self._tmux("send-keys", "-l", line)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Press keys by tmux' names for them: `q`, `C-c`, `Enter`."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        while self._tmux("display", "-p", "#{pane_width} #{pane_height}") != f"{columns} {lines}\n":
            assert time.monotonic() < give_up_at, "tmux does not change the terminal's size"
            self._tmux("resize-window", "-x", str(columns), "-y", str(lines))
            time.sleep(0.05)

    def until(self, *parts: str, without: str = "\0") -> str:
        """Wait until all parts are on the screen, and something is not; return the screen."""
        give_up_at = time.monotonic() + DEADLINE_SECONDS
        while True:
            screen = self.screen
            if all(part in screen for part in parts) and without not in screen:
                return screen
            assert time.monotonic() < give_up_at, f"{parts} without {without!r} in:\n{screen}"
            time.sleep(0.05)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._folder / "tmux.sock"), *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
