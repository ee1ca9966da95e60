"""`rtm doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_message.cli.options import ConfigOption, JsonOption, SetOption, effective_settings
from realtime_message.cli.output import print_json

if TYPE_CHECKING:
    from realtime_message.doctor.examination import Checked


FileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your configuration of Centrifugo; by default the generated one."
    ),
]
GraceOption = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="How long your supervisor waits between SIGTERM and SIGKILL; Docker 10, "
        "Kubernetes 30.",
    ),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHECK", help="Leave a check out, such as gateway; may be given several times."
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings as well.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Print notes, too: what is in order.")
]


def doctor(
    *,
    centrifugo: FileOption = None,
    stop_grace: GraceOption = None,
    without: WithoutOption = None,
    strict: StrictOption = False,
    verbose: VerboseOption = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the whole installation from inside and outside, and say what to do.

    Settings, secrets, time-outs, Redis (reachable, version, memory, persistence, replicas, clock,
    rights), layout, partitions and their owners, backlog, dead letters, other systems' groups, the
    numbers, the callback service, the gateway and its configuration. It changes nothing and takes
    a few seconds. Exit code 1 if something is wrong.
    """
    # Imported here: --help needs none of it.
    from realtime_message.doctor.examination import CHECKS, Examination, Question  # noqa: PLC0415
    from realtime_message.doctor.findings import counted  # noqa: PLC0415
    from realtime_message.telemetry.logs import configure_command_logging  # noqa: PLC0415

    loaded = effective_settings(config, set_)
    # What the streams would log are findings here.
    configure_command_logging("error")
    unknown = set(without or ()) - set(CHECKS)
    if unknown:
        raise typer.BadParameter(f"there is no check {min(unknown)}; there are {', '.join(CHECKS)}")
    question = Question(loaded, stop_grace, centrifugo, frozenset(without or ()))
    checked = asyncio.run(Examination(question).run())
    severities = [finding.severity for check in checked for finding in check.findings]
    is_wrong = "error" in severities or (strict and "warning" in severities)
    if as_json:
        print_json({"ok": not is_wrong, "checks": checked})
    else:
        _print(checked, is_verbose=verbose)
        errors, warnings = severities.count("error"), severities.count("warning")
        print(
            f"{counted(len(checked), 'check', 'checks')}, {counted(errors, 'error', 'errors')}, "
            f"{counted(warnings, 'warning', 'warnings')}"
        )
    raise typer.Exit(1 if is_wrong else 0)


def _print(checked: Sequence[Checked], *, is_verbose: bool) -> None:
    for check in checked:
        shown = [f for f in check.findings if is_verbose or f.severity != "note"]
        mark = {"done": "ok", "failed": "failed", "left out": "left out"}[check.outcome]
        # The gravest finding stands first.
        if check.outcome == "done" and check.findings and check.findings[0].severity != "note":
            mark = check.findings[0].severity
        print(f"{check.check}: {mark}")
        for finding in shown:
            print(f"  {finding.severity}: {finding.what}")
            if finding.why:
                print(f"    why: {finding.why}")
            if finding.fix:
                print(f"    fix: {finding.fix}")
