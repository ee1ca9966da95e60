"""A certificate that servers on loopback show, and that signs for itself."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Where the files are."""

    key: Path
    certificate: Path

    def options(self, port: int) -> dict[str, str]:
        """Return the settings of a server that also listens on a port with TLS."""
        return {
            "tls-port": str(port),
            "tls-cert-file": str(self.certificate),
            "tls-key-file": str(self.key),
            "tls-ca-cert-file": str(self.certificate),
            "tls-auth-clients": "no",
        }

    def __iter__(self) -> Iterator[Path]:
        """Yield the certificate, then its key."""
        yield from (self.certificate, self.key)

    def server_context(self) -> ssl.SSLContext:
        """Return what serves it in this process."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path, name: str = "localhost") -> Certificate:
    """Make one for a name, localhost with 127.0.0.1; skip the test where openssl is missing."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH")
    made = Certificate(folder / "key.pem", folder / "certificate.pem")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(made.key), "-out", str(made.certificate), "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}{',IP:127.0.0.1' * (name == 'localhost')}"),
        ],
        check=True,
        capture_output=True,
    )
    return made
