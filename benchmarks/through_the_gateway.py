"""What the callback service costs behind Centrifugo, against a backend that does nothing.

The same Centrifugo, the same clients, in each round once with a backend that permits everything and
once with this project's service, which stores each message first.

    RTM_CENTRIFUGO_BIN=… python benchmarks/through_the_gateway.py --rounds 5 --seconds 5
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from contenders import SECRET, ours
from machine import Server, cpu_seconds, family, free_port, redis_server, running

from realtime_message.centrifugo.configuration import (
    GatewayOptions,
    build_configuration,
    launch_environment,
)
from realtime_message.centrifugo.tokens import make_connection_token

HERE = Path(__file__).parent
#: How long the load generator runs before it counts.
WARM_UP_SECONDS = 1


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description="Publish through Centrifugo.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    binary = os.environ.get("RTM_CENTRIFUGO_BIN") or shutil.which("centrifugo")
    if binary is None:
        sys.exit("the benchmark needs Centrifugo: name it in RTM_CENTRIFUGO_BIN")
    backends = {"a backend that does nothing": _nothing, "this project": _ours}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in backends}
    with redis_server() as redis:
        for _ in range(options.rounds):
            for name, backend in backends.items():
                with backend(redis.port) as service, _gateway(binary, service.port) as gateway:
                    pids = {"gateway": gateway.pid, "backend": service.pid, "Redis": redis.pid}
                    runs[name].append(_load(gateway.port, options, pids))
    _print(options, runs)


@contextlib.contextmanager
def _nothing(_: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, str(HERE / "peers" / "nothing.py")]
    with running(command, port=port, environment={"PORT": str(port)}) as pid:
        yield Server(pid, port)


@contextlib.contextmanager
def _ours(redis_port: int) -> Iterator[Server]:
    port = free_port()
    command, environment = ours().start(port, redis_port, 1)
    with running(command, port=port, environment=environment) as pid:
        yield Server(pid, port)


@contextlib.contextmanager
def _gateway(binary: str, callback_port: int) -> Iterator[Server]:
    port = free_port()
    options = GatewayOptions(
        port=port,
        callback_url=f"http://127.0.0.1:{callback_port}",
        events=("connect", "publish"),
        has_callback_secret=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "centrifugo.json"
        file.write_text(json.dumps(build_configuration(options)), "utf-8")
        environment = launch_environment(
            options, token_secret=_token_secret(), callback_secret=SECRET
        )
        with running([binary, "-c", str(file)], port=port, environment=environment) as pid:
            yield Server(pid, port)


def _load(port: int, options: argparse.Namespace, pids: Mapping[str, int]) -> dict[str, float]:
    """Load the gateway; return what the load generator measured, and CPU µs for each publish."""
    token = make_connection_token(_token_secret(), "56")
    before = {name: cpu_seconds(family(pid)) for name, pid in pids.items()}
    output = subprocess.run(
        [
            *(sys.executable, str(HERE / "load" / "websocket.py")),
            *(str(port), str(options.connections), str(options.seconds), token),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    result = json.loads(output)
    if result["errors"]:
        sys.exit(f"{result['errors']} errors, the last: {result['last_error']}")
    # Those of the warm-up cost as much.
    publishes = result["per_second"] * (options.seconds + WARM_UP_SECONDS)
    used = {
        name: (cpu_seconds(family(pid)) - before[name]) / publishes * 1e6
        for name, pid in pids.items()
    }
    return {**result, **used}


def _token_secret() -> str:
    return dict(ours().environment)["CENTRIFUGO_TOKEN_HMAC_SECRET_KEY"]


def _print(options: argparse.Namespace, runs: dict[str, list[dict[str, float]]]) -> None:
    print(
        f"\n{options.connections} clients, one message at a time each, medians of "
        f"{options.rounds} rounds of {options.seconds:g} s, {os.cpu_count()} cores\n"
    )
    print(
        "| behind Centrifugo | publishes/s | ratio | p50 ms | p99 ms "
        "| CPU µs for each: Centrifugo | backend | Redis |"
    )
    print("|---|---|---|---|---|---|---|---|")
    base = 0.0
    for name, results in runs.items():
        per_second, p50, p99, *used = (
            statistics.median(result[key] for result in results)
            for key in ("per_second", "p50_ms", "p99_ms", "gateway", "backend", "Redis")
        )
        base = base or per_second
        print(
            f"| {name} | {per_second:,.0f} | {per_second / base:.2f} | {p50:.2f} | {p99:.2f} | "
            f"{' | '.join(f'{cpu:.0f}' for cpu in used)} |"
        )


if __name__ == "__main__":
    main()
