"""The real Centrifugo in front of a callback service, where its binary is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    launch_environment,
)
from support.ports import free_port


def find_centrifugo() -> str | None:
    """Return the binary that RTM_CENTRIFUGO_BIN names, else PATH's; None if there is none."""
    return os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")


class Centrifugo:
    """A Centrifugo process with the configuration that we generate.

    Args:
        binary: the program.
        folder: for configuration and log.
        callback_url: where the callback service is.
        token_secret: the key that signs tokens.
        callback_secret: shared with the callback service.
    """

    def __init__(
        self,
        binary: str,
        folder: Path,
        *,
        callback_url: str,
        token_secret: str,
        callback_secret: str,
    ) -> None:
        self.port = free_port()
        options = GatewayOptions(
            port=self.port,
            callback_url=callback_url,
            events=("connect", "subscribe", "publish"),
            has_callback_secret=True,
        )
        file = folder / "centrifugo.json"
        file.write_text(json.dumps(build_configuration(options)), "utf-8")
        self._log = (folder / "centrifugo.log").open("wb")
        environment = launch_environment(
            options, token_secret=token_secret, callback_secret=callback_secret
        )
        self._process = subprocess.Popen(
            [binary, "-c", str(file)],
            env={"PATH": os.environ.get("PATH", ""), **environment},
            cwd=folder,
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 20
        while not self._is_healthy():
            assert self._process.poll() is None, "Centrifugo did not start; see its log"
            assert time.monotonic() < deadline, "Centrifugo is not healthy after 20 s"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False
