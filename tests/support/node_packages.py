"""npm packages for tests, installed once into a folder that Git ignores."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_CACHE = Path(__file__).parents[2] / ".work" / "node"
_PACKAGES = ("centrifuge@5", "ws@8")

needs_node = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="Node with npm not found on PATH"
)


def install_node_packages() -> Path:
    """Return the folder of the installed packages; skip the test if npm cannot install them."""
    modules = _CACHE / "node_modules"
    if not all((modules / name.split("@")[0] / "package.json").is_file() for name in _PACKAGES):
        _CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_CACHE), *_PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install {_PACKAGES}: {done.stderr.strip()[-200:]}")
    return modules
