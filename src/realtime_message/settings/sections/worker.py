"""What `[worker]` holds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from realtime_message.settings.sections.option import Section, option


class WorkerSettings(Section, frozen=True, kw_only=True):
    """A worker."""

    id: Annotated[
        str,
        option(
            "The worker's name, the same over restarts. With TOTAL_WORKERS it is its number from "
            "0. Empty: a name is made up.",
            environment="WORKER_ID",
            fits="up to 64 letters, digits, dots, dashes and underscores",
            pattern=r"^[A-Za-z0-9_.-]{0,64}\Z",
        ),
    ] = ""
    total_workers: Annotated[
        int,
        option(
            "Static assignment: partition i belongs to worker i mod TOTAL_WORKERS. 0: partitions "
            "are assigned automatically.",
            environment="TOTAL_WORKERS",
            ge=0,
        ),
    ] = 0
    partitions: Annotated[
        str,
        option(
            "Static assignment: partitions such as 0,1,2.",
            environment="PARTITIONS",
            fits="numbers with commas between them",
            pattern=r"^\s*(\d+\s*(,\s*\d+\s*)*)?\Z",
        ),
    ] = ""
    concurrency: Annotated[
        int, option("Messages handled at once, of different channels.", ge=1)
    ] = 100
    lease_seconds: Annotated[
        float,
        option(
            "How long a partition stays with a worker that went silent. Renewed every third of "
            "it; a dead worker's partitions move within about this time.",
            unit="seconds",
            ge=1,
        ),
    ] = 9.0
    max_attempts: Annotated[
        int, option("Attempts before a message becomes a dead letter.", ge=1)
    ] = 5
    dead_letter_policy: Annotated[
        Literal["skip", "halt_channel"],
        option(
            "What a channel does after one of its messages failed for good: `skip` goes on with "
            "the next one, `halt_channel` holds the channel back until it is resumed."
        ),
    ] = "skip"
    handler_timeout_seconds: Annotated[
        float,
        option("A handler that takes longer is cancelled; 0 for never.", unit="seconds", ge=0),
    ] = 30.0
    backoff_initial_seconds: Annotated[
        float,
        option(
            "Wait before the second attempt; doubled for each further one.", unit="seconds", ge=0
        ),
    ] = 0.2
    backoff_max_seconds: Annotated[
        float, option("The longest wait between attempts.", unit="seconds", ge=0)
    ] = 30.0
    max_buffered_messages: Annotated[int, option("Messages read ahead per partition.", ge=1)] = 1000
    max_buffered_bytes: Annotated[
        int,
        option(
            "Payload bytes read ahead per partition; the last read may go over it.",
            unit="bytes",
            ge=1,
        ),
    ] = 16_777_216
    max_blocked_seconds: Annotated[
        float,
        option(
            "A handler that blocks the event loop for longer loses the worker's partitions to "
            "others; one that is still at work so long after its partition was lost ends the "
            "worker. 0 for never.",
            unit="seconds",
            ge=0,
        ),
    ] = 60.0
    drain_timeout_seconds: Annotated[
        float,
        option("How long a stop waits for handlers before it cancels them.", unit="seconds", ge=0),
    ] = 20.0
    unhandled: Annotated[
        Literal["ack", "dead_letter"],
        option("What happens to a message of a channel that no handler wants."),
    ] = "ack"
    retention_seconds: Annotated[
        float,
        option(
            "How long handled entries stay in the stream; unread ones always stay.",
            unit="seconds",
            ge=0,
        ),
    ] = 3600.0
    retention_max_length: Annotated[
        int,
        option(
            "Above this length of a partition's stream handled entries go before "
            "retention_seconds are over; unread ones always stay. 0: no limit.",
            ge=0,
        ),
    ] = 0
    registered_groups: Annotated[
        list[str],
        option(
            "Consumer groups of other systems on the streams, as names or patterns such as audit*. "
            "Trimming waits for every group; `rtm doctor` warns of those that do not stand here."
        ),
    ] = msgspec.field(default_factory=list)
    receipts_channel: Annotated[
        str,
        option(
            "Channel to which the worker publishes a receipt of each handled message; empty: none."
        ),
    ] = ""
    metrics_host: Annotated[str, option("Address of the worker's /metrics and /health.")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[
        int, option("Port of the worker's /metrics and /health; 0: none.", ge=0, le=65535)
    ] = 0
