"""docs/reference/compatibility.md, made from the contract suite of the gateways.

`./scripts/reference` writes it; `PYTHONPATH=tests python -m support.compatibility_page` prints it.
"""

from __future__ import annotations

import ast
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SUITE = PROJECT / "tests/contract/gateway"
PAGE = PROJECT / "docs/reference/compatibility.md"

#: The last run of the whole suite against both gateways; write it anew after such a run.
TESTED_VERSION = "6.9.1"
TESTED_CASES = 471

#: Options that the embedded gateway refuses by name, with a value that asks for them, and what it
#: lacks.
REFUSED: list[tuple[str, object, str]] = [
    ("http_server.tls.enabled", True, "TLS: put a proxy in front, or run Centrifugo"),
    ("client.concurrency", 2, "more than one command of a connection at a time"),
    ("engine.type", "redis", "the Redis engine: several instances that act as one"),
    ("http_stream.enabled", True, "the HTTP streaming transport"),
    ("sse.enabled", True, "the server-sent events transport"),
    ("uni_websocket.enabled", True, "unidirectional WebSocket"),
    ("uni_sse.enabled", True, "unidirectional server-sent events"),
    ("uni_http_stream.enabled", True, "unidirectional HTTP streaming"),
    ("uni_grpc.enabled", True, "unidirectional gRPC"),
    ("grpc_api.enabled", True, "the server API over gRPC"),
    ("websocket.compression", True, "compression of WebSocket messages"),
    ("admin.enabled", True, "the admin interface"),
    ("prometheus.enabled", True, "Prometheus metrics"),
    (
        "client.token.insecure_skip_jwks_endpoint_safety_check",
        True,
        "a JWKS endpoint that a token may choose freely",
    ),
    ("channel.without_namespace.force_recovery_mode", "cache", "recovery of the last value alone"),
    (
        "channel.without_namespace.allowed_delta_types",
        ["fossil"],
        "delta compression; a client that asks for it gets whole publications",
    ),
    (
        "client.subscribe_to_user_personal_channel.enabled",
        True,
        "the personal channel that every user is subscribed to",
    ),
    ("channel.proxy.publish.endpoint", "grpc://x:1", "proxies over gRPC"),
    ("channel.proxy.subscribe_stream.endpoint", "grpc://x:1", "subscription streams"),
    ("consumers", [{"name": "c", "enabled": True}], "consumers of queues and databases"),
]

_DIFFERENCES = """\
Known differences in what both do:

- **Protobuf.** Clients have to speak JSON; a handshake that asks for Protobuf is answered with 400.
  So is one that asks for native ping frames (`cf_ws_frame_ping_pong`).
- **Frames that are not UTF-8** are closed with 3501 `bad request`. Centrifugo lets such bytes
  through, and the WebSockets of those who receive them break.
- **Half of a surrogate pair** (`"\\ud83d"` alone, as JavaScript writes a text that was cut inside
  an emoji) becomes U+FFFD before it goes anywhere.
- **Very deep nesting** of JSON is closed with 3501 `bad request`.
- **Durations in the file** have to be texts. Centrifugo takes a number for nanoseconds.
- **The configuration** is JSON. Centrifugo also reads YAML and TOML.
- **State** is in memory and gone with the process, as with Centrifugo's memory engine."""


def compatibility_page() -> str:
    """Return the page."""
    modules = [
        (path.name, summary, cases)
        for path in sorted(SUITE.glob("test_*.py"))
        for summary, cases in [_cases(path)]
    ]
    count = sum(len(cases) for *_, cases in modules)
    parts = [_head(count)]
    for name, summary, cases in modules:
        rows = "\n".join(f"| {sentence} | = | = |" for sentence in cases)
        parts.append(
            f"### {summary}\n\n`tests/contract/gateway/{name}`\n\n"
            f"| case | embedded | Centrifugo 6 |\n|---|---|---|\n{rows}\n"
        )
    parts.append(_lacks())
    return "\n".join(parts)


def _head(count: int) -> str:
    return f"""\
# Compatibility of the two gateways

One suite states how a gateway behaves towards clients, the callback service and callers of the
server API. It runs against the embedded gateway always, and against Centrifugo where
`RTM_CENTRIFUGO_BIN` or `PATH` has it, with the same configuration file. A case is written once: it
passes on both, or the suite is red. No case makes an exception for one of them.

Last run on both: Centrifugo {TESTED_VERSION}, {TESTED_CASES} tests on each gateway, all passed.
They are the {count} cases below, many of them with several inputs. To run it yourself:

```
RTM_CENTRIFUGO_BIN=/path/to/centrifugo ./scripts/test tests/contract/gateway
```

What only one of the two does stands [at the end](#what-the-embedded-gateway-does-not-do).

This page is made from the suite by `scripts/reference`.

## Cases
"""


def _cases(path: Path) -> tuple[str, list[str]]:
    """Return a module's summary and the sentence of each of its tests."""
    tree = ast.parse(path.read_text("utf-8"))
    summary = (ast.get_docstring(tree) or path.stem).split("\n\n")[0].replace("\n", " ")
    cases = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            title = node.name.removeprefix("test_").replace("_", " ")
            sentence = " ".join((ast.get_docstring(node) or "").split())
            cases.append(f"**{title}**: {sentence}".replace("|", "\\|"))
    return summary.rstrip("."), cases


def _lacks() -> str:
    rows = "\n".join(f"| `{path}` | {what} |" for path, _, what in REFUSED)
    return f"""\
## What the embedded gateway does not do

It is for development, tests and machines without the network. Options that it does not implement
are refused by name when it starts, never ignored, unless their value asks for nothing. Among them:

| option | what is missing |
|---|---|
{rows}

{_DIFFERENCES}
"""


if __name__ == "__main__":
    print(compatibility_page(), end="")
