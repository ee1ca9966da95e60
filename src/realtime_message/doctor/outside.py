"""What answers on the ports: the callback service and the gateway, and what they must refuse."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from realtime_message.centrifugo.review_findings import LOOPBACK_HOSTS
from realtime_message.doctor.findings import Finding, error, note, warning
from realtime_message.settings import Settings

#: For one request; several are made at once.
REQUEST_SECONDS = 3.0

_EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status; 0 if nothing came.
        text: the body, or why nothing came.
    """

    status: int
    text: str


async def review_callback(settings: Settings) -> AsyncIterator[Finding]:
    """Yield how the callback service answers, and whether it serves strangers."""
    url = settings.gateway.callback_url.rstrip("/")
    health, ready, stranger = await asyncio.gather(
        ask(f"{url}/health"),
        ask(f"{url}/health/ready"),
        # An empty request: were it served, it would be refused as a request, and nothing stored.
        ask(f"{url}/centrifugo/publish", method="POST"),
    )
    if health.status != 200:  # noqa: PLR2004 - HTTP
        yield error(
            f"the callback service does not answer at {url} ({_shown(health)})",
            "clients can neither connect nor publish; or gateway.callback_url names another place",
            "rtm callback; or correct gateway.callback_url (rtm config show gateway)",
        )
        return
    yield note(f"the callback service answers at {url}")
    if ready.status != 200:  # noqa: PLR2004 - HTTP
        yield error(
            f"the callback service at {url} is not ready ({_shown(ready)})",
            "every publish gets a temporary error",
            "see the findings about Redis",
        )
    if settings.callback.secret and stranger.status != 401:  # noqa: PLR2004 - HTTP
        yield error(
            f"the callback service at {url} serves callers without the secret ({_shown(stranger)})",
            "whoever reaches the port can publish in anyone's name",
            "start it with the callback.secret of these settings",
        )
    async for finding in _from_outside(settings, url):
        yield finding


async def _from_outside(settings: Settings, url: str) -> AsyncIterator[Finding]:
    """Ask as another machine would: through an address that is not loopback."""
    parts = urlsplit(url)
    own = own_address()
    if own is None or (parts.hostname or "") not in LOOPBACK_HOSTS:
        return
    answer = await ask(f"{parts.scheme}://{own}:{parts.port or 80}/centrifugo/publish", "POST")
    if answer.status == 0:
        return  # it does not listen there
    if answer.status != 401:  # noqa: PLR2004 - HTTP
        yield error(
            f"the callback service serves strangers at {own} ({_shown(answer)})",
            "whoever reaches the port can publish in anyone's name",
            "set CENTRIFUGO_VAR_CALLBACK_SECRET for it and for Centrifugo",
        )
    elif settings.callback.host in _EVERY_ADDRESS:
        yield note(
            f"the callback service listens on every address ({own} among them) and refuses "
            "strangers",
            "its /health and /metrics are open to who reaches the port",
            "keep the port off the internet: only the gateway and your monitoring need it",
        )


async def review_gateway(settings: Settings) -> AsyncIterator[Finding]:
    """Yield how the gateway answers, and whether its server API and admin page are open."""
    parts = urlsplit(settings.gateway.api_url)
    base = f"{parts.scheme}://{parts.netloc}"
    health, api, admin = await asyncio.gather(
        ask(f"{base}/health"),
        ask(f"{settings.gateway.api_url.rstrip('/')}/info", method="POST"),
        ask(f"{base}/admin/auth", method="POST"),
    )
    if health.status == 0:
        yield error(
            f"the gateway does not answer at {base} ({health.text})",
            "clients cannot connect, and handlers cannot publish; or gateway.api_url names "
            "another place",
            "rtm centrifugo run, or rtm gateway; or correct gateway.api_url",
        )
        return
    if health.status != 200:  # noqa: PLR2004 - HTTP
        yield warning(
            f"the gateway at {base} has no /health ({_shown(health)})",
            "load balancers and containers cannot tell whether it is well",
            'health.enabled in its configuration, as "rtm centrifugo config" writes it',
        )
    else:
        yield note(f"the gateway answers at {base}")
    if api.status == 200:  # noqa: PLR2004 - HTTP
        yield error(
            f"the server API at {settings.gateway.api_url} answers without a key",
            "whoever reaches the port can publish to every channel and disconnect everyone",
            "take http_api.insecure out of the gateway's configuration",
        )
    if admin.status == 200:  # noqa: PLR2004 - HTTP
        yield error(
            f"the gateway's admin page at {base} lets everyone in",
            "it shows the configuration and sends commands",
            "take admin.insecure out of its configuration",
        )


async def ask(url: str, method: str = "GET") -> Answer:
    """Send a request without any secret and return what came back."""
    try:
        async with httpx.AsyncClient(
            timeout=REQUEST_SECONDS,
            trust_env=False,
            # Whose certificate it is does not matter here, only whether it answers.
            verify=False,  # noqa: S501 - nothing secret is sent
        ) as client:
            content = b"{}" if method == "POST" else None
            reply = await client.request(method, url, content=content)
            return Answer(reply.status_code, reply.text)
    except httpx.TimeoutException:
        return Answer(0, f"no answer within {REQUEST_SECONDS:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as failure:
        return Answer(0, str(failure) or type(failure).__name__)


def own_address() -> str | None:
    """Return this machine's address towards others; None if it has none but loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only chooses a route. 192.0.2.1 is reserved for documentation.
            probe.connect(("192.0.2.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return None
    return None if address in LOOPBACK_HOSTS else address


def _shown(answer: Answer) -> str:
    text = " ".join(answer.text.split())[:200]
    return f"{answer.status}: {text}" if answer.status else text
